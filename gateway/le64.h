/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of eight bytes as they are saved: little-endian on every machine. Pure.
 */
#ifndef MOA_GATEWAY_LE64_H
#define MOA_GATEWAY_LE64_H

#include <stdint.h>

static inline void le64_put(unsigned char *p, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(word >> 8 * i);
}

static inline uint64_t le64_get(const unsigned char *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

#endif
