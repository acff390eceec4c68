/* SPDX-License-Identifier: Apache-2.0
 *
 * To be preloaded: an allocator that, after the first SIGUSR2 and until the next, fails one time in
 * MOAOFF_FAILING at random. The numbers are the same in every run; which allocation gets which is
 * not. What libcurl itself allocates does not fail: version 7.88.1 divides by zero if some of it
 * does.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static atomic_bool armed;
static atomic_uint_least64_t state;
static uint64_t one_in = 1000;

static bool is_libcurl(const void *code)
{
    Dl_info about;
    return dladdr(code, &about) && about.dli_fname && strstr(about.dli_fname, "libcurl");
}

static bool fails(const void *caller)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed))
        return false;
    /* splitmix64: any number of threads may step it. */
    uint64_t x = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    if ((x ^ (x >> 31)) % one_in || is_libcurl(caller))
        return false;
    errno = ENOMEM;
    return true;
}

#pragma GCC visibility push(default)

void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

#pragma GCC visibility pop

static void on_signal(int number)
{
    (void)number;
    atomic_store(&armed, !atomic_load(&armed));
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("MOAOFF_FAILING");
    if (text)
        one_in = strtoull(text, NULL, 10);
    one_in = one_in ? one_in : 1;
    signal(SIGUSR2, on_signal);
}
