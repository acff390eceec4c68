/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff score`: complexity of images and text, a table for people or an object a line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/buffer.h"

#include "batch.h"
#include "command.h"
#include "score_item.h"

#define ITEMS_BYTES_MAX ((size_t)1 << 30) /* more than a command line holds */

static struct {
    struct item_options options;
    bool list, list_null;
    int64_t n_jobs;
    struct buffer items; /* struct score_item, in the order of the command line */
} arguments = {.n_jobs = 1, .items = {.max = ITEMS_BYTES_MAX}};

struct score {
    struct item_options options;
    const struct score_item *items;
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
struct score_job {
    struct score_item item;
    char *own_name; /* of the list */
    struct item_result result;
};

static bool read_name(struct score *score, struct score_job *job)
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
    job->item = (struct score_item){ITEM_IMAGE, job->own_name};
    return job->own_name != NULL;
}

static void *on_next(void *user)
{
    struct score *score = user;
    struct score_job *job = calloc(1, sizeof(*job));
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
    struct score_job *job = argument;
    job->result = item_score(&job->item, &score->options);
}

static void on_done(void *user, void *argument)
{
    struct score *score = user;
    struct score_job *job = argument;
    const struct score_item *item = &job->item;
    if (job->result.failure) {
        /* What was printed before must come before, also if both go to one file. */
        fflush(stdout);
        fprintf(stderr, "moaoff score: %s: %s\n", item->kind == ITEM_TEXT ? "--text" : item->name,
                job->result.failure);
        score->any_failed = true;
    } else {
        const char *heading = item_heading(job->result.kind, &score->options);
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

/* ---- the command line ---- */

static const char *add_item(enum item_kind kind, const char *name)
{
    const struct score_item item = {kind, name};
    return buffer_add(&arguments.items, &item, sizeof(item)) ? "out of memory" : NULL;
}

static const char *read_text(const char *value)
{
    return add_item(ITEM_TEXT, value);
}

static const char *read_text_file(const char *value)
{
    return add_item(ITEM_TEXT_FILE, value);
}

static const char *read_image(const char *value)
{
    return add_item(ITEM_IMAGE, value);
}

static const struct option_row rows[] = {
    {.letter = 't',
     .name = "text",
     .argument = "STRING",
     .help = "score this text",
     .read = read_text},
    {.letter = 'f',
     .name = "text-file",
     .argument = "FILE",
     .help = "score the text in FILE; \"-\" is standard input",
     .read = read_text_file},
    {.letter = 'l',
     .name = "list",
     .help = "read names of images from standard input, one a line",
     .flag = &arguments.list},
    {.letter = '0',
     .name = "null",
     .help = "the same, with a NUL after each name",
     .flag = &arguments.list_null},
    {.letter = 'j',
     .name = "jobs",
     .argument = "N",
     .help = "score N at once; 0: one for each core",
     .integer = &arguments.n_jobs,
     .max = 1024},
    {.name = "json",
     .help = "one JSON object a line instead of a table",
     .flag = &arguments.options.json},
    {.name = "fast",
     .help = "of large JPEGs look at a quarter of the rows only",
     .flag = &arguments.options.fast},
    {.name = "header-only",
     .help = "of images only what their header says; nothing is decoded",
     .flag = &arguments.options.header_only},
    {.argument = "IMAGE",
     .help = "a file, also a sound or a film; \"-\": standard input",
     .read = read_image},
};

static int run(void)
{
    static const struct batch_ops ops = {on_next, on_work, on_done};
    struct score score = {
        .options = arguments.options,
        .items = (const struct score_item *)(const void *)arguments.items.p,
        .n_items = arguments.items.n / sizeof(struct score_item),
        .reads_list = arguments.list || arguments.list_null,
        .delimiter = arguments.list_null ? '\0' : '\n',
    };
    if (score.n_items == 0 && !score.reads_list)
        return options_usage(&score_command, "nothing to score");
    const bool ran = batch_run(&ops, &score, batch_threads((unsigned)arguments.n_jobs));
    if (!ran)
        fputs("moaoff score: cannot start threads\n", stderr);
    free(score.line);
    buffer_done(&arguments.items);
    return ran && !score.any_failed ? EXIT_FINE : EXIT_FAILED;
}

const struct command score_command = {
    .name = "score",
    .summary = "measure the complexity of images, sounds, films and text",
    .synopsis = "[OPTION]... [IMAGE]...",
    .description = "Measures images, sounds, films and text without running a model. Of a WAV file "
                   "the samples are "
                   "heard, of other sounds and of films the header is read.",
    .notes =
        "Everything is printed in the order given, names from standard input last. What cannot be "
        "scored is reported on standard error; the rest is still done. Exit status: 0 fine, 1 some "
        "input failed, 2 wrong usage.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
