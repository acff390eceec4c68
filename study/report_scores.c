/* SPDX-License-Identifier: Apache-2.0
 *
 * Do the complexity scores know where the edge goes wrong? For every set: the accuracy of the edge
 * over each score, the area under the ROC curve, and what routing by a score would reach.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "report.h"

#define BINS 8
#define ROUTE_STEPS 41

/* ---- calibration: edge accuracy over a score ---- */

struct scored {
    double score, correct;
};

static int compare_scored(const void *a, const void *b)
{
    double x = ((const struct scored *)a)->score;
    double y = ((const struct scored *)b)->score;
    return (x > y) - (x < y);
}

/* Bins of equally many questions. */
static void draw_bins(struct chart *chart, const struct scored *scored, size_t n, const char *color)
{
    double x[BINS];
    double y[BINS];
    size_t m = 0;
    for (size_t b = 0; b < BINS; b++) {
        size_t begin = b * n / BINS;
        size_t end = (b + 1) * n / BINS;
        double score = 0.0;
        double right = 0.0;
        for (size_t i = begin; i < end; i++) {
            score += scored[i].score;
            right += scored[i].correct;
        }
        if (end == begin)
            continue;
        struct estimate accuracy = stats_wilson(right, end - begin);
        x[m] = score / (double)(end - begin);
        y[m] = 100.0 * accuracy.value;
        chart_point(chart, x[m], y[m], 100.0 * accuracy.low, 100.0 * accuracy.high, color, NULL);
        m++;
    }
    chart_line(chart, x, y, m, color, 0);
}

static void draw_calibration(struct page *page, const char *dataset,
                             const struct record *const *records, size_t n, size_t score)
{
    struct scored *scored = malloc((n + 1) * sizeof(*scored));
    char title[160];
    if (!scored)
        return;
    for (size_t i = 0; i < n; i++)
        scored[i] =
            (struct scored){analysis_score(&records[i]->features, score), records[i]->correct};
    qsort(scored, n, sizeof(*scored), compare_scored);
    struct chart chart;
    snprintf(title, sizeof(title), "Edge accuracy over %s: %s", analysis_score_name(score),
             dataset);
    chart_begin(&chart, page->html, title,
                (struct chart_axis){analysis_score_name(score), fmin(0.0, scored[0].score),
                                    scored[n - 1].score},
                (struct chart_axis){"accuracy of the edge alone, %", 0.0, 100.0});
    draw_bins(&chart, scored, n, chart_color(0));
    chart_end(&chart);
    free(scored);
}

/* ---- the scores as the gateway decided by them, with its own parameters ---- */

static const char *const decided_names[] = {"c_img as decided", "c_text as decided"};

static bool get_decided(const struct record *const *records, size_t n, size_t which, double *ret)
{
    static const char *const keys[] = {"image0=", "text="};
    for (size_t i = 0; i < n; i++) {
        const char *at = strstr(records[i]->scores, keys[which]);
        char *end = NULL;
        ret[i] = at ? strtod(at + strlen(keys[which]), &end) : 0.0;
        if (!at || end == at + strlen(keys[which]))
            return false;
    }
    return n > 0;
}

/* ---- area under the ROC curve ---- */

static void auc_row(struct page *page, const char *name, const double *scores,
                    const unsigned char *wrong, const unsigned char *gain, size_t n)
{
    page_cell(page, "%s", name);
    page_estimate(page, stats_auc(scores, wrong, n, 1), 1.0, 3);
    page_estimate(page, stats_auc(scores, gain, n, 2), 1.0, 3);
    page_row_end(page);
}

static void auc_table(struct page *page, const struct record *const *records,
                      const unsigned char *wrong, const unsigned char *gain, size_t n)
{
    static const char *const columns[] = {"score", "the edge is wrong",
                                          "the edge is wrong and the cloud right"};
    double *scores = malloc((n + 1) * sizeof(*scores));
    if (!scores)
        return;
    page_table_begin(page, columns, 3);
    for (size_t k = 0; k < ANALYSIS_SCORES; k++) {
        for (size_t i = 0; i < n; i++)
            scores[i] = analysis_score(&records[i]->features, k);
        auc_row(page, analysis_score_name(k), scores, wrong, gain, n);
    }
    for (size_t k = 0; k < 2; k++) {
        if (get_decided(records, n, k, scores))
            auc_row(page, decided_names[k], scores, wrong, gain, n);
    }
    analysis_combine(records, wrong, n, scores);
    auc_row(page, "= all together, fitted to wrong", scores, wrong, gain, n);
    analysis_combine(records, gain, n, scores);
    auc_row(page, "= all together, fitted to wrong and the cloud right", scores, wrong, gain, n);
    page_table_end(page);
    free(scores);
}

/* ---- routing ---- */

static void draw_routes(struct page *page, const char *dataset, const struct pair *pairs, size_t n)
{
    static const size_t scores[] = {0, 1, 2, 3, 4, 6, 7, 8};
    double x[ROUTE_STEPS];
    double y[ROUTE_STEPS];
    char title[160];
    struct reference oracle = analysis_oracle(pairs, n);
    struct reference ends[2] = {analysis_random(pairs, n, 0.0), analysis_random(pairs, n, 1.0)};
    double low = fmin(ends[0].accuracy, ends[1].accuracy);
    struct chart chart;
    snprintf(title, sizeof(title), "Routing whole requests by one score: %s", dataset);
    chart_begin(&chart, page->html, title,
                (struct chart_axis){"requests to the cloud, % (dashed: drawn blindly)", 0.0, 100.0},
                (struct chart_axis){"accuracy, %", floor(100.0 * low - 5.0),
                                    ceil(100.0 * oracle.accuracy + 2.0)});
    for (size_t k = 0; k < sizeof(scores) / sizeof(scores[0]); k++) {
        for (size_t i = 0; i < ROUTE_STEPS; i++) {
            struct reference r = analysis_route(pairs, n, scores[k], (double)i / (ROUTE_STEPS - 1));
            x[i] = 100.0 * r.cloud_share;
            y[i] = 100.0 * r.accuracy;
        }
        chart_line(&chart, x, y, ROUTE_STEPS, chart_color(k), 0);
        chart_legend(&chart, analysis_score_name(scores[k]), chart_color(k));
    }
    const double blind_x[] = {0.0, 100.0};
    const double blind_y[] = {100.0 * ends[0].accuracy, 100.0 * ends[1].accuracy};
    chart_line(&chart, blind_x, blind_y, 2, "var(--ink)", 1);
    chart_point(&chart, 100.0 * oracle.cloud_share, 100.0 * oracle.accuracy, NAN, NAN, "var(--ink)",
                "oracle");
    chart_end(&chart);
}

/* What thresholds of c_img would have reached, had whole requests gone by it. */
static void threshold_table(struct page *page, const struct pair *pairs, size_t n)
{
    static const char *const columns[] = {"tau", "to the cloud, %", "accuracy, %",
                                          "drawn blindly, %"};
    page_table_begin(page, columns, 4);
    for (int step = 0; step <= 10; step++) {
        double tau = 0.1 * step;
        size_t above = 0;
        for (size_t i = 0; i < n; i++)
            above += analysis_score(&pairs[i].edge->features, SCORE_IMAGE) > tau;
        double share = (double)above / (double)n;
        struct reference routed = analysis_route(pairs, n, SCORE_IMAGE, share);
        struct reference blind = analysis_random(pairs, n, share);
        page_cell(page, "%.1f", tau);
        page_number(page, 100.0 * share, 1);
        page_number(page, 100.0 * routed.accuracy, 1);
        page_number(page, 100.0 * blind.accuracy, 1);
        page_row_end(page);
    }
    page_table_end(page);
}

static void best_row(struct page *page, const char *name, const struct pair *pairs,
                     const double *scores, size_t n)
{
    const struct routed r = analysis_best_tau(pairs, scores, n);
    page_cell(page, "%s", name);
    page_cell(page, "%.3f, %.3f", r.tau[0], r.tau[1]);
    page_number(page, 100.0 * r.cloud_share, 1);
    page_number(page, 100.0 * r.accuracy, 1);
    page_estimate(page, r.gain, 100.0, 1);
    page_row_end(page);
}

/* For each score the threshold that separates best, judged on questions that did not choose it. */
static void best_table(struct page *page, const struct record *const *records,
                       const struct pair *pairs, const unsigned char *gain, size_t n)
{
    static const char *const columns[] = {"score", "tau of either half", "to the cloud, %",
                                          "accuracy, %", "points over a blind draw"};
    double *scores = malloc((n + 1) * sizeof(*scores));
    if (!scores)
        return;
    page_table_begin(page, columns, 5);
    for (size_t k = 0; k < ANALYSIS_SCORES; k++) {
        for (size_t i = 0; i < n; i++)
            scores[i] = analysis_score(&records[i]->features, k);
        best_row(page, analysis_score_name(k), pairs, scores, n);
    }
    for (size_t k = 0; k < 2; k++) {
        if (get_decided(records, n, k, scores))
            best_row(page, decided_names[k], pairs, scores, n);
    }
    analysis_combine(records, gain, n, scores);
    best_row(page, "= all together", pairs, scores, n);
    page_table_end(page);
    free(scores);
}

/* ---- one set ---- */

#define AREA_LEAST 10    /* errors of either kind, for a row of areas */
#define BINS_LEAST 200   /* questions, 25 a bin */
#define ROUTES_LEAST 100 /* questions behind a curve */

/* Whether the score tells the edge's errors better than chance: the interval holds no 0.5. */
static bool knows(const struct record *const *records, const unsigned char *wrong, size_t n,
                  size_t score)
{
    double *scores = malloc((n + 1) * sizeof(*scores));
    if (!scores)
        return false;
    for (size_t i = 0; i < n; i++)
        scores[i] = analysis_score(&records[i]->features, score);
    const struct estimate area = stats_auc(scores, wrong, n, 1);
    free(scores);
    return area.low > 0.5 || area.high < 0.5;
}

static void draw_scores(struct page *page, const char *dataset, const struct pair *pairs,
                        const struct record *const *records, const unsigned char *wrong, size_t n)
{
    for (size_t k = 0; k < ANALYSIS_SCORES && n >= BINS_LEAST; k++) {
        if (k == SCORE_IMAGE || knows(records, wrong, n, k))
            draw_calibration(page, dataset, records, n, k);
    }
    if (n >= ROUTES_LEAST)
        draw_routes(page, dataset, pairs, n);
    if (n < BINS_LEAST)
        page_text(page,
                  "Figures of accuracy over scores need %d questions, those of routing %d: fewer "
                  "would be noise.",
                  BINS_LEAST, ROUTES_LEAST);
    else
        page_text(page, "Accuracy over a score is drawn for c_img and for the scores whose "
                        "interval of the area for \"the edge is wrong\" does not hold 0.5.");
}

/* What can be said of so few. */
static bool are_enough(struct page *page, const unsigned char *wrong, size_t n)
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < n; i++)
        n_wrong += wrong[i];
    if (n_wrong >= AREA_LEAST && n - n_wrong >= AREA_LEAST)
        return true;
    page_text(page,
              "The edge is wrong on %zu and right on %zu of %zu questions that both tiers "
              "answered: what a score knows of that cannot be told with fewer than %d of either.",
              n_wrong, n - n_wrong, n, AREA_LEAST);
    return false;
}

static void with_pairs(struct page *page, const char *dataset, const struct pair *pairs, size_t n)
{
    const struct record **records = malloc((n + 1) * sizeof(struct record *));
    unsigned char *wrong = malloc(n + 1);
    unsigned char *gain = malloc(n + 1);
    if (records && wrong && gain) {
        for (size_t i = 0; i < n; i++) {
            records[i] = pairs[i].edge;
            wrong[i] = !analysis_is_right(pairs[i].edge);
            gain[i] = wrong[i] && analysis_is_right(pairs[i].cloud);
        }
    }
    if (records && wrong && gain && are_enough(page, wrong, n)) {
        page_text(page,
                  "%zu questions that both tiers answered. Area under the ROC curve of each score "
                  "as a predictor, higher scores first: 0.5 knows nothing, below it the score "
                  "points the wrong way. All together: logistic regressions over all of them, "
                  "fitted on one half of the questions and judged on the other, both ways.",
                  n);
        auc_table(page, records, wrong, gain, n);
        page_text(page, "Whole requests by c_img with the default parameters, computed:");
        threshold_table(page, pairs, n);
        page_text(page,
                  "Which tau is best? For each score the threshold with the largest gain over "
                  "drawing as many requests blindly, found on one half of the questions and judged "
                  "on the other, both ways; a gain whose interval holds 0 may be none.");
        best_table(page, records, pairs, gain, n);
        draw_scores(page, dataset, pairs, records, wrong, n);
    }
    free(records);
    free(wrong);
    free(gain);
}

void report_scores(struct page *page, const struct analysis *analysis)
{
    page_heading(page, 2, "What the scores know");
    page_text(page,
              "Scores are those of the default parameters; \"as decided\" those of the gateway "
              "that was asked. Of each set the setting is used in "
              "which both single-tier policies answered most questions; each counts once.");
    for (size_t s = 0; s < analysis->n; s++) {
        const char *dataset = analysis->settings[s].dataset;
        bool seen = false;
        for (size_t k = 0; k < s; k++)
            seen = seen || strcmp(analysis->settings[k].dataset, dataset) == 0;
        const struct setting *best = NULL;
        struct pair *best_pairs = NULL;
        size_t best_n = 0;
        for (size_t k = s; !seen && k < analysis->n; k++) {
            size_t n = 0;
            struct pair *pairs = strcmp(analysis->settings[k].dataset, dataset) == 0
                                     ? analysis_pairs(&analysis->settings[k], &n)
                                     : NULL;
            n = pairs ? analysis_unique(pairs, n) : 0;
            if (n > best_n) {
                struct pair *worse = best_pairs;
                best = &analysis->settings[k];
                best_pairs = pairs;
                best_n = n;
                pairs = worse;
            }
            free(pairs);
        }
        if (best) {
            char name[160];
            analysis_setting_name(best, name, sizeof(name));
            page_heading(page, 3, name);
            with_pairs(page, dataset, best_pairs, best_n);
        }
        free(best_pairs);
    }
}
