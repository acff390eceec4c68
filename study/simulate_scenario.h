/* SPDX-License-Identifier: Apache-2.0
 *
 * What is simulated: boxes, their tiers, links and arrivals, as a file of YAML or single settings
 * say (docs/simulate.md). One table of keys has their ranges and defaults.
 */
#ifndef MOA_STUDY_SIMULATE_SCENARIO_H
#define MOA_STUDY_SIMULATE_SCENARIO_H

#include <stdio.h>

#include "profile.h"
#include "simulate_tier.h"

#define SCENARIO_PATH_BYTES 1024

enum scenario_arrivals { ARRIVALS_POISSON, ARRIVALS_REGULAR, ARRIVALS_BURSTS };
enum scenario_scenes { SCENES_FRESH, SCENES_REPEATED };

struct scenario_tier {
    char profile_path[SCENARIO_PATH_BYTES];
    struct profile profile; /* if there is a path */
    double service_ms;      /* if there is none */
    int service;            /* enum tier_service */
    double slots;           /* of an engine; 0: the profile's, or 1 */
    double engines;
};

struct scenario {
    double requests, warmup, blocks, boxes, seed;
    struct {
        double rate, warmup_rate; /* requests a second of each box; 0: the same */
        int process;              /* enum scenario_arrivals */
        double burst;
        char path[SCENARIO_PATH_BYTES]; /* of times; "": none */
    } arrivals;
    struct {
        char path[2][SCENARIO_PATH_BYTES]; /* by enum moa_tier; "": none */
        int scenes;                        /* enum scenario_scenes */
        int labels;
    } records;
    struct {
        double text_bytes, text_complexity, answer_tokens; /* without records */
        double images, image_width_px, image_height_px, image_bytes;
        double image_complexity_min, image_complexity_max;
        double deadline_s;
        int stream; /* answers come token by token, and the first of them are scored */
    } request;
    struct scenario_tier tier[2]; /* by enum moa_tier; the edge is every box's own */
    struct {
        double mbps, rtt_ms, loss;
        double seen_rtt_ms; /* what the box takes the round trip for; below 0: rtt_ms */
        int slow_start;
        double outage_every_s, outage_s, notice_s;
    } link;
    double gateway_ms, cloud_queue;
    struct {
        double million_prompt_tokens, million_answer_tokens, picture, gigabyte; /* of the cloud */
        double edge_hour, cloud_hour; /* of an edge and of a cloud engine */
    } prices;
};

void scenario_init(struct scenario *ret_scenario);

/** Sets what the file says. -1 with "PATH:LINE: what is wrong" in `why` of n bytes. Files that it
 * names lie beside it. */
int scenario_read(const char *path, struct scenario *scenario, char *why, size_t n);

/** Sets one key: "link.mbps=20". -1 with what is wrong in `why`. */
int scenario_set(struct scenario *scenario, const char *setting, char *why, size_t n);

/** Reads the profiles and checks what one key alone cannot tell. -1 as above. */
int scenario_finish(struct scenario *scenario, char *why, size_t n);

/** Plan of a tier's engines; borrows from the scenario. */
struct tier_plan scenario_plan(const struct scenario_tier *tier);

/** Every key with its value, as a file that scenario_read() takes. */
void scenario_print(const struct scenario *scenario, FILE *out);

#endif
