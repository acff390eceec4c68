/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as a whole; see report.h.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void write_all(struct page *page, const struct analysis *analysis,
                      const struct records *records, const struct report_options *options)
{
    page_begin(page, "MoA-Off: evaluation");
    report_verdict(page, analysis, records);
    report_missing(page, analysis, records);
    page_heading(page, 2, "How to read it");
    page_text(page,
              "Every figure is from the requests in requests.jsonl beside this file. In brackets: "
              "95 %% intervals, Wilson's for accuracy, bootstrap for latency: seeds are drawn, and "
              "requests of each. Latency counts from the time a request was due. A request that "
              "got no answer counts as wrong, and not "
              "in latency. Rows that begin with = are computed from the records of the policies "
              "edge and cloud; nothing served them.");
    report_accuracy(page, analysis);
    report_latency(page, analysis);
    report_resources(page, analysis);
    report_decisions(page, analysis);
    report_reasons(page, analysis);
    report_cost(page, analysis, records, options);
    report_run_facts(page, records);
    report_scores(page, analysis);
    report_figures(page, analysis);
    report_latency_detail(page, analysis);
    report_categories(page, analysis);
    report_pictures(page, analysis, options->pictures);
    report_failures(page, analysis, records);
    page_end(page);
}

static FILE *create(const char *folder, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return NULL;
    FILE *out = fopen(path, "we");
    if (!out)
        fprintf(stderr, "moaoff report: %s: %s\n", path, strerror(errno));
    free(path);
    return out;
}

static int close_written(FILE *out)
{
    int failed = ferror(out);
    return fclose(out) != 0 || failed ? -1 : 0;
}

static int write_files(const char *folder, const struct analysis *analysis,
                       const struct records *records, const struct report_options *options)
{
    struct page page = {.html = create(folder, "report.html"), .md = create(folder, "report.md")};
    if (page.html && page.md)
        write_all(&page, analysis, records, options);
    int failed = page.html && page.md ? 0 : 1;
    if (page.html && close_written(page.html))
        failed = 1;
    if (page.md && close_written(page.md))
        failed = 1;
    return failed;
}

int report_run(const char *folder, const struct report_options *options)
{
    struct records records = {0};
    struct analysis analysis = {NULL, 0};
    int failed = 1;
    int read = records_read(folder, &records);
    if (read > 0)
        fprintf(stderr, "moaoff report: %s/requests.jsonl: %s\n", folder, strerror(errno));
    else if (read < 0 || analysis_make(&records, &analysis))
        fputs("moaoff report: out of memory\n", stderr);
    else if (analysis.n == 0)
        fprintf(stderr, "moaoff report: %s/requests.jsonl holds no record\n", folder);
    else
        failed = write_files(folder, &analysis, &records, options);
    if (!failed)
        printf("%s/report.html\n%s/report.md\n", folder, folder);
    analysis_done(&analysis);
    records_done(&records);
    return failed;
}
