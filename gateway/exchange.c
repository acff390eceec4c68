/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub; see exchange.h. Its functions stand in the order in which they happen:
 *
 *     exchange_start -> read -> perceive -> decide -> prepare images -> [gather evidence] -> answer
 *     -> exchange_finish
 *
 * One struct exchange owns everything of a request. Every callback checks the stage it expects, and
 * exchange_finish() is the only way out. When a tier fails before the client has seen a byte,
 * fall_back() moves everything to the other tier, once; a pinned request never falls back.
 */
#include "exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exchange_private.h"
#include "keys.h"
#include "log.h"
#include "state.h"
#include "upstream.h"

#define EVIDENCE_BYTES_MAX (1 << 20)
#define HELD_BYTES_MAX (8 << 20)        /* of an answer; what is longer is relayed as it comes */
#define CLIENT_BUFFER_BYTES (256 << 10) /* the engine pauses while more waits for the client */

static void perceive(struct exchange *x);
static void decide(struct exchange *x);
static void prepare(struct exchange *x);
static void execute(struct exchange *x);
static void gather_evidence(struct exchange *x);
static void answer(struct exchange *x);
static bool retry_elsewhere(struct exchange *x, enum moa_tier tier);
static bool fall_back(struct exchange *x, enum moa_tier failed, const char *why);
static void exchange_finish(struct exchange *x);

static void free_request_body(struct exchange *x)
{
    if (!x->request_body)
        return;
    free(x->request_body);
    x->request_body = NULL;
    x->chat.body.p = NULL;
    x->gateway->freed_us = server_now_us();
}

/* ---- replies that end the exchange ---- */

static void exchange_fail(struct exchange *x, const struct http_error *error)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", x->retry_after_s ? x->retry_after_s : 1);
    struct server_header headers[] = {{"x-request-id", x->trace.id}, {"retry-after", seconds}};
    x->status = error->status;
    if (x->request)
        server_reply_error(x->request, error, headers,
                           error->status == 429 || (error->status == 503 && x->retry_after_s) ? 2
                                                                                              : 1);
    x->request = NULL;
    exchange_finish(x);
}

static void fail_memory(struct exchange *x)
{
    struct http_error error;
    http_fail(&error, 503, "out_of_memory", "Out of memory.");
    exchange_fail(x, &error);
}

/* ---- 1. start ---- */

static void on_gone(void *arg);
static void on_drained(void *arg);
static const struct server_watch watch = {on_gone, on_drained};

static void set_trace(struct exchange *x)
{
    trace_begin(server_request_header(x->request, "x-request-id"),
                server_request_header(x->request, "traceparent"),
                server_request_header(x->request, "tracestate"), &x->trace);
}

/* Who asks: the key was right when the head came, but may have been taken away since. */
static int read_key(struct exchange *x, struct http_error *error)
{
    struct keys *keys = x->gateway->keys;
    if (!keys)
        return 0;
    x->key = keys_find(keys, server_request_header(x->request, "authorization"),
                       server_request_api_key(x->request), error);
    if (!x->key || key_enter(x->key, x->arrived_us, error, &x->retry_after_s))
        return -1;
    x->entered = true;
    return 0;
}

static int read_pin(struct exchange *x, struct http_error *error)
{
    const char *pin = server_request_header(x->request, "x-moaoff-pin");
    x->pinned = pin || (x->key && key_is_pinned(x->key)); /* also if `pin` turns out to be wrong */
    if (!pin || strcmp(pin, "edge") == 0)
        return 0;
    http_fail(error, 400, "invalid_value", "x-moaoff-pin must be \"edge\".");
    return http_fail_at(error, "x-moaoff-pin");
}

/* "moaoff/NAME" chooses the policy NAME; every other model leaves the configured one. */
static int read_model(struct exchange *x, struct http_error *error)
{
    static const char prefix[] = "moaoff/";
    const struct settings *s = x->settings;
    x->pinned = x->pinned || config_pins_model(s->config, x->chat.model_name);
    x->policy = s->policies[s->default_policy]->policy;
    if (strncmp(x->chat.model_name, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    const char *wanted = x->chat.model_name + sizeof(prefix) - 1;
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (strcmp(moa_policy_name(i), wanted) == 0) {
            x->policy = s->policies[i]->policy;
            return 0;
        }
    }
    http_fail(error, 404, "model_not_found", "There is no model \"%.200s\"; see /v1/models.",
              x->chat.model_name);
    return http_fail_at(error, "model");
}

static int read_request(struct exchange *x, struct http_error *error)
{
    const struct config *config = x->settings->config;
    if (x->gateway->n_exchanges > (size_t)config->max_requests)
        return http_fail(error, 429, "too_many_requests", "%lld requests are in work already.",
                         (long long)config->max_requests);
    if (read_key(x, error) || read_pin(x, error))
        return -1;
    struct chat_limits limits = {.max_text_bytes = (size_t)config->max_text_bytes,
                                 .max_images = (size_t)config->max_images};
    struct moa_bytes body;
    body.p = x->request_body = server_request_take_body(x->request, &body.n);
    if (chat_parse(body, &limits, &x->chat, error))
        return -1;
    return read_model(x, error);
}

static void exchange_start(struct server_request *request, struct gateway *gateway, bool dry_run)
{
    struct exchange *x = calloc(1, sizeof(*x));
    struct http_error error;
    if (!x) {
        http_fail(&error, 503, "out_of_memory", "Out of memory.");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    x->gateway = gateway;
    x->settings = settings_use(gateway->settings);
    x->request = request;
    x->dry_run = dry_run;
    x->arrived_us = server_request_arrived_us(request);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        x->usage[tier] = (struct usage){USAGE_UNKNOWN, USAGE_UNKNOWN};
    gateway->n_exchanges++;
    server_request_watch(request, &watch, x);
    set_trace(x);
    if (read_request(x, &error))
        exchange_fail(x, &error);
    else
        perceive(x);
}

void exchange_chat(struct server_request *request, void *arg)
{
    exchange_start(request, arg, false);
}

void exchange_decide(struct server_request *request, void *arg)
{
    exchange_start(request, arg, true);
}

/* ---- 2. perceive: images on the workers, all at once; the text was measured while read ---- */

static void on_perceived(void *arg, const struct http_error *error)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_PERCEIVE);
    if (!x->request) /* the client left meanwhile */
        exchange_finish(x);
    else if (error)
        exchange_fail(x, error);
    else
        decide(x);
}

static void perceive(struct exchange *x)
{
    size_t n = x->chat.n_parts;
    if (n == 0) {
        decide(x);
        return;
    }
    x->perceptions = calloc(n, sizeof(*x->perceptions));
    x->evidence = calloc(n, sizeof(*x->evidence));
    x->images =
        images_new(x->gateway, x->settings->config, &x->chat, x->key ? key_number(x->key) : 0, x);
    if (x->perceptions && x->evidence && x->images)
        images_perceive(x->images, x->pinned, on_perceived);
    else
        fail_memory(x);
}

/* ---- 3. decide ---- */

static void reply_decision(struct exchange *x)
{
    size_t n;
    char *json = perceive_decision_json(&x->perceived, exchange_scores(x), &x->state, &n);
    if (!json) {
        fail_memory(x);
        return;
    }
    struct server_header id = {"x-request-id", x->trace.id};
    struct server_head head = {
        .status = 200, .content_type = "application/json", .headers = &id, .n_headers = 1};
    x->status = 200;
    server_reply(x->request, &head, (struct moa_bytes){json, n});
    x->request = NULL;
    free(json);
    exchange_finish(x);
}

static void decide(struct exchange *x)
{
    struct gateway *g = x->gateway;
    if (perceive_request(&x->chat, exchange_scores(x), x->settings->config, x->pinned,
                         &x->perceived)) {
        fail_memory(x);
        return;
    }
    state_read(g, server_now_us(), &x->state);
    enum moa_err err =
        moa_decide(x->policy, &x->perceived.request, &x->state, &x->perceived.decision);
    if (err) {
        struct http_error error;
        http_fail(&error, 500, "decision_failed", "No decision: %s.", moa_strerror(err));
        exchange_fail(x, &error);
        return;
    }
    x->has_decision = true;
    x->wish = x->perceived.decision.choices[0];
    if (x->dry_run) {
        reply_decision(x);
        return;
    }
    metrics_decision(&g->metrics, &x->perceived.request, &x->perceived.decision);
    prepare(x);
}

/* ---- 4. prepare: images as the tier they go to takes them ---- */

static void on_prepared(void *arg, const struct http_error *error)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_PREPARE);
    if (!x->request)
        exchange_finish(x);
    else if (error)
        exchange_fail(x, error);
    else
        execute(x);
}

static void execute(struct exchange *x)
{
    if (perceive_is_split(&x->perceived.decision))
        gather_evidence(x);
    else
        answer(x);
}

static void prepare(struct exchange *x)
{
    x->stage = STAGE_PREPARE;
    if (x->images)
        images_prepare(x->images, &x->perceived.decision, on_prepared);
    else
        answer(x);
}

/* ---- what stages have in common ---- */

/* -1 if there would be more than `max` bytes, or no memory. */
static int gather(struct gathered *g, struct moa_bytes bytes, size_t max)
{
    if (bytes.n > max - g->n)
        return -1;
    if (g->n + bytes.n > g->room) {
        size_t room = 2 * (g->n + bytes.n);
        char *grown = realloc(g->p, room);
        if (!grown)
            return -1;
        g->p = grown;
        g->room = room;
    }
    memcpy(g->p + g->n, bytes.p, bytes.n);
    g->n += bytes.n;
    return 0;
}

static enum moa_tier answering_tier(const struct exchange *x)
{
    return x->has_decision ? x->perceived.decision.choices[0].tier : MOA_EDGE;
}

static enum moa_tier other_tier(enum moa_tier tier)
{
    return tier == MOA_EDGE ? MOA_CLOUD : MOA_EDGE;
}

static void cancel_calls(struct exchange *x)
{
    for (size_t i = 0; i < x->chat.n_parts && x->perceptions; i++)
        exchange_cancel(x, other_tier(answering_tier(x)), &x->perceptions[i].call,
                        &x->perceptions[i].at);
    exchange_cancel(x, answering_tier(x), &x->call, &x->at);
}

/* A tier has failed and the client has seen nothing yet: the other tier, or an error. */
static void tier_failed(struct exchange *x, enum moa_tier tier, const char *kind, int status,
                        const char *message)
{
    log_event(LOG_LEVEL_WARN, "tier-failed", "id=%s tier=%s kind=%s error=%s", x->trace.id,
              moa_tier_name(tier), kind, log_quote(message).s);
    if (retry_elsewhere(x, tier) || fall_back(x, tier, kind))
        return;
    struct http_error error;
    if (x->pinned)
        http_fail(&error, 503, "edge_unavailable",
                  "The request is pinned to the edge, which cannot answer: %s.", message);
    else
        http_fail(&error, status, "upstream_failed", "The %s engine failed: %s.",
                  moa_tier_name(tier), message);
    cancel_calls(x);
    exchange_fail(x, &error);
}

static int status_of_end(enum upstream_end end)
{
    return end == UPSTREAM_TIMED_OUT ? 504 : 502;
}

/* ---- 5. evidence: images of the other tier become text, all at once ---- */

static void on_perception_head(const struct upstream_head *head, void *arg)
{
    struct perception *p = arg;
    struct exchange *x = p->exchange;
    assert(x->stage == STAGE_EVIDENCE);
    p->status = head->status;
    exchange_call_answered(x, other_tier(answering_tier(x)), &p->at, head);
}

static enum upstream_flow on_perception_body(struct moa_bytes bytes, void *arg)
{
    struct perception *p = arg;
    struct exchange *x = p->exchange;
    assert(x->stage == STAGE_EVIDENCE);
    if (gather(&p->answer, bytes, EVIDENCE_BYTES_MAX)) { /* it might go on for ever */
        enum moa_tier tier = other_tier(answering_tier(x));
        exchange_report(x, tier, &p->at, ENDPOINT_FAILED);
        cancel_calls(x);
        tier_failed(x, tier, "no-evidence", 502, "the description of an image has no end");
    }
    return UPSTREAM_GO;
}

static void count_tokens(struct exchange *x, enum moa_tier tier, const struct usage *usage)
{
    usage_add(&x->usage[tier], usage);
    metrics_tokens(&x->gateway->metrics, tier, usage->prompt_tokens, usage->completion_tokens);
}

static int set_evidence(struct exchange *x, const struct perception *p)
{
    struct usage usage;
    if (usage_of_completion((struct moa_bytes){p->answer.p, p->answer.n}, &usage))
        count_tokens(x, x->perceived.decision.choices[1 + p->part].tier, &usage);
    char *text = chat_completion_text((struct moa_bytes){p->answer.p, p->answer.n});
    if (!text)
        return -1;
    char number[24];
    snprintf(number, sizeof(number), "%zu", p->part + 1);
    const char *const names[] = {"index", "evidence"};
    const char *const values[] = {number, text};
    x->evidence[p->part] = chat_fill(x->settings->config->perceive_evidence, names, values, 2);
    free(text);
    return x->evidence[p->part] ? 0 : -1;
}

static void on_perception_done(const struct upstream_result *result, void *arg)
{
    struct perception *p = arg;
    struct exchange *x = p->exchange;
    enum moa_tier tier = other_tier(answering_tier(x));
    assert(x->stage == STAGE_EVIDENCE);
    p->call = NULL;
    const struct endpoint *at = p->at.endpoint;
    exchange_call_ended(x, tier, &p->at, result);
    if (result->end != UPSTREAM_COMPLETE) {
        tier_failed(x, tier, upstream_end_name(result->end), status_of_end(result->end),
                    result->message);
        return;
    }
    if (p->status != 200 || set_evidence(x, p)) {
        char why[64];
        snprintf(why, sizeof(why), "no description of image %zu (status %d)", p->part, p->status);
        x->failed_at = at;
        if (p->status >= 400 && p->status < 500 && p->status != 429)
            x->retried = true; /* another endpoint would refuse it as well */
        tier_failed(x, tier, "no-evidence", 502, why);
        return;
    }
    if (--x->n_perceiving == 0)
        answer(x);
}

static const struct upstream_callbacks perception_callbacks = {
    on_perception_head, on_perception_body, on_perception_done};

static int send_perception(struct exchange *x, size_t i, const char *prompt)
{
    const struct config *config = x->settings->config;
    enum moa_tier tier = x->perceived.decision.choices[1 + i].tier;
    struct perception *p = &x->perceptions[i];
    *p = (struct perception){.exchange = x, .part = i};
    const char *model = config->tier[tier].model;
    if (chat_render_perception(&x->chat, i, images_urls(x->images)[i], model[0] ? model : "moaoff",
                               prompt, (unsigned)config->perceive_max_tokens, &p->body))
        return -1;
    p->call = exchange_send(x, tier, &p->body, &perception_callbacks, p, &p->at);
    return p->call ? 0 : -1;
}

static void gather_evidence(struct exchange *x)
{
    x->stage = STAGE_EVIDENCE;
    const char *const names[] = {"question"};
    const char *const values[] = {x->chat.last_turn};
    char *prompt = chat_fill(x->settings->config->perceive_prompt, names, values, 1);
    int err = prompt ? 0 : -1;
    for (size_t i = 0; i < x->chat.n_parts && !err; i++) {
        if (x->perceived.decision.choices[1 + i].tier == answering_tier(x))
            continue;
        err = send_perception(x, i, prompt);
        x->n_perceiving++;
    }
    free(prompt);
    if (err) {
        cancel_calls(x);
        fail_memory(x);
    }
}

/* ---- 6. answer ---- */

/* The answer has begun, so that nothing is sent twice: what went to the engine is not needed. An
 * answer may take minutes, and its request may have been megabytes. */
static void release_request(struct exchange *x)
{
    if (!x->call || !upstream_release_body(x->call))
        return; /* an engine that answers before it has read everything */
    chat_body_done(&x->body);
    if (x->images)
        images_release(x->images);
    free_request_body(x);
}

/* Sends the head of the answer and, if `whole`, all of it. From here on nothing can be replaced. */
static void begin_reply(struct exchange *x, const struct moa_bytes *whole)
{
    struct exchange_headers headers;
    exchange_write_headers(x, &headers);
    struct server_head head = {
        .status = x->engine_status,
        .content_type = x->content_type,
        .headers = headers.list,
        .n_headers = headers.n,
    };
    x->answering = true;
    x->status = x->engine_status;
    if (x->status < 400)
        exchange_blame(x);
    x->first_byte_us = server_now_us();
    x->gateway->metrics.answers_total[x->perceived.decision.plan]++;
    if (whole) {
        struct server_request *request = x->request;
        x->request = NULL;
        server_reply(request, &head, *whole);
    } else {
        server_reply_begin(x->request, &head);
        release_request(x);
    }
}

static void on_answer_head(const struct upstream_head *head, void *arg)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_ANSWER && !x->answering);
    char why[64] = "";
    exchange_call_answered(x, answering_tier(x), &x->at, head);
    if (head->status >= 500 || head->status == 429)
        snprintf(why, sizeof(why), "status %d", head->status);
    else if (head->status < 400 && !exchange_is_answer(head->content_type))
        snprintf(why, sizeof(why), "content type %.40s", head->content_type);
    if (why[0]) {
        cancel_calls(x);
        bool busy = head->status == 429 || head->status == 503;
        tier_failed(x, answering_tier(x), "error", busy ? head->status : 502, why);
        return;
    }
    x->engine_status = head->status;
    x->event_stream = strncasecmp(head->content_type, "text/event-stream", 17) == 0;
    snprintf(x->content_type, sizeof(x->content_type), "%s", head->content_type);
}

/* How many of the first bytes are whole server-sent events: up to the last blank line. */
static size_t whole_events(const struct gathered *g)
{
    const char *newline = g->n > 0 ? memrchr(g->p, '\n', g->n) : NULL;
    while (newline) {
        size_t at = (size_t)(newline - g->p);
        bool blank = (at >= 1 && g->p[at - 1] == '\n') ||
                     (at >= 2 && g->p[at - 1] == '\r' && g->p[at - 2] == '\n');
        if (blank)
            return at + 1;
        newline = memrchr(g->p, '\n', at);
    }
    return 0;
}

/* Passes on the first `n` held bytes. Returns how many now wait for the client. */
static size_t relay(struct exchange *x, size_t n)
{
    struct gathered *held = &x->held;
    if (!x->answering)
        begin_reply(x, NULL);
    size_t waiting = server_reply_write(x->request, (struct moa_bytes){held->p, n});
    held->n -= n;
    if (held->n > 0)
        memmove(held->p, held->p + n, held->n);
    return waiting;
}

/* As long as nothing was passed on, the other tier can still take over; and a stream that breaks
 * off should not leave half an event with the client. So: a stream goes on by whole events, and
 * everything else when it is complete. */
static enum upstream_flow on_answer_body(struct moa_bytes bytes, void *arg)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_ANSWER);
    size_t waiting = 0;
    if (x->event_stream)
        usage_follow(&x->tail, bytes);
    if (gather(&x->held, bytes, HELD_BYTES_MAX)) {
        relay(x, x->held.n);
        waiting = server_reply_write(x->request, bytes);
    } else if (x->event_stream) {
        size_t n = whole_events(&x->held);
        waiting = n > 0 ? relay(x, n) : 0;
    }
    return waiting > CLIENT_BUFFER_BYTES ? UPSTREAM_PAUSE : UPSTREAM_GO;
}

static void on_drained(void *arg)
{
    struct exchange *x = arg;
    if (x->call)
        upstream_resume(x->call);
}

/* The answer broke off half-way. A stream can say so; anything else can only be cut. */
static void break_off(struct exchange *x, const char *message)
{
    struct server_request *request = x->request;
    x->request = NULL;
    log_event(LOG_LEVEL_WARN, "answer-broken", "id=%s tier=%s error=%s", x->trace.id,
              moa_tier_name(answering_tier(x)), log_quote(message).s);
    struct http_error error;
    http_fail(&error, 502, "upstream_failed", "The answer of the %s engine broke off: %s.",
              moa_tier_name(answering_tier(x)), message);
    size_t n;
    char *json = x->event_stream ? http_error_json(&error, &n) : NULL;
    if (!json) {
        server_reply_cut(request);
        return;
    }
    /* Only whole events have been passed on. */
    server_reply_write(request, (struct moa_bytes){"data: ", 6});
    server_reply_write(request, (struct moa_bytes){json, n});
    server_reply_write(request, (struct moa_bytes){"\n\n", 2});
    server_reply_end(request);
    free(json);
}

static void on_answer_done(const struct upstream_result *result, void *arg)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_ANSWER);
    x->call = NULL;
    exchange_call_ended(x, answering_tier(x), &x->at, result);
    bool complete = result->end == UPSTREAM_COMPLETE;
    if (!x->answering && !complete) {
        tier_failed(x, answering_tier(x), upstream_end_name(result->end),
                    status_of_end(result->end), result->message);
        return;
    }
    struct usage usage;
    if (x->event_stream ? usage_of_stream(&x->tail, &usage)
                        : usage_of_completion((struct moa_bytes){x->held.p, x->held.n}, &usage))
        count_tokens(x, answering_tier(x), &usage);
    if (!x->answering) {
        begin_reply(x, &(struct moa_bytes){x->held.p, x->held.n});
    } else if (complete) {
        relay(x, x->held.n);
        server_reply_end(x->request);
        x->request = NULL;
    } else {
        break_off(x, result->message);
    }
    exchange_finish(x);
}

static const struct upstream_callbacks answer_callbacks = {on_answer_head, on_answer_body,
                                                           on_answer_done};

static void answer(struct exchange *x)
{
    x->stage = STAGE_ANSWER;
    enum moa_tier tier = answering_tier(x);
    const struct tier_config *t = &x->settings->config->tier[tier];
    const struct chat_edits edits = {
        .model = t->model,
        .evidence = x->evidence,
        .urls = x->images ? images_urls(x->images) : NULL,
        .images_first = t->images_first != 0,
    };
    if (!chat_render(&x->chat, &edits, &x->body))
        x->call = exchange_send(x, tier, &x->body, &answer_callbacks, x, &x->at);
    if (!x->call)
        fail_memory(x);
}

/* ---- when a tier fails, or the client leaves ---- */

static void drop_stages(struct exchange *x)
{
    x->retry_after_s = 0;
    cancel_calls(x);
    for (size_t i = 0; i < x->chat.n_parts && x->perceptions && x->evidence; i++) {
        chat_body_done(&x->perceptions[i].body);
        free(x->perceptions[i].answer.p);
        x->perceptions[i] = (struct perception){0};
        free(x->evidence[i]);
        x->evidence[i] = NULL;
    }
    x->n_perceiving = 0;
    chat_body_done(&x->body);
    free(x->held.p);
    x->held = (struct gathered){0};
}

/* The same decision once more, at another endpoint of the tier; false if there is none. */
static bool retry_elsewhere(struct exchange *x, enum moa_tier tier)
{
    if (x->retried || x->answering ||
        !endpoints_up_beside(&x->settings->endpoints[tier], x->failed_at))
        return false;
    x->retried = true;
    drop_stages(x);
    execute(x);
    return true;
}

/* Everything to the tier that did not fail; false if that is not allowed, or it is down too. */
static bool fall_back(struct exchange *x, enum moa_tier failed, const char *why)
{
    if (x->pinned || x->fallback[0] || x->answering)
        return false;
    if (!endpoints_up(&x->settings->endpoints[other_tier(failed)]))
        return false;
    drop_stages(x);
    snprintf(x->fallback, sizeof(x->fallback), "%s %s", moa_tier_name(failed), why);
    x->gateway->metrics.fallbacks_total[failed]++;
    perceive_send_all(&x->perceived.decision, other_tier(failed),
                      failed == MOA_EDGE ? MOA_REASON_EDGE_DOWN : MOA_REASON_CLOUD_DOWN);
    prepare(x);
    return true;
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;
    x->request = NULL;
    x->status = 0; /* even if an answer had begun: the client has not got it */
    if (x->has_decision)
        cancel_calls(x);
    if (x->images && images_busy(x->images))
        images_cancel(x->images); /* then on_perceived() or on_prepared() finishes */
    else
        exchange_finish(x);
}

/* ---- 7. finish ---- */

static void exchange_finish(struct exchange *x)
{
    assert(!x->request);
    x->stage = STAGE_OVER;
    drop_stages(x);
    exchange_record(x);
    if (x->entered)
        key_leave(x->key);
    x->gateway->n_exchanges--;
    images_free(x->images);
    settings_leave(x->settings);
    chat_done(&x->chat);
    exchange_forgive(x);
    free_request_body(x);
    free(x->perceptions);
    free(x->evidence);
    perceive_done(&x->perceived);
    free(x);
}
