/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of a report, in the paper's layout where it has one: policies down, sets and links
 * across.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

#include "report.h"

#define NAMES_MAX 64
#define COLUMNS_MAX 13
#define COLUMN_BYTES 96

/* The order in which policies are listed; others follow. */
static const char *const known[] = {
    "cloud", "edge", "perllm", "perllm-accuracy", "paper", "paper-no-modality", "paper-no-state"};

struct names {
    const char *names[NAMES_MAX];
    size_t n;
};

static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->names[i], name) == 0)
            return;
    }
    if (names->n < NAMES_MAX)
        names->names[names->n++] = name;
}

static struct names policies_of(const struct analysis *a)
{
    struct names seen = {.n = 0};
    struct names ordered = {.n = 0};
    for (size_t s = 0; s < a->n; s++) {
        for (size_t i = 0; i < a->settings[s].n; i++)
            add_name(&seen, a->settings[s].samples[i].policy);
    }
    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        for (size_t i = 0; i < seen.n; i++) {
            if (strcmp(seen.names[i], known[k]) == 0)
                add_name(&ordered, seen.names[i]);
        }
    }
    for (size_t i = 0; i < seen.n; i++)
        add_name(&ordered, seen.names[i]);
    return ordered;
}

static struct names loads_of(const struct analysis *a)
{
    struct names loads = {.n = 0};
    for (size_t s = 0; s < a->n; s++)
        add_name(&loads, a->settings[s].load);
    return loads;
}

/* The settings of one load; at most COLUMNS_MAX - 1 of them fit beside the policies. */
static size_t settings_of(const struct analysis *a, const char *load,
                          const struct setting *ret_settings[COLUMNS_MAX])
{
    size_t n = 0;
    for (size_t s = 0; s < a->n && n < COLUMNS_MAX - 1; s++) {
        if (strcmp(a->settings[s].load, load) == 0)
            ret_settings[n++] = &a->settings[s];
    }
    return n;
}

static void begin_table(struct page *page, const char *title, const char *load,
                        const struct setting *const *settings, size_t n)
{
    char text[COLUMNS_MAX][COLUMN_BYTES];
    const char *columns[COLUMNS_MAX];
    char heading[160];
    snprintf(heading, sizeof(heading), "%s, %s", title, load);
    page_heading(page, 3, heading);
    columns[0] = "policy";
    for (size_t i = 0; i < n; i++) {
        if (isnan(settings[i]->link_mbps))
            snprintf(text[i], COLUMN_BYTES, "%s", settings[i]->dataset);
        else
            snprintf(text[i], COLUMN_BYTES, "%s, %g Mbit/s", settings[i]->dataset,
                     settings[i]->link_mbps);
        columns[i + 1] = text[i];
    }
    page_table_begin(page, columns, n + 1);
}

/* ---- accuracy and latency ---- */

enum figure { FIGURE_ACCURACY, FIGURE_MEAN };

/* kind: 0 oracle, 1 random, 2 resolution. */
static struct reference reference_of(const struct setting *setting, int kind)
{
    size_t n;
    struct pair *pairs = analysis_pairs(setting, &n);
    const struct sample *paper = analysis_find(setting, "paper");
    double share = paper ? paper->cloud_share : NAN;
    struct reference r = {NAN, NAN, NAN};
    if (pairs && kind == 0)
        r = analysis_oracle(pairs, n);
    else if (pairs && kind == 1)
        r = analysis_random(pairs, n, share);
    else if (pairs)
        r = analysis_route(pairs, n, SCORE_PIXELS, share);
    free(pairs);
    return r;
}

static void reference_rows(struct page *page, const struct setting *const *settings, size_t n,
                           enum figure figure)
{
    static const char *const names[] = {"= oracle", "= random at paper's cloud share",
                                        "= largest images at paper's cloud share"};
    for (int kind = 0; kind < 3; kind++) {
        page_cell(page, "%s", names[kind]);
        for (size_t i = 0; i < n; i++) {
            struct reference r = reference_of(settings[i], kind);
            page_number(page, figure == FIGURE_ACCURACY ? 100.0 * r.accuracy : r.mean_ms,
                        figure == FIGURE_ACCURACY ? 1 : 0);
        }
        page_row_end(page);
    }
}

static void policy_rows(struct page *page, const struct analysis *a,
                        const struct setting *const *settings, size_t n, enum figure figure)
{
    const struct names policies = policies_of(a);
    const struct estimate none = {NAN, NAN, NAN};
    for (size_t p = 0; p < policies.n; p++) {
        page_cell(page, "%s", policies.names[p]);
        for (size_t i = 0; i < n; i++) {
            const struct sample *s = analysis_find(settings[i], policies.names[p]);
            if (figure == FIGURE_ACCURACY)
                page_estimate(page, s ? s->accuracy : none, 100.0, 1);
            else
                page_estimate(page, s ? s->mean_ms : none, 1.0, 0);
        }
        page_row_end(page);
    }
}

static void by_load(struct page *page, const struct analysis *a, const char *title,
                    enum figure figure)
{
    const struct names loads = loads_of(a);
    for (size_t l = 0; l < loads.n; l++) {
        const struct setting *settings[COLUMNS_MAX];
        size_t n = settings_of(a, loads.names[l], settings);
        begin_table(page, title, loads.names[l], settings, n);
        policy_rows(page, a, settings, n, figure);
        reference_rows(page, settings, n, figure);
        page_table_end(page);
    }
}

void report_accuracy(struct page *page, const struct analysis *analysis)
{
    page_heading(page, 2, "Accuracy");
    page_text(page, "Per cent. The oracle takes the edge unless the cloud alone is better; random "
                    "and largest images send as many requests to the cloud as the policy paper "
                    "used it for.");
    by_load(page, analysis, "Accuracy (the paper's Table 1)", FIGURE_ACCURACY);
}

void report_latency(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy", "mean", "p50",
                                          "p95",    "p99",  "first token, p50"};
    const struct names policies = policies_of(analysis);
    page_heading(page, 2, "Latency");
    by_load(page, analysis, "Mean latency, ms (the paper's Fig. 3)", FIGURE_MEAN);
    for (size_t i = 0; i < analysis->n; i++) {
        const struct setting *setting = &analysis->settings[i];
        char name[160];
        analysis_setting_name(setting, name, sizeof(name));
        page_heading(page, 3, name);
        page_table_begin(page, columns, 6);
        for (size_t p = 0; p < policies.n; p++) {
            const struct sample *s = analysis_find(setting, policies.names[p]);
            if (!s)
                continue;
            page_cell(page, "%s", s->policy);
            const struct estimate *const estimates[] = {&s->mean_ms, &s->p50_ms, &s->p95_ms,
                                                        &s->p99_ms, &s->ttft_ms};
            for (size_t k = 0; k < 5; k++)
                page_estimate(page, *estimates[k], 1.0, 0);
            page_row_end(page);
        }
        page_table_end(page);
    }
}

/* ---- resources and decisions ---- */

static void resource_row(struct page *page, const struct sample *s)
{
    page_cell(page, "%s", s->policy);
    page_number(page, 1000.0 * s->cpu_s[MOA_EDGE], 1);
    page_number(page, 1000.0 * s->cpu_s[MOA_CLOUD], 1);
    page_number(page, s->gflops[MOA_EDGE], 3);
    page_number(page, s->gflops[MOA_CLOUD], 3);
    page_number(page, s->peak_bytes[MOA_EDGE] / 1048576.0, 1);
    page_number(page, s->peak_bytes[MOA_CLOUD] / 1048576.0, 1);
    page_number(page, s->uplink_bytes / 1000.0, 1);
    page_row_end(page);
}

void report_resources(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy",          "edge CPU, ms",    "cloud CPU, ms",
                                          "edge GFLOP",      "cloud GFLOP",     "edge peak, MiB",
                                          "cloud peak, MiB", "to the cloud, kB"};
    const struct names policies = policies_of(analysis);
    page_heading(page, 2, "Computing and memory (the paper's Fig. 4)");
    page_text(page, "Per request, but for peak memory. GFLOP: twice the parameters of the language "
                    "model times the tokens it read and wrote; the vision tower is not in it. A "
                    "dash: the engine was not given to moaoff eval.");
    for (size_t i = 0; i < analysis->n; i++) {
        const struct setting *setting = &analysis->settings[i];
        char name[160];
        analysis_setting_name(setting, name, sizeof(name));
        page_heading(page, 3, name);
        page_table_begin(page, columns, 8);
        for (size_t p = 0; p < policies.n; p++) {
            const struct sample *s = analysis_find(setting, policies.names[p]);
            if (s)
                resource_row(page, s);
        }
        page_table_end(page);
    }
}

void report_decisions(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy",         "edge",          "cloud",
                                          "perceive-cloud", "perceive-edge", "used the cloud",
                                          "infeasible",     "fallbacks"};
    const struct names policies = policies_of(analysis);
    page_heading(page, 2, "Decisions");
    page_text(page, "Per cent of the answered requests by the plan that was executed; infeasible: "
                    "every tier broke a hard constraint of the bandit.");
    for (size_t i = 0; i < analysis->n; i++) {
        const struct setting *setting = &analysis->settings[i];
        char name[160];
        analysis_setting_name(setting, name, sizeof(name));
        page_heading(page, 3, name);
        page_table_begin(page, columns, 8);
        for (size_t p = 0; p < policies.n; p++) {
            const struct sample *s = analysis_find(setting, policies.names[p]);
            if (!s)
                continue;
            page_cell(page, "%s", s->policy);
            for (size_t k = 0; k < ANALYSIS_PLANS; k++)
                page_number(page, 100.0 * s->plans[k], 1);
            page_number(page, 100.0 * s->cloud_share, 1);
            page_cell(page, "%zu", s->n_infeasible);
            page_cell(page, "%zu", s->n_fallbacks);
            page_row_end(page);
        }
        page_table_end(page);
    }
}

/* ---- categories and circular evaluation ---- */

struct tally {
    double right;
    size_t n;
};

static struct tally tally_of(const struct sample *s, const char *category)
{
    struct tally t = {0.0, 0};
    for (size_t i = 0; i < s->n; i++) {
        const struct record *r = &s->records[i];
        if ((r->ok && isnan(r->correct)) || strcmp(r->category, category) != 0)
            continue;
        t.right += r->ok ? r->correct : 0.0;
        t.n++;
    }
    return t;
}

/* Questions all of whose rotations are right; n 0 if none was rotated. Records are sorted by item,
 * so the rotations of one follow it: "12", "12#1", "12#2". */
static struct tally circular_of(const struct sample *s)
{
    struct tally t = {0.0, 0};
    bool rotated = false;
    for (size_t i = 0; i < s->n;) {
        const char *item = s->records[i].item;
        size_t length = strcspn(item, "#");
        bool right = true;
        size_t end = i;
        while (end < s->n && strcspn(s->records[end].item, "#") == length &&
               strncmp(s->records[end].item, item, length) == 0 &&
               s->records[end].condition.seed == s->records[i].condition.seed) {
            right = right && analysis_is_right(&s->records[end]);
            rotated = rotated || s->records[end].item[length] == '#';
            end++;
        }
        t.right += right ? 1.0 : 0.0;
        t.n++;
        i = end;
    }
    return rotated ? t : (struct tally){0.0, 0};
}

static void category_rows(struct page *page, const struct setting *setting,
                          const struct names *categories)
{
    for (size_t c = 0; c < categories->n; c++) {
        page_cell(page, "%s", categories->names[c]);
        for (size_t i = 0; i < setting->n && i < COLUMNS_MAX - 1; i++) {
            struct tally t = tally_of(&setting->samples[i], categories->names[c]);
            page_estimate(page, stats_wilson(t.right, t.n), 100.0, 1);
        }
        page_row_end(page);
    }
    bool any = false;
    for (size_t i = 0; i < setting->n; i++)
        any = any || circular_of(&setting->samples[i]).n > 0;
    if (!any)
        return;
    page_cell(page, "circular: right in every rotation");
    for (size_t i = 0; i < setting->n && i < COLUMNS_MAX - 1; i++) {
        struct tally t = circular_of(&setting->samples[i]);
        page_estimate(page, stats_wilson(t.right, t.n), 100.0, 1);
    }
    page_row_end(page);
}

void report_categories(struct page *page, const struct analysis *analysis)
{
    bool begun = false;
    for (size_t s = 0; s < analysis->n; s++) {
        const struct setting *setting = &analysis->settings[s];
        struct names categories = {.n = 0};
        for (size_t i = 0; i < setting->n; i++) {
            for (size_t k = 0; k < setting->samples[i].n; k++) {
                if (setting->samples[i].records[k].category[0])
                    add_name(&categories, setting->samples[i].records[k].category);
            }
        }
        if (categories.n == 0)
            continue;
        if (!begun)
            page_heading(page, 2, "Accuracy by category");
        begun = true;
        char name[160];
        const char *columns[COLUMNS_MAX] = {"category"};
        size_t n = 1;
        for (size_t i = 0; i < setting->n && n < COLUMNS_MAX; i++)
            columns[n++] = setting->samples[i].policy;
        analysis_setting_name(setting, name, sizeof(name));
        page_heading(page, 3, name);
        page_table_begin(page, columns, n);
        category_rows(page, setting, &categories);
        page_table_end(page);
    }
}

/* ---- failures ---- */

static const char *first_error(const struct sample *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!s->records[i].ok)
            return s->records[i].error;
    }
    return "";
}

void report_failures(struct page *page, const struct analysis *analysis,
                     const struct records *records)
{
    static const char *const columns[] = {"setting", "policy", "requests", "failed",
                                          "first reason"};
    uint64_t dataset_faults = 0;
    size_t n_failed = 0;
    for (size_t i = 0; i < records->n_passes; i++) {
        if (records->passes[i].dataset_faults > dataset_faults)
            dataset_faults = records->passes[i].dataset_faults;
    }
    for (size_t i = 0; i < records->n; i++)
        n_failed += !records->records[i].ok;
    page_heading(page, 2, "Failures");
    page_text(page,
              "%zu requests, %zu of them failed; at most %llu malformed entries in one set; %zu "
              "lines of the records could not be read.",
              records->n, n_failed, (unsigned long long)dataset_faults, records->n_bad);
    if (n_failed == 0)
        return;
    page_table_begin(page, columns, 5);
    for (size_t s = 0; s < analysis->n; s++) {
        char name[160];
        analysis_setting_name(&analysis->settings[s], name, sizeof(name));
        for (size_t i = 0; i < analysis->settings[s].n; i++) {
            const struct sample *sample = &analysis->settings[s].samples[i];
            if (sample->n_failed == 0)
                continue;
            page_cell(page, "%s", name);
            page_cell(page, "%s", sample->policy);
            page_cell(page, "%zu", sample->n);
            page_cell(page, "%zu", sample->n_failed);
            page_cell(page, "%s", first_error(sample));
            page_row_end(page);
        }
    }
    page_table_end(page);
}
