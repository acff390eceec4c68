/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy `adaptive`: decides, scores, observes, counts audits, and begins and ends generations.
 * The statistics are certify.c's, what a generation holds generation.c's, times predict.c's,
 * smaller pictures adaptive_small.c's.
 */
#include "adaptive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"

/* Of distinct scenes, while nothing could be certified, and while a certificate is young. */
#define AUDIT_EARLY 0.25
/* While the edge is watched the cloud is asked, unless as many of our calls are there, in multiples
 * of its slots: a queue that is made then is paid for by all who come after. */
#define SHADOW_CALLS_MAX 3.0
/* The cloud is taken at once if that costs less than this of what edge first costs. */
#define HYSTERESIS 0.9
/* A new generation begins at this many audits of the other one. */
#define GENERATION_OVERLAP 1200

/* ---- parameters ---- */

static const char *const before_names[] = {"threshold", "cloud", "paper", NULL};
static const char *const long_names[] = {"differs", "judge", NULL};
static const char *const resolution_names[] = {"off", "half", NULL};

#define PARAM(field, unit, min, max, fallback, help)                                               \
    {                                                                                              \
        {"adaptive." #field, help, unit, min, max, fallback, NULL},                                \
            offsetof(struct adaptive_params, field)                                                \
    }
static const struct policy_param rows[] = {
    PARAM(alpha, "", 0.001, 0.5, 0.03,
          "largest share of distinct requests with an edge answer that differs from the cloud's"),
    PARAM(delta, "", 0.0001, 0.5, 0.1, "how likely a certificate may be wrong"),
    PARAM(audit, "", 0, 1, 0.05, "share of distinct requests that both tiers answer; 0: none"),
    PARAM(audits_early, "audits", 0, (double)GENERATION_OVERLAP, 600,
          "of one distinct request in four until a first certificate rests on as many: each lets "
          "more be kept; then adaptive.audit"),
    PARAM(shadow, "requests", 0, 1e6, 600,
          "at first the cloud answers and the edge is watched, until something is certified or as "
          "many have gone by"),
    PARAM(threshold, "", 0, 1, 0.9, "score from which answers are kept if nothing is certified"),
    PARAM(cloud_share_max, "", 0, 1, 1,
          "share of requests with a call to the cloud that is aimed at"),
    PARAM(shadow_max, "audits", 1, 64, 16,
          "under way at once: each keeps its request's body; further requests are not audited"),
    PARAM(hold_tokens, "tokens", 1, 256, 4, "of a stream, held until they are scored"),
    PARAM(label_wait, "s", 0, 86400, 60,
          "how long an audit waits for the right answer by POST /v1/feedback before it counts"),
    {{"adaptive.before",
      "if nothing can be certified: keep by adaptive.threshold, ask the cloud, or decide as paper",
      "", BEFORE_THRESHOLD, BEFORE_PAPER, BEFORE_THRESHOLD, before_names},
     offsetof(struct adaptive_params, before)},
    {{"adaptive.long",
      "answers of an audit in more than three words that are not equal: they count as different, "
      "or "
      "the cloud's model is asked whether they mean the same",
      "", LONG_DIFFERS, LONG_JUDGE, LONG_DIFFERS, long_names},
     offsetof(struct adaptive_params, long_answers)},
    {{"adaptive.resolution",
      "pictures for the cloud: as they are, or at half their pixels once audits have shown that it "
      "answers alike, where that is predicted to be quicker; it then has a quarter of alpha",
      "", RESOLUTION_OFF, RESOLUTION_HALF, RESOLUTION_OFF, resolution_names},
     offsetof(struct adaptive_params, resolution)},
};
#undef PARAM

const struct policy_params moa_adaptive_params = {rows, sizeof(rows) / sizeof(rows[0]),
                                                  sizeof(struct adaptive_params)};

const struct moa_policy_param *moa_adaptive_param(size_t i)
{
    return i < moa_adaptive_params.n ? &rows[i].row : NULL;
}

bool moa_adaptive_same_claim(const struct adaptive_params *one, const struct adaptive_params *other)
{
    return one->alpha == other->alpha && one->delta == other->delta &&
           one->long_answers == other->long_answers && one->resolution == other->resolution;
}

enum moa_err moa_adaptive_configure(struct moa_adaptive *adaptive,
                                    const struct moa_policy_setting *settings)
{
    struct moa_adaptive *a = adaptive;
    if (!a)
        return MOA_ERR_ARGUMENT;
    const struct adaptive_params former = a->params;
    for (const struct moa_policy_setting *s = settings; s && s->key; s++) {
        const struct policy_param *param = moa_policy_params_find(&moa_adaptive_params, s->key);
        if (param && !moa_policy_param_takes(param, s->value))
            return MOA_ERR_ARGUMENT;
    }
    moa_policy_params_store(&moa_adaptive_params, settings, &a->params);
    if (!moa_adaptive_same_claim(&a->params, &former)) {
        moa_certify_bets(moa_adaptive_alpha_kept(a), &a->bets);
        moa_certify_bets(SMALL_ALPHA * a->params.alpha, &a->small_bets);
        a->bar = log(1.0 / moa_adaptive_delta_kept(a));
        moa_adaptive_begin_again(a);
    }
    moa_adaptive_lower_shares(a);
    return MOA_OK;
}

/* ---- where things stand ---- */

enum moa_standing moa_adaptive_standing(const struct moa_adaptive *a)
{
    if (a->in_force)
        return MOA_STANDING_CERTIFIED;
    if (a->params.audit > 0.0 &&
        ((double)a->n_requests < a->params.shadow || a->params.before == BEFORE_CLOUD))
        return MOA_STANDING_SHADOW;
    return MOA_STANDING_UNCERTIFIED;
}

const struct generation *moa_adaptive_current(const struct moa_adaptive *a)
{
    const struct generation *g = a->generations;
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        if (a->in_force && g[i].serial == a->in_force)
            return &g[i];
    }
    return g;
}

uint32_t moa_adaptive_used(const struct moa_adaptive *a)
{
    return a->in_force ? moa_generation_used(moa_adaptive_current(a), moa_adaptive_alpha_kept(a))
                       : 0;
}

static double threshold_used(const struct moa_adaptive *a)
{
    return moa_adaptive_current(a)->threshold[moa_adaptive_used(a) - 1];
}

/* Few audits certify a strict threshold only. More of them cost the same calls later or now, since
 * it is their number that counts, and what more is kept because of them is kept from then on. */
static bool is_young(const struct moa_adaptive *a)
{
    return a->params.audit > 0.0 && !a->generations[1].serial &&
           (double)a->generations[0].n_tested < a->params.audits_early;
}

static double share_now(const struct moa_adaptive *a)
{
    switch (moa_adaptive_standing(a)) {
    case MOA_STANDING_SHADOW:
        return 1.0;
    case MOA_STANDING_UNCERTIFIED:
        return a->params.audit > 0.0 ? fmax(a->params.audit, AUDIT_EARLY) : 0.0;
    default:
        if (is_young(a))
            return fmax(a->params.audit, AUDIT_EARLY);
        /* What the owner allows is divided among the generations. */
        return a->params.audit / (a->generations[1].serial ? 2.0 : 1.0);
    }
}

/* What is to succeed a certificate whose scores have shifted is to come soon. */
static double share_of(const struct moa_adaptive *a, const struct generation *g)
{
    const double share = share_now(a);
    const bool is_hastened = a->hastened && g->serial == a->hastened && a->params.audit > 0.0;
    return is_hastened ? fmax(share, AUDIT_EARLY) : share;
}

double moa_adaptive_share(const struct moa_adaptive *a)
{
    return a->hastened ? share_of(a, &a->generations[1]) : share_now(a);
}

/* A share that rose would audit scenes that had been seen and passed over, the common ones first.
 */
void moa_adaptive_lower_shares(struct moa_adaptive *a)
{
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        struct generation *g = &a->generations[i];
        g->share = fmin(g->share, share_of(a, g));
    }
}

/* By scores that every answer is heard to the end for, however much more is certified later: those
 * from the threshold on. */
void moa_adaptive_watch(struct moa_adaptive *a)
{
    const struct generation *g = moa_adaptive_current(a);
    if (a->shift_of == a->in_force)
        return;
    a->shift_of = a->in_force;
    a->shift = (struct score_shift){.is_watching = false};
    if (a->in_force)
        moa_shift_begin(&a->shift, moa_generation_threshold(g),
                        g->threshold[(moa_generation_certified(g) - 1) / 2]);
}

/* One certificate at a time, and no choosing between two, since each has its own delta: the group's
 * where there is one, else the one in force stays while its generation lives. */
void moa_adaptive_settle(struct moa_adaptive *a)
{
    uint64_t serial = 0;
    bool is_group = false;
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        const struct generation *g = &a->generations[i];
        if (!g->serial || moa_generation_certified(g) == 0 || is_group)
            continue;
        is_group = g->n_group > 0;
        if (!serial || g->serial == a->in_force || is_group)
            serial = g->serial;
    }
    if (serial != a->in_force)
        a->drift = a->small_drift = (struct drift){.r = {0}};
    a->in_force = serial;
    moa_adaptive_watch(a);
    moa_adaptive_lower_shares(a);
}

void moa_adaptive_begin_generation(struct moa_adaptive *a, size_t slot,
                                   const struct confidence *confidence, double *scores, size_t n)
{
    moa_generation_begin(&a->generations[slot], ++a->n_serials, 1.0, confidence, scores, n);
    moa_adaptive_lower_shares(a);
}

void moa_adaptive_begin_again(struct moa_adaptive *a)
{
    struct confidence prior;
    moa_confidence_prior(&prior);
    memset(a->generations, 0, sizeof(a->generations));
    a->drift = a->small_drift = (struct drift){.r = {0}};
    a->n_requests = a->in_force = a->n_remembered = a->hastened = 0;
    a->n_changes++;
    moa_adaptive_watch(a);
    moa_adaptive_begin_generation(a, 0, &prior, NULL, 0);
}

enum moa_err moa_adaptive_new(const struct moa_policy_setting *settings, const uint64_t key[2],
                              struct moa_adaptive **ret_adaptive)
{
    if (!key || !ret_adaptive)
        return MOA_ERR_ARGUMENT;
    struct moa_adaptive *a = calloc(1, sizeof(*a));
    if (!a)
        return MOA_ERR_MEMORY;
    memcpy(a->key, key, sizeof(a->key));
    a->budget_share = 1.0;
    if (moa_adaptive_configure(a, settings)) {
        free(a);
        return MOA_ERR_ARGUMENT;
    }
    *ret_adaptive = a;
    return MOA_OK;
}

enum moa_err moa_adaptive_set_key(struct moa_adaptive *adaptive, const uint64_t key[2])
{
    if (!adaptive || !key || adaptive->n_requests > 0 || adaptive->generations[0].n_audits > 0)
        return MOA_ERR_ARGUMENT;
    memcpy(adaptive->key, key, sizeof(adaptive->key));
    return MOA_OK;
}

void moa_adaptive_free(struct moa_adaptive *adaptive)
{
    free(adaptive);
}

bool moa_adaptive_identity(struct moa_adaptive *adaptive, uint64_t identity)
{
    if (!adaptive)
        return false;
    const bool other = adaptive->identity && adaptive->identity != identity;
    if (other)
        moa_adaptive_begin_again(adaptive);
    adaptive->n_changes += adaptive->identity != identity;
    adaptive->identity = identity;
    return other;
}

/* ---- deciding ---- */

uint64_t moa_adaptive_hash(const struct moa_adaptive *adaptive, const uint64_t *words, size_t n)
{
    if (!adaptive || !words)
        return 0;
    /* Another key than that of coins and marks: no words that come from outside are theirs. */
    const uint64_t key[2] = {adaptive->key[0] ^ 0x7175657374696f6e, adaptive->key[1]};
    return moa_siphash(key, words, n);
}

bool moa_adaptive_reads_complexity(const struct moa_adaptive *adaptive)
{
    return adaptive && adaptive->params.before == BEFORE_PAPER;
}

static uint64_t mark_of(const struct moa_adaptive *a, uint64_t scene, uint64_t text)
{
    const uint64_t words[] = {scene, text};
    return moa_siphash(a->key, words, 2) | 1;
}

void moa_adaptive_coins(const struct moa_adaptive *adaptive, uint64_t scene, uint64_t text,
                        double ret_coins[MOA_GENERATIONS])
{
    for (size_t i = 0; i < MOA_GENERATIONS && ret_coins; i++) {
        const uint64_t serial = adaptive ? adaptive->generations[i].serial : 0;
        const uint64_t words[] = {serial, scene, text};
        ret_coins[i] = 1.0;
        if (serial)
            ret_coins[i] = (double)(moa_siphash(adaptive->key, words, 3) >> 11) * 0x1p-53;
    }
}

static void toss(const struct moa_adaptive *a, const struct moa_question *q, struct moa_routing *r)
{
    uint64_t mark = 0;
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        const struct generation *g = &a->generations[i];
        if (!g->serial || !(q->coins[i] < g->share) || g->n_audits >= GENERATION_LAST)
            continue;
        mark = mark ? mark : mark_of(a, q->scene, q->text);
        if (!moa_generation_knows(g, mark))
            r->audit_of[i] = g->serial;
    }
}

static bool is_quantity(double x)
{
    return isnan(x) || (x >= 0.0 && isfinite(x));
}

bool moa_question_valid(const struct moa_question *question)
{
    const struct moa_question *q = question;
    const double quantities[] = {
        q->load[0].n_in_flight, q->load[0].slots,       q->load[0].prompt_tokens,
        q->load[1].n_in_flight, q->load[1].slots,       q->load[1].prompt_tokens,
        q->upload_bytes,        q->uplink_mbps,         q->rtt_ms,
        q->small_upload_bytes,  q->small_prompt_tokens,
    };
    for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
        if (!is_quantity(quantities[i]))
            return false;
    }
    return q->kind < MOA_QUESTION_KINDS && !(q->load[0].slots < 1.0) && !(q->load[1].slots < 1.0);
}

double moa_load_ahead(const struct moa_tier_load *load)
{
    return load && !(load->n_in_flight >= load->slots) ? load->n_in_flight : (double)NAN;
}

double moa_load_busy(const struct moa_tier_load *load)
{
    if (!load)
        return NAN;
    return load->n_in_flight >= load->slots ? 1.0 : load->n_in_flight / load->slots;
}

/* What pins and outages decide alone. */
static bool is_forced(const struct moa_question *q, struct moa_routing *r)
{
    r->route = MOA_ROUTE_EDGE;
    if (q->pinned)
        r->why = MOA_WHY_PINNED;
    else if (!q->cloud_up)
        r->why = MOA_WHY_CLOUD_DOWN;
    else if (!q->edge_up)
        r->why = MOA_WHY_EDGE_DOWN;
    else
        return false;
    if (r->why == MOA_WHY_EDGE_DOWN)
        r->route = MOA_ROUTE_CLOUD;
    return true;
}

static void by_threshold(const struct moa_adaptive *a, const struct moa_question *q,
                         struct moa_routing *r)
{
    r->route = MOA_ROUTE_EDGE_FIRST;
    moa_predict(&a->predict, q, r);
    moa_adaptive_choose_size(a, q, r);
    if (r->threshold <= 0.0)
        r->route = MOA_ROUTE_EDGE;
    else if (r->cost_cloud < HYSTERESIS * r->cost_edge_first) { /* not if either is unknown */
        r->route = MOA_ROUTE_CLOUD;
        r->why = MOA_WHY_QUICKER;
    }
}

/* The cloud answers; where it has more to do than it can, what would be done if nothing could be
 * certified. Audits go on either way. */
static void by_shadow(const struct moa_adaptive *a, const struct moa_question *q,
                      struct moa_routing *r)
{
    const struct moa_tier_load *cloud = &q->load[MOA_CLOUD];
    if (a->params.before == BEFORE_THRESHOLD &&
        cloud->n_in_flight >= SHADOW_CALLS_MAX * cloud->slots) { /* not if it is unknown */
        r->why = MOA_WHY_UNCERTIFIED;
        r->threshold = a->params.threshold;
        by_threshold(a, q, r);
        return;
    }
    r->route = MOA_ROUTE_CLOUD;
    r->why = MOA_WHY_SHADOW;
    r->threshold = INFINITY;
}

enum moa_err moa_adaptive_decide(const struct moa_adaptive *adaptive,
                                 const struct moa_question *question,
                                 struct moa_routing *ret_routing)
{
    const struct moa_adaptive *a = adaptive;
    struct moa_routing *r = ret_routing;
    if (!a || !question || !r || !moa_question_valid(question))
        return MOA_ERR_ARGUMENT;
    *r = (struct moa_routing){
        .predicted_ms = {NAN, NAN}, .rate = NAN, .cost_edge_first = NAN, .cost_cloud = NAN};
    if (is_forced(question, r))
        return MOA_OK;
    toss(a, question, r);
    switch (moa_adaptive_standing(a)) {
    case MOA_STANDING_SHADOW:
        by_shadow(a, question, r);
        break;
    case MOA_STANDING_CERTIFIED:
        r->why = MOA_WHY_CERTIFIED;
        r->threshold = threshold_used(a);
        by_threshold(a, question, r);
        break;
    case MOA_STANDING_UNCERTIFIED:
        r->why = MOA_WHY_UNCERTIFIED;
        r->threshold = a->params.threshold;
        if (a->params.before == BEFORE_PAPER)
            r->route = MOA_ROUTE_PAPER;
        else
            by_threshold(a, question, r);
        break;
    }
    return MOA_OK;
}

double moa_adaptive_score(const struct moa_adaptive *adaptive, const struct moa_answer *answer)
{
    return adaptive && answer
               ? moa_confidence_score(&moa_adaptive_current(adaptive)->confidence, answer)
               : 0.0;
}

bool moa_adaptive_hopeless(const struct moa_adaptive *adaptive, const struct moa_answer *so_far,
                           size_t n_tokens_max, double threshold)
{
    if (!adaptive || !so_far)
        return false;
    const struct generation *g = moa_adaptive_current(adaptive);
    /* What is certified and not kept now is heard to the end, so that its score can be watched. */
    const double least = adaptive->in_force ? moa_generation_threshold(g) : threshold;
    return moa_confidence_reach(&g->confidence, so_far, n_tokens_max) < fmin(threshold, least);
}

double moa_adaptive_sending_ms(const struct moa_question *question)
{
    return question ? moa_predict_upload_ms(question->upload_bytes, question->uplink_mbps,
                                            question->rtt_ms, question->cold)
                    : 0.0;
}

/* ---- learning ---- */

enum moa_err moa_adaptive_observe(struct moa_adaptive *adaptive,
                                  const struct moa_adaptive_outcome *outcome)
{
    if (!adaptive || !outcome || outcome->kind >= MOA_QUESTION_KINDS)
        return MOA_ERR_ARGUMENT;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct moa_call_times *t = &outcome->times[tier];
        if (!is_quantity(outcome->n_ahead[tier]) || !is_quantity(outcome->busy[tier]) ||
            outcome->busy[tier] > 1.0)
            return MOA_ERR_ARGUMENT;
        if (outcome->called[tier] && !(is_quantity(t->fixed_ms) && is_quantity(t->prompt_ms) &&
                                       is_quantity(t->prompt_tokens) && is_quantity(t->answer_ms) &&
                                       is_quantity(t->answer_tokens)))
            return MOA_ERR_ARGUMENT;
    }
    adaptive->n_requests += !outcome->is_again;
    adaptive->n_changes++;
    moa_predict_observe(&adaptive->predict, outcome,
                        fmin(adaptive->params.cloud_share_max, adaptive->budget_share));
    moa_adaptive_lower_shares(adaptive);
    return MOA_OK;
}

enum moa_err moa_adaptive_aim(struct moa_adaptive *adaptive, double share)
{
    if (!adaptive || !(share >= 0.0 && share <= 1.0))
        return MOA_ERR_ARGUMENT;
    adaptive->budget_share = share;
    return MOA_OK;
}

void moa_adaptive_see(struct moa_adaptive *adaptive, const struct moa_sighting *sighting)
{
    struct moa_adaptive *a = adaptive;
    const struct moa_sighting *s = sighting;
    if (!a || !s || !(s->score >= 0.0 && s->score <= 1.0) || s->hour < 0 ||
        s->hour >= SHIFT_HOUR_MAX || a->params.audit <= 0.0)
        return;
    const uint64_t mark = mark_of(a, s->scene, s->text);
    if (moa_adaptive_current(a)->serial == a->group.serial)
        moa_adaptive_group_see(a, mark, s->score);
    if (!a->in_force || a->hastened)
        return;
    moa_shift_see(&a->shift, mark, s->score, s->hour);
    a->n_changes++;
}

static void remember(struct moa_adaptive *a, const struct moa_audit *audit)
{
    a->remembered[a->n_remembered++ % ADAPTIVE_REMEMBERED] =
        (struct confidence_sample){audit->answer, audit->lost};
}

static bool is_of(const struct moa_audit *audit, uint64_t serial)
{
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        if (serial && audit->audit_of[i] == serial)
            return true;
    }
    return false;
}

unsigned moa_adaptive_audit(struct moa_adaptive *adaptive, const struct moa_audit *audit)
{
    struct moa_adaptive *a = adaptive;
    if (!a || !audit)
        return 0;
    const uint64_t mark = mark_of(a, audit->scene, audit->text);
    unsigned done = 0;
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        struct generation *g = &a->generations[i];
        if (!is_of(audit, g->serial) || g->n_audits >= GENERATION_LAST ||
            moa_generation_knows(g, mark))
            continue;
        const double score = moa_confidence_score(&g->confidence, &audit->answer);
        if (g->serial == a->in_force)
            moa_drift_add(&a->drift, &a->bets, audit->lost && score >= moa_generation_threshold(g));
        const bool more = moa_generation_count(g, &a->bets, a->bar, mark, score, audit->lost);
        done |= MOA_AUDIT_COUNTED | (more ? MOA_AUDIT_CERTIFIED : 0);
        if (g->serial == a->group.serial)
            moa_adaptive_group_count(a, g, audit, mark, score);
        if (audit->has_small && a->params.resolution)
            done |= moa_adaptive_count_small(a, g, audit->small_lost);
    }
    if (!done)
        return 0;
    a->n_changes++;
    if (moa_confidence_valid(&audit->answer))
        remember(a, audit);
    moa_adaptive_settle(a);
    if (a->in_force && moa_drift_mean(&a->drift) >= CERTIFY_ALARM) {
        a->n_alarms++;
        moa_adaptive_begin_again(a);
        return MOA_AUDIT_COUNTED | MOA_AUDIT_ALARM;
    }
    return done;
}

/* ---- generations ---- */

static bool older_has_ended(const struct moa_adaptive *a)
{
    const struct generation *older = &a->generations[0];
    const struct generation *younger = &a->generations[1];
    const bool is_due = older->n_audits >= GENERATION_AUDITS || younger->serial == a->hastened;
    return younger->serial && (older->n_audits >= GENERATION_LAST ||
                               (is_due && moa_generation_certified(younger) > 0));
}

size_t moa_adaptive_remembered(const struct moa_adaptive *a)
{
    return a->n_remembered < ADAPTIVE_REMEMBERED ? (size_t)a->n_remembered : ADAPTIVE_REMEMBERED;
}

size_t moa_adaptive_rescore(const struct moa_adaptive *a, const struct confidence *confidence,
                            double ret_scores[ADAPTIVE_REMEMBERED])
{
    const size_t n = moa_adaptive_remembered(a);
    for (size_t i = 0; i < n; i++)
        ret_scores[i] = moa_confidence_score(confidence, &a->remembered[i].answer);
    return n;
}

/* Weights from all audits that are remembered, which are not among those that will certify them. */
static void begin_younger(struct moa_adaptive *a)
{
    _Static_assert(ADAPTIVE_REMEMBERED <= 4096, "scores lie on the stack");
    double scores[ADAPTIVE_REMEMBERED];
    struct confidence fitted;
    moa_confidence_fit(a->remembered, moa_adaptive_remembered(a), &fitted);
    const size_t n = moa_adaptive_rescore(a, &fitted, scores);
    moa_adaptive_begin_generation(a, 1, &fitted, scores, n);
}

void moa_adaptive_end_older(struct moa_adaptive *a)
{
    a->generations[0] = a->generations[1];
    memset(&a->generations[1], 0, sizeof(a->generations[1]));
    a->hastened = 0;
    a->n_changes++;
}

/* A generation beside the one in force, in the place of any other. It takes over as soon as it has
 * certified something: when that is, its own audits say and no comparison. */
static void hasten(struct moa_adaptive *a)
{
    if (a->generations[1].serial == a->in_force)
        moa_adaptive_end_older(a);
    a->n_shifts++;
    a->hastened = a->n_serials + 1;
    begin_younger(a);
    a->n_changes++;
}

bool moa_adaptive_tend(struct moa_adaptive *adaptive)
{
    struct moa_adaptive *a = adaptive;
    if (!a)
        return false;
    if (older_has_ended(a)) {
        moa_adaptive_end_older(a);
        moa_adaptive_settle(a);
    }
    if (a->in_force && a->shift.is_found && !a->hastened) {
        hasten(a);
        return true;
    }
    if (a->generations[1].serial || a->generations[0].n_audits < GENERATION_OVERLAP)
        return false;
    begin_younger(a);
    a->n_changes++;
    return true;
}

uint64_t moa_adaptive_changes(const struct moa_adaptive *adaptive)
{
    return adaptive ? adaptive->n_changes : 0;
}

/* ---- names ---- */

const char *moa_route_name(enum moa_route route)
{
    static const char *const names[] = {"edge-first", "cloud", "edge", "paper"};
    const size_t i = (size_t)route;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}

const char *moa_why_name(enum moa_why why)
{
    static const char *const names[] = {"certified", "shadow",     "uncertified", "quicker",
                                        "edge-down", "cloud-down", "pinned"};
    const size_t i = (size_t)why;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}

const char *moa_standing_name(enum moa_standing standing)
{
    static const char *const names[] = {"shadow", "uncertified", "certified"};
    const size_t i = (size_t)standing;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}
