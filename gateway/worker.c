/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker pool; see worker.h. One lock, around who waits, what is held and the list of finished
 * jobs.
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

struct client {
    struct worker_share share;
    TAILQ_HEAD(, worker_line) lines; /* that wait */
    TAILQ_ENTRY(client) waiting;
};

STAILQ_HEAD(jobs, worker_job);

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a thread may have something to do */
    pthread_cond_t room; /* less memory is held */
    struct worker_share all;
    struct client clients[WORKER_CLIENTS];
    TAILQ_HEAD(, client) waiting;
    struct jobs finished;
    uint64_t held_bytes, max_held_bytes;
    bool ending;
    int wake_fd; /* written by workers, read by the loop */
    struct event *wake;
    size_t n_spare, n_threads;
    pthread_t threads[];
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- whose turn it is; with the lock held ---- */

static bool is_before(const struct worker_share *a, const struct worker_share *b)
{
    return a->n_running != b->n_running ? a->n_running < b->n_running : a->used_us < b->used_us;
}

/* Who has not waited has no claim to what it has not used meanwhile. */
static void join(struct worker_share *share, const struct worker_share *among)
{
    if (share->n_running == 0 && share->used_us < among->floor_us)
        share->used_us = among->floor_us;
}

static void start(struct worker_share *share, struct worker_share *among)
{
    share->n_running++;
    if (among->floor_us < share->used_us)
        among->floor_us = share->used_us;
}

static void stop(struct worker_share *share, int64_t us)
{
    share->n_running--;
    share->used_us += us;
}

static void push(struct worker_pool *pool, struct worker_line *line, struct worker_job *job)
{
    struct client *client = &pool->clients[line->client];
    if (TAILQ_EMPTY(&client->lines)) {
        join(&client->share, &pool->all);
        TAILQ_INSERT_TAIL(&pool->waiting, client, waiting);
    }
    if (!line->jobs.stqh_last)
        STAILQ_INIT(&line->jobs);
    if (STAILQ_EMPTY(&line->jobs)) {
        join(&line->share, &client->share);
        TAILQ_INSERT_TAIL(&client->lines, line, waiting);
    }
    STAILQ_INSERT_TAIL(&line->jobs, job, next);
}

static struct client *next_client(struct worker_pool *pool)
{
    struct client *client, *best = NULL;
    TAILQ_FOREACH(client, &pool->waiting, waiting)
    {
        const bool may = pool->ending || client->share.n_running + pool->n_spare < pool->n_threads;
        if (may && (!best || is_before(&client->share, &best->share)))
            best = client;
    }
    return best;
}

/* NULL if nobody may have a thread now. */
static struct worker_job *pop(struct worker_pool *pool)
{
    struct client *client = next_client(pool);
    if (!client)
        return NULL;
    struct worker_line *line, *best = NULL;
    TAILQ_FOREACH(line, &client->lines, waiting)
    {
        if (!best || is_before(&line->share, &best->share))
            best = line;
    }
    struct worker_job *job = STAILQ_FIRST(&best->jobs);
    STAILQ_REMOVE_HEAD(&best->jobs, next);
    /* Behind the others, so that equals take turns. */
    TAILQ_REMOVE(&client->lines, best, waiting);
    if (!STAILQ_EMPTY(&best->jobs))
        TAILQ_INSERT_TAIL(&client->lines, best, waiting);
    TAILQ_REMOVE(&pool->waiting, client, waiting);
    if (!TAILQ_EMPTY(&client->lines))
        TAILQ_INSERT_TAIL(&pool->waiting, client, waiting);
    start(&client->share, &pool->all);
    start(&best->share, &client->share);
    return job;
}

static void end(struct worker_pool *pool, struct worker_job *job, int64_t us)
{
    stop(&job->line->share, us);
    stop(&pool->clients[job->line->client].share, us);
    pool->held_bytes -= job->held_bytes;
    if (job->held_bytes > 0)
        pthread_cond_broadcast(&pool->room);
    STAILQ_INSERT_TAIL(&pool->finished, job, next);
    uint64_t one = 1;
    ssize_t ignored = write(pool->wake_fd, &one, sizeof(one));
    (void)ignored;
}

/* ---- threads ---- */

static void *work(void *arg)
{
    struct worker_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct worker_job *job = pop(pool);
        if (!job && pool->ending)
            break;
        if (!job) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        const int64_t begin_us = now_us();
        job->run(job);
        const int64_t us = now_us() - begin_us;
        pthread_mutex_lock(&pool->lock);
        end(pool, job, us);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void worker_hold(struct worker_job *job, uint64_t bytes)
{
    struct worker_pool *pool = job->pool;
    assert(job->held_bytes == 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->held_bytes > 0 && pool->held_bytes + bytes > pool->max_held_bytes)
        pthread_cond_wait(&pool->room, &pool->lock);
    pool->held_bytes += bytes;
    job->held_bytes = bytes;
    pthread_mutex_unlock(&pool->lock);
}

static void report_finished(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct worker_job *job = STAILQ_FIRST(&pool->finished);
    STAILQ_INIT(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    while (job) {
        struct worker_job *next = STAILQ_NEXT(job, next); /* `done` may free the job */
        job->done(job);
        job = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;
    report_finished(arg);
}

/* Signals are the loop thread's: workers start with all of them blocked. */
static int start_threads(struct worker_pool *pool, size_t n_threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = 0;
    while (!err && pool->n_threads < n_threads) {
        err = pthread_create(&pool->threads[pool->n_threads], NULL, work, pool);
        if (!err)
            pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

struct worker_pool *worker_pool_new(struct event_base *base, const struct worker_options *options)
{
    const size_t n_threads = options->n_threads;
    struct worker_pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(pool->threads[0]));
    if (!pool)
        return NULL;
    pool->n_spare = options->n_spare;
    pool->max_held_bytes = UINT64_MAX;
    TAILQ_INIT(&pool->waiting);
    STAILQ_INIT(&pool->finished);
    for (size_t i = 0; i < WORKER_CLIENTS; i++)
        TAILQ_INIT(&pool->clients[i].lines);
    pthread_cond_init(&pool->room, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->wake_fd >= 0)
        pool->wake = event_new(base, pool->wake_fd, EV_READ | EV_PERSIST, on_wake, pool);
    int err =
        pool->wake && event_add(pool->wake, NULL) == 0 ? start_threads(pool, n_threads) : ENOMEM;
    if (err) {
        worker_pool_free(pool);
        errno = err;
        return NULL;
    }
    return pool;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    report_finished(pool);
    if (pool->wake)
        event_free(pool->wake);
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->room);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void worker_set_memory(struct worker_pool *pool, uint64_t bytes)
{
    pthread_mutex_lock(&pool->lock);
    pool->max_held_bytes = bytes;
    pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->lock);
}

void worker_submit(struct worker_pool *pool, struct worker_line *line, struct worker_job *job)
{
    job->pool = pool;
    job->line = line;
    job->held_bytes = 0;
    pthread_mutex_lock(&pool->lock);
    push(pool, line, job);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}
