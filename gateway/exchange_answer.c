/* SPDX-License-Identifier: Apache-2.0
 *
 * What engines are asked for an exchange: descriptions of parts that go to the other tier, all at
 * once, and then the answer, which is passed on as it comes; see exchange_private.h.
 *
 * As long as nothing was passed on another engine can still take over, and a stream that breaks off
 * should not leave half an event with the client. So a stream goes on by whole events once its
 * content has begun, and everything else when it is complete.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "exchange_private.h"
#include "log.h"
#include "question.h"

#define CLIENT_BUFFER_BYTES (256 << 10) /* the engine pauses while more waits for the client */

/* ---- evidence ---- */

/* What an engine says of a part becomes text in its place. */
static int set_evidence(struct exchange *x, size_t i, const char *words)
{
    x->evidence[i] = perceive_evidence(&x->chat, i, words, x->settings->config);
    return x->evidence[i] ? 0 : -1;
}

static int take_evidence(struct exchange *x, const struct engine_call *c)
{
    exchange_count_call(x, c);
    char *words = chat_completion_text(buffer_bytes(&c->held));
    if (!words)
        return -1;
    char *prompt = perceive_prompt(&x->chat, c->part, c->tier, x->settings->config);
    if (prompt)
        images_remember_words(x->images, c->part, c->tier, prompt, words);
    int result = set_evidence(x, c->part, words);
    free(prompt);
    free(words);
    return result;
}

static void on_perception_over(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    assert(x->stage == STAGE_EVIDENCE);
    bool good = c->opinion.verdict == VERDICT_ANSWERED && !c->why[0];
    if (good && take_evidence(x, c)) {
        char what[48];
        snprintf(what, sizeof(what), "no description of image %zu", c->part);
        engine_call_reject(c, what);
        good = false;
    }
    if (!good)
        exchange_call_failed(x, c);
    else if (--x->n_perceiving == 0)
        exchange_answer(x);
}

/* Descriptions are read when they are whole. */
static enum upstream_flow on_perception_bytes(struct engine_call *c)
{
    (void)c;
    return UPSTREAM_GO;
}

static const struct engine_call_events perception_events = {on_perception_bytes, on_perception_over,
                                                            NULL, NULL};

static int send_perception(struct exchange *x, size_t i, const char *prompt)
{
    const struct config *config = x->settings->config;
    enum moa_tier tier = x->perceived.decision.choices[1 + i].tier;
    struct engine_call *c = &x->perceptions[i];
    engine_call_init(c, x, CALL_PERCEPTION, tier, &perception_events);
    c->part = i;
    c->tells_question = tier == MOA_CLOUD && perceive_tells_question(&x->chat, i, config);
    const char *model = config->tier[tier].model;
    if (chat_render_perception(&x->chat, i, images_urls(x->images)[i], model[0] ? model : "moaoff",
                               prompt, (unsigned)config->perceive_max_tokens,
                               config->perceive_extra, &c->body))
        return -1;
    int result = engine_call_send(c);
    x->n_perceiving += result == 0;
    return result;
}

/* Words for a part: those of an earlier turn, or a call. */
static int gather_one(struct exchange *x, size_t i)
{
    enum moa_tier tier = x->perceived.decision.choices[1 + i].tier;
    char *prompt = perceive_prompt(&x->chat, i, tier, x->settings->config);
    char *words = prompt ? images_recall_words(x->images, i, tier, prompt) : NULL;
    int result = !prompt ? -1 : words ? set_evidence(x, i, words) : send_perception(x, i, prompt);
    free(words);
    free(prompt);
    return result;
}

void exchange_gather(struct exchange *x)
{
    enter(x, STAGE_EVIDENCE);
    int err = 0;
    for (size_t i = 0; i < x->chat.n_parts && !err; i++) {
        if (x->perceived.decision.choices[1 + i].tier != answering_tier(x))
            err = gather_one(x, i);
    }
    if (err)
        exchange_fail_memory(x);
    else if (x->n_perceiving == 0)
        exchange_answer(x);
}

/* ---- the answer ---- */

/* The answer has begun, so that nothing is sent twice: what went to the engine is not needed. An
 * answer may take minutes, and its request may have been megabytes. */
static void release_request(struct exchange *x)
{
    if (!engine_call_release_body(&x->answers[answering_tier(x)]))
        return; /* an engine that answers before it has read everything */
    if (x->audit)
        return; /* the other tier may have to be asked too */
    if (x->images)
        images_release(x->images);
    exchange_free_request_body(x);
}

/* From here on nothing can be replaced. */
static void begin_answer(struct exchange *x, const struct moa_bytes *whole)
{
    enter(x, STAGE_RELAY);
    x->answering = true;
    x->first_byte_us = server_now_us();
    x->gateway->metrics.answers_total[x->perceived.decision.plan]++;
    engine_calls_blame(x);
    if (!x->begun)
        exchange_reply_begin(x, 200, x->answers[answering_tier(x)].content_type, whole);
    if (!whole)
        release_request(x);
}

/* Passes on what is ready. Returns how many bytes now wait for the client. */
static size_t relay(struct exchange *x, struct engine_call *c)
{
    if (!x->answering)
        begin_answer(x, NULL);
    const size_t n = c->n_ready;
    const size_t waiting = n > 0 ? exchange_reply_events(x, (struct moa_bytes){c->held.p, n}) : 0;
    engine_call_take(c, n);
    return waiting;
}

static enum upstream_flow on_answer_bytes(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    assert(x->stage == STAGE_ANSWER || x->stage == STAGE_RELAY);
    if (x->begun && !c->is_stream)
        return UPSTREAM_GO; /* see end_whole() */
    return relay(x, c) > CLIENT_BUFFER_BYTES ? UPSTREAM_PAUSE : UPSTREAM_GO;
}

/* The answer broke off half-way. A stream can say so; anything else can only be cut. */
static void break_off(struct exchange *x, const struct engine_call *c)
{
    struct http_error error;
    log_event(LOG_LEVEL_WARN, "answer-broken", "id=%s tier=%s error=%s", x->trace.id,
              moa_tier_name(c->tier), log_quote(c->why).s);
    http_fail(&error, 502, "upstream_failed", "The answer of the %s engine broke off: %s.",
              moa_tier_name(c->tier), c->why);
    x->error_code = error.code;
    if (c->is_stream) {
        exchange_reply_error(x, &error);
        return;
    }
    server_reply_cut(x->request);
    x->request = NULL;
}

/* A whole answer, as a stream for who asked for one. */
static void end_whole(struct exchange *x, struct engine_call *c)
{
    const struct moa_bytes whole = buffer_bytes(&c->held);
    if (!x->chat.stream) {
        begin_answer(x, &whole);
        return;
    }
    char *events = sse_of_completion(whole, !x->chat.usage_options || exchange_translates(x));
    if (!x->begun)
        exchange_reply_begin(x, 200, x->dialect->stream_type, NULL);
    begin_answer(x, &whole);
    if (events) {
        exchange_reply_events(x, (struct moa_bytes){events, strlen(events)});
        exchange_reply_end(x, &c->opinion.usage);
    } else {
        server_reply_cut(x->request);
        x->request = NULL;
    }
    free(events);
}

static void end_stream(struct exchange *x, struct engine_call *c)
{
    if (c->n_ready > 0 || !x->answering)
        relay(x, c);
    if (c->is_stream && !c->why[0] && !c->sse.ended && !c->sse.failed)
        snprintf(c->why, sizeof(c->why), "the stream has no end");
    if (c->why[0]) {
        break_off(x, c);
        return;
    }
    exchange_reply_end(x, &c->sse.usage);
}

/* ---- how sure the edge is ---- */

static enum call_hold on_answer_held(struct engine_call *c, bool is_whole)
{
    struct exchange *x = c->exchange;
    const bool is_first = x->perceived.decision.plan == MOA_PLAN_EDGE_FIRST;
    const bool has_held = exchange_has_held(x, is_whole);
    if (has_held)
        exchange_audit_score(x);
    if (!has_held && !(is_first && exchange_is_hopeless(x)))
        return HOLD_ON;
    if (x->logprobs.n_tokens == 0)
        exchange_note_mute(c);
    if (!is_first) /* it was held for an audit alone */
        return HOLD_KEEP;
    x->score = exchange_score(x);
    if (x->score >= x->perceived.decision.threshold || !exchange_may_escalate(x))
        return HOLD_KEEP;
    return !is_whole && exchange_audit_may_go_on(c) ? HOLD_ASIDE : HOLD_DROP;
}

/* The tokens of an answer that nobody gets were spent all the same. */
static void on_answer_unsure(struct exchange *x, const struct engine_call *c)
{
    exchange_count_call(x, c);
    exchange_escalate(x);
}

static void on_answer_over(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    assert(x->stage == STAGE_ANSWER || x->stage == STAGE_RELAY);
    exchange_audit_note(x, c);
    if (c->opinion.verdict == VERDICT_UNSURE) {
        on_answer_unsure(x, c);
        return;
    }
    if (c->opinion.verdict == VERDICT_ANSWERED && c->why[0] && !x->answering)
        engine_call_reject(c, c->why); /* a long one, of which nothing could be passed on */
    if (c->opinion.verdict != VERDICT_ANSWERED) {
        exchange_call_failed(x, c);
        return;
    }
    exchange_count_call(x, c);
    exchange_remember(x, c);
    if (c->is_stream || x->answering)
        end_stream(x, c);
    else
        end_whole(x, c);
    exchange_finish(x);
}

static const struct engine_call_events answer_events = {on_answer_bytes, on_answer_over,
                                                        on_answer_held, exchange_audit_set_aside};

void exchange_hold(struct exchange *x, struct engine_call *c)
{
    logprobs_init(&x->logprobs, question_letters(x->chat.last_turn), x->chat.wants_json);
    c->logprobs = &x->logprobs;
    c->cuts_logprobs = !x->chat.asks_logprobs;
    c->is_held = true;
}

bool exchange_speaks(const struct exchange *x, enum moa_tier tier)
{
    const unsigned set = x->settings->config->tier[tier].speaks_set;
    return x->dialect->speaks & endpoints_speak(&x->settings->endpoints[tier], set);
}

/* Whether the body goes as it came. Not where somebody listens to the answer, in the form that all
 * answers have: it is scored, compared or remembered; not to the cloud where anything is pinned,
 * since only what is translated is known to have no other place for it; and not where parts have to
 * change their places. */
static bool passes(const struct exchange *x, const struct engine_call *c)
{
    const bool is_heard = c->is_held || c->logprobs || c->completion;
    const bool may_leave = c->tier == MOA_EDGE || !x->chat.pins;
    const bool is_reordered =
        x->settings->config->tier[c->tier].images_first && x->chat.n_places > 0;
    return x->came_body && exchange_speaks(x, c->tier) && !is_heard && may_leave && !is_reordered &&
           x->chat.n_origins == x->chat.n_parts;
}

static int render(struct exchange *x, struct engine_call *c, const struct chat_edits *edits)
{
    if (!passes(x, c))
        return chat_render(&x->chat, edits, &c->body);
    c->dialect = x->dialect;
    return chat_render_origin(&x->chat, x->translated.came, x->translated.model,
                              x->dialect->spelling, edits, &c->body);
}

int exchange_ask(struct exchange *x, struct engine_call *c, bool cold)
{
    const struct endpoints *endpoints = &x->settings->endpoints[c->tier];
    const struct tier_config *t = &x->settings->config->tier[c->tier];
    c->asks_usage = x->chat.usage_options && !endpoints_refuse_options(endpoints);
    const struct chat_edits edits = {
        .model = t->model,
        .evidence = x->evidence,
        .urls = x->images ? images_urls(x->images) : NULL,
        .images_first = t->images_first != 0,
        .ask_usage = c->asks_usage,
        .ask_logprobs = c->is_held,
        .by_n_probs = endpoints_refuse_logprobs(endpoints),
        .cold = cold,
    };
    return render(x, c, &edits) || engine_call_send(c) ? -1 : 0;
}

void exchange_answer(struct exchange *x)
{
    enter(x, STAGE_ANSWER);
    const enum moa_tier tier = answering_tier(x);
    struct engine_call *c = &x->answers[tier];
    exchange_audit_reclaim(x, tier);
    engine_call_init(c, x, CALL_ANSWER, tier, &answer_events);
    exchange_audit_listen(x, c);
    if (tier == MOA_EDGE && (x->perceived.decision.plan == MOA_PLAN_EDGE_FIRST || c->completion))
        exchange_hold(x, c);
    exchange_listen(x, c);
    if (exchange_ask(x, c, false))
        exchange_fail_memory(x);
}
