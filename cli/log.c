/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff log`: the gateway's journal as a table, CSV or JSON lines.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/moaoff.h>

#include "gateway/config.h"
#include "gateway/journal.h"

#include "command.h"

#define ROWS_DEFAULT 20
#define ROWS_MAX 100000000L
#define FOLLOW_MS 300
#define FOLLOW_ROWS 10000

static const char help[] =
    "Usage: moaoff log [OPTION]...\n"
    "Shows what the gateway decided and what became of it, oldest first: one row for each request\n"
    "that has ended. The rows are in the file that journal.path of the configuration names.\n\n"
    "  -c, --config FILE    the gateway's configuration\n"
    "  -j, --journal FILE   the journal itself, instead\n"
    "  -n, --limit N        the newest N rows (default 20)\n"
    "  -f, --follow         then wait for more, until interrupted\n"
    "      --since TIME     rows since then: 30s, 15m, 2h, 7d, or Unix seconds\n"
    "      --key NAME       rows of one API key\n"
    "      --plan PLAN      edge, cloud, perceive-cloud or perceive-edge\n"
    "      --status STATUS  200, or 5xx for all of a class; 0: the client left first\n"
    "      --fallback       rows whose tier failed and was replaced\n"
    "      --csv            comma-separated values with all columns\n"
    "      --json           one JSON object a line with all columns\n"
    "  -h, --help           print this and exit\n"
    "      --version        print the version and exit\n";

enum {
    OPTION_SINCE = 256,
    OPTION_KEY,
    OPTION_PLAN,
    OPTION_STATUS,
    OPTION_FALLBACK,
    OPTION_CSV,
    OPTION_JSON,
    OPTION_VERSION
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"journal", required_argument, NULL, 'j'},
    {"limit", required_argument, NULL, 'n'},
    {"follow", no_argument, NULL, 'f'},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"plan", required_argument, NULL, OPTION_PLAN},
    {"status", required_argument, NULL, OPTION_STATUS},
    {"fallback", no_argument, NULL, OPTION_FALLBACK},
    {"csv", no_argument, NULL, OPTION_CSV},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

struct arguments {
    const char *config_path, *journal_path;
    struct journal_filter filter;
    enum format format;
    bool follow, help, version;
};

/* ---- arguments ---- */

static int read_count(const char *text, long max, long *ret_count)
{
    char *end;
    long count = strtol(text, &end, 10);
    if (end == text || *end || count < 1 || count > max)
        return -1;
    *ret_count = count;
    return 0;
}

/* "2h" before now, or Unix seconds. */
static int read_since(const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || n < 0 || n > 100000000000LL)
        return -1;
    if (!*end) {
        *ret_ms = n * 1000;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end[0] == units[i].unit && !end[1]) {
            *ret_ms = (int64_t)time(NULL) * 1000 - n * units[i].ms;
            return 0;
        }
    }
    return -1;
}

static int read_status(const char *text, struct journal_filter *filter)
{
    size_t n = strlen(text);
    if (n == 3 && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
        filter->status_min = (text[0] - '0') * INT64_C(100);
        filter->status_max = filter->status_min + 99;
        return 0;
    }
    if (n < 1 || n > 3 || strspn(text, "0123456789") != n)
        return -1;
    filter->status_min = filter->status_max = strtol(text, NULL, 10);
    return 0;
}

static int read_filter(int option, struct journal_filter *filter)
{
    long limit;
    switch (option) {
    case 'n':
        if (read_count(optarg, ROWS_MAX, &limit))
            return -1;
        filter->limit = (size_t)limit;
        return 0;
    case OPTION_SINCE:
        return read_since(optarg, &filter->since_ms);
    case OPTION_KEY:
        filter->key = optarg;
        return 0;
    case OPTION_PLAN:
        filter->plan = optarg;
        return 0;
    case OPTION_STATUS:
        return read_status(optarg, filter);
    default:
        filter->fallback_only = true;
        return 0;
    }
}

static int read_option(int option, struct arguments *a)
{
    switch (option) {
    case 'c':
        a->config_path = optarg;
        return 0;
    case 'j':
        a->journal_path = optarg;
        return 0;
    case 'f':
        a->follow = true;
        return 0;
    case 'h':
        a->help = true;
        return 0;
    case OPTION_CSV:
        a->format = FORMAT_CSV;
        return 0;
    case OPTION_JSON:
        a->format = FORMAT_JSON;
        return 0;
    case OPTION_VERSION:
        a->version = true;
        return 0;
    case '?':
        fputs("See `moaoff log --help`.\n", stderr);
        return -1;
    default:
        if (read_filter(option, &a->filter) == 0)
            return 0;
        fprintf(stderr, "moaoff log: not understood: \"%s\"\n", optarg);
        return -1;
    }
}

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
        journal_print_json(row, stdout);
        putchar('\n');
    } else {
        print_table_row(row);
    }
    return ferror(stdout);
}

static int show(const char *path, struct journal_filter *filter, const struct arguments *a)
{
    char why[512];
    struct printer printer = {.format = a->format};
    print_heading(a->format);
    for (;;) {
        if (journal_read(path, filter, print_row, &printer, why, sizeof(why))) {
            fprintf(stderr, "moaoff log: %s\n", why);
            return EXIT_FAILED;
        }
        if (fflush(stdout) != 0 || !a->follow) /* a closed pipe ends it too */
            return EXIT_FINE;
        filter->after_sequence = printer.last;
        filter->limit = FOLLOW_ROWS;
        nanosleep(&(struct timespec){.tv_nsec = FOLLOW_MS * 1000000L}, NULL);
    }
}

int log_main(int argc, char **argv)
{
    struct arguments a = {.filter = journal_filter_all(ROWS_DEFAULT)};
    int option;
    while ((option = getopt_long(argc, argv, "c:j:n:fh", options, NULL)) != -1) {
        if (read_option(option, &a))
            return EXIT_USAGE;
    }
    if (a.help) {
        fputs(help, stdout);
        return EXIT_FINE;
    }
    if (a.version) {
        printf("moaoff %s\n", moa_version());
        return EXIT_FINE;
    }
    if (optind < argc || (!a.config_path && !a.journal_path)) {
        fputs(optind < argc ? "moaoff log: too many arguments\n"
                            : "moaoff log: which journal? Give --config or --journal.\n",
              stderr);
        return EXIT_USAGE;
    }
    if (a.journal_path)
        return show(a.journal_path, &a.filter, &a);
    struct config *config = command_config("log", a.config_path, CONFIG_TO_LOOK);
    if (!config)
        return EXIT_FAILED;
    int status = EXIT_FAILED;
    if (config->journal_path[0])
        status = show(config->journal_path, &a.filter, &a);
    else
        fprintf(stderr, "moaoff log: %s: journal.path is not set\n", a.config_path);
    config_free(config);
    return status;
}
