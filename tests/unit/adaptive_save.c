/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of moaoff/adaptive.h over restarts: all of it comes back, and nothing that was damaged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adaptive_pair.h"

static void nothing_is_lost_by_a_restart(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 0.5}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    uint64_t seed = 71;
    int n_hours = 0;
    for (int stop = 0; stop < 8; stop++) {
        static const int lengths[] = {0, 90, 150, 300, 800, 1500, 1500, 4000};
        for (int i = 0; i < lengths[stop]; i++) {
            tell_any(a, &seed);
            moa_adaptive_tend(a);
            moa_adaptive_see(a, &(struct moa_sighting){.scene = next(&seed),
                                                       .score = uniform(&seed),
                                                       .hour = 1000 + n_hours++ / 60});
        }
        static const uint64_t other_key[2] = {1, 2};
        struct moa_adaptive *b;
        assert_int_equal(moa_adaptive_new(settings, other_key, &b), MOA_OK);
        const size_t n = moa_adaptive_save_bytes(a);
        unsigned char *saved = malloc(n);
        unsigned char *again = malloc(n);
        assert_int_equal(moa_adaptive_save(a, saved, n - 1), 0);
        assert_int_equal(moa_adaptive_save(a, saved, n), n);
        assert_int_equal(moa_adaptive_load(b, (struct moa_bytes){saved, n}), MOA_OK);
        assert_int_equal(moa_adaptive_save(b, again, n), n);
        assert_memory_equal(saved, again, n);
        const struct moa_guarantee x = guarantee_of(a), y = guarantee_of(b);
        assert_true(x.threshold == y.threshold && x.drift == y.drift && x.n_alarms == y.n_alarms);
        assert_true(x.generation == y.generation && x.n_audits == y.n_audits);
        assert_memory_equal(x.curve, y.curve, sizeof(x.curve));
        assert_memory_equal(a->shift.reference, b->shift.reference, sizeof(a->shift.reference));
        assert_memory_equal(a->shift.window, b->shift.window, sizeof(a->shift.window));
        assert_memory_equal(a->shift.marks, b->shift.marks, sizeof(a->shift.marks));
        assert_true(a->shift.hour == b->shift.hour && a->shift.n_scenes == b->shift.n_scenes);
        assert_memory_equal(&a->predict, &b->predict, sizeof(a->predict));
        for (size_t i = 0; i < ADAPTIVE_REMEMBERED; i++)
            assert_true(a->remembered[i].answer.p_min == b->remembered[i].answer.p_min &&
                        a->remembered[i].lost == b->remembered[i].lost);
        uint64_t seed_of_b = seed;
        for (int i = 0; i < 50; i++) {
            const struct told one = tell_any(a, &seed), two = tell_any(b, &seed_of_b);
            assert_true(one.kept == two.kept && one.audit == two.audit &&
                        one.routing.threshold == two.routing.threshold);
        }
        assert_int_equal(moa_adaptive_save_bytes(a), moa_adaptive_save_bytes(b));
        free(saved);
        free(again);
        moa_adaptive_free(b);
    }
    assert_true(a->n_serials >= 3 && a->shift.began_hour > 0);
    moa_adaptive_free(a);
}

static void what_was_not_saved_is_not_loaded(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 81;
    certify(a, &seed);
    const size_t n = moa_adaptive_save_bytes(a);
    unsigned char *saved = malloc(n);
    assert_int_equal(moa_adaptive_save(a, saved, n), n);
    struct moa_adaptive *b = adaptive_of(NULL);
    for (size_t cut = 0; cut < n; cut += cut < 64 ? 1 : 997)
        assert_true(moa_adaptive_load(b, (struct moa_bytes){saved, cut}) != MOA_OK);
    for (size_t i = 0; i < n; i += 131) {
        saved[i] ^= 0x40;
        assert_true(moa_adaptive_load(b, (struct moa_bytes){saved, n}) != MOA_OK);
        saved[i] ^= 0x40;
    }
    saved[0]++;
    assert_int_equal(moa_adaptive_load(b, (struct moa_bytes){saved, n}), MOA_ERR_FORMAT);
    saved[0]--;
    assert_false(guarantee_of(b).certified);

    /* Another claim than then: what is known of times stays, certificates do not. */
    const struct moa_policy_setting stricter[] = {{"adaptive.delta", 0.01}, {NULL, 0}};
    struct moa_adaptive *c = adaptive_of(stricter);
    assert_int_equal(moa_adaptive_load(c, (struct moa_bytes){saved, n}), MOA_OK);
    assert_false(guarantee_of(c).certified);
    assert_true(guarantee_of(c).delta == 0.01);
    assert_true(c->predict.n_window == a->predict.n_window);
    assert_int_equal(moa_adaptive_load(b, (struct moa_bytes){saved, n}), MOA_OK);
    assert_true(guarantee_of(b).certified);
    free(saved);
    moa_adaptive_free(a);
    moa_adaptive_free(b);
    moa_adaptive_free(c);
}

/* Written by the program before long answers could be judged: 340 requests, 127 audits tested. */
static void an_older_state_is_read(void **unused)
{
    (void)unused;
    static char saved[40000], again[80000];
    FILE *in = fopen(TEST_DATA "/adaptive-state-1", "rb");
    assert_non_null(in);
    const size_t n = fread(saved, 1, sizeof(saved), in);
    fclose(in);
    struct moa_adaptive *a = adaptive_of(NULL);
    assert_int_equal(moa_adaptive_load(a, (struct moa_bytes){saved, n}), MOA_OK);
    const struct moa_guarantee g = guarantee_of(a);
    assert_true(g.certified && g.n_audits == 127 && g.n_lost == 12 && g.n_requests == 340);
    assert_true(g.threshold == 0.46633663366336636);
    const size_t n_again = moa_adaptive_save(a, again, sizeof(again));
    assert_int_equal(moa_adaptive_load(a, (struct moa_bytes){again, n_again}), MOA_OK);
    assert_true(guarantee_of(a).certified);
    for (size_t cut = 8; cut < n; cut += 401)
        assert_true(moa_adaptive_load(a, (struct moa_bytes){saved, cut}) != MOA_OK);

    const struct moa_policy_setting judged[] = {{"adaptive.long", 1}, {NULL, 0}};
    struct moa_adaptive *b = adaptive_of(judged);
    assert_int_equal(moa_adaptive_load(b, (struct moa_bytes){again, n_again}), MOA_OK);
    assert_false(guarantee_of(b).certified);
    assert_true(moa_adaptive_save(b, again, sizeof(again)) > 0);
    assert_int_equal(moa_adaptive_configure(a, judged), MOA_OK);
    assert_false(guarantee_of(a).certified);
    const uint64_t generation = guarantee_of(a).generation;
    assert_int_equal(moa_adaptive_configure(a, judged), MOA_OK);
    assert_true(guarantee_of(a).generation == generation);
    moa_adaptive_free(a);
    moa_adaptive_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_by_a_restart),
        cmocka_unit_test(what_was_not_saved_is_not_loaded),
        cmocka_unit_test(an_older_state_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
