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
#include "report_names.h"

#define COLUMNS_MAX 13
#define COLUMN_BYTES 96

/* A set under a load: its settings differ by the link alone. At most COLUMNS_MAX - 1 of them fit
 * beside the policies. */
struct group {
    const struct setting *settings[COLUMNS_MAX];
    size_t n;
    struct names policies; /* that were asked in it */
};

static bool same_group(const struct setting *a, const struct setting *b)
{
    return strcmp(a->dataset, b->dataset) == 0 && strcmp(a->load, b->load) == 0;
}

/* The group that begins with a setting; n 0 if an earlier one begins it. */
static struct group group_at(const struct analysis *a, size_t first)
{
    struct group g = {.n = 0};
    for (size_t s = 0; s < first; s++) {
        if (same_group(&a->settings[s], &a->settings[first]))
            return g;
    }
    for (size_t s = first; s < a->n && g.n < COLUMNS_MAX - 1; s++) {
        if (same_group(&a->settings[s], &a->settings[first]))
            g.settings[g.n++] = &a->settings[s];
    }
    const struct names all = report_policies(a);
    for (size_t p = 0; p < all.n; p++) {
        for (size_t i = 0; i < g.n; i++) {
            if (analysis_find(g.settings[i], all.names[p]))
                names_add(&g.policies, all.names[p]);
        }
    }
    return g;
}

static void group_heading(struct page *page, const struct group *g, const char *more)
{
    struct setting without_link = *g->settings[0];
    char name[128];
    char heading[160];
    without_link.link_mbps = NAN;
    analysis_setting_name(&without_link, name, sizeof(name));
    snprintf(heading, sizeof(heading), "%s%s", name, more);
    page_heading(page, 3, heading);
}

/* A column for each link. */
static void begin_table(struct page *page, const struct group *g)
{
    char text[COLUMNS_MAX][COLUMN_BYTES];
    const char *columns[COLUMNS_MAX];
    columns[0] = "policy";
    for (size_t i = 0; i < g->n; i++) {
        if (isnan(g->settings[i]->link_mbps))
            snprintf(text[i], COLUMN_BYTES, "any link");
        else
            snprintf(text[i], COLUMN_BYTES, "%g Mbit/s", g->settings[i]->link_mbps);
        columns[i + 1] = text[i];
    }
    page_table_begin(page, columns, g->n + 1);
}

/* ---- accuracy and mean latency ---- */

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

static bool is_behind(const struct setting *setting, const char *policy)
{
    const struct sample *s = analysis_find(setting, policy);
    return s && s->behind;
}

static void reference_rows(struct page *page, const struct group *g, enum figure figure)
{
    static const char *const names[] = {"= oracle", "= random at paper's cloud share",
                                        "= largest images at paper's cloud share"};
    for (int kind = 0; kind < 3; kind++) {
        bool any = false;
        for (size_t i = 0; i < g->n; i++)
            any = any || !isnan(reference_of(g->settings[i], kind).accuracy);
        if (!any)
            continue;
        page_cell(page, "%s", names[kind]);
        for (size_t i = 0; i < g->n; i++) {
            struct reference r = reference_of(g->settings[i], kind);
            bool behind = is_behind(g->settings[i], "edge") || is_behind(g->settings[i], "cloud");
            if (figure == FIGURE_ACCURACY)
                page_number(page, 100.0 * r.accuracy, 1);
            else
                page_number(page, behind ? NAN : r.mean_ms, 0);
        }
        page_row_end(page);
    }
}

static void policy_rows(struct page *page, const struct group *g, enum figure figure)
{
    const struct estimate none = {NAN, NAN, NAN};
    for (size_t p = 0; p < g->policies.n; p++) {
        page_cell(page, "%s", g->policies.names[p]);
        for (size_t i = 0; i < g->n; i++) {
            const struct sample *s = analysis_find(g->settings[i], g->policies.names[p]);
            if (figure == FIGURE_ACCURACY)
                page_estimate(page, s ? s->accuracy : none, 100.0, 1);
            else if (s && s->behind)
                page_cell(page, "behind: %.0f of %.0f /s", s->answered_per_s, s->arrived_per_s);
            else
                page_estimate(page, s ? s->mean_ms : none, 1.0, 0);
        }
        page_row_end(page);
    }
}

/* Below the policies, where questions were asked with their options rotated. */
static void each_rotation_rows(struct page *page, const struct group *g)
{
    const struct estimate none = {NAN, NAN, NAN};
    for (size_t p = 0; p < g->policies.n; p++) {
        bool any = false;
        for (size_t i = 0; i < g->n; i++) {
            const struct sample *s = analysis_find(g->settings[i], g->policies.names[p]);
            any = any || (s && !isnan(s->each.value));
        }
        if (!any)
            continue;
        page_cell(page, "%s, each rotation by itself", g->policies.names[p]);
        for (size_t i = 0; i < g->n; i++) {
            const struct sample *s = analysis_find(g->settings[i], g->policies.names[p]);
            page_estimate(page, s ? s->each : none, 100.0, 1);
        }
        page_row_end(page);
    }
}

static void count_requests(struct page *page, const struct group *g)
{
    size_t least = SIZE_MAX;
    size_t most = 0;
    for (size_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < g->settings[i]->n; k++) {
            size_t n = g->settings[i]->samples[k].n_scored;
            least = n < least ? n : least;
            most = n > most ? n : most;
        }
    }
    if (least == most)
        page_text(page, "%zu questions a cell.", most);
    else
        page_text(page, "%zu to %zu questions a cell.", least, most);
}

static void by_group(struct page *page, const struct analysis *a, enum figure figure)
{
    for (size_t s = 0; s < a->n; s++) {
        const struct group g = group_at(a, s);
        if (g.n == 0)
            continue;
        group_heading(page, &g, "");
        if (figure == FIGURE_ACCURACY)
            count_requests(page, &g);
        begin_table(page, &g);
        policy_rows(page, &g, figure);
        if (figure == FIGURE_ACCURACY)
            each_rotation_rows(page, &g);
        reference_rows(page, &g, figure);
        page_table_end(page);
    }
}

void report_accuracy(struct page *page, const struct analysis *analysis)
{
    page_heading(page, 2, "Accuracy (the paper's Table 1)");
    page_text(page,
              "Per cent. A question whose options were rotated counts once, as right if it is "
              "right in every rotation. The oracle takes the edge unless the cloud alone is "
              "better; random "
              "and largest images send as many requests to the cloud as the policy paper "
              "used it for.");
    by_group(page, analysis, FIGURE_ACCURACY);
}

void report_latency(struct page *page, const struct analysis *analysis)
{
    page_heading(page, 2, "Mean latency, ms (the paper's Fig. 3)");
    page_text(page,
              "\"behind: 13 of 30 /s\": the policy did not keep up. While 30 requests a second "
              "came in, 13 were answered; the longer the run, the longer they would have waited, "
              "so a mean would say nothing. It is said where more than a tenth of the requests, "
              "and more than four a seed, were open when the last one came in.");
    by_group(page, analysis, FIGURE_MEAN);
}

/* ---- latency in detail ---- */

static void detail_row(struct page *page, const struct sample *s)
{
    page_cell(page, "%s", s->policy);
    const struct estimate *const estimates[] = {&s->mean_ms, &s->p50_ms, &s->p95_ms, &s->p99_ms,
                                                &s->ttft_ms};
    for (size_t k = 0; k < 5; k++) {
        if (s->behind)
            page_cell(page, "behind");
        else
            page_estimate(page, *estimates[k], 1.0, 0);
    }
    page_number(page, s->arrived_per_s, 1);
    page_number(page, s->answered_per_s, 1);
    page_row_end(page);
}

void report_latency_detail(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy",       "mean",
                                          "p50",          "p95",
                                          "p99",          "first token, p50",
                                          "came in, 1/s", "answered meanwhile, 1/s"};
    const struct names policies = report_policies(analysis);
    page_heading(page, 2, "Latency in detail, ms");
    for (size_t i = 0; i < analysis->n; i++) {
        const struct setting *setting = &analysis->settings[i];
        char name[160];
        analysis_setting_name(setting, name, sizeof(name));
        page_heading(page, 3, name);
        page_table_begin(page, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t p = 0; p < policies.n; p++) {
            const struct sample *s = analysis_find(setting, policies.names[p]);
            if (s)
                detail_row(page, s);
        }
        page_table_end(page);
    }
}

/* ---- resources and decisions: all links together ---- */

struct weighted {
    double sum, weight;
};

static void weigh(struct weighted *w, double value, size_t n)
{
    w->sum += value * (double)n;
    w->weight += (double)n;
}

static double mean_of(const struct weighted *w)
{
    return w->weight > 0.0 ? w->sum / w->weight : NAN;
}

static void resource_row(struct page *page, const struct group *g, const char *policy)
{
    struct weighted cpu[2] = {{0}};
    struct weighted gflops[2] = {{0}};
    struct weighted uplink = {0};
    double peak[2] = {NAN, NAN};
    for (size_t i = 0; i < g->n; i++) {
        const struct sample *s = analysis_find(g->settings[i], policy);
        if (!s)
            continue;
        for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
            weigh(&cpu[tier], s->cpu_s[tier], s->n);
            weigh(&gflops[tier], s->gflops[tier], s->n);
            peak[tier] = fmax(peak[tier], s->peak_bytes[tier]);
        }
        weigh(&uplink, s->uplink_bytes, s->n);
    }
    page_cell(page, "%s", policy);
    page_number(page, 1000.0 * mean_of(&cpu[MOA_EDGE]), 1);
    page_number(page, 1000.0 * mean_of(&cpu[MOA_CLOUD]), 1);
    page_number(page, mean_of(&gflops[MOA_EDGE]), 3);
    page_number(page, mean_of(&gflops[MOA_CLOUD]), 3);
    page_number(page, peak[MOA_EDGE] / 1048576.0, 1);
    page_number(page, peak[MOA_CLOUD] / 1048576.0, 1);
    page_number(page, mean_of(&uplink) / 1000.0, 1);
    page_row_end(page);
}

static void decision_row(struct page *page, const struct group *g, const char *policy)
{
    struct weighted plans[ANALYSIS_PLANS] = {{0}};
    struct weighted cloud = {0};
    size_t n_infeasible = 0;
    size_t n_fallbacks = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct sample *s = analysis_find(g->settings[i], policy);
        if (!s || s->n_ok == 0)
            continue;
        for (size_t k = 0; k < ANALYSIS_PLANS; k++)
            weigh(&plans[k], s->plans[k], s->n_ok);
        weigh(&cloud, s->cloud_share, s->n_ok);
        n_infeasible += s->n_infeasible;
        n_fallbacks += s->n_fallbacks;
    }
    page_cell(page, "%s", policy);
    for (size_t k = 0; k < ANALYSIS_PLANS; k++)
        page_number(page, 100.0 * mean_of(&plans[k]), 1);
    page_number(page, 100.0 * mean_of(&cloud), 1);
    page_cell(page, "%zu", n_infeasible);
    page_cell(page, "%zu", n_fallbacks);
    page_row_end(page);
}

static void all_links(struct page *page, const struct analysis *a, const char *const *columns,
                      size_t n_columns,
                      void (*row)(struct page *, const struct group *, const char *))
{
    for (size_t s = 0; s < a->n; s++) {
        const struct group g = group_at(a, s);
        if (g.n == 0)
            continue;
        group_heading(page, &g, g.n > 1 ? ", all links" : "");
        page_table_begin(page, columns, n_columns);
        for (size_t p = 0; p < g.policies.n; p++)
            row(page, &g, g.policies.names[p]);
        page_table_end(page);
    }
}

void report_resources(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy",          "edge CPU, ms",    "cloud CPU, ms",
                                          "edge LM, GFLOP",  "cloud LM, GFLOP", "edge peak, MiB",
                                          "cloud peak, MiB", "to the cloud, kB"};
    page_heading(page, 2, "Computing and memory (the paper's Fig. 4)");
    page_text(page,
              "Per request, but for peak memory: what the engines' processes took over whole "
              "passes, over the requests of the passes. LM, GFLOP: twice the parameters of the "
              "language model times the tokens it read and wrote; the vision tower is not in it, "
              "but is in the CPU time. A dash: the engine was not given to moaoff eval.");
    all_links(page, analysis, columns, 8, resource_row);
}

void report_decisions(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy",         "edge",          "cloud",
                                          "perceive-cloud", "perceive-edge", "edge-first",
                                          "used the cloud", "infeasible",    "fallbacks"};
    page_heading(page, 2, "Decisions");
    page_text(page,
              "Per cent of the answered requests by the plan that was executed; used the cloud: "
              "it was asked, also in vain or because the edge's answer was not sure enough; "
              "infeasible: requests for which every tier broke a hard constraint of the "
              "bandit.");
    all_links(page, analysis, columns, 9, decision_row);
}

/* ---- categories ---- */

struct tally {
    double right;
    size_t n;
};

static struct tally tally_of(const struct sample *s, const char *category)
{
    struct tally t = {0.0, 0};
    for (size_t i = 0, end; i < s->n; i = end) {
        double worth = 1.0;
        bool scored = strcmp(s->records[i].category, category) == 0;
        for (end = i; end < s->n && record_same_question(&s->records[i], &s->records[end]); end++) {
            const struct record *r = &s->records[end];
            scored = scored && !(r->ok && isnan(r->correct));
            worth *= r->ok ? r->correct : 0.0;
        }
        t.right += scored ? worth : 0.0;
        t.n += scored;
    }
    return t;
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
                    names_add(&categories, setting->samples[i].records[k].category);
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
            page_words(page, "%s", first_error(sample));
            page_row_end(page);
        }
    }
    page_table_end(page);
}
