/* SPDX-License-Identifier: Apache-2.0
 *
 * A small pool of threads that score images off the event loop and call back on it. A job borrows
 * what it reads; its owner keeps that unchanged until `done` has been called.
 */
#ifndef MOA_GATEWAY_WORKER_H
#define MOA_GATEWAY_WORKER_H

#include <stddef.h>

struct event_base;
struct worker_pool;

struct worker_job {
    void (*run)(struct worker_job *job);  /* on a worker thread; touches only the job */
    void (*done)(struct worker_job *job); /* on the loop thread, once, after `run` */
    struct worker_job *next;              /* the pool's */
};

/** NULL with errno set on failure. `n_threads` is at least 1. */
struct worker_pool *worker_pool_new(struct event_base *base, size_t n_threads);

/** Finishes every submitted job, its `done` included, then ends the threads. NULL is allowed. */
void worker_pool_free(struct worker_pool *pool);

/** Loop thread only. Jobs start in the order in which they were submitted. */
void worker_submit(struct worker_pool *pool, struct worker_job *job);

#endif
