/* SPDX-License-Identifier: Apache-2.0
 *
 * src/adaptive_group.c: boxes of the policy `adaptive` that share a plan, publish what they counted
 * and keep by what they certified together.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adaptive_pair.h"

enum { BOXES = 10 };

static const struct moa_policy_setting settings[] = {
    {"adaptive.audit", 0.5}, {"adaptive.audits_early", 0}, {NULL, 0}};

/* Boxes with keys of their own, of which the first has seen enough to propose a plan. */
struct fleet {
    struct moa_adaptive *box[BOXES];
    struct moa_group_plan plan;
    struct moa_group *group;
    uint64_t seed;
};

static const char *name_of(unsigned i)
{
    static char name[BOXES][8] = {{0}};
    snprintf(name[i], sizeof(name[i]), "box-%u", i % 10);
    return name[i];
}

static void fleet_begin(struct fleet *f, const struct moa_policy_setting *with)
{
    *f = (struct fleet){.seed = 99};
    for (unsigned i = 0; i < BOXES; i++) {
        const uint64_t key[2] = {i + 1, 77};
        assert_int_equal(moa_adaptive_new(with, key, &f->box[i]), MOA_OK);
    }
    assert_int_equal(moa_adaptive_group_propose(f->box[0], NULL, &f->plan), MOA_ERR_UNSUPPORTED);
    for (int i = 0; i < 250; i++)
        tell_any(f->box[0], &f->seed);
    assert_int_equal(moa_adaptive_group_propose(f->box[0], NULL, &f->plan), MOA_OK);
    assert_int_equal(moa_group_new(&f->plan, BOXES, &f->group), MOA_OK);
    for (unsigned i = 0; i < BOXES; i++)
        assert_int_equal(moa_adaptive_group_join(f->box[i], &f->plan, name_of(i)), MOA_OK);
}

static void fleet_end(struct fleet *f)
{
    for (unsigned i = 0; i < BOXES; i++)
        moa_adaptive_free(f->box[i]);
    moa_group_free(f->group);
}

/* As the wire does it: counts as bytes to whoever adds up. */
static void publish(struct fleet *f, unsigned i)
{
    unsigned char bytes[MOA_GROUP_COUNTS_BYTES_MAX];
    struct moa_group_counts counts;
    struct moa_error error = {.message = "cannot be written"};
    assert_true(moa_adaptive_group_counts(f->box[i], &counts));
    const size_t n = moa_group_counts_write(&counts, bytes, sizeof(bytes));
    if (!n || moa_group_counts_read((struct moa_bytes){bytes, n}, &counts, &error) ||
        moa_group_hear(f->group, &counts, &error))
        fail_msg("%s", error.message);
}

static struct moa_group_certificate certificate_of(const struct fleet *f)
{
    struct moa_group_certificate c;
    moa_group_look(f->group);
    moa_group_certificate(f->group, &c);
    return c;
}

/* Requests in all until the group has certified something, in turns. */
static int together(struct fleet *f)
{
    int n = 0;
    while (!certificate_of(f).certified) {
        assert_true(n < 20000);
        const unsigned i = (unsigned)(n++ % BOXES);
        tell_any(f->box[i], &f->seed);
        publish(f, i);
    }
    return n;
}

static void ten_boxes_certify_together(void **unused)
{
    (void)unused;
    struct fleet f;
    fleet_begin(&f, settings);
    together(&f);
    struct moa_group_certificate c = certificate_of(&f);
    assert_int_equal(c.n_boxes, BOXES);
    assert_true(c.n_audits < 700); /* none of them has a third of what one takes alone */
    struct moa_group_box box;
    for (size_t i = 0; moa_group_box(f.group, i, &box); i++)
        assert_true(box.share < 0.3);
    for (unsigned i = 1; i < BOXES; i++) {
        assert_false(guarantee_of(f.box[i]).certified);
        assert_true(moa_adaptive_group_heed(f.box[i], &c));
        assert_false(moa_adaptive_group_heed(f.box[i], &c));
        const struct moa_guarantee g = guarantee_of(f.box[i]);
        assert_true(g.certified && g.group.in_force && g.group.is_counting && g.group.is_joined);
        assert_true(g.threshold == c.threshold);
        assert_int_equal(g.group.n_audits, c.n_audits);
        assert_int_equal(g.group.n_boxes, BOXES);
        const struct told t = tell(f.box[i], next(&f.seed), 0.999999, false);
        assert_int_equal(t.routing.why, MOA_WHY_CERTIFIED);
        assert_true(t.routing.threshold == c.threshold);
    }
    assert_true(true_share(c.threshold) < 0.05); /* 0.03 with 90 % confidence */
    fleet_end(&f);
}

static void what_a_box_counts_is_what_it_saw(void **unused)
{
    (void)unused;
    static const struct moa_policy_setting all[] = {{"adaptive.audit", 1}, {NULL, 0}};
    struct fleet f;
    struct moa_group_counts c;
    fleet_begin(&f, all);
    assert_true(moa_adaptive_group_counts(f.box[1], &c));
    assert_int_equal(c.n_audits, 0);
    assert_string_equal(c.box, "box-1");
    for (int i = 0; i < 300; i++) {
        const double p = confidence_of(&f.seed);
        const bool lost = differs(p, &f.seed);
        tell(f.box[1], next(&f.seed), p, lost);
    }
    assert_true(moa_adaptive_group_counts(f.box[1], &c));
    const struct generation *g = moa_adaptive_group_generation(f.box[1]);
    assert_non_null(g);
    assert_true(c.n_audits > 150 && c.n_audits <= 300); /* half, once its own is certified */
    assert_int_equal(c.n_audits, g->n_audits);
    assert_int_equal(c.kept[MOA_THRESHOLDS - 1], g->n_audits);
    assert_int_equal(c.lost[MOA_THRESHOLDS - 1], g->n_lost);
    uint32_t n_cells = 0;
    for (int i = 0; i < MOA_GROUP_CELLS; i++)
        n_cells += c.cells[i];
    assert_int_equal(n_cells, c.n_audits);
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        assert_int_equal(c.kept[i], g->kept[i]);
        assert_int_equal(c.lost[i], g->kept_lost[i]);
    }
    /* The weights that the group's equations suggest are those of the answers. */
    double w[MOA_GROUP_WEIGHTS];
    publish(&f, 1);
    moa_group_weights(f.group, w);
    struct confidence fitted;
    moa_confidence_fit(f.box[1]->remembered, 300, &fitted);
    assert_true(fabs(w[1] - fitted.w[1]) < fabs(1.0 - fitted.w[1]));
    fleet_end(&f);
}

/* An alarm ends the generation, and what led to it is published all the same. */
static void losses_that_led_to_an_alarm_are_told(void **unused)
{
    (void)unused;
    static const struct moa_policy_setting all[] = {{"adaptive.audit", 1}, {NULL, 0}};
    struct fleet f;
    struct moa_group_counts before, after;
    fleet_begin(&f, all);
    together(&f);
    struct moa_group_certificate c = certificate_of(&f);
    moa_adaptive_group_heed(f.box[3], &c);
    assert_true(moa_adaptive_group_counts(f.box[3], &before));
    unsigned n = 0;
    while (!(tell(f.box[3], next(&f.seed), 0.999999, true).audit & MOA_AUDIT_ALARM))
        assert_true(++n < 100);
    assert_true(moa_adaptive_group_counts(f.box[3], &after));
    assert_int_equal(after.lost[0] - before.lost[0], n + 1);
    publish(&f, 3);
    const struct moa_guarantee g = guarantee_of(f.box[3]);
    assert_false(g.certified);
    assert_true(g.group.is_joined && !g.group.is_counting && !g.group.in_force);
    assert_false(moa_adaptive_group_heed(f.box[3], &c)); /* not again by the same plan */
    assert_int_equal(moa_adaptive_group_join(f.box[3], &f.plan, name_of(3)), MOA_OK);
    assert_false(guarantee_of(f.box[3]).group.is_counting);
    fleet_end(&f);
}

/* By its own certificate, if it has one; and whoever is in no group is as ever. */
static void a_box_that_leaves_falls_back_to_its_own(void **unused)
{
    (void)unused;
    struct fleet f;
    fleet_begin(&f, settings);
    struct moa_adaptive *a = f.box[2];
    struct moa_group_certificate c = {
        .plan = moa_group_plan_id(&f.plan), .certified = true, .n_certified = 20, .n_used = 10};
    assert_true(moa_adaptive_group_heed(a, &c));
    assert_true(guarantee_of(a).threshold == f.plan.threshold[9]);
    assert_true(moa_generation_threshold(moa_adaptive_current(a)) == f.plan.threshold[19]);
    c.plan ^= 4;
    c.n_used = 20;
    assert_false(moa_adaptive_group_heed(a, &c)); /* of another plan */
    c.plan ^= 4;
    c.n_certified = MOA_THRESHOLDS + 1;
    assert_false(moa_adaptive_group_heed(a, &c));
    moa_adaptive_group_leave(a);
    assert_false(guarantee_of(a).certified);
    assert_false(guarantee_of(a).group.is_counting);
    moa_adaptive_group_leave(a);
    certify(a, &f.seed); /* alone */
    assert_true(guarantee_of(a).certified && !guarantee_of(a).group.in_force);
    struct moa_adaptive *alone = adaptive_of(NULL);
    struct moa_group_counts counts;
    assert_false(moa_adaptive_group_counts(alone, &counts));
    assert_false(moa_adaptive_group_heed(alone, &c));
    moa_adaptive_group_leave(alone);
    assert_false(guarantee_of(alone).group.is_joined);
    moa_adaptive_free(alone);
    fleet_end(&f);
}

static void a_plan_of_another_claim_is_not_joined(void **unused)
{
    (void)unused;
    static const struct moa_policy_setting other[] = {{"adaptive.alpha", 0.05}, {NULL, 0}};
    static const struct moa_policy_setting judge[] = {{"adaptive.long", 1}, {NULL, 0}};
    struct fleet f;
    fleet_begin(&f, settings);
    struct moa_adaptive *alone = adaptive_of(other), *judging = adaptive_of(judge);
    assert_int_equal(moa_adaptive_group_join(alone, &f.plan, "a"), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_group_join(judging, &f.plan, "a"), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_group_join(f.box[0], &f.plan, "a b"), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_group_join(f.box[0], NULL, "a"), MOA_ERR_ARGUMENT);
    f.plan.share = 2.0;
    assert_int_equal(moa_adaptive_group_join(f.box[0], &f.plan, "a"), MOA_ERR_ARGUMENT);
    moa_adaptive_free(alone);
    moa_adaptive_free(judging);
    fleet_end(&f);
}

static struct moa_adaptive *restarted(const struct moa_adaptive *a)
{
    struct moa_adaptive *again = adaptive_of(settings);
    const size_t n = moa_adaptive_save_bytes(a);
    unsigned char *bytes = malloc(n);
    assert_non_null(bytes);
    assert_int_equal(moa_adaptive_save(a, bytes, n), n);
    assert_int_equal(moa_adaptive_load(again, (struct moa_bytes){bytes, n}), MOA_OK);
    free(bytes);
    return again;
}

static void a_restart_changes_nothing(void **unused)
{
    (void)unused;
    struct fleet f;
    struct moa_group_counts before, after;
    fleet_begin(&f, settings);
    together(&f);
    const struct moa_group_certificate c = certificate_of(&f);
    moa_adaptive_group_heed(f.box[5], &c);
    struct moa_adaptive *again = restarted(f.box[5]);
    assert_true(moa_adaptive_group_counts(f.box[5], &before));
    assert_true(moa_adaptive_group_counts(again, &after));
    assert_memory_equal(&before, &after, sizeof(before));
    assert_true(guarantee_of(again).group.in_force);
    assert_true(guarantee_of(again).threshold == c.threshold);
    assert_false(moa_adaptive_group_heed(again, &c));
    /* After a crash it has forgotten some of what it had published. */
    for (int i = 0; i < 50; i++)
        tell_any(f.box[5], &f.seed);
    assert_true(moa_adaptive_group_counts(f.box[5], &before));
    assert_true(before.n_audits > after.n_audits);
    assert_false(moa_adaptive_group_recall(f.box[5], &after));
    assert_true(moa_adaptive_group_recall(again, &before));
    assert_true(moa_adaptive_group_counts(again, &after));
    assert_int_equal(after.n_audits, before.n_audits);
    assert_false(moa_adaptive_group_recall(again, &before));
    before.instance++;
    before.n_audits++;
    assert_false(moa_adaptive_group_recall(again, &before));
    moa_adaptive_free(again);
    fleet_end(&f);
}

/* A box whose edge guesses is found by its scores, and the next generation goes on without it. */
static void the_next_generation_goes_on_without_a_garbage_edge(void **unused)
{
    (void)unused;
    static const struct moa_policy_setting all[] = {{"adaptive.audit", 1}, {NULL, 0}};
    struct fleet f;
    fleet_begin(&f, all);
    for (int n = 0; n < 1500; n++) {
        for (unsigned i = 0; i < BOXES; i++) {
            if (i == 7)
                tell(f.box[i], next(&f.seed), 0.3 + 0.1 * uniform(&f.seed), uniform(&f.seed) < 0.5);
            else
                tell_any(f.box[i], &f.seed);
        }
    }
    for (unsigned i = 0; i < BOXES; i++)
        publish(&f, i);
    assert_int_equal(moa_group_compare(f.group), 1);
    assert_true(moa_group_differs(f.group, "box-7"));
    assert_int_equal(moa_group_due(f.group), MOA_GROUP_DUE_DIFFERS);
    struct moa_group_plan after;
    assert_int_equal(moa_adaptive_group_propose(f.box[0], f.group, &after), MOA_OK);
    assert_int_equal(after.serial, 2);
    assert_string_equal(after.left_out[0], "box-7");
    moa_group_free(f.group);
    assert_int_equal(moa_group_new(&after, BOXES, &f.group), MOA_OK);
    moa_adaptive_group_leave(f.box[7]);
    for (unsigned i = 0; i < BOXES; i++) {
        if (i != 7)
            assert_int_equal(moa_adaptive_group_join(f.box[i], &after, name_of(i)), MOA_OK);
    }
    for (int n = 0; !certificate_of(&f).certified; n++) {
        assert_true(n < 20000);
        const unsigned i = (unsigned)(n % BOXES);
        if (i == 7)
            continue;
        tell_any(f.box[i], &f.seed);
        publish(&f, i);
    }
    assert_int_equal(certificate_of(&f).n_boxes, BOXES - 1);
    fleet_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_boxes_certify_together),
        cmocka_unit_test(what_a_box_counts_is_what_it_saw),
        cmocka_unit_test(losses_that_led_to_an_alarm_are_told),
        cmocka_unit_test(a_box_that_leaves_falls_back_to_its_own),
        cmocka_unit_test(a_plan_of_another_claim_is_not_joined),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(the_next_generation_goes_on_without_a_garbage_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
