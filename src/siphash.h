/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-2-4 (Aumasson, Bernstein 2012) of words: a keyed hash that nobody without the key can
 * steer. Coins of audits and the checksum of a saved state come from it.
 */
#ifndef MOA_SRC_SIPHASH_H
#define MOA_SRC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/** Of `n` words, as of their 8 n bytes in little-endian order. */
uint64_t moa_siphash(const uint64_t key[2], const uint64_t *words, size_t n);

#endif
