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
    char id[65];  /* "" if unused */
    char key[64]; /* the name of who asked */
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
 * Tells `policy` of the unrated `outcome` of a request of `key` ("": none), and remembers it under
 * `id` if the policy learns. All are borrowed, the policy until feedback_done().
 */
void feedback_observe(struct feedback *feedback, const char *id, const char *key,
                      struct moa_policy *policy, const struct moa_outcome *outcome);

/** Rates in [0, 1] the remembered outcome of `id`, which `key` had asked for, and forgets it; false
 * if there is none. */
bool feedback_rate(struct feedback *feedback, const char *id, const char *key, double correct);

void feedback_done(struct feedback *feedback);

#endif
