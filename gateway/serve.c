/* SPDX-License-Identifier: Apache-2.0
 *
 * Assembly: makes the leaves, hands the hub its routes, runs the loop, reloads on SIGHUP, drains on
 * SIGTERM.
 */
#include "serve.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "beat.h"
#include "cache.h"
#include "exchange.h"
#include "exporter.h"
#include "fleet.h"
#include "gateway.h"
#include "guarantee.h"
#include "journal.h"
#include "keeper.h"
#include "keys.h"
#include "log.h"
#include "memory.h"
#include "metrics_process.h"
#include "recall.h"
#include "routes.h"
#include "server.h"
#include "socket_url.h"
#include "state.h"
#include "upstream.h"
#include "watch.h"
#include "worker.h"

#define WHY_BYTES 512
#define DAY_MS INT64_C(86400000)

#define KEPT_BYTES (32 << 20)
#define MEMORY_SHARE 4 /* 1/4 of what there is, by default */

/* ---- what a configuration becomes: made completely, or not at all ---- */

struct parts {
    struct settings *settings;
    struct keys *keys;
    struct server_tls *tls;
};

static void parts_free(struct parts *p)
{
    settings_leave(p->settings);
    keys_free(p->keys);
    server_tls_free(p->tls);
}

/* Takes ownership of `config`. */
static int parts_make(struct config *config, const struct settings *before, struct parts *ret_parts,
                      char *why, size_t n)
{
    struct parts p = {.settings = settings_new(config, before)};
    struct config_error error;
    int result = p.settings ? 0 : -1;
    if (result) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    if (config->keys_file[0] && keys_load(config->keys_file, &p.keys, &error)) {
        snprintf(why, n, "%s:%u: %s", config->keys_file, error.line, error.message);
        result = -1;
    }
    if (!result && config->tls_certificate[0])
        result = server_tls_load(config->tls_certificate, config->tls_key, &p.tls, why, n);
    if (result)
        parts_free(&p);
    else
        *ret_parts = p;
    return result;
}

static struct server_limits limits_of(const struct config *c)
{
    return (struct server_limits){
        .max_connections = (size_t)c->max_connections,
        .max_header_bytes = (size_t)c->max_header_bytes,
        .max_body_bytes = (size_t)c->max_body_bytes,
        .header_timeout_ms = c->header_timeout_ms,
        .body_timeout_ms = c->body_timeout_ms,
        .body_total_ms = c->body_total_ms,
        .keepalive_timeout_ms = c->keepalive_timeout_ms,
        .send_timeout_ms = c->send_timeout_ms,
    };
}

static struct journal_options journal_options_of(const struct config *c)
{
    return (struct journal_options){
        .path = c->journal_path,
        .max_age_ms = c->journal_max_age_days * DAY_MS,
        .max_bytes = c->journal_max_bytes,
        .is_outbox = c->fleet.servers[0],
    };
}

static void aim_traces(struct gateway *g)
{
    const struct config *c = g->config;
    const struct exporter_options options = {.url = c->traces_endpoint,
                                             .ca_file = c->traces_ca_file,
                                             .headers = c->traces_headers.items,
                                             .n_headers = c->traces_headers.n};
    exporter_configure(g->exporter, &options);
}

/* From here on new requests go by `parts`, which are the gateway's now. */
static void adopt(struct gateway *g, const struct parts *parts)
{
    settings_leave(g->settings);
    g->settings = parts->settings;
    settings_adopt(g->settings);
    g->config = g->sense.config = parts->settings->config;
    g->keys = keys_replace(g->keys, parts->keys);
    log_set_level((enum log_level)g->config->log_level);
    log_set_format((enum log_format)g->config->log_format);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        endpoints_reconsider(&g->settings->endpoints[tier], server_now_us());
}

/* ---- assembly ---- */

/* What bodies, and pictures that are being decoded, may each take in all; pixels that wait for the
 * decision a quarter of it. */
static void set_memory(struct gateway *g, const struct config *config)
{
    const int64_t told = config->max_memory_bytes;
    const uint64_t bytes = told > 0 ? (uint64_t)told : memory_available() / MEMORY_SHARE;
    g->bodies.max_bytes = bytes;
    g->kept.max_bytes = bytes / 4;
    worker_set_memory(g->workers, bytes);
}

static size_t n_workers(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->workers > 0)
        return (size_t)config->workers;
    return cores > 0 ? (size_t)cores : 1;
}

/* The socket may be one that systemd has opened, whatever the configuration says. */
static bool is_guarded(const struct gateway *g, const struct config *config)
{
    return config->keys_file[0] || config->insecure || server_is_local(g->server);
}

static int make_server(struct gateway *g, const struct config *config, char *why, size_t n)
{
    struct server_options options = {
        .host = config->listen_host,
        .port = (uint16_t)config->listen_port,
        .is_tls = config->tls_certificate[0],
        .limits = limits_of(config),
        .routes = routes_table,
        .bodies = &g->bodies,
        .exposed_headers = routes_exposed_headers,
        .admit = routes_admit,
        .error_json = routes_error_json,
        .arg = g,
    };
    if (server_new(g->base, &options, &g->server, why, n))
        return -1;
    if (is_guarded(g, config))
        return 0;
    snprintf(why, n, "others can reach %s, so keys_file must be set, or listen.insecure: true",
             server_url(g->server));
    return -1;
}

static void on_uplink(const struct uplink_reading *reading, void *arg)
{
    struct gateway *g = arg;
    sense_uplink(&g->sense, reading);
    fleet_note_upload(g->fleet, reading->last);
}

/* Threads that fetch images, once any are to be fetched. */
static int make_fetchers(struct gateway *g, const struct config *config)
{
    const size_t n = (size_t)config->fetch_concurrency;
    /* Where clients are told apart, one's silent servers leave a thread to the others. */
    const struct worker_options options = {n, n > 1 && config->keys_file[0] ? 1 : 0};
    if (config->fetch_enabled && !g->fetchers)
        g->fetchers = worker_pool_new(g->base, &options);
    return config->fetch_enabled && !g->fetchers ? -1 : 0;
}

struct recall {
    struct budget *budget;
    int64_t now_us, now_ms;
};

/* A minute is as old as its last second. */
static int take_spending(const struct journal_spending *spending, void *arg)
{
    const struct recall *r = arg;
    const struct budget_amount amount = {{[BUDGET_BYTES] = (double)spending->bytes,
                                          [BUDGET_REQUESTS] = (double)spending->calls,
                                          [BUDGET_MONEY] = spending->money}};
    const int64_t age_ms = r->now_ms - spending->time_ms - JOURNAL_MINUTE_MS;
    enum budget_purpose purpose = BUDGET_ANSWER;
    while (purpose < BUDGET_AUDIT && strcmp(budget_purpose_name(purpose), spending->purpose) != 0)
        purpose++;
    budget_restore(r->budget, purpose, &amount, (double)spending->calls, age_ms * 1000, r->now_us);
    return 0;
}

/* What the cloud took before this run counts in its budgets. */
static int recall_budget(struct gateway *g, const char *journal_path, char *why, size_t n)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct recall r = {.budget = &g->budget,
                       .now_us = server_now_us(),
                       .now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
    return journal_read_spending(journal_path, r.now_ms - JOURNAL_SPENDING_MS, take_spending, &r,
                                 why, n);
}

static int join_fleet(struct gateway *g, const struct config *config, char *why, size_t n)
{
    if (fleet_open(config, g->journal, &g->fleet, why, n))
        return -1;
    g->beat = beat_new(g);
    if (!g->beat)
        snprintf(why, n, "out of memory");
    return g->beat ? 0 : -1;
}

static int make_leaves(struct gateway *g, const struct config *config, char *why, size_t n)
{
    snprintf(why, n, "out of memory");
    g->clock_ahead_s = process_clock_ahead_s();
    sense_init(&g->sense, config);
    budget_init(&g->budget, server_now_us());
    g->base = event_base_new();
    g->upstream = g->base ? upstream_new(g->base) : NULL;
    g->watch = g->upstream ? watch_new(g) : NULL;
    g->keeper = g->watch ? keeper_new(g, exchange_wake) : NULL;
    g->exporter = g->keeper ? exporter_new(g->base, g->upstream) : NULL;
    if (!g->exporter)
        return -1;
    aim_traces(g);
    upstream_set_meter(g->upstream, on_uplink, g);
    g->cache = cache_new((size_t)config->cache_bytes);
    g->recall = g->cache ? recall_new((size_t)config->memory_bytes) : NULL;
    if (!g->recall)
        return -1;
    const struct worker_options options = {.n_threads = n_workers(config)};
    g->workers = worker_pool_new(g->base, &options);
    if (g->workers)
        set_memory(g, config);
    if (!g->workers || make_fetchers(g, config)) {
        snprintf(why, n, "cannot start workers: %s", strerror(errno));
        return -1;
    }
    struct journal_options journal = journal_options_of(config);
    if (journal.path[0] &&
        (journal_open(&journal, &g->journal, why, n) || recall_budget(g, journal.path, why, n)))
        return -1;
    g->guarantee = guarantee_new(g);
    if (!g->guarantee) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    if (config->fleet.servers[0] && join_fleet(g, config, why, n))
        return -1;
    return make_server(g, config, why, n);
}

/* Takes ownership of `config`. */
static int make(struct gateway *g, struct config *config, char *why, size_t n)
{
    struct parts parts;
    if (parts_make(config, NULL, &parts, why, n))
        return -1;
    adopt(g, &parts);
    if (make_leaves(g, config, why, n)) {
        server_tls_free(parts.tls);
        return -1;
    }
    server_set_tls(g->server, parts.tls);
    server_set_origins(g->server, g->config->cors_origins);
    return 0;
}

/* The server goes first: closing connections ends their exchanges, which use the other leaves. */
static void unmake(struct gateway *g)
{
    exchange_end_audits(g);
    server_free(g->server);
    worker_pool_free(g->fetchers); /* what they have fetched may become a worker's job */
    worker_pool_free(g->workers);
    keeper_free(g->keeper);
    g->keeper = NULL; /* the guarantee still looks, for what it writes at the end */
    watch_free(g->watch);
    exporter_free(g->exporter);
    upstream_free(g->upstream);
    cache_free(g->cache);
    recall_free(g->recall);
    guarantee_free(g->guarantee);
    beat_free(g->beat);
    fleet_close(g->fleet);
    journal_close(g->journal);
    keys_free(g->keys);
    feedback_done(&g->feedback);
    settings_leave(g->settings);
    if (g->base)
        event_base_free(g->base);
}

/* ---- what is said of a configuration ---- */

/* `path` may be "". */
static void warn_if_readable(const char *path)
{
    struct stat status;
    if (path[0] && stat(path, &status) == 0 && (status.st_mode & S_IROTH))
        log_event(LOG_LEVEL_WARN, "secret-readable", "file=%s error=%s", log_quote(path).s,
                  log_quote("every user of this machine may read it; chmod 600").s);
}

static void warn_of_forgetting(const struct config *c)
{
    bool has_limit = false;
    for (size_t i = 0; i < BUDGET_WINDOWS; i++) {
        for (size_t q = 0; q < BUDGET_QUANTITIES; q++)
            has_limit |= c->budget.limit[i][q] > 0;
    }
    if (has_limit && !c->journal_path[0])
        log_event(LOG_LEVEL_WARN, "budget-not-kept", "hint=%s",
                  log_quote("without journal.path a restart forgets what was spent").s);
}

static void warn_of_open_doors(const struct config *c)
{
    warn_if_readable(c->keys_file);
    warn_if_readable(c->tls_key);
    warn_if_readable(c->fleet.credentials);
    warn_if_readable(c->fleet.nkey_seed);
    warn_if_readable(c->fleet.tls_key);
    warn_if_readable(c->tier[MOA_EDGE].api_key_file);
    warn_if_readable(c->tier[MOA_CLOUD].api_key_file);
    if (c->insecure && !c->keys_file[0])
        log_event(LOG_LEVEL_WARN, "insecure", "error=%s",
                  log_quote("no key is asked for, whoever asks").s);
    if (c->keys_file[0] && !c->tls_certificate[0])
        log_event(LOG_LEVEL_WARN, "no-tls", "error=%s",
                  log_quote("keys and prompts of clients travel in the clear").s);
}

/* ---- reloading ---- */

static void run_engine(struct gateway *g)
{
    if (keeper_configure(g->keeper))
        log_event(LOG_LEVEL_ERROR, "engine-not-started", "error=%s", log_quote("out of memory").s);
}

static void on_kept(const char *key)
{
    log_event(LOG_LEVEL_WARN, "reload-needs-restart", "key=%s", key);
}

static int reload(struct gateway *g, unsigned *ret_line, char *why, size_t n)
{
    struct config *config;
    struct parts parts;
    struct config_error error;
    if (g->config_path && strcmp(g->config_path, "-") == 0) {
        snprintf(why, n, "it came from standard input");
        return -1;
    }
    if (config_load(g->config_path, g->overrides, CONFIG_TO_SERVE, &config, &error)) {
        *ret_line = error.line;
        snprintf(why, n, "%s", error.message);
        return -1;
    }
    if (config_keep_running(g->config, config, on_kept)) {
        snprintf(why, n, "out of memory");
        config_free(config);
        return -1;
    }
    if (!is_guarded(g, config)) {
        snprintf(why, n, "others can reach %s, so keys_file or listen.insecure must stay",
                 server_url(g->server));
        config_free(config);
        return -1;
    }
    if (parts_make(config, g->settings, &parts, why, n))
        return -1;
    if (make_fetchers(g, config)) {
        snprintf(why, n, "cannot start threads that fetch: %s", strerror(errno));
        parts_free(&parts);
        return -1;
    }
    adopt(g, &parts);
    aim_traces(g);
    run_engine(g);
    struct server_limits limits = limits_of(config);
    struct journal_options bounds = journal_options_of(config);
    server_set_limits(g->server, &limits);
    server_set_tls(g->server, parts.tls);
    server_set_origins(g->server, config->cors_origins);
    set_memory(g, config);
    recall_clear(g->recall); /* engines, prompts or keys may be others */
    if (g->journal)
        journal_set_bounds(g->journal, &bounds);
    fleet_set_rate(g->fleet, config->fleet.bytes_per_s);
    return 0;
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what;
    struct gateway *g = arg;
    char why[WHY_BYTES];
    unsigned line = 0;
    struct log_text path = log_quote(g->config_path ? g->config_path : "");
    bool done = reload(g, &line, why, sizeof(why)) == 0;
    if (done) {
        warn_of_open_doors(g->config);
        warn_of_forgetting(g->config);
        guarantee_configured(g->guarantee);
    }
    g->metrics.reloads_total[done]++;
    if (done)
        log_event(LOG_LEVEL_INFO, "reloaded", "file=%s requests=%zu", path.s, g->n_exchanges);
    else
        log_event(LOG_LEVEL_ERROR, "reload-failed", "file=%s line=%u error=%s", path.s, line,
                  log_quote(why).s);
}

/* ---- running ---- */

static void on_engine_ended(void *arg)
{
    event_base_loopbreak(arg);
}

static void on_flushed(void *arg)
{
    struct gateway *g = arg;
    keeper_end(g->keeper, on_engine_ended, g->base);
}

static void on_all_drained(void *arg)
{
    struct gateway *g = arg;
    exporter_flush(g->exporter, on_flushed, g);
}

/* First signal: finish what is open. Second: end now. */
static void on_stop(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct gateway *g = arg;
    static bool draining;
    log_event(LOG_LEVEL_INFO, draining ? "stopping" : "draining", "signal=%d requests=%zu",
              (int)number, g->n_exchanges);
    exchange_end_audits(g);
    if (draining)
        event_base_loopbreak(g->base);
    else
        server_drain(g->server, on_all_drained, g);
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
    const struct config *c = g->config;
    struct event *signals[] = {evsignal_new(g->base, SIGTERM, on_stop, g),
                               evsignal_new(g->base, SIGINT, on_stop, g),
                               evsignal_new(g->base, SIGHUP, on_reload, g)};
    size_t n = sizeof(signals) / sizeof(signals[0]);
    for (size_t i = 0; i < n; i++) {
        if (signals[i])
            event_add(signals[i], NULL);
    }
    warn_of_open_doors(c);
    warn_of_forgetting(c);
    if (!g->config_path)
        log_event(LOG_LEVEL_WARN, "no-configuration", "hint=%s",
                  log_quote("every key has its default, and an engine is expected at each of edge "
                            "and cloud below; moaoff serve --defaults prints a file to begin with, "
                            "moaoff doctor looks at the engines")
                      .s);
    const char *url = server_url(g->server);
    log_event(LOG_LEVEL_INFO, "listening", "url=%s policy=%s edge=%s cloud=%s",
              socket_url_is(url) ? log_quote(url).s : url, c->policy,
              g->settings->endpoints[MOA_EDGE].list[0]->name,
              g->settings->endpoints[MOA_CLOUD].list[0]->name);
    run_engine(g);
    event_base_dispatch(g->base);
    for (size_t i = 0; i < n; i++) {
        if (signals[i])
            event_free(signals[i]);
    }
}

/* Bodies come and go by the megabyte. If every one is fresh memory from the kernel, a 1 MB request
 * costs 260 page faults, half as much again as all the rest: the heap keeps up to this much. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

int serve_run(const char *path, const struct config_override *overrides, struct config *config,
              rerun_function *rerun)
{
    struct gateway g = {.config_path = path, .overrides = overrides, .rerun = rerun};
    char why[WHY_BYTES];
    log_set_level((enum log_level)config->log_level);
    log_set_format((enum log_format)config->log_format);
    keep_memory();
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write what decrypts every call into that file */
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = make(&g, config, why, sizeof(why));
    if (failed)
        log_event(LOG_LEVEL_ERROR, "cannot-start", "error=%s", log_quote(why).s);
    else
        run(&g);
    unmake(&g);
    curl_global_cleanup();
    return failed ? 1 : 0;
}

int serve_check(struct config *config, char *why, size_t n)
{
    struct parts parts;
    if (parts_make(config, NULL, &parts, why, n))
        return -1;
    parts_free(&parts);
    return 0;
}
