/* SPDX-License-Identifier: Apache-2.0
 *
 * What learning policies are told: how each decided request ended, and later, if somebody says so,
 * how right its answer was. Remembers the last outcomes by request id for that. Loop thread only.
 */
#ifndef MOA_GATEWAY_FEEDBACK_H
#define MOA_GATEWAY_FEEDBACK_H

#include <moaoff/policy.h>

#define FEEDBACK_KEPT 1024

struct feedback_entry {
    char id[65]; /* "" if unused */
    struct moa_policy *policy;
    struct moa_request request; /* of: */
    struct moa_modality *modalities;
    struct moa_outcome outcome;
};

/** Zeroed memory is one that remembers nothing. */
struct feedback {
    struct feedback_entry *entries; /* FEEDBACK_KEPT of them, made with the first outcome */
    size_t next;
};

/**
 * Tells `policy` of the unrated `outcome`, and remembers it under `id` if the policy learns. Both
 * are borrowed, the policy until feedback_done().
 */
void feedback_observe(struct feedback *feedback, const char *id, struct moa_policy *policy,
                      const struct moa_outcome *outcome);

/** Rates the remembered outcome of `id` in [0, 1] and forgets it; false if there is none. */
bool feedback_rate(struct feedback *feedback, const char *id, double correct);

void feedback_done(struct feedback *feedback);

#endif
