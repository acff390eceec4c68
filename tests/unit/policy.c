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

/* What was decided for one text and one image. */
struct decided {
    enum moa_plan plan;
    double threshold;
    struct moa_choice text, image;
};

static struct decided decide_request(const char *name, const struct moa_policy_setting *settings,
                                     const struct moa_request *request,
                                     const struct moa_state *state)
{
    struct moa_policy *policy;
    struct moa_choice choices[2];
    struct moa_decision d = {.n = 2, .choices = choices};
    assert_int_equal(moa_policy_new(name, settings, &policy), MOA_OK);
    assert_int_equal(moa_decide(policy, request, state, &d), MOA_OK);
    assert_int_equal(d.n, 2);
    moa_policy_free(policy);
    return (struct decided){d.plan, d.threshold, choices[0], choices[1]};
}

static struct decided decide_with(const struct moa_policy_setting *settings, const char *name,
                                  double text, double image, const struct moa_state *state,
                                  bool pinned)
{
    const struct moa_modality modalities[] = {{.kind = MOA_TEXT, .complexity = text},
                                              {.kind = MOA_IMAGE, .complexity = image}};
    const struct moa_request request = {.n = 2, .modalities = modalities, .pinned = pinned};
    return decide_request(name, settings, &request, state);
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
    struct decided d = decide_with(NULL, "paper", 0.5, above, &quiet, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_COMPLEX);

    struct moa_state state = quiet;
    state.edge_load = 0.85;
    state.uplink_mbps = 400.0;
    d = decide_with(NULL, "paper", 0.5, 0.5, &state, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    state.edge_load = 0.851;
    d = decide_with(NULL, "paper", 0.5, 0.5, &state, false);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_EDGE_BUSY);
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
    struct decided d = decide_with(NULL, "paper", 0.1, 0.9, &unknown, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_COMPLEX);
}

static void tier_that_is_down_is_never_chosen_while_the_other_is_up(void **unused)
{
    (void)unused;
    static const char *const names[] = {"paper",          "edge",  "cloud", "paper-no-modality",
                                        "paper-no-state", "perllm"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct moa_state state = quiet;
        state.edge_up = false;
        struct decided d = decide_with(NULL, names[i], 0.1, 0.9, &state, false);
        assert_int_equal(d.plan, MOA_PLAN_CLOUD);
        state.edge_up = true;
        state.cloud_up = false;
        d = decide_with(NULL, names[i], 0.1, 0.9, &state, false);
        assert_int_equal(d.plan, MOA_PLAN_EDGE);
    }
    struct moa_state both_down = quiet;
    both_down.edge_up = both_down.cloud_up = false;
    struct decided d = decide_with(NULL, "paper", 0.1, 0.9, &both_down, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_COMPLEX);
}

static void spent_budget_sends_nothing_to_the_cloud_that_the_edge_takes(void **unused)
{
    (void)unused;
    static const char *const names[] = {
        "paper",          "edge",   "cloud",          "paper-no-modality",
        "paper-no-state", "perllm", "perllm-accuracy"};
    struct moa_state state = quiet;
    state.cloud_spent = true;
    for (size_t i = 0; i < N_TESTS(names); i++)
        assert_int_equal(decide_with(NULL, names[i], 0.9, 0.9, &state, false).plan, MOA_PLAN_EDGE);
    struct decided d = decide_with(NULL, "paper", 0.1, 0.9, &state, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    assert_choice(d.image, MOA_EDGE, MOA_REASON_OVER_BUDGET);
    d = decide_with(NULL, "cloud", 0.1, 0.9, &state, true);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_PINNED);
    /* Whether it may be escalated is seen when it would be. */
    assert_int_equal(decide_with(NULL, "edge-first", 0.1, 0.9, &state, false).plan,
                     MOA_PLAN_EDGE_FIRST);

    /* What only the cloud could do stays with it, for the caller to refuse. */
    const struct moa_modality modalities[] = {
        {.complexity = 0.1}, {.kind = MOA_AUDIO, .complexity = 0.1, .refused = {true, false}}};
    const struct moa_request request = {.n = 2, .modalities = modalities};
    d = decide_request("cloud", NULL, &request, &state);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_OVER_BUDGET);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_FIXED);
    state.edge_up = false;
    assert_int_equal(decide_with(NULL, "cloud", 0.1, 0.9, &state, false).plan, MOA_PLAN_CLOUD);
    assert_int_equal(decide_with(NULL, "edge", 0.1, 0.9, &state, false).plan, MOA_PLAN_EDGE);
}

static void pinned_request_stays_on_the_edge_whatever_happens(void **unused)
{
    (void)unused;
    static const char *const names[] = {"paper",          "edge",  "cloud", "paper-no-modality",
                                        "paper-no-state", "perllm"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct moa_state state = {
            .edge_load = 1.0, .uplink_mbps = 1000.0, .edge_up = false, .cloud_up = true};
        struct decided d = decide_with(NULL, names[i], 1.0, 1.0, &state, true);
        assert_int_equal(d.plan, MOA_PLAN_EDGE);
        assert_choice(d.text, MOA_EDGE, MOA_REASON_PINNED);
        assert_choice(d.image, MOA_EDGE, MOA_REASON_PINNED);
    }
}

/* A pinned image stays, whatever policy and state; the text may go. */
static void pinned_modality_stays_and_the_others_may_go(void **unused)
{
    (void)unused;
    const struct moa_modality modalities[] = {
        {.complexity = 1.0}, {.kind = MOA_IMAGE, .complexity = 1.0, .pinned = true}};
    const struct moa_request request = {.n = 2, .modalities = modalities};
    static const char *const names[] = {"paper", "cloud", "paper-no-modality", "paper-no-state"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct moa_state state = quiet;
        struct decided d = decide_request(names[i], NULL, &request, &state);
        assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_EDGE);
        assert_choice(d.image, MOA_EDGE, MOA_REASON_PINNED);
        state.edge_up = false;
        d = decide_request(names[i], NULL, &request, &state);
        assert_choice(d.image, MOA_EDGE, MOA_REASON_PINNED);
    }
}

/* What a tier refuses goes to the other, if that takes it: all of it, if all of it was to stay
 * together. A pin is stronger, and an outage no reason to send something where it is refused. */
static void what_a_tier_refuses_goes_to_the_other(void **unused)
{
    (void)unused;
    struct moa_modality modalities[] = {{.complexity = 0.1},
                                        {.kind = MOA_AUDIO, .complexity = 0.1, .refused = {true}}};
    const struct moa_request request = {.n = 2, .modalities = modalities};
    static const char *const names[] = {"paper", "edge", "paper-no-modality", "perllm"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct decided d = decide_request(names[i], NULL, &request, &quiet);
        assert_int_equal(d.plan, MOA_PLAN_CLOUD);
        assert_choice(d.text, MOA_CLOUD, MOA_REASON_UNSUPPORTED);
        assert_choice(d.image, MOA_CLOUD, MOA_REASON_UNSUPPORTED);
    }
    struct moa_state cloud_down = quiet;
    cloud_down.cloud_up = false;
    struct decided d = decide_request("paper", NULL, &request, &cloud_down);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_UNSUPPORTED);
    modalities[0].pinned = true;
    d = decide_request("paper", NULL, &request, &quiet);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_CLOUD);
    modalities[1].pinned = true;
    d = decide_request("paper", NULL, &request, &quiet);
    assert_choice(d.image, MOA_EDGE, MOA_REASON_PINNED);

    modalities[0] = (struct moa_modality){.complexity = 0.1, .refused = {true}};
    modalities[1].refused[MOA_EDGE] = false;
    d = decide_request("paper", NULL, &request, &quiet);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_EDGE);
    assert_choice(d.text, MOA_CLOUD, MOA_REASON_TOO_LONG);
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
        struct decided d = decide_with(NULL, "paper", cases[i].text, cases[i].image, &quiet, false);
        assert_string_equal(moa_plan_name(d.plan), moa_plan_name(cases[i].plan));
    }
}

static void one_image_on_the_other_tier_splits_the_request(void **unused)
{
    (void)unused;
    struct moa_policy *policy;
    static struct moa_modality modalities[MOA_MODALITIES_MAX];
    static struct moa_choice choices[MOA_MODALITIES_MAX];
    for (size_t i = 1; i < MOA_MODALITIES_MAX; i++)
        modalities[i].kind = MOA_IMAGE;
    modalities[MOA_MODALITIES_MAX - 1].complexity = 1.0;
    const struct moa_request request = {.n = MOA_MODALITIES_MAX, .modalities = modalities};
    struct moa_decision d = {.n = MOA_MODALITIES_MAX, .choices = choices};
    assert_int_equal(moa_policy_new("paper", NULL, &policy), MOA_OK);
    assert_int_equal(moa_decide(policy, &request, &quiet, &d), MOA_OK);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_CLOUD);
    assert_int_equal(choices[1].tier, MOA_EDGE);
    assert_int_equal(choices[MOA_MODALITIES_MAX - 1].tier, MOA_CLOUD);
    moa_policy_free(policy);
}

static void text_and_images_have_thresholds_of_their_own(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {
        {"paper.tau_text", 0.2}, {"paper.tau_image", 0.8}, {NULL, 0}};
    struct decided d = decide_with(settings, "paper", 0.5, 0.5, &quiet, false);
    assert_int_equal(d.plan, MOA_PLAN_PERCEIVE_EDGE);
}

/* The ablation without modalities sends everything one way, by the means of c and tau; where paper
 * sends everything one way by complexity, so does it, to the same tier. */
static void ablation_without_modalities_never_splits(void **unused)
{
    (void)unused;
    for (int i = 0; i <= 100; i++) {
        double text = (i % 11) / 10.0;
        double image = (double)(i / 11) / 10.0; /* NOLINT(bugprone-integer-division) */
        struct decided whole = decide_with(NULL, "paper-no-modality", text, image, &quiet, false);
        struct decided d = decide_with(NULL, "paper", text, image, &quiet, false);
        assert_int_equal(whole.plan, text + image <= 1.0 ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD);
        if (d.plan == MOA_PLAN_EDGE || d.plan == MOA_PLAN_CLOUD)
            assert_int_equal(whole.plan, d.plan);
        else
            assert_true(whole.plan == MOA_PLAN_EDGE || whole.plan == MOA_PLAN_CLOUD);
    }
    const struct moa_policy_setting settings[] = {
        {"paper.tau_text", 0.2}, {"paper.tau_image", 0.6}, {NULL, 0}};
    struct decided d = decide_with(settings, "paper-no-modality", 0.35, 0.35, &quiet, false);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_SIMPLE);
    d = decide_with(settings, "paper-no-modality", 0.45, 0.45, &quiet, false);
    assert_choice(d.image, MOA_CLOUD, MOA_REASON_COMPLEX);
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
        struct decided blind = decide_with(NULL, "paper-no-state", text, image, &loud, false);
        struct decided d = decide_with(NULL, "paper", text, image, &quiet, false);
        assert_choice(blind.text, d.text.tier, d.text.reason);
        assert_choice(blind.image, d.image.tier, d.image.reason);
        assert_int_equal(decide_with(NULL, "paper", text, image, &loud, false).plan,
                         MOA_PLAN_CLOUD);
    }
}

/* `split: fuse`: what would be two stages is one, on the cloud; nothing else changes. */
static void fused_request_goes_to_the_cloud_whole(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"split", 1.0}, {NULL, 0}};
    for (int i = 0; i < 32; i++) {
        const double text = i & 1 ? 0.9 : 0.1;
        const double image = i & 2 ? 0.9 : 0.1;
        struct moa_state state = quiet;
        state.edge_up = i & 4;
        state.cloud_up = i & 8;
        const bool pinned = i & 16;
        struct decided d = decide_with(NULL, "paper", text, image, &state, pinned);
        struct decided fused = decide_with(settings, "paper", text, image, &state, pinned);
        if (d.plan == MOA_PLAN_PERCEIVE_CLOUD || d.plan == MOA_PLAN_PERCEIVE_EDGE) {
            assert_choice(fused.text, MOA_CLOUD, MOA_REASON_FIXED);
            assert_choice(fused.image, MOA_CLOUD, MOA_REASON_FIXED);
        } else {
            assert_choice(fused.text, d.text.tier, d.text.reason);
            assert_choice(fused.image, d.image.tier, d.image.reason);
        }
    }
}

/* All of it is tried on the edge, and all of it may follow to the cloud: else there is no cascade.
 */
static void edge_first_needs_a_cloud_that_may_have_all_of_it(void **unused)
{
    (void)unused;
    const struct moa_policy_setting half[] = {{"edge_first.threshold", 0.5}, {NULL, 0}};
    const struct moa_policy_setting none[] = {{"edge_first.threshold", 0}, {NULL, 0}};
    struct decided d = decide_with(NULL, "edge-first", 1.0, 1.0, &quiet, false);
    assert_int_equal(d.plan, MOA_PLAN_EDGE_FIRST);
    assert_true(d.threshold == 0.9);
    assert_choice(d.text, MOA_EDGE, MOA_REASON_FIXED);
    assert_choice(d.image, MOA_EDGE, MOA_REASON_FIXED);
    assert_true(decide_with(half, "edge-first", 1.0, 1.0, &quiet, false).threshold == 0.5);

    d = decide_with(none, "edge-first", 0.1, 0.1, &quiet, false);
    assert_int_equal(d.plan, MOA_PLAN_EDGE); /* every answer is kept: nothing to hold it for */
    assert_true(isnan(d.threshold));
    d = decide_with(NULL, "edge-first", 0.1, 0.1, &quiet, true);
    assert_int_equal(d.plan, MOA_PLAN_EDGE);
    assert_choice(d.image, MOA_EDGE, MOA_REASON_PINNED);
    assert_true(isnan(d.threshold));
    struct moa_state state = quiet;
    state.cloud_up = false;
    assert_int_equal(decide_with(NULL, "edge-first", 0.1, 0.1, &state, false).plan, MOA_PLAN_EDGE);
    state = quiet;
    state.edge_up = false;
    d = decide_with(NULL, "edge-first", 0.1, 0.1, &state, false);
    assert_int_equal(d.plan, MOA_PLAN_CLOUD);
    assert_choice(d.text, MOA_CLOUD, MOA_REASON_EDGE_DOWN);
    assert_true(isnan(d.threshold));
    assert_true(isnan(decide_with(NULL, "paper", 0.1, 0.1, &quiet, false).threshold));

    struct moa_modality modalities[] = {{.kind = MOA_TEXT}, {.kind = MOA_AUDIO}};
    const struct moa_request request = {.n = 2, .modalities = modalities};
    modalities[1].refused[MOA_CLOUD] = true;
    assert_int_equal(decide_request("edge-first", NULL, &request, &quiet).plan, MOA_PLAN_EDGE);
    modalities[1].refused[MOA_CLOUD] = false;
    modalities[1].pinned = true;
    assert_int_equal(decide_request("edge-first", NULL, &request, &quiet).plan, MOA_PLAN_EDGE);
    modalities[1].pinned = false;
    modalities[1].refused[MOA_EDGE] = true;
    assert_int_equal(decide_request("edge-first", NULL, &request, &quiet).plan, MOA_PLAN_CLOUD);
}

static void every_parameter_is_a_row_with_a_default_in_range(void **unused)
{
    (void)unused;
    const struct moa_policy_param *param;
    size_t n_all = 0;
    for (; (param = moa_policy_param(NULL, n_all)); n_all++) {
        assert_true(param->fallback >= param->min && param->fallback <= param->max);
        assert_true(param->help[0] && param->unit);
        for (size_t i = 0; i < n_all; i++)
            assert_string_not_equal(moa_policy_param(NULL, i)->key, param->key);
    }
    assert_true(n_all > 0 && n_all <= MOA_POLICY_PARAMS_MAX);
    for (size_t k = 0; moa_policy_name(k); k++) {
        struct moa_policy *policy;
        assert_non_null(moa_policy_summary(moa_policy_name(k)));
        assert_int_equal(moa_policy_new(moa_policy_name(k), NULL, &policy), MOA_OK);
        for (size_t i = 0; (param = moa_policy_param(moa_policy_name(k), i)); i++)
            assert_true(moa_policy_value(policy, param->key) == param->fallback);
        assert_true(isnan(moa_policy_value(policy, "no.such")));
        moa_policy_free(policy);
    }
    assert_null(moa_policy_param("nonsense", 0));
    assert_null(moa_policy_summary("nonsense"));
}

/* Of the others pictures may be scored by fewer of their rows. */
static void some_policies_decide_by_complexity(void **unused)
{
    (void)unused;
    const struct moa_policy_setting as_paper[] = {{"adaptive.before", 2}, {NULL, 0}};
    const struct moa_policy_setting as_cloud[] = {{"adaptive.before", 1}, {NULL, 0}};
    struct moa_policy *policy;
    for (size_t k = 0; moa_policy_name(k); k++) {
        const char *name = moa_policy_name(k);
        assert_int_equal(moa_policy_new(name, NULL, &policy), MOA_OK);
        assert_int_equal(moa_policy_by_complexity(policy), strncmp(name, "paper", 5) == 0);
        moa_policy_free(policy);
    }
    assert_int_equal(moa_policy_new("adaptive", as_paper, &policy), MOA_OK);
    assert_true(moa_policy_by_complexity(policy));
    assert_int_equal(moa_policy_configure(policy, as_cloud), MOA_OK);
    assert_false(moa_policy_by_complexity(policy));
    moa_policy_free(policy);
    assert_true(moa_policy_by_complexity(NULL));
}

static void configuring_replaces_all_parameters_or_none(void **unused)
{
    (void)unused;
    struct moa_policy *policy;
    const struct moa_policy_setting first[] = {
        {"paper.tau_text", 0.2}, {"perllm.delta", 3.0}, {"split", 1.0}, {NULL, 0}};
    const struct moa_policy_setting second[] = {{"paper.tau_image", 0.9}, {NULL, 0}};
    const struct moa_policy_setting wrong[] = {
        {"paper.tau_image", 0.1}, {"paper.tau_text", 7.0}, {NULL, 0}};
    assert_int_equal(moa_policy_new("paper", first, &policy), MOA_OK);
    assert_true(moa_policy_value(policy, "paper.tau_text") == 0.2);
    assert_true(moa_policy_value(policy, "split") == 1.0);
    assert_int_equal(moa_policy_configure(policy, second), MOA_OK);
    assert_true(moa_policy_value(policy, "paper.tau_text") == 0.5);
    assert_true(moa_policy_value(policy, "paper.tau_image") == 0.9);
    assert_int_equal(moa_policy_configure(policy, wrong), MOA_ERR_ARGUMENT);
    assert_true(moa_policy_value(policy, "paper.tau_image") == 0.9);
    moa_policy_free(policy);
}

static void decisions_are_explained_with_their_numbers(void **unused)
{
    (void)unused;
    static const struct {
        const char *policy;
        double load;
        bool pinned, edge_up;
        const char *text, *image; /* found in the explanations */
    } cases[] = {
        {"paper", 0.0, false, true, "0.250 is at most tau = 0.500", "0.750 is above tau = 0.500"},
        {"paper", 0.9, false, true, "0.900 is above paper.edge_load_max = 0.850", "0.750"},
        {"paper", 0.0, true, true, "pinned", "pinned"},
        {"paper", 0.0, false, false, "edge is down", "0.750 is above tau"},
        {"paper-no-modality", 0.0, false, true, "c = 0.500", "c = 0.500"},
        {"edge", 0.0, false, true, "everything to the edge", "everything to the edge"},
        {"perllm", 0.0, false, true, "never tried", "never tried"},
    };
    const struct moa_modality modalities[] = {{.complexity = 0.25},
                                              {.kind = MOA_IMAGE, .complexity = 0.75}};
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct moa_policy *policy;
        const struct moa_request request = {
            .n = 2, .modalities = modalities, .pinned = cases[i].pinned};
        struct moa_state state = quiet;
        state.edge_load = cases[i].load;
        state.edge_up = cases[i].edge_up;
        struct moa_choice choices[2];
        struct moa_decision d = {.n = 2, .choices = choices};
        char why[2][128];
        assert_int_equal(moa_policy_new(cases[i].policy, NULL, &policy), MOA_OK);
        assert_int_equal(moa_decide(policy, &request, &state, &d), MOA_OK);
        for (size_t part = 0; part < 2; part++)
            assert_true(moa_explain(policy, &request, &state, &d, part, why[part], 128) > 0);
        assert_non_null(strstr(why[0], cases[i].text));
        assert_non_null(strstr(why[1], cases[i].image));
        assert_int_equal(moa_explain(policy, &request, &state, &d, 2, why[0], 128), 0);
        moa_policy_free(policy);
    }
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct moa_policy *policy = NULL;
    assert_int_equal(moa_policy_new("nonsense", NULL, &policy), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new(NULL, NULL, &policy), MOA_ERR_ARGUMENT);
    static const struct moa_policy_setting refused[] = {
        {"paper.tau_text", NAN}, {"paper.tau_text", 1.01}, {"paper.uplink_max_mbps", 0.0},
        {"split", 0.5},          {"split", 2.0},           {"paper.tau", 0.5},
        {"perllm.delta", -1.0}};
    for (size_t i = 0; i < N_TESTS(refused); i++) {
        const struct moa_policy_setting settings[] = {refused[i], {NULL, 0}};
        assert_int_equal(moa_policy_new("paper", settings, &policy), MOA_ERR_ARGUMENT);
    }
    assert_null(policy);

    static const double wrong[] = {-0.01, 1.01, NAN, INFINITY};
    assert_int_equal(moa_policy_new("paper", NULL, &policy), MOA_OK);
    struct moa_choice choices[2];
    struct moa_decision d = {.n = 2, .choices = choices};
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        const struct moa_modality text = {.complexity = wrong[i]};
        const struct moa_request request = {.n = 1, .modalities = &text};
        assert_int_equal(moa_decide(policy, &request, &quiet, &d), MOA_ERR_ARGUMENT);
    }
    const struct moa_modality both[] = {{.complexity = 0.5}, {.kind = MOA_IMAGE}};
    const struct moa_modality texts[] = {{.complexity = 0.5}, {.kind = MOA_TEXT}};
    const struct moa_modality strange[] = {{.complexity = 0.5}, {.kind = (enum moa_kind)9}};
    const struct moa_request fine = {.n = 2, .modalities = both};
    struct moa_state negative = quiet;
    negative.edge_load = -0.1;
    assert_int_equal(moa_decide(policy, &fine, &negative, &d), MOA_ERR_ARGUMENT);
    const struct moa_request wrong_requests[] = {{.n = 0},
                                                 {.n = MOA_MODALITIES_MAX + 1, .modalities = both},
                                                 {.n = 1, .modalities = both + 1},
                                                 {.n = 2, .modalities = texts},
                                                 {.n = 2, .modalities = strange}};
    for (size_t i = 0; i < N_TESTS(wrong_requests); i++) {
        d.n = 2;
        assert_int_equal(moa_decide(policy, &wrong_requests[i], &quiet, &d), MOA_ERR_ARGUMENT);
    }
    d.n = 1; /* no room for the image */
    assert_int_equal(moa_decide(policy, &fine, &quiet, &d), MOA_ERR_ARGUMENT);
    d.n = 2;
    assert_int_equal(moa_decide(policy, &fine, &quiet, &d), MOA_OK);
    moa_policy_free(policy);
    moa_policy_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equation_5_holds_at_its_thresholds),
        cmocka_unit_test(unknown_is_not_zero_and_not_infinite),
        cmocka_unit_test(tier_that_is_down_is_never_chosen_while_the_other_is_up),
        cmocka_unit_test(spent_budget_sends_nothing_to_the_cloud_that_the_edge_takes),
        cmocka_unit_test(pinned_request_stays_on_the_edge_whatever_happens),
        cmocka_unit_test(pinned_modality_stays_and_the_others_may_go),
        cmocka_unit_test(what_a_tier_refuses_goes_to_the_other),
        cmocka_unit_test(plan_follows_from_the_decision_vector),
        cmocka_unit_test(one_image_on_the_other_tier_splits_the_request),
        cmocka_unit_test(text_and_images_have_thresholds_of_their_own),
        cmocka_unit_test(ablation_without_modalities_never_splits),
        cmocka_unit_test(ablation_without_state_sees_complexity_only),
        cmocka_unit_test(fused_request_goes_to_the_cloud_whole),
        cmocka_unit_test(edge_first_needs_a_cloud_that_may_have_all_of_it),
        cmocka_unit_test(every_parameter_is_a_row_with_a_default_in_range),
        cmocka_unit_test(some_policies_decide_by_complexity),
        cmocka_unit_test(configuring_replaces_all_parameters_or_none),
        cmocka_unit_test(decisions_are_explained_with_their_numbers),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
