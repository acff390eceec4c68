/* SPDX-License-Identifier: Apache-2.0
 *
 * study/report.h: a report of records whose every figure can be worked out by hand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/report.h"
#include "study/report_names.h"

#include "test.h"

static const struct report_options plain;
static char folder[] = "unit-report-XXXXXX";

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
}

/* Right or wrong on each rotation of three questions, by either tier; '-' fails. */
static const struct {
    const char *item, *category;
    char edge, cloud;
} asked[] = {
    {"1", "colour", '1', '1'},  {"1#1", "colour", '1', '1'}, {"1#2", "colour", '1', '1'},
    {"2", "count", '1', '1'},   {"2#1", "count", '0', '1'},  {"3", "count", '0', '0'},
    {"3#1", "count", '1', '1'}, {"4", "colour", '1', '1'},   {"4#1", "colour", '-', '1'},
};

static struct record record_of(size_t i, const char *policy, char how)
{
    bool cloud = strcmp(policy, "cloud") == 0;
    return (struct record){
        .condition = {.dataset = "mmbench",
                      .policy = policy,
                      .load = "concurrency=1",
                      .link_mbps = 100,
                      .seed = 1},
        .item = asked[i].item,
        .category = asked[i].category,
        .ok = how != '-',
        .error = how == '-' ? "gone away" : "",
        .plan = cloud ? "cloud" : "edge",
        .correct = how == '-' ? NAN : how - '0',
        .scheduled_s = (double)i,
        .total_ms = cloud ? 200 : 100,
        .ttft_ms = 50,
        .overhead_us = NAN,
        .bytes_up = NAN,
        .bytes_down = NAN,
        .features = {.known = true, .pixels = 1e6 + (double)i, .image = 0.1 * (double)i}};
}

static char *read_file(const char *name)
{
    char path[128];
    char *text = NULL;
    size_t room = 0;
    path_of(name, path);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_true(getdelim(&text, &room, '\0', in) > 0);
    fclose(in);
    return text;
}

static void write_records(void)
{
    char path[128];
    path_of("requests.jsonl", path);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    for (size_t i = 0; i < N_TESTS(asked); i++) {
        struct record edge = record_of(i, "edge", asked[i].edge);
        struct record cloud = record_of(i, "cloud", asked[i].cloud);
        assert_int_equal(record_write(out, &edge), 0);
        assert_int_equal(record_write(out, &cloud), 0);
    }
    fclose(out);
    path_of("passes.jsonl", path);
    out = fopen(path, "we");
    assert_non_null(out);
    const struct pass pass = {.condition = {"mmbench", "cloud", "concurrency=1", 100, 1},
                              .wall_s = 2,
                              .n_done = 9,
                              .cpu_s = {NAN, 4.5},
                              .peak_bytes = {NAN, 1048576},
                              .prompt_tokens = {NAN, 900},
                              .completion_tokens = {NAN, 90},
                              .n_params = {NAN, 1e9},
                              .sent_bytes = {NAN, 90000},
                              .received_bytes = {NAN, 1}};
    assert_int_equal(pass_write(out, &pass), 0);
    fclose(out);
}

static void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in\n%s", words, text);
}

static void figures_are_those_of_the_records(void **unused)
{
    (void)unused;
    write_records();
    assert_int_equal(report_run(folder, &plain), 0);
    char *md = read_file("report.md");
    /* The edge is right in all rotations of 1; the cloud in those of 1, 2 and 4. */
    assert_says(md, "4 questions a cell.");
    assert_says(md, "\n| edge | 25.0 [");
    assert_says(md, "\n| cloud | 75.0 [");
    /* Of nine rotations the edge has six, one has failed; the cloud eight. */
    assert_says(md, "\n| edge, each rotation by itself | 66.7 [");
    assert_says(md, "\n| cloud, each rotation by itself | 88.9 [");
    /* Of the eight pairs: 2#1 goes to the cloud, so 1, 2 and what is left of 4 are right. */
    assert_says(md, "\n| = oracle | 75.0 |");
    /* Categories count questions, too. */
    assert_says(md, "\n| colour | 100.0 [");
    assert_says(md, "\n| count | 50.0 [");
    /* 9 requests: 500 ms, 10 kB and 2 x 1e9 x 990 / 9 operations each; 1 MiB. */
    assert_says(
        md,
        "\n| cloud | \xe2\x80\x93 | 500.0 | \xe2\x80\x93 | 220.000 | \xe2\x80\x93 | 1.0 | 10.0 |");
    assert_says(md, "18 requests, 1 of them failed");
    assert_says(md, "| mmbench, concurrency=1, 100 Mbit/s | edge | 9 | 1 | gone away |");
    free(md);
    char *html = read_file("report.html");
    assert_says(html, "</html>");
    /* Four questions are too few for a figure, and for a choice. */
    assert_null(strstr(html, "<svg "));
    assert_says(html, "too few answers for figures");
    assert_says(html, "These are too few questions to decide by");
    assert_null(strstr(html, "nan"));
    free(html);
}

/* ---- a run of 80 questions: the cloud has them all, the edge those that are no multiple of four,
 * adaptive asks the cloud for those and takes 50 ms for the others ---- */

#define ASKED 80

static struct record long_record(int i, const char *policy)
{
    static char items[ASKED][8];
    const bool hard = i % 4 == 0;
    const bool is_edge = strcmp(policy, "edge") == 0;
    const bool is_cloud = strcmp(policy, "cloud") == 0;
    snprintf(items[i], sizeof(items[i]), "%d", i);
    return (struct record){
        .condition = {"vqav2", policy, "concurrency=1", 20, 1},
        .item = items[i],
        .category = "",
        .ok = true,
        .error = "",
        .plan = is_edge    ? "edge"
                : is_cloud ? "cloud"
                           : "edge-first",
        .reason = is_edge || is_cloud ? "text=fixed, image0=fixed"
                  : hard              ? "text=unsure, image0=unsure"
                                      : "text=certified, image0=certified",
        .answer = is_edge && hard ? "wrong <one>" : "right",
        .correct = is_edge && hard ? 0.0 : 1.0,
        .scheduled_s = i,
        .total_ms = is_edge    ? 40
                    : is_cloud ? 200
                    : hard     ? 240
                               : 50,
        .ttft_ms = NAN,
        .overhead_us = NAN,
        .features = {.known = true, .pixels = 1e5 + i, .image = hard ? 0.8 : 0.2}};
}

static void write_long_run(int n_adaptive)
{
    static const char *const policies[] = {"edge", "cloud", "adaptive"};
    char path[128];
    path_of("requests.jsonl", path);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    for (size_t p = 0; p < 3; p++) {
        for (int i = 0; i < (p == 2 ? n_adaptive : ASKED); i++) {
            const struct record r = long_record(i, policies[p]);
            assert_int_equal(record_write(out, &r), 0);
        }
    }
    fclose(out);
    path_of("passes.jsonl", path);
    out = fopen(path, "we");
    assert_non_null(out);
    const struct pass pass = {.condition = {"vqav2", "adaptive", "concurrency=1", 20, 1},
                              .n_done = (uint64_t)n_adaptive,
                              .interrupted = n_adaptive < ASKED,
                              .cpu_s = {NAN, NAN},
                              .peak_bytes = {NAN, NAN},
                              .prompt_tokens = {NAN, 100.0 * n_adaptive},
                              .completion_tokens = {NAN, 2.0 * n_adaptive},
                              .n_params = {NAN, NAN},
                              .sent_bytes = {NAN, 25000.0 * n_adaptive},
                              .received_bytes = {NAN, NAN},
                              .asked_for = "adaptive",
                              .settings = "adaptive.alpha=0.02, paper.tau_image=0.41, "
                                          "paper.tau_text=0.5",
                              .begun = "2026-11-27T12:00:00Z",
                              .version = "9.8.7",
                              .machine = "a toaster, 2 cores",
                              .n_wanted = ASKED};
    assert_int_equal(pass_write(out, &pass), 0);
    fclose(out);
}

static void verdict_costs_and_reasons_are_those_of_the_records(void **unused)
{
    (void)unused;
    const struct report_options priced = {.prices = {.given = true,
                                                     .million_prompt_tokens = 10,
                                                     .million_answer_tokens = 100,
                                                     .gigabyte = 1}};
    write_long_run(ASKED);
    assert_int_equal(report_run(folder, &priced), 0);
    char *md = read_file("report.md");
    /* 60 x 50 + 20 x 240 ms over 80. */
    assert_says(md, "Run adaptive: of 80 questions it got 100.0 % [95.4, 100.0] right, in 98 ms on "
                    "average; the cloud alone 100.0 % in 200 ms; the edge alone 75.0 % in 40 ms.");
    assert_says(
        md, "It asked the cloud for 25 % of the requests; h = 25.0 % need it, where the edge is "
            "wrong and the cloud right (of 80 questions), and as many drawn blindly would "
            "have got 81.2 % right.");
    assert_says(md,
                "```yaml\npolicy: adaptive\nadaptive:\n  alpha: 0.02\npaper:\n  tau_image: 0.41\n"
                "  tau_text: 0.5\n```");
    assert_says(
        md,
        "Asked from 2026-11-27T12:00:00Z to 2026-11-27T12:00:00Z with moaoff 9.8.7 on a toaster, "
        "2 cores.");
    assert_says(md, "| adaptive | certified | 75.0 | 100.0 [");
    assert_says(md, "|  | unsure | 25.0 | 100.0 [");
    assert_says(md, "| edge | fixed | 100.0 | 75.0 [");
    /* 1000 requests: 25 MB, 100,000 and 2,000 tokens: 1 + 0.2 + 0.025. */
    assert_says(md, "| adaptive | 250 | 25.0 | 100.0 | 2.0 | 1.225 |");
    assert_null(strstr(md, "not complete"));
    free(md);
    char *html = read_file("report.html");
    assert_says(html, "<svg ");
    assert_says(html, "prefers-color-scheme:dark");
    free(html);
}

static void what_is_missing_is_said(void **unused)
{
    (void)unused;
    write_long_run(30);
    assert_int_equal(report_run(folder, &plain), 0);
    char *md = read_file("report.md");
    assert_says(md, "This run is not complete");
    assert_says(md, "adaptive, vqav2, concurrency=1, 20 Mbit/s: 30 of 80 requests");
    assert_null(strstr(md, "edge, vqav2, concurrency=1, 20 Mbit/s: "));
    free(md);
}

/* What the colour of a policy is written with. */
static void one_policy_has_one_colour(void **unused)
{
    (void)unused;
    struct sample two[] = {{.policy = "my own"}, {.policy = "adaptive"}};
    struct sample one[] = {{.policy = "adaptive"}};
    struct setting settings[] = {{.samples = two, .n = 2}};
    struct setting others[] = {{.samples = one, .n = 1}};
    const struct analysis a = {settings, 1};
    const struct analysis b = {others, 1};
    assert_string_equal(report_color(&a, "adaptive"), report_color(&b, "adaptive"));
    assert_string_not_equal(report_color(&a, "adaptive"), report_color(&a, "my own"));
    assert_string_not_equal(report_color(&a, "edge"), report_color(&a, "cloud"));
}

static void nothing_to_report_is_said(void **unused)
{
    (void)unused;
    char path[128];
    assert_int_equal(report_run("/nonexistent", &plain), 1);
    path_of("requests.jsonl", path);
    fclose(fopen(path, "we"));
    assert_int_equal(report_run(folder, &plain), 1);
}

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
    (void)unused;
    static const char *const names[] = {"requests.jsonl", "passes.jsonl", "report.md",
                                        "report.html"};
    char path[128];
    for (size_t i = 0; i < N_TESTS(names); i++) {
        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_records),
        cmocka_unit_test(verdict_costs_and_reasons_are_those_of_the_records),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(one_policy_has_one_colour),
        cmocka_unit_test(nothing_to_report_is_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
