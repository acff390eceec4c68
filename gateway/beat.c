/* SPDX-License-Identifier: Apache-2.0
 *
 * What a box says of itself to its fleet, every ten seconds; see beat.h. Numbers and words of the
 * gateway's own; no URL, no model's name, nothing of a request.
 */
#include "beat.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>
#include <yyjson.h>

#include "fleet.h"
#include "gateway.h"
#include "guarantee.h"
#include "journal.h"
#include "json_number.h"
#include "server.h"
#include "state.h"

#define BEAT_S 10

struct beat {
    struct gateway *gateway;
    struct event *timer;
    int64_t started_ms;
};

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_requests(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct metrics *m)
{
    uint64_t answers = 0;
    for (size_t i = 0; i < METRICS_N_PLAN; i++)
        answers += m->answers_total[i];
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "requests");
    yyjson_mut_obj_add_uint(doc, o, "answered", answers);
    yyjson_mut_obj_add_uint(doc, o, "kept", m->saved_requests_total);
    yyjson_mut_obj_add_uint(doc, o, "escalated", m->escalations_total);
    yyjson_mut_obj_add_uint(doc, o, "failed", m->chat_requests_total[5]); /* status 5xx */
    yyjson_mut_obj_add_uint(doc, o, "fallbacks",
                            m->fallbacks_total[MOA_EDGE] + m->fallbacks_total[MOA_CLOUD]);
}

static void add_guarantee(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct gateway *g)
{
    const struct moa_guarantee *now = guarantee_now(g->guarantee);
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "guarantee");
    yyjson_mut_obj_add_str(doc, o, "state", moa_standing_name(now->standing));
    yyjson_mut_obj_add_bool(doc, o, "certified", now->certified);
    json_add_number(doc, o, "kept", now->certified ? now->kept : (double)NAN);
    yyjson_mut_obj_add_uint(doc, o, "generation", now->generation);
    yyjson_mut_obj_add_uint(doc, o, "audits", now->n_audits);
    yyjson_mut_obj_add_uint(doc, o, "lost", now->n_lost);
    yyjson_mut_obj_add_uint(doc, o, "alarms", now->n_alarms);
}

static void add_link(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct gateway *g)
{
    struct moa_state state;
    state_read(g, server_now_us(), &state);
    yyjson_mut_obj_add_bool(doc, root, "edge_up", state.edge_up);
    yyjson_mut_obj_add_bool(doc, root, "cloud_up", state.cloud_up);
    json_add_number(doc, root, "edge_load", state.edge_load);
    json_add_number(doc, root, "uplink_mbps", state.uplink_mbps);
    json_add_number(doc, root, "rtt_ms",
                    g->sense.rtt_us > 0 ? (double)g->sense.rtt_us / 1e3 : (double)NAN);
}

static void add_outbox(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct gateway *g)
{
    struct fleet_view now;
    struct journal_counts counts;
    fleet_look(g->fleet, &now);
    journal_count(g->journal, &counts);
    yyjson_mut_obj_add_strcpy(doc, root, "journal", now.journal);
    yyjson_mut_obj_add_uint(doc, root, "published", now.published);
    yyjson_mut_obj_add_int(doc, root, "waiting", now.waiting);
    yyjson_mut_obj_add_uint(doc, root, "lost", counts.lost);
}

static char *words_of(const struct beat *beat)
{
    struct gateway *g = beat->gateway;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "version", moa_version());
    yyjson_mut_obj_add_int(doc, root, "time_ms", unix_ms());
    yyjson_mut_obj_add_int(doc, root, "started_ms", beat->started_ms);
    yyjson_mut_obj_add_str(doc, root, "policy", g->config->policy);
    add_outbox(doc, root, g);
    add_requests(doc, root, &g->metrics);
    add_guarantee(doc, root, g);
    add_link(doc, root, g);
    char *words = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    return words;
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    const struct beat *beat = arg;
    fleet_tell(beat->gateway->fleet, words_of(beat));
}

struct beat *beat_new(struct gateway *g)
{
    struct beat *beat = calloc(1, sizeof(*beat));
    if (!beat)
        return NULL;
    *beat = (struct beat){.gateway = g, .started_ms = unix_ms()};
    beat->timer = event_new(g->base, -1, EV_PERSIST, on_beat, beat);
    if (!beat->timer || event_add(beat->timer, &(struct timeval){.tv_sec = BEAT_S})) {
        beat_free(beat);
        return NULL;
    }
    event_active(beat->timer, EV_TIMEOUT, 0); /* the first as soon as the loop runs */
    return beat;
}

void beat_free(struct beat *beat)
{
    if (!beat)
        return;
    if (beat->timer)
        event_free(beat->timer);
    free(beat);
}
