/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of a simulation: its events in the order of their times; see simulate.h. Nothing is
 * allocated for a request: they come from chunks that are used again.
 */
#include "simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "simulate_private.h"

/* ---- what is to happen ---- */

void sim_schedule(struct sim_world *w, double at_us, enum sim_event kind, void *what)
{
    if (!event_push(&w->events, at_us, (int)kind, what))
        w->out_of_memory = true;
}

void sim_schedule_engine(struct sim_world *w, struct sim_engine *engine)
{
    const int64_t due_us = tier_due_us(&engine->tier);
    if (due_us == engine->scheduled_us)
        return;
    engine->scheduled_us = due_us;
    if (due_us != SLOTS_NEVER)
        sim_schedule(w, (double)due_us, SIM_ENGINE, engine);
}

void sim_schedule_link(struct sim_world *w, struct sim_box *box)
{
    const int64_t due_us = link_due_us(&box->link);
    if (due_us == box->link_scheduled_us)
        return;
    box->link_scheduled_us = due_us;
    if (due_us != LINK_NEVER)
        sim_schedule(w, (double)due_us, SIM_LINK, box);
}

/* ---- requests ---- */

static struct sim_request *new_request(struct sim_world *w)
{
    if (!w->free) {
        struct sim_chunk *chunk = malloc(sizeof(*chunk));
        if (!chunk)
            return NULL;
        chunk->next = w->chunks;
        w->chunks = chunk;
        for (size_t i = 0; i < SIM_CHUNK; i++) {
            chunk->requests[i].next = w->free;
            w->free = &chunk->requests[i];
        }
    }
    struct sim_request *r = w->free;
    w->free = r->next;
    return r;
}

void sim_request_free(struct sim_world *w, struct sim_request *request)
{
    request->next = w->free;
    w->free = request;
}

/* `time`: when and what, as it was somewhere; NULL: anything. */
static void arrive(struct sim_world *w, struct sim_box *box, const struct simulate_time *time)
{
    const struct questions *qs = w->questions;
    struct sim_request *r = new_request(w);
    if (!r) {
        w->out_of_memory = true;
        return;
    }
    const bool is_named = time && time->question < qs->n;
    const size_t i = is_named ? time->question : rng_below(&box->arrivals, qs->n);
    *r = (struct sim_request){.box = box,
                              .question = &qs->p[i],
                              .text_complexity = qs->p[i].text_complexity,
                              .image_complexity = qs->p[i].image_complexity,
                              .upload_bytes = qs->p[i].n_upload_bytes,
                              .serial = w->n_arrived++,
                              .arrived_us = w->now_us,
                              .threshold = NAN};
    if (time && !isnan(time->text_complexity))
        r->text_complexity = time->text_complexity;
    if (time && !isnan(time->image_complexity))
        r->image_complexity = time->image_complexity;
    if (time && !isnan(time->upload_bytes))
        r->upload_bytes = time->upload_bytes;
    r->scene = w->scenario->records.scenes == SCENES_FRESH ? r->serial : i;
    w->n_to_come--;
    box->n_arrived++;
    sim_begin(w, r);
    if (w->n_to_come == 0)
        sim_figures_last_arrival(w);
}

/* As somewhere else, over and over. */
static void on_time(struct sim_world *w, struct sim_box *box)
{
    const struct simulate_times *times = &w->questions->times;
    const double at_us = times->p[box->next_time].at_us;
    arrive(w, box, &times->p[box->next_time]);
    box->next_time = (box->next_time + 1) % times->n;
    const double begins_us = box->next_time == 0 ? times->period_us : 0.0;
    box->next_arrival_us += times->p[box->next_time].at_us + begins_us - at_us;
    if (w->n_to_come > 0)
        sim_schedule(w, box->next_arrival_us, SIM_ARRIVAL, box);
}

/* Requests that come together, and when the next ones do. */
static void on_arrival(struct sim_world *w, struct sim_box *box)
{
    const struct scenario *s = w->scenario;
    const bool is_warmup = s->arrivals.warmup_rate > 0 && (double)w->n_arrived < s->warmup;
    const double gap_us = 1e6 / (is_warmup ? s->arrivals.warmup_rate : s->arrivals.rate);
    const bool bursts = s->arrivals.process == ARRIVALS_BURSTS;
    size_t n = 1;
    while (bursts && rng_uniform(&box->arrivals) >= 1.0 / s->arrivals.burst)
        n++;
    for (size_t i = 0; i < n && w->n_to_come > 0; i++)
        arrive(w, box, NULL);
    if (w->n_to_come == 0)
        return;
    if (s->arrivals.process == ARRIVALS_REGULAR)
        box->next_arrival_us += gap_us;
    else
        box->next_arrival_us +=
            rng_exponential(&box->arrivals, gap_us * (bursts ? s->arrivals.burst : 1.0));
    sim_schedule(w, box->next_arrival_us, SIM_ARRIVAL, box);
}

/* ---- engines and links ---- */

static void on_engine(struct sim_world *w, struct sim_engine *engine, double at_us)
{
    struct sim_request *r;
    if (at_us != (double)engine->scheduled_us)
        return; /* something earlier came between */
    while ((r = tier_next(&engine->tier, w->now_us)) != NULL)
        sim_engine_ended(w, r);
    engine->scheduled_us = SLOTS_NEVER;
    sim_schedule_engine(w, engine);
}

static void on_link(struct sim_world *w, struct sim_box *box, double at_us)
{
    struct sim_request *r;
    if (at_us != (double)box->link_scheduled_us)
        return;
    while ((r = link_next(&box->link, w->now_us)) != NULL)
        sim_sent(w, r);
    box->link_scheduled_us = LINK_NEVER;
    sim_schedule_link(w, box);
}

static void schedule_outage(struct sim_world *w, struct sim_box *box)
{
    if (w->scenario->link.outage_every_s > 0.0)
        sim_schedule(w,
                     (double)w->now_us +
                         rng_exponential(&box->outages, 1e6 * w->scenario->link.outage_every_s),
                     SIM_OUTAGE, box);
}

/* The link goes down; what is on its way stands still until it is noticed, or over before. */
static void on_outage(struct sim_world *w, struct sim_box *box)
{
    struct sim_request *r;
    if (box->outage == OUTAGE_NONE) {
        box->outage = OUTAGE_UNNOTICED;
        box->outage_noticed_us = w->now_us + llround(1e6 * w->scenario->link.notice_s);
        box->outage_end_us =
            w->now_us + llround(rng_exponential(&box->outages, 1e6 * w->scenario->link.outage_s));
        link_set_down(&box->link, true, w->now_us);
        const int64_t next_us = box->outage_end_us < box->outage_noticed_us
                                    ? box->outage_end_us
                                    : box->outage_noticed_us;
        sim_schedule(w, (double)next_us, SIM_OUTAGE, box);
    } else if (w->now_us < box->outage_end_us) {
        box->outage = OUTAGE_NOTICED;
        while ((r = link_drop(&box->link, w->now_us)) != NULL)
            sim_failed(w, r);
        sim_schedule(w, (double)box->outage_end_us, SIM_OUTAGE, box);
    } else {
        box->outage = OUTAGE_NONE;
        link_set_down(&box->link, false, w->now_us);
        if (w->n_to_come > 0) /* the world ends when nothing is left to happen */
            schedule_outage(w, box);
    }
    sim_schedule_link(w, box);
}

static void happen(struct sim_world *w, const struct event_entry *e)
{
    switch ((enum sim_event)e->kind) {
    case SIM_ARRIVAL:
        if (w->questions->times.n > 0)
            on_time(w, e->what);
        else
            on_arrival(w, e->what);
        break;
    case SIM_ENGINE:
        on_engine(w, e->what, e->at);
        break;
    case SIM_LINK:
        on_link(w, e->what, e->at);
        break;
    case SIM_SEND:
        sim_send(w, e->what);
        break;
    case SIM_REACHED:
        sim_reached(w, e->what);
        break;
    case SIM_BACK:
        sim_back(w, e->what);
        break;
    case SIM_FAILED:
        sim_failed(w, e->what);
        break;
    case SIM_OUTAGE:
        on_outage(w, e->what);
        break;
    }
}

/* ---- a world ---- */

/* What is drawn for one purpose tells nothing of what is drawn for another. */
enum sim_purpose { FOR_ARRIVALS, FOR_OUTAGES, FOR_EDGES, FOR_CLOUDS };

static uint64_t seed_of(const struct scenario *s, enum sim_purpose what, size_t i)
{
    uint64_t x = (uint64_t)s->seed * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 31) ^ (uint64_t)what) * 0xbf58476d1ce4e5b9u;
    return (x ^ (x >> 29) ^ i) * 0x94d049bb133111ebu;
}

static int make_engines(struct sim_engine *engines, size_t n, const struct tier_plan *plan,
                        uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        engines[i].scheduled_us = SLOTS_NEVER;
        if (tier_init(&engines[i].tier, plan, seed + i))
            return -1;
    }
    return 0;
}

static int make_box(struct sim_world *w, size_t i)
{
    const struct scenario *s = w->scenario;
    const struct simulate_policy *policy = w->result->policy;
    struct sim_box *box = &w->boxes[i];
    *box = (struct sim_box){.link_scheduled_us = LINK_NEVER};
    rng_init(&box->arrivals, seed_of(s, FOR_ARRIVALS, i));
    rng_init(&box->outages, seed_of(s, FOR_OUTAGES, i));
    link_init(&box->link, s->link.mbps, w->flow_mbps);
    box->edges = calloc(w->n_edges, sizeof(*box->edges));
    if (!box->edges ||
        make_engines(box->edges, w->n_edges, &w->plan[MOA_EDGE], seed_of(s, FOR_EDGES, i)) ||
        moa_policy_new(policy->name, policy->settings, &box->policy))
        return -1;
    box->adaptive = moa_policy_adaptive(box->policy);
    const double holds[] = {moa_policy_value(box->policy, "edge_first.hold_tokens"),
                            moa_policy_value(box->policy, "adaptive.hold_tokens")};
    box->hold_tokens = fmax(isnan(holds[0]) ? 0.0 : holds[0], isnan(holds[1]) ? 0.0 : holds[1]);
    box->audits_max = moa_policy_value(box->policy, "adaptive.shadow_max");
    const uint64_t key[2] = {rng_next(&box->outages), rng_next(&box->outages)};
    if (box->adaptive && moa_adaptive_set_key(box->adaptive, key))
        return -1;
    box->next_time = i * w->questions->times.n / w->n_boxes;
    box->next_arrival_us =
        rng_exponential(&box->arrivals, 1e6 / s->arrivals.rate); /* boxes are out of step */
    sim_schedule(w, box->next_arrival_us, SIM_ARRIVAL, box);
    schedule_outage(w, box);
    return 0;
}

static int make_modalities(struct sim_world *w)
{
    const struct scenario *s = w->scenario;
    w->n_modalities = 1 + (size_t)s->request.images;
    w->modalities = calloc(w->n_modalities, sizeof(*w->modalities));
    w->choices = calloc(w->n_modalities, sizeof(*w->choices));
    if (!w->modalities || !w->choices)
        return -1;
    for (size_t i = 1; i < w->n_modalities; i++)
        w->modalities[i] =
            (struct moa_modality){.kind = MOA_IMAGE, .bytes = (uint64_t)s->request.image_bytes};
    return 0;
}

static int make_world(struct sim_world *w)
{
    const struct scenario *s = w->scenario;
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++)
        w->plan[t] = scenario_plan(&s->tier[t]);
    w->flow_mbps = link_flow_mbps(s->link.mbps, s->link.rtt_ms, s->link.loss);
    w->n_boxes = (size_t)s->boxes;
    w->n_edges = (size_t)s->tier[MOA_EDGE].engines;
    w->n_clouds = (size_t)s->tier[MOA_CLOUD].engines;
    w->n_to_come = (uint64_t)s->requests;
    w->boxes = calloc(w->n_boxes, sizeof(*w->boxes));
    w->clouds = calloc(w->n_clouds, sizeof(*w->clouds));
    if (!w->boxes || !w->clouds || make_modalities(w) || sim_figures_begin(w) ||
        make_engines(w->clouds, w->n_clouds, &w->plan[MOA_CLOUD], seed_of(s, FOR_CLOUDS, 0)))
        return -1;
    for (size_t i = 0; i < w->n_boxes; i++) {
        if (make_box(w, i))
            return -1;
    }
    return w->out_of_memory ? -1 : 0;
}

static void world_done(struct sim_world *w)
{
    for (size_t i = 0; w->boxes && i < w->n_boxes; i++) {
        for (size_t k = 0; w->boxes[i].edges && k < w->n_edges; k++)
            tier_done(&w->boxes[i].edges[k].tier);
        free(w->boxes[i].edges);
        link_done(&w->boxes[i].link);
        moa_policy_free(w->boxes[i].policy);
    }
    for (size_t i = 0; w->clouds && i < w->n_clouds; i++)
        tier_done(&w->clouds[i].tier);
    while (w->chunks) {
        struct sim_chunk *next = w->chunks->next;
        free(w->chunks);
        w->chunks = next;
    }
    event_heap_done(&w->events);
    sim_figures_done(w);
    free(w->boxes);
    free(w->clouds);
    free(w->modalities);
    free(w->choices);
}

static bool holds_answers(const struct simulate_policy *policy)
{
    return strcmp(policy->name, "edge-first") == 0 || strcmp(policy->name, "adaptive") == 0;
}

int simulate_run(const struct scenario *scenario, const struct questions *questions,
                 const struct simulate_policy *policy, struct simulate_result *ret_result,
                 char *why, size_t n)
{
    struct simulate_result result = {.policy = policy};
    struct sim_world w = {.scenario = scenario, .questions = questions, .result = &result};
    if (!questions->have_answers && holds_answers(policy)) {
        snprintf(why, n, "%s needs records: it goes by what the edge answers", policy->name);
        return -1;
    }
    int failed = make_world(&w);
    while (!failed && w.events.n > 0) {
        const struct event_entry e = event_pop(&w.events);
        w.now_us = (int64_t)e.at;
        happen(&w, &e);
        failed = w.out_of_memory ? -1 : 0;
    }
    if (failed)
        snprintf(why, n, "out of memory");
    else
        sim_figures_end(&w);
    world_done(&w);
    if (failed)
        simulate_result_done(&result);
    else
        *ret_result = result;
    return failed;
}

/* ---- policies ---- */

int simulate_policy_read(const char *text, struct simulate_policy *ret_policy, char *why, size_t n)
{
    struct simulate_policy p = {.label = text};
    const size_t length = strcspn(text, ":");
    const char *words = text[length] ? text + length + 1 : "";
    snprintf(p.name, sizeof(p.name), "%.*s", (int)length, text);
    if (length >= sizeof(p.name) || !moa_policy_summary(p.name)) {
        snprintf(why, n, "no policy \"%.*s\"", (int)length, text);
        return -1;
    }
    /* Nobody has recorded descriptions: what would be split goes to the cloud whole. */
    p.settings[0] = (struct moa_policy_setting){"split", 1};
    if (policy_words_read(p.name, words, p.settings + 1, why, n))
        return -1;
    *ret_policy = p;
    return 0;
}
