/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of hindsight: hindsight.c decides rows again, hindsight_sum.c sums up.
 */
#ifndef MOA_STUDY_HINDSIGHT_PRIVATE_H
#define MOA_STUDY_HINDSIGHT_PRIVATE_H

#include "hindsight.h"

/** As whose decision an audit was drawn: each has its own share of audits. */
enum hindsight_phase { PHASE_SHADOW, PHASE_UNCERTIFIED, PHASE_CERTIFIED, PHASE_OTHER, PHASES };

/** What a row was. */
struct hindsight_past {
    float total_ms;        /* measured; NaN: not */
    float predicted_ms[2]; /* by tier */
    float prompt_tokens;   /* of all of it, in the cloud */
    float cloud_prompt_tokens, cloud_completion_tokens;
    float cloud_bytes;   /* that went up */
    float request_bytes; /* that would go if all of it went */
    uint16_t n_pictures;
    uint8_t path, phase;
    bool has_audit, lost;
};

/** What a policy would have done with it. */
struct hindsight_choice {
    float split_bytes; /* that would go up if it is split */
    uint8_t path;
    bool is_first; /* the edge answers first, */
    bool is_blind; /* and its score is not known */
    bool otherwise;
};

struct hindsight_view {
    char *name, *label;
    struct moa_policy *policy;
    struct hindsight_choice *choices; /* one a row */
};

/** A policy that decided rows. */
struct hindsight_origin {
    char *name, *words;
    struct moa_policy *policy; /* NULL: it learns, or this program does not know it */
};

struct hindsight {
    struct budget_terms prices;
    struct hindsight_past *past;
    size_t n, room;
    struct hindsight_view views[HINDSIGHT_POLICIES_MAX];
    size_t n_views;
    struct hindsight_origin *origins; /* the last that was found is tried first */
    size_t n_origins, last_origin;
    struct hindsight_again again;
};

#endif
