/* SPDX-License-Identifier: Apache-2.0
 *
 * Which items of a set are asked, and in which order: repeats, splits, draws. See dataset.h.
 */
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "stats.h"

#define CALIBRATION_PER_CENT 20

/* ---- repeats ---- */

/* By id; those of one id in the order in which they were read. */
static int compare_ids(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

/* Of two answers to one id only the later would count. */
static int find_repeats(struct dataset *set, const char *path,
                        const struct dataset_options *options)
{
    struct item **sorted = malloc((set->n + 1) * sizeof(struct item *));
    if (!sorted)
        return -1;
    for (size_t i = 0; i < set->n; i++)
        sorted[i] = &set->items[i];
    qsort(sorted, set->n, sizeof(struct item *), compare_ids);
    for (size_t i = 1; i < set->n; i++) {
        if (strcmp(sorted[i]->id, sorted[i - 1]->id) != 0)
            continue;
        sorted[i]->left_out = true;
        if (!strchr(sorted[i]->id, '#')) /* rotations go with their question */
            dataset_fault(set, options, path, 0, "\"%s\" is there more than once: kept the first",
                          sorted[i]->id);
    }
    free(sorted);
    return 0;
}

/* ---- splits ---- */

static bool is_calibration(const struct item *item)
{
    /* The high bits of FNV-1a mix better than the low ones. */
    return (stats_hash(item->group) >> 32) % 100 < CALIBRATION_PER_CENT;
}

/* Takes out the other side, and what is left out. */
static void keep_split(struct dataset *set, enum dataset_split split)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct item *item = &set->items[i];
        if (!item->left_out &&
            (split == SPLIT_ALL || is_calibration(item) == (split == SPLIT_CALIBRATION)))
            set->items[n++] = set->items[i];
    }
    set->n = n;
}

/* ---- draws: first images, then questions ---- */

/* Items that are drawn together: rotations of a question. */
struct run_of_items {
    size_t first, end;
    const char *group;
    bool kept;
};

static bool same_base(const struct item *a, const struct item *b)
{
    size_t n = strcspn(a->id, "#");
    return n == strcspn(b->id, "#") && strncmp(a->id, b->id, n) == 0;
}

static size_t find_runs(const struct dataset *set, struct run_of_items *runs)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (i == 0 || !same_base(&set->items[i], &set->items[i - 1]))
            runs[n++] =
                (struct run_of_items){.first = i, .group = set->items[i].group, .kept = true};
        runs[n - 1].end = i + 1;
    }
    return n;
}

static void swap_runs(struct run_of_items *a, struct run_of_items *b)
{
    struct run_of_items swapped = *a;
    *a = *b;
    *b = swapped;
}

static void shuffle_runs(struct run_of_items *runs, size_t n, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = n; i > 1; i--)
        swap_runs(&runs[i - 1], &runs[rng_below(&rng, i)]);
}

static int compare_groups(const void *a, const void *b)
{
    const struct run_of_items *x = *(struct run_of_items *const *)a;
    const struct run_of_items *y = *(struct run_of_items *const *)b;
    return strcmp(x->group, y->group);
}

/* Keeps the runs about `images` of the images. */
static int draw_images(struct run_of_items *runs, size_t n, size_t images, uint64_t seed)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are sorted */
    const size_t entry_bytes = sizeof(struct run_of_items *);
    struct run_of_items **sorted = malloc((n + 1) * entry_bytes);
    size_t *begins = malloc((n + 1) * sizeof(*begins)); /* of each image in `sorted` */
    size_t n_images = 0;
    struct rng rng;
    if (!sorted || !begins) {
        free(sorted);
        free(begins);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = &runs[i];
    qsort(sorted, n, entry_bytes, compare_groups);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_groups(&sorted[i], &sorted[i - 1]) != 0)
            begins[n_images++] = i;
        sorted[i]->kept = false;
    }
    rng_init(&rng, seed);
    for (size_t left = n_images; left > 0 && n_images - left < images; left--) {
        size_t k = rng_below(&rng, left);
        size_t drawn = begins[k];
        begins[k] = begins[left - 1];
        for (size_t i = drawn; i < n && compare_groups(&sorted[i], &sorted[drawn]) == 0; i++)
            sorted[i]->kept = true;
    }
    free(sorted);
    free(begins);
    return 0;
}

static int take_runs(struct dataset *set, const struct run_of_items *runs, size_t n_runs,
                     size_t limit)
{
    struct item *taken = malloc((set->n + 1) * sizeof(*taken));
    size_t n = 0;
    size_t n_taken = 0;
    if (!taken)
        return -1;
    for (size_t r = 0; r < n_runs && (limit == 0 || n_taken < limit); r++) {
        if (!runs[r].kept)
            continue;
        n_taken++;
        for (size_t i = runs[r].first; i < runs[r].end; i++)
            taken[n++] = set->items[i];
    }
    free(set->items);
    set->items = taken;
    set->room = set->n + 1;
    set->n = n;
    return 0;
}

int dataset_pick(struct dataset *set, const char *path, const struct dataset_options *options)
{
    if (find_repeats(set, path, options))
        return -1;
    keep_split(set, options->split);
    struct run_of_items *runs = malloc((set->n + 1) * sizeof(*runs));
    if (!runs)
        return -1;
    size_t n_runs = find_runs(set, runs);
    int failed = 0;
    if (options->images > 0)
        failed = draw_images(runs, n_runs, options->images, options->seed ^ 0x696d61676573);
    shuffle_runs(runs, n_runs, options->seed);
    if (!failed)
        failed = take_runs(set, runs, n_runs, options->limit);
    free(runs);
    return failed;
}
