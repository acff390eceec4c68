/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of engines; see exchange_call.h. Whatever becomes of a call, settle() tells the endpoint's
 * breaker, the state, the metrics and the log of it, once, and then the owner.
 */
#include "exchange_call.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "exchange_private.h"
#include "guarantee.h"
#include "log.h"
#include "print.h"

#define ERROR_BYTES_MAX (64 << 10) /* of an error, whose words come first */

void engine_call_init(struct engine_call *c, struct exchange *x, enum call_kind kind,
                      enum moa_tier tier, const struct engine_call_events *events)
{
    *c = (struct engine_call){
        .exchange = x, .events = events, .kind = kind, .tier = tier, .dialect = &dialect_chat};
    c->held = buffer_of(kind == CALL_ANSWER ? CALL_HELD_BYTES_MAX : CALL_EVIDENCE_BYTES_MAX);
    sse_init(&c->sse, c->dialect->form);
}

/* ---- what becomes of an endpoint ---- */

static void count_sent(const struct engine_call *c, uint64_t bytes)
{
    c->exchange->bytes_up[c->tier] += bytes;
    exchange_bill_call(c->exchange, c, bytes);
    c->exchange->question_left |= c->tells_question && bytes > 0;
    c->exchange->gateway->metrics.sent_bytes_total[c->tier] += bytes;
    if (call_is_shadow(c->kind))
        c->exchange->gateway->metrics.shadow_sent_bytes_total[c->tier] += bytes;
}

static void report(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                   enum endpoint_outcome outcome)
{
    const struct endpoint *e = at->endpoint;
    if (outcome != ENDPOINT_ANSWERED && outcome != ENDPOINT_COMPLETE)
        x->failed_at = e;
    if (endpoint_report(&x->settings->endpoints[tier], at, outcome, server_now_us()))
        log_event(LOG_LEVEL_WARN, "breaker", "tier=%s endpoint=%s state=%s", moa_tier_name(tier),
                  log_quote(e->name).s, breaker_state_name(e->breaker.state));
}

/* Engines also answer with an error, or with nothing, to what they cannot make sense of. Which it
 * was shows when another engine answers the same request, or none does. */
static void suspect(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    x->failed_at = c->at.endpoint;
    if (x->n_refusals < sizeof(x->refusals) / sizeof(x->refusals[0])) {
        x->refusals[x->n_refusals++] = (struct refusal){c->tier, c->at};
        endpoint_hold(c->at.endpoint);
    }
    c->at.failed = true; /* how the rest of the answer comes says nothing */
}

void engine_calls_blame(struct exchange *x)
{
    for (size_t i = 0; i < x->n_refusals; i++)
        report(x, x->refusals[i].tier, &x->refusals[i].at, ENDPOINT_FAILED);
    engine_calls_forgive(x);
}

void engine_calls_forgive(struct exchange *x)
{
    while (x->n_refusals > 0)
        endpoint_release(x->refusals[--x->n_refusals].at.endpoint);
}

/* Once for each time it goes wrong: whose key, which model, where. */
static void warn_misconfigured(const struct engine_call *c)
{
    const struct tier_config *t = &c->exchange->settings->config->tier[c->tier];
    const char *key = t->api_key_env[0] ? t->api_key_env : t->api_key_file;
    log_event(LOG_LEVEL_WARN, "misconfigured",
              "tier=%s endpoint=%s status=%d error=%s api_key=%s model=%s hint=%s",
              moa_tier_name(c->tier), log_quote(c->at.endpoint->name).s, c->opinion.status,
              log_quote(c->opinion.words).s, log_quote(key[0] ? key : "none").s,
              log_quote(t->model).s, log_quote("its API key, model or URL is wrong").s);
}

/* What was asked for on our account is the fault, and is not asked for again: log-probabilities by
 * their usual name first, and if they are refused by the other one too, not for a while. */
static void note_refusal(struct engine_call *c)
{
    struct endpoint *e = c->at.endpoint;
    if (c->asks_usage && strstr(c->opinion.words, "stream_options"))
        e->no_stream_options = true;
    if (!engine_call_refuses_logprobs(c))
        return;
    if (e->no_logprobs)
        exchange_note_mute(c);
    e->no_logprobs = true;
}

bool engine_call_passes(const struct engine_call *c)
{
    return c->dialect && c->dialect->speaks;
}

bool engine_call_refuses_dialect(const struct engine_call *c)
{
    const int status = c->opinion.status;
    const bool is_refused = c->opinion.verdict == VERDICT_MISCONFIGURED;
    return engine_call_passes(c) && is_refused && (status == 404 || status == 405);
}

bool engine_call_refuses_logprobs(const struct engine_call *c)
{
    const char *words = c->opinion.words;
    return c->logprobs && c->cuts_logprobs &&
           (strstr(words, "logprob") || strstr(words, "n_probs"));
}

/* It was told, or seen, to speak it. From now on it is asked for chat completions. */
static void note_dialect(struct engine_call *c)
{
    struct endpoint *e = c->at.endpoint;
    if (!(e->no_dialects & c->dialect->speaks))
        log_event(LOG_LEVEL_WARN, "no-dialect", "tier=%s endpoint=%s dialect=%s status=%d",
                  moa_tier_name(c->tier), log_quote(e->name).s, c->dialect->name,
                  c->opinion.status);
    e->no_dialects |= c->dialect->speaks;
    report(c->exchange, c->tier, &c->at, ENDPOINT_ANSWERED);
    report(c->exchange, c->tier, &c->at, ENDPOINT_COMPLETE);
}

static void report_verdict(struct engine_call *c)
{
    const struct engine_opinion *o = &c->opinion;
    switch (o->verdict) {
    case VERDICT_OPEN:
    case VERDICT_ANSWERED:
    case VERDICT_BROKEN:
        break;
    case VERDICT_UNSURE:
        report(c->exchange, c->tier, &c->at, ENDPOINT_COMPLETE);
        break;
    case VERDICT_CLIENT:
    case VERDICT_UNFIT:
        note_refusal(c);
        report(c->exchange, c->tier, &c->at, ENDPOINT_ANSWERED);
        report(c->exchange, c->tier, &c->at, ENDPOINT_COMPLETE);
        break;
    case VERDICT_MISCONFIGURED:
        if (engine_call_refuses_dialect(c)) {
            note_dialect(c);
            break;
        }
        if (!c->at.endpoint->misconfigured)
            warn_misconfigured(c);
        report(c->exchange, c->tier, &c->at,
               o->status == 403 ? ENDPOINT_FORBIDDEN : ENDPOINT_MISCONFIGURED);
        break;
    case VERDICT_BUSY:
        report(c->exchange, c->tier, &c->at,
               o->status == 429 ? ENDPOINT_BUSY : ENDPOINT_UNAVAILABLE);
        break;
    case VERDICT_FAILED:
        if (c->why[0])
            report(c->exchange, c->tier, &c->at,
                   c->unreachable ? ENDPOINT_UNREACHABLE : ENDPOINT_FAILED);
        else
            suspect(c);
        break;
    }
}

/* Of an answer that was good when it began. An error in the middle of a stream may be the request's
 * own: the context is full. */
static void report_end(struct engine_call *c)
{
    if (c->why[0])
        report(c->exchange, c->tier, &c->at, ENDPOINT_FAILED);
    else if (!c->sse.failed)
        report(c->exchange, c->tier, &c->at, ENDPOINT_COMPLETE);
}

/* ---- the end ---- */

/* Whoever answered says who it is. A model that the client has chosen says nothing of the tier. */
static void report_signature(const struct engine_call *c)
{
    const struct exchange *x = c->exchange;
    struct identity_signature signature = c->is_stream ? c->sse.signature : c->opinion.signature;
    if (engine_call_passes(c)) /* it may be spelt otherwise there */
        return;
    if (!x->model_is_ours && !x->settings->config->tier[c->tier].model[0])
        signature.model = 0;
    guarantee_signed(x->gateway->guarantee, c->tier, &signature);
}

/* The call is off the wire, and its opinion final. */
static void settle(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    if (c->opinion.verdict == VERDICT_ANSWERED)
        report_end(c);
    else
        report_verdict(c);
    report_signature(c);
    if (x->retry_after_s > 0 && c->opinion.verdict == VERDICT_BUSY)
        endpoint_spare(&c->at, server_now_us() + (int64_t)x->retry_after_s * 1000000);
    exchange_note_call(x, c);
    exchange_trace_call(c, false);
    endpoint_end(&c->at);
    sense_leave(&x->gateway->sense, c->tier);
    c->events->on_over(c);
}

/* No more of it is wanted: the answer is none. */
static void hang_up(struct engine_call *c)
{
    count_sent(c, upstream_cancel(c->upstream));
    c->upstream = NULL;
    settle(c);
}

void engine_call_cancel(struct engine_call *c)
{
    if (!c->upstream)
        return;
    count_sent(c, upstream_cancel(c->upstream));
    c->upstream = NULL;
    exchange_trace_call(c, true);
    endpoint_end(&c->at);
    sense_leave(&c->exchange->gateway->sense, c->tier);
}

void engine_call_done(struct engine_call *c)
{
    if (!c->exchange)
        return;
    engine_call_cancel(c);
    chat_body_done(&c->body);
    buffer_done(&c->held);
}

void engine_call_reject(struct engine_call *c, const char *why)
{
    c->opinion.verdict = VERDICT_FAILED;
    snprintf(c->opinion.what, sizeof(c->opinion.what), "%s", why);
}

/* ---- the answer as it comes ---- */

static enum verdict judge(struct engine_call *c, enum answer_extent extent, yyjson_val *json)
{
    const struct exchange *x = c->exchange;
    const struct engine_answer answer = {
        .status = c->status,
        .content_type = c->content_type,
        .extent = extent,
        .body = buffer_bytes(&c->held),
        .json = json,
        .form = c->dialect->form,
        .sse = c->is_stream && c->status == 200 ? &c->sse : NULL,
        .asks_stream = c->kind != CALL_PERCEPTION && c->kind != CALL_JUDGE && x->chat.stream,
        .model_is_ours = x->model_is_ours || x->settings->config->tier[c->tier].model[0],
    };
    enum verdict verdict = engine_verdict(&answer, &c->opinion);
    if (verdict == VERDICT_ANSWERED)
        c->answered_us = server_now_us();
    if (verdict == VERDICT_ANSWERED)
        report(c->exchange, c->tier, &c->at, ENDPOINT_ANSWERED);
    if (verdict == VERDICT_ANSWERED && c->kind == CALL_ANSWER)
        exchange_note_answered(c->exchange, c);
    return verdict;
}

static bool is_answered(const struct engine_call *c)
{
    return c->opinion.verdict == VERDICT_ANSWERED;
}

static void take_out(struct buffer *b, size_t at, size_t n)
{
    memmove(b->p + at, b->p + at + n, b->n - at - n);
    b->n -= n;
}

void engine_call_take(struct engine_call *c, size_t n)
{
    take_out(&c->held, 0, n);
    c->n_ready -= n;
    c->n_searched -= n;
}

/* Listens to the JSON at `at` of what is held, `n` bytes, and takes log-probabilities out that the
 * client did not ask for. Returns how many bytes were taken out. */
static size_t hear(struct engine_call *c, yyjson_val *json, size_t at, size_t n)
{
    if (c->completion && c->is_stream)
        completion_read_event(c->completion, json);
    else if (c->completion)
        completion_read(c->completion, json);
    if (!c->logprobs)
        return 0;
    if (c->is_stream)
        logprobs_read_event(c->logprobs, json);
    else
        logprobs_read(c->logprobs, json);
    const size_t left = c->cuts_logprobs ? logprobs_cut(json, c->held.p + at, n) : n;
    take_out(&c->held, at + left, n - left);
    return n - left;
}

/* One whole event behind those that are ready. */
static void read_event(struct engine_call *c, size_t n)
{
    const struct moa_bytes event = {c->held.p + c->n_ready, n};
    yyjson_doc *doc;
    enum sse_kind kind = sse_read(&c->sse, event, &doc);
    const struct moa_bytes data = sse_data(event);
    if (data.p && (c->completion || c->logprobs) && (kind == SSE_CONTENT || kind == SSE_NOTHING))
        n -= hear(c, yyjson_doc_get_root(doc), (size_t)((const char *)data.p - c->held.p), data.n);
    yyjson_doc_free(doc);
    if (kind == SSE_USAGE && c->asks_usage)
        take_out(&c->held, c->n_ready, n);
    else
        c->n_ready += n;
    c->n_searched = c->n_ready;
}

/* The events that have come whole, up to the first that decides. */
static void read_events(struct engine_call *c)
{
    while (c->n_searched < c->held.n) {
        /* The end of a line may have been searched without what follows it. */
        const size_t from = c->n_searched > c->n_ready + 3 ? c->n_searched - 3 : c->n_ready;
        const size_t n = sse_next((struct moa_bytes){c->held.p + from, c->held.n - from});
        if (n == 0) {
            c->n_searched = c->held.n;
            return;
        }
        read_event(c, from + n - c->n_ready);
        if (!is_answered(c) && judge(c, ANSWER_COMING, NULL) > VERDICT_ANSWERED)
            return;
    }
}

/* What becomes of what has come; if it is to be dropped, the verdict says so. */
static enum call_hold hold(struct engine_call *c, bool is_whole)
{
    const enum call_hold what = c->is_held ? c->events->on_held(c, is_whole) : HOLD_KEEP;
    c->is_held = what == HOLD_ON;
    if (what == HOLD_DROP)
        c->opinion.verdict = VERDICT_UNSURE;
    return what;
}

/* False: the call may be over. */
static bool pass_on(struct engine_call *c, enum upstream_flow *ret_flow)
{
    *ret_flow = UPSTREAM_GO;
    if (c->n_ready == 0 || !is_answered(c))
        return true;
    switch (hold(c, false)) {
    case HOLD_ON:
        return true;
    case HOLD_KEEP:
        *ret_flow = c->events->on_bytes(c);
        return true;
    case HOLD_DROP:
        hang_up(c);
        return false;
    case HOLD_ASIDE:
        c->events->on_aside(c);
        return false;
    }
    return true;
}

/* More has come than can be held. */
static enum upstream_flow overflow(struct engine_call *c, struct moa_bytes bytes)
{
    if (c->opinion.verdict == VERDICT_OPEN)
        judge(c, ANSWER_LONG, NULL);
    if (!is_answered(c) || hold(c, true) != HOLD_KEEP) {
        hang_up(c);
        return UPSTREAM_GO;
    }
    if (c->kind == CALL_ANSWER &&
        exchange_translates(c->exchange)) { /* only whole is it translated */
        snprintf(c->why, sizeof(c->why), "an answer without end");
        hang_up(c);
        return UPSTREAM_GO;
    }
    if (c->kind != CALL_ANSWER) { /* nobody takes the bytes of a description as they come */
        engine_call_reject(c, "an answer without end");
        hang_up(c);
        return UPSTREAM_GO;
    }
    enum upstream_flow flow;
    c->n_ready = c->n_searched = c->held.n;
    (void)pass_on(c, &flow);
    if (buffer_add(&c->held, bytes.p, bytes.n)) {
        snprintf(c->why, sizeof(c->why), "out of memory");
        hang_up(c);
        return UPSTREAM_GO;
    }
    c->n_ready = c->n_searched = c->held.n;
    (void)pass_on(c, &flow);
    return flow;
}

static enum upstream_flow on_body(struct moa_bytes bytes, void *arg)
{
    struct engine_call *c = arg;
    const bool is_long = c->status != 200 && c->held.n > ERROR_BYTES_MAX;
    const bool as_it_comes = is_answered(c) && !c->is_stream; /* a long one that is no stream */
    if (is_long || as_it_comes || buffer_add(&c->held, bytes.p, bytes.n))
        return overflow(c, bytes);
    if (c->is_stream && c->status == 200)
        read_events(c);
    if (c->opinion.verdict > VERDICT_ANSWERED) {
        hang_up(c);
        return UPSTREAM_GO;
    }
    enum upstream_flow flow;
    (void)pass_on(c, &flow);
    return flow;
}

static void on_head(const struct upstream_head *head, void *arg)
{
    struct engine_call *c = arg;
    struct exchange *x = c->exchange;
    c->status = head->status;
    c->is_stream = strncasecmp(head->content_type, "text/event-stream", 17) == 0;
    print_copy(c->content_type, sizeof(c->content_type), head->content_type);
    x->retry_after_s = head->retry_after_s;
    if (c->kind == CALL_ANSWER)
        exchange_keep_limits(x, head);
    if (judge(c, ANSWER_COMING, NULL) > VERDICT_ANSWERED)
        hang_up(c);
}

/* What stands behind the last blank line of a stream that is complete. */
static void read_rest(struct engine_call *c)
{
    if (c->is_stream && c->status == 200 && c->held.n > c->n_ready)
        read_event(c, c->held.n - c->n_ready);
}

/* All has come: what is no stream is parsed once, for everybody. */
static void end_whole(struct engine_call *c)
{
    read_rest(c);
    yyjson_doc *doc = c->is_stream ? NULL : yyjson_read(c->held.p, c->held.n, YYJSON_READ_NOFLAG);
    yyjson_val *json = yyjson_doc_get_root(doc);
    if (!is_answered(c))
        judge(c, ANSWER_WHOLE, json);
    if (is_answered(c) && !c->is_stream)
        hear(c, json, 0, c->held.n);
    yyjson_doc_free(doc);
    if (is_answered(c))
        (void)hold(c, true);
}

static void on_done(const struct upstream_result *result, void *arg)
{
    struct engine_call *c = arg;
    struct exchange *x = c->exchange;
    const bool whole = result->end == UPSTREAM_COMPLETE;
    c->upstream = NULL;
    c->end = result->end;
    c->unreachable = result->unreachable;
    print_copy(c->why, sizeof(c->why), result->message);
    sense_rtt(&x->gateway->sense, result->rtt_us, server_now_us());
    count_sent(c, result->bytes_up);
    x->gateway->metrics.received_bytes_total[c->tier] += result->bytes_down;
    if (call_is_shadow(c->kind))
        x->gateway->metrics.shadow_received_bytes_total[c->tier] += result->bytes_down;
    if (whole)
        end_whole(c);
    else if (!is_answered(c) && judge(c, ANSWER_CUT, NULL) == VERDICT_FAILED)
        snprintf(c->opinion.what, sizeof(c->opinion.what), "%.79s", c->why);
    settle(c);
}

/* ---- sending ---- */

static const struct upstream_callbacks callbacks = {on_head, on_body, on_done};

/* Whatever an attempt before has left. */
static void reset(struct engine_call *c)
{
    buffer_done(&c->held);
    c->status = 0;
    c->content_type[0] = c->why[0] = '\0';
    c->is_stream = c->is_noted = false;
    c->n_ready = c->n_searched = 0;
    sse_init(&c->sse, c->dialect->form);
    c->opinion = (struct engine_opinion){.verdict = VERDICT_OPEN};
}

static void log_sent(const struct engine_call *c)
{
    struct log_line line;
    if (!log_begin(&line, LOG_LEVEL_DEBUG, "call"))
        return;
    log_word(&line, "id", c->exchange->trace.id);
    log_word(&line, "tier", moa_tier_name(c->tier));
    log_quoted(&line, "endpoint", c->at.endpoint->name);
    log_number(&line, "bytes", (int64_t)c->body.total_bytes);
    log_end(&line);
}

/* The number of the call's dialect among those that engines may speak. */
static unsigned number_of(const struct dialect *dialect)
{
    return (unsigned)__builtin_ctz(dialect->speaks);
}

#define HEADERS_MAX 8

/* What goes along with a body that passes: the key as its dialect has it, and what the client says
 * of the dialect's version. Returns how many. */
static size_t add_headers(const struct engine_call *c, struct upstream_header *list, size_t n)
{
    const struct exchange *x = c->exchange;
    const char *name = engine_call_passes(c) ? speaks_key_header(number_of(c->dialect)) : NULL;
    if (name)
        list[n++] = (struct upstream_header){name, x->settings->config->tier[c->tier].api_key};
    const char *const *names = x->request ? c->dialect->headers : NULL;
    for (; names && *names && n < HEADERS_MAX; names++) {
        const char *value = server_request_header(x->request, *names);
        list[n++] = (struct upstream_header){*names, value ? value : ""};
    }
    return n;
}

int engine_call_send(struct engine_call *c)
{
    struct exchange *x = c->exchange;
    /* The last gate before anything leaves: what is pinned goes to the edge or nowhere. */
    assert(!c->body.has_pinned || c->tier == MOA_EDGE);
    if (c->body.has_pinned && c->tier != MOA_EDGE)
        return -1;
    const struct tier_config *t = &x->settings->config->tier[c->tier];
    char parent[TRACE_PARENT_BYTES];
    c->span = exchange_trace_next(x);
    trace_parent(&x->trace, c->span, parent);
    struct upstream_header headers[HEADERS_MAX] = {
        {"x-request-id", x->trace.id}, {"traceparent", parent}, {"tracestate", x->trace.state}};
    const bool passes = engine_call_passes(c);
    reset(c);
    endpoint_begin(&x->settings->endpoints[c->tier], server_now_us(), x->failed_at, &c->at);
    const struct upstream_request request = {
        .url = passes ? c->at.endpoint->urls[number_of(c->dialect)] : c->at.endpoint->chat_url,
        .api_key = !passes || speaks_bearer(number_of(c->dialect), t->api_key) ? t->api_key : NULL,
        .ca_file = t->ca_file,
        .headers = headers,
        .n_headers = add_headers(c, headers, 3),
        .direct = c->tier == MOA_EDGE,
        .brief = true,
        .metered = c->tier == MOA_CLOUD,
        .metered_near = t->uplink_near,
        .segments = c->body.segments,
        .n_segments = c->body.n_segments,
        .total_bytes = c->body.total_bytes,
        .connect_timeout_ms = t->connect_timeout_ms,
        .first_byte_timeout_ms = t->first_byte_timeout_ms,
        .idle_timeout_ms = t->idle_timeout_ms,
        .dead_link_ms = t->dead_link_ms,
    };
    c->upstream = upstream_send(x->gateway->upstream, &request, &callbacks, c);
    if (!c->upstream) {
        endpoint_end(&c->at);
        return -1;
    }
    c->sent_us = server_now_us();
    c->answered_us = 0;
    sense_enter(&x->gateway->sense, c->tier);
    c->is_queued = sense_is_full(&x->gateway->sense, c->tier, c->sent_us);
    if (!x->overhead_us)
        x->overhead_us = server_now_us() - x->arrived_us;
    log_sent(c);
    return 0;
}

bool engine_call_release_body(struct engine_call *c)
{
    if (!c->upstream || !upstream_release_body(c->upstream))
        return false;
    chat_body_done(&c->body);
    return true;
}
