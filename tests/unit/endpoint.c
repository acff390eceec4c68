/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/endpoint.h: breakers with the time passed in, and the choice among endpoints.
 */
#include <string.h>

#include "gateway/endpoint.h"

#include "test.h"

#define SECOND 1000000

static const struct breaker_options options = {
    .failures = 3, .retry_us = 5 * SECOND, .busy_us = SECOND, .misconfigured_us = 60 * SECOND};

static void make(struct endpoints *es, size_t n)
{
    static char *const urls[] = {"http://a/v1", "http://b/v1", "http://c/v1", "http://d/v1"};
    *es = (struct endpoints){.options = options, .random = 88172645463325252};
    assert_int_equal(endpoints_set(es, urls, n), 0);
}

/* A call of `outcome`, begun and ended at `now_us`. Returns where it went. */
static struct endpoint *call(struct endpoints *es, enum endpoint_outcome outcome, int64_t now_us)
{
    struct endpoint_call at;
    endpoint_begin(es, now_us, NULL, &at);
    struct endpoint *e = at.endpoint;
    endpoint_report(es, &at, outcome, now_us);
    if (outcome == ENDPOINT_ANSWERED)
        endpoint_report(es, &at, ENDPOINT_COMPLETE, now_us);
    endpoint_end(&at);
    return e;
}

static void unreachable_opens_at_once(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    assert_true(endpoints_up(&es));
    call(&es, ENDPOINT_UNREACHABLE, SECOND);
    assert_false(endpoints_up(&es));
    assert_int_equal(es.list[0]->breaker.state, BREAKER_OPEN);
    assert_int_equal(es.list[0]->n_opened, 1);
    endpoints_done(&es);
}

static void other_failures_open_in_a_row(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    for (int i = 0; i < 10; i++) { /* two, then an answer: never */
        call(&es, ENDPOINT_FAILED, 10 * i + 1);
        call(&es, ENDPOINT_FAILED, 10 * i + 2);
        call(&es, ENDPOINT_ANSWERED, 10 * i + 3);
    }
    assert_true(endpoints_up(&es));
    call(&es, ENDPOINT_FAILED, 1001);
    call(&es, ENDPOINT_FAILED, 1002);
    assert_true(endpoints_up(&es));
    call(&es, ENDPOINT_FAILED, 1003);
    assert_false(endpoints_up(&es));
    endpoints_done(&es);
}

static void busy_and_the_clients_mistakes_never_open(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    for (int i = 1; i < 100; i++) {
        call(&es, i % 2 ? ENDPOINT_BUSY : ENDPOINT_ANSWERED, i);
        assert_int_equal(es.list[0]->breaker.state, BREAKER_CLOSED);
    }
    assert_int_equal(es.list[0]->n_failures, 0);
    endpoints_done(&es);
}

static void nothing_but_503_opens_after_a_while(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    es.options.unavailable_us = 30 * SECOND;
    const struct breaker *b = &es.list[0]->breaker;
    int64_t now_us = SECOND;
    for (int i = 0; i < 100; i++, now_us += SECOND) { /* a 429 says nothing of it, an answer all */
        call(&es,
             i % 20 == 19 ? ENDPOINT_ANSWERED
             : i % 3      ? ENDPOINT_UNAVAILABLE
                          : ENDPOINT_BUSY,
             now_us);
        assert_int_equal(b->state, BREAKER_CLOSED);
    }
    call(&es, ENDPOINT_ANSWERED, now_us);
    call(&es, ENDPOINT_UNAVAILABLE, now_us);
    call(&es, ENDPOINT_UNAVAILABLE, now_us + 31 * SECOND); /* two are too few */
    assert_int_equal(b->state, BREAKER_CLOSED);
    call(&es, ENDPOINT_UNAVAILABLE, now_us + 32 * SECOND);
    assert_int_equal(b->state, BREAKER_OPEN);
    assert_int_equal(es.list[0]->n_opened, 1);

    now_us += 40 * SECOND;
    endpoint_tried(&es, es.list[0], true, now_us); /* the balancer takes connections */
    assert_int_equal(b->state, BREAKER_HALF_OPEN);
    call(&es, ENDPOINT_UNAVAILABLE, now_us);
    assert_int_equal(b->state, BREAKER_OPEN);
    endpoint_tried(&es, es.list[0], true, now_us);
    call(&es, ENDPOINT_ANSWERED, now_us);
    assert_int_equal(b->state, BREAKER_CLOSED);
    call(&es, ENDPOINT_UNAVAILABLE, now_us);
    assert_int_equal(b->state, BREAKER_CLOSED);
    endpoints_done(&es);
}

static void an_endpoint_is_spared_as_long_as_it_says(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 2);
    struct endpoint_call old, at;
    endpoint_begin(&es, 1, NULL, &old);
    endpoint_begin(&es, 2, old.endpoint == es.list[0] ? es.list[1] : es.list[0], &at);
    struct endpoint *busy = at.endpoint;
    assert_ptr_equal(old.endpoint, busy);
    endpoint_report(&es, &at, ENDPOINT_UNAVAILABLE, 3);
    endpoint_spare(&at, 60 * SECOND);
    endpoint_end(&at);
    endpoint_report(&es, &old, ENDPOINT_ANSWERED, 4); /* begun before: no sign that it has room */
    endpoint_end(&old);
    for (int i = 0; i < 20; i++)
        assert_ptr_not_equal(call(&es, ENDPOINT_ANSWERED, 59 * SECOND), busy);
    assert_false(endpoints_busy(&es, 59 * SECOND));
    for (int i = 0; busy && i < 40; i++) {
        if (call(&es, ENDPOINT_ANSWERED, 60 * SECOND) == busy)
            busy = NULL;
    }
    assert_null(busy);
    endpoints_done(&es);
}

static void busy_passes(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 2);
    assert_false(endpoints_busy(&es, 1));
    struct endpoint *busy = call(&es, ENDPOINT_BUSY, 1);
    assert_false(endpoints_busy(&es, 1));
    for (int i = 0; i < 20; i++)
        assert_ptr_not_equal(call(&es, ENDPOINT_ANSWERED, 2), busy);
    call(&es, ENDPOINT_BUSY, 3);
    assert_true(endpoints_busy(&es, 4));
    assert_true(endpoints_up(&es));
    assert_false(endpoints_busy(&es, 1 + SECOND));
    endpoints_done(&es);
}

/* A call times out in the queue of an engine that answers others: the engine is slow, not dead. */
static void a_failure_does_not_count_against_a_sign_of_life(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    for (int i = 0; i < 10; i++) {
        struct endpoint_call slow;
        endpoint_begin(&es, 100 * i, NULL, &slow);
        struct endpoint_call other;
        endpoint_begin(&es, 100 * i + 1, NULL, &other);
        endpoint_report(&es, &other, ENDPOINT_ANSWERED, 100 * i + 50);
        endpoint_report(&es, &slow, i % 2 ? ENDPOINT_FAILED : ENDPOINT_UNREACHABLE, 100 * i + 60);
        endpoint_end(&slow);
        endpoint_end(&other);
    }
    assert_int_equal(es.list[0]->breaker.state, BREAKER_CLOSED);
    assert_int_equal(es.list[0]->n_failures, 0);
    endpoints_done(&es);
}

/* Each answer begins and is cut: the heads alone do not make it healthy. */
static void answers_that_are_cut_open(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(endpoints_up(&es));
        struct endpoint_call at;
        endpoint_begin(&es, 10 * i, NULL, &at);
        endpoint_report(&es, &at, ENDPOINT_ANSWERED, 10 * i + 1);
        endpoint_report(&es, &at, ENDPOINT_FAILED, 10 * i + 2);
        endpoint_report(&es, &at, ENDPOINT_COMPLETE, 10 * i + 2); /* does not count any more */
        endpoint_end(&at);
    }
    assert_false(endpoints_up(&es));
    endpoints_done(&es);
}

static void half_open_lets_one_call_through(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    struct endpoint *e = es.list[0];
    call(&es, ENDPOINT_UNREACHABLE, 0);
    assert_false(endpoint_due(e, 5 * SECOND - 1));
    assert_true(endpoint_due(e, 5 * SECOND));
    endpoint_tried(&es, e, false, 5 * SECOND);
    assert_int_equal(e->breaker.state, BREAKER_OPEN);
    assert_false(endpoint_due(e, 10 * SECOND - 1));
    endpoint_tried(&es, e, true, 10 * SECOND);
    assert_int_equal(e->breaker.state, BREAKER_HALF_OPEN);
    assert_true(endpoints_up(&es));

    struct endpoint_call trial;
    endpoint_begin(&es, 11 * SECOND, NULL, &trial);
    assert_false(endpoints_up(&es)); /* the next one goes elsewhere */
    endpoint_report(&es, &trial, ENDPOINT_FAILED, 12 * SECOND);
    endpoint_end(&trial);
    assert_int_equal(e->breaker.state, BREAKER_OPEN);
    assert_false(endpoint_due(e, 17 * SECOND - 1));

    endpoint_tried(&es, e, true, 17 * SECOND);
    endpoint_begin(&es, 17 * SECOND, NULL, &trial);
    assert_true(endpoint_report(&es, &trial, ENDPOINT_ANSWERED, 18 * SECOND));
    assert_int_equal(e->breaker.state, BREAKER_CLOSED);
    assert_true(endpoints_up(&es));
    endpoint_end(&trial);
    endpoints_done(&es);
}

static void a_trial_whose_client_left_is_given_to_the_next(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    call(&es, ENDPOINT_UNREACHABLE, 0);
    endpoint_tried(&es, es.list[0], true, 5 * SECOND);
    struct endpoint_call at;
    endpoint_begin(&es, 6 * SECOND, NULL, &at);
    endpoint_end(&at);
    assert_null(at.endpoint);
    endpoint_end(&at); /* does nothing */
    assert_int_equal(es.list[0]->breaker.state, BREAKER_HALF_OPEN);
    assert_true(endpoints_up(&es));
    endpoints_done(&es);
}

static void an_endpoint_that_is_down_is_not_chosen(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 3);
    struct endpoint *down = call(&es, ENDPOINT_UNREACHABLE, 0);
    assert_true(endpoints_up(&es));
    for (int i = 0; i < 100; i++)
        assert_ptr_not_equal(call(&es, ENDPOINT_ANSWERED, 1), down);
    while (endpoints_up(&es))
        call(&es, ENDPOINT_UNREACHABLE, 2);
    struct endpoint_call at; /* a pinned one goes there all the same */
    endpoint_begin(&es, 3, NULL, &at);
    assert_non_null(at.endpoint);
    endpoint_end(&at);
    endpoints_done(&es);
}

static void a_second_try_goes_elsewhere(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 2);
    for (int i = 0; i < 50; i++) {
        struct endpoint_call at;
        endpoint_begin(&es, i, es.list[i % 2], &at);
        assert_ptr_equal(at.endpoint, es.list[(i + 1) % 2]);
        endpoint_end(&at);
    }
    assert_true(endpoints_up_beside(&es, es.list[0]));
    endpoint_tried(&es, es.list[1], false, 0); /* not open: says nothing */
    while (es.list[1]->breaker.state == BREAKER_CLOSED)
        call(&es, ENDPOINT_UNREACHABLE, 60);
    if (es.list[0]->breaker.state == BREAKER_CLOSED) {
        assert_false(endpoints_up_beside(&es, es.list[0]));
        assert_true(endpoints_up_beside(&es, es.list[1]));
    }
    endpoints_done(&es);
}

/* With two endpoints both are always compared: calls in flight never differ by more than one. With
 * four, the fullest is hardly fuller than the mean; choosing one at random would be off by more. */
static void calls_are_spread(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 4; n += 2) {
        struct endpoints es;
        struct endpoint_call calls[400];
        make(&es, n);
        for (size_t i = 0; i < 400; i++)
            endpoint_begin(&es, 0, NULL, &calls[i]);
        assert_int_equal(endpoints_in_flight(&es), 400);
        for (size_t i = 0; i < n; i++)
            assert_in_range(es.list[i]->in_flight, 400 / n - n, 400 / n + n);
        for (size_t i = 0; i < 400; i++)
            endpoint_end(&calls[i]);
        assert_int_equal(endpoints_in_flight(&es), 0);
        endpoints_done(&es);
    }
}

static void endpoints_can_be_replaced_under_calls(void **state)
{
    (void)state;
    static char *const fresh[] = {"http://b/v1", "http://user:secret@e/v1"};
    struct endpoints es;
    make(&es, 2);
    struct endpoint *kept = es.list[1];
    struct endpoint_call at[2];
    endpoint_begin(&es, 0, NULL, &at[0]);
    endpoint_begin(&es, 0, NULL, &at[1]);
    assert_int_equal(endpoints_set(&es, fresh, 2), 0);
    assert_ptr_equal(es.list[0], kept);
    assert_int_equal(endpoints_in_flight(&es), 1);
    assert_string_equal(es.list[1]->name, "http://e/v1");
    assert_string_equal(es.list[1]->chat_url, "http://user:secret@e/v1/chat/completions");
    for (size_t i = 0; i < 2; i++) {
        endpoint_report(&es, &at[i], ENDPOINT_UNREACHABLE, 1);
        endpoint_end(&at[i]);
    }
    assert_int_equal(kept->breaker.state, BREAKER_OPEN);
    assert_int_equal(es.list[1]->breaker.state, BREAKER_CLOSED);
    endpoints_done(&es);
}

static void a_wrong_key_opens_for_long(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    struct endpoint *e = call(&es, ENDPOINT_MISCONFIGURED, SECOND);
    assert_int_equal(e->breaker.state, BREAKER_OPEN);
    assert_true(endpoints_misconfigured(&es) && !endpoints_ready(&es, SECOND));
    assert_false(endpoint_due(e, 60 * SECOND));
    assert_true(endpoint_due(e, 61 * SECOND));
    endpoints_reconsider(&es, 2 * SECOND); /* another key was configured */
    assert_true(endpoint_due(e, 2 * SECOND));
    endpoint_tried(&es, e, true, 2 * SECOND);
    call(&es, ENDPOINT_ANSWERED, 3 * SECOND);
    assert_true(endpoints_ready(&es, 3 * SECOND) && !endpoints_misconfigured(&es));
    endpoints_done(&es);
}

/* A proxy says 403 to words that it does not like, too. */
static void one_request_that_is_forbidden_opens_nothing(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    struct endpoint *e = call(&es, ENDPOINT_FORBIDDEN, SECOND);
    call(&es, ENDPOINT_FORBIDDEN, SECOND + 1);
    assert_int_equal(e->breaker.state, BREAKER_CLOSED);
    call(&es, ENDPOINT_FORBIDDEN, SECOND + 2);
    assert_int_equal(e->breaker.state, BREAKER_OPEN);
    assert_true(endpoint_due(e, 6 * SECOND + 2)); /* and not for long */
    endpoints_done(&es);
}

static void looks_say_whether_it_is_there_and_move_no_breaker(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    struct endpoint *e = es.list[0];
    assert_true(endpoint_look_due(&es, e, SECOND));
    e->looked_us = SECOND;
    endpoint_looked(e, false);
    assert_true(endpoints_up(&es) && endpoints_unreachable(&es) && !endpoints_ready(&es, SECOND));
    assert_false(endpoint_look_due(&es, e, 2 * SECOND));
    assert_true(endpoint_look_due(&es, e, 6 * SECOND));
    call(&es, ENDPOINT_ANSWERED, 7 * SECOND);
    assert_true(endpoints_ready(&es, 7 * SECOND));
    assert_false(endpoint_look_due(&es, e, 100 * SECOND));
    endpoints_done(&es);
}

static void an_engine_that_loads_is_not_ready(void **state)
{
    (void)state;
    struct endpoints es;
    make(&es, 1);
    call(&es, ENDPOINT_UNAVAILABLE, SECOND);
    assert_true(endpoints_up(&es) && !endpoints_ready(&es, SECOND));
    assert_true(endpoints_ready(&es, 3 * SECOND)); /* somebody must try */
    call(&es, ENDPOINT_BUSY, 4 * SECOND);
    call(&es, ENDPOINT_ANSWERED, 4 * SECOND);
    call(&es, ENDPOINT_BUSY, 5 * SECOND);
    assert_true(endpoints_ready(&es, 5 * SECOND)); /* 429 comes from one that answers */
    endpoints_done(&es);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreachable_opens_at_once),
        cmocka_unit_test(other_failures_open_in_a_row),
        cmocka_unit_test(busy_and_the_clients_mistakes_never_open),
        cmocka_unit_test(nothing_but_503_opens_after_a_while),
        cmocka_unit_test(an_endpoint_is_spared_as_long_as_it_says),
        cmocka_unit_test(busy_passes),
        cmocka_unit_test(a_failure_does_not_count_against_a_sign_of_life),
        cmocka_unit_test(answers_that_are_cut_open),
        cmocka_unit_test(half_open_lets_one_call_through),
        cmocka_unit_test(a_trial_whose_client_left_is_given_to_the_next),
        cmocka_unit_test(an_endpoint_that_is_down_is_not_chosen),
        cmocka_unit_test(a_second_try_goes_elsewhere),
        cmocka_unit_test(calls_are_spread),
        cmocka_unit_test(endpoints_can_be_replaced_under_calls),
        cmocka_unit_test(a_wrong_key_opens_for_long),
        cmocka_unit_test(one_request_that_is_forbidden_opens_nothing),
        cmocka_unit_test(looks_say_whether_it_is_there_and_move_no_breaker),
        cmocka_unit_test(an_engine_that_loads_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
