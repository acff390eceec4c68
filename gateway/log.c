/* SPDX-License-Identifier: Apache-2.0
 *
 * logfmt lines; see log.h.
 */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

static enum log_level lowest = LOG_LEVEL_INFO;
static enum log_format form = LOG_FORMAT_LOGFMT;

void log_set_level(enum log_level level)
{
    lowest = level;
}

void log_set_format(enum log_format format)
{
    form = format;
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

/* ---- JSON: the same pairs, turned ---- */

struct line {
    char s[4096];
    size_t n;
};

static void put(struct line *out, char c)
{
    if (out->n < sizeof(out->s) - 3) /* "}\n" stays */
        out->s[out->n++] = c;
}

static void put_text(struct line *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(out, text[i]);
}

/* As JSON has numbers, and small enough for every reader. */
static bool is_number(const char *p, size_t n)
{
    const size_t sign = n > 0 && p[0] == '-' ? 1 : 0;
    size_t digits = 0;
    while (sign + digits < n && p[sign + digits] >= '0' && p[sign + digits] <= '9')
        digits++;
    return digits > 0 && digits < 16 && sign + digits == n && (p[sign] != '0' || digits == 1);
}

/* Between quotes log_quote() has escaped what JSON wants escaped, but "\x07" is "\u0007" here. */
static const char *put_quoted(struct line *out, const char *p)
{
    put(out, '"');
    for (p++; *p && *p != '"'; p++) {
        if (*p != '\\') {
            put(out, *p);
            continue;
        }
        if (!p[1] || (p[1] == 'x' && strlen(p) < 4))
            break; /* the line was cut here */
        put_text(out, p[1] == 'x' ? "\\u00" : "\\", p[1] == 'x' ? 4 : 1);
        p++;
        if (*p != 'x')
            put(out, *p);
    }
    put(out, '"');
    return *p == '"' ? p + 1 : p + strlen(p);
}

static const char *put_value(struct line *out, const char *p)
{
    if (*p == '"')
        return put_quoted(out, p);
    const size_t n = strcspn(p, " ");
    const bool bare = is_number(p, n);
    if (!bare)
        put(out, '"');
    put_text(out, p, n);
    if (!bare)
        put(out, '"');
    return p + n;
}

/* `line` without its newline. */
static void to_json(char *line, struct line *out)
{
    error_clean_text(line);
    out->n = 0;
    put(out, '{');
    for (const char *p = line; *p;) {
        const size_t key = strcspn(p, "= ");
        if (p[key] != '=')
            break;
        put_text(out, out->n > 1 ? ",\"" : "\"", out->n > 1 ? 2 : 1);
        put_text(out, p, key);
        put_text(out, "\":", 2);
        p = put_value(out, p + key + 1);
        p += strspn(p, " ");
    }
    out->s[out->n++] = '}';
    out->s[out->n++] = '\n';
}

/* One write per line keeps lines of several threads apart. A full pipe, which would stop the
 * gateway until somebody reads, loses the line: one with room has it for PIPE_BUF bytes. */
static void write_line(const char *line, size_t n)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 0)
        return;
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
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
    if (form == LOG_FORMAT_JSON) {
        struct line json;
        line[n] = '\0';
        to_json(line, &json);
        write_line(json.s, json.n);
        return;
    }
    line[n++] = '\n';
    write_line(line, n);
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
