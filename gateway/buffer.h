/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that grow with what comes in, up to a maximum that the buffer is born with: a buffer
 * without one cannot be made by accident, since {0} takes nothing. Used wherever input decides how
 * much memory is held.
 */
#ifndef MOA_GATEWAY_BUFFER_H
#define MOA_GATEWAY_BUFFER_H

#include <moaoff/base.h>

/** `p` is NULL or has a NUL behind its `n` bytes. */
struct buffer {
    char *p;
    size_t n;
    size_t room; /* bytes that fit without growing */
    size_t max;  /* bytes that ever fit */
};

/** Nothing is allocated yet; buffer_done() may be called at any time. */
static inline struct buffer buffer_of(size_t max)
{
    return (struct buffer){.max = max};
}

/** Room for exactly `n` bytes in all, if there is not more yet. MOA_ERR_LIMIT if `n` is above the
 * maximum, MOA_ERR_MEMORY; what is in it stays. */
MOA_WARN_UNUSED enum moa_err buffer_reserve(struct buffer *b, size_t n);

/** Room for `n` bytes more, at b->p + b->n; doubles what there is. Fails like buffer_reserve(). */
MOA_WARN_UNUSED enum moa_err buffer_grow(struct buffer *b, size_t n);

/** Appends `n` bytes, which may be none. Fails like buffer_reserve(). */
MOA_WARN_UNUSED enum moa_err buffer_add(struct buffer *b, const void *p, size_t n);

/** Takes note of `n` bytes that the caller has written at b->p + b->n, where there was room. */
void buffer_added(struct buffer *b, size_t n);

/** The bytes become the caller's, who frees them, and the buffer is empty. NULL if it never held
 * any. */
char *buffer_take(struct buffer *b, size_t *ret_n);

/** Frees the bytes; the maximum stays. */
void buffer_done(struct buffer *b);

/** Borrowed until the next call that changes the buffer. */
static inline struct moa_bytes buffer_bytes(const struct buffer *b)
{
    return (struct moa_bytes){b->p, b->n};
}

#endif
