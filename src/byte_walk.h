/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk over the members of a struct that writes them as bytes or reads them back: one function a
 * struct for both, so that the two cannot differ, checking what it meets in each direction, so that
 * what was written can be read. Little-endian. For docket.c and group_bytes.c; inline, since a
 * docket is written for every request.
 */
#ifndef MOA_SRC_BYTE_WALK_H
#define MOA_SRC_BYTE_WALK_H

#include <stdbool.h>
#include <string.h>

#include <moaoff/base.h>

#include "siphash.h"

struct byte_walk {
    bool reads;
    unsigned char *out;
    const unsigned char *in;
    size_t n, at;      /* bytes there are, bytes walked */
    const char *wrong; /* the first thing that cannot be; NULL: nothing yet */
    size_t wrong_at;
};

static inline void walk_check(struct byte_walk *w, bool fine, const char *otherwise)
{
    if (fine || w->wrong)
        return;
    w->wrong = otherwise;
    w->wrong_at = w->at < w->n ? w->at : w->n;
}

/* Past the end nothing is written and zeros are read; the caller compares `at` with `n`. */
static inline unsigned walk_byte(struct byte_walk *w, unsigned byte)
{
    const bool inside = w->at < w->n;
    if (w->reads)
        byte = inside ? w->in[w->at] : 0;
    else if (inside)
        w->out[w->at] = (unsigned char)byte;
    w->at++;
    return byte;
}

static inline void walk_word(struct byte_walk *w, uint64_t *word)
{
    uint64_t read = 0;
    for (unsigned i = 0; i < 8; i++)
        read |= (uint64_t)walk_byte(w, (unsigned)(*word >> 8 * i) & 0xff) << 8 * i;
    *word = read;
}

static inline void walk_double(struct byte_walk *w, double *x)
{
    uint64_t word;
    memcpy(&word, x, sizeof(word));
    walk_word(w, &word);
    memcpy(x, &word, sizeof(word));
}

static inline void walk_doubles(struct byte_walk *w, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        walk_double(w, &x[i]);
}

static inline void walk_count(struct byte_walk *w, uint64_t *count)
{
    uint64_t rest = *count, read = 0;
    for (unsigned i = 0;; i++) {
        const unsigned byte = walk_byte(w, (unsigned)(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        read |= (uint64_t)(byte & 0x7f) << 7 * i;
        rest >>= 7;
        walk_check(w, i < 9 || byte <= 1, "a count of more than 64 bits");
        walk_check(w, i == 0 || byte != 0, "a count that is not in its shortest form");
        if (!(byte & 0x80) || i == 9)
            break;
    }
    *count = read;
}

static inline unsigned walk_choice(struct byte_walk *w, unsigned value, unsigned n,
                                   const char *what)
{
    value = walk_byte(w, value);
    walk_check(w, value < n, what);
    return value < n ? value : 0;
}

static inline uint32_t bytes_get32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void bytes_put32(unsigned char *p, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (unsigned char)(x >> 8 * i);
}

static inline uint32_t bytes_checksum(const unsigned char *p, size_t n)
{
    uint64_t sum = 0, word = 0;
    for (size_t at = 0; at < n; at++) {
        word |= (uint64_t)p[at] << 8 * (at % 8);
        if (at % 8 == 7 || at + 1 == n) {
            sum = moa_siphash((const uint64_t[]){sum, at}, &word, 1);
            word = 0;
        }
    }
    return (uint32_t)sum;
}

static inline enum moa_err bytes_refuse(struct moa_error *ret_error, enum moa_err code,
                                        size_t offset, const char *message)
{
    if (ret_error)
        *ret_error = (struct moa_error){code, offset, message};
    return code;
}

#endif
