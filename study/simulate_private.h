/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a simulation: simulate.c has the world and its events, simulate_life.c what a
 * request goes through, simulate_figures.c what is made of it.
 */
#ifndef MOA_STUDY_SIMULATE_PRIVATE_H
#define MOA_STUDY_SIMULATE_PRIVATE_H

#include "simulate.h"
#include "simulate_link.h"

/** Things that happen; `what` of the event in brackets. */
enum sim_event {
    SIM_ARRIVAL, /* box: a request, or several */
    SIM_ENGINE,  /* engine: something may have ended */
    SIM_SEND,    /* request: its upload begins to flow */
    SIM_LINK,    /* box: an upload may be through */
    SIM_REACHED, /* request: the cloud has it */
    SIM_BACK,    /* request: its answer is here */
    SIM_FAILED,  /* request: its call to the cloud has failed */
    SIM_OUTAGE,  /* box: its link goes down, is noticed to be, or comes back */
};

struct sim_engine {
    struct tier_engine tier;
    int64_t scheduled_us; /* of the event that counts; others are stale */
};

enum sim_outage { OUTAGE_NONE, OUTAGE_UNNOTICED, OUTAGE_NOTICED };

struct sim_box {
    struct moa_policy *policy;
    struct moa_adaptive *adaptive; /* of that policy, or NULL */
    struct sim_engine *edges;
    struct link link;
    int64_t link_scheduled_us;
    enum sim_outage outage;
    int64_t outage_noticed_us, outage_end_us;
    double hold_tokens; /* of the policy; 0: it holds nothing */
    struct rng arrivals, outages;
    double next_arrival_us;
    size_t next_time; /* of the questions' times, if there are some */
    double n_arrived;
    double n_calls[2];               /* our own in flight, by enum moa_tier */
    double n_audits, audits_max;     /* under way, and how many may be */
    struct sim_request *edge_shadow; /* whose call to the edge is for an audit alone */
    struct sim_request *shadows_first, *shadows_last; /* that wait for it */
};

struct sim_request {
    struct tier_job job;
    struct sim_request *next; /* free ones; of those that wait for the edge */
    struct sim_box *box;
    const struct question *question;
    double text_complexity, image_complexity, upload_bytes;
    uint64_t serial, scene;
    int64_t arrived_us;
    struct sim_engine *engine;
    enum moa_plan plan;
    double threshold;
    const struct moa_answer *scored; /* of the edge's answer, */
    size_t n_scored;                 /* tokens scored */
    struct moa_choice choice;
    struct moa_state state;
    struct moa_routing routing;
    double n_ahead[2], busy[2], sending_ms; /* as they were when it was decided */
    int64_t sent_us[2];                     /* by enum moa_tier */
    bool queued[2];                         /* the same: it went to a tier that was full */
    bool called[2], got[2];                 /* by enum moa_tier */
    bool escalated, answered, failed_over;
    bool audited;               /* it has a place among the audits that are under way */
    int64_t since_us;           /* that its audit waits for the edge */
    double transfer_s, infer_s; /* of the call that answered */
    struct moa_call_times times[2];
};

enum { SIM_CHUNK = 1024 };

struct sim_chunk {
    struct sim_chunk *next;
    struct sim_request requests[SIM_CHUNK];
};

struct sim_world {
    const struct scenario *scenario;
    const struct questions *questions;
    struct simulate_result *result;
    struct tier_plan plan[2];
    struct event_heap events;
    struct sim_box *boxes;
    struct sim_engine *clouds;
    size_t n_edges, n_clouds, n_boxes;
    int64_t now_us;
    uint64_t n_arrived, n_to_come;
    bool out_of_memory;

    struct sim_chunk *chunks;
    struct sim_request *free;

    struct moa_modality *modalities; /* of the request that is being decided */
    struct moa_choice *choices;
    size_t n_modalities;
    double flow_mbps;

    double *latencies_ms, *errors;
    size_t n_latencies, n_errors;
    struct simulate_sums batches[SIMULATE_BATCHES];
};

/* simulate.c */
void sim_schedule(struct sim_world *w, double at_us, enum sim_event kind, void *what);
void sim_schedule_engine(struct sim_world *w, struct sim_engine *engine);
void sim_schedule_link(struct sim_world *w, struct sim_box *box);
void sim_request_free(struct sim_world *w, struct sim_request *request);

/* simulate_life.c, in the order of a life */
void sim_begin(struct sim_world *w, struct sim_request *request);
void sim_send(struct sim_world *w, struct sim_request *request);
void sim_sent(struct sim_world *w, struct sim_request *request);
void sim_reached(struct sim_world *w, struct sim_request *request);
void sim_engine_ended(struct sim_world *w, struct sim_request *request);
void sim_back(struct sim_world *w, struct sim_request *request);
void sim_failed(struct sim_world *w, struct sim_request *request);

/* simulate_figures.c */
int sim_figures_begin(struct sim_world *w);
void sim_figures_answered(struct sim_world *w, const struct sim_request *request, enum moa_tier by);
/** The cloud is asked by an audit alone, after `request` was answered. */
void sim_figures_audited(struct sim_world *w, const struct sim_request *request);
void sim_figures_last_arrival(struct sim_world *w);
void sim_figures_end(struct sim_world *w);
void sim_figures_done(struct sim_world *w);

#endif
