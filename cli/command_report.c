/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff report`: its options. study/report.c does the work.
 */
#include <stddef.h>
#include <stdlib.h>

#include "study/report.h"

#include "command.h"

static const char *folder;
static struct report_options options;

static const char *read_prices(const char *value)
{
    double *const prices[] = {&options.prices.million_prompt_tokens,
                              &options.prices.million_answer_tokens, &options.prices.gigabyte};
    for (size_t i = 0; i < 3; i++) {
        char *end;
        *prices[i] = strtod(value, &end);
        if (end == value || *end != (i < 2 ? ',' : '\0') ||
            !(*prices[i] >= 0.0 && *prices[i] <= 1e9))
            return "three numbers are wanted: PROMPT,ANSWER,GIGABYTE";
        value = end + 1;
    }
    options.prices.given = true;
    return NULL;
}

static const struct option_row rows[] = {
    {.name = "pictures",
     .argument = "SET",
     .help = "show pictures of SET, as `moaoff eval --dataset` takes it, that the edge got wrong; "
             "they are copied into the report",
     .text = &options.pictures},
    {.name = "prices",
     .argument = "P,A,G",
     .help = "what a million prompt tokens, a million answer tokens and a gigabyte cost",
     .read = read_prices},
    {.argument = "DIR", .help = "that `moaoff eval --out DIR` has written", .text = &folder},
};

static int run(void)
{
    if (!folder)
        return options_usage(&report_command, "which folder?");
    return report_run(folder, &options) ? EXIT_FAILED : EXIT_FINE;
}

const struct command report_command = {
    .name = "report",
    .summary = "make tables and figures of what eval recorded",
    .synopsis = "[OPTION]... DIR",
    .description =
        "Writes DIR/report.html and DIR/report.md from what `moaoff eval --out DIR` recorded: "
        "which "
        "policy to run and why, what is missing, accuracy, latency and resources of every policy "
        "with intervals, figures, what the scores "
        "know about the edge's errors, and what failed. The HTML needs no script and no network.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
