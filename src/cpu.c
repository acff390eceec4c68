/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of the kernel table: the last level in the list that the CPU can run, or the one that
 * was forced. The choice is one atomic pointer, the only variable of the library that
 * changes once it is loaded.
 */
#include <moaoff/cpu.h>

#include <stdatomic.h>
#include <string.h>

#include "kernels.h"

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
/* Also asks whether the operating system saves the wide registers. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}
#endif

struct level {
    const struct moa_kernels *kernels;
    bool (*supported)(void);
};

/* Slowest first. */
static const struct level levels[] = {
    {&moa_kernels_c, always},
#if defined(__x86_64__)
    {&moa_kernels_avx2, has_avx2},
    {&moa_kernels_avx512, has_avx512},
#elif defined(__aarch64__)
    {&moa_kernels_neon, always},
#endif
};

static const size_t n_levels = sizeof(levels) / sizeof(levels[0]);

static _Atomic(const struct moa_kernels *) chosen;

static const struct moa_kernels *best(void)
{
    size_t i = n_levels - 1;
    while (!levels[i].supported())
        i--;
    return levels[i].kernels;
}

const struct moa_kernels *moa_kernels_get(void)
{
    const struct moa_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);
    if (!kernels) {
        /* Threads that race here store the same pointer. */
        kernels = best();
        atomic_store_explicit(&chosen, kernels, memory_order_release);
    }
    return kernels;
}

const char *moa_cpu_level(size_t i)
{
    return i < n_levels ? levels[i].kernels->name : NULL;
}

bool moa_cpu_level_supported(size_t i)
{
    return i < n_levels && levels[i].supported();
}

const char *moa_cpu_name(void)
{
    return moa_kernels_get()->name;
}

enum moa_err moa_cpu_force(const char *name)
{
    if (!name) {
        atomic_store_explicit(&chosen, best(), memory_order_release);
        return MOA_OK;
    }
    for (size_t i = 0; i < n_levels; i++) {
        if (strcmp(levels[i].kernels->name, name) != 0)
            continue;
        if (!levels[i].supported())
            return MOA_ERR_UNSUPPORTED;
        atomic_store_explicit(&chosen, levels[i].kernels, memory_order_release);
        return MOA_OK;
    }
    return MOA_ERR_ARGUMENT;
}
