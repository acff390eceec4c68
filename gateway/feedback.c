/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcomes of learning policies; see feedback.h.
 */
#include "feedback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void remember(struct feedback *feedback, const char *id, const char *key,
                     struct moa_policy *policy, const struct moa_outcome *outcome)
{
    if (!feedback->entries)
        feedback->entries = calloc(FEEDBACK_KEPT, sizeof(*feedback->entries));
    if (!feedback->entries)
        return; /* without memory it cannot be rated later; nothing else is lost */
    const size_t n_bytes = outcome->request->n * sizeof(*outcome->request->modalities);
    struct moa_modality *modalities = malloc(n_bytes);
    if (!modalities)
        return;
    memcpy(modalities, outcome->request->modalities, n_bytes);
    struct feedback_entry *entry = &feedback->entries[feedback->next];
    feedback->next = (feedback->next + 1) % FEEDBACK_KEPT;
    free(entry->modalities);
    entry->modalities = modalities;
    snprintf(entry->id, sizeof(entry->id), "%s", id);
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->policy = policy;
    entry->request = *outcome->request;
    entry->request.modalities = modalities;
    entry->request.question = NULL; /* it may be gone when the rating comes */
    entry->outcome = *outcome;
    entry->outcome.request = &entry->request;
}

void feedback_observe(struct feedback *feedback, const char *id, const char *key,
                      struct moa_policy *policy, const struct moa_outcome *outcome)
{
    if (!moa_policy_learns(policy) || moa_observe(policy, outcome))
        return;
    if (!outcome->failed)
        remember(feedback, id, key, policy, outcome);
}

bool feedback_rate(struct feedback *feedback, const char *id, const char *key, double correct)
{
    for (size_t i = 0; feedback->entries && i < FEEDBACK_KEPT; i++) {
        struct feedback_entry *entry = &feedback->entries[i];
        if (!entry->id[0] || strcmp(entry->id, id) != 0 || strcmp(entry->key, key) != 0)
            continue;
        entry->id[0] = '\0';
        entry->outcome.correct = correct;
        return moa_observe(entry->policy, &entry->outcome) == MOA_OK;
    }
    return false;
}

void feedback_done(struct feedback *feedback)
{
    for (size_t i = 0; feedback->entries && i < FEEDBACK_KEPT; i++)
        free(feedback->entries[i].modalities);
    free(feedback->entries);
    *feedback = (struct feedback){0};
}
