/* SPDX-License-Identifier: Apache-2.0
 *
 * The figures of a report: accuracy against latency and cost with the Pareto front, latency
 * distributions, decisions over load.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

#include "chart.h"
#include "report.h"
#include "report_names.h"

#define POINTS_MAX 24
#define POINT_LEAST 30 /* questions, so that an interval is no wider than 36 points */
#define CURVE_LEAST 40 /* answers behind a curve */
#define MIX_LEAST 20   /* answers behind a bar */

struct point {
    double x;
    struct estimate y;
    const char *name;
    const char *color;
};

/* ---- scatter with Pareto front ---- */

static double cpu_ms(const struct sample *s)
{
    return 1000.0 * (s->cpu_s[MOA_EDGE] + s->cpu_s[MOA_CLOUD]);
}

/* Of all of them: one axis has one unit. */
static bool has_cpu(const struct setting *setting)
{
    for (size_t i = 0; i < setting->n; i++) {
        if (isnan(cpu_ms(&setting->samples[i])))
            return false;
    }
    return true;
}

static bool is_on_front(const struct point *points, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++) {
        bool no_worse = points[k].x <= points[i].x && points[k].y.value >= points[i].y.value;
        bool better = points[k].x < points[i].x || points[k].y.value > points[i].y.value;
        if (no_worse && better)
            return false;
    }
    return true;
}

static int compare_points(const void *a, const void *b)
{
    double x = ((const struct point *)a)->x;
    double y = ((const struct point *)b)->x;
    return (x > y) - (x < y);
}

static void draw_front(struct chart *chart, struct point *points, size_t n)
{
    double x[2 * POINTS_MAX];
    double y[2 * POINTS_MAX];
    size_t m = 0;
    qsort(points, n, sizeof(*points), compare_points);
    for (size_t i = 0; i < n; i++) {
        if (!is_on_front(points, n, i))
            continue;
        if (m > 0) {
            x[m] = points[i].x;
            y[m] = y[m - 1];
            m++;
        }
        x[m] = points[i].x;
        y[m] = 100.0 * points[i].y.value;
        m++;
    }
    chart_line(chart, x, y, m, "#9aa0a6", 1);
}

static void draw_scatter(struct page *page, const char *title, const char *x_label,
                         struct point *points, size_t n)
{
    double x_high = 0.0;
    double y_low = 1.0;
    double y_high = 0.0;
    for (size_t i = 0; i < n; i++) {
        x_high = fmax(x_high, points[i].x);
        y_low = fmin(y_low, points[i].y.low);
        y_high = fmax(y_high, points[i].y.high);
    }
    if (n == 0)
        return;
    struct chart chart;
    chart_begin(
        &chart, page->html, title, (struct chart_axis){x_label, 0.0, 1.08 * x_high},
        (struct chart_axis){"accuracy, %", floor(100.0 * y_low - 1.0), ceil(100.0 * y_high + 1.0)});
    draw_front(&chart, points, n);
    for (size_t i = 0; i < n; i++) {
        chart_point(&chart, points[i].x, 100.0 * points[i].y.value, 100.0 * points[i].y.low,
                    100.0 * points[i].y.high, points[i].color, NULL);
        chart_legend(&chart, points[i].name, points[i].color);
    }
    chart_end(&chart);
}

static void draw_scatters(struct page *page, const struct analysis *a,
                          const struct setting *setting, const char *name)
{
    struct point latency[POINTS_MAX];
    struct point cost[POINTS_MAX];
    size_t n = 0;
    size_t n_latency = 0;
    bool by_cpu = has_cpu(setting);
    char title[256];
    for (size_t i = 0; i < setting->n && n < POINTS_MAX; i++) {
        const struct sample *s = &setting->samples[i];
        const char *color = report_color(a, s->policy);
        if (isnan(s->accuracy.value) || isnan(s->mean_ms.value) || s->n_scored < POINT_LEAST)
            continue;
        if (!s->behind)
            latency[n_latency++] = (struct point){s->mean_ms.value, s->accuracy, s->policy, color};
        double x = by_cpu ? cpu_ms(s) : 100.0 * s->cloud_share;
        cost[n++] = (struct point){x, s->accuracy, s->policy, color};
    }
    snprintf(title, sizeof(title), "Accuracy and latency of those that kept up: %s", name);
    draw_scatter(page, title, "mean latency, ms (dashed: Pareto front)", latency, n_latency);
    snprintf(title, sizeof(title), "Accuracy and cost: %s", name);
    draw_scatter(page, title,
                 by_cpu ? "CPU of both engines a request, ms" : "requests that used the cloud, %",
                 cost, n);
}

/* ---- latency distributions ---- */

static size_t sorted_latencies(const struct sample *s, double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->records[i].ok)
            values[n++] = s->records[i].total_ms;
    }
    stats_sort(values, n);
    return n;
}

#define CDF_POINTS 200

static void draw_distribution(struct chart *chart, const struct sample *s, const char *color)
{
    double x[CDF_POINTS];
    double y[CDF_POINTS];
    double *values = malloc((s->n + 1) * sizeof(*values));
    size_t n = values ? sorted_latencies(s, values) : 0;
    for (size_t i = 0; i < CDF_POINTS && n > 0; i++) {
        double p = (double)i / (CDF_POINTS - 1);
        x[i] = stats_quantile(values, n, p);
        y[i] = 100.0 * p;
    }
    if (n > 0)
        chart_line(chart, x, y, CDF_POINTS, color, 0);
    free(values);
}

static void draw_distributions(struct page *page, const struct analysis *a,
                               const struct setting *setting, const char *name)
{
    char title[256];
    double high = 0.0;
    for (size_t i = 0; i < setting->n; i++) {
        if (!isnan(setting->samples[i].p99_ms.value) && !setting->samples[i].behind &&
            setting->samples[i].n_ok >= CURVE_LEAST)
            high = fmax(high, setting->samples[i].p99_ms.value);
    }
    if (high <= 0.0)
        return;
    struct chart chart;
    snprintf(title, sizeof(title), "Latency, up to the highest p99 of those that kept up: %s",
             name);
    chart_begin(&chart, page->html, title, (struct chart_axis){"latency, ms", 0.0, high},
                (struct chart_axis){"requests answered by then, %", 0.0, 100.0});
    for (size_t i = 0; i < setting->n; i++) {
        const struct sample *s = &setting->samples[i];
        if (s->n_ok < CURVE_LEAST)
            continue;
        draw_distribution(&chart, s, report_color(a, s->policy));
        chart_legend(&chart, s->policy, report_color(a, s->policy));
    }
    chart_end(&chart);
}

/* ---- decisions over load ---- */

static bool has_mix(const struct sample *sample)
{
    return sample && sample->n_ok >= MIX_LEAST;
}

/* All settings of one set under one policy, a bar each. */
static void draw_mix(struct page *page, const struct analysis *a, const char *dataset,
                     const char *policy)
{
    char title[160];
    size_t n = 0;
    for (size_t s = 0; s < a->n; s++)
        n += strcmp(a->settings[s].dataset, dataset) == 0 &&
             has_mix(analysis_find(&a->settings[s], policy));
    if (n == 0)
        return;
    struct chart chart;
    snprintf(title, sizeof(title), "Decisions of %s: %s", policy, dataset);
    chart_begin(&chart, page->html, title, (struct chart_axis){NULL, 0.0, fmax(4.0, (double)n)},
                (struct chart_axis){"requests, %", 0.0, 100.0});
    double x = 0.5;
    for (size_t s = 0; s < a->n; s++) {
        const struct setting *setting = &a->settings[s];
        const struct sample *sample = analysis_find(setting, policy);
        if (strcmp(setting->dataset, dataset) != 0 || !has_mix(sample))
            continue;
        double low = 0.0;
        for (size_t k = 0; k < ANALYSIS_PLANS && sample->n_ok > 0; k++) {
            double high = low + 100.0 * sample->plans[k];
            chart_bar(&chart, x, 0.3, low, high, report_plan_color(k));
            low = high;
        }
        char tick[80];
        if (isnan(setting->link_mbps))
            snprintf(tick, sizeof(tick), "%s", setting->load);
        else
            snprintf(tick, sizeof(tick), "%s, %g", setting->load, setting->link_mbps);
        chart_tick(&chart, x, tick);
        x += 1.0;
    }
    for (size_t k = 0; k < ANALYSIS_PLANS; k++)
        chart_legend(&chart, moa_plan_name((enum moa_plan)k), report_plan_color(k));
    chart_end(&chart);
}

/* Of every policy that decides, once a set. */
static void draw_mixes(struct page *page, const struct analysis *a)
{
    const struct names policies = report_policies(a);
    for (size_t s = 0; s < a->n; s++) {
        bool first = true;
        for (size_t k = 0; k < s; k++)
            first = first && strcmp(a->settings[k].dataset, a->settings[s].dataset) != 0;
        for (size_t p = 0; first && p < policies.n; p++) {
            const char *name = policies.names[p];
            if (strcmp(name, "edge") != 0 && strcmp(name, "cloud") != 0)
                draw_mix(page, a, a->settings[s].dataset, name);
        }
    }
}

/* Whether a setting is too small for all of its figures. */
static bool is_small(const struct setting *setting)
{
    for (size_t i = 0; i < setting->n; i++) {
        if (setting->samples[i].n_ok >= CURVE_LEAST)
            return false;
    }
    return true;
}

void report_figures(struct page *page, const struct analysis *analysis)
{
    page_heading(page, 2, "Figures");
    fputs("Figures are in report.html.\n\n", page->md);
    page_text(page,
              "A policy is in a figure of accuracy with %d questions or more, and in one of "
              "latencies with %d answers or more: fewer would be noise.",
              POINT_LEAST, CURVE_LEAST);
    for (size_t i = 0; i < analysis->n; i++) {
        char name[160];
        analysis_setting_name(&analysis->settings[i], name, sizeof(name));
        if (is_small(&analysis->settings[i]))
            page_text(page, "%s: too few answers for figures.", name);
        draw_scatters(page, analysis, &analysis->settings[i], name);
        draw_distributions(page, analysis, &analysis->settings[i], name);
    }
    draw_mixes(page, analysis);
}
