/* SPDX-License-Identifier: Apache-2.0
 *
 * Records to figures; see analysis.h. Records come sorted by setting, policy, seed and item.
 */
#include "analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

/* ---- one sample ---- */

static size_t plan_of(const char *name)
{
    for (size_t i = 0; i < ANALYSIS_PLANS; i++) {
        if (strcmp(name, moa_plan_name((enum moa_plan)i)) == 0)
            return i;
    }
    return ANALYSIS_PLANS;
}

_Static_assert(ANALYSIS_PLANS == MOA_PLANS, "a share for each plan");

/* Values of the answered requests, in groups by seed: one pass each. */
struct by_seed {
    double *values;
    size_t *sizes;
    size_t n, n_groups;
    uint64_t seed; /* of the last group */
};

static int by_seed_init(struct by_seed *b, size_t capacity)
{
    *b = (struct by_seed){.values = malloc((capacity + 1) * sizeof(double)),
                          .sizes = malloc((capacity + 1) * sizeof(size_t))};
    return b->values && b->sizes ? 0 : -1;
}

static void by_seed_free(struct by_seed *b)
{
    free(b->values);
    free(b->sizes);
}

static void by_seed_add(struct by_seed *b, uint64_t seed, double value)
{
    if (b->n_groups == 0 || seed != b->seed) {
        b->sizes[b->n_groups++] = 0;
        b->seed = seed;
    }
    b->sizes[b->n_groups - 1]++;
    b->values[b->n++] = value;
}

static struct grouped by_seed_grouped(const struct by_seed *b)
{
    return (struct grouped){b->values, b->sizes, b->n_groups};
}

bool analysis_used_cloud(const struct record *record)
{
    if (strncmp(record->fallback, "cloud", 5) == 0)
        return true;
    if (strcmp(record->plan, "edge-first") == 0) /* what was not sure was asked again */
        return strstr(record->reason, "unsure") != NULL;
    return strcmp(record->plan, "edge") != 0;
}

static void count(struct sample *s, struct by_seed *latency, struct by_seed *ttft)
{
    double used_cloud = 0.0;
    double plans[ANALYSIS_PLANS + 1] = {0};
    for (size_t i = 0; i < s->n; i++) {
        const struct record *r = &s->records[i];
        s->n_failed += !r->ok;
        s->n_fallbacks += r->fallback[0] != '\0';
        s->n_infeasible += strstr(r->reason, "infeasible") != NULL;
        if (!r->ok)
            continue;
        plans[plan_of(r->plan)] += 1.0;
        used_cloud += analysis_used_cloud(r);
        s->n_ok++;
        by_seed_add(latency, r->condition.seed, r->total_ms);
        if (!isnan(r->ttft_ms))
            by_seed_add(ttft, r->condition.seed, r->ttft_ms);
    }
    for (size_t i = 0; i < ANALYSIS_PLANS; i++)
        s->plans[i] = s->n_ok > 0 ? plans[i] / (double)s->n_ok : NAN;
    s->cloud_share = s->n_ok > 0 ? used_cloud / (double)s->n_ok : NAN;
}

/* A question counts as often as it was asked, whatever its rotations; it is worth something only if
 * all of them are right. One without a known answer is left out, a failed request is wrong. */
static void count_right(struct sample *s)
{
    double right = 0.0;
    double each = 0.0;
    size_t n_each = 0;
    bool known = false;
    bool rotated = false;
    for (size_t i = 0; i < s->n; i++)
        known = known || !isnan(s->records[i].correct);
    for (size_t i = 0, end; known && i < s->n; i = end) {
        double worth = 1.0;
        bool scored = true;
        for (end = i; end < s->n && record_same_question(&s->records[i], &s->records[end]); end++) {
            const struct record *r = &s->records[end];
            scored = scored && !(r->ok && isnan(r->correct));
            worth *= r->ok && !isnan(r->correct) ? r->correct : 0.0;
            each += r->ok && !isnan(r->correct) ? r->correct : 0.0;
            n_each += !(r->ok && isnan(r->correct));
        }
        rotated = rotated || end > i + 1;
        right += scored ? worth : 0.0;
        s->n_scored += scored;
    }
    s->accuracy = stats_wilson(right, s->n_scored);
    s->each = rotated ? stats_wilson(each, n_each) : (struct estimate){NAN, NAN, NAN};
}

/* Requests of an open loop that were answered when the last one came in; a few always are not. */
static void count_arrivals(struct sample *s)
{
    double duration_s = 0.0;
    size_t n_answered = 0;
    size_t n_seeds = 0;
    s->arrived_per_s = s->answered_per_s = NAN;
    if (strncmp(s->records[0].condition.load, "rate=", 5) != 0)
        return;
    for (size_t begin = 0, end; begin < s->n; begin = end) {
        double last_s = 0.0;
        for (end = begin;
             end < s->n && s->records[end].condition.seed == s->records[begin].condition.seed;
             end++) {
            if (s->records[end].scheduled_s > last_s)
                last_s = s->records[end].scheduled_s;
        }
        for (size_t i = begin; i < end; i++) {
            const struct record *r = &s->records[i];
            n_answered += r->ok && r->scheduled_s + r->total_ms / 1e3 <= last_s;
        }
        duration_s += last_s;
        n_seeds++;
    }
    if (duration_s <= 0.0)
        return;
    s->arrived_per_s = (double)s->n / duration_s;
    s->answered_per_s = (double)n_answered / duration_s;
    s->behind =
        (double)(s->n - s->n_failed - n_answered) > 0.1 * (double)s->n + 4.0 * (double)n_seeds;
}

static int measure(struct sample *s)
{
    struct by_seed latency;
    struct by_seed ttft;
    int failed = by_seed_init(&latency, s->n) | by_seed_init(&ttft, s->n);
    if (!failed) {
        count(s, &latency, &ttft);
        count_right(s);
        count_arrivals(s);
        const struct grouped total = by_seed_grouped(&latency);
        const struct grouped first = by_seed_grouped(&ttft);
        s->mean_ms = stats_bootstrap_mean(&total, 1);
        s->p50_ms = stats_bootstrap_quantile(&total, 0.50, 2);
        s->p95_ms = stats_bootstrap_quantile(&total, 0.95, 3);
        s->p99_ms = stats_bootstrap_quantile(&total, 0.99, 4);
        s->ttft_ms = stats_bootstrap_quantile(&first, 0.50, 5);
    }
    by_seed_free(&latency);
    by_seed_free(&ttft);
    return failed;
}

static bool same_setting(const struct condition *a, const struct condition *b)
{
    bool same_link = (isnan(a->link_mbps) && isnan(b->link_mbps)) || a->link_mbps == b->link_mbps;
    return same_link && strcmp(a->dataset, b->dataset) == 0 && strcmp(a->load, b->load) == 0;
}

static bool same_sample(const struct condition *a, const struct condition *b)
{
    return same_setting(a, b) && strcmp(a->policy, b->policy) == 0;
}

/* What the passes of a sample took, over the requests they made. */
static void add_passes(struct sample *s, const struct records *records)
{
    double n = 0.0;
    double sums[3][2] = {{0}};
    double uplink = 0.0;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        s->peak_bytes[tier] = NAN;
    for (size_t i = 0; i < records->n_passes; i++) {
        const struct pass *p = &records->passes[i];
        if (!same_sample(&p->condition, &s->records[0].condition))
            continue;
        n += (double)(p->n_done + p->n_failed);
        uplink += p->sent_bytes[MOA_CLOUD];
        for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
            sums[0][tier] += p->cpu_s[tier];
            sums[1][tier] +=
                2e-9 * p->n_params[tier] * (p->prompt_tokens[tier] + p->completion_tokens[tier]);
            s->peak_bytes[tier] = fmax(s->peak_bytes[tier], p->peak_bytes[tier]);
        }
    }
    s->uplink_bytes = n > 0.0 ? uplink / n : NAN;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        s->cpu_s[tier] = n > 0.0 ? sums[0][tier] / n : NAN;
        s->gflops[tier] = n > 0.0 ? sums[1][tier] / n : NAN;
    }
}

/* ---- settings ---- */

static size_t slice_end(const struct records *records, size_t begin,
                        bool (*same)(const struct condition *, const struct condition *))
{
    size_t end = begin + 1;
    while (end < records->n &&
           same(&records->records[begin].condition, &records->records[end].condition))
        end++;
    return end;
}

static int add_samples(const struct records *records, size_t begin, size_t end,
                       struct setting *setting)
{
    for (size_t i = begin; i < end;) {
        size_t next = slice_end(records, i, same_sample);
        struct sample *grown =
            realloc(setting->samples, (setting->n + 1) * sizeof(*setting->samples));
        if (!grown)
            return -1;
        setting->samples = grown;
        struct sample *s = &setting->samples[setting->n++];
        *s = (struct sample){.policy = records->records[i].condition.policy,
                             .records = &records->records[i],
                             .n = next - i};
        if (measure(s))
            return -1;
        add_passes(s, records);
        i = next;
    }
    return 0;
}

/* "concurrency=4" before any rate; each by its number. */
static double load_order(const char *load)
{
    const char *number = strchr(load, '=');
    double value = number ? strtod(number + 1, NULL) : 0.0;
    return strncmp(load, "rate=", 5) == 0 ? value : -1.0 / (1.0 + value);
}

static int compare_settings(const void *a, const void *b)
{
    const struct setting *x = a;
    const struct setting *y = b;
    int datasets = strcmp(y->dataset, x->dataset); /* vqav2 first, as in the paper */
    if (datasets != 0)
        return datasets;
    double loads = load_order(x->load) - load_order(y->load);
    if (loads == 0.0)
        loads = x->link_mbps - y->link_mbps;
    return (loads > 0.0) - (loads < 0.0);
}

int analysis_make(const struct records *records, struct analysis *ret_analysis)
{
    struct analysis a = {NULL, 0};
    for (size_t i = 0; i < records->n;) {
        size_t next = slice_end(records, i, same_setting);
        struct setting *grown = realloc(a.settings, (a.n + 1) * sizeof(*a.settings));
        if (!grown) {
            analysis_done(&a);
            return -1;
        }
        a.settings = grown;
        const struct condition *c = &records->records[i].condition;
        a.settings[a.n++] =
            (struct setting){.dataset = c->dataset, .load = c->load, .link_mbps = c->link_mbps};
        if (add_samples(records, i, next, &a.settings[a.n - 1])) {
            analysis_done(&a);
            return -1;
        }
        i = next;
    }
    if (a.n > 1)
        qsort(a.settings, a.n, sizeof(*a.settings), compare_settings);
    *ret_analysis = a;
    return 0;
}

void analysis_done(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->n; i++)
        free(analysis->settings[i].samples);
    free(analysis->settings);
    *analysis = (struct analysis){NULL, 0};
}

const struct sample *analysis_find(const struct setting *setting, const char *policy)
{
    for (size_t i = 0; i < setting->n; i++) {
        if (strcmp(setting->samples[i].policy, policy) == 0)
            return &setting->samples[i];
    }
    return NULL;
}

void analysis_setting_name(const struct setting *setting, char *name, size_t n)
{
    if (isnan(setting->link_mbps))
        snprintf(name, n, "%s, %s", setting->dataset, setting->load);
    else
        snprintf(name, n, "%s, %s, %g Mbit/s", setting->dataset, setting->load, setting->link_mbps);
}

bool analysis_is_right(const struct record *record)
{
    return record->correct >= 0.5;
}

/* ---- pairs and reference lines ---- */

static int compare_pairing(const struct record *a, const struct record *b)
{
    if (a->condition.seed != b->condition.seed)
        return a->condition.seed < b->condition.seed ? -1 : 1;
    return record_compare_items(a->item, b->item);
}

struct pair *analysis_pairs(const struct setting *setting, size_t *ret_n)
{
    const struct sample *edge = analysis_find(setting, "edge");
    const struct sample *cloud = analysis_find(setting, "cloud");
    *ret_n = 0;
    struct pair *pairs = edge && cloud ? malloc((edge->n + 1) * sizeof(*pairs)) : NULL;
    size_t k = 0;
    for (size_t i = 0; pairs && i < edge->n; i++) {
        const struct record *e = &edge->records[i];
        while (k < cloud->n && compare_pairing(&cloud->records[k], e) < 0)
            k++;
        bool both = k < cloud->n && compare_pairing(&cloud->records[k], e) == 0;
        if (both && !isnan(e->correct) && !isnan(cloud->records[k].correct))
            pairs[(*ret_n)++] = (struct pair){e, &cloud->records[k]};
    }
    if (*ret_n == 0) {
        free(pairs);
        pairs = NULL;
    }
    return pairs;
}

static const struct reference no_reference = {NAN, NAN, NAN};

/* Accuracy of questions, of which rotations follow each other, if request i is right to `right`. */
static double of_questions(const struct pair *pairs, const double *right, size_t n)
{
    double sum = 0.0;
    size_t n_questions = 0;
    for (size_t i = 0, end; i < n; i = end) {
        double worth = 1.0;
        for (end = i; end < n && record_same_question(pairs[i].edge, pairs[end].edge); end++)
            worth *= right[end];
        sum += worth;
        n_questions++;
    }
    return sum / (double)n_questions;
}

struct reference analysis_oracle(const struct pair *pairs, size_t n)
{
    double *right = malloc((n + 1) * sizeof(*right));
    if (!right || n == 0) {
        free(right);
        return no_reference;
    }
    struct reference r = {0.0, 0.0, 0.0};
    for (size_t i = 0; i < n; i++) {
        bool cloud = pairs[i].cloud->correct > pairs[i].edge->correct;
        const struct record *taken = cloud ? pairs[i].cloud : pairs[i].edge;
        right[i] = taken->correct;
        r.mean_ms += taken->total_ms / (double)n;
        r.cloud_share += (cloud ? 1.0 : 0.0) / (double)n;
    }
    r.accuracy = of_questions(pairs, right, n);
    free(right);
    return r;
}

struct reference analysis_random(const struct pair *pairs, size_t n, double cloud_share)
{
    double *right = malloc((n + 1) * sizeof(*right));
    if (!right || n == 0) {
        free(right);
        return no_reference;
    }
    struct reference r = {0.0, 0.0, cloud_share};
    for (size_t i = 0; i < n; i++) {
        const struct record *e = pairs[i].edge;
        const struct record *c = pairs[i].cloud;
        right[i] = cloud_share * c->correct + (1.0 - cloud_share) * e->correct;
        r.mean_ms += (cloud_share * c->total_ms + (1.0 - cloud_share) * e->total_ms) / (double)n;
    }
    r.accuracy = of_questions(pairs, right, n);
    free(right);
    return r;
}

struct ranked_pair {
    double score;
    const struct pair *pair;
};

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const struct ranked_pair *)a)->score;
    double y = ((const struct ranked_pair *)b)->score;
    return (x < y) - (x > y);
}

struct reference analysis_route(const struct pair *pairs, size_t n, size_t score,
                                double cloud_share)
{
    struct ranked_pair *ranked = malloc((n + 1) * sizeof(*ranked));
    double *right = malloc((n + 1) * sizeof(*right));
    if (!ranked || !right || n == 0 || isnan(cloud_share)) {
        free(ranked);
        free(right);
        return no_reference;
    }
    for (size_t i = 0; i < n; i++)
        ranked[i] =
            (struct ranked_pair){analysis_score(&pairs[i].edge->features, score), &pairs[i]};
    qsort(ranked, n, sizeof(*ranked), compare_ranked);
    struct reference r = {0.0, 0.0, 0.0};
    size_t n_cloud = (size_t)lround(cloud_share * (double)n);
    for (size_t i = 0; i < n; i++) {
        const struct record *taken = i < n_cloud ? ranked[i].pair->cloud : ranked[i].pair->edge;
        right[ranked[i].pair - pairs] = taken->correct;
        r.mean_ms += taken->total_ms / (double)n;
    }
    r.accuracy = of_questions(pairs, right, n);
    r.cloud_share = (double)n_cloud / (double)n;
    free(ranked);
    free(right);
    return r;
}

/* ---- scores ---- */

double analysis_score(const struct item_features *f, size_t i)
{
    const double scores[ANALYSIS_SCORES] = {
        f->image,     f->resolution,   f->edge,          f->entropy,
        f->sharpness, f->pixels / 1e6, f->edge_fraction, f->bits_per_pixel_normal,
        f->text,      f->text_length,  f->text_entity};
    return isnan(scores[i]) ? 0.0 : scores[i]; /* an image that was not measured */
}

const char *analysis_score_name(size_t i)
{
    static const char *const names[ANALYSIS_SCORES] = {
        "c_img",  "C_res",      "C_edge",        "C_ent",
        "C_lap",  "megapixels", "edge fraction", "bits per pixel, normal",
        "c_text", "C_L",        "C_ner"};
    return names[i];
}

/* ---- halves, and the best threshold ---- */

#define FOLDS 2
#define CANDIDATES 100

/* The copies of one question under several seeds are in one half. */
static size_t fold_of(const struct record *r)
{
    return (size_t)((stats_hash(r->item) * 0x9e3779b97f4a7c15u) >> 63);
}

static double gain_of(const struct pair *pair)
{
    return pair->cloud->correct - pair->edge->correct;
}

/* What routing by tau gains over a blind draw, in one half. */
static double gain_at(const struct pair *pairs, const double *scores, size_t n, size_t fold,
                      double tau, double *ret_share)
{
    double routed = 0.0;
    double all = 0.0;
    double above = 0.0;
    double count_in = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (fold_of(pairs[i].edge) != fold)
            continue;
        bool cloud = scores[i] > tau;
        routed += cloud ? gain_of(&pairs[i]) : 0.0;
        all += gain_of(&pairs[i]);
        above += cloud ? 1.0 : 0.0;
        count_in += 1.0;
    }
    *ret_share = count_in > 0.0 ? above / count_in : 0.0;
    return count_in > 0.0 ? (routed - *ret_share * all) / count_in : 0.0;
}

static double find_tau(const struct pair *pairs, const double *scores, size_t n,
                       const double *sorted, size_t fold)
{
    double best = sorted[n - 1];
    double best_gain = 0.0;
    for (size_t k = 0; k < CANDIDATES; k++) {
        double share;
        double tau = stats_quantile(sorted, n, (double)k / CANDIDATES);
        double gain = gain_at(pairs, scores, n, fold, tau, &share);
        if (gain > best_gain) {
            best = tau;
            best_gain = gain;
        }
    }
    return best;
}

struct routed analysis_best_tau(const struct pair *pairs, const double *scores, size_t n)
{
    struct routed r = {{NAN, NAN}, NAN, NAN, {NAN, NAN, NAN}};
    double *sorted = malloc((n + 1) * sizeof(*sorted));
    double *gains = malloc((n + 1) * sizeof(*gains));
    if (n > 0 && sorted && gains) {
        double share[FOLDS];
        memcpy(sorted, scores, n * sizeof(*sorted));
        stats_sort(sorted, n);
        for (size_t fold = 0; fold < FOLDS; fold++) {
            r.tau[fold] = find_tau(pairs, scores, n, sorted, fold);
            gain_at(pairs, scores, n, 1 - fold, r.tau[fold], &share[1 - fold]);
        }
        r.cloud_share = 0.0;
        r.accuracy = 0.0;
        for (size_t i = 0; i < n; i++) {
            size_t fold = fold_of(pairs[i].edge);
            bool cloud = scores[i] > r.tau[1 - fold];
            gains[i] = ((cloud ? 1.0 : 0.0) - share[fold]) * gain_of(&pairs[i]);
            r.cloud_share += (cloud ? 1.0 : 0.0) / (double)n;
            r.accuracy += (cloud ? pairs[i].cloud : pairs[i].edge)->correct / (double)n;
        }
        r.gain = stats_bootstrap_mean(&(struct grouped){gains, &n, 1}, 6);
    }
    free(sorted);
    free(gains);
    return r;
}

static int compare_items(const void *a, const void *b)
{
    const struct record *x = ((const struct pair *)a)->edge;
    const struct record *y = ((const struct pair *)b)->edge;
    return record_compare_items(x->item, y->item);
}

/* The first seed first, so that rotations of a question are of one seed. */
static int compare_items_and_seeds(const void *a, const void *b)
{
    int order = compare_items(a, b);
    return order ? order
                 : compare_pairing(((const struct pair *)a)->edge, ((const struct pair *)b)->edge);
}

size_t analysis_unique(struct pair *pairs, size_t n)
{
    size_t kept = 0;
    if (n > 0)
        qsort(pairs, n, sizeof(*pairs), compare_items_and_seeds);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_items(&pairs[kept - 1], &pairs[i]) != 0)
            pairs[kept++] = pairs[i];
    }
    return kept;
}

/* ---- scores together: ridge-penalised logistic regression by gradient descent ---- */

#define STEPS 400
#define RATE 0.5
#define RIDGE 0.01

struct fit {
    double mean[ANALYSIS_SCORES], scale[ANALYSIS_SCORES], weight[ANALYSIS_SCORES], bias;
};

static double standard(const struct fit *fit, const struct record *r, size_t k)
{
    return (analysis_score(&r->features, k) - fit->mean[k]) / fit->scale[k];
}

static double predict(const struct fit *fit, const struct record *r)
{
    double sum = fit->bias;
    for (size_t k = 0; k < ANALYSIS_SCORES; k++)
        sum += fit->weight[k] * standard(fit, r, k);
    return 1.0 / (1.0 + exp(-sum));
}

static void standardise(struct fit *fit, const struct record *const *records, size_t n,
                        size_t left_out)
{
    for (size_t k = 0; k < ANALYSIS_SCORES; k++) {
        double sum = 0.0;
        double squares = 0.0;
        double count_in = 0.0;
        for (size_t i = 0; i < n; i++) {
            if (fold_of(records[i]) == left_out)
                continue;
            double x = analysis_score(&records[i]->features, k);
            sum += x;
            squares += x * x;
            count_in += 1.0;
        }
        fit->mean[k] = count_in > 0.0 ? sum / count_in : 0.0;
        double variance = count_in > 0.0 ? squares / count_in - fit->mean[k] * fit->mean[k] : 0.0;
        fit->scale[k] = variance > 1e-18 ? sqrt(variance) : 1.0;
    }
}

static void descend(struct fit *fit, const struct record *const *records,
                    const unsigned char *labels, size_t n, size_t left_out)
{
    double slope[ANALYSIS_SCORES] = {0};
    double slope_bias = 0.0;
    double count_in = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (fold_of(records[i]) == left_out)
            continue;
        double error = predict(fit, records[i]) - labels[i];
        for (size_t k = 0; k < ANALYSIS_SCORES; k++)
            slope[k] += error * standard(fit, records[i], k);
        slope_bias += error;
        count_in += 1.0;
    }
    if (count_in == 0.0)
        return;
    for (size_t k = 0; k < ANALYSIS_SCORES; k++)
        fit->weight[k] -= RATE * (slope[k] / count_in + RIDGE * fit->weight[k]);
    fit->bias -= RATE * slope_bias / count_in;
}

void analysis_combine(const struct record *const *records, const unsigned char *labels, size_t n,
                      double *ret_scores)
{
    for (size_t fold = 0; fold < FOLDS; fold++) {
        struct fit fit = {.bias = 0.0};
        standardise(&fit, records, n, fold);
        for (int step = 0; step < STEPS; step++)
            descend(&fit, records, labels, n, fold);
        for (size_t i = 0; i < n; i++) {
            if (fold_of(records[i]) == fold)
                ret_scores[i] = predict(&fit, records[i]);
        }
    }
}
