/* SPDX-License-Identifier: Apache-2.0
 *
 * When an engine does not answer, or its answer is not kept: who is asked instead. As long as the
 * client has not seen a byte: another endpoint of the tier, the other tier, patience, each once;
 * else the client is told. What is pinned never goes to the other tier. See exchange_private.h.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "exchange.h"
#include "exchange_private.h"
#include "keeper.h"
#include "log.h"

#define RETRY_AFTER_S 5       /* an engine that is started takes a while */
#define PATIENCE_STEP_MS 1000 /* between two tries of an engine that does not say when */

void exchange_cancel_calls(struct exchange *x)
{
    for (size_t i = 0; i < x->chat.n_parts && x->perceptions && x->evidence; i++)
        engine_call_cancel(&x->perceptions[i]);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (x->answers[tier].kind != CALL_SHADOW)
            engine_call_cancel(&x->answers[tier]);
    }
}

void exchange_drop_calls(struct exchange *x)
{
    for (size_t i = 0; i < x->chat.n_parts && x->perceptions && x->evidence; i++) {
        engine_call_done(&x->perceptions[i]);
        x->perceptions[i] = (struct engine_call){0};
        free(x->evidence[i]);
        x->evidence[i] = NULL;
    }
    x->n_perceiving = 0;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (x->answers[tier].kind == CALL_SHADOW)
            continue;
        engine_call_done(&x->answers[tier]);
        x->answers[tier] = (struct engine_call){0};
    }
}

bool exchange_fits(const struct exchange *x, enum moa_tier tier)
{
    for (size_t i = 0; i < x->perceived.request.n; i++) {
        if (x->perceived.modalities[i].refused[tier])
            return false;
    }
    return true;
}

/* The same decision once more, at another endpoint of the tier; false if there is none. */
static bool retry_elsewhere(struct exchange *x, enum moa_tier tier)
{
    if (x->retried || !endpoints_up_beside(&x->settings->endpoints[tier], x->failed_at))
        return false;
    x->retried = true;
    x->retry_after_s = 0;
    exchange_drop_calls(x);
    exchange_execute(x);
    return true;
}

/* Why the other tier gets what this one was to have. */
static enum moa_reason reason_of_fallback(const struct engine_call *c)
{
    if (c->opinion.verdict == VERDICT_UNFIT)
        return c->opinion.is_too_large ? MOA_REASON_TOO_LONG : MOA_REASON_UNSUPPORTED;
    return c->tier == MOA_EDGE ? MOA_REASON_EDGE_DOWN : MOA_REASON_CLOUD_DOWN;
}

/* Everything to the tier that did not fail; false if that is not allowed, or it is down too. */
static bool move(struct exchange *x, enum moa_tier failed, enum moa_reason reason, const char *why)
{
    /* What is pinned can come back, but not go. */
    if ((x->pinned && failed == MOA_EDGE) || x->fallback[0] ||
        !exchange_fits(x, other_tier(failed)) ||
        !endpoints_up(&x->settings->endpoints[other_tier(failed)]) ||
        (failed == MOA_EDGE && !exchange_claim_everything(x)))
        return false;
    snprintf(x->fallback, sizeof(x->fallback), "%s %s", moa_tier_name(failed), why);
    x->retry_after_s = 0;
    exchange_drop_calls(x);
    x->gateway->metrics.fallbacks_total[failed]++;
    perceive_send_all(&x->perceived.decision, other_tier(failed), reason);
    exchange_prepare(x);
    return true;
}

static bool fall_back(struct exchange *x, const struct engine_call *c, const char *why)
{
    return move(x, c->tier, reason_of_fallback(c), why);
}

bool exchange_is_unscorable(const struct exchange *x)
{
    return x->perceived.decision.plan == MOA_PLAN_EDGE_FIRST && answering_tier(x) == MOA_EDGE &&
           endpoints_mute(&x->settings->endpoints[MOA_EDGE], server_now_us());
}

void exchange_escalate(struct exchange *x)
{
    exchange_drop_calls(x);
    x->gateway->metrics.escalations_total++;
    struct moa_decision *d = &x->perceived.decision;
    const double threshold = d->threshold;
    perceive_send_all(d, MOA_CLOUD, MOA_REASON_UNSURE);
    d->plan = MOA_PLAN_EDGE_FIRST;
    d->threshold = threshold;
    exchange_prepare(x);
}

void exchange_answer_unscored(struct exchange *x)
{
    struct moa_decision *d = &x->perceived.decision;
    if (exchange_may_escalate(x)) {
        exchange_escalate(x);
        return;
    }
    perceive_send_all(d, MOA_EDGE, d->choices[0].reason);
    exchange_prepare(x);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct exchange *x = arg;
    assert(x->stage == STAGE_WAIT);
    x->retry_after_s = 0;
    if (x->forwarding)
        exchange_forward_again(x);
    else
        exchange_execute(x);
}

void exchange_wake(struct gateway *g)
{
    struct exchange *x;
    LIST_FOREACH(x, &g->exchanges, others)
    {
        if (x->stage == STAGE_WAIT)
            event_active(&x->patience, EV_TIMEOUT, 0);
    }
}

/* For `ms` at most, if patience lasts as long. False if it is over. */
static bool wait_up_to(struct exchange *x, int64_t ms)
{
    const int64_t patience_ms = x->settings->config->tier[MOA_EDGE].patience_ms;
    const int64_t left_ms = patience_ms - (server_now_us() - x->arrived_us) / 1000;
    if (left_ms <= 0)
        return false;
    ms = ms < left_ms ? ms : left_ms;
    exchange_drop_calls(x);
    enter(x, STAGE_WAIT);
    x->failed_at = NULL;
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (!event_initialized(&x->patience))
        evtimer_assign(&x->patience, x->gateway->base, on_patience, x);
    event_add(&x->patience, &after);
    return true;
}

/* A pinned request has nowhere else to go, and an engine that loads its model will be there soon.
 */
static bool wait_for_edge(struct exchange *x, enum moa_tier tier)
{
    return x->pinned && tier == MOA_EDGE &&
           wait_up_to(x, x->retry_after_s ? (int64_t)x->retry_after_s * 1000 : PATIENCE_STEP_MS);
}

/* ---- an engine that the gateway runs, and that is not up ---- */

bool exchange_lacks_edge(const struct exchange *x)
{
    bool needs_edge = false;
    for (size_t i = 0; i < x->perceived.decision.n; i++)
        needs_edge = needs_edge || x->perceived.decision.choices[i].tier == MOA_EDGE;
    return needs_edge && keeper_is_away(x->gateway->keeper);
}

bool exchange_await_edge(struct exchange *x)
{
    keeper_want(x->gateway->keeper);
    return keeper_is_coming(x->gateway->keeper) && wait_up_to(x, INT64_MAX);
}

void exchange_fail_without_edge(struct exchange *x)
{
    struct http_error error;
    const enum keeper_state state = keeper_look(x->gateway->keeper).state;
    if (keeper_is_coming(x->gateway->keeper))
        x->retry_after_s = RETRY_AFTER_S;
    http_fail(&error, 503, "edge_unavailable", "%s needs the edge, whose engine is not up: %s.",
              x->pinned ? "The request is pinned and" : "The request", keeper_state_name(state));
    exchange_fail(x, &error);
}

void exchange_without_edge(struct exchange *x)
{
    keeper_want(x->gateway->keeper);
    if (!move(x, MOA_EDGE, MOA_REASON_EDGE_DOWN, "away") && !exchange_await_edge(x))
        exchange_fail_without_edge(x);
}

struct reason {
    char s[sizeof(((struct engine_opinion *)0)->what) + 2 + ENGINE_WORDS_BYTES];
};

/* "status 500: CUDA error" */
static struct reason reason_of(const struct engine_opinion *o)
{
    struct reason r;
    snprintf(r.s, sizeof(r.s), "%s%s%s", o->what, o->words[0] ? ": " : "", o->words);
    for (size_t n = strlen(r.s); n > 0 && r.s[n - 1] == '.';)
        r.s[--n] = '\0';
    return r;
}

/* What the client is told if no engine answers: the words of the one that was asked last. */
static void write_error(const struct exchange *x, const struct engine_call *c,
                        struct http_error *error)
{
    const char *tier = moa_tier_name(c->tier);
    const int status = c->opinion.status;
    const struct reason reason = reason_of(&c->opinion);
    if (c->opinion.verdict == VERDICT_CLIENT || c->opinion.verdict == VERDICT_UNFIT)
        http_fail(error, status >= 400 && status < 500 ? status : 400, "engine_refused",
                  "The %s engine refuses the request: %s.", tier, reason.s);
    else if (x->pinned && c->tier == MOA_EDGE)
        http_fail(error, 503, "edge_unavailable",
                  "The request is pinned to the edge, which cannot answer: %s.", reason.s);
    else if (c->opinion.verdict == VERDICT_MISCONFIGURED)
        http_fail(error, 502, "upstream_failed",
                  "The %s engine refuses the gateway's own key, model or URL: %s.", tier, reason.s);
    else
        http_fail(error,
                  c->opinion.verdict == VERDICT_BUSY ? (status == 429 ? 429 : 503)
                  : c->end == UPSTREAM_TIMED_OUT     ? 504
                                                     : 502,
                  "upstream_failed", "The %s engine failed: %s.%s", tier, reason.s,
                  x->over_budget ? " The cloud was not asked: its budget is spent." : "");
}

/* An error that is the client's to see, as the engine wrote it. */
static bool pass_error_on(struct exchange *x, struct engine_call *c)
{
    const bool is_clients =
        c->opinion.verdict == VERDICT_CLIENT || c->opinion.verdict == VERDICT_UNFIT;
    if (c->kind != CALL_ANSWER || !is_clients || !c->opinion.is_error_object || c->status < 400 ||
        c->status >= 500 || x->begun || c->dialect != x->dialect)
        return false;
    struct exchange_headers headers;
    exchange_write_headers(x, &headers);
    const struct server_head head = {.status = c->status,
                                     .content_type = "application/json",
                                     .headers = headers.list,
                                     .n_headers = headers.n};
    struct server_request *request = x->request;
    x->request = NULL;
    x->status = c->status;
    x->error_code = "engine_refused";
    exchange_close_books(x);
    server_reply(request, &head, buffer_bytes(&c->held));
    exchange_finish(x);
    return true;
}

/* In one word, for x-moaoff-fallback. */
static const char *kind_of(const struct engine_call *c)
{
    if (c->end != UPSTREAM_COMPLETE && c->opinion.verdict == VERDICT_FAILED && c->why[0])
        return upstream_end_name(c->end);
    if (c->kind == CALL_PERCEPTION && c->status == 200)
        return "no-evidence";
    return c->opinion.verdict == VERDICT_FAILED || c->opinion.verdict == VERDICT_BUSY
               ? "error"
               : verdict_name(c->opinion.verdict);
}

bool exchange_refuses_addition(const struct engine_call *c)
{
    return engine_call_refuses_dialect(c) ||
           (c->asks_usage && strstr(c->opinion.words, "stream_options")) ||
           engine_call_refuses_logprobs(c);
}

static bool send_again(struct exchange *x)
{
    exchange_drop_calls(x);
    if (exchange_is_unscorable(x))
        exchange_answer_unscored(x);
    else
        exchange_execute(x);
    return true;
}

/* Whether somebody else is asked instead. */
static bool ask_again(struct exchange *x, const struct engine_call *c)
{
    const enum moa_tier tier = c->tier;
    const char *kind = kind_of(c);
    switch (c->opinion.verdict) {
    case VERDICT_CLIENT:
        if (c->kind == CALL_PERCEPTION) /* of our request, not of the client's */
            return fall_back(x, c, kind);
        return exchange_refuses_addition(c) && send_again(x);
    case VERDICT_MISCONFIGURED:
        return (engine_call_refuses_dialect(c) && send_again(x)) || retry_elsewhere(x, tier) ||
               fall_back(x, c, kind);
    case VERDICT_UNFIT:
        return (exchange_refuses_addition(c) && send_again(x)) || fall_back(x, c, kind);
    case VERDICT_BUSY:
        return retry_elsewhere(x, tier) || fall_back(x, c, kind) || wait_for_edge(x, tier);
    default:
        return retry_elsewhere(x, tier) || fall_back(x, c, kind);
    }
}

void exchange_call_failed(struct exchange *x, struct engine_call *c)
{
    struct http_error error;
    exchange_cancel_calls(x);
    log_event(LOG_LEVEL_WARN, "tier-failed", "id=%s tier=%s kind=%s verdict=%s error=%s",
              x->trace.id, moa_tier_name(c->tier), kind_of(c), verdict_name(c->opinion.verdict),
              log_quote(reason_of(&c->opinion).s).s);
    if (ask_again(x, c) || pass_error_on(x, c))
        return;
    if (x->pinned && c->opinion.verdict == VERDICT_BUSY && !x->retry_after_s)
        x->retry_after_s = 1;
    write_error(x, c, &error);
    exchange_fail(x, &error);
}
