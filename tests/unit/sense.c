/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/sense.h: the load of the edge from what is told.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gateway/sense.h"

#include "test.h"

#define MS 1000
#define SECOND 1000000

static struct config *config(const char *yaml)
{
    struct config *c;
    struct config_error error;
    if (config_parse((struct moa_bytes){yaml, strlen(yaml)}, CONFIG_TO_SERVE, &c, &error))
        fail_msg("%s", error.message);
    return c;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) < 0.005))
        fail_msg("%g is not %g", value, expected);
}

static void own_calls_count_at_once(void **state)
{
    (void)state;
    struct config *c = config("edge: {slots: 4}");
    struct sense s;
    sense_init(&s, c);
    assert_near(sense_load(&s, SECOND), 0);
    for (int i = 0; i < 6; i++)
        sense_enter(&s, MOA_EDGE);
    assert_near(sense_load(&s, SECOND), 1);
    for (int i = 0; i < 5; i++)
        sense_leave(&s, MOA_EDGE);
    assert_near(sense_load(&s, SECOND), 0.25);
    config_free(c);
}

static void calls_of_others_count_and_ours_only_once(void **state)
{
    (void)state;
    struct config *c = config("");
    struct sense s;
    sense_init(&s, c);
    sense_enter(&s, MOA_EDGE);
    sense_engine(&s, &(struct probe_load){3, 1, 8}, SECOND); /* one of the four is ours */
    assert_near(sense_slots(&s), 8);
    assert_near(sense_load(&s, SECOND), 4.0 / 8);
    sense_leave(&s, MOA_EDGE);
    assert_near(sense_load(&s, SECOND), 3.0 / 8);
    /* The engine still shows the call that has just ended: it is not one of others. */
    sense_engine(&s, &(struct probe_load){4, NAN, 8}, SECOND + 1);
    assert_near(sense_load(&s, SECOND), 3.0 / 8);
    config_free(c);
}

static void what_is_old_does_not_count(void **state)
{
    (void)state;
    struct config *c = config("edge: {slots: 2}");
    struct sense s;
    sense_init(&s, c);
    sense_engine(&s, &(struct probe_load){2, 5, 2}, SECOND);
    assert_near(sense_load(&s, SECOND + SENSE_STALE_US), 1);
    assert_near(sense_load(&s, SECOND + SENSE_STALE_US + 1), 0);
    config_free(c);
}

static void a_jump_is_smoothed(void **state)
{
    (void)state;
    struct config *c = config("edge: {slots: 10}");
    struct sense s;
    sense_init(&s, c);
    sense_engine(&s, &(struct probe_load){0, 0, 10}, SECOND);
    int64_t now_us = SECOND;
    double before = 0;
    for (int i = 0; i < 10; i++) {
        now_us += 500 * MS;
        sense_engine(&s, &(struct probe_load){10, 0, 10}, now_us);
        assert_true(sense_load(&s, now_us) > before);
        before = sense_load(&s, now_us);
        assert_true(i > 0 || before < 0.5);
    }
    assert_true(before > 0.95);
    config_free(c);
}

static void pressure_is_a_difference_of_totals(void **state)
{
    (void)state;
    struct config *c = config("edge: {cpu_pressure: count}");
    struct sense s;
    sense_init(&s, c);
    char text[128];
    for (int i = 0; i < 20; i++) { /* 60 % of each quarter of a second */
        snprintf(text, sizeof(text), "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull x\n",
                 123456 + 150 * MS * i);
        sense_pressure(&s, text, SECOND + 250 * MS * i);
    }
    int64_t now_us = SECOND + 250 * MS * 19;
    assert_near(s.pressure, 0.6);
    assert_near(sense_load(&s, now_us), 0.6);
    assert_near(sense_load(&s, now_us + SENSE_STALE_US + 1), 0);
    sense_pressure(&s, "", now_us);
    sense_pressure(&s, "some total=", now_us);
    sense_pressure(&s, "total=99999999999999999999999", now_us);
    assert_true(isfinite(s.pressure));
    c->tier[MOA_EDGE].cpu_counts = 0;
    assert_near(sense_load(&s, now_us), 0);
    config_free(c);
}

static void the_configured_uplink_stands_until_one_is_measured(void **state)
{
    (void)state;
    struct config *c = config("cloud: {uplink_mbps: 12.5}"), *none = config("");
    struct sense s;
    sense_init(&s, none);
    assert_true(isnan(sense_mbps(&s, 0)));
    sense_init(&s, c);
    assert_near(sense_mbps(&s, 0), 12.5);
    int64_t now_us = 0;
    double before = 12.5;
    for (int upload = 1; upload <= 3; upload++) {
        for (int i = 0; i <= 20; i++)
            sense_uplink(&s, &(struct uplink_reading){.now_us = now_us + 10 * MS * i,
                                                      .acked_bytes = 100000u * (unsigned)i,
                                                      .delivery_mbps = NAN,
                                                      .last = i == 20});
        now_us += 1000 * MS;
        assert_true(sense_mbps(&s, now_us) > before); /* one does not replace what was told */
        before = sense_mbps(&s, now_us);
        assert_true(upload == 3 || before < 60);
    }
    assert_near(before, 80);
    assert_near(sense_mbps(&s, now_us + UPLINK_STALE_US), 12.5);
    c->tier[MOA_CLOUD].uplink_uploads = 0;
    assert_near(sense_mbps(&s, now_us), 12.5);
    config_free(c);
    config_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_calls_count_at_once),
        cmocka_unit_test(calls_of_others_count_and_ours_only_once),
        cmocka_unit_test(what_is_old_does_not_count),
        cmocka_unit_test(a_jump_is_smoothed),
        cmocka_unit_test(pressure_is_a_difference_of_totals),
        cmocka_unit_test(the_configured_uplink_stands_until_one_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
