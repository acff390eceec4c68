/* SPDX-License-Identifier: Apache-2.0
 *
 * A small pool of threads that score images off the event loop and call back on it. A job borrows
 * what it reads; its owner keeps that unchanged until `done` has been called.
 *
 * Who waits for a thread is served fairly: a free thread goes to the client that has the fewest
 * threads at work, or else has used the least time, and among that client's requests likewise.
 * Somebody's heavy jobs so delay another's by the one that runs, however many there are.
 */
#ifndef MOA_GATEWAY_WORKER_H
#define MOA_GATEWAY_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define WORKER_CLIENTS 256

struct event_base;
struct worker_pool;

struct worker_job {
    void (*run)(struct worker_job *job);  /* on a worker thread; touches only the job */
    void (*done)(struct worker_job *job); /* on the loop thread, once, after `run` */
    /* The pool's. */
    STAILQ_ENTRY(worker_job) next;
    struct worker_pool *pool;
    struct worker_line *line;
    uint64_t held_bytes;
};

/** What somebody has of the threads. The pool's. */
struct worker_share {
    unsigned n_running;
    int64_t used_us;
    int64_t floor_us; /* what who comes anew counts as having used */
};

/** The jobs of one request in one pool, which start in the order of their submission. Zeroed but
 * for `client` at first; it stays where it is while it has jobs. */
struct worker_line {
    unsigned client; /* whose request it is, below WORKER_CLIENTS */
    /* The pool's. */
    struct worker_share share;
    STAILQ_HEAD(, worker_job) jobs;
    TAILQ_ENTRY(worker_line) waiting;
};

struct worker_options {
    size_t n_threads; /* at least 1 */
    size_t n_spare;   /* that no client alone may have, below n_threads */
};

/** NULL with errno set on failure. */
struct worker_pool *worker_pool_new(struct event_base *base, const struct worker_options *options);

/** Finishes every submitted job, its `done` included, then ends the threads. NULL is allowed. */
void worker_pool_free(struct worker_pool *pool);

/** What worker_hold() may hold in all, bytes. */
void worker_set_memory(struct worker_pool *pool, uint64_t bytes);

/** Loop thread only. */
void worker_submit(struct worker_pool *pool, struct worker_line *line, struct worker_job *job);

/**
 * From a job that runs, once at most: it will need so much memory until it ends. Waits until there
 * is room beside what other jobs hold; who needs more than there ever is, waits until it is alone.
 */
void worker_hold(struct worker_job *job, uint64_t bytes);

#endif
