/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits: requests that both tiers answer, so that it is known how often an answer of the edge is
 * not what the cloud would have said; see docs/adaptive.md. The client gets its answer as if there
 * were no audit. What it is not given runs behind it, and when the client has gone with its answer
 * the exchange goes on in STAGE_SHADOW until both tiers have spoken:
 *
 *     begin -> listen, score, note, [set aside] -> goes on -> [ask the other tier]
 *           -> [ask the cloud with smaller pictures] -> conclude
 *           -> [ask the cloud whether both mean the same] -> finish
 *
 * Whether an audit is dropped is decided by nothing that depends on its answers: it takes its place
 * before any tier is asked. What is pinned is never audited.
 */
#include "exchange.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_private.h"
#include "guarantee.h"
#include "keeper.h"
#include "keys.h"
#include "label.h"
#include "log.h"
#include "meaning.h"

#define EDGE_WAIT_US 10000000 /* how long an audit waits for a busy edge, at most */
#define ATTEMPTS_MAX 4        /* of a tier that refuses what we add to a request */

enum part {
    PART_MISSING,
    PART_UNDER_WAY,
    PART_HERE,
    PART_FAILED, /* an error, or an answer that broke off */
};

struct audit {
    struct moa_adaptive *adaptive;
    char key[64]; /* the name of who asked */
    char *truth;  /* the right answer, told before the audit was over; NULL: it was not */
    struct moa_audit found;
    enum part part[2];         /* by tier */
    struct completion said[2]; /* the same */
    int64_t asked_us[2];       /* the same, of the last call */
    double took_ms[2];         /* the same; NaN: it has not answered */
    bool wants_small;          /* what the cloud says of smaller pictures is to be known too: */
    enum part small;           /* whether it is, */
    struct completion said_of_small;
    enum moa_tier asking; /* whose pictures are being prepared, */
    bool is_asking_small; /* the smaller ones, */
    bool is_preparing;    /* if any are */
    unsigned attempts;
    bool kept; /* the client got the edge's answer */
    bool is_scored;
    bool is_concluded; /* what it found is known */
    bool is_judging;   /* it has come to the keeper, who waits for what the cloud says of both */
    bool is_over;      /* dropped, as soon as the workers are done with its pictures */
    int64_t since_us;  /* that it waits for the edge; 0: it does not */
};

#define AUDIT_BYTES (sizeof(struct audit) + 3UL * COMPLETION_BYTES_MAX)

/* ---- begin ---- */

static void drop(struct exchange *x, enum metrics_drop why)
{
    static const char *const names[] = {"full",  "memory", "unfit",  "budget",
                                        "known", "left",   "failed", "draining"};
    x->gateway->metrics.audits_dropped_total[why]++;
    log_event(LOG_LEVEL_DEBUG, "audit-dropped", "id=%s reason=%s", x->trace.id, names[why]);
}

static bool has_audit_of(const struct exchange *x, const struct moa_question *question)
{
    return x->audit && x->audit->found.scene == question->scene &&
           x->audit->found.text == question->text;
}

/* A scene and a question count once: it is asked by another client now, its second tier answers, or
 * it has answered and waits to be counted. */
static bool is_known(const struct gateway *g, const struct moa_question *question)
{
    const struct exchange *x;
    LIST_FOREACH(x, &g->exchanges, others)
    {
        if (has_audit_of(x, question))
            return true;
    }
    LIST_FOREACH(x, &g->shadows, others)
    {
        if (has_audit_of(x, question))
            return true;
    }
    return guarantee_waits(g->guarantee, question->scene, question->text);
}

/* Neither a score nor an answer is known yet. */
static bool has_room(struct exchange *x, enum metrics_drop *ret_why)
{
    struct gateway *g = x->gateway;
    const double most = moa_policy_value(x->policy, "adaptive.shadow_max");
    if (g->no_audits)
        *ret_why = METRICS_DROP_DRAINING;
    else if (!exchange_fits(x, MOA_EDGE) || !exchange_fits(x, MOA_CLOUD))
        *ret_why = METRICS_DROP_UNFIT;
    else if (is_known(g, x->perceived.request.question))
        *ret_why = METRICS_DROP_KNOWN;
    else if ((double)g->n_audits >= most)
        *ret_why = METRICS_DROP_FULL;
    else if (g->bodies.used_bytes - x->request_bytes > g->bodies.max_bytes / 2 ||
             memory_left(&g->bodies) < AUDIT_BYTES)
        *ret_why = METRICS_DROP_MEMORY;
    else if (!exchange_may_audit(x)) /* which claims it */
        *ret_why = METRICS_DROP_BUDGET;
    else
        return memory_take(&g->bodies, AUDIT_BYTES);
    return false;
}

void exchange_audit_begin(struct exchange *x)
{
    struct gateway *g = x->gateway;
    const struct moa_decision *d = &x->perceived.decision;
    const struct moa_question *question = x->perceived.request.question;
    struct moa_adaptive *adaptive = moa_policy_adaptive(x->policy);
    enum metrics_drop why = METRICS_DROP_MEMORY;
    if (!adaptive || !question || !d->is_routed ||
        (d->routing.audit_of[0] == 0 && d->routing.audit_of[1] == 0))
        return;
    assert(!x->pinned);
    if (x->pinned)
        return;
    g->metrics.audits_total++;
    if (!has_room(x, &why)) {
        drop(x, why);
        return;
    }
    struct audit *a = x->audit = calloc(1, sizeof(*a));
    if (!a) {
        memory_give(&g->bodies, AUDIT_BYTES);
        drop(x, METRICS_DROP_MEMORY);
        return;
    }
    g->n_audits++;
    a->adaptive = adaptive;
    snprintf(a->key, sizeof(a->key), "%s", x->key ? key_name(x->key) : "");
    a->found = (struct moa_audit){
        .scene = question->scene, .text = question->text, .answer = {.form = MOA_ANSWER_LONG}};
    memcpy(a->found.audit_of, d->routing.audit_of, sizeof(a->found.audit_of));
    a->wants_small = question->has_small;
    completion_init(&a->said_of_small);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        completion_init(&a->said[tier]);
        a->took_ms[tier] = NAN;
    }
}

void exchange_audit_done(struct exchange *x)
{
    struct gateway *g = x->gateway;
    struct audit *a = x->audit;
    if (!a)
        return;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        engine_call_done(&x->answers[tier]);
        completion_done(&a->said[tier]);
    }
    exchange_trace_audit(x, a->is_concluded ? &a->found : NULL);
    completion_done(&a->said_of_small);
    if (g->edge_shadow == x)
        g->edge_shadow = NULL;
    g->n_audits--;
    memory_give(&g->bodies, AUDIT_BYTES);
    free(a->truth);
    free(a);
    x->audit = NULL;
}

/* ---- while the client is answered ---- */

static void hear(struct audit *a, struct engine_call *c)
{
    completion_done(&a->said[c->tier]);
    completion_init(&a->said[c->tier]);
    a->part[c->tier] = PART_UNDER_WAY;
    a->asked_us[c->tier] = server_now_us();
    c->completion = &a->said[c->tier];
}

void exchange_audit_listen(struct exchange *x, struct engine_call *c)
{
    /* Answers from words in the place of parts are not those of the request. */
    if (x->audit && !perceive_is_split(&x->perceived.decision))
        hear(x->audit, c);
}

void exchange_audit_score(struct exchange *x)
{
    struct audit *a = x->audit;
    if (!a || a->is_scored)
        return;
    logprobs_answer(&x->logprobs, x->chat.is_sampled, &a->found.answer);
    a->is_scored = true;
}

void exchange_audit_note(struct exchange *x, struct engine_call *c)
{
    struct audit *a = x->audit;
    if (!a || !c->completion)
        return;
    const bool is_answer =
        c->opinion.verdict == VERDICT_ANSWERED || c->opinion.verdict == VERDICT_UNSURE;
    const bool has_end = !c->is_stream || (c->sse.ended && !c->sse.failed);
    if (c->opinion.verdict == VERDICT_UNSURE && !has_end) /* cut off; again in its turn */
        a->part[c->tier] = PART_MISSING;
    else
        a->part[c->tier] = is_answer && has_end && !c->why[0] ? PART_HERE : PART_FAILED;
    if (a->part[c->tier] == PART_HERE)
        a->took_ms[c->tier] = (double)(server_now_us() - a->asked_us[c->tier]) / 1000.0;
    c->completion = NULL;
}

/* ---- what no client gets ---- */

static void go_on(struct exchange *x);

static enum upstream_flow on_shadow_bytes(struct engine_call *c)
{
    engine_call_take(c, c->n_ready);
    return UPSTREAM_GO;
}

static enum call_hold on_shadow_held(struct engine_call *c, bool is_whole)
{
    struct exchange *x = c->exchange;
    if (!exchange_has_held(x, is_whole))
        return HOLD_ON;
    if (x->logprobs.n_tokens == 0)
        exchange_note_mute(c);
    exchange_audit_score(x);
    return HOLD_KEEP;
}

static void on_shadow_over(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    struct audit *a = x->audit;
    exchange_count_call(x, c);
    exchange_audit_note(x, c);
    if (c->tier == MOA_EDGE)
        x->gateway->edge_shadow = NULL;
    if (a->part[c->tier] == PART_FAILED && exchange_refuses_addition(c) &&
        ++a->attempts < ATTEMPTS_MAX)
        a->part[c->tier] = PART_MISSING; /* it will not get that again */
    if (x->stage == STAGE_SHADOW)
        go_on(x);
}

static const struct engine_call_events shadow_events = {on_shadow_bytes, on_shadow_over,
                                                        on_shadow_held, NULL};

/* Only where nothing of the request is needed any more: its pictures are about to be made anew, for
 * the cloud. */
bool exchange_audit_may_go_on(struct engine_call *c)
{
    const struct exchange *x = c->exchange;
    return x->audit && c->completion && !x->gateway->edge_shadow && engine_call_release_body(c);
}

void exchange_audit_set_aside(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    exchange_note_aside(x, c);
    x->gateway->edge_shadow = x;
    c->kind = CALL_SHADOW;
    c->events = &shadow_events;
    c->is_held = !x->audit->is_scored;
    exchange_escalate(x);
}

void exchange_audit_reclaim(struct exchange *x, enum moa_tier tier)
{
    engine_call_done(&x->answers[tier]);
    if (x->audit && tier == MOA_EDGE && x->gateway->edge_shadow == x)
        x->gateway->edge_shadow = NULL;
}

/* ---- when the client has its answer ---- */

static void end(struct exchange *x)
{
    struct gateway *g = x->gateway;
    LIST_REMOVE(x, others);
    g->n_shadows--;
    exchange_free(x);
    exchange_tend_audits(g);
}

/* To be compared with a right answer, if somebody tells it. */
static struct moa_bytes text_of(const struct audit *a, enum moa_tier tier)
{
    return a->part[tier] == PART_HERE ? completion_text(&a->said[tier]) : (struct moa_bytes){0};
}

/* To the keeper, who counts in the order of these calls: also what is still to be judged. */
static void hand_over(struct exchange *x)
{
    const struct audit *a = x->audit;
    const struct label_audit audit = {
        .id = x->trace.id,
        .key = a->key,
        .audit = a->found,
        .text = {text_of(a, MOA_EDGE), text_of(a, MOA_CLOUD)},
        .kept = a->kept,
        .time_ms = x->journal_ms,
        .is_open = a->is_judging,
    };
    guarantee_audit(x->gateway->guarantee, &audit);
}

/* It is known whether the answers differ. */
static void finish(struct exchange *x, const char *judged)
{
    struct gateway *g = x->gateway;
    struct audit *a = x->audit;
    const double score = moa_adaptive_score(a->adaptive, &a->found.answer);
    a->is_concluded = true;
    log_event(LOG_LEVEL_INFO, "audit", "id=%s differs=%s edge=%s cloud=%s score=%.3f judged=%s",
              x->trace.id, a->found.lost ? "true" : "false",
              a->part[MOA_EDGE] == PART_HERE ? "answered" : "failed",
              a->part[MOA_CLOUD] == PART_FAILED ? "failed" : "answered", score, judged);
    exchange_journal_audit(x, &a->found, score, a->took_ms[MOA_EDGE], a->took_ms[MOA_CLOUD]);
    g->metrics.audits_differing_total += a->found.lost;
    if (!a->is_judging)
        hand_over(x);
    if (a->truth)
        guarantee_label(g->guarantee, x->trace.id, a->key, a->truth);
    if (a->is_judging)
        guarantee_judged(g->guarantee, &a->found, !a->found.lost);
    end(x);
}

/* ---- whether long answers mean the same ---- */

static void take_verdict(struct exchange *x, enum meaning meaning)
{
    static const char *const names[] = {
        [MEANING_SAME] = "same", [MEANING_OTHER] = "different", [MEANING_UNCLEAR] = "unclear"};
    x->gateway->metrics.audits_judged_total[meaning]++;
    x->audit->found.lost = meaning != MEANING_SAME;
    finish(x, names[meaning]);
}

static void on_judge_over(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    const bool is_answer = c->opinion.verdict == VERDICT_ANSWERED && !c->why[0];
    exchange_count_call(x, c);
    take_verdict(x, is_answer ? meaning_read(buffer_bytes(&c->held)) : MEANING_UNCLEAR);
}

static enum upstream_flow on_judge_bytes(struct engine_call *c)
{
    (void)c;
    return UPSTREAM_GO;
}

static const struct engine_call_events judge_events = {on_judge_bytes, on_judge_over, NULL, NULL};

/* The question as the user put it last, without pictures: whether two answers say the same can be
 * read in them. Which of them stands first, its coin says: models favour a place. */
static int render_judge(struct exchange *x, struct chat_body *ret_body)
{
    const struct audit *a = x->audit;
    const struct config *config = x->settings->config;
    const char *model = config->tier[MOA_CLOUD].model;
    const uint64_t coin[] = {a->found.scene, a->found.text};
    const enum moa_tier first = (enum moa_tier)(moa_adaptive_hash(a->adaptive, coin, 2) & 1);
    char *prompt =
        meaning_prompt(x->chat.last_turn ? x->chat.last_turn : "", completion_text(&a->said[first]),
                       completion_text(&a->said[!first]));
    const int result = prompt ? chat_render_prompt(model[0] ? model : x->chat.model_name, prompt,
                                                   MEANING_TOKENS, config->perceive_extra, ret_body)
                              : -1;
    free(prompt);
    return result;
}

/* False: it is not asked, and the answers differ. */
static bool ask_judge(struct exchange *x)
{
    struct audit *a = x->audit;
    struct engine_call *c = &x->answers[MOA_CLOUD];
    if (moa_policy_value(x->policy, "adaptive.long") == 0.0 || x->gateway->no_audits ||
        !meaning_is_a_question(&a->said[MOA_EDGE], &a->said[MOA_CLOUD]))
        return false;
    assert(!x->pinned);
    engine_call_done(c);
    engine_call_init(c, x, CALL_JUDGE, MOA_CLOUD, &judge_events);
    if (!render_judge(x, &c->body) && exchange_may_judge(x, c->body.total_bytes, MEANING_TOKENS) &&
        !engine_call_send(c))
        return true;
    x->gateway->metrics.audits_judged_total[METRICS_MEANING_UNASKED]++;
    return false;
}

/* Whether the cloud says the same of smaller pictures. Long answers are not judged: they differ
 * unless they are equal. */
static void compare_small(struct exchange *x)
{
    struct audit *a = x->audit;
    a->found.has_small = a->wants_small;
    if (!a->wants_small)
        return;
    a->found.small_lost = a->part[MOA_CLOUD] != PART_HERE || a->small != PART_HERE ||
                          !completions_agree(&a->said[MOA_CLOUD], &a->said_of_small);
    x->gateway->metrics
        .audits_small_total[a->found.small_lost ? METRICS_SMALL_DIFFERENT : METRICS_SMALL_SAME]++;
}

static void conclude(struct exchange *x)
{
    struct audit *a = x->audit;
    const bool is_whole = a->part[MOA_EDGE] == PART_HERE && a->part[MOA_CLOUD] == PART_HERE;
    compare_small(x);
    a->found.lost = !is_whole || !completions_agree(&a->said[MOA_EDGE], &a->said[MOA_CLOUD]);
    a->is_judging = is_whole && a->found.lost && ask_judge(x);
    if (a->is_judging)
        hand_over(x);
    else
        finish(x, "no");
}

/* The edge's own load comes first; who has waited long goes all the same. */
static bool has_edge_time(const struct gateway *g, const struct audit *a)
{
    return !g->edge_shadow && ((double)g->sense.in_flight[MOA_EDGE] < sense_slots(&g->sense) ||
                               server_now_us() - a->since_us > EDGE_WAIT_US);
}

static void on_small_over(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    struct audit *a = x->audit;
    const bool has_end = !c->is_stream || (c->sse.ended && !c->sse.failed);
    const bool is_answer = c->opinion.verdict == VERDICT_ANSWERED && has_end && !c->why[0];
    exchange_count_call(x, c);
    a->small = is_answer ? PART_HERE : PART_FAILED;
    go_on(x);
}

static const struct engine_call_events small_events = {on_shadow_bytes, on_small_over, NULL, NULL};

static void send_shadow(struct exchange *x)
{
    struct audit *a = x->audit;
    struct engine_call *c = &x->answers[a->asking];
    engine_call_done(c);
    if (a->is_asking_small) {
        engine_call_init(c, x, CALL_SMALL, MOA_CLOUD, &small_events);
        c->completion = &a->said_of_small;
    } else {
        engine_call_init(c, x, CALL_SHADOW, a->asking, &shadow_events);
        if (a->asking == MOA_EDGE)
            exchange_hold(x, c);
        hear(a, c);
    }
    if (exchange_ask(x, c, a->asking == MOA_CLOUD)) {
        drop(x, METRICS_DROP_MEMORY);
        end(x);
    }
}

static void on_shadow_prepared(void *arg, const struct http_error *error)
{
    struct exchange *x = arg;
    struct audit *a = x->audit;
    assert(x->stage == STAGE_SHADOW);
    a->is_preparing = false;
    if (a->is_over) {
        end(x);
    } else if (error) {
        if (a->asking == MOA_EDGE)
            x->gateway->edge_shadow = NULL;
        *(a->is_asking_small ? &a->small : &a->part[a->asking]) = PART_FAILED;
        go_on(x);
    } else {
        send_shadow(x);
    }
}

static void prepare(struct exchange *x)
{
    struct audit *a = x->audit;
    assert(!x->pinned);
    perceive_send_all(&x->perceived.decision, a->asking, MOA_REASON_AUDIT);
    a->is_preparing = x->images != NULL;
    if (x->images)
        images_prepare(x->images, &x->perceived, on_shadow_prepared);
    else
        send_shadow(x);
}

static void ask(struct exchange *x, enum moa_tier tier)
{
    struct audit *a = x->audit;
    a->asking = tier;
    a->since_us = 0;
    a->part[tier] = PART_UNDER_WAY;
    if (tier == MOA_EDGE)
        x->gateway->edge_shadow = x;
    prepare(x);
}

/* The last that is asked: from here on the cloud's pictures are the smaller ones. */
static void ask_small(struct exchange *x)
{
    struct audit *a = x->audit;
    if (!exchange_may_ask_small(x)) { /* that knows no answer */
        x->gateway->metrics.audits_small_total[METRICS_SMALL_UNASKED]++;
        a->wants_small = false;
        conclude(x);
        return;
    }
    a->asking = MOA_CLOUD;
    a->is_asking_small = true;
    a->small = PART_UNDER_WAY;
    x->perceived.decision.routing.small = true;
    prepare(x);
}

/* What is missing is asked for, one after the other; then that is that. Of a cloud that has failed
 * nothing more is asked, nor of one that would be asked for an edge that has, unless its answer is
 * to be compared with that to smaller pictures: whether it is has nothing to do with the edge. */
static void go_on(struct exchange *x)
{
    struct audit *a = x->audit;
    const enum part edge = a->part[MOA_EDGE], cloud = a->part[MOA_CLOUD];
    if (edge == PART_UNDER_WAY || cloud == PART_UNDER_WAY || a->small == PART_UNDER_WAY)
        return;
    if (edge == PART_MISSING) {
        a->since_us = server_now_us();
        exchange_tend_audits(x->gateway);
    } else if (cloud == PART_MISSING && (edge == PART_HERE || a->wants_small)) {
        ask(x, MOA_CLOUD);
    } else if (cloud == PART_HERE && a->wants_small && a->small == PART_MISSING) {
        ask_small(x);
    } else {
        conclude(x);
    }
}

void exchange_tend_audits(struct gateway *g)
{
    struct exchange *x, *oldest = NULL;
    LIST_FOREACH(x, &g->shadows, others)
    {
        if (x->audit->since_us > 0)
            oldest = x;
    }
    if (!oldest || g->no_audits)
        return;
    if (keeper_is_coming(g->keeper))
        keeper_want(g->keeper);
    else if (has_edge_time(g, oldest->audit))
        ask(oldest, MOA_EDGE);
}

static bool label(struct exchange *x, const char *id, const char *key, const char *truth)
{
    struct audit *a = x->audit;
    if (!a || a->truth || strcmp(x->trace.id, id) != 0 || strcmp(a->key, key) != 0)
        return false;
    a->truth = strndup(truth, LABEL_TEXT_BYTES);
    return a->truth != NULL;
}

bool exchange_label_audit(struct gateway *g, const char *id, const char *key, const char *truth)
{
    struct exchange *x;
    LIST_FOREACH(x, &g->shadows, others)
    {
        if (label(x, id, key, truth))
            return true;
    }
    return guarantee_label(g->guarantee, id, key, truth);
}

bool exchange_audit_goes_on(struct exchange *x)
{
    struct gateway *g = x->gateway;
    if (!x->audit)
        return false;
    if (!x->answering || x->status != 200 || g->no_audits) {
        drop(x, x->status == 0 ? METRICS_DROP_LEFT
                : g->no_audits ? METRICS_DROP_DRAINING
                               : METRICS_DROP_FAILED);
        return false;
    }
    exchange_drop_calls(x);
    LIST_INSERT_HEAD(&g->shadows, x, others);
    g->n_shadows++;
    x->audit->kept = answering_tier(x) == MOA_EDGE;
    enter(x, STAGE_SHADOW);
    go_on(x);
    return true;
}

void exchange_end_audits(struct gateway *g)
{
    g->no_audits = true;
    for (struct exchange *x = LIST_FIRST(&g->shadows), *next; x; x = next) {
        next = LIST_NEXT(x, others);
        if (x->audit->is_over)
            continue;
        if (x->audit->is_judging) { /* it counts: what is not judged differs */
            take_verdict(x, MEANING_UNCLEAR);
            continue;
        }
        drop(x, METRICS_DROP_DRAINING);
        x->audit->is_over = true;
        if (x->audit->is_preparing)
            images_cancel(x->images); /* then on_shadow_prepared() ends it */
        else
            end(x);
    }
}
