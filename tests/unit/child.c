/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/child.h: how a program is started, heard and ended.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "gateway/child.h"

#include "test.h"

#define TEXT_BYTES 8192

struct seen {
    struct event_base *base;
    struct child *child;
    char lines[TEXT_BYTES]; /* each with "|" behind it */
    int status;
    bool has_ended;
    bool kills_at_line;
};

static void on_line(const char *line, void *arg)
{
    struct seen *s = arg;
    const size_t n = strlen(s->lines);
    assert_true(strlen(line) <= CHILD_LINE_BYTES);
    snprintf(s->lines + n, sizeof(s->lines) - n, "%s|", line);
    if (s->kills_at_line)
        event_base_loopbreak(s->base);
}

static void on_end(int status, void *arg)
{
    struct seen *s = arg;
    s->status = status;
    s->has_ended = true;
    event_base_loopbreak(s->base);
}

static const struct child_events events = {on_line, on_end};

static void start(struct seen *s, const char *path, const char *script)
{
    char *const arguments[] = {(char *)path, (char *)"-c", (char *)script, NULL};
    char *const environment[] = {(char *)"ONLY=this", NULL};
    const struct child_program program = {path, arguments, environment};
    s->base = event_base_new();
    assert_non_null(s->base);
    s->child = child_start(s->base, &program, &events, s);
    assert_non_null(s->child);
}

static void run_until_ended(struct seen *s, const char *path, const char *script)
{
    start(s, path, script);
    event_base_dispatch(s->base);
    assert_true(s->has_ended);
    event_base_free(s->base);
}

static void lines_are_heard_before_the_end(void **state)
{
    (void)state;
    struct seen s = {.status = -1};
    run_until_ended(&s, "/bin/sh", "echo one; echo two >&2; printf 'three\\r\\n\\nrest'; exit 3");
    assert_string_equal(s.lines, "one|two|three|rest|");
    assert_true(WIFEXITED(s.status));
    assert_int_equal(WEXITSTATUS(s.status), 3);
    char text[64];
    child_describe(s.status, text, sizeof(text));
    assert_string_equal(text, "exit status 3");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    struct seen s = {.status = -1};
    run_until_ended(&s, "/bin/sh", "printf '%01000d\\n' 0; echo end");
    assert_int_equal(strchr(s.lines, '|') - s.lines, CHILD_LINE_BYTES);
    assert_string_equal(strchr(s.lines, '|'), "|end|");
}

static void the_environment_is_what_was_given(void **state)
{
    (void)state;
    struct seen s = {.status = -1};
    setenv("OTHERS", "secret", 1);
    run_until_ended(&s, "/usr/bin/env", NULL);
    assert_non_null(strstr(s.lines, "invalid option")); /* env knows no -c */
    struct seen again = {.status = -1};
    run_until_ended(&again, "/bin/sh", "echo \"$ONLY,$OTHERS\"");
    assert_string_equal(again.lines, "this,|");
}

static void what_is_no_program_ends_at_once(void **state)
{
    (void)state;
    struct seen s = {.status = -1};
    run_until_ended(&s, "/nonexistent", "");
    assert_int_equal(WEXITSTATUS(s.status), 127);
    assert_non_null(strstr(s.lines, "is not there"));
    struct seen folder = {.status = -1};
    run_until_ended(&folder, "/", "");
    assert_int_equal(WEXITSTATUS(folder.status), 126);
}

static void a_signal_reaches_all_of_it(void **state)
{
    (void)state;
    struct seen s = {.status = -1, .kills_at_line = true};
    start(&s, "/bin/sh", "sleep 1000 & echo $!; wait");
    event_base_dispatch(s.base);
    const pid_t sleeper = (pid_t)strtol(s.lines, NULL, 10);
    assert_true(sleeper > 0);
    assert_int_equal(kill(sleeper, 0), 0);
    assert_int_equal(getsid(sleeper), child_pid(s.child));
    s.kills_at_line = false;
    child_signal(s.child, SIGTERM);
    event_base_dispatch(s.base);
    assert_true(s.has_ended);
    assert_true(WIFSIGNALED(s.status));
    char text[64];
    child_describe(s.status, text, sizeof(text));
    assert_string_equal(text, "signal 15 (Terminated)");
    event_base_free(s.base);
}

static void freeing_kills(void **state)
{
    (void)state;
    struct seen s = {.status = -1, .kills_at_line = true};
    start(&s, "/bin/sh", "trap '' TERM; echo here; while :; do sleep 1; done");
    event_base_dispatch(s.base);
    const pid_t pid = child_pid(s.child);
    assert_true(child_memory_bytes(s.child) > 0);
    child_free(s.child);
    assert_false(s.has_ended);
    assert_int_equal(kill(pid, 0), -1);
    event_base_free(s.base);
    child_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_heard_before_the_end),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(the_environment_is_what_was_given),
        cmocka_unit_test(what_is_no_program_ends_at_once),
        cmocka_unit_test(a_signal_reaches_all_of_it),
        cmocka_unit_test(freeing_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
