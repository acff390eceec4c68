/* SPDX-License-Identifier: Apache-2.0
 *
 * study/simulate_times.h: lines of the journal and of an evaluation.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/simulate_times.h"

#include "test.h"

static int read_text(const char *text, struct simulate_times *ret_times, char *why, size_t n)
{
    char path[] = "unit-times-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    const int failed = simulate_times_read(path, ret_times, why, n);
    unlink(path);
    return failed;
}

static void of_a_journal(void **unused)
{
    (void)unused;
    struct simulate_times times;
    char why[256];
    assert_int_equal(
        read_text("{\"time_ms\":5000,\"scores\":\"text=0.25, image0=0.5, image1=0.75\"}\n"
                  "{\"time_ms\":4000,\"scores\":\"text=0.125\"}\n"
                  "{\"time_ms\":4500,\"docket\":{\"question\":{\"upload_bytes\":81}}}\n",
                  &times, why, sizeof(why)),
        0);
    assert_int_equal(times.n, 3);
    assert_true(times.p[0].at_us == 0 && times.p[1].at_us == 5e5 && times.p[2].at_us == 1e6);
    assert_true(times.period_us == 1.5e6);
    assert_true(times.p[0].text_complexity == 0.125 && isnan(times.p[0].image_complexity));
    assert_true(isnan(times.p[1].text_complexity) && times.p[1].upload_bytes == 81);
    assert_true(isnan(times.p[0].upload_bytes));
    assert_true(times.p[2].image_complexity == 0.5);
    simulate_times_done(&times);
}

static void of_an_evaluation(void **unused)
{
    (void)unused;
    struct simulate_times times;
    char why[256];
    assert_int_equal(read_text("{\"item\":\"12#1\",\"scheduled_s\":0.5}\n"
                               "{\"item\":\"7\",\"scheduled_s\":2.5}\n",
                               &times, why, sizeof(why)),
                     0);
    assert_string_equal(times.p[0].item, "12#1");
    assert_true(times.p[1].at_us == 2e6);
    simulate_times_done(&times);
}

static void what_is_wrong_is_said(void **unused)
{
    (void)unused;
    struct simulate_times times;
    char why[256];
    assert_int_equal(read_text("{\"time_ms\":1}\n{}\n", &times, why, sizeof(why)), -1);
    assert_non_null(strstr(why, ":2: neither"));
    assert_int_equal(read_text("{\"time_ms\":1}\n\n", &times, why, sizeof(why)), -1);
    assert_non_null(strstr(why, ":2: is no JSON"));
    assert_int_equal(read_text("{\"time_ms\":1}\n{\"time_ms\":1}\n", &times, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "two different times"));
    assert_int_equal(read_text("", &times, why, sizeof(why)), -1);
    assert_int_equal(simulate_times_read("/nonexistent", &times, why, sizeof(why)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_journal),
        cmocka_unit_test(of_an_evaluation),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
