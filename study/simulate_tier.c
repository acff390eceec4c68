/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines of the simulation; see simulate_tier.h.
 */
#include "simulate_tier.h"

#include <math.h>
#include <stdlib.h>

int tier_init(struct tier_engine *ret_engine, const struct tier_plan *plan, uint64_t seed)
{
    struct tier_engine *e = ret_engine;
    *e = (struct tier_engine){.plan = plan, .due_us = SLOTS_NEVER};
    TAILQ_INIT(&e->waiting);
    rng_init(&e->rng, seed);
    if (plan->profile)
        e->slots = slots_new(plan->profile);
    else
        e->servers = calloc(plan->slots, sizeof(*e->servers));
    return e->slots || e->servers ? 0 : -1;
}

void tier_done(struct tier_engine *engine)
{
    slots_free(engine->slots);
    free(engine->servers);
    engine->slots = NULL;
    engine->servers = NULL;
}

/* ---- plain servers ---- */

static void find_due(struct tier_engine *e)
{
    e->due_us = SLOTS_NEVER;
    for (size_t i = 0; i < e->plan->slots; i++) {
        if (e->servers[i].job && e->servers[i].due_us < e->due_us)
            e->due_us = e->servers[i].due_us;
    }
}

static int64_t service_us(struct tier_engine *e)
{
    const double us = 1e3 * e->plan->service_ms;
    return llround(e->plan->service == TIER_EXPONENTIAL ? rng_exponential(&e->rng, us) : us);
}

static void serve(struct tier_engine *e, struct tier_job *job, int64_t now_us)
{
    struct tier_server *server = e->servers;
    while (server->job)
        server++;
    const int64_t us = service_us(e);
    *server = (struct tier_server){job, now_us + us};
    job->begun_us = now_us;
    e->busy_us += us;
    e->n_running++;
    if (server->due_us < e->due_us)
        e->due_us = server->due_us;
}

static void *next_of_servers(struct tier_engine *e, int64_t now_us)
{
    if (e->due_us > now_us)
        return NULL;
    struct tier_server *server = e->servers;
    while (!server->job || server->due_us != e->due_us)
        server++;
    struct tier_job *ended = server->job;
    ended->first_us = ended->ended_us = server->due_us;
    server->job = NULL;
    e->n_running--;
    struct tier_job *next = TAILQ_FIRST(&e->waiting);
    if (next) {
        TAILQ_REMOVE(&e->waiting, next, jobs);
        e->n_waiting--;
        serve(e, next, ended->ended_us);
    }
    find_due(e);
    return ended->owner;
}

/* ---- both ---- */

void tier_add(struct tier_engine *e, struct tier_job *job, const struct slots_work *work,
              void *owner, int64_t now_us)
{
    job->owner = owner;
    if (e->slots) {
        struct slots_work whole = *work;
        whole.whole = true;
        slots_add(e->slots, &job->slots, &whole, job, now_us);
    } else if (e->n_running < e->plan->slots) {
        serve(e, job, now_us);
    } else {
        TAILQ_INSERT_TAIL(&e->waiting, job, jobs);
        e->n_waiting++;
    }
}

int64_t tier_due_us(const struct tier_engine *engine)
{
    return engine->slots ? slots_due_us(engine->slots) : engine->due_us;
}

void *tier_next(struct tier_engine *engine, int64_t now_us)
{
    struct slots_token token;
    if (!engine->slots)
        return next_of_servers(engine, now_us);
    if (!slots_next(engine->slots, now_us, &token))
        return NULL;
    struct tier_job *job = token.owner;
    job->begun_us = token.begun_us;
    job->first_us = token.first_us;
    job->ended_us = token.due_us;
    return job->owner;
}

size_t tier_n(const struct tier_engine *e)
{
    return e->slots ? slots_n_running(e->slots) + slots_n_waiting(e->slots)
                    : e->n_running + e->n_waiting;
}

double tier_busy(const struct tier_engine *e, int64_t now_us)
{
    if (now_us <= 0)
        return 0.0;
    return e->slots ? (double)slots_busy_us(e->slots) / (double)now_us
                    : (double)e->busy_us / ((double)now_us * (double)e->plan->slots);
}
