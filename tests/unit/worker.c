/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/worker.h: whose turn it is, what a client may not take, and memory that jobs hold.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "gateway/worker.h"

#include "test.h"

#define JOBS_MAX 32

/* What has run, in its order; one lock for all tests. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[JOBS_MAX + 1];
static size_t n_done;

struct named {
    struct worker_job job; /* first */
    char name;
    atomic_bool *gate;   /* runs until it is true; NULL: not at all */
    atomic_bool *begun;  /* set when it runs; NULL: nobody asks */
    uint64_t hold_bytes; /* 0: none */
};

static void run_named(struct worker_job *job)
{
    struct named *named = (struct named *)job;
    if (named->hold_bytes > 0)
        worker_hold(job, named->hold_bytes);
    if (named->begun)
        atomic_store(named->begun, true);
    while (named->gate && !atomic_load(named->gate))
        usleep(100);
    pthread_mutex_lock(&lock);
    order[strlen(order)] = named->name;
    pthread_mutex_unlock(&lock);
}

static void on_named(struct worker_job *job)
{
    (void)job;
    n_done++;
}

static void submit(struct worker_pool *pool, struct worker_line *line, struct named *named)
{
    named->job = (struct worker_job){.run = run_named, .done = on_named};
    worker_submit(pool, line, &named->job);
}

static void await(atomic_bool *what)
{
    while (!atomic_load(what))
        usleep(100);
}

static struct event_base *base;

static struct worker_pool *pool_of(size_t n_threads, size_t n_spare)
{
    const struct worker_options options = {n_threads, n_spare};
    memset(order, 0, sizeof(order));
    n_done = 0;
    base = event_base_new();
    struct worker_pool *pool = worker_pool_new(base, &options);
    assert_non_null(pool);
    return pool;
}

static void end(struct worker_pool *pool)
{
    worker_pool_free(pool);
    event_base_free(base);
}

/* One thread, held by a gate while all others queue up. */
static void clients_take_turns_and_then_their_requests(void **state)
{
    (void)state;
    struct worker_pool *pool = pool_of(1, 0);
    atomic_bool open = false, begun = false;
    struct worker_line first = {.client = 9}, a1 = {.client = 1}, a2 = {.client = 1},
                       b = {.client = 2};
    struct named gate = {.name = '.', .gate = &open, .begun = &begun};
    struct named heavy[6], other = {.name = 'o'}, light = {.name = 'l'};
    submit(pool, &first, &gate);
    await(&begun);
    for (size_t i = 0; i < 6; i++) {
        heavy[i] = (struct named){.name = 'h'};
        submit(pool, &a1, &heavy[i]);
    }
    submit(pool, &a2, &other);
    submit(pool, &b, &light);
    atomic_store(&open, true);
    end(pool);
    assert_int_equal(n_done, 9);
    /* The light one is served first or second, and the other request of the heavy client after one
     * of its first. */
    assert_true(strchr(order, 'l') - order <= 2);
    assert_true(strchr(order, 'o') - order <= 3);
}

static void one_request_has_its_order(void **state)
{
    (void)state;
    struct worker_pool *pool = pool_of(1, 0);
    struct worker_line line = {0};
    struct named jobs[8];
    for (size_t i = 0; i < 8; i++) {
        jobs[i] = (struct named){.name = (char)('a' + i)};
        submit(pool, &line, &jobs[i]);
    }
    end(pool);
    assert_string_equal(order, "abcdefgh");
}

static void a_thread_is_left_to_others(void **state)
{
    (void)state;
    struct worker_pool *pool = pool_of(2, 1);
    atomic_bool open = false, begun = false, done = false;
    struct worker_line many = {.client = 1}, one = {.client = 2};
    struct named silent[4], other = {.name = 'o', .begun = &done};
    for (size_t i = 0; i < 4; i++) {
        silent[i] = (struct named){.name = 's', .gate = &open, .begun = &begun};
        submit(pool, &many, &silent[i]);
    }
    await(&begun);
    submit(pool, &one, &other);
    await(&done); /* though none of the first has ended */
    atomic_store(&open, true);
    end(pool);
    assert_int_equal(order[0], 'o');
    assert_int_equal(n_done, 5);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct worker_pool *pool = pool_of(2, 0);
    atomic_bool open = false, begun = false, second = false, huge_begun = false;
    struct worker_line line = {.client = 1};
    struct named a = {.name = 'a', .gate = &open, .begun = &begun, .hold_bytes = 60};
    struct named b = {.name = 'b', .begun = &second, .hold_bytes = 60};
    struct named huge = {.name = 'c', .begun = &huge_begun, .hold_bytes = 1000};
    worker_set_memory(pool, 100);
    submit(pool, &line, &a);
    await(&begun);
    submit(pool, &line, &b);
    usleep(20000);
    assert_false(atomic_load(&second)); /* 120 are more than 100 */
    atomic_store(&open, true);
    submit(pool, &line, &huge); /* more than there ever is: alone */
    end(pool);
    assert_int_equal(n_done, 3);
    assert_int_equal(order[0], 'a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_take_turns_and_then_their_requests),
        cmocka_unit_test(one_request_has_its_order),
        cmocka_unit_test(a_thread_is_left_to_others),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
