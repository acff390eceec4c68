/* SPDX-License-Identifier: Apache-2.0
 *
 * src/params.h, and with it every public entry: wrong arguments are told or passed over, and never
 * end the program; parameters of older and newer callers are read as far as both know them.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/docket.h>
#include <moaoff/moaoff.h>
#include <moaoff/recode.h>

#include "params.h"

#include "test.h"

static const struct moa_bytes nothing = {NULL, 0};
static const struct moa_bytes nowhere = {NULL, 100};

static void test_names_of_what_does_not_exist(void **state)
{
    (void)state;
    static const int odd[] = {-1, MOA_REASONS, 60, 400, INT_MAX, INT_MIN};
    for (size_t i = 0; i < N_TESTS(odd); i++) {
        assert_string_equal(moa_kind_name((enum moa_kind)odd[i]), "unknown");
        assert_string_equal(moa_tier_name((enum moa_tier)odd[i]), "unknown");
        assert_string_equal(moa_plan_name((enum moa_plan)odd[i]), "unknown");
        assert_string_equal(moa_reason_name((enum moa_reason)odd[i]), "unknown");
        assert_string_equal(moa_image_format_name((enum moa_image_format)odd[i]), "unknown");
        assert_string_equal(moa_image_format_mime((enum moa_image_format)odd[i]),
                            "application/octet-stream");
        assert_non_null(moa_strerror((enum moa_err)odd[i]));
    }
    assert_string_equal(moa_tier_name(MOA_CLOUD), "cloud");
    assert_string_equal(moa_reason_name(MOA_REASON_TOO_LONG), "too-long");
    assert_null(moa_policy_name(1000));
    assert_null(moa_policy_summary(NULL));
    assert_null(moa_policy_param(NULL, 1000));
    assert_null(moa_policy_param("no such policy", 0));
    assert_null(moa_cpu_level(1000));
    assert_false(moa_cpu_level_supported(1000));
    assert_int_equal(moa_cpu_force("no such level"), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_image_format_named(nowhere), MOA_IMAGE_UNKNOWN);
}

static void test_policies(void **state)
{
    (void)state;
    struct moa_policy *policy = NULL;
    const struct moa_policy_setting unknown[] = {{"no.such.key", 1}, {NULL, 0}};
    const struct moa_policy_setting wrong[] = {{"paper.tau_text", NAN}, {NULL, 0}};
    assert_int_equal(moa_policy_new(NULL, NULL, &policy), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new("", NULL, &policy), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new("paper", NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new("paper", unknown, &policy), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_policy_new("paper", wrong, &policy), MOA_ERR_ARGUMENT);
    assert_null(policy);
    assert_int_equal(moa_policy_configure(NULL, NULL), MOA_ERR_ARGUMENT);
    assert_true(isnan(moa_policy_value(NULL, "paper.tau_text")));
    assert_false(moa_policy_learns(NULL));
    moa_policy_free(NULL);
    uint64_t outcomes = 7, violations = 7;
    moa_policy_learned(NULL, &outcomes, &violations);
    assert_true(outcomes == 0 && violations == 0);
    assert_int_equal(moa_policy_new("perllm", NULL, &policy), MOA_OK);
    assert_true(isnan(moa_policy_value(policy, NULL)));
    moa_policy_learned(policy, NULL, NULL);
    moa_policy_free(policy);
}

static void test_decisions(void **state)
{
    (void)state;
    struct moa_policy *policy = NULL;
    assert_int_equal(moa_policy_new("perllm", NULL, &policy), MOA_OK);
    struct moa_modality parts[2] = {{.kind = MOA_TEXT}, {.kind = MOA_IMAGE}};
    struct moa_request request = {.n = 2, .modalities = parts};
    const struct moa_state now = {
        .edge_load = NAN, .uplink_mbps = NAN, .edge_up = true, .cloud_up = true};
    struct moa_choice choices[2];
    struct moa_decision d = {.n = 2, .choices = choices};
    char text[100];

    assert_int_equal(moa_decide(NULL, &request, &now, &d), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_decide(policy, NULL, &now, &d), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_decide(policy, &request, NULL, &d), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_decide(policy, &request, &now, NULL), MOA_ERR_ARGUMENT);
    request.modalities = NULL;
    assert_int_equal(moa_decide(policy, &request, &now, &d), MOA_ERR_ARGUMENT);
    request.modalities = parts;
    d.choices = NULL;
    assert_int_equal(moa_decide(policy, &request, &now, &d), MOA_ERR_ARGUMENT);
    d.choices = choices;
    parts[1].kind = (enum moa_kind)77;
    assert_int_equal(moa_decide(policy, &request, &now, &d), MOA_ERR_ARGUMENT);
    parts[1].kind = MOA_IMAGE;
    assert_int_equal(moa_decide(policy, &request, &now, &d), MOA_OK);

    assert_int_equal(moa_explain(NULL, &request, &now, &d, 0, text, sizeof(text)), 0);
    assert_int_equal(moa_explain(policy, NULL, &now, &d, 0, text, sizeof(text)), 0);
    assert_int_equal(moa_explain(policy, &request, NULL, &d, 0, text, sizeof(text)), 0);
    assert_int_equal(moa_explain(policy, &request, &now, NULL, 0, text, sizeof(text)), 0);
    assert_int_equal(moa_explain(policy, &request, &now, &d, 2, text, sizeof(text)), 0);
    assert_int_equal(moa_explain(policy, &request, &now, &d, 0, NULL, 10), 0);
    assert_true(moa_explain(policy, &request, &now, &d, 0, NULL, 0) > 0);
    assert_true(moa_explain(policy, &request, &now, &d, 0, text, sizeof(text)) > 0);
    choices[0] = (struct moa_choice){(enum moa_tier)9, (enum moa_reason)99};
    assert_int_equal(moa_explain(policy, &request, &now, &d, 0, text, sizeof(text)), 0);

    struct moa_outcome outcome = {.request = &request, .state = now, .correct = NAN};
    assert_int_equal(moa_observe(NULL, &outcome), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_observe(policy, NULL), MOA_ERR_ARGUMENT);
    outcome.choice.tier = (enum moa_tier)9;
    assert_int_equal(moa_observe(policy, &outcome), MOA_ERR_ARGUMENT);
    outcome.choice.tier = MOA_CLOUD;
    outcome.request = NULL;
    assert_int_equal(moa_observe(policy, &outcome), MOA_ERR_ARGUMENT);
    moa_policy_free(policy);
}

static void test_adaptive_without_arguments(void **state)
{
    (void)state;
    struct moa_adaptive *a = NULL;
    const uint64_t key[2] = {1, 2};
    double coins[MOA_GENERATIONS] = {7, 7};
    char buffer[8];
    struct moa_question question = {.edge_up = true, .cloud_up = true};
    struct moa_routing routing;
    assert_int_equal(moa_adaptive_new(NULL, key, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_new(NULL, NULL, &a), MOA_ERR_ARGUMENT);
    assert_null(a);
    assert_null(moa_adaptive_param(1000));
    assert_null(moa_policy_adaptive(NULL));
    assert_int_equal(moa_adaptive_set_key(NULL, key), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_configure(NULL, NULL), MOA_ERR_ARGUMENT);
    assert_false(moa_adaptive_identity(NULL, 1));
    assert_true(moa_adaptive_hash(NULL, key, 2) == 0);
    moa_adaptive_coins(NULL, 1, 2, coins);
    assert_true(coins[0] == 1 && coins[1] == 1);
    moa_adaptive_coins(NULL, 1, 2, NULL);
    assert_int_equal(moa_adaptive_decide(NULL, &question, &routing), MOA_ERR_ARGUMENT);
    assert_true(moa_adaptive_score(NULL, NULL) == 0);
    (void)moa_adaptive_hopeless(NULL, NULL, 0, NAN);
    assert_int_equal(moa_adaptive_observe(NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_aim(NULL, 1), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_audit(NULL, NULL), 0);
    assert_false(moa_adaptive_tend(NULL));
    moa_adaptive_guarantee(NULL, NULL);
    (void)moa_adaptive_changes(NULL);
    (void)moa_adaptive_save_bytes(NULL);
    assert_int_equal(moa_adaptive_save(NULL, buffer, sizeof(buffer)), 0);
    assert_int_not_equal(moa_adaptive_load(NULL, nowhere), MOA_OK);
    moa_adaptive_free(NULL);

    assert_int_equal(moa_adaptive_new(NULL, key, &a), MOA_OK);
    assert_int_equal(moa_adaptive_set_key(a, NULL), MOA_ERR_ARGUMENT);
    assert_true(moa_adaptive_hash(a, NULL, 3) == 0);
    moa_adaptive_coins(a, 1, 2, NULL);
    assert_int_equal(moa_adaptive_decide(a, NULL, &routing), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_decide(a, &question, NULL), MOA_ERR_ARGUMENT);
    question.kind = MOA_QUESTION_KINDS;
    assert_int_equal(moa_adaptive_decide(a, &question, &routing), MOA_ERR_ARGUMENT);
    assert_true(moa_adaptive_score(a, NULL) == 0);
    (void)moa_adaptive_hopeless(a, NULL, 0, NAN);
    assert_int_equal(moa_adaptive_observe(a, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_aim(a, NAN), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_audit(a, NULL), 0);
    moa_adaptive_guarantee(a, NULL);
    assert_int_equal(moa_adaptive_save(a, NULL, 0), 0);
    assert_int_equal(moa_adaptive_save(a, buffer, sizeof(buffer)), 0);
    assert_int_not_equal(moa_adaptive_load(a, nowhere), MOA_OK);
    assert_int_not_equal(moa_adaptive_load(a, nothing), MOA_OK);
    moa_adaptive_free(a);
}

static void test_odd_answers_and_questions(void **state)
{
    (void)state;
    struct moa_policy *policy = NULL;
    assert_int_equal(moa_policy_new("adaptive", NULL, &policy), MOA_OK);
    struct moa_adaptive *a = moa_policy_adaptive(policy);
    assert_non_null(a);
    static const double odd[] = {0, -1, 1e300, NAN, INFINITY, -INFINITY, 0.5};
    static const int forms[] = {0, 6, 7, -1, INT_MAX, INT_MIN};
    struct moa_modality part = {.kind = MOA_TEXT};
    struct moa_choice choice;
    for (size_t i = 0; i < N_TESTS(odd); i++) {
        for (size_t k = 0; k < N_TESTS(forms); k++) {
            const struct moa_answer answer = {.form = (enum moa_answer_form)forms[k],
                                              .n_tokens = 3,
                                              .p_min = odd[i],
                                              .p_first = odd[i],
                                              .p_top5 = odd[i]};
            const double score = moa_adaptive_score(a, &answer);
            assert_true(score >= 0 && score <= 1);
            (void)moa_adaptive_hopeless(a, &answer, SIZE_MAX, odd[i]);
            const struct moa_audit audit = {.audit_of = {1, UINT64_MAX}, .answer = answer};
            (void)moa_adaptive_audit(a, &audit);
        }
        const struct moa_question question = {
            .kind = i % 2 ? UINT_MAX : 0,
            .coins = {odd[i], odd[i]},
            .load = {{odd[i], odd[i], odd[i]}, {odd[i], odd[i], odd[i]}},
            .upload_bytes = odd[i],
            .uplink_mbps = odd[i],
            .rtt_ms = odd[i]};
        const struct moa_request request = {.n = 1, .modalities = &part, .question = &question};
        const struct moa_state now = {
            .edge_load = odd[i], .uplink_mbps = odd[i], .edge_up = true, .cloud_up = true};
        struct moa_decision d = {.n = 1, .choices = &choice};
        if (moa_decide(policy, &request, &now, &d) == MOA_OK)
            assert_true((choice.tier == MOA_EDGE || choice.tier == MOA_CLOUD) &&
                        !(d.threshold < 0 || d.threshold > 1));
        const struct moa_adaptive_outcome outcome = {
            .kind = i % 2 ? UINT_MAX : 0,
            .called = {true, true},
            .times = {{odd[i], odd[i], odd[i], odd[i], odd[i]}}};
        (void)(moa_adaptive_observe(a, &outcome) == MOA_OK);
    }
    static const int names[] = {-1, 60, INT_MAX, INT_MIN};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        assert_string_equal(moa_route_name((enum moa_route)names[i]), "unknown");
        assert_string_equal(moa_why_name((enum moa_why)names[i]), "unknown");
        assert_string_equal(moa_standing_name((enum moa_standing)names[i]), "unknown");
    }
    assert_false(moa_answers_agree(nothing, (struct moa_bytes){"a", 1}));
    (void)moa_answer_form_of(nothing);
    (void)moa_answers_agree(nothing, nothing);
    moa_policy_free(policy);
}

static void test_images(void **state)
{
    (void)state;
    struct moa_image_info info = {0};
    struct moa_image_header header;
    struct moa_image_features features;
    const struct moa_image_options odd = {.mode = (enum moa_image_mode)5};
    const uint8_t luma[9] = {0};
    assert_int_equal(moa_image_probe(nowhere, NULL, NULL), MOA_ERR_FORMAT);
    assert_int_equal(moa_image_probe(nothing, &info, NULL), MOA_ERR_FORMAT);
    assert_int_equal(moa_image_header(nowhere, &header, NULL), MOA_ERR_FORMAT);
    assert_int_equal(moa_image_orientation(nowhere, MOA_IMAGE_JPEG), 1);
    assert_int_equal(moa_image_orientation(nothing, (enum moa_image_format)99), 1);
    assert_int_equal(moa_image_measure(nowhere, NULL, NULL, NULL, NULL), MOA_ERR_FORMAT);
    assert_int_equal(moa_image_measure_with(nothing, &odd, NULL, NULL, &features, NULL),
                     MOA_ERR_ARGUMENT);
    assert_int_equal(moa_luma_measure(luma, 3, 3, 3, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_luma_measure(NULL, 3, 3, 3, &features), MOA_ERR_ARGUMENT);
    moa_image_params_default(NULL);
    moa_image_limits_default(NULL);
    moa_image_options_default(NULL);
    moa_image_complexity(NULL, &features, NULL);
    struct moa_image_complexity c;
    moa_image_complexity(NULL, NULL, &c);
    assert_true(c.score >= 0.0 && c.score <= 1.0);
    uint64_t scene[2] = {7, 7};
    double furthest = 0, mean = 0;
    moa_image_scene(NULL, scene);
    assert_true(scene[0] == 0 && scene[1] == 0);
    moa_image_scene(NULL, NULL);
    moa_image_distance(NULL, &features, &furthest, &mean);
    assert_true(furthest == 255 && mean == 255);
    moa_image_distance(NULL, NULL, NULL, NULL);
    for (int i = -1; i < 40; i++)
        assert_non_null(moa_image_note_name((enum moa_image_note)i));
    struct moa_media media;
    moa_media_probe(nowhere, &media);
    assert_int_equal(media.format, MOA_MEDIA_UNKNOWN);
    moa_media_probe(nothing, NULL);
    assert_string_equal(moa_media_format_name((enum moa_media_format)99), "unknown");
}

static void test_dockets(void **state)
{
    (void)state;
    struct moa_docket docket = {0};
    struct moa_docket_room *room = malloc(sizeof(*room));
    char bytes[16];
    assert_int_equal(moa_docket_write(NULL, bytes, sizeof(bytes)), 0);
    (void)moa_docket_write(&docket, NULL, 0);
    (void)moa_docket_write(&docket, NULL, 100);
    assert_int_not_equal(moa_docket_read(nowhere, room, &docket, NULL), MOA_OK);
    assert_int_not_equal(moa_docket_read(nothing, room, &docket, NULL), MOA_OK);
    assert_int_not_equal(moa_docket_read((struct moa_bytes){"x", 1}, NULL, &docket, NULL), MOA_OK);
    assert_int_not_equal(moa_docket_read((struct moa_bytes){"x", 1}, room, NULL, NULL), MOA_OK);
    free(room);
}

static void test_recoding(void **state)
{
    (void)state;
    struct moa_image_info info = {.format = (enum moa_image_format)77, .width_px = 5};
    struct moa_recode_target target;
    struct moa_recoded made;
    struct moa_error error;
    uint32_t width = 0;
    moa_recode_target_default(NULL);
    moa_recode_target_default(&target);
    assert_int_equal(moa_recode(nowhere, &info, 1, &target, &made, &error), MOA_ERR_FORMAT);
    assert_int_equal(moa_recode(nothing, NULL, 1, &target, &made, &error), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_recode(nothing, &info, 1, &target, NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_recode(nothing, &info, 99, NULL, &made, NULL), MOA_ERR_FORMAT);
    assert_false(moa_recode_needed(NULL, 1, 0, &target));
    assert_false(moa_recode_needed(&info, 1, 0, NULL));
    target.formats = 1 << MOA_IMAGE_PNG;
    assert_true(moa_recode_needed(&info, 1, 0, &target));
    moa_recode_size(0, 0, 10, &width, NULL);
    assert_int_equal(width, 1);
    assert_true(moa_image_tokens(0, 0) == 0);
}

/* ---- weights and references ---- */

static const double odd_numbers[] = {0, -1, -1e300, 1e300, NAN, INFINITY, -INFINITY, 1e-320, 0.5};

static bool in_range(double x)
{
    return x >= 0.0 && x <= 1.0;
}

static void test_any_numbers_give_a_score_in_range(void **state)
{
    (void)state;
    const struct moa_image_features image = {.width_px = 100,
                                             .height_px = 100,
                                             .entropy_nats = 3,
                                             .gradient_mean = 9,
                                             .gradient_p95 = 20,
                                             .laplacian_variance = 100};
    const struct moa_image_features wild = {.entropy_nats = NAN, .gradient_mean = INFINITY};
    const struct moa_text_features text = {.tokens = 50, .sentences = 2, .entities = 3};
    for (size_t i = 0; i < N_TESTS(odd_numbers); i++) {
        for (size_t k = 0; k < N_TESTS(odd_numbers); k++) {
            struct moa_image_params p;
            struct moa_image_complexity c;
            moa_image_params_default(&p);
            p.weight_resolution = odd_numbers[i];
            p.weight_edge = p.weight_entropy = p.weight_sharpness = odd_numbers[k];
            p.reference_px = p.laplacian_p5 = odd_numbers[k];
            moa_image_complexity(&p, &image, &c);
            assert_true(in_range(c.score) && in_range(c.resolution) && in_range(c.sharpness));
            moa_image_complexity(&p, &wild, &c);
            assert_true(in_range(c.score) && in_range(c.edge) && in_range(c.entropy));
            struct moa_text_params t;
            struct moa_text_complexity d;
            moa_text_params_default(&t);
            t.weight_length = t.reference_entities = odd_numbers[i];
            t.weight_entity = t.reference_tokens = odd_numbers[k];
            moa_text_complexity(&t, &text, &text, &d);
            assert_true(in_range(d.score) && in_range(d.length) && in_range(d.entity));
        }
    }
}

static void test_no_weight_is_equal_weights(void **state)
{
    (void)state;
    const struct moa_text_features text = {.tokens = 128, .sentences = 1};
    struct moa_text_params t;
    struct moa_text_complexity c;
    moa_text_params_default(&t);
    t.weight_length = 0;
    t.weight_entity = -3;
    moa_text_complexity(&t, &text, &text, &c);
    assert_true(c.score == 0.25);
    moa_text_complexity(NULL, NULL, NULL, &c);
    assert_true(c.score == 0.0);
    moa_text_complexity(NULL, &text, &text, NULL);
    moa_text_params_default(NULL);
    moa_text_measure(nowhere, NULL);
    struct moa_text_features f;
    moa_text_measure(nowhere, &f);
    assert_true(f.bytes == 0 && f.sentences == 0);
}

/* ---- sizes ---- */

struct grown {
    struct moa_text_params known;
    double more[4];
};

static void test_sizes(void **state)
{
    (void)state;
    const struct moa_text_features text = {.tokens = 128, .sentences = 1};
    struct moa_text_complexity c;
    struct moa_text_params t;
    struct moa_image_params p;
    moa_text_params_default(&t);
    moa_image_params_default(&p);
    assert_int_equal(t.size, sizeof(t));
    assert_int_equal(p.size, sizeof(p));
    /* Version 0.1's, or written without a size. */
    t.weight_entity = 0;
    t.size = 0;
    moa_text_complexity(&t, &text, &text, &c);
    assert_true(c.score == 0.5);
    /* A newer caller's. */
    struct grown grown = {.known = t, .more = {9, 9, 9, 9}};
    grown.known.size = sizeof(grown);
    moa_text_complexity(&grown.known, &text, &text, &c);
    assert_true(c.score == 0.5);
    /* Nonsense: as if there were none. */
    t.size = 3;
    moa_text_complexity(&t, &text, &text, &c);
    assert_true(c.score != 0.5 && in_range(c.score));
}

static void test_what_an_older_caller_lacks_keeps_its_default(void **state)
{
    (void)state;
    struct {
        size_t size;
        int a, b;
    } to = {sizeof(to), 1, 2};
    const struct {
        size_t size;
        int a;
    } from = {offsetof(__typeof__(to), b), 7};
    moa_params_read(&to, sizeof(to), offsetof(__typeof__(to), b), &from);
    assert_int_equal(to.a, 7);
    assert_int_equal(to.b, 2);
    moa_params_read(&to, sizeof(to), offsetof(__typeof__(to), b), NULL);
    assert_int_equal(to.a, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_what_does_not_exist),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_adaptive_without_arguments),
        cmocka_unit_test(test_odd_answers_and_questions),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_dockets),
        cmocka_unit_test(test_recoding),
        cmocka_unit_test(test_any_numbers_give_a_score_in_range),
        cmocka_unit_test(test_no_weight_is_equal_weights),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_an_older_caller_lacks_keeps_its_default),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
