/* SPDX-License-Identifier: Apache-2.0
 *
 * Assembly: makes the leaves, hands the hub its routes, runs the loop, drains on SIGTERM. The small
 * routes that need no exchange are here.
 */
#include "gateway.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <yyjson.h>

#include "cache.h"
#include "exchange.h"
#include "log.h"
#include "server.h"
#include "state.h"
#include "upstream.h"
#include "watch.h"
#include "worker.h"

/* ---- small routes ---- */

static void reply_text(struct server_request *request, const char *type, char *text, size_t n)
{
    struct server_head head = {.status = text ? 200 : 503, .content_type = type};
    server_reply(request, &head, (struct moa_bytes){text, text ? n : 0});
    free(text);
}

static void handle_health(struct server_request *request, void *arg)
{
    (void)arg;
    static const char ok[] = "{\"status\":\"ok\"}";
    struct server_head head = {.status = 200, .content_type = "application/json"};
    server_reply(request, &head, (struct moa_bytes){ok, sizeof(ok) - 1});
}

static void handle_metrics(struct server_request *request, void *arg)
{
    struct gateway *g = arg;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (out) {
        metrics_write(&g->metrics, g->sense.in_flight, out);
        state_write_metrics(g, server_now_us(), out);
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

static void add_model(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *id)
{
    yyjson_mut_val *model = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, model, "id", id);
    yyjson_mut_obj_add_str(doc, model, "object", "model");
    yyjson_mut_obj_add_int(doc, model, "created", 0);
    yyjson_mut_obj_add_str(doc, model, "owned_by", "moaoff");
}

static void handle_models(struct server_request *request, void *arg)
{
    (void)arg;
    char *text = NULL;
    size_t n = 0;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_str(doc, root, "object", "list");
        yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "data");
        add_model(doc, list, "moaoff");
        for (size_t i = 0; moa_policy_name(i); i++) {
            char id[64];
            snprintf(id, sizeof(id), "moaoff/%s", moa_policy_name(i));
            add_model(doc, list, id);
        }
        text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &n);
        yyjson_mut_doc_free(doc);
    }
    reply_text(request, "application/json", text, n);
}

/* {"id": "...", "score": 0.5}: how right the answer to the request `id` was. */
static int read_feedback(struct gateway *g, yyjson_doc *doc, struct http_error *error)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *id = yyjson_obj_get(root, "id");
    yyjson_val *score = yyjson_obj_get(root, "score");
    if (!yyjson_is_str(id)) {
        http_fail(error, 400, "missing_required_parameter", "\"id\" must be a string.");
        return http_fail_at(error, "id");
    }
    if (!yyjson_is_num(score) || !(yyjson_get_num(score) >= 0 && yyjson_get_num(score) <= 1)) {
        http_fail(error, 400, "invalid_value", "\"score\" must be a number from 0 to 1.");
        return http_fail_at(error, "score");
    }
    if (!feedback_rate(&g->feedback, yyjson_get_str(id), yyjson_get_num(score))) {
        http_fail(error, 404, "unknown_request",
                  "No learning policy decided a recent request \"%.80s\".", yyjson_get_str(id));
        return http_fail_at(error, "id");
    }
    return 0;
}

static void handle_feedback(struct server_request *request, void *arg)
{
    struct moa_bytes body = server_request_body(request);
    struct http_error error;
    yyjson_doc *doc = yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG);
    int failed = doc ? read_feedback(arg, doc, &error)
                     : http_fail(&error, 400, "invalid_json", "The body is not valid JSON.");
    yyjson_doc_free(doc);
    if (failed)
        server_reply_error(request, &error, NULL, 0);
    else
        handle_health(request, arg);
}

static const struct server_route routes[] = {
    {"POST", "/v1/chat/completions", exchange_chat},
    {"POST", "/v1/decide", exchange_decide},
    {"POST", "/v1/feedback", handle_feedback},
    {"GET", "/v1/models", handle_models},
    {"GET", "/v1/state", handle_state},
    {"GET", "/healthz", handle_health},
    {"GET", "/metrics", handle_metrics},
    {NULL, NULL, NULL},
};

/* ---- assembly ---- */

static int make_policies(struct gateway *g)
{
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (i == GATEWAY_POLICIES_MAX ||
            moa_policy_new(moa_policy_name(i), &g->config->paper, &g->policies[i]))
            return -1;
        if (strcmp(moa_policy_name(i), g->config->policy) == 0)
            g->default_policy = i;
    }
    return 0;
}

static int make_tiers(struct gateway *g)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct tier_config *t = &g->config->tier[tier];
        g->api_keys[tier] = t->api_key_env[0] ? getenv(t->api_key_env) : NULL;
        g->endpoints[tier].options = (struct breaker_options){
            .failures = g->config->breaker_failures,
            .retry_us = g->config->breaker_retry_ms * 1000,
            .busy_us = g->config->breaker_busy_ms * 1000,
        };
        g->endpoints[tier].random = (uint64_t)server_now_us() | 1;
        if (endpoints_set(&g->endpoints[tier], t->urls.items, t->urls.n))
            return -1;
    }
    return 0;
}

static size_t n_workers(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->workers > 0)
        return (size_t)config->workers;
    return cores > 0 ? (size_t)cores : 1;
}

static int make_server(struct gateway *g, char *why, size_t n)
{
    const struct config *c = g->config;
    struct server_options options = {
        .host = c->listen_host,
        .port = (uint16_t)c->listen_port,
        .max_connections = (size_t)c->max_connections,
        .max_header_bytes = (size_t)c->max_header_bytes,
        .max_body_bytes = (size_t)c->max_body_bytes,
        .header_timeout_ms = c->header_timeout_ms,
        .body_timeout_ms = c->body_timeout_ms,
        .keepalive_timeout_ms = c->keepalive_timeout_ms,
        .send_timeout_ms = c->send_timeout_ms,
        .routes = routes,
        .arg = g,
    };
    return server_new(g->base, &options, &g->server, why, n);
}

static void on_uplink(const struct uplink_reading *reading, void *arg)
{
    sense_uplink(arg, reading);
}

static int make(struct gateway *g, char *why, size_t n)
{
    snprintf(why, n, "out of memory");
    sense_init(&g->sense, g->config);
    if (make_policies(g) || make_tiers(g))
        return -1;
    g->base = event_base_new();
    g->upstream = g->base ? upstream_new(g->base) : NULL;
    g->watch = g->upstream ? watch_new(g) : NULL;
    if (!g->watch)
        return -1;
    upstream_set_meter(g->upstream, on_uplink, &g->sense);
    g->cache = cache_new((size_t)g->config->cache_bytes);
    if (!g->cache)
        return -1;
    g->workers = worker_pool_new(g->base, n_workers(g->config));
    if (g->workers && g->config->fetch_enabled)
        g->fetchers = worker_pool_new(g->base, (size_t)g->config->fetch_concurrency);
    if (!g->workers || (g->config->fetch_enabled && !g->fetchers)) {
        snprintf(why, n, "cannot start workers: %s", strerror(errno));
        return -1;
    }
    return make_server(g, why, n);
}

/* The server goes first: closing connections ends their exchanges, which use the other leaves. */
static void unmake(struct gateway *g)
{
    server_free(g->server);
    worker_pool_free(g->fetchers); /* what they have fetched may become a worker's job */
    worker_pool_free(g->workers);
    watch_free(g->watch);
    upstream_free(g->upstream);
    cache_free(g->cache);
    for (size_t i = 0; i < GATEWAY_POLICIES_MAX; i++)
        moa_policy_free(g->policies[i]);
    endpoints_done(&g->endpoints[MOA_EDGE]);
    endpoints_done(&g->endpoints[MOA_CLOUD]);
    feedback_done(&g->feedback);
    if (g->base)
        event_base_free(g->base);
}

/* ---- running ---- */

static void on_all_drained(void *arg)
{
    event_base_loopbreak(arg);
}

/* First signal: finish what is open. Second: end now. */
static void on_stop(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct gateway *g = arg;
    static bool draining;
    log_event(LOG_LEVEL_INFO, draining ? "stopping" : "draining", "signal=%d requests=%zu",
              (int)number, g->n_exchanges);
    if (draining)
        event_base_loopbreak(g->base);
    else
        server_drain(g->server, on_all_drained, g->base);
    draining = true;
}

/* Every stream takes two descriptors: as many as the system lets this process have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void run(struct gateway *g)
{
    struct event *stops[] = {evsignal_new(g->base, SIGTERM, on_stop, g),
                             evsignal_new(g->base, SIGINT, on_stop, g)};
    for (size_t i = 0; i < 2; i++) {
        if (stops[i])
            event_add(stops[i], NULL);
    }
    log_event(LOG_LEVEL_INFO, "listening", "url=http://%s:%u policy=%s edge=%s cloud=%s",
              g->config->listen_host, server_port(g->server), g->config->policy,
              g->endpoints[MOA_EDGE].list[0]->name, g->endpoints[MOA_CLOUD].list[0]->name);
    event_base_dispatch(g->base);
    for (size_t i = 0; i < 2; i++) {
        if (stops[i])
            event_free(stops[i]);
    }
}

int gateway_run(const struct config *config)
{
    struct gateway g = {.config = config};
    char why[256];
    log_set_level((enum log_level)config->log_level);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = make(&g, why, sizeof(why));
    if (failed)
        log_event(LOG_LEVEL_ERROR, "cannot-start", "error=%s", log_quote(why).s);
    else
        run(&g);
    unmake(&g);
    curl_global_cleanup();
    return failed ? 1 : 0;
}
