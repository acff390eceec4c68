/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of struct moa_group, for group.c, which adds up, and group_alike.c, which compares boxes;
 * and what counts and plans can be, for these and group_bytes.c.
 */
#ifndef MOA_SRC_GROUP_H
#define MOA_SRC_GROUP_H

#include <moaoff/group.h>

#include "certify.h"
#include "confidence.h"

struct group_member {
    struct moa_group_counts counts;
    uint64_t n_refused;
    double distance; /* NaN: not compared yet */
    bool differs, is_two;
};

struct moa_group {
    struct moa_group_plan plan;
    uint64_t id; /* of the plan */
    struct certify_bets bets;
    double bar;
    size_t n, n_max, room;
    struct group_member *members; /* by name */
    /* Sums over all of them, of whole numbers, so that no order of adding them makes another. */
    uint64_t n_audits, kept[MOA_THRESHOLDS], lost[MOA_THRESHOLDS];
    struct eprocess process[MOA_THRESHOLDS]; /* of the sums */
    uint32_t n_certified;
};

_Static_assert(MOA_GROUP_WEIGHTS == CONFIDENCE_N, "weights that are shared");

/** A name with its end. */
bool moa_group_name_valid(const char name[MOA_GROUP_NAME_BYTES]);

/** Why counts, or a plan, cannot be in themselves; NULL: they can. */
const char *moa_group_counts_wrong(const struct moa_group_counts *counts);
const char *moa_group_plan_wrong(const struct moa_group_plan *plan);

/** Whether `counts` may be those of a box that had counted `before` earlier, or had the same. */
bool moa_group_counts_follow(const struct moa_group_counts *before,
                             const struct moa_group_counts *counts);

/** moa_group_cell(), by the thresholds alone. */
unsigned moa_group_cell_of(const double threshold[MOA_THRESHOLDS], double score);

#endif
