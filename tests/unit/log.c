/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/log.h: values in quotes, whole or cut.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/log.h"

#include "test.h"

static void signs_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(log_quote("").s, "\"\"");
    assert_string_equal(log_quote("a b").s, "\"a b\"");
    assert_string_equal(log_quote("say \"no\"\n\\").s, "\"say \\\"no\\\"\\x0a\\\\\"");
}

static void long_values_are_cut_and_closed(void **state)
{
    (void)state;
    char value[1000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    const struct log_text text = log_quote(value);
    const size_t n = strlen(text.s);
    assert_true(n > 200 && n < sizeof(text.s));
    assert_true(text.s[0] == '"' && text.s[n - 1] == '"');
}

/* Values that fill a line: what has room is what log_quote() makes, and nothing is written behind
 * the line. */
static void a_line_takes_what_has_room(void **state)
{
    (void)state;
    struct {
        struct log_line line;
        char behind[64];
    } room;
    char value[256];
    for (size_t length = 0; length < 255; length += 7) {
        memset(value, '\n', length); /* four bytes each */
        value[length] = '\0';
        memset(&room, 'x', sizeof(room));
        assert_true(log_begin(&room.line, LOG_LEVEL_ERROR, "test"));
        const char *first = room.line.s + strlen(room.line.s) + strlen(" key=");
        for (int i = 0; i < 200; i++)
            log_quoted(&room.line, "key", value);
        const size_t n = strlen(log_quote(value).s);
        assert_memory_equal(first, log_quote(value).s, n);
        assert_int_equal(strlen(room.line.s), room.line.text.n);
        assert_true(room.line.text.n < sizeof(room.line.s));
        for (size_t i = 0; i < sizeof(room.behind); i++)
            assert_int_equal(room.behind[i], 'x');
    }
}

enum { LINES = 20000 }; /* more than pipes and sockets hold */

/* In a process of its own, which asks once what it writes to; it ends, whether anybody reads or
 * not. */
static void write_lines(int fd)
{
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, STDERR_FILENO);
        alarm(60);
        for (int i = 0; i < LINES; i++)
            log_event(LOG_LEVEL_ERROR, "test", "number=%d", i);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
}

/* How many lines are there, all of them whole. */
static int read_lines(int fd)
{
    FILE *file = fdopen(fd, "r");
    char line[256];
    int n = 0;
    while (fgets(line, sizeof(line), file)) {
        assert_true(strncmp(line, "ts=", 3) == 0 && strstr(line, " level=error msg=test number="));
        assert_int_equal(line[strlen(line) - 1], '\n');
        n++;
    }
    fclose(file);
    return n;
}

static void nobody_who_does_not_read_stops_it(void **state)
{
    (void)state;
    int ends[2];
    FILE *file = tmpfile();
    write_lines(dup(fileno(file)));
    rewind(file);
    assert_int_equal(read_lines(dup(fileno(file))), LINES);
    fclose(file);
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        assert_int_equal(is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        write_lines(ends[1]);
        assert_in_range(read_lines(ends[0]), 100, LINES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_are_escaped),
        cmocka_unit_test(long_values_are_cut_and_closed),
        cmocka_unit_test(a_line_takes_what_has_room),
        cmocka_unit_test(nobody_who_does_not_read_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
