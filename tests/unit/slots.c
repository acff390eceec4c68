/* SPDX-License-Identifier: Apache-2.0
 *
 * study/slots.h: when tokens are ready, against times worked out by hand.
 */
#include <stdlib.h>

#include "study/slots.h"

#include "test.h"

/* A prompt of n tokens takes n ms, an image 100; a step 10 ms and 1 more for each in the batch. */
static struct profile plain(size_t slots)
{
    return (struct profile){
        .slots = slots,
        .overhead_ms = 5,
        .vision = {.n = 1, .x = {1}, .y = {100}},
        .prefill = {.n = 2, .x = {0, 1000}, .y = {0, 1000}},
        .n_decode = 1,
        .decode = {{.context = 1, .ms = {.n = 2, .x = {0, 1000}, .y = {10, 1010}}}}};
}

struct job {
    struct slots_job job;
    int64_t first_us, last_us;
    size_t n_tokens;
};

static void add(struct slots *s, const struct profile *p, struct job *job, double text_tokens,
                size_t n_tokens, int64_t now_us)
{
    const struct slots_work work = slots_work_of(p, NULL, 0, text_tokens, n_tokens);
    *job = (struct job){.n_tokens = 0};
    slots_add(s, &job->job, &work, job, now_us);
}

/* Everything that is ready at now_us. */
static void take(struct slots *s, int64_t now_us)
{
    struct slots_token token;
    while (slots_next(s, now_us, &token)) {
        struct job *job = token.owner;
        assert_true(token.due_us <= now_us);
        assert_int_equal(token.n_tokens, job->n_tokens + 1);
        job->n_tokens = token.n_tokens;
        if (token.n_tokens == 1)
            job->first_us = token.due_us;
        job->last_us = token.last ? token.due_us : 0;
    }
}

static void one_request_takes_prompt_and_steps(void **unused)
{
    (void)unused;
    const struct profile p = plain(4);
    struct slots *s = slots_new(&p);
    struct job job;
    assert_true(slots_due_us(s) == SLOTS_NEVER);
    add(s, &p, &job, 50, 4, 1000);
    assert_int_equal(slots_due_us(s), 1000 + 55000);
    take(s, 55999);
    assert_int_equal(job.n_tokens, 0);
    take(s, 56000);
    assert_int_equal(job.n_tokens, 1);
    assert_int_equal(slots_due_us(s), 56000 + 11000);
    take(s, 1000000);
    assert_int_equal(job.last_us, 56000 + 3 * 11000);
    assert_true(slots_due_us(s) == SLOTS_NEVER);
    assert_int_equal(slots_n_running(s) + slots_n_waiting(s), 0);
    slots_free(s);
}

static void images_cost_their_tower_and_their_tokens(void **unused)
{
    (void)unused;
    const struct profile p = plain(4);
    const double images[] = {30, 40};
    const struct slots_work work = slots_work_of(&p, images, 2, 20, 3);
    assert_true(work.prompt_tokens == 90 && work.first_ms == 5 + 200 + 90 && work.n_tokens == 3);
    assert_true(slots_work_of(&p, NULL, 0, 20, 0).n_tokens == 1);
}

/* n equal ones at once: first tokens after P, 2P, ... nP, all end after nP + (k - 1) D(n). */
static void equal_requests_end_as_the_page_says(void **unused)
{
    (void)unused;
    for (size_t n = 1; n <= 16; n++) {
        const struct profile p = plain(16);
        struct slots *s = slots_new(&p);
        struct job jobs[16];
        const int64_t prompt_us = 35000;
        const int64_t step_us = 10000 + 1000 * (int64_t)n;
        for (size_t i = 0; i < n; i++)
            add(s, &p, &jobs[i], 30, 5, 0);
        take(s, 100000000);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(jobs[i].first_us, (int64_t)(i + 1) * prompt_us);
            assert_int_equal(jobs[i].last_us, (int64_t)n * prompt_us + 4 * step_us);
        }
        slots_free(s);
    }
}

static void who_finds_no_slot_waits_in_order(void **unused)
{
    (void)unused;
    const struct profile p = plain(1);
    struct slots *s = slots_new(&p);
    struct job jobs[3];
    for (size_t i = 0; i < 3; i++)
        add(s, &p, &jobs[i], 15, 2, 0);
    assert_int_equal(slots_n_running(s), 1);
    assert_int_equal(slots_n_waiting(s), 2);
    take(s, 100000000);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(jobs[i].last_us, (int64_t)(i + 1) * (20000 + 11000));
    slots_free(s);
}

/* One that comes while another decodes gets its prompt between two steps. */
static void prompts_go_before_steps(void **unused)
{
    (void)unused;
    const struct profile p = plain(2);
    struct slots *s = slots_new(&p);
    struct job a;
    struct job b;
    add(s, &p, &a, 15, 3, 0);
    take(s, 25000); /* a's first token at 20, its second at 31 */
    add(s, &p, &b, 35, 2, 25000);
    take(s, 100000000);
    assert_int_equal(b.first_us, 31000 + 40000);
    assert_int_equal(a.last_us, 71000 + 12000);
    assert_int_equal(b.last_us, 71000 + 12000);
    slots_free(s);
}

static void those_that_leave_free_their_slot(void **unused)
{
    (void)unused;
    const struct profile p = plain(1);
    struct slots *s = slots_new(&p);
    struct job a;
    struct job b;
    struct job c;
    add(s, &p, &a, 15, 3, 0);
    add(s, &p, &b, 15, 1, 0);
    add(s, &p, &c, 15, 1, 0);
    slots_remove(s, &b.job);
    assert_int_equal(slots_n_waiting(s), 1);
    slots_remove(s, &a.job); /* in the middle of its prompt, which is finished for nobody */
    take(s, 100000000);
    assert_int_equal(a.n_tokens + b.n_tokens, 0);
    assert_int_equal(c.last_us, 20000 + 20000);
    add(s, &p, &a, 15, 1, 200000);
    take(s, 100000000);
    assert_int_equal(a.last_us, 220000);
    add(s, &p, &a, 15, 1, 300000);
    slots_free(s); /* with what is left */
}

/* Nobody asks for the tokens between: one word at the end, with the times of the others. */
static void a_whole_answer_is_told_once(void **unused)
{
    (void)unused;
    const struct profile p = plain(2);
    struct slots *s = slots_new(&p);
    struct slots_job jobs[2];
    struct slots_token token;
    for (size_t i = 0; i < 2; i++) {
        struct slots_work work = slots_work_of(&p, NULL, 0, 15, 3);
        work.whole = true;
        slots_add(s, &jobs[i], &work, &jobs[i], 1000);
    }
    assert_false(slots_next(s, 64999, &token));
    assert_int_equal(slots_due_us(s), 41000 + 24000);
    assert_true(slots_next(s, 65000, &token));
    assert_ptr_equal(token.owner, &jobs[0]);
    assert_true(token.last && token.n_tokens == 3);
    assert_int_equal(token.begun_us, 1000);
    assert_int_equal(token.first_us, 21000);
    assert_int_equal(slots_due_us(s), 65000); /* the other one's */
    assert_true(slots_next(s, 65000, &token));
    assert_int_equal(token.begun_us, 21000);
    assert_false(slots_next(s, 1000000, &token));
    assert_int_equal(slots_busy_us(s), 64000);
    slots_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_takes_prompt_and_steps),
        cmocka_unit_test(images_cost_their_tower_and_their_tokens),
        cmocka_unit_test(equal_requests_end_as_the_page_says),
        cmocka_unit_test(who_finds_no_slot_waits_in_order),
        cmocka_unit_test(prompts_go_before_steps),
        cmocka_unit_test(those_that_leave_free_their_slot),
        cmocka_unit_test(a_whole_answer_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
