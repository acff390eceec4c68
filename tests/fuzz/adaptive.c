/* SPDX-License-Identifier: Apache-2.0
 *
 * A saved state of `adaptive` with any of its words replaced and the checksum made right again: it
 * is refused, or what is loaded decides, counts and saves within its ranges.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

#include "siphash.h"

#include "fuzz.h"

enum { ROOM = 1 << 18, RECORD = 10 };

static const uint64_t key[2] = {5, 7};

/* 1,500 audits: one generation that certifies and one that has begun. */
static void live(struct moa_adaptive *a, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        const double p = 0.3 + 0.7 * (double)(i * 37 % 101) / 101.0;
        struct moa_audit audit = {.scene = i,
                                  .answer = {.form = (enum moa_answer_form)(i % 7),
                                             .n_tokens = 1,
                                             .p_min = p,
                                             .p_first = p,
                                             .p_top5 = 1.0},
                                  .lost = p < 0.5 && i % 3 == 0};
        struct moa_question q = {.scene = i,
                                 .kind = (unsigned)(i % MOA_QUESTION_KINDS),
                                 .edge_up = true,
                                 .cloud_up = true,
                                 .load = {{1, 1, 10}, {1, 8, 10}},
                                 .uplink_mbps = 10,
                                 .rtt_ms = 10};
        struct moa_routing r;
        const struct moa_adaptive_outcome o = {.kind = q.kind,
                                               .edge_first = true,
                                               .escalated = i % 2,
                                               .called = {true, true},
                                               .times = {{1, 10, 10, 10, 10}, {1, 5, 10, 5, 10}}};
        moa_adaptive_coins(a, q.scene, q.text, q.coins);
        FUZZ_ASSERT(moa_adaptive_decide(a, &q, &r) == MOA_OK);
        FUZZ_ASSERT(!isnan(r.threshold));
        const double s = moa_adaptive_score(a, &audit.answer);
        FUZZ_ASSERT(s >= 0.0 && s <= 1.0);
        FUZZ_ASSERT(moa_adaptive_observe(a, &o) == MOA_OK);
        memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
        moa_adaptive_audit(a, &audit);
        const struct moa_sighting sighting = {.scene = i, .score = s, .hour = (int64_t)(i / 8)};
        moa_adaptive_see(a, &sighting);
        moa_adaptive_tend(a);
    }
}

static size_t valid_state(unsigned char *ret_bytes)
{
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 1}, {NULL, 0}};
    struct moa_adaptive *a = NULL;
    FUZZ_ASSERT(moa_adaptive_new(settings, key, &a) == MOA_OK);
    live(a, 1, 1500);
    const size_t n = moa_adaptive_save(a, ret_bytes, ROOM);
    moa_adaptive_free(a);
    FUZZ_ASSERT(n > 1000);
    return n;
}

static void make_sum_right(unsigned char *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t at = 0; at + 8 < n; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        sum = moa_siphash((const uint64_t[]){sum, at}, &word, 1);
    }
    memcpy(bytes + n - 8, &sum, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char valid[ROOM], bytes[ROOM];
    static size_t n;
    if (!n)
        n = valid_state(valid);
    memcpy(bytes, valid, n);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        uint16_t word;
        memcpy(&word, data, 2);
        memcpy(bytes + 8 * (word % (n / 8 - 1)), data + 2, 8);
    }
    make_sum_right(bytes, n);
    struct moa_adaptive *a = NULL;
    FUZZ_ASSERT(moa_adaptive_new(NULL, key, &a) == MOA_OK);
    if (moa_adaptive_load(a, (struct moa_bytes){bytes, n}) == MOA_OK) {
        struct moa_guarantee g;
        moa_adaptive_guarantee(a, &g);
        FUZZ_ASSERT(g.certified == isfinite(g.threshold));
        live(a, 5000, 5100);
        FUZZ_ASSERT(moa_adaptive_save(a, bytes, ROOM) > 0);
    }
    moa_adaptive_free(a);
    return 0;
}
