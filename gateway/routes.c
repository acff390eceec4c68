/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of routes, who may use which, and the small routes that need no exchange; see routes.h.
 */
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "dialect.h"
#include "exchange.h"
#include "gateway.h"
#include "guarantee.h"
#include "keeper.h"
#include "keys.h"
#include "routes_journal.h"
#include "routes_models.h"
#include "routes_ollama.h"
#include "routes_page.h"
#include "routes_policies.h"
#include "server.h"
#include "state.h"

#define FEEDBACK_BYTES_MAX 4096
#define EXCHANGES_MAX 1000

enum access {
    ACCESS_OPEN,     /* anybody */
    ACCESS_CLIENT,   /* any key */
    ACCESS_OBSERVER, /* a key with `observe` */
};

static void reply_text(struct server_request *request, const char *type, char *text, size_t n)
{
    struct server_head head = {.status = text ? 200 : 503, .content_type = type};
    server_reply(request, &head, (struct moa_bytes){text, text ? n : 0});
    free(text);
}

static struct key *find_key(struct gateway *g, const struct server_request *request,
                            struct http_error *ret_error)
{
    return keys_find(g->keys, server_request_header(request, "authorization"),
                     server_request_api_key(request), ret_error);
}

static void handle_health(struct server_request *request, void *arg)
{
    (void)arg;
    static const char ok[] = "{\"status\":\"ok\"}";
    struct server_head head = {.status = 200, .content_type = "application/json"};
    server_reply(request, &head, (struct moa_bytes){ok, sizeof(ok) - 1});
}

static const char *readiness(const struct endpoints *es)
{
    return endpoints_ready(es, server_now_us()) ? "ok"
           : endpoints_misconfigured(es)        ? "misconfigured"
           : endpoints_unreachable(es)          ? "unreachable"
           : endpoints_up(es)                   ? "busy"
                                                : "down";
}

/* Ready: some tier can be expected to answer. A gateway that drains accepts no connection to ask
 * on. */
static void handle_ready(struct server_request *request, void *arg)
{
    const struct gateway *g = arg;
    const enum keeper_state engine = keeper_look(g->keeper).state;
    const char *edge = keeper_is_away(g->keeper) ? keeper_state_name(engine)
                                                 : readiness(&g->settings->endpoints[MOA_EDGE]);
    const char *cloud = readiness(&g->settings->endpoints[MOA_CLOUD]);
    if (strcmp(edge, "ok") != 0 && strcmp(cloud, "ok") != 0 && engine != KEEPER_ASLEEP) {
        struct http_error error;
        http_fail(&error, 503, "not_ready", "No tier can answer: the edge is %s, the cloud is %s.",
                  edge, cloud);
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    char *text;
    int n = asprintf(&text, "{\"status\":\"ok\",\"edge\":\"%s\",\"cloud\":\"%s\"}", edge, cloud);
    reply_text(request, "application/json", n < 0 ? NULL : text, n < 0 ? 0 : (size_t)n);
}

static void handle_metrics(struct server_request *request, void *arg)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (out) {
        state_write_metrics(arg, server_now_us(), out);
        fclose(out);
    }
    reply_text(request, "text/plain; version=0.0.4", text, n);
}

static void handle_state(struct server_request *request, void *arg)
{
    size_t n = 0;
    char *text = state_json(arg, server_now_us(), &n);
    reply_text(request, "application/json", text, n);
}

static void handle_guarantee(struct server_request *request, void *arg)
{
    struct gateway *g = arg;
    size_t n = 0;
    char *text = guarantee_json(g->guarantee, &n);
    reply_text(request, "application/json", text, n);
}

static void handle_exchanges(struct server_request *request, void *arg)
{
    size_t n = 0;
    char *text = exchange_list_json(arg, EXCHANGES_MAX, server_now_us(), &n);
    reply_text(request, "application/json", text, n);
}

/* ---- POST /v1/feedback ---- */

/* "score": how right the answer was, for policies that learn from it. */
static int take_score(struct gateway *g, const char *key, yyjson_val *id, yyjson_val *score,
                      struct http_error *error)
{
    if (!yyjson_is_num(score) || !(yyjson_get_num(score) >= 0 && yyjson_get_num(score) <= 1)) {
        http_fail(error, 400, "invalid_value", "\"score\" must be a number from 0 to 1.");
        return http_fail_at(error, "score");
    }
    if (!feedback_rate(&g->feedback, yyjson_get_str(id), key, yyjson_get_num(score))) {
        http_fail(error, 404, "unknown_request",
                  "No learning policy decided a recent request \"%.80s\".", yyjson_get_str(id));
        return http_fail_at(error, "id");
    }
    return 0;
}

/* "truth": what the right answer was, for an audit that waits for it. */
static int take_truth(struct gateway *g, const char *key, yyjson_val *id, yyjson_val *truth,
                      struct http_error *error)
{
    if (!yyjson_is_str(truth) || yyjson_get_len(truth) != strlen(yyjson_get_str(truth))) {
        http_fail(error, 400, "invalid_value", "\"truth\" must be a string.");
        return http_fail_at(error, "truth");
    }
    if (!exchange_label_audit(g, yyjson_get_str(id), key, yyjson_get_str(truth))) {
        http_fail(error, 404, "unknown_request", "No audit of a request \"%.80s\" waits for it.",
                  yyjson_get_str(id));
        return http_fail_at(error, "id");
    }
    return 0;
}

/* {"id": "...", "score": 0.5} or {"id": "...", "truth": "red"}, of the request `id` of `key`. */
static int read_feedback(struct gateway *g, const char *key, yyjson_doc *doc,
                         struct http_error *error)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *id = yyjson_obj_get(root, "id");
    yyjson_val *score = yyjson_obj_get(root, "score");
    yyjson_val *truth = yyjson_obj_get(root, "truth");
    if (!yyjson_is_str(id)) {
        http_fail(error, 400, "missing_required_parameter", "\"id\" must be a string.");
        return http_fail_at(error, "id");
    }
    if (truth && take_truth(g, key, id, truth, error))
        return -1;
    return truth && !score ? 0 : take_score(g, key, id, score, error);
}

static int take_feedback(struct gateway *g, const char *key, struct moa_bytes body,
                         struct http_error *error)
{
    yyjson_doc *doc = yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG);
    int result = doc ? read_feedback(g, key, doc, error)
                     : http_fail(error, 400, "invalid_json", "The body is not valid JSON.");
    yyjson_doc_free(doc);
    return result;
}

static void handle_feedback(struct server_request *request, void *arg)
{
    struct gateway *g = arg;
    struct http_error error;
    unsigned retry_after_s = 0;
    struct key *key = g->keys ? find_key(g, request, &error) : NULL;
    int failed = g->keys && !key ? -1 : 0;
    if (key)
        failed = key_enter(key, server_request_arrived_us(request), &error, &retry_after_s);
    if (!failed) {
        failed = take_feedback(g, key ? key_name(key) : "", server_request_body(request), &error);
        if (key)
            key_leave(key);
    }
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
    const struct server_header retry = {"retry-after", seconds};
    if (failed)
        server_reply_error(request, &error, &retry, retry_after_s > 0 ? 1 : 0);
    else
        handle_health(request, arg);
}

/* ---- the table ---- */

/* Base URLs are pasted with and without /v1, and engines have paths of their own for the same. */
const struct server_route routes_table[] = {
    {"POST", "/v1/chat/completions", exchange_chat, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/chat/completions", exchange_chat, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/v1/messages", exchange_chat, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/v1/messages/count_tokens", exchange_count, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/v1/responses", exchange_chat, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/responses", exchange_chat, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/api/chat", exchange_chat, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/api/generate", exchange_chat, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"GET", "/api/tags", routes_ollama_tags, ACCESS_CLIENT, true, 0},
    {"POST", "/api/show", routes_ollama_show, ACCESS_CLIENT, true, ROUTES_OLLAMA_BYTES_MAX},
    {"GET", "/api/version", routes_ollama_version, ACCESS_CLIENT, true, 0},
    {"GET", "/api/ps", routes_ollama_ps, ACCESS_CLIENT, true, 0},
    {"POST", "/v1/completions", exchange_forward, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/v1/embeddings", exchange_forward, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/v1/rerank", exchange_forward, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/v1/audio/transcriptions", exchange_forward, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/tokenize", exchange_forward, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/detokenize", exchange_forward, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/apply-template", exchange_forward, ACCESS_CLIENT, true, SERVER_BODY_ANY},
    {"POST", "/v1/decide", exchange_decide, ACCESS_CLIENT, false, SERVER_BODY_ANY},
    {"POST", "/v1/feedback", handle_feedback, ACCESS_CLIENT, false, FEEDBACK_BYTES_MAX},
    {"GET", "/v1/models", routes_models, ACCESS_CLIENT, false, 0},
    {"GET", "/v1/models/*", routes_model, ACCESS_CLIENT, true, 0},
    {"GET", "/models", routes_models, ACCESS_CLIENT, true, 0},
    {"GET", "/models/*", routes_model, ACCESS_CLIENT, true, 0},
    {"GET", "/props", routes_props, ACCESS_CLIENT, true, 0},
    {"GET", "/v1/state", handle_state, ACCESS_OBSERVER, false, 0},
    {"GET", "/v1/guarantee", handle_guarantee, ACCESS_OBSERVER, false, 0},
    {"GET", "/v1/decisions", routes_decisions, ACCESS_OBSERVER, false, 0},
    {"GET", "/v1/policies", routes_policies, ACCESS_OBSERVER, true, 0},
    {"GET", "/v1/replay", routes_replay, ACCESS_OBSERVER, true, 0},
    {"GET", "/v1/exchanges", handle_exchanges, ACCESS_OBSERVER, false, 0},
    {"GET", "/healthz", handle_health, ACCESS_OPEN, false, 0},
    {"GET", "/health", handle_health, ACCESS_OPEN, true, 0},
    {"GET", "/v1/health", handle_health, ACCESS_OPEN, true, 0},
    {"GET", "/readyz", handle_ready, ACCESS_OPEN, false, 0},
    {"GET", "/metrics", handle_metrics, ACCESS_OBSERVER, false, 0},
    {"GET", "/ui", routes_page, ACCESS_OPEN, false, 0},
    {"GET", "/ui/*", routes_page, ACCESS_OPEN, true, 0},
    {NULL, NULL, NULL, 0, false, 0},
};

const char routes_exposed_headers[] =
    "x-moaoff-plan, x-moaoff-decision, x-moaoff-scores, x-moaoff-reason, x-moaoff-state, "
    "x-moaoff-overhead-us, x-moaoff-fallback, x-moaoff-calls, x-moaoff-confidence, "
    "x-moaoff-escalated, x-moaoff-memory, x-moaoff-resolution, x-request-id, request-id, "
    "retry-after, "
    "x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, "
    "x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens";

char *routes_error_json(const char *path, const struct http_error *error, size_t *ret_n)
{
    return dialect_of_path(path)->error(error, ret_n);
}

int routes_admit(const struct server_request *request, const struct server_route *route, void *arg,
                 struct http_error *ret_error)
{
    struct gateway *g = arg;
    int access = route ? route->access : ACCESS_CLIENT;
    if (!g->keys || access == ACCESS_OPEN)
        return 0;
    const struct key *key = find_key(g, request, ret_error);
    if (!key) {
        g->metrics.unauthorized_total++;
        return -1;
    }
    if (access == ACCESS_OBSERVER && !key_observes(key))
        return http_fail(ret_error, 403, "key_may_not_observe",
                         "The API key \"%s\" may not read this; see `observe` in the file of keys.",
                         key_name(key));
    return 1;
}
