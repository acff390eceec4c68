/* SPDX-License-Identifier: Apache-2.0
 *
 * What is saved before the policy's state; see guarantee_saved.h.
 */
#include "guarantee_saved.h"

#include <xxhash.h>

#include "le64.h"

#define MAGIC UINT64_C(0x3161746e617567) /* "guanta1": the version is in it */
#define SUM_AT (GUARANTEE_SAVED_BYTES - 8)

void guarantee_saved_write(const struct guarantee_saved *saved,
                           unsigned char ret_bytes[GUARANTEE_SAVED_BYTES])
{
    le64_put(ret_bytes, MAGIC);
    le64_put(ret_bytes + 8, (uint64_t)saved->since_s);
    le64_put(ret_bytes + 16, saved->generation);
    le64_put(ret_bytes + 24, saved->n_labels);
    identity_save(&saved->identity, ret_bytes + 32);
    le64_put(ret_bytes + SUM_AT, XXH3_64bits(ret_bytes, SUM_AT));
}

int guarantee_saved_read(struct moa_bytes bytes, int64_t now_us, struct guarantee_saved *ret_saved)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n < GUARANTEE_SAVED_BYTES || le64_get(p) != MAGIC ||
        le64_get(p + SUM_AT) != XXH3_64bits(p, SUM_AT))
        return -1;
    ret_saved->since_s = (int64_t)le64_get(p + 8);
    ret_saved->generation = le64_get(p + 16);
    ret_saved->n_labels = le64_get(p + 24);
    identity_load(&ret_saved->identity, p + 32, now_us);
    return 0;
}
