/* SPDX-License-Identifier: Apache-2.0
 *
 * logfmt lines; see log.h.
 */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level lowest = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    lowest = level;
}

/* "ts=" and the second, which many lines share. */
static const char *stamp(time_t second)
{
    static _Thread_local time_t last;
    static _Thread_local char text[32];
    if (second != last || !text[0]) {
        struct tm utc;
        gmtime_r(&second, &utc);
        strftime(text, sizeof(text), "ts=%Y-%m-%dT%H:%M:%S", &utc);
        last = second;
    }
    return text;
}

static size_t clamp(int written, size_t room)
{
    if (written < 0)
        return 0;
    return (size_t)written < room ? (size_t)written : room - 1;
}

void log_event(enum log_level level, const char *event, const char *pairs, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < lowest)
        return;

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);

    char line[2048];
    size_t room = sizeof(line) - 1; /* one byte stays for the newline */
    size_t n = clamp(snprintf(line, room, "%s.%03ldZ level=%s msg=%s ", stamp(now.tv_sec),
                              now.tv_nsec / 1000000, names[level], event),
                     room);
    va_list args;
    va_start(args, pairs);
    n += clamp(vsnprintf(line + n, room - n, pairs, args), room - n);
    va_end(args);
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n++] = '\n';

    /* One write per line keeps lines of several threads apart. A full pipe, which would stop the
     * gateway until somebody reads, loses the line: one with room has it for PIPE_BUF bytes. */
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 0)
        return;
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}

struct log_text log_quote(const char *value)
{
    struct log_text text;
    size_t n = 0;
    text.s[n++] = '"';
    for (const char *c = value; *c && n + 6 < sizeof(text.s); c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            text.s[n++] = '\\';
            text.s[n++] = *c;
        } else if (byte < 0x20 || byte == 0x7f) {
            n += clamp(snprintf(text.s + n, sizeof(text.s) - n, "\\x%02x", byte),
                       sizeof(text.s) - n);
        } else {
            text.s[n++] = *c;
        }
    }
    text.s[n++] = '"';
    text.s[n] = '\0';
    return text;
}
