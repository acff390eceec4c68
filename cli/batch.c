/* SPDX-License-Identifier: Apache-2.0
 *
 * Ordered parallel jobs; see batch.h. A ring of slots is filled at `n_in`, worked on at `n_taken`
 * and emptied at `n_out`; one mutex guards the three and the states of the slots.
 */
#include "batch.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct slot {
    void *job;
    bool finished;
};

struct batch {
    const struct batch_ops *ops;
    void *user;
    struct slot *slots;
    size_t n_slots;
    size_t n_in;
    size_t n_taken;
    size_t n_out;
    bool closed; /* no more jobs will come */
    pthread_mutex_t mutex;
    pthread_cond_t work_to_do;
    pthread_cond_t work_done;
};

unsigned batch_threads(unsigned n_threads)
{
    if (n_threads > 0)
        return n_threads;
    const long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    return n_cores > 0 ? (unsigned)n_cores : 1;
}

static void *work(void *argument)
{
    struct batch *b = argument;
    pthread_mutex_lock(&b->mutex);
    for (;;) {
        while (b->n_taken == b->n_in && !b->closed)
            pthread_cond_wait(&b->work_to_do, &b->mutex);
        if (b->n_taken == b->n_in)
            break;
        struct slot *slot = &b->slots[b->n_taken++ % b->n_slots];
        pthread_mutex_unlock(&b->mutex);
        b->ops->work(b->user, slot->job);
        pthread_mutex_lock(&b->mutex);
        slot->finished = true;
        pthread_cond_signal(&b->work_done);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

/* Waits for the oldest job and hands it over. */
static void finish_oldest(struct batch *b)
{
    struct slot *slot = &b->slots[b->n_out % b->n_slots];
    pthread_mutex_lock(&b->mutex);
    while (!slot->finished)
        pthread_cond_wait(&b->work_done, &b->mutex);
    slot->finished = false;
    b->n_out++;
    pthread_mutex_unlock(&b->mutex);
    b->ops->done(b->user, slot->job);
}

/* Only this thread changes n_in and n_out. */
static void feed(struct batch *b)
{
    void *job;
    while ((job = b->ops->next(b->user)) != NULL) {
        if (b->n_in - b->n_out == b->n_slots)
            finish_oldest(b);
        pthread_mutex_lock(&b->mutex);
        b->slots[b->n_in++ % b->n_slots].job = job;
        pthread_cond_signal(&b->work_to_do);
        pthread_mutex_unlock(&b->mutex);
    }
    while (b->n_out < b->n_in)
        finish_oldest(b);
}

static bool run_threads(struct batch *b, unsigned n_threads)
{
    pthread_t *threads = calloc(n_threads, sizeof(*threads));
    unsigned n_started = 0;
    while (threads && n_started < n_threads &&
           pthread_create(&threads[n_started], NULL, work, b) == 0)
        n_started++;
    if (n_started > 0)
        feed(b);
    pthread_mutex_lock(&b->mutex);
    b->closed = true;
    pthread_cond_broadcast(&b->work_to_do);
    pthread_mutex_unlock(&b->mutex);
    for (unsigned i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return n_started > 0;
}

static void run_alone(const struct batch_ops *ops, void *user)
{
    void *job;
    while ((job = ops->next(user)) != NULL) {
        ops->work(user, job);
        ops->done(user, job);
    }
}

bool batch_run(const struct batch_ops *ops, void *user, unsigned n_threads)
{
    if (n_threads == 1) {
        run_alone(ops, user);
        return true;
    }
    struct batch b = {
        .ops = ops,
        .user = user,
        .n_slots = (size_t)n_threads * 4,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .work_to_do = PTHREAD_COND_INITIALIZER,
        .work_done = PTHREAD_COND_INITIALIZER,
    };
    b.slots = calloc(b.n_slots, sizeof(*b.slots));
    const bool ok = b.slots && run_threads(&b, n_threads);
    free(b.slots);
    return ok;
}
