/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff report`: DIR/report.html and DIR/report.md from the records of `moaoff eval`.
 */
#ifndef MOA_STUDY_REPORT_H
#define MOA_STUDY_REPORT_H

#include "analysis.h"
#include "page.h"

/** Of the cloud. */
struct report_prices {
    bool given;
    double million_prompt_tokens, million_answer_tokens, gigabyte;
};

struct report_options {
    const char *pictures; /* the set whose pictures the edge got wrong are shown; NULL: none are */
    struct report_prices prices;
};

/** 0, or 1 after saying on standard error what went wrong. */
int report_run(const char *folder, const struct report_options *options);

/* ---- its parts ---- */

void report_verdict(struct page *page, const struct analysis *analysis,
                    const struct records *records);
void report_missing(struct page *page, const struct analysis *analysis,
                    const struct records *records);
void report_run_facts(struct page *page, const struct records *records);
void report_cost(struct page *page, const struct analysis *analysis, const struct records *records,
                 const struct report_options *options);
void report_reasons(struct page *page, const struct analysis *analysis);
/** `spec`: of the set, as moaoff eval takes it; NULL: nothing is written. */
void report_pictures(struct page *page, const struct analysis *analysis, const char *spec);
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
