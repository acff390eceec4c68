/* SPDX-License-Identifier: Apache-2.0
 *
 * Every kernel variant this CPU runs against plain C, to the last bit: widths 0 to 300 and around
 * the block size, every alignment, a page that must not be touched right behind the last pixel that
 * may be read. Alone, with nothing but the kernels, so that the variants of another architecture
 * run under qemu. TAP on standard output; the seed is printed, and can be given as the argument.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

static const struct moa_kernels *const variants[] = {
#if defined(__x86_64__)
    &moa_kernels_avx2, &moa_kernels_avx512,
#elif defined(__aarch64__)
    &moa_kernels_neon,
#endif
    &moa_kernels_c, /* against itself: checks the harness */
};

static bool is_supported(const struct moa_kernels *kernels)
{
#if defined(__x86_64__)
    if (kernels == &moa_kernels_avx2)
        return __builtin_cpu_supports("avx2");
    if (kernels == &moa_kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
    return kernels != NULL;
}

static uint64_t random_state;

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Noise, extremes only, smooth, or flat: extremes reach every limit of the lanes. */
static void fill(uint8_t *p, size_t n, unsigned pattern)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t r = next_random();
        switch (pattern) {
        case 0:
            p[i] = (uint8_t)r;
            break;
        case 1:
            p[i] = r & 1 ? 255 : 0;
            break;
        case 2:
            p[i] = (uint8_t)(100 + i / 7 % 64 + (r & 3));
            break;
        default:
            p[i] = 255;
        }
    }
}

/* Memory that ends where a page begins that no access may reach. */
struct guarded {
    uint8_t *base;
    uint8_t *end;
    size_t size;
};

static struct guarded guarded_new(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded g = {.size = (n + page - 1) / page * page + page};
    g.base = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.base == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    g.end = g.base + g.size - page;
    if (mprotect(g.end, page, PROT_NONE)) {
        perror("mprotect");
        exit(2);
    }
    return g;
}

static void add_second_copy(uint32_t *counters, size_t n, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        counters[i] += counters[n + i];
        counters[n + i] = 0;
    }
}

/* Copies of a counter are one counter, and so are a pixel alone and in a pair. */
static void fold(struct moa_counts *counts)
{
    add_second_copy(counts->bins, MOA_N_BINS, 0, MOA_N_BINS - 1);
    if (counts->exact)
        add_second_copy(counts->exact, MOA_N_EXACT, counts->exact_min, counts->exact_max);
    for (size_t i = 0; i < (size_t)256 * 256; i++) {
        counts->luma[i % 256] += counts->luma_pairs[i];
        counts->luma[i / 256] += counts->luma_pairs[i];
        counts->luma_pairs[i] = 0;
    }
}

static void *zeros(size_t n_bytes)
{
    void *p = calloc(1, n_bytes);
    if (!p) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return p;
}

/* Compares what two kernels counted exactly, and forgets it. */
static bool exact_agrees(struct moa_counts *a, struct moa_counts *b)
{
    const size_t first = a->exact_min;
    const size_t n_bytes = (a->exact_max - first + 1) * sizeof(*a->exact);
    const bool agrees = a->exact_min == b->exact_min && a->exact_max == b->exact_max &&
                        memcmp(a->exact + first, b->exact + first, n_bytes) == 0;
    memset(a->exact + first, 0, n_bytes);
    memset(b->exact + first, 0, n_bytes);
    a->exact = NULL;
    b->exact = NULL;
    return agrees;
}

static bool count_block_agrees(const struct moa_kernels *kernels, size_t n, unsigned pattern,
                               bool is_exact)
{
    /* The row below is the last: its last readable pixel is followed by the guard page. Rows are
     * apart by an odd stride, so that each has another alignment. */
    const size_t stride = (n + 2 + next_random() % 64) | 1;
    static struct guarded memory;
    static uint32_t *exact[2];
    if (!memory.base) {
        memory = guarded_new(3 * (MOA_BLOCK_PX + 128));
        exact[0] = zeros(2 * MOA_N_EXACT * sizeof(uint32_t));
        exact[1] = zeros(2 * MOA_N_EXACT * sizeof(uint32_t));
    }
    uint8_t *below = memory.end - 1 - n;
    const uint8_t *row = below - stride;
    const uint8_t *above = row - stride;
    fill(memory.end - 2 * stride - n - 2, 2 * stride + n + 2, pattern);

    struct moa_counts *expected = zeros(sizeof(*expected));
    struct moa_counts *got = zeros(sizeof(*got));
    expected->exact_min = got->exact_min = MOA_S_MAX;
    expected->exact = is_exact ? exact[0] : NULL;
    got->exact = is_exact ? exact[1] : NULL;
    moa_kernels_c.count_block(above, row, below, n, expected);
    kernels->count_block(above, row, below, n, got);
    fold(expected);
    fold(got);
    bool agrees = !is_exact || exact_agrees(expected, got);
    agrees = memcmp(expected, got, sizeof(*got)) == 0 && agrees;
    free(expected);
    free(got);
    return agrees;
}

static bool luma_from_rgb_agrees(const struct moa_kernels *kernels, size_t n, unsigned pattern)
{
    static struct guarded rgb;
    static struct guarded luma;
    if (!rgb.base) {
        rgb = guarded_new(3 * 400);
        luma = guarded_new(400);
    }
    uint8_t expected[400];
    fill(rgb.end - 3 * n, 3 * n, pattern);
    moa_kernels_c.luma_from_rgb(rgb.end - 3 * n, n, expected);
    memset(luma.end - n, 0x55, n);
    kernels->luma_from_rgb(rgb.end - 3 * n, n, luma.end - n);
    return memcmp(expected, luma.end - n, n) == 0;
}

static bool add_row_agrees(const struct moa_kernels *kernels, size_t n, unsigned pattern)
{
    enum { MAX = 400 };
    static struct guarded row;
    static struct guarded sums;
    if (!row.base) {
        row = guarded_new(MAX);
        sums = guarded_new(MAX * sizeof(uint32_t));
    }
    uint32_t expected[MAX];
    uint32_t *got = (uint32_t *)(void *)sums.end - n;
    fill(row.end - n, n, pattern);
    for (size_t i = 0; i < n; i++)
        expected[i] = got[i] = (uint32_t)next_random() >> 1;
    const uint32_t weight = pattern == 3 ? 32768 : (uint32_t)next_random() % 32769;
    moa_kernels_c.add_row(row.end - n, n, weight, expected);
    kernels->add_row(row.end - n, n, weight, got);
    return memcmp(expected, got, n * sizeof(*got)) == 0;
}

static bool count_block_agrees_everywhere(const struct moa_kernels *kernels, bool is_exact)
{
    /* Exact counts take more time, and differ in nothing that depends on the pattern alone. */
    const unsigned n_patterns = is_exact ? 1 : 4;
    for (size_t n = 1; n <= 300; n++) {
        for (unsigned i = 0; i < n_patterns; i++) {
            const unsigned pattern = (unsigned)(n + i) % 4;
            if (!count_block_agrees(kernels, n, pattern, is_exact)) {
                printf("# count_block: n %zu, pattern %u\n", n, pattern);
                return false;
            }
        }
    }
    for (size_t n = MOA_BLOCK_PX - 70; n <= MOA_BLOCK_PX; n++) {
        if (!count_block_agrees(kernels, n, n % 4, is_exact)) {
            printf("# count_block: n %zu\n", n);
            return false;
        }
    }
    return true;
}

static bool luma_from_rgb_agrees_everywhere(const struct moa_kernels *kernels)
{
    for (size_t n = 0; n <= 300; n++) {
        for (unsigned pattern = 0; pattern < 4; pattern++) {
            if (!luma_from_rgb_agrees(kernels, n, pattern)) {
                printf("# luma_from_rgb: n %zu, pattern %u\n", n, pattern);
                return false;
            }
        }
    }
    return true;
}

static bool add_row_agrees_everywhere(const struct moa_kernels *kernels)
{
    for (size_t n = 0; n <= 300; n++) {
        for (unsigned pattern = 0; pattern < 4; pattern++) {
            if (!add_row_agrees(kernels, n, pattern)) {
                printf("# add_row: n %zu, pattern %u\n", n, pattern);
                return false;
            }
        }
    }
    return true;
}

/* The definition of the bins by itself: monotone, exact up to G = 64, fine enough above, and all
 * within the array. */
static bool bins_are_sound(void)
{
    for (uint32_t s = 1; s <= MOA_S_MAX; s++) {
        const uint32_t bin = moa_bin_of(s);
        const uint32_t before = moa_bin_of(s - 1);
        const bool sound = s <= MOA_S_EXACT + 1 ? bin == s : bin == before || bin == before + 1;
        if (!sound || bin >= MOA_N_BINS) {
            printf("# bin of %u is %u\n", s, bin);
            return false;
        }
    }
    return moa_bin_of(0) == 0;
}

static int report(unsigned *number, bool ok, const char *kernel, const char *variant)
{
    printf("%s %u - %s_%s\n", ok ? "ok" : "not ok", ++*number, kernel, variant);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    const size_t n_variants = sizeof(variants) / sizeof(variants[0]);
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)getpid() * 0x2545f491;
    printf("# seed %llu\n", (unsigned long long)random_state);
    printf("1..%zu\n", 4 * n_variants + 1);
    unsigned number = 0;
    int n_failed = report(&number, bins_are_sound(), "bins", "c");
    for (size_t i = 0; i < n_variants; i++) {
        const struct moa_kernels *kernels = variants[i];
        if (!is_supported(kernels)) {
            printf("ok %u - count_block_%s # SKIP not on this CPU\n", ++number, kernels->name);
            printf("ok %u - count_exact_%s # SKIP not on this CPU\n", ++number, kernels->name);
            printf("ok %u - luma_from_rgb_%s # SKIP not on this CPU\n", ++number, kernels->name);
            printf("ok %u - add_row_%s # SKIP not on this CPU\n", ++number, kernels->name);
            continue;
        }
        n_failed += report(&number, count_block_agrees_everywhere(kernels, false), "count_block",
                           kernels->name);
        n_failed += report(&number, count_block_agrees_everywhere(kernels, true), "count_exact",
                           kernels->name);
        n_failed += report(&number, luma_from_rgb_agrees_everywhere(kernels), "luma_from_rgb",
                           kernels->name);
        n_failed += report(&number, add_row_agrees_everywhere(kernels), "add_row", kernels->name);
    }
    return n_failed ? 1 : 0;
}
