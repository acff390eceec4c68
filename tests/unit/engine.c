/* SPDX-License-Identifier: Apache-2.0
 *
 * study/engine.h: series of Prometheus text, and what /proc says of a process and its children.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "study/engine.h"

#include "test.h"

static void series_are_found_by_their_whole_name(void **unused)
{
    (void)unused;
    static const char text[] = "# HELP a_total of a\n# TYPE a_total counter\na_total 7\n"
                               "a_total_more 8\nb{tier=\"edge\"} 1.5e3\nb{tier=\"cloud\"} 2\n"
                               "c_total 9";
    assert_true(engine_series(text, "a_total") == 7);
    assert_true(engine_series(text, "a_total_more") == 8);
    assert_true(engine_series(text, "b{tier=\"edge\"}") == 1500);
    assert_true(engine_series(text, "b{tier=\"cloud\"}") == 2);
    assert_true(engine_series(text, "c_total") == 9);
    assert_true(isnan(engine_series(text, "a")));
    assert_true(isnan(engine_series(text, "b")));
    assert_true(isnan(engine_series("", "a")));
    assert_true(isnan(engine_series(NULL, "a")));
}

/* Writes a byte once it has used CPU and memory, then waits to be ended. */
static pid_t start_worker(int ready)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    const size_t n = 32u << 20;
    volatile char *memory = malloc(n);
    for (size_t i = 0; memory && i < n; i += 4096)
        memory[i] = 1;
    while (clock() < CLOCKS_PER_SEC / 10)
        continue;
    ssize_t ignored = write(ready, "x", 1);
    (void)ignored;
    for (;;)
        pause();
}

static void processes_are_counted_with_their_children(void **unused)
{
    (void)unused;
    int pipes[2];
    char byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = start_worker(pipes[1]);
    assert_true(child > 0);
    assert_true(read(pipes[0], &byte, 1) == 1);
    double own = engine_cpu_s(child);
    assert_true(own > 0.0);
    assert_true(engine_peak_bytes(child) > 32e6);
    /* The parent's figure has the child's in it. */
    assert_true(engine_cpu_s(getpid()) >= own);
    assert_true(engine_peak_bytes(getpid()) > 32e6);
    engine_reset_peak(child); /* it may not be allowed; it must not harm */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipes[0]);
    close(pipes[1]);
    assert_true(isnan(engine_cpu_s(child)));
    assert_true(isnan(engine_peak_bytes(child)));
}

static void nobody_at_a_url_is_no_text(void **unused)
{
    (void)unused;
    assert_null(engine_get("http://127.0.0.1:1/metrics", "key"));
    assert_true(isnan(engine_n_params("http://127.0.0.1:1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_found_by_their_whole_name),
        cmocka_unit_test(processes_are_counted_with_their_children),
        cmocka_unit_test(nobody_at_a_url_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
