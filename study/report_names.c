/* SPDX-License-Identifier: Apache-2.0
 *
 * The order and the colours of policies; see report_names.h.
 */
#include "report_names.h"

#include <string.h>

#include "chart.h"

/* Their places are their colours. */
static const char *const known[] = {"cloud",           "edge",       "perllm",
                                    "perllm-accuracy", "paper",      "paper-no-modality",
                                    "paper-no-state",  "edge-first", "adaptive"};
#define N_KNOWN (sizeof(known) / sizeof(known[0]))
_Static_assert(N_KNOWN < CHART_COLORS, "others have colours too");

void names_add(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->names[i], name) == 0)
            return;
    }
    if (names->n < NAMES_MAX)
        names->names[names->n++] = name;
}

struct names report_policies(const struct analysis *analysis)
{
    struct names seen = {.n = 0};
    struct names ordered = {.n = 0};
    for (size_t s = 0; s < analysis->n; s++) {
        for (size_t i = 0; i < analysis->settings[s].n; i++)
            names_add(&seen, analysis->settings[s].samples[i].policy);
    }
    for (size_t k = 0; k < N_KNOWN; k++) {
        for (size_t i = 0; i < seen.n; i++) {
            if (strcmp(seen.names[i], known[k]) == 0)
                names_add(&ordered, seen.names[i]);
        }
    }
    for (size_t i = 0; i < seen.n; i++)
        names_add(&ordered, seen.names[i]);
    return ordered;
}

const char *report_color(const struct analysis *analysis, const char *policy)
{
    const struct names all = report_policies(analysis);
    size_t n_others = 0;
    for (size_t k = 0; k < N_KNOWN; k++) {
        if (strcmp(policy, known[k]) == 0)
            return chart_color(k);
    }
    for (size_t i = 0; i < all.n && strcmp(all.names[i], policy) != 0; i++) {
        bool is_known = false;
        for (size_t k = 0; k < N_KNOWN; k++)
            is_known = is_known || strcmp(all.names[i], known[k]) == 0;
        n_others += !is_known;
    }
    return chart_color(N_KNOWN + n_others % (CHART_COLORS - N_KNOWN));
}

const char *report_plan_color(size_t plan)
{
    /* edge, cloud, perceive-cloud, perceive-edge, edge-first */
    static const size_t places[ANALYSIS_PLANS] = {1, 0, 9, 10, 7};
    return chart_color(places[plan]);
}
