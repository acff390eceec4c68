/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff score`: complexity of images and text, a table for people or an object a line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/base.h>

#include "batch.h"
#include "command.h"
#include "score_item.h"

static const char help[] =
    "Usage: moaoff score [OPTION]... [IMAGE]...\n"
    "Measures images (JPEG, PNG, WebP, GIF) and text without running a model.\n\n"
    "  -t, --text STRING     score this text\n"
    "  -f, --text-file FILE  score the text in FILE; \"-\" is standard input\n"
    "  -l, --list            read names of images from standard input, one a line\n"
    "  -0, --null            the same, with a NUL after each name\n"
    "  -j, --jobs N          score N at once; 0: one for each core (default: 1)\n"
    "      --json            one JSON object a line instead of a table\n"
    "      --fast            of large JPEGs look at a quarter of the rows only\n"
    "      --header-only     of images only what their header says; nothing is decoded\n"
    "      --help, --version\n\n"
    "An IMAGE of \"-\" is standard input. Everything is printed in the order given, names from\n"
    "standard input last. What cannot be scored is reported on standard error; the rest is still\n"
    "done. Exit status: 0 fine, 1 some input failed, 2 wrong usage.\n";

enum { OPTION_JSON = 256, OPTION_FAST, OPTION_HEADER_ONLY };

static const struct option options[] = {
    {"text", required_argument, NULL, 't'},
    {"text-file", required_argument, NULL, 'f'},
    {"list", no_argument, NULL, 'l'},
    {"null", no_argument, NULL, '0'},
    {"jobs", required_argument, NULL, 'j'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"fast", no_argument, NULL, OPTION_FAST},
    {"header-only", no_argument, NULL, OPTION_HEADER_ONLY},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

struct score {
    struct item_options options;
    unsigned n_threads;
    struct item *items; /* of the command line */
    size_t n_items;
    size_t next;
    bool reads_list;
    int delimiter;
    char *line; /* of the list; getdelim's */
    size_t line_capacity;
    bool any_failed;
    const char *heading; /* the last one printed */
};

/* One item under way. */
struct job {
    struct item item;
    char *own_name; /* of the list */
    struct item_result result;
};

static bool read_name(struct score *score, struct job *job)
{
    ssize_t n = -1;
    while (score->reads_list &&
           (n = getdelim(&score->line, &score->line_capacity, score->delimiter, stdin)) >= 0) {
        if (n > 0 && score->line[n - 1] == score->delimiter)
            score->line[--n] = '\0';
        if (n > 0)
            break;
    }
    if (n <= 0)
        return false;
    job->own_name = strdup(score->line);
    job->item = (struct item){ITEM_IMAGE, job->own_name};
    return job->own_name != NULL;
}

static void *on_next(void *user)
{
    struct score *score = user;
    struct job *job = calloc(1, sizeof(*job));
    if (job && score->next < score->n_items) {
        job->item = score->items[score->next++];
        return job;
    }
    if (job && read_name(score, job))
        return job;
    free(job);
    return NULL;
}

static void on_work(void *user, void *argument)
{
    const struct score *score = user;
    struct job *job = argument;
    job->result = item_score(&job->item, &score->options);
}

static void on_done(void *user, void *argument)
{
    struct score *score = user;
    struct job *job = argument;
    const struct item *item = &job->item;
    if (job->result.failure) {
        /* What was printed before must come before, also if both go to one file. */
        fflush(stdout);
        fprintf(stderr, "moaoff score: %s: %s\n", item->kind == ITEM_TEXT ? "--text" : item->name,
                job->result.failure);
        score->any_failed = true;
    } else {
        const char *heading = item_heading(item->kind, &score->options);
        if (!score->options.json && heading != score->heading) {
            puts(heading);
            score->heading = heading;
        }
        puts(job->result.line);
    }
    item_result_done(&job->result);
    free(job->own_name);
    free(job);
}

static bool parse_jobs(const char *text, unsigned *ret_n)
{
    char *end;
    errno = 0;
    const unsigned long n = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || n > 1024) {
        fprintf(stderr, "moaoff score: --jobs %s: a number from 0 to 1024 is expected\n", text);
        return false;
    }
    *ret_n = batch_threads((unsigned)n);
    return true;
}

/* Returns -1 if there is something to score, else the exit status. */
static int parse(int argc, char **argv, struct score *score)
{
    int option;
    /* "-": operands come as option 1, so that text and images keep their order. */
    while ((option = getopt_long(argc, argv, "-t:f:l0j:h", options, NULL)) != -1) {
        switch (option) {
        case 1:
            score->items[score->n_items++] = (struct item){ITEM_IMAGE, optarg};
            break;
        case 't':
            score->items[score->n_items++] = (struct item){ITEM_TEXT, optarg};
            break;
        case 'f':
            score->items[score->n_items++] = (struct item){ITEM_TEXT_FILE, optarg};
            break;
        case 'l':
        case '0':
            score->reads_list = true;
            score->delimiter = option == 'l' ? '\n' : '\0';
            break;
        case 'j':
            if (!parse_jobs(optarg, &score->n_threads))
                return EXIT_USAGE;
            break;
        case OPTION_JSON:
            score->options.json = true;
            break;
        case OPTION_FAST:
            score->options.fast = true;
            break;
        case OPTION_HEADER_ONLY:
            score->options.header_only = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_FINE;
        case 'V':
            printf("moaoff %s\n", moa_version());
            return EXIT_FINE;
        default:
            return EXIT_USAGE;
        }
    }
    for (; optind < argc; optind++)
        score->items[score->n_items++] = (struct item){ITEM_IMAGE, argv[optind]};
    if (score->n_items == 0 && !score->reads_list) {
        fputs("moaoff score: nothing to score; see `moaoff score --help`\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}

int score_main(int argc, char **argv)
{
    static const struct batch_ops ops = {on_next, on_work, on_done};
    struct score score = {.n_threads = 1, .items = calloc((size_t)argc, sizeof(*score.items))};
    int status = EXIT_FAILED;
    if (!score.items) {
        fputs("moaoff score: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    status = parse(argc, argv, &score);
    if (status < 0) {
        const bool ran = batch_run(&ops, &score, score.n_threads);
        if (!ran)
            fputs("moaoff score: cannot start threads\n", stderr);
        status = ran && !score.any_failed ? EXIT_FINE : EXIT_FAILED;
    }
    free(score.line);
    free(score.items);
    return status;
}
