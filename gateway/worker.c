/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker pool; see worker.h. One lock, around the queue to
 * the workers and the list of finished jobs.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

struct queue {
    struct worker_job *first, *last;
};

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue waiting, finished;
    bool ending;
    int wake_fd; /* written by workers, read by the loop */
    struct event *wake;
    size_t n_threads;
    pthread_t threads[];
};

static void queue_push(struct queue *queue, struct worker_job *job)
{
    job->next = NULL;
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

static struct worker_job *queue_pop(struct queue *queue)
{
    struct worker_job *job = queue->first;
    queue->first = job->next;
    if (!queue->first)
        queue->last = NULL;
    return job;
}

static void *work(void *arg)
{
    struct worker_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->waiting.first && !pool->ending)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (!pool->waiting.first)
            break;
        struct worker_job *job = queue_pop(&pool->waiting);
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        queue_push(&pool->finished, job);
        uint64_t one = 1;
        ssize_t ignored = write(pool->wake_fd, &one, sizeof(one));
        (void)ignored;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void report_finished(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct worker_job *job = pool->finished.first;
    pool->finished = (struct queue){0};
    pthread_mutex_unlock(&pool->lock);
    while (job) {
        struct worker_job *next = job->next; /* `done` may free the job */
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

struct worker_pool *worker_pool_new(struct event_base *base, size_t n_threads)
{
    struct worker_pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(pool->threads[0]));
    if (!pool)
        return NULL;
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
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void worker_submit(struct worker_pool *pool, struct worker_job *job)
{
    pthread_mutex_lock(&pool->lock);
    queue_push(&pool->waiting, job);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}
