/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/uplink.h: estimates against links that are computed.
 */
#include <math.h>
#include <string.h>

#include "gateway/uplink.h"

#include "test.h"

/* A link with a shaper: the first `burst` bytes of an upload are free. */
struct link {
    double mbps;
    double burst;
    double noise; /* of a reading's bytes, relative */
    bool starved;
    int64_t receiver_limited_us; /* per reading */
    double tcp_mbps;             /* NaN: TCP says nothing */
    int64_t now_us;
    uint64_t acked_bytes;
    uint64_t random;
};

static double noise(struct link *l)
{
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return 1 + l->noise * ((double)(l->random >> 40) / (1 << 23) - 1);
}

static void upload(struct uplink *u, struct link *l, double bytes)
{
    double t_us = 0, done_us = fmax(0, bytes - l->burst) * 8 / l->mbps;
    int64_t begin_us = l->now_us;
    uint64_t before = l->acked_bytes;
    struct uplink_reading r = {
        .now_us = begin_us, .acked_bytes = before, .delivery_mbps = NAN, .starved = true};
    uplink_add(u, &r);
    while (!r.last) {
        t_us += fmin(20000, fmax(1000, t_us / 16));
        double acked = fmin(bytes, l->burst + t_us * l->mbps / 8 * noise(l));
        r.now_us = begin_us + (int64_t)t_us;
        r.last = t_us >= done_us;
        r.acked_bytes = before + (uint64_t)(r.last ? bytes : acked);
        r.delivery_mbps = l->tcp_mbps;
        r.starved = l->starved;
        r.receiver_limited_us += l->receiver_limited_us;
        uplink_add(u, &r);
    }
    l->now_us = r.now_us + 50000;
    l->acked_bytes = r.acked_bytes;
}

/* When the last upload ended. */
static int64_t now_of(const struct uplink *u)
{
    return u->n_uploads > 0 ? u->uploads[(u->n_uploads - 1) % u->window].end_us : 0;
}

static double estimate(const struct uplink *u)
{
    struct uplink_estimate e;
    uplink_estimate(u, now_of(u), &e);
    return e.mbps;
}

static void assert_near(double value, double truth, double share)
{
    if (!(fabs(value - truth) <= share * truth))
        fail_msg("%g is not within %g %% of %g", value, share * 100, truth);
}

static void nothing_is_known_before_the_first_upload(void **state)
{
    (void)state;
    struct uplink u;
    uplink_init(&u, 5);
    struct uplink_estimate e;
    uplink_estimate(&u, now_of(&u), &e);
    assert_true(isnan(e.mbps) && isnan(e.tcp_mbps) && isnan(e.startup_s));
    assert_int_equal(e.n_uploads, 0);
}

static void every_rate_is_found(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 5, 20, 50, 200, 300, 400};
    for (size_t i = 0; i < N_TESTS(rates); i++) {
        struct uplink u;
        struct link l = {.mbps = rates[i], .burst = 64e3, .noise = 0.05, .tcp_mbps = NAN};
        uplink_init(&u, 5);
        for (size_t k = 0; k < 10; k++)
            upload(&u, &l, 400e3 + 60e3 * (double)k);
        assert_near(estimate(&u), rates[i], 0.1);
    }
}

/* All of one size: a regression over whole transfers would have nothing to go by. */
static void uploads_of_equal_size_do(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 20, .burst = 64e3, .tcp_mbps = NAN};
    uplink_init(&u, 5);
    for (size_t k = 0; k < 5; k++)
        upload(&u, &l, 300e3);
    struct uplink_estimate e;
    uplink_estimate(&u, now_of(&u), &e);
    assert_near(e.mbps, 20, 0.02);
    assert_near(-e.startup_s, 64e3 * 8 / 20e6, 0.4); /* the burst came for free */
    assert_int_equal(e.n_uploads, 5);
    assert_true(e.measured_us > 0 && e.measured_us < l.now_us);
}

static void what_is_old_is_no_knowledge(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 20, .burst = 64e3, .tcp_mbps = NAN};
    struct uplink_estimate e;
    uplink_init(&u, 5);
    for (size_t k = 0; k < 5; k++)
        upload(&u, &l, 300e3);
    uplink_estimate(&u, now_of(&u) + UPLINK_STALE_US / 2, &e);
    assert_near(e.mbps, 20, 0.02);
    uplink_estimate(&u, now_of(&u) + UPLINK_STALE_US + 1, &e);
    assert_true(isnan(e.mbps) && isnan(e.startup_s));
    assert_int_equal(e.n_fresh, 0);
    assert_int_equal(e.n_uploads, 5);
    /* One that comes after a long time stands alone. */
    l.now_us += 2 * UPLINK_STALE_US;
    l.mbps = 2;
    upload(&u, &l, 300e3);
    uplink_estimate(&u, now_of(&u), &e);
    assert_int_equal(e.n_fresh, 1);
    assert_near(e.mbps, 2, 0.1);
}

static void a_change_is_followed_within_five(void **state)
{
    (void)state;
    static const double changes[][2] = {{50, 5}, {5, 50}, {400, 20}, {20, 400}};
    for (size_t i = 0; i < N_TESTS(changes); i++) {
        struct uplink u;
        struct link l = {.mbps = changes[i][0], .burst = 32e3, .noise = 0.05, .tcp_mbps = NAN};
        uplink_init(&u, 5);
        for (size_t k = 0; k < 20; k++)
            upload(&u, &l, 500e3);
        l.mbps = changes[i][1];
        for (size_t k = 0; k < 5; k++)
            upload(&u, &l, 500e3);
        assert_near(estimate(&u), changes[i][1], 0.15);
    }
}

static void small_uploads_say_nothing(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 1, .tcp_mbps = 2000};
    uplink_init(&u, 5);
    for (size_t k = 0; k < 5; k++)
        upload(&u, &l, UPLINK_BYTES_MIN - 1);
    assert_true(isnan(estimate(&u)));
    upload(&u, &l, UPLINK_BYTES_MIN);
    assert_true(estimate(&u) > 0);
}

static void one_wild_upload_does_not_move_it(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 50, .tcp_mbps = 48}, wild = {.mbps = 3000, .tcp_mbps = 4000};
    uplink_init(&u, 5);
    for (size_t k = 0; k < 4; k++)
        upload(&u, &l, 500e3);
    wild.now_us = l.now_us;
    wild.acked_bytes = l.acked_bytes;
    upload(&u, &wild, 5e6);
    assert_int_equal(u.n_uploads, 5);
    assert_near(estimate(&u), 50, 0.1);
}

/* The gateway, or the receiver, was what held it up: it counts only if it was the fastest. */
static void limited_uploads_are_discarded_unless_faster(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 100, .tcp_mbps = NAN};
    uplink_init(&u, 5);
    for (size_t k = 0; k < 5; k++)
        upload(&u, &l, 1e6);
    l.mbps = 10;
    l.starved = true;
    for (size_t k = 0; k < 10; k++)
        upload(&u, &l, 1e6);
    assert_int_equal(u.n_discarded, 10);
    l.starved = false;
    l.receiver_limited_us = 10000;
    for (size_t k = 0; k < 10; k++)
        upload(&u, &l, 1e6);
    assert_int_equal(u.n_discarded, 20);
    assert_near(estimate(&u), 100, 0.05);
    l.mbps = 200;
    upload(&u, &l, 2e6);
    assert_int_equal(u.n_discarded, 20);
    assert_int_equal(u.n_uploads, 6);
}

static void an_endless_upload_is_cut_and_counts(void **state)
{
    (void)state;
    struct uplink u;
    struct link l = {.mbps = 8, .burst = 64e3, .tcp_mbps = NAN};
    uplink_init(&u, 5);
    upload(&u, &l, 30e6); /* half a minute */
    assert_true(u.n_uploads >= 10);
    assert_near(estimate(&u), 8, 0.05);
}

/* Readings that make no sense must not make numbers that do not: time that stands still, bytes
 * that do not move, TCP's nonsense. */
static void odd_readings_are_survived(void **state)
{
    (void)state;
    struct uplink u;
    uplink_init(&u, 1);
    struct uplink_reading r = {.last = true};
    uplink_add(&u, &r);
    for (size_t i = 0; i < 1000; i++) {
        r = (struct uplink_reading){.now_us = 5, .acked_bytes = 200000 * i, .delivery_mbps = -1};
        uplink_add(&u, &r);
    }
    r.last = true;
    uplink_add(&u, &r);
    assert_true(isnan(estimate(&u)));
    for (size_t i = 0; i < 1000; i++) {
        r = (struct uplink_reading){.now_us = (int64_t)i, .delivery_mbps = INFINITY};
        uplink_add(&u, &r);
    }
    r.last = true;
    uplink_add(&u, &r);
    assert_true(isnan(estimate(&u)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_the_first_upload),
        cmocka_unit_test(every_rate_is_found),
        cmocka_unit_test(uploads_of_equal_size_do),
        cmocka_unit_test(what_is_old_is_no_knowledge),
        cmocka_unit_test(a_change_is_followed_within_five),
        cmocka_unit_test(small_uploads_say_nothing),
        cmocka_unit_test(one_wild_upload_does_not_move_it),
        cmocka_unit_test(limited_uploads_are_discarded_unless_faster),
        cmocka_unit_test(an_endless_upload_is_cut_and_counts),
        cmocka_unit_test(odd_readings_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
