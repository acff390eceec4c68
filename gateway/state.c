/* SPDX-License-Identifier: Apache-2.0
 *
 * The state for decisions, as JSON and as metrics; see state.h. A value that is not known is null
 * in JSON and has no line in the metrics.
 */
#include "state.h"

#include <math.h>
#include <stdlib.h>

#include <yyjson.h>

#include "cache.h"
#include "exporter.h"
#include "fleet.h"
#include "gateway.h"
#include "guarantee.h"
#include "journal.h"
#include "json_number.h"
#include "keeper.h"
#include "metrics_process.h"
#include "recall.h"

#define CONNECTION_KEPT_US 60000000 /* unused: about as long as servers keep one open */

static double age_ms(int64_t then_us, int64_t now_us)
{
    return then_us > 0 ? (double)(now_us - then_us) / 1e3 : NAN;
}

/* An engine that the gateway runs counts by what it does, whatever was seen of it before. */
static bool edge_up(const struct gateway *g)
{
    const struct endpoints *edge = &g->settings->endpoints[MOA_EDGE];
    return keeper_is_away(g->keeper) ? keeper_may_answer(g->keeper) : endpoints_up(edge);
}

static double edge_load(const struct gateway *g, int64_t now_us)
{
    return endpoints_busy(&g->settings->endpoints[MOA_EDGE], now_us)
               ? 1
               : sense_load(&g->sense, now_us);
}

void state_read(const struct gateway *g, int64_t now_us, struct moa_state *ret_state)
{
    *ret_state = (struct moa_state){
        .edge_load = edge_load(g, now_us),
        .uplink_mbps = sense_mbps(&g->sense, now_us),
        .edge_up = edge_up(g),
        .cloud_up = endpoints_up(&g->settings->endpoints[MOA_CLOUD]),
    };
}

void state_question(const struct gateway *g, int64_t now_us, struct moa_question *ret_question)
{
    const struct sense *s = &g->sense;
    const bool is_cold = s->rtt_us == 0 || now_us - s->rtt_measured_us > CONNECTION_KEPT_US;
    *ret_question = (struct moa_question){
        .uplink_mbps = sense_mbps(s, now_us),
        .rtt_ms = s->rtt_us > 0 ? (double)s->rtt_us / 1e3 : NAN,
        .cold = is_cold,
    };
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        sense_tier(s, (enum moa_tier)tier, now_us, &ret_question->load[tier]);
}

/* ---- JSON ---- */

static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    json_add_number(doc, object, key, round(value * 1e3) / 1e3);
}

/* Money may be a small part of its unit. */
static void add_amount(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    if (isnan(value))
        yyjson_mut_obj_add_null(doc, object, key);
    else
        yyjson_mut_obj_add_real(doc, object, key, round(value * 1e9) / 1e9);
}

static void add_endpoint(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct endpoint *e,
                         int64_t now_us)
{
    const struct breaker *b = &e->breaker;
    yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, one, "url", e->name);
    yyjson_mut_obj_add_str(doc, one, "breaker", breaker_state_name(b->state));
    yyjson_mut_obj_add_bool(doc, one, "busy", now_us < b->busy_until_us);
    yyjson_mut_obj_add_bool(doc, one, "misconfigured", e->misconfigured);
    yyjson_mut_obj_add_uint(doc, one, "in_flight", e->in_flight);
    yyjson_mut_obj_add_uint(doc, one, "calls", e->n_calls);
    yyjson_mut_obj_add_uint(doc, one, "failures", e->n_failures);
    yyjson_mut_obj_add_uint(doc, one, "opened", e->n_opened);
    add_number(doc, one, "answered_age_ms", age_ms(b->alive_us, now_us));
    add_number(doc, one, "retry_in_ms",
               b->state == BREAKER_OPEN ? fmax(0, -age_ms(b->retry_us, now_us)) : NAN);
}

static yyjson_mut_val *add_tier(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct gateway *g,
                                enum moa_tier which, int64_t now_us)
{
    const struct endpoints *es = &g->settings->endpoints[which];
    yyjson_mut_val *tier = yyjson_mut_obj_add_obj(doc, root, moa_tier_name(which));
    yyjson_mut_obj_add_bool(doc, tier, "up", which == MOA_EDGE ? edge_up(g) : endpoints_up(es));
    yyjson_mut_obj_add_uint(doc, tier, "in_flight", g->sense.in_flight[which]);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, tier, "endpoints");
    for (size_t i = 0; i < es->n; i++)
        add_endpoint(doc, list, es->list[i], now_us);
    return tier;
}

static enum probe_engine edge_engine(const struct gateway *g)
{
    const struct endpoints *edge = &g->settings->endpoints[MOA_EDGE];
    for (size_t i = 0; i < edge->n; i++) {
        if (edge->list[i]->probe.engine != PROBE_UNKNOWN)
            return edge->list[i]->probe.engine;
    }
    return PROBE_UNKNOWN;
}

static void add_load(yyjson_mut_doc *doc, yyjson_mut_val *edge, const struct gateway *g,
                     int64_t now_us)
{
    const struct sense *s = &g->sense;
    add_number(doc, edge, "load", edge_load(g, now_us));
    add_number(doc, edge, "slots", sense_slots(s));
    yyjson_mut_val *engine = yyjson_mut_obj_add_obj(doc, edge, "engine");
    yyjson_mut_obj_add_str(doc, engine, "kind", probe_engine_name(edge_engine(g)));
    add_number(doc, engine, "running", s->engine.running);
    add_number(doc, engine, "waiting", s->engine.waiting);
    add_number(doc, engine, "slots", s->engine.slots);
    add_number(doc, engine, "others", s->engine_us > 0 ? s->others : NAN);
    add_number(doc, engine, "age_ms", age_ms(s->engine_us, now_us));
    yyjson_mut_obj_add_bool(doc, engine, "counts", sense_engine_known(s, now_us));
    yyjson_mut_val *cpu = yyjson_mut_obj_add_obj(doc, edge, "cpu_pressure");
    add_number(doc, cpu, "share", s->pressure);
    add_number(doc, cpu, "age_ms", age_ms(s->pressure_us, now_us));
    yyjson_mut_obj_add_bool(doc, cpu, "counts",
                            g->config->tier[MOA_EDGE].cpu_counts &&
                                sense_pressure_known(s, now_us));
}

/* A whole number; 0 is unknown. */
static void add_whole(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t value)
{
    if (value > 0)
        yyjson_mut_obj_add_int(doc, object, key, value);
    else
        yyjson_mut_obj_add_null(doc, object, key);
}

/* The engine that the gateway runs; null: there is none. */
static void add_program(yyjson_mut_doc *doc, yyjson_mut_val *edge, const struct gateway *g,
                        int64_t now_us)
{
    const struct keeper_view now = keeper_look(g->keeper);
    if (now.state == KEEPER_NONE) {
        yyjson_mut_obj_add_null(doc, edge, "program");
        return;
    }
    yyjson_mut_val *program = yyjson_mut_obj_add_obj(doc, edge, "program");
    yyjson_mut_obj_add_str(doc, program, "state", keeper_state_name(now.state));
    add_number(doc, program, "since_ms", age_ms(now.since_us, now_us));
    add_whole(doc, program, "pid", now.pid);
    yyjson_mut_obj_add_uint(doc, program, "starts", g->metrics.engine_starts_total);
    yyjson_mut_obj_add_int(doc, program, "failures", now.n_failures);
    add_number(doc, program, "restart_in_ms",
               now.retry_us > 0 ? fmax(0, -age_ms(now.retry_us, now_us)) : NAN);
    add_whole(doc, program, "memory_bytes", (int64_t)now.memory_bytes);
    add_whole(doc, program, "memory_limit_bytes", g->config->program.memory_bytes);
}

static void add_uplink(yyjson_mut_doc *doc, yyjson_mut_val *cloud, const struct gateway *g,
                       int64_t now_us)
{
    const struct sense *s = &g->sense;
    struct uplink_estimate e;
    uplink_estimate(&s->uplink, now_us, &e);
    double mbps = sense_mbps(s, now_us);
    bool measured = g->config->tier[MOA_CLOUD].uplink_uploads > 0 && !isnan(e.mbps);
    yyjson_mut_val *uplink = yyjson_mut_obj_add_obj(doc, cloud, "uplink");
    add_number(doc, uplink, "mbps", mbps);
    yyjson_mut_obj_add_str(doc, uplink, "source",
                           measured      ? "measured"
                           : isnan(mbps) ? "unknown"
                                         : "configured");
    add_number(doc, uplink, "measured_mbps", e.mbps);
    add_number(doc, uplink, "slope_mbps", e.slope_mbps);
    add_number(doc, uplink, "tcp_mbps", e.tcp_mbps);
    add_number(doc, uplink, "startup_ms", e.startup_s * 1e3);
    add_number(doc, uplink, "age_ms", age_ms(e.measured_us, now_us));
    yyjson_mut_obj_add_uint(doc, uplink, "uploads", e.n_uploads);
    yyjson_mut_obj_add_uint(doc, uplink, "discarded", s->uplink.n_discarded);
    yyjson_mut_val *rtt = yyjson_mut_obj_add_obj(doc, cloud, "rtt");
    add_number(doc, rtt, "ms", s->rtt_us > 0 ? (double)s->rtt_us / 1e3 : NAN);
    add_number(doc, rtt, "age_ms", age_ms(s->rtt_measured_us, now_us));
}

static void add_window(yyjson_mut_doc *doc, yyjson_mut_val *budget, struct gateway *g,
                       enum budget_window w, int64_t now_us)
{
    const struct budget_terms *terms = &g->config->budget;
    yyjson_mut_val *window = yyjson_mut_obj_add_obj(doc, budget, budget_window_name(w));
    for (enum budget_quantity q = BUDGET_BYTES; q < BUDGET_QUANTITIES; q++) {
        const double limit = terms->limit[w][q];
        yyjson_mut_val *one = yyjson_mut_obj_add_obj(doc, window, budget_quantity_name(q));
        add_amount(doc, one, "limit", limit > 0 ? limit : NAN);
        add_amount(doc, one, "left", budget_left(&g->budget, terms, w, q, now_us));
        add_amount(doc, one, "spent", budget_spent(&g->budget, w, BUDGET_PURPOSES, q, now_us));
        yyjson_mut_val *by = yyjson_mut_obj_add_obj(doc, one, "spent_for");
        for (enum budget_purpose p = BUDGET_ANSWER; p < BUDGET_PURPOSES; p++)
            add_amount(doc, by, budget_purpose_name(p), budget_spent(&g->budget, w, p, q, now_us));
    }
}

static void add_budget(yyjson_mut_doc *doc, yyjson_mut_val *cloud, struct gateway *g,
                       int64_t now_us)
{
    static const struct budget_amount least = {{1, 1, 1e-9}};
    struct budget_refusal why = {.wait_us = 0};
    const bool has_room = budget_allows(&g->budget, &g->config->budget, &least, 1.0, now_us, &why);
    yyjson_mut_val *budget = yyjson_mut_obj_add_obj(doc, cloud, "budget");
    yyjson_mut_obj_add_strcpy(doc, budget, "currency", g->config->currency);
    yyjson_mut_obj_add_bool(doc, budget, "has_room", has_room);
    add_number(doc, budget, "room_in_s", why.wait_us < 0 ? NAN : (double)why.wait_us / 1e6);
    add_amount(doc, budget, "share", budget_share(&g->budget, &g->config->budget, now_us));
    yyjson_mut_val *reserved = yyjson_mut_obj_add_obj(doc, budget, "reserved");
    for (enum budget_quantity q = BUDGET_BYTES; q < BUDGET_QUANTITIES; q++)
        add_amount(doc, reserved, budget_quantity_name(q), g->budget.reserved.of[q]);
    for (enum budget_window w = BUDGET_HOUR; w < BUDGET_WINDOWS; w++)
        add_window(doc, budget, g, w, now_us);
    yyjson_mut_val *held = yyjson_mut_obj_add_obj(doc, budget, "held");
    yyjson_mut_obj_add_uint(doc, held, "over_budget", g->metrics.escalations_held_total[0]);
    yyjson_mut_obj_add_uint(doc, held, "cloud_busy", g->metrics.escalations_held_total[1]);
}

/* null: there is none. */
static void add_fleet(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct gateway *g,
                      int64_t now_us)
{
    struct fleet_view now;
    struct journal_counts counts;
    if (!g->fleet) {
        yyjson_mut_obj_add_null(doc, root, "fleet");
        return;
    }
    fleet_look(g->fleet, &now);
    journal_count(g->journal, &counts);
    yyjson_mut_val *fleet = yyjson_mut_obj_add_obj(doc, root, "fleet");
    yyjson_mut_obj_add_strcpy(doc, fleet, "box", now.box);
    yyjson_mut_obj_add_strcpy(doc, fleet, "group", now.group);
    yyjson_mut_obj_add_bool(doc, fleet, "connected", now.is_connected);
    yyjson_mut_obj_add_uint(doc, fleet, "published", now.published);
    yyjson_mut_obj_add_int(doc, fleet, "waiting", now.waiting);
    yyjson_mut_obj_add_uint(doc, fleet, "lost", counts.lost);
    yyjson_mut_obj_add_uint(doc, fleet, "refused", now.refused);
    add_number(doc, fleet, "acknowledged_age_ms", age_ms(now.acknowledged_us, now_us));
    yyjson_mut_obj_add_strcpy(doc, fleet, "error", now.error);
}

char *state_json(struct gateway *g, int64_t now_us, size_t *ret_n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *edge = add_tier(doc, root, g, MOA_EDGE, now_us);
    add_load(doc, edge, g, now_us);
    add_program(doc, edge, g, now_us);
    yyjson_mut_val *cloud = add_tier(doc, root, g, MOA_CLOUD, now_us);
    add_uplink(doc, cloud, g, now_us);
    add_budget(doc, cloud, g, now_us);
    yyjson_mut_obj_add_uint(doc, root, "requests", g->n_exchanges);
    add_fleet(doc, root, g, now_us);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return text;
}

/* ---- metrics ---- */

static void read_journal_counts(const struct gateway *g, double ret_rows[METRICS_N_JOURNAL])
{
    for (size_t i = 0; i < METRICS_N_JOURNAL; i++)
        ret_rows[i] = NAN;
    if (!g->journal)
        return;
    struct journal_counts counts;
    journal_count(g->journal, &counts);
    ret_rows[METRICS_JOURNAL_WRITTEN] = (double)counts.written;
    ret_rows[METRICS_JOURNAL_DROPPED] = (double)counts.dropped;
    ret_rows[METRICS_JOURNAL_FAILED] = (double)counts.failed;
}

static void read_fleet(const struct gateway *g, struct metrics *m, int64_t now_us)
{
    struct fleet_view now = {.waiting = 0};
    struct journal_counts counts = {.lost = 0};
    const double unknown = g->fleet ? 0 : (double)NAN;
    if (g->fleet) {
        fleet_look(g->fleet, &now);
        journal_count(g->journal, &counts);
    }
    m->fleet_rows_total[METRICS_FLEET_PUBLISHED] = unknown + (double)now.published;
    m->fleet_rows_total[METRICS_FLEET_REFUSED] = unknown + (double)now.refused;
    m->fleet_rows_total[METRICS_FLEET_LOST] = unknown + (double)counts.lost;
    m->fleet_rows_waiting = unknown + (double)now.waiting;
    m->fleet_connected = unknown + now.is_connected;
    m->fleet_connects_total = unknown + (double)now.connects;
    m->fleet_sent_bytes_total = unknown + (double)now.sent_bytes;
    m->fleet_acknowledged_age_seconds = age_ms(now.acknowledged_us, now_us) / 1e3;
}

static void read_span_counts(const struct gateway *g, struct metrics *m)
{
    const struct exporter_counts counts = exporter_counts(g->exporter);
    m->trace_spans_total[METRICS_SPAN_SENT] = (double)counts.sent;
    m->trace_spans_total[METRICS_SPAN_DROPPED] = (double)counts.dropped;
    m->trace_spans_total[METRICS_SPAN_REJECTED] = (double)counts.rejected;
    m->trace_spans_waiting = (double)counts.waiting;
}

static void read_budget(struct gateway *g, int64_t now_us)
{
    struct metrics *m = &g->metrics;
    double *const spent[] = {m->cloud_spent_bytes_total, m->cloud_spent_requests_total,
                             m->cloud_spent_money_total};
    double *const left[] = {m->cloud_left_bytes, m->cloud_left_requests, m->cloud_left_money};
    for (enum budget_quantity q = BUDGET_BYTES; q < BUDGET_QUANTITIES; q++) {
        for (size_t p = 0; p < BUDGET_PURPOSES; p++)
            spent[q][p] = g->budget.ever[p].of[q];
        for (enum budget_window w = BUDGET_HOUR; w < BUDGET_WINDOWS; w++)
            left[q][w] = budget_left(&g->budget, &g->config->budget, w, q, now_us);
    }
}

static void read_guarantee(struct gateway *g)
{
    struct metrics *m = &g->metrics;
    const struct moa_guarantee *now = guarantee_now(g->guarantee);
    for (size_t i = 0; i < METRICS_N_STANDING; i++)
        m->guarantee_state[i] = i == (size_t)now->standing;
    m->guarantee_certified = now->certified;
    m->guarantee_threshold = now->certified ? now->threshold : (double)NAN;
    m->guarantee_kept_ratio = now->certified ? now->kept : (double)NAN;
    m->guarantee_reach_ratio = now->n_curve > 0 ? now->reach : (double)NAN;
    m->guarantee_bound_ratio = NAN;
    for (size_t i = 0; i < now->n_curve && now->certified; i++) {
        if (now->curve[i].threshold == now->threshold)
            m->guarantee_bound_ratio = now->curve[i].bound;
    }
    m->guarantee_generation = (double)now->generation;
    m->guarantee_audits = (double)now->n_audits;
    m->guarantee_lost = (double)now->n_lost;
    m->guarantee_drift = now->drift;
    m->guarantee_alarms_total = (double)now->n_alarms;
    m->guarantee_shifts_total = (double)now->n_shifts;
    m->guarantee_small_certified = now->small.is_asked ? now->small.certified : (double)NAN;
    m->guarantee_engines_total = (double)guarantee_n_engines(g->guarantee);
    m->guarantee_labels_waiting = (double)guarantee_n_waiting(g->guarantee);
}

static void read_program(struct gateway *g)
{
    struct metrics *m = &g->metrics;
    const struct keeper_view now = keeper_look(g->keeper);
    const bool is_there = now.state != KEEPER_NONE;
    for (size_t i = 0; i < METRICS_N_ENGINE; i++)
        m->engine_state[i] = is_there ? now.state == i + 1 : (double)NAN;
    m->engine_memory_bytes = now.pid > 0 ? (double)now.memory_bytes : (double)NAN;
}

/* What is known elsewhere, into the rows for it. */
static void read_gauges(struct gateway *g, int64_t now_us)
{
    struct metrics *m = &g->metrics;
    const struct sense *s = &g->sense;
    struct uplink_estimate e;
    uplink_estimate(&s->uplink, now_us, &e);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        m->in_flight[tier] = s->in_flight[tier];
    m->cache_bytes = (double)cache_bytes(g->cache);
    m->memory_bytes = (double)recall_bytes(g->recall);
    m->audits_in_flight = (double)g->n_audits;
    m->edge_load = edge_load(g, now_us);
    m->cpu_pressure_ratio = sense_pressure_known(s, now_us) ? s->pressure : NAN;
    m->uplink_mbps = sense_mbps(s, now_us);
    m->uplink_tcp_mbps = e.tcp_mbps;
    m->uplink_age_seconds = age_ms(e.measured_us, now_us) / 1e3;
    m->rtt_seconds = s->rtt_us > 0 ? (double)s->rtt_us / 1e6 : NAN;
    m->clock_moved_seconds = process_clock_ahead_s() - g->clock_ahead_s;
    read_budget(g, now_us);
    read_span_counts(g, m);
    read_journal_counts(g, m->journal_rows_total);
    read_fleet(g, m, now_us);
    read_guarantee(g);
    read_program(g);
}

#define ENDPOINT_ROW(name, type, help, value)                                                      \
    static double read_##name(const struct endpoint *e)                                            \
    {                                                                                              \
        return (double)(value);                                                                    \
    }
#include "metrics_rows.h"

static const struct {
    const char *name, *type, *help;
    double (*read)(const struct endpoint *endpoint);
} endpoint_rows[] = {
#define GAUGE "gauge"
#define TOTAL "counter"
#define ENDPOINT_ROW(name, type, help, value) {"moaoff_" #name, type, help, read_##name},
#include "metrics_rows.h"
#undef GAUGE
#undef TOTAL
};

static void write_endpoint_row(const struct gateway *g, size_t row, FILE *out)
{
    metrics_write_head(out, endpoint_rows[row].name, endpoint_rows[row].type,
                       endpoint_rows[row].help);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct endpoints *es = &g->settings->endpoints[tier];
        for (size_t i = 0; i < es->n; i++)
            metrics_write_of_endpoint(out, endpoint_rows[row].name, (enum moa_tier)tier,
                                      es->list[i]->name, endpoint_rows[row].read(es->list[i]));
    }
}

/* Which model and policy the figures are of: to be joined with them by Prometheus. */
static void write_infos(const struct gateway *g, FILE *out)
{
    metrics_write_head(out, "moaoff_tier_info", "gauge", "1; the configured model of a tier.");
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        fprintf(out, "moaoff_tier_info{tier=\"%s\",model=\"", moa_tier_name((enum moa_tier)tier));
        metrics_write_escaped(out, g->config->tier[tier].model);
        fputs("\"} 1\n", out);
    }
    metrics_write_head(out, "moaoff_policy_info", "gauge", "1; the policy that decides.");
    fprintf(out, "moaoff_policy_info{policy=\"%s\"} 1\n", g->config->policy);
}

void state_write_metrics(struct gateway *g, int64_t now_us, FILE *out)
{
    const char *const models[] = {g->config->tier[MOA_EDGE].model,
                                  g->config->tier[MOA_CLOUD].model};
    read_gauges(g, now_us);
    process_write(out);
    write_infos(g, out);
    metrics_write(&g->metrics, out);
    if (g->config->metrics_genai)
        genai_write(&g->genai, models, out);
    for (size_t row = 0; row < sizeof(endpoint_rows) / sizeof(endpoint_rows[0]); row++)
        write_endpoint_row(g, row, out);
}
