/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/policy.h: Eq. 5 at its thresholds, unknown quantities, outages, pins, plans.
 */
#include <math.h>
#include <string.h>

#include <moaoff/policy.h>

#include "test.h"

static const struct moa_state quiet = {
    .edge_load = 0.0, .uplink_mbps = 100.0, .edge_up = true, .cloud_up = true};

/* One text and one image with the complexities given. */
static struct moa_decision decide_with(const struct moa_policy_params *params, const char *name,
                                       double text, double image, const struct moa_state *state,
                                       bool pinned)
{
    struct moa_policy *policy;
    struct moa_decision d;
    const struct moa_modality images[] = {{.complexity = image}};
    const struct moa_request request = {
        .text = {.complexity = text}, .n_images = 1, .images = images, .pinned = pinned};
    assert_int_equal(moa_policy_new(name, params, &policy), MOA_OK);
    assert_int_equal(moa_decide(policy, &request, state, &d), MOA_OK);
    moa_policy_free(policy);
    return d;
}

static void assert_choice(struct moa_choice choice, enum moa_tier tier, enum moa_reason reason)
{
    assert_string_equal(moa_tier_name(choice.tier), moa_tier_name(tier));
    assert_string_equal(moa_reason_name(choice.reason), moa_reason_name(reason));
}

static void equation_5_holds_at_its_thresholds(void **unused)
{
    (void)unused;
    const double above = nextafter(0.5, 1.0);
    struct moa_decision d = decide_with(NULL, "paper", 0.5, above, &quiet, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.images[0], MOA_CLOUD, MOA_REASON_COMPLEX);

    struct moa_state state = quiet;
    state.edge_load = 0.85;
    state.uplink_mbps = 400.0;
    d = decide_with(NULL, "paper", 0.5, 0.5, &state, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    state.edge_load = 0.851;
    d = decide_with(NULL, "paper", 0.5, 0.5, &state, false);
    assert_choice(d.images[0], MOA_CLOUD, MOA_REASON_EDGE_BUSY);
    state.edge_load = 0.85;
    state.uplink_mbps = 400.1;
    d = decide_with(NULL, "paper", 0.5, 0.5, &state, false);
    assert_choice(d.text, MOA_CLOUD, MOA_REASON_UPLINK_FAST);
}

static void unknown_is_not_zero_and_not_infinite(void **unused)
{
    (void)unused;
    const struct moa_state unknown = {
        .edge_load = NAN, .uplink_mbps = NAN, .edge_up = true, .cloud_up = true};
    struct moa_decision d = decide_with(NULL, "paper", 0.1, 0.9, &unknown, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.images[0], MOA_CLOUD, MOA_REASON_COMPLEX);
}

static void tier_that_is_down_is_never_chosen_while_the_other_is_up(void **unused)
{
    (void)unused;
    static const char *const names[] = {"paper",          "edge",  "cloud", "paper-no-modality",
                                        "paper-no-state", "perllm"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct moa_state state = quiet;
        state.edge_up = false;
        struct moa_decision d = decide_with(NULL, names[i], 0.1, 0.9, &state, false);
        assert_int_equal(d.plan, MOA_PLAN_CLOUD);
        state.edge_up = true;
        state.cloud_up = false;
        d = decide_with(NULL, names[i], 0.1, 0.9, &state, false);
        assert_int_equal(d.plan, MOA_PLAN_EDGE);
    }
    struct moa_state both_down = quiet;
    both_down.edge_up = both_down.cloud_up = false;
    struct moa_decision d = decide_with(NULL, "paper", 0.1, 0.9, &both_down, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.images[0], MOA_CLOUD, MOA_REASON_COMPLEX);
}

static void pinned_request_stays_on_the_edge_whatever_happens(void **unused)
{
    (void)unused;
    static const char *const names[] = {"paper",          "edge",  "cloud", "paper-no-modality",
                                        "paper-no-state", "perllm"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct moa_state state = {
            .edge_load = 1.0, .uplink_mbps = 1000.0, .edge_up = false, .cloud_up = true};
        struct moa_decision d = decide_with(NULL, names[i], 1.0, 1.0, &state, true);
        assert_int_equal(d.plan, MOA_PLAN_EDGE);
        assert_choice(d.text, MOA_EDGE, MOA_REASON_PINNED);
        assert_choice(d.images[0], MOA_EDGE, MOA_REASON_PINNED);
    }
}

static void plan_follows_from_the_decision_vector(void **unused)
{
    (void)unused;
    static const struct {
        double text, image;
        enum moa_plan plan;
    } cases[] = {
        {0.1, 0.1, MOA_PLAN_EDGE},
        {0.9, 0.9, MOA_PLAN_CLOUD},
        {0.1, 0.9, MOA_PLAN_PERCEIVE_CLOUD},
        {0.9, 0.1, MOA_PLAN_PERCEIVE_EDGE},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct moa_decision d =
            decide_with(NULL, "paper", cases[i].text, cases[i].image, &quiet, false);
        assert_string_equal(moa_plan_name(d.plan), moa_plan_name(cases[i].plan));
    }
}

static void one_image_on_the_other_tier_splits_the_request(void **unused)
{
    (void)unused;
    struct moa_policy *policy;
    struct moa_modality images[MOA_IMAGES_MAX] = {0};
    images[MOA_IMAGES_MAX - 1].complexity = 1.0;
    const struct moa_request request = {.n_images = MOA_IMAGES_MAX, .images = images};
    struct moa_decision d;
    assert_int_equal(moa_policy_new("paper", NULL, &policy), MOA_OK);
    assert_int_equal(moa_decide(policy, &request, &quiet, &d), MOA_OK);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_CLOUD);
    assert_int_equal(d.images[0].tier, MOA_EDGE);
    assert_int_equal(d.images[MOA_IMAGES_MAX - 1].tier, MOA_CLOUD);
    moa_policy_free(policy);
}

static void text_and_images_have_thresholds_of_their_own(void **unused)
{
    (void)unused;
    struct moa_policy_params params;
    moa_policy_params_default(&params);
    params.tau_text = 0.2;
    params.tau_image = 0.8;
    struct moa_decision d = decide_with(&params, "paper", 0.5, 0.5, &quiet, false);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_EDGE);
}

/* The ablation without modalities sends everything one way, by the means of c and tau; where paper
 * sends everything one way by complexity, so does it, to the same tier. */
static void ablation_without_modalities_never_splits(void **unused)
{
    (void)unused;
    struct moa_policy_params params;
    moa_policy_params_default(&params);
    for (int i = 0; i <= 100; i++) {
        double text = (i % 11) / 10.0;
        double image = (double)(i / 11) / 10.0; /* NOLINT(bugprone-integer-division) */
        struct moa_decision whole =
            decide_with(&params, "paper-no-modality", text, image, &quiet, false);
        struct moa_decision d = decide_with(&params, "paper", text, image, &quiet, false);
        assert_int_equal(whole.plan, text + image <= 1.0 ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD);
        if (d.plan == MOA_PLAN_EDGE || d.plan == MOA_PLAN_CLOUD)
            assert_int_equal(whole.plan, d.plan);
        else
            assert_true(whole.plan == MOA_PLAN_EDGE || whole.plan == MOA_PLAN_CLOUD);
    }
    params.tau_text = 0.2;
    params.tau_image = 0.6;
    struct moa_decision d = decide_with(&params, "paper-no-modality", 0.35, 0.35, &quiet, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    d = decide_with(&params, "paper-no-modality", 0.45, 0.45, &quiet, false);
    assert_choice(d.images[0], MOA_CLOUD, MOA_REASON_COMPLEX);
    struct moa_state busy = quiet;
    busy.edge_load = 0.9;
    d = decide_with(NULL, "paper-no-modality", 0.1, 0.1, &busy, false);
    assert_choice(d.text, MOA_CLOUD, MOA_REASON_EDGE_BUSY);
}

/* The ablation without state equals paper in a quiet state, whatever the state is. */
static void ablation_without_state_sees_complexity_only(void **unused)
{
    (void)unused;
    const struct moa_state loud = {
        .edge_load = 1.0, .uplink_mbps = 1e5, .edge_up = true, .cloud_up = true};
    for (int i = 0; i <= 100; i++) {
        double text = (i % 11) / 10.0;
        double image = (double)(i / 11) / 10.0; /* NOLINT(bugprone-integer-division) */
        struct moa_decision blind = decide_with(NULL, "paper-no-state", text, image, &loud, false);
        struct moa_decision d = decide_with(NULL, "paper", text, image, &quiet, false);
        assert_choice(blind.text, d.text.tier, d.text.reason);
        assert_choice(blind.images[0], d.images[0].tier, d.images[0].reason);
        assert_int_equal(decide_with(NULL, "paper", text, image, &loud, false).plan,
                         MOA_PLAN_CLOUD);
    }
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct moa_policy *policy = NULL;
    struct moa_policy_params params;
    assert_int_equal(moa_policy_new("nonsense", NULL, &policy), MOA_ERR_ARGUMENT);
    moa_policy_params_default(&params);
    params.tau_text = NAN;
    assert_int_equal(moa_policy_new("paper", &params, &policy), MOA_ERR_ARGUMENT);
    moa_policy_params_default(&params);
    params.uplink_max_mbps = 0.0;
    assert_int_equal(moa_policy_new("paper", &params, &policy), MOA_ERR_ARGUMENT);
    assert_null(policy);

    static const double wrong[] = {-0.01, 1.01, NAN, INFINITY};
    assert_int_equal(moa_policy_new("paper", NULL, &policy), MOA_OK);
    struct moa_decision d;
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        const struct moa_request request = {.text = {.complexity = wrong[i]}};
        assert_int_equal(moa_decide(policy, &request, &quiet, &d), MOA_ERR_ARGUMENT);
    }
    const struct moa_request fine = {.text = {.complexity = 0.5}};
    struct moa_state negative = quiet;
    negative.edge_load = -0.1;
    assert_int_equal(moa_decide(policy, &fine, &negative, &d), MOA_ERR_ARGUMENT);
    const struct moa_request many = {.n_images = MOA_IMAGES_MAX + 1};
    assert_int_equal(moa_decide(policy, &many, &quiet, &d), MOA_ERR_ARGUMENT);
    moa_policy_free(policy);
    moa_policy_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equation_5_holds_at_its_thresholds),
        cmocka_unit_test(unknown_is_not_zero_and_not_infinite),
        cmocka_unit_test(tier_that_is_down_is_never_chosen_while_the_other_is_up),
        cmocka_unit_test(pinned_request_stays_on_the_edge_whatever_happens),
        cmocka_unit_test(plan_follows_from_the_decision_vector),
        cmocka_unit_test(one_image_on_the_other_tier_splits_the_request),
        cmocka_unit_test(text_and_images_have_thresholds_of_their_own),
        cmocka_unit_test(ablation_without_modalities_never_splits),
        cmocka_unit_test(ablation_without_state_sees_complexity_only),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
