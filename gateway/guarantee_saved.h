/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper saves before the policy's own state: little-endian words with a version and a
 * checksum. Pure.
 */
#ifndef MOA_GATEWAY_GUARANTEE_SAVED_H
#define MOA_GATEWAY_GUARANTEE_SAVED_H

#include "identity.h"

struct guarantee_saved {
    int64_t since_s;     /* Unix time at which the certificate in force was given; 0: none is */
    uint64_t generation; /* that it is of; 0: none */
    uint64_t n_labels;
    struct identity identity;
};

#define GUARANTEE_SAVED_BYTES (5 * 8 + IDENTITY_BYTES)

void guarantee_saved_write(const struct guarantee_saved *saved,
                           unsigned char ret_bytes[GUARANTEE_SAVED_BYTES]);

/** 0, or -1 if `bytes` does not begin with what was written. */
int guarantee_saved_read(struct moa_bytes bytes, int64_t now_us, struct guarantee_saved *ret_saved);

#endif
