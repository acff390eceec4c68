/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocator that fails; see failing.h.
 */
#include "failing.h"

#include <errno.h>
#include <stdlib.h>

/* glibc's own allocator, by its other name. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static bool armed;
static bool keeps_failing;
static bool has_failed;
static long n_until_failure;
static long n_live;

void failing_begin(long n, bool keeps)
{
    n_until_failure = n;
    keeps_failing = keeps;
    has_failed = false;
    armed = true;
}

bool failing_end(void)
{
    armed = false;
    return has_failed;
}

long failing_live(void)
{
    return n_live;
}

static bool fails(void)
{
    if (!armed)
        return false;
    if (n_until_failure > 0) {
        n_until_failure--;
        return false;
    }
    has_failed = true;
    armed = keeps_failing;
    errno = ENOMEM;
    return true;
}

/* Without this the libraries would not find them. */
#pragma GCC visibility push(default)

void *malloc(size_t n)
{
    if (fails())
        return NULL;
    void *p = __libc_malloc(n);
    n_live += p != NULL;
    return p;
}

void *calloc(size_t n, size_t size)
{
    if (fails())
        return NULL;
    void *p = __libc_calloc(n, size);
    n_live += p != NULL;
    return p;
}

void *realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    void *q = __libc_realloc(p, n);
    n_live += p == NULL && q != NULL;
    return q;
}

void free(void *p)
{
    n_live -= p != NULL;
    __libc_free(p);
}

#pragma GCC visibility pop
