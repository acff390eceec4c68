/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff score`: complexity of images and text, a table for people or an object a line.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <moaoff/base.h>

#include "command.h"
#include "score_item.h"

static const char help[] =
    "Usage: moaoff score [OPTION]... [IMAGE]...\n"
    "Measures images (JPEG, PNG, WebP) and text without running a model.\n\n"
    "  -t, --text STRING     score this text\n"
    "  -f, --text-file FILE  score the text in FILE; \"-\" is standard input\n"
    "  -j, --json            one JSON object a line instead of a table\n"
    "      --help, --version\n\n"
    "An IMAGE of \"-\" is standard input. Everything is scored in the order given. What cannot be\n"
    "scored is reported on standard error; the rest is still done. Exit status: 0 fine, 1 some\n"
    "input failed, 2 wrong usage.\n";

struct score {
    bool json;
    bool any_failed;
    const char *heading; /* the last one printed */
};

static void print_item(struct score *score, const struct item *item)
{
    struct item_result result = item_score(item, score->json);
    if (result.failure) {
        /* What was printed before must come before, also if both go to one file. */
        fflush(stdout);
        fprintf(stderr, "moaoff score: %s: %s\n", item->kind == ITEM_TEXT ? "--text" : item->name,
                result.failure);
        score->any_failed = true;
    } else {
        const char *heading = item_heading(item->kind);
        if (!score->json && heading != score->heading) {
            puts(heading);
            score->heading = heading;
        }
        puts(result.line);
    }
    item_result_done(&result);
}

int score_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"text", required_argument, NULL, 't'}, {"text-file", required_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},       {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},    {NULL, 0, NULL, 0},
    };
    struct score score = {0};
    struct item *items = calloc((size_t)argc, sizeof(*items));
    if (!items) {
        fputs("moaoff score: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    size_t n_items = 0;
    int status = EXIT_FINE;
    int option;
    /* "-": operands come as option 1, so that text and images keep their order. */
    while ((option = getopt_long(argc, argv, "-t:f:jh", options, NULL)) != -1) {
        switch (option) {
        case 1:
            items[n_items++] = (struct item){ITEM_IMAGE, optarg};
            break;
        case 't':
            items[n_items++] = (struct item){ITEM_TEXT, optarg};
            break;
        case 'f':
            items[n_items++] = (struct item){ITEM_TEXT_FILE, optarg};
            break;
        case 'j':
            score.json = true;
            break;
        case 'h':
            fputs(help, stdout);
            goto done;
        case 'V':
            printf("moaoff %s\n", moa_version());
            goto done;
        default:
            status = EXIT_USAGE;
            goto done;
        }
    }
    for (; optind < argc; optind++)
        items[n_items++] = (struct item){ITEM_IMAGE, argv[optind]};
    if (n_items == 0) {
        fputs("moaoff score: nothing to score; see `moaoff score --help`\n", stderr);
        status = EXIT_USAGE;
        goto done;
    }
    for (size_t i = 0; i < n_items; i++)
        print_item(&score, &items[i]);
    status = score.any_failed ? EXIT_FAILED : EXIT_FINE;
done:
    free(items);
    return status;
}
