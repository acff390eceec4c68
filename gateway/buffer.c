/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing bytes; see buffer.h. One byte more than the room is allocated, for the NUL.
 */
#include "buffer.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum moa_err buffer_reserve(struct buffer *b, size_t n)
{
    if (n > b->max || n == SIZE_MAX)
        return MOA_ERR_LIMIT;
    if (b->p && n <= b->room)
        return MOA_OK;
    char *grown = realloc(b->p, n + 1);
    if (!grown)
        return MOA_ERR_MEMORY;
    b->p = grown;
    b->p[b->n] = '\0';
    b->room = n;
    return MOA_OK;
}

enum moa_err buffer_grow(struct buffer *b, size_t n)
{
    if (n > b->max - b->n)
        return MOA_ERR_LIMIT;
    const size_t needed = b->n + n;
    if (b->p && needed <= b->room)
        return MOA_OK;
    const size_t twice = b->room > b->max / 2 ? b->max : 2 * b->room;
    return buffer_reserve(b, twice > needed ? twice : needed);
}

enum moa_err buffer_add(struct buffer *b, const void *p, size_t n)
{
    const enum moa_err err = buffer_grow(b, n);
    if (err)
        return err;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    buffer_added(b, n);
    return MOA_OK;
}

void buffer_added(struct buffer *b, size_t n)
{
    assert(n <= b->room - b->n);
    b->n += n;
    b->p[b->n] = '\0';
}

char *buffer_take(struct buffer *b, size_t *ret_n)
{
    char *p = b->p;
    *ret_n = b->n;
    *b = buffer_of(b->max);
    return p;
}

void buffer_done(struct buffer *b)
{
    free(b->p);
    *b = buffer_of(b->max);
}
