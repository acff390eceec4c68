/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff report`: DIR/report.html and DIR/report.md from the records of `moaoff eval`.
 */
#ifndef MOA_STUDY_REPORT_H
#define MOA_STUDY_REPORT_H

#include "analysis.h"
#include "page.h"

/** 0, or 1 after saying on standard error what went wrong. */
int report_run(const char *folder);

/* ---- its parts ---- */

void report_accuracy(struct page *page, const struct analysis *analysis);
void report_latency(struct page *page, const struct analysis *analysis);
void report_latency_detail(struct page *page, const struct analysis *analysis);
void report_resources(struct page *page, const struct analysis *analysis);
void report_decisions(struct page *page, const struct analysis *analysis);
void report_categories(struct page *page, const struct analysis *analysis);
void report_failures(struct page *page, const struct analysis *analysis,
                     const struct records *records);

void report_figures(struct page *page, const struct analysis *analysis);
/** Do the scores know where the edge goes wrong? Tables and figures. */
void report_scores(struct page *page, const struct analysis *analysis);

#endif
