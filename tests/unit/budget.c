/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/budget.h: what is allowed, when again, and what the ledger says, by a given clock.
 */
#include <math.h>

#include "gateway/budget.h"

#include "test.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define BEGIN (5 * HOUR + 30 * SECOND) /* in the middle of a slice of either window */

static const struct budget_amount one_call = {{[BUDGET_BYTES] = 100, [BUDGET_REQUESTS] = 1}};

static struct budget_terms terms_of(enum budget_window window, enum budget_quantity quantity,
                                    double limit)
{
    struct budget_terms terms = {.per_picture = 0};
    terms.limit[window][quantity] = limit;
    return terms;
}

static void assert_about(double value, double expected, double within)
{
    if (!(fabs(value - expected) <= within))
        fail_msg("%.15g is not %.15g within %g", value, expected, within);
}

static bool allows(struct budget *b, const struct budget_terms *terms, int64_t now_us)
{
    return budget_allows(b, terms, &one_call, 1.0, now_us, NULL);
}

static void without_limits_everything_is_allowed(void **unused)
{
    (void)unused;
    struct budget b;
    const struct budget_terms none = {.per_picture = 1};
    budget_init(&b, BEGIN);
    for (size_t i = 0; i < 1000; i++)
        budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
    assert_true(allows(&b, &none, BEGIN));
    assert_true(isnan(budget_left(&b, &none, BUDGET_DAY, BUDGET_BYTES, BEGIN)));
    assert_about(budget_spent(&b, BUDGET_HOUR, BUDGET_PURPOSES, BUDGET_BYTES, BEGIN), 1e5, 0);
    assert_about(budget_share(&b, &none, BEGIN), 1, 0);
}

static void each_limit_holds_for_its_window_and_a_slice_at_most(void **unused)
{
    (void)unused;
    static const int64_t window_us[] = {HOUR, 24 * HOUR}, slice_us[] = {MINUTE, 24 * MINUTE};
    for (size_t w = 0; w < BUDGET_WINDOWS; w++) {
        struct budget b;
        const struct budget_terms terms = terms_of((enum budget_window)w, BUDGET_REQUESTS, 2);
        budget_init(&b, BEGIN);
        budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
        assert_true(allows(&b, &terms, BEGIN));
        budget_spend(&b, BUDGET_ESCALATION, &one_call, BEGIN);
        assert_false(allows(&b, &terms, BEGIN));
        assert_false(allows(&b, &terms, BEGIN + window_us[w]));
        assert_true(allows(&b, &terms, BEGIN + window_us[w] + slice_us[w]));
        assert_about(budget_left(&b, &terms, (enum budget_window)w, BUDGET_REQUESTS,
                                 BEGIN + window_us[w] + slice_us[w]),
                     2, 0);
    }
}

static void the_wait_that_is_told_is_the_one_after_which_it_is_allowed(void **unused)
{
    (void)unused;
    struct budget b;
    struct budget_refusal why;
    const struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_BYTES, 1000);
    budget_init(&b, BEGIN);
    for (int64_t i = 0; i < 10; i++)
        budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN + i * 3 * MINUTE);
    const int64_t now_us = BEGIN + 40 * MINUTE;
    const struct budget_amount three = {{[BUDGET_BYTES] = 300}};
    assert_false(budget_allows(&b, &terms, &three, 1.0, now_us, &why));
    assert_int_equal(why.window, BUDGET_HOUR);
    assert_int_equal(why.quantity, BUDGET_BYTES);
    assert_false(budget_allows(&b, &terms, &three, 1.0, now_us + why.wait_us - 1, NULL));
    assert_true(budget_allows(&b, &terms, &three, 1.0, now_us + why.wait_us, NULL));

    const struct budget_amount too_much = {{[BUDGET_BYTES] = 1001}};
    assert_false(budget_allows(&b, &terms, &too_much, 1.0, now_us, &why));
    assert_true(why.wait_us < 0);
}

static void the_longest_wait_is_told(void **unused)
{
    (void)unused;
    struct budget b;
    struct budget_refusal why;
    struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_BYTES, 50);
    terms.limit[BUDGET_HOUR][BUDGET_BYTES] = 100;
    terms.limit[BUDGET_DAY][BUDGET_REQUESTS] = 1;
    budget_init(&b, BEGIN);
    budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
    assert_false(budget_allows(&b, &terms, &one_call, 1.0, BEGIN, &why));
    assert_int_equal(why.window, BUDGET_DAY);
    assert_int_equal(why.quantity, BUDGET_REQUESTS);
    assert_true(why.wait_us > 23 * HOUR);
}

static void what_is_reserved_counts_until_it_is_released(void **unused)
{
    (void)unused;
    struct budget b;
    const struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_REQUESTS, 5);
    size_t n = 0;
    budget_init(&b, BEGIN);
    for (size_t i = 0; i < 100; i++) {
        if (!allows(&b, &terms, BEGIN))
            continue;
        budget_reserve(&b, &one_call);
        n++;
    }
    assert_int_equal(n, 5);
    assert_about(budget_left(&b, &terms, BUDGET_HOUR, BUDGET_REQUESTS, BEGIN), 5, 0);
    budget_release(&b, &one_call);
    assert_true(allows(&b, &terms, BEGIN));
    for (size_t i = 0; i < 10; i++) /* more than was reserved is no credit */
        budget_release(&b, &one_call);
    for (size_t i = 0; i < 5; i++)
        budget_reserve(&b, &one_call);
    assert_false(allows(&b, &terms, BEGIN));
}

static void audits_stop_first(void **unused)
{
    (void)unused;
    struct budget b;
    const struct budget_terms terms = terms_of(BUDGET_DAY, BUDGET_REQUESTS, 10);
    budget_init(&b, BEGIN);
    for (size_t i = 0; i < 9; i++)
        budget_spend(&b, i % 2 ? BUDGET_AUDIT : BUDGET_DESCRIPTION, &one_call, BEGIN);
    assert_false(budget_allows(&b, &terms, &one_call, BUDGET_AUDIT_SHARE, BEGIN, NULL));
    assert_true(allows(&b, &terms, BEGIN));
    assert_about(budget_spent(&b, BUDGET_DAY, BUDGET_AUDIT, BUDGET_REQUESTS, BEGIN), 4, 0);
}

static void a_clock_that_stands_or_runs_back_refills_nothing(void **unused)
{
    (void)unused;
    struct budget b;
    const struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_REQUESTS, 1);
    budget_init(&b, BEGIN);
    budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
    assert_false(allows(&b, &terms, BEGIN - 3 * HOUR));
    assert_false(allows(&b, &terms, BEGIN));
    assert_true(allows(&b, &terms, BEGIN + 400 * 24 * HOUR));
}

static void a_journal_tells_what_was_spent_before(void **unused)
{
    (void)unused;
    const int64_t now_us = 10 * SECOND; /* the machine has just started */
    struct budget b;
    const struct budget_terms hour = terms_of(BUDGET_HOUR, BUDGET_REQUESTS, 2);
    const struct budget_terms day = terms_of(BUDGET_DAY, BUDGET_REQUESTS, 3);
    budget_init(&b, now_us);
    budget_restore(&b, BUDGET_ANSWER, &one_call, 1, 30 * MINUTE, now_us);
    budget_restore(&b, BUDGET_AUDIT, &one_call, 1, 3 * HOUR, now_us);
    budget_restore(&b, BUDGET_ANSWER, &one_call, 1, 25 * HOUR, now_us);
    assert_true(allows(&b, &hour, now_us) && allows(&b, &day, now_us));
    budget_restore(&b, BUDGET_ESCALATION, &one_call, 1, -HOUR, now_us); /* "in an hour" */
    assert_false(allows(&b, &hour, now_us) || allows(&b, &day, now_us));
    assert_true(allows(&b, &hour, now_us + 31 * MINUTE));
    assert_false(allows(&b, &day, now_us + 20 * HOUR));
    assert_true(allows(&b, &day, now_us + 22 * HOUR));
}

static void what_is_new_is_told_once(void **unused)
{
    (void)unused;
    struct budget b;
    struct budget_amount news;
    budget_init(&b, BEGIN);
    budget_restore(&b, BUDGET_ANSWER, &one_call, 1, 0, BEGIN);
    assert_false(budget_take_news(&b, BUDGET_ANSWER, &news));
    budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
    budget_spend(&b, BUDGET_ANSWER, &one_call, BEGIN);
    assert_false(budget_take_news(&b, BUDGET_AUDIT, &news));
    assert_true(budget_take_news(&b, BUDGET_ANSWER, &news));
    assert_about(news.of[BUDGET_BYTES], 200, 0);
    assert_false(budget_take_news(&b, BUDGET_ANSWER, &news));
    assert_about(b.ever[BUDGET_ANSWER].of[BUDGET_REQUESTS], 2, 0);
}

static void money_is_tokens_and_pictures_by_their_prices(void **unused)
{
    (void)unused;
    const struct budget_terms terms = {.per_million_prompt_tokens = 2.5,
                                       .per_million_completion_tokens = 10,
                                       .per_picture = 0.001};
    const struct budget_bill bill = {
        .bytes = 5000, .calls = 2, .pictures = 3, .prompt_tokens = 1e6, .completion_tokens = 2e5};
    const struct budget_amount amount = budget_price(&terms, &bill);
    assert_about(amount.of[BUDGET_MONEY], 2.5 + 2 + 0.003, 1e-12);
    assert_about(amount.of[BUDGET_BYTES], 5000, 0);
    assert_about(amount.of[BUDGET_REQUESTS], 2, 0);
    const struct budget_bill unknown = {.prompt_tokens = -1, .completion_tokens = -1};
    assert_about(budget_price(&terms, &unknown).of[BUDGET_MONEY], 0, 0);
    assert_true(budget_has_prices(&terms));
}

/* A tenth ten times is a little more than one, in floating point. */
static void rounding_does_not_cost_the_last_call(void **unused)
{
    (void)unused;
    struct budget b;
    const struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_MONEY, 0.3);
    const struct budget_amount dime = {{[BUDGET_MONEY] = 0.1}};
    budget_init(&b, BEGIN);
    for (size_t i = 0; i < 3; i++) {
        assert_true(budget_allows(&b, &terms, &dime, 1.0, BEGIN, NULL));
        budget_spend(&b, BUDGET_ANSWER, &dime, BEGIN);
    }
    assert_false(budget_allows(&b, &terms, &dime, 1.0, BEGIN, NULL));
}

/* 600 requests an hour, of which half ask the cloud, for 100 bytes each. */
static void even_spending_is_a_share_of_the_requests(void **unused)
{
    (void)unused;
    struct budget b;
    struct budget_terms terms = terms_of(BUDGET_HOUR, BUDGET_BYTES, 15000);
    budget_init(&b, BEGIN);
    int64_t now_us = BEGIN;
    for (size_t i = 0; i < 600; i++, now_us += 6 * SECOND) {
        if (i % 2)
            budget_spend(&b, BUDGET_ANSWER, &one_call, now_us);
        budget_count(&b, i % 2, now_us);
    }
    assert_about(budget_share(&b, &terms, now_us), 0.25, 0.01);
    terms.limit[BUDGET_DAY][BUDGET_BYTES] = 144000; /* a tenth of what would come in a day */
    assert_about(budget_share(&b, &terms, now_us), 0.1, 0.005);
    terms.limit[BUDGET_HOUR][BUDGET_BYTES] = 1e9;
    terms.limit[BUDGET_DAY][BUDGET_BYTES] = 1e12;
    assert_about(budget_share(&b, &terms, now_us), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_everything_is_allowed),
        cmocka_unit_test(each_limit_holds_for_its_window_and_a_slice_at_most),
        cmocka_unit_test(the_wait_that_is_told_is_the_one_after_which_it_is_allowed),
        cmocka_unit_test(the_longest_wait_is_told),
        cmocka_unit_test(what_is_reserved_counts_until_it_is_released),
        cmocka_unit_test(audits_stop_first),
        cmocka_unit_test(a_clock_that_stands_or_runs_back_refills_nothing),
        cmocka_unit_test(a_journal_tells_what_was_spent_before),
        cmocka_unit_test(what_is_new_is_told_once),
        cmocka_unit_test(money_is_tokens_and_pictures_by_their_prices),
        cmocka_unit_test(rounding_does_not_cost_the_last_call),
        cmocka_unit_test(even_spending_is_a_share_of_the_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
