/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy `paper`, Eq. 5 verbatim: modality i stays on the edge if and only if
 *     c_i <= tau_i  and  l <= l_max  and  b <= beta;
 * otherwise it goes to the cloud. A conjunct whose quantity is unknown (NaN) holds.
 *
 * And its two ablations (section 4.3): `paper-no-modality` knows one score of the whole request,
 * `paper-no-state` knows neither l nor b.
 */
#include <math.h>
#include <stdio.h>

#include "policy.h"

enum paper_split { PAPER_EVIDENCE, PAPER_FUSE };

struct paper_params {
    double tau[MOA_KINDS];
    double edge_load_max;
    double uplink_max_mbps;
    int split; /* enum paper_split */
};

static const char *const split_names[] = {"evidence", "fuse", NULL};

#define PARAM(field, key, unit, min, max, fallback, help)                                          \
    {                                                                                              \
        {key, help, unit, min, max, fallback, NULL}, offsetof(struct paper_params, field)          \
    }
static const struct policy_param rows[] = {
    {{"split",
      "text and images on different tiers: evidence (two stages) or fuse (all to the cloud)", "",
      PAPER_EVIDENCE, PAPER_FUSE, PAPER_EVIDENCE, split_names},
     offsetof(struct paper_params, split)},
    PARAM(tau[MOA_TEXT], "paper.tau_text", "", 0, 1, 0.5, "tau of the text, Eq. 5"),
    PARAM(tau[MOA_IMAGE], "paper.tau_image", "", 0, 1, 0.5, "tau of an image, Eq. 5"),
    PARAM(tau[MOA_AUDIO], "paper.tau_audio", "", 0, 1, 0.5, "tau of an audio part, Eq. 5"),
    PARAM(tau[MOA_VIDEO], "paper.tau_video", "", 0, 1, 0.5, "tau of a video part, Eq. 5"),
    PARAM(tau[MOA_FILE], "paper.tau_file", "", 0, 1, 0.5, "tau of a file part, Eq. 5"),
    PARAM(edge_load_max, "paper.edge_load_max", "", 0, 1, 0.85, "l_max, Eq. 5"),
    PARAM(uplink_max_mbps, "paper.uplink_max_mbps", "Mbit/s", 0.001, 1e6, 400, "beta, Eq. 5"),
};
#undef PARAM

static const struct policy_params params_table = {rows, sizeof(rows) / sizeof(rows[0]),
                                                  sizeof(struct paper_params)};

/* False for NaN on either side, so "unknown" never exceeds. */
static bool exceeds(double value, double bound)
{
    return value > bound;
}

static struct moa_choice choose(const struct paper_params *params, double complexity, double tau,
                                const struct moa_state *now)
{
    if (exceeds(complexity, tau))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_COMPLEX};
    if (exceeds(now->edge_load, params->edge_load_max))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_EDGE_BUSY};
    if (exceeds(now->uplink_mbps, params->uplink_max_mbps))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_UPLINK_FAST};
    return (struct moa_choice){MOA_EDGE, MOA_REASON_SIMPLE};
}

/* Text and images apart are two stages; `split: fuse` makes them one, on the cloud. A tier that is
 * down moves everything to the other one anyhow. */
static bool fuses(const struct paper_params *params, const struct moa_state *now,
                  const struct moa_decision *d)
{
    if (params->split != PAPER_FUSE || now->edge_up != now->cloud_up)
        return false;
    for (size_t i = 1; i < d->n; i++) {
        if (d->choices[i].tier != d->choices[0].tier)
            return true;
    }
    return false;
}

static void decide_paper(const void *params, const void *state, const struct moa_request *request,
                         const struct moa_state *now, struct moa_decision *ret_decision)
{
    (void)state;
    const struct paper_params *p = params;
    struct moa_decision *d = ret_decision;
    for (size_t i = 0; i < request->n; i++) {
        const struct moa_modality *m = &request->modalities[i];
        d->choices[i] = choose(p, m->complexity, p->tau[m->kind], now);
    }
    if (fuses(p, now, d))
        moa_policy_choose_all(request, (struct moa_choice){MOA_CLOUD, MOA_REASON_FIXED}, d);
}

/* The means of c and of tau over all modalities. */
static double mean_complexity(const struct moa_request *request)
{
    double sum = 0.0;
    for (size_t i = 0; i < request->n; i++)
        sum += request->modalities[i].complexity;
    return sum / (double)request->n;
}

static double mean_tau(const struct paper_params *params, const struct moa_request *request)
{
    double sum = 0.0;
    for (size_t i = 0; i < request->n; i++)
        sum += params->tau[request->modalities[i].kind];
    return sum / (double)request->n;
}

static void decide_no_modality(const void *params, const void *state,
                               const struct moa_request *request, const struct moa_state *now,
                               struct moa_decision *ret_decision)
{
    (void)state;
    const struct moa_choice whole =
        choose(params, mean_complexity(request), mean_tau(params, request), now);
    moa_policy_choose_all(request, whole, ret_decision);
}

static void decide_no_state(const void *params, const void *state,
                            const struct moa_request *request, const struct moa_state *now,
                            struct moa_decision *ret_decision)
{
    struct moa_state unknown = *now;
    unknown.edge_load = NAN;
    unknown.uplink_mbps = NAN;
    decide_paper(params, state, request, &unknown, ret_decision);
}

static int explain(const struct paper_params *params, const struct moa_state *now,
                   enum moa_reason reason, double complexity, double tau, char *ret_text, size_t n)
{
    switch (reason) {
    case MOA_REASON_SIMPLE:
        return snprintf(ret_text, n,
                        "c = %.3f is at most tau = %.3f, and nothing speaks against "
                        "the edge",
                        complexity, tau);
    case MOA_REASON_COMPLEX:
        return snprintf(ret_text, n, "c = %.3f is above tau = %.3f", complexity, tau);
    case MOA_REASON_EDGE_BUSY:
        return snprintf(ret_text, n, "edge load %.3f is above paper.edge_load_max = %.3f",
                        now->edge_load, params->edge_load_max);
    case MOA_REASON_UPLINK_FAST:
        return snprintf(ret_text, n, "uplink %.3f Mbit/s is above paper.uplink_max_mbps = %.3f",
                        now->uplink_mbps, params->uplink_max_mbps);
    default:
        return snprintf(ret_text, n, "text and images on different tiers, and split is fuse");
    }
}

static int explain_paper(const void *params, const void *state, const struct moa_request *request,
                         const struct moa_state *now, const struct moa_decision *decision,
                         size_t part, char *ret_text, size_t n)
{
    (void)state;
    const struct paper_params *p = params;
    const struct moa_modality *m = &request->modalities[part];
    return explain(p, now, decision->choices[part].reason, m->complexity, p->tau[m->kind], ret_text,
                   n);
}

static int explain_no_modality(const void *params, const void *state,
                               const struct moa_request *request, const struct moa_state *now,
                               const struct moa_decision *decision, size_t part, char *ret_text,
                               size_t n)
{
    (void)state, (void)part;
    return explain(params, now, decision->choices[0].reason, mean_complexity(request),
                   mean_tau(params, request), ret_text, n);
}

const struct policy_kind moa_policy_kind_paper = {
    .name = "paper",
    .summary = "Eq. 5 for each modality: complexity, edge load and uplink against thresholds",
    .params = &params_table,
    .decide = decide_paper,
    .explain = explain_paper,
};
const struct policy_kind moa_policy_kind_paper_no_modality = {
    .name = "paper-no-modality",
    .is_research = true,
    .summary = "Eq. 5 once for the whole request, by the means of complexities and thresholds",
    .params = &params_table,
    .decide = decide_no_modality,
    .explain = explain_no_modality,
};
const struct policy_kind moa_policy_kind_paper_no_state = {
    .name = "paper-no-state",
    .is_research = true,
    .summary = "Eq. 5 without edge load and uplink",
    .params = &params_table,
    .decide = decide_no_state,
    .explain = explain_paper,
};
