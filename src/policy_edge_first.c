/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy `edge-first`: a cascade with a fixed threshold. The edge answers everything; its answer is
 * kept if the least probable of its tokens is at least as probable as the threshold says, and else
 * the cloud is asked. It promises nothing: the policy `adaptive` finds a threshold that does.
 */
#include <stdio.h>

#include "policy.h"

struct edge_first_params {
    double threshold;
    double hold_tokens; /* read by who holds the answer */
};

static const struct policy_param rows[] = {
    {{"edge_first.threshold", "the least score of an answer that is kept; 0 keeps all", "", 0, 1,
      0.9, NULL},
     offsetof(struct edge_first_params, threshold)},
    {{"edge_first.hold_tokens", "of a stream, held until they are scored", "tokens", 1, 256, 4,
      NULL},
     offsetof(struct edge_first_params, hold_tokens)},
};

static const struct policy_params params_table = {rows, sizeof(rows) / sizeof(rows[0]),
                                                  sizeof(struct edge_first_params)};

static void decide_edge_first(const void *params, const void *state,
                              const struct moa_request *request, const struct moa_state *now,
                              struct moa_decision *ret_decision)
{
    (void)state, (void)now;
    const struct edge_first_params *p = params;
    moa_policy_choose_all(request, (struct moa_choice){MOA_EDGE, MOA_REASON_FIXED}, ret_decision);
    ret_decision->threshold = p->threshold;
}

static int explain(const void *params, const void *state, const struct moa_request *request,
                   const struct moa_state *now, const struct moa_decision *decision, size_t part,
                   char *ret_text, size_t n)
{
    (void)state, (void)request, (void)now, (void)part;
    const struct edge_first_params *p = params;
    const char *what = decision->plan == MOA_PLAN_EDGE_FIRST ? "kept if its score is at least"
                                                             : "kept whatever its score; not";
    return snprintf(ret_text, n, "the edge answers first, %s edge_first.threshold = %.3f", what,
                    p->threshold);
}

const struct policy_kind moa_policy_kind_edge_first = {
    .name = "edge-first",
    .summary = "the edge answers; what it is not sure of goes to the cloud",
    .ignores_complexity = true,
    .params = &params_table,
    .decide = decide_edge_first,
    .explain = explain,
};
