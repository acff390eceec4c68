/* SPDX-License-Identifier: Apache-2.0
 *
 * A tier of the simulation: engines with a queue each. An engine is that of a profile, with
 * the timeline that `moaoff engine` has (slots.h), or plain servers whose service takes a constant
 * or an exponentially distributed time. Pure; times in microseconds.
 */
#ifndef MOA_STUDY_SIMULATE_TIER_H
#define MOA_STUDY_SIMULATE_TIER_H

#include "slots.h"
#include "stats.h"

enum tier_service { TIER_CONSTANT, TIER_EXPONENTIAL };

struct tier_plan {
    const struct profile *profile; /* NULL: plain servers, */
    size_t slots;                  /* as many in an engine, */
    double service_ms;             /* with this mean */
    enum tier_service service;
};

/** A call, in the memory of its owner, who reads the times once it has ended. */
struct tier_job {
    struct slots_job slots;
    TAILQ_ENTRY(tier_job) jobs; /* of those that wait for a server, or of free ones */
    void *owner;
    int64_t begun_us, first_us, ended_us; /* its turn, its first token, its last */
};

struct tier_server {
    struct tier_job *job; /* NULL: free */
    int64_t due_us;
};

struct tier_engine {
    const struct tier_plan *plan;
    struct slots *slots; /* with a profile; otherwise */
    struct tier_server *servers;
    TAILQ_HEAD(tier_jobs, tier_job) waiting;
    size_t n_waiting, n_running;
    struct rng rng; /* of service times */
    int64_t busy_us, due_us;
};

/** -1 if out of memory. `plan` is borrowed. The result goes to tier_done() in any case. */
int tier_init(struct tier_engine *ret_engine, const struct tier_plan *plan, uint64_t seed);
void tier_done(struct tier_engine *engine);

/** `work` counts with a profile only. `job` must not move until tier_next() has given it back. */
void tier_add(struct tier_engine *engine, struct tier_job *job, const struct slots_work *work,
              void *owner, int64_t now_us);

/** SLOTS_NEVER if there is nothing to do. */
int64_t tier_due_us(const struct tier_engine *engine);
/** The owner of a call that has ended by now_us, or NULL. */
void *tier_next(struct tier_engine *engine, int64_t now_us);

size_t tier_n(const struct tier_engine *engine); /* calls that wait or run */
/** Share of the time until now_us in which the accelerator worked, or of servers that did. */
double tier_busy(const struct tier_engine *engine, int64_t now_us);

#endif
