/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/docket.h: what is written is read back bit for bit and decides as it did; nothing else is
 * read.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/docket.h>

#include "test.h"

static uint64_t seed = 7;

static uint64_t draw(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % below;
}

static double draw_unit(void)
{
    return (double)draw(1 << 20) / (1 << 20);
}

static double maybe(double x)
{
    return draw(4) ? x : NAN;
}

/* All that a docket has, drawn. */
struct drawn {
    struct moa_modality modalities[MOA_MODALITIES_MAX];
    struct moa_choice choices[MOA_MODALITIES_MAX];
    struct moa_question question;
    struct moa_answer answer;
    struct moa_adaptive_outcome outcome;
    struct moa_docket docket;
};

static void draw_request(struct drawn *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x->modalities[i] = (struct moa_modality){
            .kind = i ? (enum moa_kind)(1 + draw(MOA_KINDS - 1)) : MOA_TEXT,
            .complexity = draw_unit(),
            .bytes = draw(3) ? draw(1 << 24) : UINT64_MAX - draw(9),
            .tokens = draw(3) ? (double)draw(4096) / 3 : 0.0,
            .duration_s = draw(3) ? 0.0 : 10 * draw_unit(),
            .pinned = draw(5) == 0,
            .refused = {draw(7) == 0, draw(7) == 0},
        };
    x->docket.request = (struct moa_request){
        .n = n, .modalities = x->modalities, .pinned = draw(9) == 0, .deadline_s = (double)draw(3)};
    x->docket.state = (struct moa_state){.edge_load = maybe(draw_unit()),
                                         .uplink_mbps = maybe(1000 * draw_unit()),
                                         .edge_up = draw(4) > 0,
                                         .cloud_up = draw(4) > 0,
                                         .cloud_spent = draw(4) == 0};
}

static void draw_parts(struct drawn *x)
{
    x->question = (struct moa_question){.scene = ~draw(1 << 30),
                                        .text = draw(1 << 30) << 32,
                                        .kind = (unsigned)draw(MOA_QUESTION_KINDS),
                                        .pinned = draw(2),
                                        .edge_up = draw(2),
                                        .cloud_up = draw(2),
                                        .coins = {draw_unit(), 1.0},
                                        .load = {{1, 2, 30}, {maybe(4), 5, 60}},
                                        .upload_bytes = (double)draw(1 << 20),
                                        .uplink_mbps = maybe(20),
                                        .rtt_ms = maybe(3.25),
                                        .has_small = draw(2),
                                        .small_upload_bytes = maybe(1e5),
                                        .small_prompt_tokens = maybe(70),
                                        .cold = draw(2)};
    x->docket.decision.routing =
        (struct moa_routing){.route = (enum moa_route)draw(4),
                             .why = (enum moa_why)draw(7),
                             .threshold = draw(2) ? (double)INFINITY : draw_unit(),
                             .audit_of = {draw(2), UINT64_MAX},
                             .rate = maybe(draw_unit()),
                             .predicted_ms = {maybe(80), maybe(900)},
                             .cost_edge_first = 7,
                             .cost_cloud = NAN,
                             .small = draw(2)};
    x->answer = (struct moa_answer){.form = (enum moa_answer_form)draw(7),
                                    .streamed = draw(2),
                                    .sampled = draw(2),
                                    .n_tokens = draw(5000),
                                    .p_min = draw_unit(),
                                    .p_first = draw_unit(),
                                    .p_top5 = draw_unit()};
    x->outcome = (struct moa_adaptive_outcome){.kind = (unsigned)draw(MOA_QUESTION_KINDS),
                                               .edge_first = draw(2),
                                               .escalated = draw(2),
                                               .cloud = draw(2),
                                               .is_again = draw(2),
                                               .called = {draw(2), draw(2)}};
    for (int tier = 0; tier < 2; tier++) {
        if (x->outcome.called[tier])
            x->outcome.times[tier] = (struct moa_call_times){draw_unit(), maybe(2), 3, maybe(4), 5};
    }
    x->docket.request.question = draw(2) ? &x->question : NULL;
    x->docket.decision.is_routed = draw(2);
    x->docket.answer = draw(2) ? &x->answer : NULL;
    x->docket.outcome = draw(2) ? &x->outcome : NULL;
}

static void draw_docket(struct drawn *x, const struct moa_policy *policy, size_t n)
{
    draw_request(x, n);
    x->docket.decision = (struct moa_decision){.n = MOA_MODALITIES_MAX, .choices = x->choices};
    assert_int_equal(moa_decide(policy, &x->docket.request, &x->docket.state, &x->docket.decision),
                     MOA_OK);
    draw_parts(x);
}

static struct moa_policy *policy_of(const char *name)
{
    struct moa_policy *policy = NULL;
    assert_int_equal(moa_policy_new(name, NULL, &policy), MOA_OK);
    return policy;
}

static bool is_same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void assert_same_choices(const struct moa_decision *a, const struct moa_decision *b)
{
    assert_int_equal(a->plan, b->plan);
    assert_true(is_same_double(a->threshold, b->threshold));
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->choices[i].tier, b->choices[i].tier);
        assert_int_equal(a->choices[i].reason, b->choices[i].reason);
    }
}

static void assert_same_part(const void *a, const void *b)
{
    assert_int_equal(a != NULL, b != NULL);
}

static void dockets_are_read_as_they_were_written(void **state)
{
    (void)state;
    static struct drawn x;
    static struct moa_docket_room room;
    static struct moa_choice again[MOA_MODALITIES_MAX];
    static unsigned char bytes[MOA_DOCKET_BYTES_MAX], rewritten[MOA_DOCKET_BYTES_MAX];
    struct moa_policy *policies[] = {policy_of("paper"), policy_of("edge-first")};
    for (unsigned i = 0; i < 3000; i++) {
        const struct moa_policy *policy = policies[i % 2];
        draw_docket(&x, policy, i % 500 == 499 ? MOA_MODALITIES_MAX : 1 + (size_t)draw(5));
        const size_t n = moa_docket_write(&x.docket, bytes, sizeof(bytes));
        assert_true(n > 0);
        struct moa_docket d;
        struct moa_error error;
        assert_int_equal(moa_docket_read((struct moa_bytes){bytes, n}, &room, &d, &error), MOA_OK);
        /* Decides as it did, */
        struct moa_decision decision = {.n = MOA_MODALITIES_MAX, .choices = again};
        assert_int_equal(moa_decide(policy, &d.request, &d.state, &decision), MOA_OK);
        assert_same_choices(&decision, &x.docket.decision);
        assert_same_choices(&d.decision, &x.docket.decision);
        /* has the parts that it had, and all members of all parts, since these are its bytes. */
        assert_same_part(d.request.question, x.docket.request.question);
        assert_true(d.decision.is_routed == x.docket.decision.is_routed);
        assert_same_part(d.answer, x.docket.answer);
        assert_same_part(d.outcome, x.docket.outcome);
        const bool has_small = (d.request.question && d.request.question->has_small) ||
                               (d.decision.is_routed && d.decision.routing.small);
        assert_int_equal(bytes[2], has_small ? 2 : 1); /* what older programs read, and wrote */
        assert_int_equal(moa_docket_write(&d, rewritten, sizeof(rewritten)), n);
        assert_memory_equal(rewritten, bytes, n);
        assert_int_equal(moa_docket_write(&x.docket, rewritten, n - 1), 0);
    }
    for (size_t i = 0; i < N_TESTS(policies); i++)
        moa_policy_free(policies[i]);
}

static void members_are_what_they_were(void **state)
{
    (void)state;
    static struct drawn x;
    static struct moa_docket_room room;
    unsigned char bytes[1024];
    struct moa_policy *policy = policy_of("paper");
    draw_docket(&x, policy, 3);
    x.docket.request.question = &x.question;
    x.docket.decision.is_routed = true;
    x.docket.answer = &x.answer;
    x.docket.outcome = &x.outcome;
    x.outcome.called[MOA_EDGE] = x.outcome.called[MOA_CLOUD] = true;
    x.outcome.times[MOA_EDGE] = (struct moa_call_times){1, 2, 3, 4, 5};
    x.outcome.times[MOA_CLOUD] = (struct moa_call_times){6, 7, 8, 9, 10};
    struct moa_docket d;
    const size_t n = moa_docket_write(&x.docket, bytes, sizeof(bytes));
    assert_int_equal(moa_docket_read((struct moa_bytes){bytes, n}, &room, &d, NULL), MOA_OK);
    assert_true(d.request.pinned == x.docket.request.pinned);
    assert_true(is_same_double(d.state.edge_load, x.docket.state.edge_load));
    assert_true(d.state.cloud_up == x.docket.state.cloud_up);
    assert_true(d.state.cloud_spent == x.docket.state.cloud_spent);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(d.request.modalities[i].kind, x.modalities[i].kind);
        assert_true(d.request.modalities[i].bytes == x.modalities[i].bytes);
        assert_true(d.request.modalities[i].tokens == x.modalities[i].tokens);
        assert_true(d.request.modalities[i].duration_s == x.modalities[i].duration_s);
        assert_true(d.request.modalities[i].refused[1] == x.modalities[i].refused[1]);
    }
    assert_true(d.request.question->scene == x.question.scene &&
                d.request.question->text == x.question.text);
    assert_true(d.request.question->cold == x.question.cold &&
                d.request.question->kind == x.question.kind);
    assert_true(d.request.question->coins[0] == x.question.coins[0]);
    assert_true(d.request.question->load[1].prompt_tokens == 60);
    assert_true(d.decision.routing.audit_of[1] == UINT64_MAX &&
                d.decision.routing.route == x.docket.decision.routing.route);
    assert_true(isnan(d.decision.routing.cost_cloud) && d.decision.routing.cost_edge_first == 7);
    assert_true(d.answer->n_tokens == x.answer.n_tokens && d.answer->p_top5 == x.answer.p_top5);
    assert_true(d.answer->sampled == x.answer.sampled && d.answer->form == x.answer.form);
    assert_true(d.outcome->times[MOA_CLOUD].answer_tokens == 10);
    assert_true(
        is_same_double(d.outcome->n_ahead[MOA_CLOUD], moa_load_ahead(&x.question.load[MOA_CLOUD])));
    assert_true(
        is_same_double(d.outcome->busy[MOA_EDGE], moa_load_busy(&x.question.load[MOA_EDGE])));
    assert_true(d.outcome->escalated == x.outcome.escalated);
    assert_true(d.outcome->is_again == x.outcome.is_again);
    moa_policy_free(policy);
}

static enum moa_err read_bytes(const unsigned char *bytes, size_t n, struct moa_error *ret_error)
{
    static struct moa_docket_room room;
    struct moa_docket d;
    return moa_docket_read((struct moa_bytes){bytes, n}, &room, &d, ret_error);
}

static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    static struct drawn x;
    unsigned char bytes[1024];
    struct moa_error error;
    struct moa_policy *policy = policy_of("paper");
    draw_docket(&x, policy, 2);
    const size_t n = moa_docket_write(&x.docket, bytes, sizeof(bytes));
    for (size_t i = 0; i < n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = (unsigned char)(bytes[i] ^ 1U << bit);
            assert_int_not_equal(read_bytes(bytes, n, &error), MOA_OK);
            assert_true(error.offset <= n && error.message && error.message[0]);
            bytes[i] = (unsigned char)(bytes[i] ^ 1U << bit);
        }
    }
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(read_bytes(bytes, i, &error), MOA_OK);
    assert_int_equal(read_bytes(bytes, n - 1, &error), MOA_ERR_TRUNCATED);
    assert_int_equal(read_bytes(bytes, n + 1, &error), MOA_ERR_CORRUPT);
    assert_int_equal(read_bytes(NULL, 0, &error), MOA_ERR_FORMAT);
    bytes[2] = MOA_DOCKET_VERSION + 1;
    assert_int_equal(read_bytes(bytes, n, &error), MOA_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "newer version"));
    moa_policy_free(policy);
}

static void what_cannot_be_is_not_written(void **state)
{
    (void)state;
    static struct drawn x;
    unsigned char bytes[1024];
    struct moa_policy *policy = policy_of("paper");
    draw_docket(&x, policy, 2);
    assert_true(moa_docket_write(&x.docket, bytes, sizeof(bytes)) > 0);
    x.modalities[1].complexity = 1.5;
    assert_int_equal(moa_docket_write(&x.docket, bytes, sizeof(bytes)), 0);
    x.modalities[1].complexity = 0.5;
    x.modalities[1].kind = MOA_TEXT;
    assert_int_equal(moa_docket_write(&x.docket, bytes, sizeof(bytes)), 0);
    x.modalities[1].kind = (enum moa_kind)9;
    assert_int_equal(moa_docket_write(&x.docket, bytes, sizeof(bytes)), 0);
    x.modalities[1].kind = MOA_FILE;
    x.choices[1].tier = (enum moa_tier)2;
    assert_int_equal(moa_docket_write(&x.docket, bytes, sizeof(bytes)), 0);
    x.choices[1].tier = MOA_CLOUD;
    x.docket.decision.n = 1;
    assert_int_equal(moa_docket_write(&x.docket, bytes, sizeof(bytes)), 0);
    assert_int_equal(moa_docket_write(NULL, bytes, sizeof(bytes)), 0);
    moa_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dockets_are_read_as_they_were_written),
        cmocka_unit_test(members_are_what_they_were),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(what_cannot_be_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
