/* SPDX-License-Identifier: Apache-2.0
 *
 * What `moaoff serve` is made of: one of each leaf around the hub (exchange.c). serve.c puts it
 * together and runs the loop; only it and the hub see this struct.
 */
#ifndef MOA_GATEWAY_GATEWAY_H
#define MOA_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "budget.h"
#include "config.h"
#include "endpoint.h"
#include "feedback.h"
#include "memory.h"
#include "metrics.h"
#include "metrics_genai.h"
#include "rerun.h"
#include "sense.h"
#include "settings.h"

struct beat;
struct exchange;
struct fleet;
struct keeper;
struct picture;

struct gateway {
    const char *config_path;                 /* NULL: defaults only */
    const struct config_override *overrides; /* what the command line says, also after a reload */
    struct settings *settings;               /* of requests that begin now */
    const struct config *config;             /* the settings' */
    struct event_base *base;
    struct server *server;
    struct memory_budget bodies; /* of requests, until they are freed */
    struct memory_budget kept;   /* pixels between scoring and re-encoding; images_kept.c's */
    enum moa_tier pictures_tier; /* where the last picture went first */
    struct upstream *upstream;
    struct worker_pool *workers;
    struct worker_pool *fetchers;  /* threads that may wait; NULL if nothing is fetched */
    struct cache *cache;           /* of what is known about images */
    struct recall_store *recall;   /* of what was answered a moment ago */
    LIST_HEAD(, picture) pictures; /* that are worked on; images.c's */
    struct keys *keys;             /* NULL: no key is asked for */
    struct journal *journal;       /* NULL: none */
    struct fleet *fleet;           /* NULL: none */
    struct beat *beat;             /* what it is told */
    struct watch *watch;
    struct keeper *keeper;     /* of the edge's engine, if that is the gateway's to run */
    struct exporter *exporter; /* of traces */
    rerun_function *rerun;     /* for GET /v1/replay, */
    bool is_rerunning;         /* one at a time */
    struct sense sense;
    struct metrics metrics;
    struct genai genai;
    double clock_ahead_s; /* at the start; see metrics_process.h */
    struct feedback feedback;
    struct budget budget;            /* of the cloud */
    struct guarantee *guarantee;     /* the keeper of the policy `adaptive` */
    LIST_HEAD(, exchange) exchanges; /* in flight, the newest first */
    size_t n_exchanges;
    LIST_HEAD(, exchange) shadows; /* their clients have their answers, the newest first */
    size_t n_shadows;
    size_t n_audits;              /* exchanges that are audited, of both lists */
    struct exchange *edge_shadow; /* whose shadow call the edge works on; NULL: none */
    bool no_audits;               /* no more of them: the gateway ends */
    bool tells_times[2];          /* by tier: its answers end with how long they took */
    int64_t freed_us; /* when a request's body was freed; 0: its memory is the system's again */
};

#endif
