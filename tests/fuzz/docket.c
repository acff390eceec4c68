/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as a docket, as they are and with length and checksum made right: they are refused, or what
 * they say can be decided and is written as the same bytes.
 */
#include <string.h>

#include <moaoff/docket.h>

#include "siphash.h"

#include "fuzz.h"

static void put32(unsigned char *p, uint64_t x)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (unsigned char)(x >> 8 * i);
}

static void make_head_right(unsigned char *bytes, size_t n)
{
    uint64_t sum = 0, word = 0;
    put32(bytes + 4, n);
    for (size_t at = 0; at < n - 4; at++) {
        word |= (uint64_t)bytes[at] << 8 * (at % 8);
        if (at % 8 == 7 || at + 1 == n - 4) {
            sum = moa_siphash((const uint64_t[]){sum, at}, &word, 1);
            word = 0;
        }
    }
    put32(bytes + n - 4, sum);
}

static void try_bytes(const unsigned char *bytes, size_t n)
{
    static struct moa_docket_room room;
    static struct moa_choice choices[MOA_MODALITIES_MAX];
    static unsigned char again[MOA_DOCKET_BYTES_MAX];
    static struct moa_policy *policy;
    struct moa_docket d;
    struct moa_error error = {.code = MOA_OK};
    FUZZ_ASSERT(policy || moa_policy_new("paper", NULL, &policy) == MOA_OK);
    const enum moa_err err = moa_docket_read((struct moa_bytes){bytes, n}, &room, &d, &error);
    if (err) {
        FUZZ_ASSERT(error.code == err && error.message && error.offset <= n);
        return;
    }
    struct moa_decision decision = {.n = MOA_MODALITIES_MAX, .choices = choices};
    FUZZ_ASSERT(moa_decide(policy, &d.request, &d.state, &decision) == MOA_OK);
    FUZZ_ASSERT(moa_docket_write(&d, again, sizeof(again)) == n);
    FUZZ_ASSERT(memcmp(again, bytes, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char bytes[MOA_DOCKET_BYTES_MAX];
    try_bytes(data, size);
    if (size < 12 || size > sizeof(bytes))
        return 0;
    memcpy(bytes, data, size);
    make_head_right(bytes, size);
    try_bytes(bytes, size);
    return 0;
}
