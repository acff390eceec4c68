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

#include "policy.h"

/* False for NaN on either side, so "unknown" never exceeds. */
static bool exceeds(double value, double bound)
{
    return value > bound;
}

static struct moa_choice choose_paper(const struct moa_policy_params *params, double tau,
                                      const struct moa_modality *modality,
                                      const struct moa_state *state)
{
    if (exceeds(modality->complexity, tau))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_COMPLEX};
    if (exceeds(state->edge_load, params->edge_load_max))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_EDGE_BUSY};
    if (exceeds(state->uplink_mbps, params->uplink_max_mbps))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_UPLINK_FAST};
    return (struct moa_choice){MOA_EDGE, MOA_REASON_SIMPLE};
}

/* The means of c and of tau over the text and the images, compared as Eq. 5 compares one. */
static struct moa_choice choose_no_modality(const struct moa_policy_params *params,
                                            const struct perllm *learned,
                                            const struct moa_request *request,
                                            const struct moa_state *state)
{
    (void)learned;
    const double n_images = (double)request->n_images;
    struct moa_modality whole = {.complexity = request->text.complexity};
    for (size_t i = 0; i < request->n_images; i++)
        whole.complexity += request->images[i].complexity;
    whole.complexity /= 1.0 + n_images;
    double tau = (params->tau_text + n_images * params->tau_image) / (1.0 + n_images);
    return choose_paper(params, tau, &whole, state);
}

static struct moa_choice choose_no_state(const struct moa_policy_params *params, double tau,
                                         const struct moa_modality *modality,
                                         const struct moa_state *state)
{
    struct moa_state unknown = *state;
    unknown.edge_load = NAN;
    unknown.uplink_mbps = NAN;
    return choose_paper(params, tau, modality, &unknown);
}

const struct policy_kind moa_policy_kind_paper = {.name = "paper", .choose = choose_paper};
const struct policy_kind moa_policy_kind_paper_no_modality = {.name = "paper-no-modality",
                                                              .choose_whole = choose_no_modality};
const struct policy_kind moa_policy_kind_paper_no_state = {.name = "paper-no-state",
                                                           .choose = choose_no_state};
