/* SPDX-License-Identifier: Apache-2.0
 *
 * study/hindsight.h: a journal's rows decided again and summed up, against sums made by hand.
 */
#include "study/hindsight.h"

#include <math.h>
#include <string.h>

#include "test.h"

/* One request in words, as a policy decided it. */
struct past {
    struct moa_modality text;
    struct moa_choice choice;
    struct moa_docket docket;
    struct moa_answer answer;
    struct hindsight_audit audit;
    struct hindsight_row row;
};

static void decided(struct past *p, const char *name, const char *words, double complexity,
                    enum moa_plan plan, enum moa_tier tier)
{
    *p = (struct past){
        .text = {.kind = MOA_TEXT, .complexity = complexity, .bytes = 1000, .tokens = 250},
        .choice = {tier, tier == MOA_EDGE ? MOA_REASON_SIMPLE : MOA_REASON_COMPLEX},
    };
    p->docket = (struct moa_docket){
        .request = {.n = 1, .modalities = &p->text},
        .state = {.edge_load = 0.1, .uplink_mbps = 50, .edge_up = true, .cloud_up = true},
        .decision = {.plan = plan, .threshold = NAN, .n = 1, .choices = &p->choice},
    };
    p->row = (struct hindsight_row){.policy = name,
                                    .words = words,
                                    .docket = &p->docket,
                                    .done = plan,
                                    .tier = tier,
                                    .total_ms = NAN,
                                    .cloud_prompt_tokens = NAN,
                                    .cloud_completion_tokens = NAN};
}

static struct hindsight *asked(const char *const *policies, size_t n)
{
    static const struct budget_terms prices = {.per_million_prompt_tokens = 1e6};
    struct hindsight *h = hindsight_new(&prices);
    char why[200];
    assert_non_null(h);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            hindsight_ask(h, policies[2 * i], policies[2 * i + 1], NULL, why, sizeof(why)), 0);
    return h;
}

static struct hindsight_figures figures(const struct hindsight *h, size_t i)
{
    struct hindsight_figures f;
    assert_true(hindsight_figures(h, i, &f));
    return f;
}

/* By complexity: half of ten to the cloud. */
static void paths_bytes_and_times(void **state)
{
    (void)state;
    static const char *const policies[] = {"cloud", "", "edge", "", "paper", "tau_text=0.2"};
    struct hindsight *h = asked(policies, 3);
    for (int i = 0; i < 10; i++) {
        struct past p;
        const bool is_hard = i >= 5;
        decided(&p, "paper", "tau_text=0.55", 0.05 + 0.1 * i,
                is_hard ? MOA_PLAN_CLOUD : MOA_PLAN_EDGE, is_hard ? MOA_CLOUD : MOA_EDGE);
        p.row.total_ms = is_hard ? 300 : 100;
        p.row.cloud_bytes = is_hard ? 1000 : 0;
        p.row.cloud_prompt_tokens = is_hard ? 20 : NAN;
        assert_int_equal(hindsight_take(h, &p.row), 0);
    }
    struct hindsight_figures f = figures(h, 0);
    assert_null(f.label);
    assert_true(f.n == 10 && f.n_of[HINDSIGHT_KEPT] == 5 && f.n_of[HINDSIGHT_CLOUD] == 5);
    assert_true(f.bytes_up == 5000 && f.mean_ms == 200 && f.n_measured == 10);
    assert_true(fabs(f.cost - 100) < 1e-9);
    assert_true(isnan(f.agreement.value));
    f = figures(h, 1); /* five that were on the edge would take what those did that were not */
    assert_string_equal(f.label, "cloud");
    assert_true(f.n_of[HINDSIGHT_CLOUD] == 10 && f.n_otherwise == 5 && f.bytes_up == 10000);
    assert_true(f.n_timed == 10 && f.n_measured == 5 && f.mean_ms == 300);
    assert_true(fabs(f.cost - (100 + 5 * 250)) < 1e-9); /* tokens as they were estimated */
    f = figures(h, 2);
    assert_true(f.n_of[HINDSIGHT_KEPT] == 10 && f.bytes_up == 0 && f.cost == 0 && f.mean_ms == 100);
    f = figures(h, 3); /* 0.05 and 0.15 stay */
    assert_string_equal(f.label, "paper:tau_text=0.2");
    assert_true(f.n_of[HINDSIGHT_KEPT] == 2 && f.n_of[HINDSIGHT_CLOUD] == 8);
    assert_true(f.n_otherwise == 3);
    assert_false(hindsight_figures(h, 4, &f));
    hindsight_free(h);
}

/* A row that its own policy decides otherwise now is told, and not counted among those that learn.
 */
static void its_own_policy_must_come_to_the_same(void **state)
{
    (void)state;
    struct hindsight *h = asked(NULL, 0);
    struct hindsight_again again;
    struct past p;
    decided(&p, "edge", "", 0.5, MOA_PLAN_EDGE, MOA_EDGE);
    p.choice.reason = MOA_REASON_FIXED;
    assert_int_equal(hindsight_take(h, &p.row), 0);
    hindsight_again(h, &again);
    assert_true(again.n == 1 && again.n_differ == 0 && again.n_learning == 0);
    decided(&p, "edge", "", 0.5, MOA_PLAN_CLOUD, MOA_CLOUD);
    assert_int_equal(hindsight_take(h, &p.row), 0);
    decided(&p, "perllm", "", 0.5, MOA_PLAN_CLOUD, MOA_CLOUD);
    assert_int_equal(hindsight_take(h, &p.row), 0);
    decided(&p, "of another program", "", 0.5, MOA_PLAN_CLOUD, MOA_CLOUD);
    assert_int_equal(hindsight_take(h, &p.row), 0);
    hindsight_again(h, &again);
    assert_true(again.n == 2 && again.n_differ == 1 && again.n_learning == 2);
    hindsight_free(h);
}

/* 90 certified requests with 9 audits, of which 3 lost, and 10 that were watched, all audited, of
 * which 1: an audit weighs ten and one. */
static void audits_weigh_what_they_stand_for(void **state)
{
    (void)state;
    static const char *const policies[] = {"edge", "", "cloud", "", "edge-first", "threshold=0.5"};
    struct hindsight *h = asked(policies, 3);
    for (int i = 0; i < 100; i++) {
        struct past p;
        decided(&p, "adaptive", "", 0.5, MOA_PLAN_EDGE_FIRST, MOA_EDGE);
        p.docket.decision.threshold = 0.3;
        p.docket.decision.is_routed = true;
        p.docket.decision.routing =
            (struct moa_routing){.why = i < 90 ? MOA_WHY_CERTIFIED : MOA_WHY_SHADOW};
        const bool lost = i == 0 || i == 10 || i == 20 || i == 90;
        p.audit = (struct hindsight_audit){.lost = lost,
                                           .answer = {.form = MOA_ANSWER_SHORT,
                                                      .n_tokens = 1,
                                                      .p_min = lost ? 0.4 : 0.9,
                                                      .p_first = 0.9,
                                                      .p_top5 = 1}};
        if (i >= 90 || i % 10 == 0)
            p.row.audit = &p.audit;
        assert_int_equal(hindsight_take(h, &p.row), 0);
    }
    const struct hindsight_figures edge = figures(h, 1), cloud = figures(h, 2),
                                   half = figures(h, 3);
    assert_true(edge.n_audits == 19);
    assert_true(fabs(edge.agreement.value - (1.0 - 31.0 / 100.0)) < 1e-3);
    /* Kish: (9 · 10 + 10)² / (9 · 100 + 10) = 10.98 */
    const struct estimate wilson = stats_wilson(10 * 0.69, 10);
    assert_true(fabs(edge.agreement.low - wilson.low) < 1e-9);
    assert_true(cloud.agreement.value == 1);
    /* What was lost is below this threshold; of who was not audited one in five is drawn, about. */
    assert_true(half.agreement.value == 1 && half.n_drawn == 81);
    assert_true(half.n_of[HINDSIGHT_ESCALATED] > 8 && half.n_of[HINDSIGHT_ESCALATED] < 40);
    hindsight_free(h);
}

static void what_cannot_be_asked_is_said(void **state)
{
    (void)state;
    struct hindsight *h = asked(NULL, 0);
    char why[200];
    assert_int_equal(hindsight_ask(h, "nobody", "", NULL, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "nobody"));
    assert_int_equal(hindsight_ask(h, "paper", "tau_text=7", NULL, why, sizeof(why)), -1);
    for (int i = 0; i < HINDSIGHT_POLICIES_MAX; i++)
        assert_int_equal(hindsight_ask(h, "edge", "", NULL, why, sizeof(why)), 0);
    assert_int_equal(hindsight_ask(h, "edge", "", NULL, why, sizeof(why)), -1);
    hindsight_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_bytes_and_times),
        cmocka_unit_test(its_own_policy_must_come_to_the_same),
        cmocka_unit_test(audits_weigh_what_they_stand_for),
        cmocka_unit_test(what_cannot_be_asked_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
