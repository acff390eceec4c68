/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at engines from a timer; see watch.h.
 */
#include "watch.h"

#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "buffer.h"
#include "endpoint.h"
#include "exchange.h"
#include "gateway.h"
#include "guarantee.h"
#include "journal.h"
#include "keeper.h"
#include "log.h"
#include "recall.h"
#include "server.h"
#include "speaks.h"
#include "upstream.h"

#define TICK_MS 250
#define TRAFFIC_US 10000000   /* how long a request counts as traffic */
#define IDLE_POLL_US 10000000 /* between two polls without */
#define QUIET_US 1000000      /* memory is given back when no body was freed for this long */
#define POLL_TIMEOUT_MS 2000  /* an answer would be stale */
#define TAKES_US 30000000     /* until an engine is asked again what it takes */
#define CALLS_MAX (4UL * ENDPOINTS_MAX)

/* A call of this file: to an edge engine's load page, or to see whether an endpoint is reachable.
 */
struct look {
    struct watch *watch;
    struct endpoint *endpoint; /* held; NULL: this look is free */
    enum moa_tier tier;
    struct upstream_call *call;
    void (*on_done)(const struct upstream_result *result, void *arg);
    char *url;
    int status;
    unsigned dialect;     /* that it is asked in */
    struct buffer answer; /* of a load page */
};

struct watch {
    struct gateway *gateway;
    struct event timer;
    int pressure_fd; /* -1: none */
    int64_t polled_us;
    struct look looks[CALLS_MAX];
    /* One round over all edge endpoints. */
    unsigned n_polling;
    struct probe_load round;
};

/* ---- one look ---- */

static bool looked_at(const struct watch *w, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (w->looks[i].endpoint == endpoint)
            return true;
    }
    return false;
}

static void look_over(struct look *look)
{
    endpoint_release(look->endpoint);
    free(look->url);
    buffer_done(&look->answer);
    *look = (struct look){0};
}

static void on_head(const struct upstream_head *head, void *arg)
{
    struct look *look = arg;
    look->status = head->status;
}

static enum upstream_flow on_body(struct moa_bytes bytes, void *arg)
{
    struct look *look = arg;
    /* It might go on for ever. */
    if (look->status <= 0 || buffer_add(&look->answer, bytes.p, bytes.n)) {
        static const struct upstream_result broken = {.end = UPSTREAM_BROKEN};
        upstream_cancel(look->call);
        look->on_done(&broken, look);
        return UPSTREAM_GO;
    }
    return UPSTREAM_GO;
}

/* `url` is taken; `dialect` is that of a POST. False if there is no room or memory. */
static bool begin_look(struct watch *w, struct endpoint *endpoint, enum moa_tier tier,
                       enum upstream_method method, unsigned dialect, char *url,
                       const struct upstream_callbacks *callbacks)
{
    struct gateway *g = w->gateway;
    struct look *look = w->looks;
    while (look < w->looks + CALLS_MAX && look->endpoint)
        look++;
    if (!url || look == w->looks + CALLS_MAX) {
        free(url);
        return false;
    }
    const struct tier_config *t = &g->config->tier[tier];
    bool polls = method != UPSTREAM_CONNECT;
    *look = (struct look){
        .watch = w,
        .endpoint = endpoint,
        .tier = tier,
        .dialect = dialect,
        .url = url,
        .on_done = callbacks->on_done,
        .answer = buffer_of(PROBE_BYTES_MAX),
    };
    endpoint_hold(endpoint);
    static const struct moa_bytes question = {SPEAKS_QUESTION, sizeof(SPEAKS_QUESTION) - 1};
    const bool asks = method == UPSTREAM_POST;
    const char *const name = asks ? speaks_key_header(dialect) : NULL;
    const struct upstream_header header = {name, t->api_key};
    const bool has_key = polls && (!asks || speaks_bearer(dialect, t->api_key));
    struct upstream_request request = {
        .method = method,
        .headers = &header,
        .n_headers = name ? 1 : 0,
        .segments = asks ? &question : NULL,
        .n_segments = asks ? 1 : 0,
        .total_bytes = asks ? question.n : 0,
        .url = url,
        .api_key = has_key ? t->api_key : NULL,
        .ca_file = t->ca_file,
        .direct = tier == MOA_EDGE,
        .connect_timeout_ms = polls ? POLL_TIMEOUT_MS : t->connect_timeout_ms,
        .first_byte_timeout_ms = polls ? POLL_TIMEOUT_MS : 2 * t->connect_timeout_ms,
        .idle_timeout_ms = POLL_TIMEOUT_MS,
    };
    look->call = upstream_send(g->upstream, &request, callbacks, look);
    if (look->call)
        return true;
    look_over(look);
    return false;
}

/* An engine of ours that is not up is not looked at: that it is not there is known. */
static bool is_away(const struct watch *w, enum moa_tier tier)
{
    return tier == MOA_EDGE && keeper_is_away(w->gateway->keeper);
}

/* ---- the edge engines' load ---- */

static void add(double *sum, double value)
{
    if (!isnan(value))
        *sum = isnan(*sum) ? value : *sum + value;
}

static void on_poll_done(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    struct watch *w = look->watch;
    struct probe_load load;
    bool whole = result->end == UPSTREAM_COMPLETE && look->status > 0;
    if (whole &&
        probe_answer(&look->endpoint->probe, look->status, buffer_bytes(&look->answer), &load)) {
        add(&w->round.running, load.running);
        add(&w->round.waiting, load.waiting);
        add(&w->round.slots, load.slots);
    }
    look_over(look);
    if (--w->n_polling == 0 && !isnan(w->round.running))
        sense_engine(&w->gateway->sense, &w->round, server_now_us());
}

static const struct upstream_callbacks poll_callbacks = {on_head, on_body, on_poll_done};

static void poll_edge(struct watch *w, int64_t now_us)
{
    struct endpoints *edge = &w->gateway->settings->endpoints[MOA_EDGE];
    w->polled_us = now_us;
    w->round = (struct probe_load){NAN, NAN, NAN};
    for (size_t i = 0; i < edge->n; i++) {
        struct endpoint *e = edge->list[i];
        const char *path =
            e->breaker.state == BREAKER_OPEN || looked_at(w, e) ? NULL : probe_next(&e->probe);
        if (path &&
            begin_look(w, e, MOA_EDGE, UPSTREAM_GET, 0, endpoint_page(e, path), &poll_callbacks))
            w->n_polling++;
    }
}

static bool poll_due(const struct watch *w, int64_t now_us)
{
    const struct gateway *g = w->gateway;
    int64_t interval_us = g->config->tier[MOA_EDGE].poll_ms * 1000;
    bool traffic = g->sense.asked_us > 0 && now_us - g->sense.asked_us < TRAFFIC_US;
    if (interval_us == 0 || w->n_polling > 0 || is_away(w, MOA_EDGE))
        return false;
    if (!traffic && interval_us < IDLE_POLL_US)
        interval_us = IDLE_POLL_US;
    return w->polled_us == 0 || now_us - w->polled_us >= interval_us;
}

/* ---- what engines take ---- */

static void ask_props(struct watch *w, struct endpoint *e, enum moa_tier tier);
static void ask_dialect(struct watch *w, struct endpoint *e, enum moa_tier tier, unsigned i);

/* Once, until it was away. */
static bool speaks_due(const struct watch *w, const struct endpoint *e, enum moa_tier tier)
{
    return (w->gateway->config->tier[tier].speaks_set & SPEAKS_AUTO) && !e->has_spoken;
}

static bool is_read(const struct look *look, const struct upstream_result *result)
{
    return result->end == UPSTREAM_COMPLETE && look->status == 200;
}

/* Whoever cannot say now, as while it loads, is asked again. */
static void on_spoken(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    struct watch *w = look->watch;
    struct endpoint *e = look->endpoint;
    const enum moa_tier tier = look->tier;
    const unsigned i = look->dialect;
    const bool can_say =
        result->end == UPSTREAM_COMPLETE && look->status != 503 && look->status != 429;
    if (can_say && speaks_shown(i, look->status, buffer_bytes(&look->answer)))
        e->speaks |= 1u << i;
    e->has_spoken = can_say && i + 1 == SPEAKS_KINDS;
    endpoint_hold(e);
    look_over(look);
    if (can_say && i + 1 < SPEAKS_KINDS)
        ask_dialect(w, e, tier, i + 1);
    endpoint_release(e);
}

static const struct upstream_callbacks spoken_callbacks = {on_head, on_body, on_spoken};

static void ask_dialect(struct watch *w, struct endpoint *e, enum moa_tier tier, unsigned i)
{
    (void)begin_look(w, e, tier, UPSTREAM_POST, i, strdup(e->urls[i]), &spoken_callbacks);
}

static void ask_dialects(struct watch *w, struct endpoint *e, enum moa_tier tier)
{
    if (!speaks_due(w, e, tier))
        return;
    e->speaks = 0;
    ask_dialect(w, e, tier, 0);
}

static void on_props_done(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    struct watch *w = look->watch;
    struct endpoint *e = look->endpoint;
    if (is_read(look, result)) {
        const struct moa_bytes page = buffer_bytes(&look->answer);
        probe_props(page, &e->said);
        guarantee_listed(look->watch->gateway->guarantee, look->tier, IDENTITY_PROPS,
                         probe_identity(page, ""));
    }
    e->takes = e->said;
    endpoint_hold(e);
    look_over(look);
    ask_dialects(w, e, MOA_EDGE);
    endpoint_release(e);
}

static void on_models_done(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    struct watch *w = look->watch;
    struct endpoint *e = look->endpoint;
    const enum moa_tier tier = look->tier;
    const bool is_there = result->end == UPSTREAM_COMPLETE;
    e->said = (struct probe_takes){0}; /* another engine may stand there now */
    if (is_read(look, result)) {
        const struct moa_bytes page = buffer_bytes(&look->answer);
        const char *model = w->gateway->config->tier[tier].model;
        probe_models(page, model, &e->said);
        guarantee_listed(w->gateway->guarantee, tier, IDENTITY_LISTED, probe_identity(page, model));
    }
    if (is_there && tier == MOA_CLOUD)
        e->takes = e->said;
    endpoint_hold(e);
    look_over(look);
    if (is_there && tier == MOA_EDGE)
        ask_props(w, e, tier);
    else if (is_there)
        ask_dialects(w, e, tier);
    endpoint_release(e);
}

static const struct upstream_callbacks models_callbacks = {on_head, on_body, on_models_done};
static const struct upstream_callbacks props_callbacks = {on_head, on_body, on_props_done};

static void ask_props(struct watch *w, struct endpoint *e, enum moa_tier tier)
{
    (void)begin_look(w, e, tier, UPSTREAM_GET, 0, endpoint_page(e, PROBE_PROPS_PATH),
                     &props_callbacks);
}

/* Unless the configuration says it. The cloud is asked once something has been sent there: without
 * a request it hears nothing of this gateway. */
static bool takes_due(const struct watch *w, const struct endpoint *e, enum moa_tier tier,
                      int64_t now_us)
{
    const struct tier_config *t = &w->gateway->config->tier[tier];
    if (t->takes.kinds && t->takes.context_tokens && !speaks_due(w, e, tier))
        return false;
    if (tier == MOA_EDGE ? t->poll_ms == 0 : e->n_calls == 0)
        return false;
    return e->breaker.state != BREAKER_OPEN && (!e->asked_us || now_us - e->asked_us >= TAKES_US);
}

static void ask_takes(struct watch *w, int64_t now_us)
{
    for (int which = MOA_EDGE; which <= MOA_CLOUD; which++) {
        const struct endpoints *tier = &w->gateway->settings->endpoints[which];
        for (size_t i = 0; i < tier->n && !is_away(w, (enum moa_tier)which); i++) {
            struct endpoint *e = tier->list[i];
            char *url;
            if (!takes_due(w, e, (enum moa_tier)which, now_us) || looked_at(w, e))
                continue;
            e->asked_us = now_us;
            if (asprintf(&url, "%s" PROBE_MODELS_PATH, e->base_url) >= 0)
                (void)begin_look(w, e, (enum moa_tier)which, UPSTREAM_GET, 0, url,
                                 &models_callbacks);
        }
    }
}

/* ---- endpoints that are new, or down ---- */

static void on_tried(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    bool reachable = result->end == UPSTREAM_COMPLETE;
    endpoint_tried(&look->watch->gateway->settings->endpoints[look->tier], look->endpoint,
                   reachable, server_now_us());
    if (reachable)
        log_event(LOG_LEVEL_INFO, "endpoint-reachable", "url=%s",
                  log_quote(look->endpoint->name).s);
    look_over(look);
}

static const struct upstream_callbacks try_callbacks = {on_head, on_body, on_tried};

static bool nobody_is_there(const struct gateway *g)
{
    for (int which = MOA_EDGE; which <= MOA_CLOUD; which++) {
        const struct endpoints *tier = &g->settings->endpoints[which];
        for (size_t i = 0; i < tier->n; i++) {
            if (!tier->list[i]->unreachable)
                return false;
        }
    }
    return true;
}

static void on_looked(const struct upstream_result *result, void *arg)
{
    struct look *look = arg;
    bool reachable = result->end == UPSTREAM_COMPLETE;
    const bool is_news = reachable != !look->endpoint->unreachable;
    if (is_news)
        log_event(reachable ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
                  reachable ? "endpoint-reachable" : "endpoint-unreachable", "url=%s error=%s",
                  log_quote(look->endpoint->name).s, log_quote(result->message).s);
    endpoint_looked(look->endpoint, reachable);
    if (is_news && nobody_is_there(look->watch->gateway))
        log_event(LOG_LEVEL_ERROR, "no-engine", "error=%s",
                  log_quote("neither tier can be reached, so no request can be answered").s);
    look_over(look);
}

static const struct upstream_callbacks look_callbacks = {on_head, on_body, on_looked};

static void try_endpoints(struct watch *w, int64_t now_us)
{
    for (int which = MOA_EDGE; which <= MOA_CLOUD; which++) {
        const struct endpoints *tier = &w->gateway->settings->endpoints[which];
        for (size_t i = 0; i < tier->n && !is_away(w, (enum moa_tier)which); i++) {
            struct endpoint *e = tier->list[i];
            const bool is_down = endpoint_due(e, now_us);
            if (looked_at(w, e) || (!is_down && !endpoint_look_due(tier, e, now_us)))
                continue;
            e->looked_us = now_us;
            (void)begin_look(w, e, (enum moa_tier)which, UPSTREAM_CONNECT, 0, strdup(e->base_url),
                             is_down ? &try_callbacks : &look_callbacks);
        }
    }
}

/* ---- the timer ---- */

static void read_pressure(struct watch *w, int64_t now_us)
{
    char text[256];
    ssize_t n = w->pressure_fd < 0 ? -1 : pread(w->pressure_fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return;
    text[n] = '\0';
    sense_pressure(&w->gateway->sense, text, now_us);
}

/* malloc() keeps what a burst of large bodies has left behind, for the next burst; a device has
 * better uses for it. Not after each request: that would cost a page fault for every page. */
static void give_memory_back(struct gateway *g, int64_t now_us)
{
    if (!g->freed_us || now_us - g->freed_us < QUIET_US)
        return;
    malloc_trim(0);
    g->freed_us = 0;
}

/* What the cloud took since the last tick, for budgets that outlive this run. */
static void write_spending(struct gateway *g)
{
    struct timespec now;
    struct budget_amount amount;
    clock_gettime(CLOCK_REALTIME, &now);
    for (enum budget_purpose p = BUDGET_ANSWER; p < BUDGET_PURPOSES; p++) {
        if (!g->journal || !budget_take_news(&g->budget, p, &amount))
            continue;
        const struct journal_spending spending = {
            .time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
            .purpose = budget_purpose_name(p),
            .bytes = (int64_t)amount.of[BUDGET_BYTES],
            .calls = (int64_t)amount.of[BUDGET_REQUESTS],
            .money = amount.of[BUDGET_MONEY],
        };
        journal_add_spending(g->journal, &spending);
    }
}

static void set_timer(struct watch *w)
{
    int64_t poll_ms = w->gateway->config->tier[MOA_EDGE].poll_ms;
    int64_t retry_ms = w->gateway->config->breaker_retry_ms, ms = TICK_MS;
    ms = poll_ms > 0 && poll_ms < ms ? poll_ms : ms;
    ms = retry_ms < ms ? retry_ms : ms;
    struct timeval after = {.tv_usec = ms * 1000};
    event_add(&w->timer, &after);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct watch *w = arg;
    int64_t now_us = server_now_us();
    read_pressure(w, now_us);
    give_memory_back(w->gateway, now_us);
    write_spending(w->gateway);
    recall_expire(w->gateway->recall, now_us - w->gateway->config->memory_seconds * 1000000);
    ask_takes(w, now_us);
    if (poll_due(w, now_us))
        poll_edge(w, now_us);
    exchange_tend_audits(w->gateway);
    try_endpoints(w, now_us); /* but those that are polled now */
    set_timer(w);
}

struct watch *watch_new(struct gateway *gateway)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->gateway = gateway;
    w->pressure_fd = open("/proc/pressure/cpu", O_RDONLY | O_CLOEXEC);
    evtimer_assign(&w->timer, gateway->base, on_timer, w);
    event_active(&w->timer, EV_TIMEOUT, 0); /* the first look is at once */
    return w;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (!w->looks[i].endpoint)
            continue;
        upstream_cancel(w->looks[i].call);
        look_over(&w->looks[i]);
    }
    write_spending(w->gateway);
    event_del(&w->timer);
    if (w->pressure_fd >= 0)
        close(w->pressure_fd);
    free(w);
}
