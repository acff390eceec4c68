/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff log`: the gateway's journal as a table, CSV or JSON lines.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/moaoff.h>

#include "gateway/config.h"
#include "gateway/journal.h"

#include "command.h"
#include "since.h"

#define ROWS_DEFAULT 20
#define ROWS_MAX 100000000
#define FOLLOW_MS 300
#define FOLLOW_ROWS 10000

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

static struct {
    const char *config_path, *journal_path;
    const char *key;
    int plan; /* enum moa_plan; -1: any */
    int64_t limit, since_ms, status_min, status_max;
    bool fallback_only, follow, csv, json, with_docket;
} arguments = {.plan = -1, .limit = ROWS_DEFAULT, .status_max = 999};

/* ---- arguments ---- */

static const char *read_since(const char *text)
{
    return since_read(text, &arguments.since_ms);
}

static const char *read_status(const char *text)
{
    return status_read(text, &arguments.status_min, &arguments.status_max);
}

/* By enum moa_plan. */
static const char *const plans[] = {"edge",          "cloud",      "perceive-cloud",
                                    "perceive-edge", "edge-first", NULL};
_Static_assert(sizeof(plans) / sizeof(plans[0]) == MOA_PLANS + 1, "every plan can be asked for");

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "the gateway's configuration",
     .text = &arguments.config_path},
    {.letter = 'j',
     .name = "journal",
     .argument = "FILE",
     .help = "the journal itself, instead",
     .text = &arguments.journal_path},
    {.letter = 'n',
     .name = "limit",
     .argument = "N",
     .help = "the newest N rows",
     .integer = &arguments.limit,
     .min = 1,
     .max = ROWS_MAX},
    {.letter = 'f',
     .name = "follow",
     .help = "then wait for more, until interrupted",
     .flag = &arguments.follow},
    {.name = "since",
     .argument = "TIME",
     .help = "rows since then: 30s, 15m, 2h, 7d, or Unix seconds",
     .read = read_since},
    {.name = "key", .argument = "NAME", .help = "rows of one API key", .text = &arguments.key},
    {.name = "plan",
     .argument = "PLAN",
     .help = "edge, cloud, perceive-cloud, perceive-edge or edge-first",
     .choice = &arguments.plan,
     .choices = plans},
    {.name = "status",
     .argument = "STATUS",
     .help = "200, or 5xx for all of a class; 0: the client left first",
     .read = read_status},
    {.name = "fallback",
     .help = "rows whose tier failed and was replaced",
     .flag = &arguments.fallback_only},
    {.name = "csv", .help = "comma-separated values with all columns", .flag = &arguments.csv},
    {.name = "json", .help = "one JSON object a line with all columns", .flag = &arguments.json},
    {.name = "docket",
     .help = "with --json also all that each decision was made from",
     .flag = &arguments.with_docket},
};

/* ---- rows ---- */

struct printer {
    enum format format;
    int64_t last; /* sequence of the last row printed */
};

static void print_ms(int64_t us)
{
    if (us == JOURNAL_UNKNOWN)
        printf("%9s", "-");
    else
        printf("%9.1f", (double)us / 1000);
}

static void print_table_row(const struct journal_row *row)
{
    char when[32];
    struct tm local;
    time_t seconds = (time_t)(row->time_ms / 1000);
    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%m-%d %H:%M:%S", &local);
    printf("%s  %6lld  %-14s", when, (long long)row->status, row->plan[0] ? row->plan : "-");
    print_ms(row->overhead_us);
    print_ms(row->first_byte_us);
    print_ms(row->total_us);
    printf("  %9lld  %-12s  %s%s%s\n", (long long)row->cloud_bytes_up, row->key[0] ? row->key : "-",
           row->reasons[0] ? row->reasons : "-", row->fallback[0] ? "; fallback: " : "",
           row->fallback);
}

static void print_heading(enum format format)
{
    if (format == FORMAT_CSV)
        journal_print_csv(NULL, stdout);
    else if (format == FORMAT_TABLE)
        puts("time            status  plan          over ms  first ms  total ms   cloud up"
             "  key           reasons");
}

static int print_row(const struct journal_row *row, void *arg)
{
    struct printer *printer = arg;
    printer->last = row->sequence;
    if (printer->format == FORMAT_CSV) {
        journal_print_csv(row, stdout);
    } else if (printer->format == FORMAT_JSON) {
        journal_print_json(row, arguments.with_docket, stdout);
        putchar('\n');
    } else {
        print_table_row(row);
    }
    return ferror(stdout);
}

static struct journal_filter filter_of_arguments(void)
{
    struct journal_filter filter = journal_filter_all((size_t)arguments.limit);
    filter.since_ms = arguments.since_ms;
    filter.key = arguments.key;
    filter.plan = arguments.plan < 0 ? NULL : moa_plan_name((enum moa_plan)arguments.plan);
    filter.status_min = arguments.status_min;
    filter.status_max = arguments.status_max;
    filter.fallback_only = arguments.fallback_only;
    return filter;
}

static int show(const char *path)
{
    char why[512];
    struct journal_filter filter = filter_of_arguments();
    struct printer printer = {.format = arguments.json  ? FORMAT_JSON
                                        : arguments.csv ? FORMAT_CSV
                                                        : FORMAT_TABLE};
    print_heading(printer.format);
    for (;;) {
        if (journal_read(path, &filter, print_row, &printer, why, sizeof(why))) {
            fprintf(stderr, "moaoff log: %s\n", why);
            return EXIT_FAILED;
        }
        if (fflush(stdout) != 0 || !arguments.follow) /* a closed pipe ends it too */
            return EXIT_FINE;
        filter.after_sequence = printer.last;
        filter.limit = FOLLOW_ROWS;
        nanosleep(&(struct timespec){.tv_nsec = FOLLOW_MS * 1000000L}, NULL);
    }
}

static int show_configured(void)
{
    struct config *config = command_config("log", arguments.config_path, NULL, CONFIG_TO_LOOK);
    if (!config)
        return EXIT_FAILED;
    int status = EXIT_FAILED;
    if (config->journal_path[0])
        status = show(config->journal_path);
    else
        fprintf(stderr, "moaoff log: %s: journal.path is not set\n", arguments.config_path);
    config_free(config);
    return status;
}

static int run(void)
{
    if (!arguments.config_path && !arguments.journal_path)
        return options_usage(&log_command, "which journal? Give --config or --journal.");
    return arguments.journal_path ? show(arguments.journal_path) : show_configured();
}

const struct command log_command = {
    .name = "log",
    .summary = "show what the gateway decided and what became of it",
    .synopsis = "[OPTION]...",
    .description =
        "Shows what the gateway decided and what became of it, oldest first: one row for each "
        "request that has ended. The rows are in the file that journal.path of the configuration "
        "names.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
