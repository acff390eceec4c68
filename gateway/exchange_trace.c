/* SPDX-License-Identifier: Apache-2.0
 *
 * The spans of an exchange, by what is known of it anyway when it is over: one of a server, below
 * it `perceive` and `decide`, and one of a client for each call of an engine, which is written down
 * when the call ends since its place may be taken by another. What an audit does when the client
 * has its answer comes later, below `audit`. Never what was asked, shown or answered, and no keys.
 *
 * Names are those of OpenTelemetry's conventions for HTTP and for generative AI where they have
 * one, and moaoff.* otherwise.
 */
#include "exchange_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter.h"
#include "otlp.h"
#include "print.h"
#include "socket_url.h"

#define SPANS_BYTES (64 << 10) /* of an exchange */
#define SPANS_FIRST 3500       /* those of most fit */
#define CALLS_BYTES (48 << 10) /* of them for calls: the others are always told */
#define MODEL_BYTES 256        /* of a model's name */
#define AUDIT_SPAN 1           /* an audit's id, behind the request's */

void exchange_trace_begin(struct exchange *x)
{
    const struct config *config = x->settings->config;
    const double ratio = config->traces_endpoint[0] ? config->traces_ratio : TRACE_OFF;
    trace_begin(server_request_header(x->request, "x-request-id"),
                server_request_header(x->request, "traceparent"),
                server_request_header(x->request, "tracestate"), ratio, &x->trace);
    if (!x->trace.is_sampled)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tracing *t = &x->tracing;
    t->ahead_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - server_now_us();
    t->spans = json_out_of(SPANS_BYTES);
    t->spans.failed = buffer_reserve(&t->spans.text, SPANS_FIRST);
    print_copy(t->path, sizeof(t->path), server_request_path(x->request));
}

uint64_t exchange_trace_next(struct exchange *x)
{
    return x->trace.span + AUDIT_SPAN + ++x->tracing.n_ids;
}

/* ---- a span of it ---- */

/* What is being written, and where it began. */
struct draft {
    struct exchange *exchange;
    struct json_out *out;
    size_t at;
};

static struct draft draft_of(struct exchange *x)
{
    return (struct draft){x, &x->tracing.spans, x->tracing.spans.text.n};
}

/* Below another span, by the clock that everything is timed by. */
static void begin_below(const struct draft *d, uint64_t above, const struct otlp_span *timed)
{
    const struct trace *trace = &d->exchange->trace;
    struct otlp_span span = *timed;
    char parent[17];
    trace_span_id(above, parent);
    span.trace = trace->parent + 3;
    span.state = trace->state;
    span.parent = parent;
    span.begin_us += d->exchange->tracing.ahead_us;
    span.end_us += d->exchange->tracing.ahead_us;
    otlp_begin(d->out, &span);
}

/* A span is told whole or not at all. */
static void end_span(const struct draft *d, size_t max)
{
    struct tracing *t = &d->exchange->tracing;
    otlp_end(d->out);
    if (!d->out->failed && d->out->text.n <= max) {
        t->n_spans++;
        return;
    }
    d->out->text.n = d->at;
    d->out->failed = false;
    t->n_lost++;
}

static void hand_over(struct exchange *x)
{
    struct tracing *t = &x->tracing;
    struct exporter *e = x->gateway->exporter;
    size_t n;
    if (t->n_lost > 0)
        exporter_drop(e, t->n_lost);
    if (t->n_spans > 0) {
        char *json = buffer_take(&t->spans.text, &n);
        exporter_add(e, json, n, t->n_spans);
    }
    t->n_spans = t->n_lost = 0;
}

void exchange_trace_done(struct exchange *x)
{
    if (x->trace.is_sampled)
        hand_over(x); /* calls that were cancelled with it */
    buffer_done(&x->tracing.spans.text);
}

/* ---- calls of engines ---- */

/* A client may call a model anything: as much of it as fits, without half a character. */
static void print_model(char *text, size_t room, const char *model)
{
    size_t n = strnlen(model, room);
    if (n == room)
        for (n = room - 1; n > 0 && ((unsigned char)model[n] & 0xc0) == 0x80;)
            n--;
    memcpy(text, model, n);
    text[n] = '\0';
}

static void put_model(struct json_out *out, const char *model)
{
    char name[MODEL_BYTES];
    print_model(name, sizeof(name), model);
    otlp_text(out, "gen_ai.request.model", name);
}

/* Of a URL without a password: its host and, if it names one, its port; or its socket. */
static void put_server(struct json_out *out, const char *url)
{
    struct socket_url socket;
    char host[256];
    if (socket_url_is(url)) {
        if (socket_url_read(url, &socket) == 0)
            otlp_text(out, "server.address", socket.path);
        return;
    }
    const bool is_tls = strncmp(url, "https://", 8) == 0;
    const char *at = strstr(url, "://");
    at = at ? at + 3 : url;
    const size_t n = at[0] == '[' ? strcspn(at, "]/") + 1 : strcspn(at, ":/");
    snprintf(host, sizeof(host), "%.*s", (int)n, at);
    otlp_text(out, "server.address", host);
    const long port = at[n] == ':' ? strtol(at + n + 1, NULL, 10) : is_tls ? 443 : 80;
    otlp_int(out, "server.port", port);
}

static const char *call_name(enum call_kind kind)
{
    static const char *const names[] = {[CALL_ANSWER] = "answer",
                                        [CALL_PERCEPTION] = "perceive",
                                        [CALL_SHADOW] = "audit",
                                        [CALL_SMALL] = "small",
                                        [CALL_JUDGE] = "judge"};
    return names[kind];
}

/* What went wrong, in one word that is none of the engine's; "": nothing. */
static void name_error(const struct engine_call *c, char *word, size_t n)
{
    const enum verdict verdict = c->opinion.verdict;
    const int status = c->opinion.status ? c->opinion.status : c->status;
    word[0] = '\0';
    if (verdict == VERDICT_UNSURE || (verdict == VERDICT_ANSWERED && !c->why[0]))
        return;
    if (c->end != UPSTREAM_COMPLETE && c->why[0])
        print_copy(word, n, upstream_end_name(c->end));
    else if (status >= 400)
        snprintf(word, n, "%d", status);
    else
        print_copy(word, n, verdict == VERDICT_ANSWERED ? "broken" : verdict_name(verdict));
}

static void put_call(struct json_out *out, const struct engine_call *c, const char *model)
{
    const struct exchange *x = c->exchange;
    const struct usage usage = c->is_stream ? c->sse.usage : c->opinion.usage;
    const bool streams =
        x->chat.stream && c->kind != CALL_PERCEPTION && c->kind != CALL_JUDGE; /* asked for */
    otlp_text(out, "gen_ai.operation.name", "chat");
    otlp_text(out, "gen_ai.provider.name", moa_tier_name(c->tier));
    put_model(out, model);
    if (streams)
        otlp_bool(out, "gen_ai.request.stream", true);
    if (usage.prompt_tokens >= 0)
        otlp_int(out, "gen_ai.usage.input_tokens", usage.prompt_tokens);
    if (usage.completion_tokens >= 0)
        otlp_int(out, "gen_ai.usage.output_tokens", usage.completion_tokens);
    if (c->is_stream && c->answered_us > 0)
        otlp_double(out, "gen_ai.response.time_to_first_chunk",
                    (double)(c->answered_us - c->sent_us) / 1e6);
    put_server(out, c->at.endpoint->name);
    if (c->status > 0)
        otlp_int(out, "http.response.status_code", c->status);
    otlp_text(out, "moaoff.call", call_name(c->kind));
    if (c->kind == CALL_PERCEPTION)
        otlp_int(out, "moaoff.image", (int64_t)c->part);
}

/* What the call is for: an audit's stand below the audit. */
static uint64_t above(struct exchange *x, const struct engine_call *c)
{
    int64_t *audit_us = &x->tracing.audit_us;
    if (!call_is_shadow(c->kind))
        return x->trace.span;
    if (*audit_us == 0 || *audit_us > c->sent_us)
        *audit_us = c->sent_us;
    return x->trace.span + AUDIT_SPAN;
}

/* What the engine was asked for; "" if the client named none. */
static const char *model_of(const struct engine_call *c)
{
    const struct exchange *x = c->exchange;
    const char *own = x->settings->config->tier[c->tier].model;
    return own[0] ? own : c->kind == CALL_PERCEPTION ? "moaoff" : x->chat.model_name;
}

void exchange_trace_call(const struct engine_call *c, bool is_cancelled)
{
    struct exchange *x = c->exchange;
    if (!x->trace.is_sampled)
        return;
    const char *model = model_of(c);
    char name[MODEL_BYTES] = "chat ", error[16] = "";
    print_model(name + 5, sizeof(name) - 5, model);
    name[model[0] ? 5 + strlen(name + 5) : 4] = '\0';
    if (!is_cancelled)
        name_error(c, error, sizeof(error));
    const struct otlp_span span = {.id = c->span,
                                   .kind = OTLP_CLIENT,
                                   .name = name,
                                   .begin_us = c->sent_us,
                                   .end_us = server_now_us(),
                                   .failed = error[0]};
    const struct draft d = draft_of(x);
    begin_below(&d, above(x, c), &span);
    put_call(d.out, c, model);
    otlp_text(d.out, "moaoff.verdict",
              is_cancelled ? "cancelled" : verdict_name(c->opinion.verdict));
    otlp_text(d.out, "error.type", error);
    end_span(&d, CALLS_BYTES);
}

void exchange_trace_page(struct exchange *x, const struct traced_page *page)
{
    if (!x->trace.is_sampled)
        return;
    const struct otlp_span span = {.id = page->span,
                                   .kind = OTLP_CLIENT,
                                   .name = "POST",
                                   .begin_us = page->sent_us,
                                   .end_us = server_now_us(),
                                   .failed = page->error || x->status >= 400};
    const struct draft d = draft_of(x);
    begin_below(&d, x->trace.span, &span);
    otlp_text(d.out, "gen_ai.provider.name", moa_tier_name(page->tier));
    otlp_text(d.out, "http.request.method", "POST");
    put_server(d.out, page->endpoint->name);
    if (x->status > 0)
        otlp_int(d.out, "http.response.status_code", x->status);
    otlp_text(d.out, "error.type", page->error ? page->error : "");
    end_span(&d, CALLS_BYTES);
}

/* ---- the request ---- */

static void put_perceive(struct exchange *x)
{
    const struct draft d = draft_of(x);
    const struct otlp_span span = {.id = exchange_trace_next(x),
                                   .kind = OTLP_INTERNAL,
                                   .name = "perceive",
                                   .begin_us = x->arrived_us,
                                   .end_us = x->tracing.deciding_us};
    begin_below(&d, x->trace.span, &span);
    otlp_int(d.out, "moaoff.parts", (int64_t)x->chat.n_parts);
    otlp_int(d.out, "moaoff.images", (int64_t)x->chat.n_of[MOA_IMAGE]);
    end_span(&d, SPANS_BYTES);
}

/* What was decided first: what is done may differ. */
static void put_decide(struct exchange *x)
{
    const struct moa_decision *decided = x->dry_run ? &x->perceived.decision : &x->decided;
    const struct draft d = draft_of(x);
    const struct otlp_span span = {.id = exchange_trace_next(x),
                                   .kind = OTLP_INTERNAL,
                                   .name = "decide",
                                   .begin_us = x->tracing.deciding_us,
                                   .end_us = x->arrived_us + x->stage_us[STAGE_READ] +
                                             x->stage_us[STAGE_PERCEIVE],
                                   .failed = !x->has_decision};
    begin_below(&d, x->trace.span, &span);
    if (x->has_decision) {
        otlp_text(d.out, "moaoff.policy", exchange_policy_name(x));
        otlp_text(d.out, "moaoff.plan", moa_plan_name(decided->plan));
        otlp_double(d.out, "moaoff.edge.load", x->state.edge_load);
        otlp_double(d.out, "moaoff.uplink.mbps", x->state.uplink_mbps);
        otlp_bool(d.out, "moaoff.edge.up", x->state.edge_up);
        otlp_bool(d.out, "moaoff.cloud.up", x->state.cloud_up);
    } else {
        otlp_text(d.out, "error.type", x->error_code ? x->error_code : "failed");
    }
    end_span(&d, SPANS_BYTES);
}

/* How it went over HTTP. */
static void put_http(struct json_out *out, const struct exchange *x, bool failed)
{
    const bool is_tls = x->settings->config->tls_certificate[0];
    otlp_text(out, "http.request.method", "POST");
    otlp_text(out, "url.scheme", is_tls ? "https" : "http");
    otlp_text(out, "url.path", x->tracing.path);
    otlp_text(out, "http.route", x->tracing.path);
    if (x->status > 0)
        otlp_int(out, "http.response.status_code", x->status);
    if (failed)
        otlp_text(out, "error.type", x->error_code ? x->error_code : "failed");
    else if (x->error_code)
        otlp_text(out, "moaoff.error", x->error_code);
}

static void put_decision(struct json_out *out, const struct exchange *x,
                         const struct exchange_headers *lists)
{
    const struct moa_decision *d = &x->perceived.decision;
    otlp_text(out, "moaoff.policy", exchange_policy_name(x));
    otlp_text(out, "moaoff.plan", moa_plan_name(d->plan));
    otlp_text(out, "moaoff.decision", lists->decision);
    otlp_text(out, "moaoff.reason", lists->reasons);
    otlp_text(out, "moaoff.scores", lists->scores);
    otlp_bool(out, "moaoff.escalated", d->choices[0].reason == MOA_REASON_UNSURE);
    if (!isnan(x->score)) {
        otlp_double(out, "moaoff.confidence", x->score);
        otlp_double(out, "moaoff.threshold", d->threshold);
    }
}

static void put_request(struct exchange *x, int64_t now_us, const struct exchange_headers *lists)
{
    const struct trace *trace = &x->trace;
    const struct draft d = draft_of(x);
    char name[80];
    const bool failed = x->status >= 500 || (x->error_code && (x->begun || x->answering));
    snprintf(name, sizeof(name), "POST %s", x->tracing.path);
    const struct otlp_span span = {.trace = trace->parent + 3,
                                   .state = trace->state,
                                   .id = trace->span,
                                   .parent = trace->is_ours ? NULL : trace->parent + 36,
                                   .parent_is_remote = true,
                                   .kind = OTLP_SERVER,
                                   .name = name,
                                   .begin_us = x->arrived_us + x->tracing.ahead_us,
                                   .end_us = now_us + x->tracing.ahead_us,
                                   .failed = failed};
    otlp_begin(d.out, &span);
    put_http(d.out, x, failed);
    if (x->chat.model_name) {
        otlp_text(d.out, "gen_ai.operation.name", "chat");
        put_model(d.out, x->chat.model_name);
        otlp_bool(d.out, "gen_ai.request.stream", x->chat.stream);
    }
    otlp_text(d.out, "moaoff.request_id", trace->id);
    if (x->has_decision)
        put_decision(d.out, x, lists);
    otlp_bool(d.out, "moaoff.pinned", x->pinned);
    otlp_text(d.out, "moaoff.calls", x->calls);
    otlp_text(d.out, "moaoff.fallback", x->fallback);
    otlp_int(d.out, "moaoff.cloud.bytes", (int64_t)x->bytes_up[MOA_CLOUD]);
    if (x->memory_age_us >= 0)
        otlp_double(d.out, "moaoff.memory.age", (double)x->memory_age_us / 1e6);
    if (x->status == 0)
        otlp_bool(d.out, "moaoff.client_left", true);
    end_span(&d, SPANS_BYTES);
}

void exchange_trace_end(struct exchange *x, const struct exchange_headers *lists)
{
    if (!x->trace.is_sampled)
        return;
    if (x->tracing.deciding_us > 0) {
        put_perceive(x);
        put_decide(x);
    }
    put_request(x, server_now_us(), lists);
    hand_over(x);
}

/* ---- when the client has its answer ---- */

void exchange_trace_audit(struct exchange *x, const struct moa_audit *found)
{
    const bool is_shadow = x->stage == STAGE_SHADOW;
    if (!x->trace.is_sampled || (!is_shadow && x->tracing.audit_us == 0))
        return;
    const int64_t now_us = server_now_us(), audit_us = x->tracing.audit_us;
    const int64_t alone_us = is_shadow ? x->stage_began_us : now_us;
    const struct otlp_span span = {.id = x->trace.span + AUDIT_SPAN,
                                   .kind = OTLP_INTERNAL,
                                   .name = "audit",
                                   .begin_us =
                                       audit_us > 0 && audit_us < alone_us ? audit_us : alone_us,
                                   .end_us = now_us};
    const struct draft d = draft_of(x);
    begin_below(&d, x->trace.span, &span);
    if (found)
        otlp_bool(d.out, "moaoff.audit.differs", found->lost);
    else
        otlp_bool(d.out, "moaoff.audit.dropped", true);
    end_span(&d, SPANS_BYTES);
}
