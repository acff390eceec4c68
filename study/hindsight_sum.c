/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rows of a journal come to, as they were and as a policy would have had them; see
 * hindsight.h.
 */
#include "hindsight.h"

#include <math.h>
#include <stdlib.h>

#include "hindsight_private.h"

/* ---- the edge is first, and its score is not known ---- */

/* In [0, 1), the same in each run: of the splitmix64 of the row's number. */
static double draw(size_t i)
{
    uint64_t x = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

/* How often the cloud is asked where the score is known; NaN: it never is. */
static double rate_of(const struct hindsight *h, const struct hindsight_view *v)
{
    size_t n = 0, n_escalated = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct hindsight_choice *c = &v->choices[i];
        if (!c->is_first || c->is_blind)
            continue;
        n++;
        n_escalated += c->path == HINDSIGHT_ESCALATED;
    }
    return n > 0 ? (double)n_escalated / (double)n : (double)NAN;
}

/* ---- a row ---- */

#define NO_PATH HINDSIGHT_PATHS

/* What is known of all rows, for what is not known of one. */
struct hindsight_sum {
    const struct hindsight *h;
    const struct hindsight_view *v; /* NULL: as it was */
    double rate;
    double completion_tokens;          /* of the cloud, in the mean; NaN: unknown */
    double last_ms[HINDSIGHT_PATHS];   /* that a row took which went that way; NaN: none did */
    double *ms;                        /* of the rows that have a time */
    double weight_of[PHASES];          /* rows that an audit stands for */
    double n_right, weight, n_squares; /* of audits, weighted */
};

static unsigned path_of(struct hindsight_sum *s, size_t i, struct hindsight_figures *f)
{
    if (!s->v)
        return s->h->past[i].path;
    const struct hindsight_choice *c = &s->v->choices[i];
    if (!c->is_blind)
        return c->path;
    if (isnan(s->rate)) {
        f->n_unknown++;
        return NO_PATH;
    }
    f->n_drawn++;
    return draw(i) < s->rate ? HINDSIGHT_ESCALATED : HINDSIGHT_KEPT;
}

/* Two that are split may be so in different ways. */
static bool is_as_it_was(const struct hindsight_sum *s, size_t i, unsigned path)
{
    return !s->v ||
           (path == s->h->past[i].path && (path != HINDSIGHT_SPLIT || !s->v->choices[i].otherwise));
}

/* What was predicted when it was decided, else what the last one took that went that way. */
static double estimated_ms(const struct hindsight_sum *s, const struct hindsight_past *p,
                           unsigned path)
{
    const double edge = (double)p->predicted_ms[MOA_EDGE];
    const double cloud = (double)p->predicted_ms[MOA_CLOUD];
    const double predicted[HINDSIGHT_PATHS] = {
        [HINDSIGHT_KEPT] = edge,
        [HINDSIGHT_ESCALATED] = edge + cloud,
        [HINDSIGHT_CLOUD] = cloud,
        [HINDSIGHT_SPLIT] = NAN,
    };
    if (!isnan(predicted[path]))
        return predicted[path];
    if (path == HINDSIGHT_ESCALATED && isnan(s->last_ms[path]))
        return s->last_ms[HINDSIGHT_KEPT] + s->last_ms[HINDSIGHT_CLOUD];
    return s->last_ms[path];
}

static void add_time(struct hindsight_sum *s, size_t i, unsigned path, struct hindsight_figures *f)
{
    const struct hindsight_past *p = &s->h->past[i];
    const bool measured = is_as_it_was(s, i, path);
    const double ms = measured ? (double)p->total_ms : estimated_ms(s, p, path);
    if (isnan(ms))
        return;
    f->n_measured += measured;
    s->ms[f->n_timed++] = ms;
}

static double known_or(float known, double otherwise)
{
    return isnan(known) ? otherwise : (double)known;
}

static void add_upload(struct hindsight_sum *s, size_t i, unsigned path,
                       struct hindsight_figures *f)
{
    const struct hindsight_past *p = &s->h->past[i];
    struct budget_bill bill = {.prompt_tokens = known_or(p->cloud_prompt_tokens, 0.0),
                               .completion_tokens = known_or(p->cloud_completion_tokens, 0.0),
                               .pictures = p->cloud_bytes > 0.0F ? p->n_pictures : 0.0};
    double bytes = (double)p->cloud_bytes;
    if (!is_as_it_was(s, i, path)) {
        const bool is_split = path == HINDSIGHT_SPLIT;
        bytes = path == HINDSIGHT_KEPT ? 0.0
                : is_split             ? (double)s->v->choices[i].split_bytes
                                       : (double)p->request_bytes;
        const double share = p->request_bytes > 0.0F ? bytes / (double)p->request_bytes : 0.0;
        bill = (struct budget_bill){
            .prompt_tokens = share * known_or(p->cloud_prompt_tokens, (double)p->prompt_tokens),
            .completion_tokens = bytes > 0.0 ? known_or(p->cloud_completion_tokens,
                                                        known_or((float)s->completion_tokens, 0.0))
                                             : 0.0,
            .pictures = bytes > 0.0 ? p->n_pictures : 0.0,
        };
    }
    f->bytes_up += bytes;
    f->cost += budget_price(&s->h->prices, &bill).of[BUDGET_MONEY];
}

/* What the cloud answers, it agrees with; whether a part that was described changes an answer,
 * audits do not say. */
static void add_audit(struct hindsight_sum *s, size_t i, unsigned path, struct hindsight_figures *f)
{
    const struct hindsight_past *p = &s->h->past[i];
    if (!p->has_audit || path == HINDSIGHT_SPLIT)
        return;
    const double weight = s->weight_of[p->phase];
    f->n_audits++;
    s->weight += weight;
    s->n_squares += weight * weight;
    s->n_right += path == HINDSIGHT_KEPT && p->lost ? 0.0 : weight;
}

/* ---- all rows ---- */

static void look_ahead(struct hindsight_sum *s)
{
    double n_rows[PHASES] = {0}, n_audits[PHASES] = {0};
    double tokens = 0.0, n_tokens = 0.0;
    for (int path = 0; path < HINDSIGHT_PATHS; path++)
        s->last_ms[path] = NAN;
    for (size_t i = s->h->n; i-- > 0;) { /* the first of each path is what stays */
        const struct hindsight_past *p = &s->h->past[i];
        n_rows[p->phase]++;
        n_audits[p->phase] += p->has_audit;
        if (!isnan(p->cloud_completion_tokens) && p->path == HINDSIGHT_CLOUD) {
            tokens += (double)p->cloud_completion_tokens;
            n_tokens++;
        }
        if (!isnan(p->total_ms))
            s->last_ms[p->path] = (double)p->total_ms;
    }
    s->completion_tokens = n_tokens > 0.0 ? tokens / n_tokens : (double)NAN;
    for (int phase = 0; phase < PHASES; phase++)
        s->weight_of[phase] = n_audits[phase] > 0.0 ? n_rows[phase] / n_audits[phase] : 0.0;
}

static void add_rows(struct hindsight_sum *s, struct hindsight_figures *f)
{
    for (size_t i = 0; i < s->h->n; i++) {
        const struct hindsight_past *p = &s->h->past[i];
        const unsigned path = path_of(s, i, f);
        f->n_otherwise += s->v && s->v->choices[i].otherwise;
        if (path != NO_PATH) {
            f->n_of[path]++;
            add_time(s, i, path, f);
            add_upload(s, i, path, f);
            add_audit(s, i, path, f);
        }
        if (!isnan(p->total_ms))
            s->last_ms[p->path] = (double)p->total_ms;
    }
}

bool hindsight_figures(const struct hindsight *h, size_t i, struct hindsight_figures *ret_figures)
{
    if (i > h->n_views)
        return false;
    struct hindsight_figures f = {
        .label = i > 0 ? h->views[i - 1].label : NULL,
        .n = h->n,
        .mean_ms = NAN,
        .p95_ms = NAN,
        .agreement = {NAN, NAN, NAN},
    };
    struct hindsight_sum s = {.h = h, .v = i > 0 ? &h->views[i - 1] : NULL, .rate = NAN};
    s.ms = malloc((h->n + 1) * sizeof(*s.ms));
    if (!s.ms)
        return false;
    if (s.v)
        s.rate = rate_of(h, s.v);
    look_ahead(&s);
    add_rows(&s, &f);
    if (f.n_timed > 0) {
        f.mean_ms = stats_mean(s.ms, f.n_timed);
        stats_sort(s.ms, f.n_timed);
        f.p95_ms = stats_quantile(s.ms, f.n_timed, 0.95);
    }
    if (s.weight > 0.0) { /* as many audits of equal weight as would say as much (Kish) */
        const double n = s.weight * s.weight / s.n_squares;
        f.agreement = stats_wilson(floor(n) * s.n_right / s.weight, (size_t)n);
    }
    if (f.n_unknown == f.n && f.n > 0)
        f.bytes_up = f.cost = NAN;
    if (!budget_has_prices(&h->prices))
        f.cost = NAN;
    free(s.ms);
    *ret_figures = f;
    return true;
}
