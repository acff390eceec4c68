/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said of an exchange: in the headers of its answer, and when it is over in the metrics,
 * the log, the journal and to policies that learn. Never what was asked or shown.
 */
#include "exchange_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "guarantee.h"
#include "keys.h"
#include "log.h"
#include "print.h"

#define MUTE_US 60000000

const struct image_score *exchange_scores(const struct exchange *x)
{
    return x->images ? images_scores(x->images) : NULL;
}

/* ---- to the client ---- */

static void print_known(struct print *p, double value, unsigned decimals)
{
    if (isnan(value))
        print_text(p, "unknown");
    else
        print_fixed(p, value, decimals);
}

/* "edge-load=0.500, uplink-mbps=200.0"; what is unknown is "unknown". */
static void write_state(const struct moa_state *state, char *text, size_t size)
{
    struct print p = print_into(text, size);
    print_text(&p, "edge-load=");
    print_known(&p, state->edge_load, 3);
    print_text(&p, ", uplink-mbps=");
    print_known(&p, state->uplink_mbps, 1);
}

/* Whether the cloud was told what the user asked, though the text as a whole stays. */
static bool has_question_left(const struct exchange *x)
{
    bool left = x->question_left;
    for (size_t i = 0; i < x->chat.n_parts && x->perceptions; i++)
        left |= x->perceptions[i].upstream && x->perceptions[i].tells_question;
    return left && answering_tier(x) == MOA_EDGE;
}

static void list_name(struct print *list, const char *name)
{
    print_text(list, list->n > 0 ? ", " : "");
    print_text(list, name);
    print_text(list, "=");
}

static void list_add(struct print *list, const char *name, const char *value)
{
    list_name(list, name);
    print_text(list, value);
}

/* "text=edge, image0=cloud" and so on: one entry per modality, and "question=cloud" behind them. */
static void write_lists(const struct exchange *x, struct exchange_headers *h)
{
    const struct moa_decision *d = &x->perceived.decision;
    const struct moa_modality *modalities = x->perceived.modalities;
    struct print decision = print_into(h->decision, sizeof(h->decision));
    struct print scores = print_into(h->scores, sizeof(h->scores));
    struct print reasons = print_into(h->reasons, sizeof(h->reasons));
    size_t n_of[MOA_KINDS] = {0};
    for (size_t i = 0; i < d->n && i <= EXCHANGE_LISTED_MAX; i++) {
        char name[32];
        struct print p = print_into(name, sizeof(name));
        print_text(&p, moa_kind_name(modalities[i].kind));
        if (i > 0)
            print_int(&p, (int64_t)n_of[modalities[i].kind]++);
        list_add(&decision, name, moa_tier_name(d->choices[i].tier));
        list_add(&reasons, name, moa_reason_name(d->choices[i].reason));
        list_name(&scores, name);
        print_fixed(&scores, i > 0 ? modalities[i].complexity : x->perceived.text.score, 3);
    }
    if (d->n > 1 + EXCHANGE_LISTED_MAX) {
        char more[24];
        struct print p = print_into(more, sizeof(more));
        print_int(&p, (int64_t)(d->n - 1 - EXCHANGE_LISTED_MAX));
        list_add(&decision, "more", more);
        list_add(&scores, "more", more);
        list_add(&reasons, "more", more);
    }
    if (has_question_left(x))
        list_add(&decision, "question", moa_tier_name(MOA_CLOUD));
}

static bool is_escalated(const struct exchange *x)
{
    return x->perceived.decision.choices[0].reason == MOA_REASON_UNSURE;
}

/* "score=0.410, threshold=0.900". False if no answer was scored. */
static bool write_confidence(const struct exchange *x, char *text, size_t size)
{
    if (isnan(x->score) && !is_escalated(x))
        return false;
    struct print p = print_into(text, size);
    print_text(&p, "score=");
    print_known(&p, x->score, 3);
    print_text(&p, ", threshold=");
    print_fixed(&p, x->perceived.decision.threshold, 3);
    return true;
}

bool exchange_is_small(const struct exchange *x)
{
    return x->perceived.decision.routing.small && answering_tier(x) == MOA_CLOUD &&
           x->memory_age_us < 0;
}

void exchange_write_headers(const struct exchange *x, struct exchange_headers *ret_headers)
{
    struct exchange_headers *h = ret_headers;
    write_lists(x, h);
    write_state(&x->state, h->state, sizeof(h->state));
    struct print overhead = print_into(h->overhead, sizeof(h->overhead));
    print_int(&overhead, x->overhead_us);
    h->n = 0;
    h->list[h->n++] =
        (struct server_header){"x-moaoff-plan", moa_plan_name(x->perceived.decision.plan)};
    h->list[h->n++] = (struct server_header){"x-moaoff-decision", h->decision};
    h->list[h->n++] = (struct server_header){"x-moaoff-scores", h->scores};
    h->list[h->n++] = (struct server_header){"x-moaoff-reason", h->reasons};
    h->list[h->n++] = (struct server_header){"x-moaoff-state", h->state};
    h->list[h->n++] = (struct server_header){"x-moaoff-overhead-us", h->overhead};
    h->list[h->n++] = (struct server_header){"x-request-id", x->trace.id};
    if (x->dialect->id_header)
        h->list[h->n++] = (struct server_header){x->dialect->id_header, x->trace.id};
    if (write_confidence(x, h->confidence, sizeof(h->confidence)))
        h->list[h->n++] = (struct server_header){
            is_escalated(x) ? "x-moaoff-escalated" : "x-moaoff-confidence", h->confidence};
    if (exchange_is_small(x))
        h->list[h->n++] = (struct server_header){"x-moaoff-resolution", "half"};
    if (x->memory_age_us >= 0) {
        snprintf(h->memory, sizeof(h->memory), "age_s=%lld",
                 (long long)(x->memory_age_us / 1000000));
        h->list[h->n++] = (struct server_header){"x-moaoff-memory", h->memory};
    }
    if (x->fallback[0])
        h->list[h->n++] = (struct server_header){"x-moaoff-fallback", x->fallback};
    if (x->calls[0])
        h->list[h->n++] = (struct server_header){"x-moaoff-calls", x->calls};
    h->n += exchange_write_limits(x, h->list + h->n, EXCHANGE_HEADERS - h->n);
}

size_t exchange_write_limits(const struct exchange *x, struct server_header *list, size_t room)
{
    size_t n = 0;
    for (size_t at = 0; at < x->n_limit_bytes && n < room;) {
        const char *name = x->limits + at;
        const char *value = name + strlen(name) + 1;
        list[n++] = (struct server_header){name, value};
        at = (size_t)(value - x->limits) + strlen(value) + 1;
    }
    return n;
}

/* ---- calls ---- */

/* "edge=unfit", behind those before it; of a description "cloud.image0=answered". */
static void add_note(struct exchange *x, const struct engine_call *c, const char *verdict)
{
    char note[96];
    struct print p = print_into(note, sizeof(note));
    print_text(&p, x->n_call_bytes > 0 ? ", " : "");
    print_text(&p, moa_tier_name(c->tier));
    if (engine_call_passes(c)) {
        print_text(&p, ".");
        print_text(&p, c->dialect->name);
    } else if (c->kind == CALL_PERCEPTION) {
        print_text(&p, ".image");
        print_int(&p, (int64_t)c->part);
    }
    print_text(&p, "=");
    print_text(&p, verdict);
    if (p.n >= sizeof(x->calls) - x->n_call_bytes)
        return; /* whole notes only */
    memcpy(x->calls + x->n_call_bytes, note, p.n + 1);
    x->n_call_bytes += p.n;
}

void exchange_note_answered(struct exchange *x, struct engine_call *c)
{
    c->noted_at = x->n_call_bytes;
    c->is_noted = true;
    add_note(x, c, verdict_name(VERDICT_ANSWERED));
}

void exchange_note_aside(struct exchange *x, struct engine_call *c)
{
    x->n_call_bytes = c->noted_at;
    c->is_noted = false;
    add_note(x, c, verdict_name(VERDICT_UNSURE));
}

void exchange_note_call(struct exchange *x, const struct engine_call *c)
{
    static const char *const kinds[] = {[CALL_ANSWER] = "answer",
                                        [CALL_PERCEPTION] = "perception",
                                        [CALL_SHADOW] = "shadow",
                                        [CALL_SMALL] = "small",
                                        [CALL_JUDGE] = "judge"};
    const bool broke = c->opinion.verdict == VERDICT_ANSWERED && c->why[0];
    const enum verdict outcome = broke ? VERDICT_BROKEN : c->opinion.verdict;
    const char *verdict = verdict_name(outcome);
    const bool changed = outcome != VERDICT_ANSWERED;
    x->gateway->metrics.calls_total[c->tier][outcome]++;
    if (c->is_noted && changed)
        x->n_call_bytes = c->noted_at; /* it was the last */
    if (!call_is_shadow(c->kind) && (!c->is_noted || changed))
        add_note(x, c, verdict);
    struct log_line line;
    if (!log_begin(&line, LOG_LEVEL_DEBUG, "call-over"))
        return;
    log_word(&line, "id", x->trace.id);
    log_word(&line, "tier", moa_tier_name(c->tier));
    log_word(&line, "kind", kinds[c->kind]);
    log_word(&line, "verdict", verdict);
    log_number(&line, "status", c->status);
    log_quoted(&line, "error", c->why[0] ? c->why : c->opinion.what);
    log_end(&line);
}

void exchange_note_mute(struct engine_call *c)
{
    struct endpoint *e = c->at.endpoint;
    if (e->mute_until_us == 0)
        log_event(LOG_LEVEL_WARN, "no-logprobs", "tier=%s endpoint=%s hint=%s",
                  moa_tier_name(c->tier), log_quote(e->name).s,
                  log_quote("it gives no log-probabilities: no answer of it can be scored").s);
    e->mute_until_us = server_now_us() + MUTE_US;
}

void exchange_keep_limits(struct exchange *x, const struct upstream_head *head)
{
    x->n_limit_bytes = 0;
    for (size_t i = 0; i < head->n_limits; i++) {
        const char *name = head->limits[i].name, *value = head->limits[i].value;
        const size_t n = strlen(name) + strlen(value) + 2;
        if (n > sizeof(x->limits) - x->n_limit_bytes)
            break;
        stpcpy(stpcpy(x->limits + x->n_limit_bytes, name) + 1, value);
        x->n_limit_bytes += n;
    }
}

void exchange_count_call(struct exchange *x, const struct engine_call *c)
{
    const enum moa_tier tier = c->tier;
    const struct usage usage = c->is_stream ? c->sse.usage : c->opinion.usage;
    if (call_is_shadow(c->kind))
        metrics_tokens(x->gateway->metrics.shadow_tokens_total[tier], usage.prompt_tokens,
                       usage.completion_tokens);
    usage_add(&x->usage[tier], &usage);
    metrics_tokens(x->gateway->metrics.tokens_total[tier], usage.prompt_tokens,
                   usage.completion_tokens);
    if (c->sent_us > 0) {
        const double seconds = (double)(server_now_us() - c->sent_us) / 1e6;
        metrics_observe(&x->gateway->metrics.call_seconds[tier], seconds);
        genai_call(&x->gateway->genai, tier, seconds, usage.prompt_tokens, usage.completion_tokens);
    }
    exchange_note_times(x, c, &usage);
}

/* ---- when it is over ---- */

/* What log and journal both have. */
struct exchange_texts {
    struct exchange_headers lists;
    char stages[192];
};

static size_t executed(const struct exchange *x)
{
    if (x->forwarding)
        return exchange_forward_tier(x) == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD;
    return x->has_decision ? (size_t)x->perceived.decision.plan : MOA_PLANS;
}

/* What the cloud was spared of a chat that was answered and might have gone there. */
static void count_saved(const struct exchange *x, struct metrics *m)
{
    const uint64_t sent = x->bytes_up[MOA_CLOUD];
    if (x->forwarding || x->status != 200 || x->pinned)
        return;
    m->saved_requests_total += sent == 0;
    const uint64_t came = chat_size(&x->chat);
    m->saved_bytes_total += came > sent ? came - sent : 0;
}

static void count(const struct exchange *x)
{
    struct metrics *m = &x->gateway->metrics;
    const double total_s = (double)(server_now_us() - x->arrived_us) / 1e6;
    const double first_s =
        x->first_byte_us ? (double)(x->first_byte_us - x->arrived_us) / 1e6 : -1.0;
    const size_t plan = executed(x);
    const size_t policy = x->has_decision ? exchange_policy_index(x) : METRICS_POLICIES - 1;
    if (!x->forwarding)
        m->chat_requests_total[x->status / 100]++;
    m->requests_total[policy][plan][metrics_code(x->status)]++;
    if (x->overhead_us)
        metrics_observe_quick(&m->overhead_seconds, (double)x->overhead_us / 1e6);
    if (first_s >= 0)
        metrics_observe(&m->first_byte_seconds[plan], first_s);
    metrics_observe(&m->request_seconds[plan], total_s);
    if (!x->forwarding && x->status == 200)
        genai_request(&x->gateway->genai, total_s, first_s);
    count_saved(x, m);
}

/* "perceive=812, answer=10233": microseconds in each stage that took any. */
static void write_stages(const struct exchange *x, char *text, size_t room)
{
    struct print p = print_into(text, room);
    for (enum stage stage = STAGE_READ; stage < STAGE_OVER; stage++) {
        if (x->stage_us[stage] > 0) {
            list_name(&p, stage_name(stage));
            print_int(&p, x->stage_us[stage]);
        }
    }
}

static void write_log(const struct exchange *x, const struct exchange_texts *t)
{
    struct log_line line;
    if (!log_begin(&line, LOG_LEVEL_INFO, "chat"))
        return;
    log_word(&line, "id", x->trace.id);
    log_number(&line, "status", x->status);
    log_word(&line, "error", x->error_code ? x->error_code : "none");
    if (x->key)
        log_quoted(&line, "key", key_name(x->key));
    else
        log_word(&line, "key", "none");
    log_word(&line, "policy", x->has_decision ? exchange_policy_name(x) : "none");
    log_word(&line, "plan", x->has_decision ? moa_plan_name(x->perceived.decision.plan) : "none");
    log_quoted(&line, "decision", t->lists.decision);
    log_quoted(&line, "calls", x->calls);
    log_word(&line, "dialect", x->dialect->name);
    log_number(&line, "images", (int64_t)x->chat.n_of[MOA_IMAGE]);
    log_quoted(&line, "stages_us", t->stages);
    log_number(&line, "overhead_us", x->overhead_us);
    log_number(&line, "total_us", server_now_us() - x->arrived_us);
    log_end(&line);
}

/* What a learning policy is told. Sending is not timed apart: it is what the uplink would take. */
static void observe(struct exchange *x)
{
    if (!x->has_decision || x->pinned || x->dry_run || x->status == 0 || x->memory_age_us >= 0)
        return;
    double total_s = (double)(server_now_us() - x->arrived_us - x->overhead_us) / 1e6;
    double bits = 8.0 * (double)chat_size(&x->chat);
    bool uploads = x->wish.tier == MOA_CLOUD && x->state.uplink_mbps > 0;
    double transfer_s = uploads ? bits / (1e6 * x->state.uplink_mbps) : 0.0;
    struct moa_outcome outcome = {
        .request = &x->perceived.request,
        .state = x->state,
        .choice = x->wish,
        .transfer_s = transfer_s,
        .infer_s = total_s > transfer_s ? total_s - transfer_s : 0.0,
        .failed = x->fallback[0] || x->status != 200,
        .correct = NAN,
    };
    feedback_observe(&x->gateway->feedback, x->trace.id, x->key ? key_name(x->key) : "", x->policy,
                     &outcome);
}

/* For the share by requests of what the policy `adaptive` promises. */
static void tell_keeper(const struct exchange *x)
{
    const struct moa_question *q = x->has_decision ? x->perceived.request.question : NULL;
    if (q && !x->pinned && x->status == 200 && moa_policy_adaptive(x->policy))
        guarantee_request(x->gateway->guarantee, q->scene, q->text, answering_tier(x) == MOA_EDGE);
}

void exchange_record(struct exchange *x)
{
    observe(x);
    exchange_tell_adaptive(x);
    struct exchange_texts texts;
    texts.lists.decision[0] = texts.lists.reasons[0] = texts.lists.scores[0] = '\0';
    if (x->has_decision)
        write_lists(x, &texts.lists);
    exchange_trace_end(x, &texts.lists);
    if (x->dry_run)
        return;
    tell_keeper(x);
    exchange_pay(x, false);
    write_stages(x, texts.stages, sizeof(texts.stages));
    count(x);
    if (x->forwarding)
        exchange_forward_log(x);
    else
        write_log(x, &texts);
    exchange_write_journal(x, &texts.lists, texts.stages);
}
