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

#include "test.h"

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
    assert_int_equal(report_run(folder), 0);
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
    assert_says(html, "<svg ");
    assert_null(strstr(html, "nan"));
    free(html);
}

static void nothing_to_report_is_said(void **unused)
{
    (void)unused;
    char path[128];
    assert_int_equal(report_run("/nonexistent"), 1);
    path_of("requests.jsonl", path);
    fclose(fopen(path, "we"));
    assert_int_equal(report_run(folder), 1);
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
        cmocka_unit_test(nothing_to_report_is_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
