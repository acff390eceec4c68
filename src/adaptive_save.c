/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of `adaptive` over restarts: little-endian words of 64 bits with a version and a
 * chained checksum. One walk over the fields saves, loads and counts, so that the three cannot
 * differ.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adaptive.h"
#include "group.h"
#include "siphash.h"

/* "moaadt" and the version. The first had no slopes of times over tokens, the second none over
 * calls in flight, the third no way to compare long answers, and watched no scores, the fourth had
 * whole pictures only, the fifth did not know how busy tiers are, the sixth was in no group. */
#define MAGIC UINT64_C(0x746461616f6d)
#define VERSION 7

enum { COUNT, SAVE, LOAD };

struct adaptive_walk {
    int what;
    unsigned char *out;
    const unsigned char *in;
    size_t n, at; /* bytes there are, bytes walked */
    uint64_t sum; /* of the words so far */
    bool wrong;   /* a value that cannot be */
    unsigned version;
};

static uint64_t magic_of(unsigned version)
{
    return MAGIC | (uint64_t)('0' + version) << 48;
}

static void put(unsigned char *p, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(word >> 8 * i);
}

static uint64_t get(const unsigned char *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

/* Past the end nothing is written and zeros are read; the caller compares `at` with `n`. */
static void walk_word(struct adaptive_walk *w, uint64_t *word)
{
    const bool inside = w->at + 8 <= w->n;
    if (w->what == SAVE && inside)
        put(w->out + w->at, *word);
    if (w->what == LOAD)
        *word = inside ? get(w->in + w->at) : 0;
    if (w->what != COUNT)
        w->sum = moa_siphash((const uint64_t[]){w->sum, w->at}, word, 1);
    w->at += 8;
}

static void walk_double(struct adaptive_walk *w, double *x)
{
    uint64_t word;
    memcpy(&word, x, sizeof(word));
    walk_word(w, &word);
    memcpy(x, &word, sizeof(word));
    if (!isfinite(*x))
        w->wrong = true;
}

/* A logarithm, of 0 too. */
static void walk_log(struct adaptive_walk *w, double *x)
{
    const bool was_wrong = w->wrong;
    walk_double(w, x);
    w->wrong = was_wrong || isnan(*x) || *x == (double)INFINITY;
}

static void walk_quantity(struct adaptive_walk *w, double *x)
{
    walk_double(w, x);
    if (!(*x >= 0.0))
        w->wrong = true;
}

static void walk_doubles(struct adaptive_walk *w, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        walk_double(w, &x[i]);
}

static uint64_t walk_count(struct adaptive_walk *w, uint64_t x, uint64_t max)
{
    walk_word(w, &x);
    if (x <= max)
        return x;
    w->wrong = true;
    return 0;
}

static void walk_u32(struct adaptive_walk *w, uint32_t *x, uint32_t max)
{
    *x = (uint32_t)walk_count(w, *x, max);
}

static void walk_bool(struct adaptive_walk *w, bool *x)
{
    *x = walk_count(w, *x, 1) != 0;
}

/* Only the marks there are. */
static void walk_marks(struct adaptive_walk *w, struct generation *g)
{
    const uint64_t n = walk_count(w, g->n_audits, GENERATION_LAST);
    g->n_audits = n;
    if (w->what == LOAD) {
        for (uint64_t i = 0; i < n; i++) {
            uint64_t mark = 0;
            walk_word(w, &mark);
            if (mark)
                moa_generation_mark(g, mark);
        }
        return;
    }
    for (size_t i = 0; i < GENERATION_MARKS; i++) {
        if (g->marks[i])
            walk_word(w, &g->marks[i]);
    }
}

/* Of smaller pictures; nothing stands there where they are not asked for. */
static void walk_small(struct adaptive_walk *w, struct generation_small *small)
{
    walk_doubles(w, small->process.log_e, CERTIFY_BETS);
    walk_log(w, &small->process.best);
    small->n_audits = walk_count(w, small->n_audits, GENERATION_LAST);
    small->n_lost = walk_count(w, small->n_lost, small->n_audits);
}

static void walk_generation(struct adaptive_walk *w, struct generation *g, bool has_small)
{
    walk_word(w, &g->serial);
    if (!g->serial)
        return;
    walk_quantity(w, &g->share);
    walk_doubles(w, g->confidence.w, CONFIDENCE_N);
    g->n_tested = walk_count(w, g->n_tested, GENERATION_LAST);
    g->n_lost = walk_count(w, g->n_lost, g->n_tested);
    walk_u32(w, &g->n_scores, GENERATION_SCORES);
    walk_u32(w, &g->n_certified, MOA_THRESHOLDS);
    walk_bool(w, &g->has_grid);
    walk_doubles(w, g->scores, g->n_scores);
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        walk_double(w, &g->threshold[i]);
        walk_doubles(w, g->process[i].log_e, CERTIFY_BETS);
        walk_log(w, &g->process[i].best);
        walk_u32(w, &g->kept[i], GENERATION_LAST);
        walk_u32(w, &g->kept_lost[i], GENERATION_LAST);
    }
    walk_marks(w, g);
    if (w->what == LOAD)
        moa_generation_forget_small(g);
    if (has_small)
        walk_small(w, &g->small);
    if (g->share > 1.0 || (!g->has_grid && g->n_scores >= GENERATION_SCORES) ||
        (g->n_certified > 0 && !g->has_grid))
        w->wrong = true;
}

static void walk_sample(struct adaptive_walk *w, struct confidence_sample *s)
{
    struct moa_answer *a = &s->answer;
    a->form = (enum moa_answer_form)walk_count(w, (uint64_t)a->form, MOA_ANSWER_LONG);
    walk_bool(w, &a->streamed);
    walk_bool(w, &a->sampled);
    walk_bool(w, &s->lost);
    a->n_tokens = (size_t)walk_count(w, a->n_tokens, SIZE_MAX);
    walk_double(w, &a->p_min);
    walk_double(w, &a->p_first);
    walk_double(w, &a->p_top5);
}

static void walk_running(struct adaptive_walk *w, struct running *r)
{
    walk_quantity(w, &r->mean);
    walk_quantity(w, &r->n);
}

static void walk_rate(struct adaptive_walk *w, struct predict_rate *r)
{
    walk_quantity(w, &r->n);
    walk_quantity(w, &r->escalated);
    if (r->escalated > r->n)
        w->wrong = true;
}

static void walk_predict(struct adaptive_walk *w, struct predict *p)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        struct predict_tier *t = &p->tier[tier];
        walk_running(w, &t->fixed_ms);
        walk_running(w, &t->prompt_ms);
        walk_running(w, &t->prompt_tokens);
        walk_running(w, &t->answer_ms);
        walk_running(w, &t->answer_tokens);
        walk_running(w, &t->service_ms);
        if (w->version < 2)
            continue;
        walk_running(w, &t->tokens_variance);
        walk_double(w, &t->tokens_ms_covariance.mean); /* of either sign */
        walk_quantity(w, &t->tokens_ms_covariance.n);
        if (w->version < 3)
            continue;
        walk_running(w, &t->ahead);
        walk_quantity(w, &t->slope.n);
        walk_quantity(w, &t->slope.mean_ahead);
        walk_quantity(w, &t->slope.mean_ms);
        walk_quantity(w, &t->slope.variance);
        walk_double(w, &t->slope.covariance);
        if (w->version >= 6)
            walk_running(w, &t->busy);
    }
    walk_rate(w, &p->all);
    for (size_t i = 0; i < MOA_QUESTION_KINDS; i++) {
        walk_running(w, &p->answer_tokens[i]);
        walk_rate(w, &p->kind[i]);
    }
    walk_quantity(w, &p->kappa_ms);
    walk_quantity(w, &p->n_window);
    walk_quantity(w, &p->n_to_cloud);
    if (w->version >= 3)
        walk_quantity(w, &p->n_at_once);
}

static void walk_hour(struct adaptive_walk *w, int64_t *hour)
{
    *hour = (int64_t)walk_count(w, (uint64_t)(*hour + 1), SHIFT_HOUR_MAX) - 1;
}

static void walk_shift(struct adaptive_walk *w, struct score_shift *s)
{
    walk_bool(w, &s->is_watching);
    if (!s->is_watching)
        return;
    walk_bool(w, &s->is_found);
    walk_doubles(w, s->cut, SHIFT_CELLS - 1);
    walk_hour(w, &s->hour);
    walk_hour(w, &s->day);
    walk_hour(w, &s->began_hour);
    walk_u32(w, &s->n_scenes, UINT32_MAX);
    for (int h = 0; h < SHIFT_HOURS; h++) {
        for (int c = 0; c < SHIFT_CELLS; c++) {
            walk_quantity(w, &s->window[h][c]);
            walk_quantity(w, &s->reference[h][c]);
        }
    }
    for (int i = 0; i < SHIFT_MARKS; i += 2) {
        uint64_t two = s->marks[i] | (uint64_t)s->marks[i + 1] << 32;
        walk_word(w, &two);
        s->marks[i] = (uint32_t)two;
        s->marks[i + 1] = (uint32_t)(two >> 32);
    }
}

/* What it counts for a group; nothing stands there if it never joined one. */
static void walk_group(struct adaptive_walk *w, struct moa_adaptive *a)
{
    struct adaptive_group *group = &a->group;
    struct moa_group_counts *c = &group->counts;
    walk_word(w, &c->plan);
    if (!c->plan)
        return;
    walk_word(w, &group->serial);
    walk_word(w, &c->instance);
    for (size_t i = 0; i < MOA_GROUP_NAME_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, c->box + i, 8);
        walk_word(w, &word);
        memcpy(c->box + i, &word, 8);
    }
    walk_u32(w, &c->n_audits, UINT32_MAX);
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        walk_u32(w, &c->kept[i], UINT32_MAX);
        walk_u32(w, &c->lost[i], UINT32_MAX);
    }
    for (size_t i = 0; i < MOA_GROUP_CELLS; i++)
        walk_u32(w, &c->cells[i], UINT32_MAX);
    walk_doubles(w, c->gradient, MOA_GROUP_WEIGHTS);
    walk_doubles(w, c->curvature, MOA_GROUP_CURVATURES);
    walk_word(w, &group->n_boxes);
    walk_word(w, &group->n_audits);
    walk_word(w, &group->n_lost);
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        struct generation *g = &a->generations[i];
        walk_u32(w, &g->n_group, MOA_THRESHOLDS);
        walk_u32(w, &g->n_group_used, g->n_group);
        if (g->n_group > 0 && (g->n_group_used == 0 || !g->has_grid))
            w->wrong = true;
    }
    if (moa_group_counts_wrong(c))
        w->wrong = true;
}

static void walk_all(struct adaptive_walk *w, struct moa_adaptive *a)
{
    uint64_t magic = magic_of(VERSION);
    walk_word(w, &magic);
    w->version = (unsigned)(magic >> 48) - '0';
    walk_double(w, &a->params.alpha);
    walk_double(w, &a->params.delta);
    if (w->version >= 4)
        a->params.long_answers = (int)walk_count(w, (uint64_t)a->params.long_answers, LONG_JUDGE);
    if (w->version >= 5)
        a->params.resolution = (int)walk_count(w, (uint64_t)a->params.resolution, RESOLUTION_HALF);
    walk_word(w, &a->key[0]);
    walk_word(w, &a->key[1]);
    walk_word(w, &a->identity);
    walk_word(w, &a->n_serials);
    walk_word(w, &a->n_alarms);
    walk_word(w, &a->n_requests);
    walk_word(w, &a->in_force);
    walk_doubles(w, a->drift.r, CERTIFY_DRIFTS);
    walk_predict(w, &a->predict);
    for (size_t i = 0; i < MOA_GENERATIONS; i++)
        walk_generation(w, &a->generations[i], a->params.resolution != RESOLUTION_OFF);
    walk_word(w, &a->n_remembered);
    for (size_t i = 0; i < ADAPTIVE_REMEMBERED && i < a->n_remembered; i++)
        walk_sample(w, &a->remembered[i]);
    if (w->version < 4)
        return;
    walk_word(w, &a->n_shifts);
    walk_word(w, &a->shift_of);
    walk_word(w, &a->hastened);
    walk_shift(w, &a->shift);
    if (w->version >= 7)
        walk_group(w, a);
    if (a->params.resolution == RESOLUTION_OFF)
        return;
    walk_doubles(w, a->small_drift.r, CERTIFY_DRIFTS);
    walk_word(w, &a->n_small_alarms);
}

/* Counting and saving only read. */
static struct moa_adaptive *read_only(const struct moa_adaptive *adaptive)
{
    return (struct moa_adaptive *)(uintptr_t)adaptive;
}

size_t moa_adaptive_save_bytes(const struct moa_adaptive *adaptive)
{
    struct adaptive_walk w = {.what = COUNT};
    if (!adaptive)
        return 0;
    walk_all(&w, read_only(adaptive));
    return w.at + 8;
}

size_t moa_adaptive_save(const struct moa_adaptive *adaptive, void *ret_bytes, size_t n)
{
    if (!adaptive || !ret_bytes || n < moa_adaptive_save_bytes(adaptive))
        return 0;
    struct adaptive_walk w = {.what = SAVE, .out = ret_bytes, .n = n};
    walk_all(&w, read_only(adaptive));
    put(w.out + w.at, w.sum);
    return w.at + 8;
}

/* Whether the generations can be those of one state. */
static bool holds_together(const struct moa_adaptive *a)
{
    const struct generation *g = a->generations;
    bool in_force = a->in_force == 0;
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        if (g[i].serial > a->n_serials || (i > 0 && g[i].serial && g[i].serial <= g[i - 1].serial))
            return false;
        in_force |= g[i].serial == a->in_force && moa_generation_certified(&g[i]) > 0;
    }
    if (a->hastened && a->hastened != g[1].serial)
        return false;
    return in_force && g[0].serial > 0;
}

static enum moa_err load(struct moa_bytes saved, struct moa_adaptive *ret_loaded)
{
    if (saved.n < 8)
        return MOA_ERR_TRUNCATED;
    if (get(saved.p) < magic_of(1) || get(saved.p) > magic_of(VERSION) ||
        get(saved.p) << 16 != magic_of(1) << 16)
        return MOA_ERR_FORMAT;
    struct adaptive_walk w = {.what = LOAD, .in = saved.p, .n = saved.n - 8};
    walk_all(&w, ret_loaded);
    if (w.at > w.n)
        return MOA_ERR_TRUNCATED;
    return w.wrong || w.at != w.n || get(w.in + w.at) != w.sum || !holds_together(ret_loaded)
               ? MOA_ERR_CORRUPT
               : MOA_OK;
}

enum moa_err moa_adaptive_load(struct moa_adaptive *adaptive, struct moa_bytes saved)
{
    if (!adaptive)
        return MOA_ERR_ARGUMENT;
    if (!saved.p)
        return MOA_ERR_TRUNCATED;
    struct moa_adaptive *loaded = calloc(1, sizeof(*loaded));
    if (!loaded)
        return MOA_ERR_MEMORY;
    const enum moa_err err = load(saved, loaded);
    if (!err) {
        const struct adaptive_params params = adaptive->params;
        const bool same_claim = moa_adaptive_same_claim(&loaded->params, &params);
        loaded->params = params;
        loaded->budget_share = adaptive->budget_share;
        loaded->bets = adaptive->bets;
        loaded->small_bets = adaptive->small_bets;
        loaded->bar = adaptive->bar;
        loaded->n_changes = adaptive->n_changes + 1;
        *adaptive = *loaded;
        if (!same_claim)
            moa_adaptive_begin_again(adaptive);
        moa_adaptive_watch(adaptive);
        moa_adaptive_lower_shares(adaptive);
    }
    free(loaded);
    return err;
}
