/* SPDX-License-Identifier: Apache-2.0
 *
 * study/simulate_link.h against formulas worked out by hand.
 */
#include <math.h>

#include "study/simulate_link.h"
#include "study/stats.h"

#include "test.h"

static void tcp_alone(void **unused)
{
    (void)unused;
    assert_true(link_flow_mbps(50, 40, 0) == 50);
    /* 1.22 * 1460 * 8 bits / (40 ms * 0.1) = 3.5624 Mbit/s */
    assert_true(fabs(link_flow_mbps(50, 40, 0.01) - 3.5624) < 1e-4);
    assert_true(link_flow_mbps(1, 40, 0.01) == 1);
    /* 14,600 bytes at 20 Mbit/s are 5.84 ms: a window waits 34.16 ms, the next, of 11.68 ms, 28.32,
     * one of 23.36 ms 16.64, and one of 46.72 ms not at all. */
    assert_true(link_slow_start_ms(14600, 20, 40) == 0);
    assert_true(fabs(link_slow_start_ms(14601, 20, 40) - 34.16) < 1e-9);
    assert_true(fabs(link_slow_start_ms(43801, 20, 40) - 62.48) < 1e-9);
    assert_true(fabs(link_slow_start_ms(1e6, 20, 40) - 79.12) < 1e-9);
    assert_true(link_slow_start_ms(1e6, 1, 40) == 0);
    assert_true(link_slow_start_ms(1e6, 20, 0) == 0);
}

static void uploads_share_evenly(void **unused)
{
    (void)unused;
    struct link link;
    int a;
    int b;
    link_init(&link, 8, 8); /* a byte a microsecond */
    assert_true(link_due_us(&link) == LINK_NEVER);
    assert_true(link_add(&link, 1000, &a, 500));
    assert_int_equal(link_due_us(&link), 1500);
    assert_true(link_add(&link, 200, &b, 1000)); /* a has 500 left */
    assert_int_equal(link_due_us(&link), 1400);
    assert_null(link_next(&link, 1399));
    assert_ptr_equal(link_next(&link, 1400), &b);
    assert_null(link_next(&link, 1400));
    assert_int_equal(link_due_us(&link), 1700);
    link_set_down(&link, true, 1600); /* 100 left */
    assert_true(link_due_us(&link) == LINK_NEVER);
    assert_null(link_next(&link, 9000));
    link_set_down(&link, false, 10000);
    assert_int_equal(link_due_us(&link), 10100);
    assert_ptr_equal(link_drop(&link, 10050), &a);
    assert_null(link_drop(&link, 10050));
    link_done(&link);
}

/* One upload cannot fill a link with losses; two can take twice as much. */
static void one_flow_has_a_limit(void **unused)
{
    (void)unused;
    struct link link;
    int owner;
    link_init(&link, 16, 8);
    assert_true(link_add(&link, 1000, &owner, 0));
    assert_int_equal(link_due_us(&link), 1000);
    assert_true(link_add(&link, 1000, &owner, 0));
    assert_int_equal(link_due_us(&link), 1000);
    assert_true(link_add(&link, 1000, &owner, 0));
    assert_int_equal(link_due_us(&link), 1500);
    link_done(&link);
}

/* M/D/1 with processor sharing: a mean of S / (1 - rho), whatever the sizes. */
static void poisson_uploads_take_what_theory_says(void **unused)
{
    (void)unused;
    enum { N = 200000 };
    static int64_t came_us[N];
    struct link link;
    struct rng rng;
    const double service_us = 1000;
    const double load = 0.7;
    double next_us = 0;
    double sum_us = 0;
    size_t n_in = 0;
    size_t n_out = 0;
    rng_init(&rng, 3);
    link_init(&link, 8, 8);
    while (n_out < N) {
        const int64_t due_us = link_due_us(&link);
        if (n_in < N && next_us <= (double)due_us) {
            came_us[n_in] = (int64_t)next_us;
            assert_true(link_add(&link, service_us, &came_us[n_in], came_us[n_in]));
            n_in++;
            next_us += rng_exponential(&rng, service_us / load);
            continue;
        }
        for (int64_t *came; (came = link_next(&link, due_us)) != NULL; n_out++)
            sum_us += (double)(due_us - *came);
    }
    assert_true(fabs(sum_us / N / (service_us / (1 - load)) - 1) < 0.03);
    assert_true(fabs(link.busy_us / next_us - load) < 0.01);
    link_done(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_alone),
        cmocka_unit_test(uploads_share_evenly),
        cmocka_unit_test(one_flow_has_a_limit),
        cmocka_unit_test(poisson_uploads_take_what_theory_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
