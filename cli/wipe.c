/* SPDX-License-Identifier: Apache-2.0
 *
 * What is freed is wiped: keys, prompts and pictures pass through the buffers of a dozen libraries,
 * and what lies in freed memory ends up in core files and swap. So free() and realloc() of the
 * whole program are these, which is the one place that none of the libraries can forget.
 *
 * Blocks that the allocator maps on their own are left to the kernel, which gives pages to nobody
 * unwiped.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BYTES (32 << 20) /* as serve.c sets it */

/* glibc's own, under the name that it keeps for programs which replace it. */
void __libc_free(void *p); /* NOLINT(readability-identifier-naming,bugprone-reserved-identifier) */

#pragma GCC visibility push(default) /* for the libraries too */

void free(void *p)
{
    if (!p)
        return;
    const size_t n = malloc_usable_size(p);
    if (n < MAPPED_BYTES) {
        memset(p, 0, n);
        __asm__ volatile(""
                         :
                         : "r"(p)
                         : "memory"); /* somebody reads it, for all the compiler knows */
    }
    __libc_free(p);
}

void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n);
    const size_t before = malloc_usable_size(p);
    if (n > 0 && n <= before && n >= before / 2)
        return p;
    void *moved = n > 0 ? malloc(n) : NULL;
    if (moved)
        memcpy(moved, p, n < before ? n : before);
    if (moved || n == 0)
        free(p);
    return moved;
}

#pragma GCC visibility pop
