/* SPDX-License-Identifier: Apache-2.0
 *
 * What is saved before the policy's state; see guarantee_saved.h.
 */
#include "guarantee_saved.h"

#include <xxhash.h>

#define MAGIC UINT64_C(0x3161746e617567) /* "guanta1": the version is in it */
#define SUM_AT (GUARANTEE_SAVED_BYTES - 8)

static void put(unsigned char *p, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(word >> 8 * i);
}

static uint64_t get(const unsigned char *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

void guarantee_saved_write(const struct guarantee_saved *saved,
                           unsigned char ret_bytes[GUARANTEE_SAVED_BYTES])
{
    put(ret_bytes, MAGIC);
    put(ret_bytes + 8, (uint64_t)saved->since_s);
    put(ret_bytes + 16, saved->generation);
    put(ret_bytes + 24, saved->n_labels);
    identity_save(&saved->identity, ret_bytes + 32);
    put(ret_bytes + SUM_AT, XXH3_64bits(ret_bytes, SUM_AT));
}

int guarantee_saved_read(struct moa_bytes bytes, int64_t now_us, struct guarantee_saved *ret_saved)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n < GUARANTEE_SAVED_BYTES || get(p) != MAGIC ||
        get(p + SUM_AT) != XXH3_64bits(p, SUM_AT))
        return -1;
    ret_saved->since_s = (int64_t)get(p + 8);
    ret_saved->generation = get(p + 16);
    ret_saved->n_labels = get(p + 24);
    identity_load(&ret_saved->identity, p + 32, now_us);
    return 0;
}
