/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff top`: where the requests of a running gateway go, and why, live in the terminal. It reads
 * GET /v1/state and GET /v1/decisions.
 */
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <yyjson.h>

#include "ask.h"
#include "command.h"
#include "members.h"

#define ROWS_MAX 1000
#define REASONS_MAX 24
#define REASONS_SHOWN 6
#define NEWEST_SHOWN 8
#define WIDTH_MIN 40
#define WIDTH_MAX 200
#define NAME_WIDTH 10
#define COUNTS_WIDTH 44 /* behind a bar */

static struct {
    const char *url, *ca_file;
    int64_t interval_s, window_s;
    bool once, alive;
} arguments = {.url = "http://127.0.0.1:8080", .interval_s = 2, .window_s = 300};

static const struct option_row rows[] = {
    {.name = "url",
     .argument = "URL",
     .help = "of the gateway; its key is taken from "
             "MOAOFF_API_KEY",
     .text = &arguments.url},
    {.name = "ca-file",
     .argument = "FILE",
     .help = "PEM file of certificates that https is verified against",
     .text = &arguments.ca_file},
    {.name = "interval",
     .argument = "N",
     .help = "seconds between two looks",
     .integer = &arguments.interval_s,
     .min = 1,
     .max = 3600},
    {.name = "window",
     .argument = "N",
     .help = "seconds that figures look back",
     .integer = &arguments.window_s,
     .min = 10,
     .max = 86400},
    {.name = "once", .help = "look once, print and end", .flag = &arguments.once},
    {.name = "alive",
     .help =
         "print nothing and end: status 0 if the gateway answers, for health checks; needs no key",
     .flag = &arguments.alive},
};

/* ---- what became of requests ---- */

enum path { PATH_EDGE, PATH_ESCALATED, PATH_SPLIT, PATH_CLOUD, PATH_FAILED, PATHS };

static const char *const path_names[] = {"edge", "escalated", "split", "cloud", "failed"};
static const char *const path_colours[] = {"32", "33", "35", "34", "31"};

struct top_row {
    enum path path;
    char reason[24];
    double ms;
    int64_t time_ms, images;
};

struct top_reason {
    const char *name;
    size_t n;
};

/* All of one look. */
struct top_look {
    yyjson_doc *state;
    bool has_journal;
    struct top_row rows[ROWS_MAX]; /* the newest first */
    size_t n, n_of[PATHS];
    double bytes_up;
    struct top_reason reasons[REASONS_MAX];
    size_t n_reasons;
    size_t width;
    bool has_colours;
};

static enum path path_of(yyjson_val *row)
{
    const char *plan = member_text(row, "plan");
    const bool is_cloud = strncmp(member_text(row, "decision"), "text=cloud", 10) == 0;
    if (member_number(row, "status") != 200)
        return PATH_FAILED;
    if (strncmp(plan, "perceive", 8) == 0)
        return PATH_SPLIT;
    if (!member_text(row, "decision")[0]) /* a page that is no chat */
        return strcmp(plan, "cloud") == 0 ? PATH_CLOUD : PATH_EDGE;
    if (!is_cloud)
        return PATH_EDGE;
    return strstr(member_text(row, "calls"), "edge=unsure") ? PATH_ESCALATED : PATH_CLOUD;
}

/* What stands behind the first "=" of a list, up to a comma; what no terminal should get is left
 * out. */
static void copy_reason(const char *list, char *ret_reason, size_t room)
{
    const char *from = strchr(list, '=');
    size_t n = 0;
    for (from = from ? from + 1 : list; *from && *from != ',' && n + 1 < room; from++) {
        if (*from >= ' ' && *from <= '~')
            ret_reason[n++] = *from;
    }
    ret_reason[n] = '\0';
}

/* The reason of the part that left the device, else of the text. */
static void reason_of(yyjson_val *row, enum path path, char *ret_reason, size_t room)
{
    const char *reasons = member_text(row, "reasons"), *decision = member_text(row, "decision");
    const char *error = member_text(row, "error");
    if (path == PATH_FAILED) {
        copy_reason(error[0] ? error : "client left", ret_reason, room);
        return;
    }
    /* Both lists have the same parts in the same order. */
    while (decision && reasons) {
        const char *tier = strchr(decision, '=');
        if (tier && strncmp(tier, "=cloud", 6) == 0)
            break;
        decision = strstr(decision, ", ");
        decision = decision ? decision + 2 : NULL;
        const char *next = strstr(reasons, ", ");
        reasons = next ? next + 2 : NULL;
    }
    copy_reason(reasons && decision ? reasons : member_text(row, "reasons"), ret_reason, room);
    if (!ret_reason[0])
        snprintf(ret_reason, room, "passed on");
}

static void count_reason(struct top_look *look, const char *name)
{
    size_t i = 0;
    while (i < look->n_reasons && strcmp(look->reasons[i].name, name) != 0)
        i++;
    if (i == REASONS_MAX)
        return;
    if (i == look->n_reasons)
        look->reasons[look->n_reasons++] = (struct top_reason){name, 0};
    look->reasons[i].n++;
}

static void take_row(struct top_look *look, yyjson_val *row)
{
    if (look->n == ROWS_MAX)
        return;
    struct top_row *to = &look->rows[look->n++];
    const double bytes = member_number(row, "cloud_bytes_up");
    to->path = path_of(row);
    to->ms = member_number(row, "total_us") / 1e3;
    to->time_ms = yyjson_get_sint(yyjson_obj_get(row, "time_ms"));
    to->images = yyjson_get_sint(yyjson_obj_get(row, "images"));
    reason_of(row, to->path, to->reason, sizeof(to->reason));
    look->n_of[to->path]++;
    look->bytes_up += isnan(bytes) ? 0.0 : bytes;
    count_reason(look, to->reason);
}

static int compare_reasons(const void *a, const void *b)
{
    const struct top_reason *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->name, y->name);
}

/* ---- asking ---- */

static int ask_rows(struct top_look *look)
{
    char path[96];
    long status = 0;
    snprintf(path, sizeof(path), "/v1/decisions?limit=%d&since=%lld", ROWS_MAX,
             (long long)time(NULL) - (long long)arguments.window_s);
    char *page = ask_gateway("top", arguments.url, path, arguments.ca_file, &status);
    look->has_journal = status != 404;
    if (!page)
        return look->has_journal ? -1 : 0;
    yyjson_doc *doc = yyjson_read(page, strlen(page), YYJSON_READ_NOFLAG);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "data"), *row;
    size_t i, n;
    yyjson_arr_foreach(list, i, n, row) take_row(look, row);
    yyjson_doc_free(doc);
    free(page);
    qsort(look->reasons, look->n_reasons, sizeof(*look->reasons), compare_reasons);
    return 0;
}

static int ask_all(struct top_look *look)
{
    char *page = ask_gateway("top", arguments.url, "/v1/state", arguments.ca_file, NULL);
    look->state = page ? yyjson_read(page, strlen(page), YYJSON_READ_NOFLAG) : NULL;
    free(page);
    return look->state ? ask_rows(look) : -1;
}

/* ---- drawing ---- */

/* A line, cut to the width, on a terminal over what stood there. */
__attribute__((format(printf, 3, 4))) static void line(const struct top_look *look,
                                                       const char *colour, const char *format, ...)
{
    char text[WIDTH_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const bool is_coloured = colour && look->has_colours;
    printf("%s%s%s%.*s%s%s\n", is_coloured ? "\033[" : "", is_coloured ? colour : "",
           is_coloured ? "m" : "", (int)look->width, text, is_coloured ? "\033[0m" : "",
           look->has_colours ? "\033[K" : "");
}

static void print_known(char *text, size_t room, const char *format, double value)
{
    if (isnan(value))
        snprintf(text, room, "unknown");
    else
        snprintf(text, room, format, value);
}

static void draw_tiers(const struct top_look *look)
{
    yyjson_val *root = yyjson_doc_get_root(look->state);
    yyjson_val *edge = yyjson_obj_get(root, "edge"), *cloud = yyjson_obj_get(root, "cloud");
    const bool edge_up = yyjson_is_true(yyjson_obj_get(edge, "up"));
    const bool cloud_up = yyjson_is_true(yyjson_obj_get(cloud, "up"));
    char load[24], uplink[32], rtt[32];
    print_known(load, sizeof(load), "%.2f", member_number(edge, "load"));
    print_known(uplink, sizeof(uplink), "%.1f Mbit/s",
                member_number(yyjson_obj_get(cloud, "uplink"), "mbps"));
    print_known(rtt, sizeof(rtt), "%.1f ms", member_number(yyjson_obj_get(cloud, "rtt"), "ms"));
    line(look, edge_up ? "32" : "31;1", "edge   %-5s load %s, %.0f in flight",
         edge_up ? "up" : "DOWN", load, member_number(edge, "in_flight"));
    line(look, cloud_up ? "34" : "31;1", "cloud  %-5s uplink %s, round trip %s, %.0f in flight%s",
         cloud_up ? "up" : "DOWN", uplink, rtt, member_number(cloud, "in_flight"),
         yyjson_is_false(yyjson_obj_get(yyjson_obj_get(cloud, "budget"), "has_room"))
             ? ", BUDGET SPENT"
             : "");
}

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The nearest rank; NaN of none. */
static double quantile_of(const struct top_look *look, enum path path, double q)
{
    double times[ROWS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < look->n; i++) {
        if (look->rows[i].path == path && !isnan(look->rows[i].ms))
            times[n++] = look->rows[i].ms;
    }
    if (n == 0)
        return (double)NAN;
    qsort(times, n, sizeof(*times), compare_times);
    const size_t rank = (size_t)ceil(q * (double)n);
    return times[rank > 0 ? rank - 1 : 0];
}

static void draw_path(const struct top_look *look, enum path path)
{
    char bar[WIDTH_MAX + 1] = "";
    const double share = (double)look->n_of[path] / (double)look->n;
    const size_t room =
        look->width > NAME_WIDTH + COUNTS_WIDTH + 12 ? look->width - NAME_WIDTH - COUNTS_WIDTH : 8;
    const size_t filled = (size_t)lround(share * (double)room);
    memset(bar, '#', filled);
    bar[filled] = '\0';
    char half[24], most[24];
    print_known(half, sizeof(half), "%.1f ms", quantile_of(look, path, 0.5));
    print_known(most, sizeof(most), "%.1f ms", quantile_of(look, path, 0.95));
    if (look->n_of[path] == 0)
        line(look, NULL, "%-*s %-*s %5d", NAME_WIDTH, path_names[path], (int)room, "", 0);
    else
        line(look, path_colours[path], "%-*s %-*s %5zu %3.0f %%  p50 %s  p95 %s", NAME_WIDTH,
             path_names[path], (int)room, bar, look->n_of[path], 100 * share, half, most);
}

static void draw_newest(const struct top_look *look)
{
    line(look, "1", "%s", "");
    line(look, "1", "newest");
    for (size_t i = 0; i < look->n && i < NEWEST_SHOWN; i++) {
        const struct top_row *row = &look->rows[i];
        char when[16];
        struct tm local;
        const time_t seconds = (time_t)(row->time_ms / 1000);
        localtime_r(&seconds, &local);
        strftime(when, sizeof(when), "%H:%M:%S", &local);
        line(look, path_colours[row->path], "%s  %-*s %-18s %10.1f ms%s", when, NAME_WIDTH,
             path_names[row->path], row->reason, row->ms, row->images > 0 ? "  with pictures" : "");
    }
}

static void draw_flow(const struct top_look *look)
{
    const size_t n_good = look->n - look->n_of[PATH_FAILED];
    const double stayed = n_good > 0 ? 100.0 * (double)look->n_of[PATH_EDGE] / (double)n_good : 0.0;
    line(look, "1", "%zu%s requests in %lld s, %.0f %% answered on the device, %.2f MB up", look->n,
         look->n == ROWS_MAX ? " (the newest)" : "", (long long)arguments.window_s, stayed,
         look->bytes_up / 1e6);
    for (enum path path = PATH_EDGE; path < PATHS && look->n > 0; path++)
        draw_path(look, path);
    if (look->n_reasons > 0)
        line(look, "1", "%s", "");
    for (size_t i = 0; i < look->n_reasons && i < REASONS_SHOWN; i++)
        line(look, NULL, "%s %-18s %5zu", i == 0 ? "because" : "       ", look->reasons[i].name,
             look->reasons[i].n);
    if (look->n > 0)
        draw_newest(look);
}

static void draw(const struct top_look *look)
{
    char when[16];
    struct tm local;
    const time_t now = time(NULL);
    localtime_r(&now, &local);
    strftime(when, sizeof(when), "%H:%M:%S", &local);
    line(look, "1", "MoA-Off  %s  %s", arguments.url, when);
    draw_tiers(look);
    line(look, NULL, "%s", "");
    if (look->has_journal)
        draw_flow(look);
    else
        line(look, NULL, "There is no journal (journal.path), so single requests are not known.");
}

/* ---- the loop ---- */

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static size_t width_of_terminal(void)
{
    struct winsize size;
    const char *told = getenv("COLUMNS");
    long width = told ? strtol(told, NULL, 10) : 80;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (size_t)width;
}

/* 0, or -1 after it was said what is wrong. */
static int look_once(bool is_live)
{
    struct top_look *look = calloc(1, sizeof(*look));
    if (!look)
        return -1;
    look->width = width_of_terminal();
    look->has_colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    const int result = ask_all(look);
    if (!result) {
        fputs(is_live ? "\033[H" : "", stdout);
        draw(look);
        fputs(is_live ? "\033[J" : "", stdout);
        fflush(stdout);
    }
    yyjson_doc_free(look->state);
    free(look);
    return result;
}

static void wait_for_next(void)
{
    struct timespec left = {.tv_sec = (time_t)arguments.interval_s};
    if (!is_over)
        nanosleep(&left, NULL);
}

static int run(void)
{
    if (arguments.alive) {
        char *page = ask_gateway("top", arguments.url, "/healthz", arguments.ca_file, NULL);
        free(page);
        return page ? EXIT_FINE : EXIT_FAILED;
    }
    const bool is_live = !arguments.once && isatty(STDOUT_FILENO);
    if (!is_live)
        return look_once(false) ? EXIT_FAILED : EXIT_FINE;
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fputs("\033[?1049h\033[?25l", stdout); /* another screen, no cursor */
    int status = EXIT_FINE;
    while (!is_over) {
        const bool has_failed = look_once(true);
        status = has_failed && !is_over ? EXIT_FAILED : EXIT_FINE; /* Ctrl-C breaks a look off */
        wait_for_next();
    }
    fputs("\033[?25h\033[?1049l", stdout);
    return status;
}

const struct command top_command = {
    .name = "top",
    .summary = "where the requests of a running gateway go, live",
    .synopsis = "[OPTION]...",
    .description =
        "Shows in the terminal what became of the requests of the last minutes (kept on the edge, "
        "escalated, split between the tiers, to the cloud, failed), for which reasons, how long "
        "they took, the newest of them, and how edge, cloud and link are. Ends with Ctrl-C. Where "
        "the output is no terminal it looks once. The page /ui shows more.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
