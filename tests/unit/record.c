/* SPDX-License-Identifier: Apache-2.0
 *
 * study/record.h: every field survives, half lines do not, and which record of a question counts.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "study/record.h"

#include "test.h"

static char folder[] = "unit-record-XXXXXX";

static FILE *create(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    return out;
}

static struct record plain(const char *item, uint64_t seed, bool ok, const char *answer)
{
    return (struct record){.condition = {.dataset = "d",
                                         .policy = "edge",
                                         .load = "rate=1",
                                         .link_mbps = NAN,
                                         .seed = seed},
                           .item = item,
                           .ok = ok,
                           .answer = answer,
                           .correct = ok ? 1.0 : NAN};
}

static void every_field_survives(void **unused)
{
    (void)unused;
    const struct record written = {
        .condition = {"set", "paper", "concurrency=4", 200.5, 18446744073709551ull},
        .item = "12#3",
        .category = "c\"d",
        .scorer = "vqa2021",
        .ok = true,
        .error = "",
        .status = 200,
        .plan = "cloud",
        .decision = "text=cloud",
        .scores = "text=0.5",
        .reason = "text=above",
        .state = "load=0.1",
        .fallback = "edge-failed",
        .answer = "blue\n\xc3\xa9",
        .correct = 0.3,
        .scheduled_s = 1.25,
        .late_ms = 0.001,
        .ttft_ms = NAN,
        .total_ms = 123456.789,
        .overhead_us = 250,
        .bytes_up = 1e12,
        .bytes_down = 0,
        .prompt_tokens = 391,
        .completion_tokens = 2,
        .cpu_s = {0.25, NAN},
        .peak_bytes = {NAN, 4096},
        .features = {.known = true,
                     .pixels = 307200,
                     .file_bytes = 99,
                     .resolution = 0.1,
                     .edge = 0.2,
                     .entropy = 0.3,
                     .sharpness = 0.4,
                     .image = 0.5,
                     .edge_fraction = 0.6,
                     .bits_per_pixel = 0.7,
                     .bits_per_pixel_normal = 0.8,
                     .laplacian_variance = 900,
                     .text_length = 0.11,
                     .text_entity = 0.12,
                     .text = 0.13}};
    FILE *out = create("requests.jsonl");
    assert_int_equal(record_write(out, &written), 0);
    fclose(out);
    struct records records = {0};
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(records.n, 1);
    const struct record *read = &records.records[0];
    assert_true(condition_equal(&read->condition, &written.condition));
    const char *const texts[][2] = {
        {read->item, written.item},     {read->category, written.category},
        {read->scorer, written.scorer}, {read->error, written.error},
        {read->plan, written.plan},     {read->decision, written.decision},
        {read->scores, written.scores}, {read->reason, written.reason},
        {read->state, written.state},   {read->fallback, written.fallback},
        {read->answer, written.answer},
    };
    for (size_t i = 0; i < N_TESTS(texts); i++)
        assert_string_equal(texts[i][0], texts[i][1]);
    const double numbers[][2] = {
        {read->correct, written.correct},
        {read->scheduled_s, written.scheduled_s},
        {read->late_ms, written.late_ms},
        {read->ttft_ms, written.ttft_ms},
        {read->total_ms, written.total_ms},
        {read->overhead_us, written.overhead_us},
        {read->bytes_up, written.bytes_up},
        {read->bytes_down, written.bytes_down},
        {read->prompt_tokens, written.prompt_tokens},
        {read->completion_tokens, written.completion_tokens},
        {read->cpu_s[0], written.cpu_s[0]},
        {read->cpu_s[1], written.cpu_s[1]},
        {read->peak_bytes[0], written.peak_bytes[0]},
        {read->peak_bytes[1], written.peak_bytes[1]},
        {read->features.pixels, written.features.pixels},
        {read->features.file_bytes, written.features.file_bytes},
        {read->features.resolution, written.features.resolution},
        {read->features.edge, written.features.edge},
        {read->features.entropy, written.features.entropy},
        {read->features.sharpness, written.features.sharpness},
        {read->features.image, written.features.image},
        {read->features.edge_fraction, written.features.edge_fraction},
        {read->features.bits_per_pixel, written.features.bits_per_pixel},
        {read->features.bits_per_pixel_normal, written.features.bits_per_pixel_normal},
        {read->features.laplacian_variance, written.features.laplacian_variance},
        {read->features.text_length, written.features.text_length},
        {read->features.text_entity, written.features.text_entity},
        {read->features.text, written.features.text},
    };
    for (size_t i = 0; i < N_TESTS(numbers); i++) {
        if (!(numbers[i][0] == numbers[i][1] || (isnan(numbers[i][0]) && isnan(numbers[i][1]))))
            fail_msg("number %zu: %g, not %g", i, numbers[i][0], numbers[i][1]);
    }
    assert_true(read->ok && read->features.known && read->status == 200);
    records_done(&records);
}

static void passes_survive_beside_half_lines(void **unused)
{
    (void)unused;
    const struct pass written = {.condition = {"set", "edge", "rate=2", NAN, 7},
                                 .wall_s = 60.5,
                                 .n_done = 120,
                                 .n_failed = 3,
                                 .n_before = 4,
                                 .dataset_faults = 5,
                                 .interrupted = true,
                                 .cpu_s = {1.5, NAN},
                                 .n_params = {2e9, 7e9},
                                 .sent_bytes = {10, 20},
                                 .received_bytes = {30, 40}};
    fclose(create("requests.jsonl"));
    FILE *out = create("passes.jsonl");
    assert_int_equal(pass_write(out, &written), 0);
    fputs("[1]\n\n{\"dataset\":\"se", out);
    fclose(out);
    struct records records = {0};
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(records.n_passes, 1);
    assert_int_equal(records.n_bad, 3);
    const struct pass *read = &records.passes[0];
    assert_true(condition_equal(&read->condition, &written.condition));
    assert_true(read->wall_s == 60.5 && read->n_done == 120 && read->n_failed == 3);
    assert_true(read->n_before == 4 && read->dataset_faults == 5 && read->interrupted);
    assert_true(read->cpu_s[0] == 1.5 && isnan(read->cpu_s[1]) && read->n_params[1] == 7e9);
    assert_true(read->sent_bytes[1] == 20 && read->received_bytes[0] == 30);
    records_done(&records);
}

static void the_last_answer_counts_and_no_later_failure(void **unused)
{
    (void)unused;
    const struct record written[] = {
        plain("b", 1, true, "first"), plain("a", 2, false, ""),     plain("b", 1, false, ""),
        plain("b", 1, true, "last"),  plain("b", 2, true, "other"), plain("b", 1, false, ""),
    };
    FILE *out = create("requests.jsonl");
    for (size_t i = 0; i < N_TESTS(written); i++)
        assert_int_equal(record_write(out, &written[i]), 0);
    fclose(out);
    struct records records = {0};
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(records.n, 3);
    assert_true(records.records[0].condition.seed == 1 && records.records[0].ok);
    assert_string_equal(records.records[1].item, "a");
    assert_string_equal(records.records[2].answer, "other");
    records_done(&records);
}

static void rotations_follow_their_question(void **unused)
{
    (void)unused;
    static const char *const sorted[] = {"1", "1#1", "1#2", "1 a", "1!", "12", "12#1", "2"};
    for (size_t i = 0; i < N_TESTS(sorted); i++)
        assert_int_equal(record_compare_items(sorted[i], sorted[i]), 0);
    /* Whatever sorts before '#', a question and its rotations stand together. */
    assert_true(record_compare_items("1", "1#1") < 0 && record_compare_items("1#1", "1#2") < 0);
    assert_true(record_compare_items("1#2", "1 a") < 0 && record_compare_items("1#2", "1!") < 0);
    assert_true(record_compare_items("1#9", "12") < 0 && record_compare_items("12#1", "2") < 0);
    struct record a = plain("12#1", 1, true, "");
    struct record b = plain("12", 1, true, "");
    struct record c = plain("1", 1, true, "");
    struct record d = plain("12#1", 2, true, "");
    assert_true(record_same_question(&a, &b) && record_same_question(&b, &a));
    assert_false(record_same_question(&a, &c));
    assert_false(record_same_question(&a, &d));
}

static void a_folder_without_records_is_told_from_a_broken_one(void **unused)
{
    (void)unused;
    struct records records = {0};
    assert_int_equal(records_read("/nonexistent", &records), 1);
    assert_int_equal(records.n, 0);
    records_done(&records);
}

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
    (void)unused;
    char path[128];
    snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/passes.jsonl", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_survives),
        cmocka_unit_test(passes_survive_beside_half_lines),
        cmocka_unit_test(the_last_answer_counts_and_no_later_failure),
        cmocka_unit_test(rotations_follow_their_question),
        cmocka_unit_test(a_folder_without_records_is_told_from_a_broken_one),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
