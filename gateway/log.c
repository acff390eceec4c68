/* SPDX-License-Identifier: Apache-2.0
 *
 * logfmt lines; see log.h.
 */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* ---- JSON: the same pairs, turned ---- */

struct json_line {
    char s[4096];
    size_t n;
};

static void put(struct json_line *out, char c)
{
    if (out->n < sizeof(out->s) - 3) /* "}\n" stays */
        out->s[out->n++] = c;
}

static void put_text(struct json_line *out, const char *text, size_t n)
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
static const char *put_quoted(struct json_line *out, const char *p)
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

static const char *put_value(struct json_line *out, const char *p)
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
static void to_json(char *line, struct json_line *out)
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

static mode_t kind_of_stderr(void)
{
    struct stat about;
    return fstat(STDERR_FILENO, &about) == 0 ? about.st_mode & S_IFMT : 0;
}

/* One write per line keeps lines of several threads apart. A full pipe or socket, which would stop
 * the gateway until somebody reads, loses the line: a pipe with room has it for PIPE_BUF bytes. */
static void write_line(const char *line, size_t n)
{
    static atomic_uint kind; /* S_IFREG and the like: what is written to is asked for once */
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (!kind)
        kind = kind_of_stderr();
    ssize_t ignored = -1;
    if (kind == S_IFSOCK)
        ignored = send(STDERR_FILENO, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (kind == S_IFREG || poll(&out, 1, 0) != 0)
        ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}

bool log_begin(struct log_line *line, enum log_level level, const char *event)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < lowest)
        return false;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const long ms = now.tv_nsec / 1000000;
    const char fraction[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                             (char)('0' + ms % 10), 'Z'};
    struct print *p = &line->text;
    *p = print_into(line->s, sizeof(line->s) - 1); /* one byte stays for the newline */
    print_text(p, stamp(now.tv_sec));
    print_bytes(p, fraction, sizeof(fraction));
    print_text(p, " level=");
    print_text(p, names[level]);
    print_text(p, " msg=");
    print_text(p, event);
    return true;
}

static void add_key(struct log_line *line, const char *key)
{
    print_text(&line->text, " ");
    print_text(&line->text, key);
    print_text(&line->text, "=");
}

void log_word(struct log_line *line, const char *key, const char *value)
{
    add_key(line, key);
    print_text(&line->text, value);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    add_key(line, key);
    print_int(&line->text, value);
}

void log_end(struct log_line *line)
{
    char *s = line->s;
    size_t n = line->text.n;
    while (n > 0 && s[n - 1] == ' ')
        n--;
    if (form == LOG_FORMAT_JSON) {
        struct json_line json;
        s[n] = '\0';
        to_json(s, &json);
        write_line(json.s, json.n);
        return;
    }
    s[n++] = '\n';
    write_line(s, n);
}

void log_event(enum log_level level, const char *event, const char *pairs, ...)
{
    struct log_line line;
    if (!log_begin(&line, level, event))
        return;
    struct print *p = &line.text;
    print_text(p, " ");
    va_list args;
    va_start(args, pairs);
    const size_t room = p->room - p->n;
    const int n = vsnprintf(p->s + p->n, room, pairs, args);
    va_end(args);
    if (n > 0)
        p->n += (size_t)n < room ? (size_t)n : room - 1;
    log_end(&line);
}

/* How many bytes of `value` need no escaping. */
static size_t count_plain(const char *value)
{
    size_t n = 0;
    for (; value[n]; n++) {
        const unsigned char byte = (unsigned char)value[n];
        if (byte == '"' || byte == '\\' || byte < 0x20 || byte == 0x7f)
            break;
    }
    return n;
}

static void escape(struct print *p, char c)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char byte = (unsigned char)c;
    const char as_code[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    const char as_sign[] = {'\\', c};
    if (c == '"' || c == '\\')
        print_bytes(p, as_sign, sizeof(as_sign));
    else
        print_bytes(p, as_code, sizeof(as_code));
}

/* Into `room` bytes, of which there are at least eight; returns how many were used. An escape and
 * the second quote always fit behind what does. */
static size_t quote(const char *value, char *text, size_t room)
{
    struct print p = print_into(text, room - 1);
    print_text(&p, "\"");
    while (*value && p.n + 5 < p.room) {
        const size_t n = count_plain(value);
        const size_t left = p.room - 5 - p.n;
        print_bytes(&p, value, n < left ? n : left);
        value += n < left ? n : left;
        if (n < left && *value)
            escape(&p, *value++);
    }
    p.room++;
    print_text(&p, "\"");
    return p.n;
}

struct log_text log_quote(const char *value)
{
    struct log_text text;
    quote(value, text.s, sizeof(text.s));
    return text;
}

void log_quoted(struct log_line *line, const char *key, const char *value)
{
    add_key(line, key);
    struct print *p = &line->text;
    const size_t left = p->room - p->n;
    if (left >= 8)
        p->n += quote(value, p->s + p->n,
                      left < sizeof(struct log_text) ? left : sizeof(struct log_text));
}
