/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/fleet_pace.h: the rate is kept, uploads go first, and not for ever.
 */
#include "gateway/fleet_pace.h"

#include "test.h"

#define S INT64_C(1000000)
#define RATE 1000

/* How many messages of `n` bytes went within `us`, each sent as soon as it may be. */
static size_t sent_within(size_t n, int64_t us, int64_t upload_every_us)
{
    struct fleet_pace pace = {0};
    size_t n_sent = 0;
    int64_t now = 5 * S;
    while (now < 5 * S + us) {
        const int64_t upload_us = upload_every_us ? now - now % upload_every_us : 0;
        const int64_t wait = fleet_pace_wait_us(&pace, RATE, n, upload_us, now);
        assert_true(wait >= 0);
        n_sent += wait == 0;
        now += wait;
    }
    return n_sent;
}

static void the_rate_is_kept(void **state)
{
    (void)state;
    /* A second's worth at once, then the rate. */
    assert_in_range(sent_within(100, 10 * S, 0), 108, 110);
    assert_in_range(sent_within(10, 10 * S, 0), 1090, 1100);
    /* One that is longer than a second's worth takes as long as it is. */
    assert_in_range(sent_within(5000, 20 * S, 0), 3, 5);
}

static void time_that_nothing_was_sent_is_not_saved_up(void **state)
{
    (void)state;
    struct fleet_pace pace = {0};
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 1000, 0, S), 0);
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 1000, 0, 100 * S), 0);
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 1000, 0, 100 * S), S);
    /* A clock that stands still or goes back gives nothing. */
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 1000, 0, 99 * S), S);
}

static void uploads_go_first(void **state)
{
    (void)state;
    struct fleet_pace pace = {0};
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 10, 10 * S, 10 * S), FLEET_LOOK_AGAIN_US);
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 10, 10 * S, 10 * S + FLEET_UPLOAD_US - 1),
                     FLEET_LOOK_AGAIN_US);
    assert_int_equal(fleet_pace_wait_us(&pace, RATE, 10, 10 * S, 10 * S + FLEET_UPLOAD_US), 0);
}

static void uploads_do_not_hold_it_up_for_ever(void **state)
{
    (void)state;
    const int64_t cycle = FLEET_YIELD_US + FLEET_INSIST_US;
    assert_int_equal(sent_within(10, FLEET_YIELD_US - S, 1000), 0);
    const size_t n = sent_within(10, 10 * cycle, 1000);
    const size_t most = (size_t)(10 * (FLEET_INSIST_US / S + 1) * RATE / 10);
    assert_in_range(n, most / 2, most + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(time_that_nothing_was_sent_is_not_saved_up),
        cmocka_unit_test(uploads_go_first),
        cmocka_unit_test(uploads_do_not_hold_it_up_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
