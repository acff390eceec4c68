/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy `adaptive` through moa_decide(): what its routes become, what pins, outages and
 * refusals make of them, and what a reload may not forget. The statistics are adaptive.c's.
 */
#include <math.h>
#include <string.h>

#include <moaoff/policy.h>

#include "test.h"

static const struct moa_state quiet = {
    .edge_load = 0.0, .uplink_mbps = 100.0, .edge_up = true, .cloud_up = true};

static struct moa_policy *policy_with(const char *key, double value)
{
    const struct moa_policy_setting settings[] = {{key, value}, {NULL, 0}};
    struct moa_policy *policy;
    assert_int_equal(moa_policy_new("adaptive", settings, &policy), MOA_OK);
    return policy;
}

static struct moa_question question_of(uint64_t scene)
{
    return (struct moa_question){
        .scene = scene,
        .text = 1,
        .coins = {1, 1},
        .load = {{NAN, NAN, NAN}, {NAN, NAN, NAN}},
        .upload_bytes = NAN,
        .uplink_mbps = NAN,
        .rtt_ms = NAN,
    };
}

static struct moa_answer answer_of(double p)
{
    return (struct moa_answer){
        .form = MOA_ANSWER_SHORT, .n_tokens = 2, .p_min = p, .p_first = p, .p_top5 = 1.0};
}

/* Audits without a loss until something is certified: half of the answers are rather sure. */
static void certify(struct moa_policy *policy)
{
    struct moa_adaptive *a = moa_policy_adaptive(policy);
    struct moa_guarantee g = {.certified = false};
    for (uint64_t scene = 1; scene < 1000 && !g.certified; scene++) {
        const double p = 0.3 + 0.0137 * (double)(scene % 50);
        struct moa_question q = question_of(scene);
        struct moa_routing r;
        q.edge_up = q.cloud_up = true;
        moa_adaptive_coins(a, scene, 1, q.coins);
        assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
        struct moa_audit audit = {
            .scene = scene, .text = 1, .answer = answer_of(p), .lost = p < 0.65};
        memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
        moa_adaptive_audit(a, &audit);
        moa_adaptive_guarantee(a, &g);
    }
    assert_true(g.certified);
}

/* What was decided for one text and one image. */
struct decided {
    struct moa_decision d;
    struct moa_choice choices[2];
};

static void decide(const struct moa_policy *policy, const struct moa_request *request,
                   const struct moa_state *state, struct decided *ret)
{
    ret->d = (struct moa_decision){.n = 2, .choices = ret->choices};
    assert_int_equal(moa_decide(policy, request, state, &ret->d), MOA_OK);
}

static void assert_all(const struct decided *got, enum moa_plan plan, enum moa_reason reason)
{
    assert_string_equal(moa_plan_name(got->d.plan), moa_plan_name(plan));
    const bool is_edge = plan != MOA_PLAN_CLOUD;
    for (int i = 0; i < 2; i++) {
        assert_string_equal(moa_reason_name(got->choices[i].reason), moa_reason_name(reason));
        assert_int_equal(got->choices[i].tier, is_edge ? MOA_EDGE : MOA_CLOUD);
    }
    assert_int_equal(isnan(got->d.threshold), plan != MOA_PLAN_EDGE_FIRST);
}

static const struct moa_modality two[] = {{.kind = MOA_TEXT}, {.kind = MOA_IMAGE}};
static const struct moa_request plain = {.n = 2, .modalities = two};

static void at_first_the_cloud_answers_and_every_scene_is_an_audit(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with(NULL, 0);
    struct decided got;
    decide(policy, &plain, &quiet, &got);
    assert_all(&got, MOA_PLAN_CLOUD, MOA_REASON_SHADOW);
    assert_true(got.d.is_routed && got.d.routing.audit_of[0] == 0); /* no coin was tossed */

    struct moa_question q = question_of(7);
    q.coins[0] = 0.999;
    const struct moa_request asked = {.n = 2, .modalities = two, .question = &q};
    decide(policy, &asked, &quiet, &got);
    assert_all(&got, MOA_PLAN_CLOUD, MOA_REASON_SHADOW);
    assert_int_equal(got.d.routing.audit_of[0], 1);
    moa_policy_free(policy);
}

static void a_certificate_lets_the_edge_answer_first(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with(NULL, 0);
    struct moa_guarantee g;
    struct decided got;
    certify(policy);
    moa_adaptive_guarantee(moa_policy_adaptive(policy), &g);
    decide(policy, &plain, &quiet, &got);
    assert_all(&got, MOA_PLAN_EDGE_FIRST, MOA_REASON_CERTIFIED);
    assert_true(got.d.threshold == g.threshold);
    char why[256];
    assert_true(moa_explain(policy, &plain, &quiet, &got.d, 0, why, sizeof(why)) > 0);
    assert_non_null(strstr(why, "which is certified"));

    struct moa_question q = question_of(100000);
    q.coins[0] = 0.0;
    const struct moa_request asked = {.n = 2, .modalities = two, .question = &q};
    decide(policy, &asked, &quiet, &got);
    assert_all(&got, MOA_PLAN_EDGE_FIRST, MOA_REASON_AUDIT);
    assert_int_equal(got.d.routing.audit_of[0], 1);
    moa_policy_free(policy);
}

/* An edge that has eight calls before this one, and times as they were seen. */
static void a_busy_edge_is_passed_by(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with("adaptive.shadow", 0);
    struct moa_adaptive *a = moa_policy_adaptive(policy);
    const struct moa_adaptive_outcome seen = {
        .edge_first = true,
        .called = {true, true},
        .times = {{10, 50, 100, 40, 4}, {20, 60, 100, 40, 4}}};
    for (int i = 0; i < 20; i++)
        assert_int_equal(moa_adaptive_observe(a, &seen), MOA_OK);
    struct moa_question q = question_of(1);
    q.load[MOA_EDGE] = (struct moa_tier_load){0, 1, 100};
    q.load[MOA_CLOUD] = (struct moa_tier_load){0, 4, 100};
    q.upload_bytes = 50000;
    q.uplink_mbps = 50;
    q.rtt_ms = 10;
    const struct moa_request asked = {.n = 2, .modalities = two, .question = &q};
    struct decided got;
    decide(policy, &asked, &quiet, &got);
    assert_all(&got, MOA_PLAN_EDGE_FIRST, MOA_REASON_UNCERTIFIED);
    assert_true(got.d.threshold == 0.9);
    q.load[MOA_EDGE].n_in_flight = 8;
    decide(policy, &asked, &quiet, &got);
    assert_all(&got, MOA_PLAN_CLOUD, MOA_REASON_QUICKER);
    char why[256];
    assert_true(moa_explain(policy, &asked, &quiet, &got.d, 1, why, sizeof(why)) > 0);
    assert_non_null(strstr(why, "the cloud costs 1"));
    moa_policy_free(policy);
}

static void what_is_outside_of_the_claim_is_never_audited(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with(NULL, 0);
    struct moa_question q = question_of(100000);
    struct moa_modality m[2];
    struct moa_request asked = {.n = 2, .modalities = m, .question = &q};
    struct decided got;
    q.coins[0] = 0.0;
    for (int certified = 0; certified < 2; certified++) {
        for (int what = 0; what < 7; what++) {
            struct moa_state state = quiet;
            enum moa_plan plan = what % 2 ? MOA_PLAN_CLOUD : MOA_PLAN_EDGE;
            const enum moa_reason reasons[] = {MOA_REASON_PINNED,      MOA_REASON_EDGE_DOWN,
                                               MOA_REASON_CLOUD_DOWN,  MOA_REASON_UNSUPPORTED,
                                               MOA_REASON_UNSUPPORTED, MOA_REASON_TOO_LONG,
                                               MOA_REASON_OVER_BUDGET};
            memcpy(m, two, sizeof(m));
            m[1].pinned = what == 0;
            state.edge_up = what != 1;
            state.cloud_up = what != 2;
            state.cloud_spent = what == 6;
            m[1].refused[MOA_EDGE] = what == 3;
            m[1].refused[MOA_CLOUD] = what == 4;
            m[0].refused[MOA_EDGE] = what == 5;
            decide(policy, &asked, &state, &got);
            assert_all(&got, plan, reasons[what]);
            assert_true(got.d.is_routed && got.d.routing.audit_of[0] == 0);
        }
        asked.pinned = true;
        decide(policy, &asked, &quiet, &got);
        assert_all(&got, MOA_PLAN_EDGE, MOA_REASON_PINNED);
        assert_false(got.d.is_routed);
        assert_int_equal(got.d.routing.audit_of[0], 0);
        asked.pinned = false;
        if (!certified)
            certify(policy);
    }
    moa_policy_free(policy);
}

static void without_a_certificate_the_paper_may_decide(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {
        {"adaptive.shadow", 0}, {"adaptive.before", 2}, {"paper.tau_image", 0.3}, {NULL, 0}};
    struct moa_policy *policy;
    assert_int_equal(moa_policy_new("adaptive", settings, &policy), MOA_OK);
    struct moa_modality m[2];
    memcpy(m, two, sizeof(m));
    m[1].complexity = 0.4;
    const struct moa_request asked = {.n = 2, .modalities = m};
    struct decided got;
    decide(policy, &asked, &quiet, &got);
    assert_int_equal(got.d.routing.route, MOA_ROUTE_PAPER);
    assert_int_equal(got.d.plan, MOA_PLAN_PERCEIVE_CLOUD);
    assert_int_equal(got.choices[1].reason, MOA_REASON_COMPLEX);
    assert_true(isnan(got.d.threshold));
    char why[256];
    assert_true(moa_explain(policy, &asked, &quiet, &got.d, 1, why, sizeof(why)) > 0);
    assert_string_equal(why, "c = 0.400 is above tau = 0.300");
    assert_int_equal(moa_policy_configure(policy, NULL), MOA_OK); /* tau and shadow as ever */
    decide(policy, &asked, &quiet, &got);
    assert_all(&got, MOA_PLAN_CLOUD, MOA_REASON_SHADOW);
    moa_policy_free(policy);
}

static void configuring_keeps_what_was_learned_unless_the_claim_changes(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with(NULL, 0);
    certify(policy);
    const struct moa_policy_setting wrong[] = {{"adaptive.alpha", 0.9}, {NULL, 0}};
    const struct moa_policy_setting more[] = {{"adaptive.audit", 0.2}, {NULL, 0}};
    const struct moa_policy_setting other[] = {{"adaptive.alpha", 0.02}, {NULL, 0}};
    struct moa_guarantee g;
    assert_int_equal(moa_policy_configure(policy, wrong), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_configure(policy, more), MOA_OK);
    assert_true(moa_policy_value(policy, "adaptive.audit") == 0.2);
    moa_adaptive_guarantee(moa_policy_adaptive(policy), &g);
    assert_true(g.certified);
    assert_int_equal(moa_policy_configure(policy, other), MOA_OK);
    moa_adaptive_guarantee(moa_policy_adaptive(policy), &g);
    assert_true(!g.certified && g.alpha == 0.02);

    const uint64_t key[2] = {1, 2};
    double before[MOA_GENERATIONS], after[MOA_GENERATIONS];
    moa_adaptive_coins(moa_policy_adaptive(policy), 5, 6, before);
    assert_int_equal(moa_adaptive_set_key(moa_policy_adaptive(policy), key), MOA_OK);
    moa_adaptive_coins(moa_policy_adaptive(policy), 5, 6, after);
    assert_true(before[0] != after[0]);
    moa_policy_free(policy);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_with(NULL, 0);
    struct moa_policy *paper;
    struct moa_question q = question_of(1);
    const struct moa_request asked = {.n = 2, .modalities = two, .question = &q};
    struct decided got = {.d = {.n = 2, .choices = got.choices}};
    q.kind = MOA_QUESTION_KINDS;
    assert_int_equal(moa_decide(policy, &asked, &quiet, &got.d), MOA_ERR_ARGUMENT);
    q = question_of(1);
    q.upload_bytes = -1;
    assert_int_equal(moa_decide(policy, &asked, &quiet, &got.d), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new("paper", NULL, &paper), MOA_OK);
    assert_null(moa_policy_adaptive(paper));
    assert_null(moa_policy_adaptive(NULL));
    decide(paper, &plain, &quiet, &got);
    assert_false(got.d.is_routed);
    moa_policy_free(paper);
    moa_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_the_cloud_answers_and_every_scene_is_an_audit),
        cmocka_unit_test(a_certificate_lets_the_edge_answer_first),
        cmocka_unit_test(a_busy_edge_is_passed_by),
        cmocka_unit_test(what_is_outside_of_the_claim_is_never_audited),
        cmocka_unit_test(without_a_certificate_the_paper_may_decide),
        cmocka_unit_test(configuring_keeps_what_was_learned_unless_the_claim_changes),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
