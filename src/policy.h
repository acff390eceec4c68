/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a policy: what policy.c needs from each policy_<name>.c. A policy states its wish for
 * each modality; policy.c checks what came in, applies pins and outages, and derives the plan. A
 * new policy is one file, which defines moa_policy_kind_NAME, and one row of policies.h.
 */
#ifndef MOA_SRC_POLICY_H
#define MOA_SRC_POLICY_H

#include <stddef.h>

#include <moaoff/policy.h>

#include "param_table.h"

struct policy_kind {
    const char *name;
    const char *summary;                /* one line */
    bool is_research;                   /* made to be compared with: an ablation, another paper's */
    bool ignores_complexity;            /* but see moa_policy_by_complexity() */
    const struct policy_params *params; /* NULL: it has none */
    size_t n_state_bytes;               /* what it learns; zeroed memory is "nothing yet" */

    /** What the state holds beside its own bytes, for a policy that has any: made with checked
     * settings, taking others, freed (also half-made). NULL: there is none. */
    enum moa_err (*init)(void *state, const struct moa_policy_setting *settings);
    void (*configure)(void *state, const struct moa_policy_setting *settings);
    void (*done)(void *state);
    /** Of the state; NULL: another policy (moa_policy_adaptive()). */
    struct moa_adaptive *(*adaptive)(void *state);

    /** The wish for every modality of `request`, an entry of `ret_decision` each, whose tiers need
     * not be up. Pure. */
    void (*decide)(const void *params, const void *state, const struct moa_request *request,
                   const struct moa_state *now, struct moa_decision *ret_decision);

    /** Learns from a checked outcome; false if it is of no use to this policy. NULL: never learns.
     */
    bool (*observe)(const void *params, void *state, const struct moa_outcome *outcome);

    /** The numbers behind the choice that decide() made for `part` (moa_explain()), for reasons of
     * its own. NULL: there are none. */
    int (*explain)(const void *params, const void *state, const struct moa_request *request,
                   const struct moa_state *now, const struct moa_decision *decision, size_t part,
                   char *ret_text, size_t n);
};

/** What others build on. */
extern const struct policy_kind moa_policy_kind_paper;

/** Everything goes one way. */
void moa_policy_choose_all(const struct moa_request *request, struct moa_choice choice,
                           struct moa_decision *ret_decision);

#endif
