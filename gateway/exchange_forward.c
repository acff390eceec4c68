/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of an engine's that carry no chat: embeddings, tokens, transcriptions. Nothing is scored
 * and nothing decided: a request goes as it is to one tier, and what that answers goes to the
 * client as it is, errors too. There is no other tier to fall back to, since the vectors and tokens
 * of two models have nothing in common. Keys, pins, limits, budget and journal hold as for a chat.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "exchange_private.h"
#include "keeper.h"
#include "keys.h"
#include "log.h"

#define CLIENT_BUFFER_BYTES (256 << 10) /* the engine pauses while more waits for the client */
#define PEEK_BYTES (256 << 10)          /* of a body that is looked into for its model */

struct forwarding {
    enum moa_tier tier;
    struct endpoint_call at;
    struct upstream_call *upstream; /* NULL: not under way */
    uint64_t span;
    int64_t sent_us;
    char *owned; /* a body with another model; NULL: as it came */
    struct moa_bytes body;
    char *url;
    char content_type[256]; /* of the body */
    char path[64];
};

/* ---- where it goes ---- */

static const char prefix[] = "moaoff/";

/* The tier that a model's name stands for; `otherwise` if it is none's. */
static enum moa_tier tier_of(const struct config *config, const char *model,
                             enum moa_tier otherwise)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const char *own = config->tier[tier].model;
        const char *other = config->tier[other_tier((enum moa_tier)tier)].model;
        const bool is_named =
            strncmp(model, prefix, sizeof(prefix) - 1) == 0 &&
            strcmp(model + sizeof(prefix) - 1, moa_tier_name((enum moa_tier)tier)) == 0;
        if (is_named || (own[0] && strcmp(model, own) == 0 && strcmp(own, other) != 0))
            return (enum moa_tier)tier;
    }
    return otherwise;
}

static bool is_ours(const char *model)
{
    return strcmp(model, "moaoff") == 0 || strncmp(model, prefix, sizeof(prefix) - 1) == 0;
}

/* The same document with the model that its engine knows. -1 if out of memory. */
static int rename_model(struct forwarding *f, yyjson_doc *doc, const char *model)
{
    size_t n = 0;
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
    if (copy &&
        yyjson_mut_obj_put(root, yyjson_mut_str(copy, "model"), yyjson_mut_str(copy, model)))
        f->owned = yyjson_mut_write(copy, YYJSON_WRITE_NOFLAG, &n);
    yyjson_mut_doc_free(copy);
    f->body = (struct moa_bytes){f->owned, n};
    return f->owned ? 0 : -1;
}

/* Whether its model is known: a form, a body too long to look into, and one that names two models
 * may be for any. */
static bool is_clear(yyjson_doc *doc)
{
    size_t i, n, count = 0;
    yyjson_val *key, *value, *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root))
        return false;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        count += yyjson_equals_str(key, "model");
    }
    return count <= 1;
}

/* The tier by the configuration or by the model that a JSON body names, and the body for it. What
 * is pinned in any part stays on the edge whole: which part of it is which, nobody knows here. */
static int choose(struct exchange *x)
{
    struct forwarding *f = x->forwarding;
    const struct config *config = x->settings->config;
    f->body = (struct moa_bytes){x->request_body, x->request_bytes};
    f->tier = (enum moa_tier)config->forward_tier;
    yyjson_doc *doc =
        f->body.n <= PEEK_BYTES ? yyjson_read(f->body.p, f->body.n, YYJSON_READ_NOFLAG) : NULL;
    const char *name = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "model"));
    f->tier = tier_of(config, name ? name : "", f->tier);
    x->pinned |=
        is_clear(doc) ? config_pins_model(config, name ? name : "") : config->pin_models[0] != '\0';
    if (x->pinned)
        f->tier = MOA_EDGE;
    const char *own = config->tier[f->tier].model;
    const int result = name && is_ours(name) && own[0] ? rename_model(f, doc, own) : 0;
    yyjson_doc_free(doc);
    return result;
}

/* Beside /v1, or below it: the engine's base URL ends with /v1, if anything. */
static char *url_of(const char *base_url, const char *path)
{
    size_t n = strlen(base_url);
    char *url;
    if (strncmp(path, "/v1/", 4) == 0)
        path += 3;
    else if (n >= 3 && strcmp(base_url + n - 3, "/v1") == 0)
        n -= 3;
    return asprintf(&url, "%.*s%s", (int)n, base_url, path) < 0 ? NULL : url;
}

/* ---- the answer ---- */

static void on_head(const struct upstream_head *head, void *arg)
{
    struct exchange *x = arg;
    const struct forwarding *f = x->forwarding;
    struct server_header headers[3 + UPSTREAM_LIMITS_MAX] = {
        {"x-request-id", x->trace.id},
        {"x-moaoff-plan", moa_plan_name(f->tier == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD)}};
    size_t n = 2;
    char seconds[16];
    exchange_keep_limits(x, head);
    n += exchange_write_limits(x, headers + n, UPSTREAM_LIMITS_MAX);
    snprintf(seconds, sizeof(seconds), "%u", head->retry_after_s);
    if (head->retry_after_s > 0)
        headers[n++] = (struct server_header){"retry-after", seconds};
    const struct server_head reply = {
        .status = head->status,
        .content_type = head->content_type[0] ? head->content_type : "application/octet-stream",
        .headers = headers,
        .n_headers = n};
    x->status = head->status;
    x->begun = true;
    x->first_byte_us = server_now_us();
    enter(x, STAGE_RELAY);
    server_reply_begin(x->request, &reply);
}

static enum upstream_flow on_body(struct moa_bytes bytes, void *arg)
{
    struct exchange *x = arg;
    return server_reply_write(x->request, bytes) > CLIENT_BUFFER_BYTES ? UPSTREAM_PAUSE
                                                                       : UPSTREAM_GO;
}

/* Off the wire. An error says nothing of the engine here: whoever asks for a page that it does not
 * have would open its breaker for everybody, and one that is answered does not mean that chats are.
 */
static void settle(struct exchange *x, const struct upstream_result *result)
{
    struct forwarding *f = x->forwarding;
    const struct endpoints *es = &x->settings->endpoints[f->tier];
    f->upstream = NULL;
    if (result->unreachable)
        endpoint_report(es, &f->at, ENDPOINT_UNREACHABLE, server_now_us());
    else if (result->end == UPSTREAM_COMPLETE && x->status < 400)
        endpoint_report(es, &f->at, ENDPOINT_SERVED, server_now_us());
    const struct traced_page page = {
        .span = f->span,
        .tier = f->tier,
        .endpoint = f->at.endpoint,
        .sent_us = f->sent_us,
        .error = result->end == UPSTREAM_COMPLETE ? NULL : upstream_end_name(result->end),
    };
    exchange_trace_page(x, &page);
    endpoint_end(&f->at);
    sense_leave(&x->gateway->sense, f->tier);
    x->bytes_up[f->tier] += result->bytes_up;
    x->gateway->metrics.sent_bytes_total[f->tier] += result->bytes_up;
    x->gateway->metrics.received_bytes_total[f->tier] += result->bytes_down;
    if (f->tier == MOA_CLOUD && result->bytes_up > 0) {
        x->bill.bytes += (double)result->bytes_up;
        x->bill.calls += 1.0;
    }
}

static void fail(struct exchange *x, const struct upstream_result *result)
{
    struct http_error error;
    const char *tier = moa_tier_name(x->forwarding->tier);
    log_event(LOG_LEVEL_WARN, "tier-failed", "id=%s tier=%s kind=%s error=%s", x->trace.id, tier,
              upstream_end_name(result->end), log_quote(result->message).s);
    if (x->pinned)
        http_fail(&error, 503, "edge_unavailable",
                  "The request is pinned to the edge, which cannot answer: %s.", result->message);
    else
        http_fail(&error, result->end == UPSTREAM_TIMED_OUT ? 504 : 502, "upstream_failed",
                  "The %s engine failed: %s.", tier, result->message);
    exchange_fail(x, &error);
}

static void on_done(const struct upstream_result *result, void *arg)
{
    struct exchange *x = arg;
    settle(x, result);
    if (!x->begun) {
        fail(x, result);
        return;
    }
    struct server_request *request = x->request;
    x->request = NULL;
    if (result->end == UPSTREAM_COMPLETE) {
        server_reply_end(request);
    } else {
        x->error_code = "upstream_failed";
        server_reply_cut(request);
    }
    exchange_finish(x);
}

static const struct upstream_callbacks callbacks = {on_head, on_body, on_done};

/* ---- begin and end ---- */

static int pass_on(struct exchange *x)
{
    struct forwarding *f = x->forwarding;
    const struct tier_config *t = &x->settings->config->tier[f->tier];
    assert(!x->pinned || f->tier == MOA_EDGE);
    endpoint_begin(&x->settings->endpoints[f->tier], server_now_us(), NULL, &f->at);
    f->url = url_of(f->at.endpoint->base_url, f->path);
    char parent[TRACE_PARENT_BYTES];
    f->span = exchange_trace_next(x);
    trace_parent(&x->trace, f->span, parent);
    const struct upstream_header headers[] = {
        {"x-request-id", x->trace.id}, {"traceparent", parent}, {"tracestate", x->trace.state}};
    const struct upstream_request request = {
        .url = f->url,
        .content_type = f->content_type,
        .api_key = t->api_key,
        .ca_file = t->ca_file,
        .headers = headers,
        .n_headers = sizeof(headers) / sizeof(headers[0]),
        .direct = f->tier == MOA_EDGE,
        .metered = f->tier == MOA_CLOUD,
        .metered_near = t->uplink_near,
        .segments = &f->body,
        .n_segments = 1,
        .total_bytes = f->body.n,
        .connect_timeout_ms = t->connect_timeout_ms,
        .first_byte_timeout_ms = t->first_byte_timeout_ms,
        .idle_timeout_ms = t->idle_timeout_ms,
        .dead_link_ms = t->dead_link_ms,
    };
    f->upstream = f->url ? upstream_send(x->gateway->upstream, &request, &callbacks, x) : NULL;
    if (!f->upstream) {
        endpoint_end(&f->at);
        return -1;
    }
    sense_enter(&x->gateway->sense, f->tier);
    x->gateway->metrics.forwards_total[f->tier]++;
    f->sent_us = server_now_us();
    x->overhead_us = f->sent_us - x->arrived_us;
    return 0;
}

/* The budget holds for the tier that was chosen. -1 with the error. */
static int claim(struct exchange *x, struct http_error *error)
{
    if (x->forwarding->tier == MOA_EDGE || exchange_claim_page(x))
        return 0;
    return exchange_refuse_page(x, x->forwarding->path, error);
}

/* There is no other tier, so it waits, pinned or not. */
static void forward_or_wait(struct exchange *x)
{
    const bool lacks_edge = x->forwarding->tier == MOA_EDGE && keeper_is_away(x->gateway->keeper);
    if (lacks_edge && exchange_await_edge(x))
        return;
    if (lacks_edge)
        exchange_fail_without_edge(x);
    else if (pass_on(x))
        exchange_fail_memory(x);
}

void exchange_forward_begin(struct exchange *x)
{
    struct http_error error;
    struct forwarding *f = x->forwarding = calloc(1, sizeof(*f));
    if (!f) {
        exchange_fail_memory(x);
        return;
    }
    const char *type = server_request_header(x->request, "content-type");
    snprintf(f->content_type, sizeof(f->content_type), "%s", type ? type : "application/json");
    snprintf(f->path, sizeof(f->path), "%s", server_request_path(x->request));
    x->request_body = server_request_take_body(x->request, &x->request_bytes);
    enter(x, STAGE_ANSWER);
    if (choose(x))
        exchange_fail_memory(x);
    else if (claim(x, &error))
        exchange_fail(x, &error);
    else
        forward_or_wait(x);
}

void exchange_forward_again(struct exchange *x)
{
    enter(x, STAGE_ANSWER);
    forward_or_wait(x);
}

enum moa_tier exchange_forward_tier(const struct exchange *x)
{
    return x->forwarding->tier;
}

void exchange_forward_log(const struct exchange *x)
{
    const struct forwarding *f = x->forwarding;
    log_event(LOG_LEVEL_INFO, "forward",
              "id=%s status=%d error=%s key=%s path=%s tier=%s bytes=%zu overhead_us=%lld "
              "total_us=%lld",
              x->trace.id, x->status, x->error_code ? x->error_code : "none",
              x->key ? log_quote(key_name(x->key)).s : "none", f->path, moa_tier_name(f->tier),
              x->request_bytes, (long long)x->overhead_us,
              (long long)(server_now_us() - x->arrived_us));
}

void exchange_forward_resume(struct exchange *x)
{
    if (x->forwarding->upstream)
        upstream_resume(x->forwarding->upstream);
}

void exchange_forward_cancel(struct exchange *x)
{
    const struct forwarding *f = x->forwarding;
    if (!f || !f->upstream)
        return;
    const struct upstream_result gone = {.end = UPSTREAM_BROKEN,
                                         .bytes_up = upstream_cancel(f->upstream)};
    settle(x, &gone);
}

void exchange_forward_done(struct exchange *x)
{
    struct forwarding *f = x->forwarding;
    if (!f)
        return;
    exchange_forward_cancel(x);
    free(f->owned);
    free(f->url);
    free(f);
    x->forwarding = NULL;
}
