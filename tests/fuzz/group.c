/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as what a box of a group published, or as a group's plan, as they are and with length and
 * checksum made right: they are refused, or what they say is written as the same bytes and can be
 * added up.
 */
#include <math.h>
#include <string.h>

#include "byte_walk.h"
#include "group.h"

#include "fuzz.h"

static void try_counts(const unsigned char *bytes, size_t n)
{
    static unsigned char again[MOA_GROUP_COUNTS_BYTES_MAX];
    struct moa_group_counts c, other;
    struct moa_error error = {.code = MOA_OK};
    const enum moa_err err = moa_group_counts_read((struct moa_bytes){bytes, n}, &c, &error);
    if (err) {
        FUZZ_ASSERT(error.code == err && error.message && error.offset <= n);
        return;
    }
    FUZZ_ASSERT(moa_group_counts_write(&c, again, sizeof(again)) == n);
    FUZZ_ASSERT(memcmp(again, bytes, n) == 0);
    struct moa_group_plan plan = {.serial = 1, .alpha = 0.03, .delta = 0.1, .share = 1.0};
    struct moa_group *g = NULL;
    FUZZ_ASSERT(moa_group_new(&plan, 4, &g) == MOA_OK);
    other = c;
    c.plan = other.plan = moa_group_plan_id(&plan);
    strcpy(other.box, "another");
    FUZZ_ASSERT(moa_group_hear(g, &c, NULL) == MOA_OK);
    FUZZ_ASSERT(moa_group_hear(g, &c, NULL) == MOA_OK);
    FUZZ_ASSERT(strcmp(c.box, other.box) == 0 || moa_group_hear(g, &other, NULL) == MOA_OK);
    moa_group_look(g);
    moa_group_compare(g);
    struct moa_group_certificate certificate;
    moa_group_certificate(g, &certificate);
    FUZZ_ASSERT(certificate.n_used <= certificate.n_certified);
    FUZZ_ASSERT(certificate.kept >= 0.0 && certificate.kept <= 1.0);
    double w[MOA_GROUP_WEIGHTS];
    moa_group_weights(g, w);
    for (int i = 0; i < MOA_GROUP_WEIGHTS; i++)
        FUZZ_ASSERT(isfinite(w[i]));
    moa_group_free(g);
}

static void try_plan(const unsigned char *bytes, size_t n)
{
    static unsigned char again[MOA_GROUP_PLAN_BYTES_MAX];
    static struct moa_group_plan p;
    struct moa_error error = {.code = MOA_OK};
    const enum moa_err err = moa_group_plan_read((struct moa_bytes){bytes, n}, &p, &error);
    if (err) {
        FUZZ_ASSERT(error.code == err && error.message && error.offset <= n);
        return;
    }
    FUZZ_ASSERT(moa_group_plan_write(&p, again, sizeof(again)) == n);
    FUZZ_ASSERT(memcmp(again, bytes, n) == 0);
    FUZZ_ASSERT(moa_group_plan_id(&p) != 0);
    FUZZ_ASSERT(moa_group_cell(&p, 0.5) < MOA_GROUP_CELLS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char bytes[MOA_GROUP_PLAN_BYTES_MAX];
    try_counts(data, size);
    try_plan(data, size);
    if (size < 12 || size > sizeof(bytes))
        return 0;
    memcpy(bytes, data, size);
    bytes_put32(bytes + 4, (uint32_t)size);
    bytes_put32(bytes + size - 4, bytes_checksum(bytes, size - 4));
    try_counts(bytes, size);
    try_plan(bytes, size);
    return 0;
}
