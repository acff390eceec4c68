/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/metrics.h: every row is on the page with its labels, and nothing that is not known is.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/metrics.h"

#include "test.h"

static char *page_of(const struct metrics *m)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    metrics_write(m, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static bool has(const char *page, const char *line)
{
    const char *at = strstr(page, line);
    return at && (at == page || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void every_row_has_its_head(void **state)
{
    (void)state;
    static struct metrics m;
    m.decisions_total[0][0][0] = 1; /* a sparse row has no head without a sample */
    m.calls_total[0][0] = 1;
    m.requests_total[0][0][0] = 1;
    metrics_observe(&m.first_byte_seconds[0], 1);
    metrics_observe(&m.request_seconds[0], 1);
    metrics_observe(&m.call_seconds[0], 1);
    char *page = page_of(&m);
    static const char *const names[] = {
#define ROW(name, type, help) #name,
#define ROW1(name, type, help, a) #name,
#define ROW2(name, type, help, a, b) #name,
#define ROW3(name, type, help, a, b, c) #name,
#include "gateway/metrics_rows.h"
    };
    for (size_t i = 0; i < N_TESTS(names); i++) {
        char head[128];
        snprintf(head, sizeof(head), "\n# TYPE moaoff_%s ", names[i]);
        assert_non_null(strstr(page, head));
    }
    free(page);
}

static void cells_go_by_their_labels(void **state)
{
    (void)state;
    static struct metrics m;
    m.tokens_total[MOA_EDGE][METRICS_TOKEN_COMPLETION] = 1;
    m.tokens_total[MOA_CLOUD][METRICS_TOKEN_PROMPT] = 18446744073709551615u;
    m.decisions_total[1][MOA_CLOUD][MOA_REASON_COMPLEX] = 3;
    m.unauthorized_total = 7;
    char *page = page_of(&m);
    assert_true(has(page, "moaoff_tokens_total{tier=\"edge\",kind=\"prompt\"} 0"));
    assert_true(has(page, "moaoff_tokens_total{tier=\"edge\",kind=\"completion\"} 1"));
    assert_true(
        has(page, "moaoff_tokens_total{tier=\"cloud\",kind=\"prompt\"} 18446744073709551615"));
    assert_true(has(
        page, "moaoff_decisions_total{modality=\"image\",tier=\"cloud\",reason=\"complex\"} 3"));
    assert_null(strstr(page, "reason=\"simple\"")); /* sparse */
    assert_true(has(page, "moaoff_unauthorized_total 7"));
    free(page);
}

static void what_is_not_known_has_no_line(void **state)
{
    (void)state;
    static struct metrics m;
    m.rtt_seconds = NAN;
    m.uplink_mbps = 12.5;
    for (size_t i = 0; i < METRICS_N_JOURNAL; i++)
        m.journal_rows_total[i] = NAN;
    char *page = page_of(&m);
    assert_null(strstr(page, "moaoff_rtt_seconds"));
    assert_null(strstr(page, "moaoff_journal_rows_total"));
    assert_true(has(page, "moaoff_uplink_mbps 12.5"));
    free(page);
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    static struct metrics m;
    metrics_observe_quick(&m.overhead_seconds, 0.0001); /* bounds belong to their bucket */
    metrics_observe_quick(&m.overhead_seconds, 0.2);
    metrics_observe_quick(&m.overhead_seconds, 61);
    metrics_observe(&m.request_seconds[MOA_PLAN_CLOUD], 120);
    metrics_observe(&m.request_seconds[MOA_PLAN_CLOUD], 121);
    char *page = page_of(&m);
    assert_true(has(page, "moaoff_overhead_seconds_bucket{le=\"0.0001\"} 1"));
    assert_true(has(page, "moaoff_overhead_seconds_bucket{le=\"0.1\"} 1"));
    assert_true(has(page, "moaoff_overhead_seconds_bucket{le=\"0.25\"} 2"));
    assert_true(has(page, "moaoff_overhead_seconds_bucket{le=\"60\"} 2"));
    assert_true(has(page, "moaoff_overhead_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(has(page, "moaoff_overhead_seconds_sum 61.2001"));
    assert_true(has(page, "moaoff_overhead_seconds_count 3"));
    assert_true(has(page, "moaoff_request_seconds_bucket{plan=\"cloud\",le=\"90\"} 0"));
    assert_true(has(page, "moaoff_request_seconds_bucket{plan=\"cloud\",le=\"120\"} 1"));
    assert_true(has(page, "moaoff_request_seconds_count{plan=\"cloud\"} 2"));
    assert_null(strstr(page, "moaoff_request_seconds_count{plan=\"edge\"}")); /* empty */
    free(page);
}

static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(metrics_code_name(metrics_code(0)), "gone");
    assert_string_equal(metrics_code_name(metrics_code(200)), "200");
    assert_string_equal(metrics_code_name(metrics_code(504)), "504");
    assert_string_equal(metrics_code_name(metrics_code(418)), "other");
    assert_string_equal(metrics_code_name(metrics_code(-1)), "other");
}

static void names_of_endpoints_are_escaped(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    metrics_write_of_endpoint(out, "m", MOA_CLOUD, "a\"b\\c\nd", 2);
    fclose(out);
    assert_string_equal(text, "m{tier=\"cloud\",endpoint=\"a\\\"b\\\\c\\nd\"} 2\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_head),
        cmocka_unit_test(cells_go_by_their_labels),
        cmocka_unit_test(what_is_not_known_has_no_line),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(statuses_have_names),
        cmocka_unit_test(names_of_endpoints_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
