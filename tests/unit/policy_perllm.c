/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies `perllm` and `perllm-accuracy`: hard constraints, violations, regret, rated outcomes.
 */
#include <math.h>
#include <string.h>

#include <moaoff/policy.h>

#include "test.h"

static const struct moa_state quiet = {
    .edge_load = 0.0, .uplink_mbps = 100.0, .edge_up = true, .cloud_up = true};
static const struct moa_modality modalities[] = {
    {.kind = MOA_TEXT, .complexity = 0.2, .bytes = 40},
    {.kind = MOA_IMAGE, .complexity = 0.5, .bytes = 100000}};
static const struct moa_request request = {.n = 2, .modalities = modalities};

static struct moa_policy *policy_of(const char *name, const struct moa_policy_setting *settings)
{
    struct moa_policy *policy;
    assert_int_equal(moa_policy_new(name, settings, &policy), MOA_OK);
    assert_true(moa_policy_learns(policy));
    return policy;
}

static struct moa_choice choice_of(const struct moa_policy *policy, const struct moa_request *what,
                                   const struct moa_state *state)
{
    struct moa_choice choices[2];
    struct moa_decision d = {.n = 2, .choices = choices};
    assert_int_equal(moa_decide(policy, what, state, &d), MOA_OK);
    for (size_t i = 1; i < d.n; i++)
        assert_int_equal(choices[i].tier, choices[0].tier);
    return choices[0];
}

static void see(struct moa_policy *policy, struct moa_choice choice, const struct moa_state *state,
                double infer_s, double correct)
{
    const struct moa_outcome outcome = {.request = &request,
                                        .state = *state,
                                        .choice = choice,
                                        .infer_s = infer_s,
                                        .correct = correct};
    assert_int_equal(moa_observe(policy, &outcome), MOA_OK);
}

/* xorshift64*: uniform in [0, 1). */
static double uniform(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (double)((*seed * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static void every_arm_is_tried_then_the_better_one_is_preferred(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    struct moa_choice choice = choice_of(policy, &request, &quiet);
    assert_int_equal(choice.tier, MOA_EDGE);
    assert_int_equal(choice.reason, MOA_REASON_UNTRIED);
    see(policy, choice, &quiet, 3.0, NAN);
    choice = choice_of(policy, &request, &quiet);
    assert_int_equal(choice.tier, MOA_CLOUD);
    assert_int_equal(choice.reason, MOA_REASON_UNTRIED);
    see(policy, choice, &quiet, 0.2, NAN);
    choice = choice_of(policy, &request, &quiet);
    assert_int_equal(choice.tier, MOA_CLOUD);
    assert_int_equal(choice.reason, MOA_REASON_BEST_INDEX);
    moa_policy_free(policy);
}

static void service_classes_learn_apart(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    for (int i = 0; i < 10; i++)
        see(policy, choice_of(policy, &request, &quiet), &quiet, 0.5, NAN);
    struct moa_request other = request;
    other.n = 1;
    assert_int_equal(choice_of(policy, &other, &quiet).reason, MOA_REASON_UNTRIED);
    other = request;
    other.deadline_s = 1.0;
    assert_int_equal(choice_of(policy, &other, &quiet).reason, MOA_REASON_UNTRIED);
    other = request;
    const struct moa_modality larger[] = {{.kind = MOA_TEXT, .bytes = 1000000},
                                          {.kind = MOA_IMAGE, .bytes = 100000}};
    other.modalities = larger;
    assert_int_equal(choice_of(policy, &other, &quiet).reason, MOA_REASON_UNTRIED);
    moa_policy_free(policy);
}

static void infeasible_arm_is_never_chosen_while_another_is_feasible(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    uint64_t seed = 7;
    int n_constrained = 0;
    for (int i = 0; i < 20000; i++) {
        /* 100 kB within 4 s need 0.2 Mbit/s. */
        struct moa_state state = {.edge_load = uniform(&seed) < 0.3 ? 1.0 : uniform(&seed),
                                  .uplink_mbps = uniform(&seed) < 0.3 ? 0.1 : 50.0,
                                  .edge_up = uniform(&seed) > 0.1,
                                  .cloud_up = uniform(&seed) > 0.1};
        bool edge = state.edge_up && state.edge_load < 1.0;
        bool cloud = state.cloud_up && state.uplink_mbps > 1.0;
        struct moa_choice choice = choice_of(policy, &request, &state);
        if (edge != cloud) {
            assert_int_equal(choice.tier, edge ? MOA_EDGE : MOA_CLOUD);
            n_constrained++;
        }
        see(policy, choice, &state, choice.tier == MOA_EDGE ? 0.1 : 1.0, NAN);
    }
    assert_true(n_constrained > 1000);
    moa_policy_free(policy);
}

static void nothing_feasible_takes_the_largest_slack_and_counts_a_violation(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    struct moa_state state = quiet;
    state.edge_load = 1.0;
    state.uplink_mbps = 0.19; /* just too little: slack -0.05; the edge has 0 */
    struct moa_choice choice = choice_of(policy, &request, &state);
    assert_int_equal(choice.tier, MOA_EDGE);
    assert_int_equal(choice.reason, MOA_REASON_INFEASIBLE);
    uint64_t outcomes;
    uint64_t violations;
    see(policy, choice, &state, 1.0, NAN);
    moa_policy_learned(policy, &outcomes, &violations);
    assert_int_equal(outcomes, 1);
    assert_int_equal(violations, 1);
    /* The only tier that is up is the least bad one, and taking it is a violation as well. */
    state.edge_up = false;
    choice = choice_of(policy, &request, &state);
    assert_int_equal(choice.tier, MOA_CLOUD);
    assert_int_equal(choice.reason, MOA_REASON_INFEASIBLE);
    moa_policy_free(policy);
}

static void unknown_load_and_uplink_constrain_nothing(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    struct moa_state state = quiet;
    state.edge_load = state.uplink_mbps = NAN;
    assert_int_equal(choice_of(policy, &request, &state).reason, MOA_REASON_UNTRIED);
    moa_policy_free(policy);
}

/* Regret after 10^3, 10^4 and 10^5 requests against always taking the edge, which answers faster.
 */
static void regret_grows_like_log_t(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    uint64_t seed = 11;
    double regret = 0.0;
    double at[3] = {0};
    size_t n_at = 0;
    for (int t = 1; t <= 100000; t++) {
        struct moa_choice choice = choice_of(policy, &request, &quiet);
        double mean_s = choice.tier == MOA_EDGE ? 1.0 : 2.0;
        see(policy, choice, &quiet, mean_s + uniform(&seed) - 0.5, NAN);
        /* The cloud's second more costs 0.25 of slack, and energy. */
        if (choice.tier == MOA_CLOUD)
            regret += 0.25;
        if (t == 1000 || t == 10000 || t == 100000)
            at[n_at++] = regret;
    }
    assert_true(at[0] > 0.0);
    /* A straight line would grow ninefold from one decade to the next, log t by the same amount. */
    double first = at[1] - at[0];
    double second = at[2] - at[1];
    assert_true(first > 0.0);
    assert_true(second < 2.5 * first);
    assert_true(at[2] < 4.0 * log(100000.0));
    moa_policy_free(policy);
}

static void accuracy_counts_only_where_it_should(void **unused)
{
    (void)unused;
    struct moa_policy *blind = policy_of("perllm", NULL);
    struct moa_policy *seeing = policy_of("perllm-accuracy", NULL);
    struct moa_policy *both[] = {blind, seeing};
    /* The edge is faster and always wrong, the cloud slower and right. */
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct moa_choice choice = choice_of(both[k], &request, &quiet);
            see(both[k], choice, &quiet, choice.tier == MOA_EDGE ? 0.5 : 1.5, NAN);
            see(both[k], choice, &quiet, choice.tier == MOA_EDGE ? 0.5 : 1.5,
                choice.tier == MOA_EDGE ? 0.0 : 1.0);
        }
    }
    assert_int_equal(choice_of(blind, &request, &quiet).tier, MOA_EDGE);
    assert_int_equal(choice_of(seeing, &request, &quiet).tier, MOA_CLOUD);
    for (size_t k = 0; k < 2; k++) {
        uint64_t outcomes;
        uint64_t violations;
        moa_policy_learned(both[k], &outcomes, &violations);
        assert_int_equal(outcomes, 200);
        moa_policy_free(both[k]);
    }
}

static void failure_teaches_to_avoid_the_tier(void **unused)
{
    (void)unused;
    static const char *const names[] = {"perllm", "perllm-accuracy"};
    for (size_t k = 0; k < N_TESTS(names); k++) {
        struct moa_policy *policy = policy_of(names[k], NULL);
        for (int i = 0; i < 100; i++) {
            struct moa_choice choice = choice_of(policy, &request, &quiet);
            struct moa_outcome outcome = {.request = &request,
                                          .state = quiet,
                                          .choice = choice,
                                          .infer_s = 2.0,
                                          .failed = choice.tier == MOA_EDGE,
                                          .correct = NAN};
            assert_int_equal(moa_observe(policy, &outcome), MOA_OK);
            outcome.correct = 1.0;
            assert_int_equal(moa_observe(policy, &outcome), MOA_OK);
        }
        uint64_t outcomes;
        uint64_t violations;
        moa_policy_learned(policy, &outcomes, &violations);
        assert_int_equal(outcomes, 100);
        assert_int_equal(choice_of(policy, &request, &quiet).tier, MOA_CLOUD);
        moa_policy_free(policy);
    }
}

static void deciding_changes_nothing(void **unused)
{
    (void)unused;
    struct moa_policy *policy = policy_of("perllm", NULL);
    for (int i = 0; i < 50; i++)
        see(policy, choice_of(policy, &request, &quiet), &quiet, 0.5 + 0.01 * i, NAN);
    struct moa_choice first = choice_of(policy, &request, &quiet);
    for (int i = 0; i < 1000; i++) {
        struct moa_choice again = choice_of(policy, &request, &quiet);
        assert_int_equal(again.tier, first.tier);
        assert_int_equal(again.reason, first.reason);
    }
    moa_policy_free(policy);
}

static void configuring_forgets_nothing(void **unused)
{
    (void)unused;
    const struct moa_policy_setting curious[] = {{"perllm.delta", 1000.0}, {NULL, 0}};
    struct moa_policy *policy = policy_of("perllm", NULL);
    /* The cloud is better and seen more often. */
    for (int i = 0; i < 10; i++)
        see(policy, (struct moa_choice){MOA_EDGE, MOA_REASON_UNTRIED}, &quiet, 3.5, NAN);
    for (int i = 0; i < 100; i++)
        see(policy, (struct moa_choice){MOA_CLOUD, MOA_REASON_BEST_INDEX}, &quiet, 0.1, NAN);
    assert_int_equal(choice_of(policy, &request, &quiet).tier, MOA_CLOUD);
    assert_int_equal(moa_policy_configure(policy, curious), MOA_OK);
    const struct moa_choice choice = choice_of(policy, &request, &quiet);
    assert_int_equal(choice.tier, MOA_EDGE);
    assert_int_equal(choice.reason, MOA_REASON_BEST_INDEX);
    uint64_t outcomes;
    uint64_t violations;
    moa_policy_learned(policy, &outcomes, &violations);
    assert_int_equal(outcomes, 110);
    moa_policy_free(policy);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct moa_policy *policy = NULL;
    const struct moa_policy_setting no_deadline[] = {{"perllm.deadline_s", 0.0}, {NULL, 0}};
    assert_int_equal(moa_policy_new("perllm", no_deadline, &policy), MOA_ERR_ARGUMENT);
    const struct moa_policy_setting no_number[] = {{"perllm.delta", NAN}, {NULL, 0}};
    assert_int_equal(moa_policy_new("perllm", no_number, &policy), MOA_ERR_ARGUMENT);

    policy = policy_of("perllm", NULL);
    const struct moa_outcome fine = {.request = &request, .state = quiet, .correct = NAN};
    struct moa_outcome wrong = fine;
    wrong.infer_s = -1.0;
    assert_int_equal(moa_observe(policy, &wrong), MOA_ERR_ARGUMENT);
    wrong = fine;
    wrong.transfer_s = INFINITY;
    assert_int_equal(moa_observe(policy, &wrong), MOA_ERR_ARGUMENT);
    wrong = fine;
    wrong.correct = 1.5;
    assert_int_equal(moa_observe(policy, &wrong), MOA_ERR_ARGUMENT);
    uint64_t outcomes;
    uint64_t violations;
    moa_policy_learned(policy, &outcomes, &violations);
    assert_int_equal(outcomes, 0);
    moa_policy_free(policy);

    assert_int_equal(moa_policy_new("paper", NULL, &policy), MOA_OK);
    assert_false(moa_policy_learns(policy));
    assert_int_equal(moa_observe(policy, &fine), MOA_OK);
    moa_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arm_is_tried_then_the_better_one_is_preferred),
        cmocka_unit_test(service_classes_learn_apart),
        cmocka_unit_test(infeasible_arm_is_never_chosen_while_another_is_feasible),
        cmocka_unit_test(nothing_feasible_takes_the_largest_slack_and_counts_a_violation),
        cmocka_unit_test(unknown_load_and_uplink_constrain_nothing),
        cmocka_unit_test(regret_grows_like_log_t),
        cmocka_unit_test(accuracy_counts_only_where_it_should),
        cmocka_unit_test(failure_teaches_to_avoid_the_tier),
        cmocka_unit_test(deciding_changes_nothing),
        cmocka_unit_test(configuring_forgets_nothing),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
