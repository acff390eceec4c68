/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies of a report: their order, and the colour that each has in every figure.
 */
#ifndef MOA_STUDY_REPORT_NAMES_H
#define MOA_STUDY_REPORT_NAMES_H

#include "analysis.h"

#define NAMES_MAX 64

struct names {
    const char *names[NAMES_MAX]; /* borrowed */
    size_t n;
};

/** Unless it is there already, or there is no room. */
void names_add(struct names *names, const char *name);

/** Those of the project in one order, others behind them. */
struct names report_policies(const struct analysis *analysis);

/** The same for a policy in every figure of every report; of a label of the user's own in every
 * figure of this one. */
const char *report_color(const struct analysis *analysis, const char *policy);

/** Of a plan: that of the tier that answers it, where it is a tier's. */
const char *report_plan_color(size_t plan);

#endif
