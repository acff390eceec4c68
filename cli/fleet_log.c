/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff fleet log`: the rows of all boxes of a group, filtered, and then what comes.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_rows.h"
#include "members.h"
#include "options.h"

#define FOLLOW_MS 500

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

/* The newest lines, until all that is there was read. */
struct newest {
    char **lines; /* a ring */
    size_t n, most;
};

/* What no terminal should get is left out. */
static void print_word(const char *text, int width, FILE *out)
{
    for (; *text; text++) {
        if (*text >= ' ' && *text <= '~') {
            fputc(*text, out);
            width--;
        }
    }
    for (; width > 0; width--)
        fputc(' ', out);
}

static void print_table_row(const struct fleet_row *row, FILE *out)
{
    char when[32];
    struct tm local = {0};
    const time_t seconds = (time_t)(row->time_ms / 1000);
    yyjson_val *total = yyjson_obj_get(row->root, "total_us");
    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%m-%d %H:%M:%S", &local);
    fprintf(out, "%s  %-16s  %6lld  ", when, row->box,
            (long long)yyjson_get_sint(yyjson_obj_get(row->root, "status")));
    print_word(member_text(row->root, "plan"), 14, out);
    fprintf(out, "  %9.1f  ", yyjson_get_num(total) / 1000);
    print_word(member_text(row->root, "reasons"), 0, out);
    fputc('\n', out);
}

static void print_row(const struct fleet_row *row, const struct fleet_wish *wish, FILE *out)
{
    if (wish->json)
        fleet_row_print_json(row, out);
    else if (wish->csv)
        fleet_row_print_csv(row, out);
    else
        print_table_row(row, out);
}

static void print_heading(const struct fleet_wish *wish)
{
    if (wish->csv)
        fleet_row_print_csv(NULL, stdout);
    else if (!wish->json)
        puts("time            box               status  plan             total ms  reasons");
}

static void keep_line(struct newest *newest, const struct fleet_row *row,
                      const struct fleet_wish *wish)
{
    char *line = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&line, &n);
    if (!out)
        return;
    print_row(row, wish, out);
    if (fclose(out))
        return;
    char **place = &newest->lines[newest->n++ % newest->most];
    free(*place);
    *place = line;
}

static void print_newest(struct newest *newest)
{
    const size_t from = newest->n > newest->most ? newest->n - newest->most : 0;
    for (size_t i = from; i < newest->n; i++)
        fputs(newest->lines[i % newest->most], stdout);
    fflush(stdout);
}

static void take(const struct fleet_message *message, struct fleet_seen *seen,
                 const struct fleet_wish *wish, struct newest *newest)
{
    struct fleet_row row;
    if (fleet_row_read(message, &row))
        return;
    if (fleet_row_passes(&row, wish) &&
        fleet_seen_add(seen, "", row.box, row.journal, row.sequence)) {
        if (newest)
            keep_line(newest, &row, wish);
        else
            print_row(&row, wish, stdout);
    }
    fleet_row_done(&row);
}

static int show(struct fleet_hub *hub, struct fleet_reading *reading, const struct fleet_wish *wish,
                struct newest *newest)
{
    char why[256];
    struct fleet_message message;
    struct fleet_seen seen = {NULL};
    int result;
    while ((result = fleet_reading_next(hub->wire, reading, 0, &message, why, sizeof(why))) > 0)
        take(&message, &seen, wish, newest);
    print_newest(newest);
    while (result >= 0 && wish->follow && !is_over && !ferror(stdout)) {
        result = fleet_reading_next(hub->wire, reading, FOLLOW_MS, &message, why, sizeof(why));
        if (result > 0)
            take(&message, &seen, wish, NULL);
        if (fflush(stdout)) /* a closed pipe ends it too */
            break;
    }
    fleet_seen_done(&seen);
    if (result < 0)
        fprintf(stderr, "moaoff fleet: %s\n", why);
    return result < 0 ? EXIT_FAILED : EXIT_FINE;
}

int fleet_log_show(struct fleet_hub *hub, const struct fleet_wish *wish)
{
    char why[256];
    struct fleet_reading reading;
    /* A row may have waited for long in its box, so that it is stored later than it is of. */
    const struct fleet_query query = {.stream = hub->names.stream,
                                      .subject = hub->names.rows,
                                      .from = wish->since_ms ? FLEET_FROM_TIME : FLEET_FROM_FIRST,
                                      .value = wish->since_ms};
    if (fleet_reading_begin(hub->wire, &query, &reading, why, sizeof(why))) {
        fprintf(stderr, "moaoff fleet: %s\n", why);
        return EXIT_FAILED;
    }
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct newest newest = {.most = (size_t)wish->limit};
    newest.lines = calloc(newest.most, sizeof(*newest.lines));
    if (!newest.lines)
        return EXIT_FAILED;
    print_heading(wish);
    const int status = show(hub, &reading, wish, &newest);
    for (size_t i = 0; i < newest.most; i++)
        free(newest.lines[i]);
    free(newest.lines);
    return status;
}
