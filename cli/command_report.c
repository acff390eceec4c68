/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff report`: its options. study/report.c does the work.
 */
#include <stddef.h>

#include "study/report.h"

#include "command.h"

static const char *folder;

static const struct option_row rows[] = {
    {.argument = "DIR", .help = "that `moaoff eval --out DIR` has written", .text = &folder},
};

static int run(void)
{
    if (!folder)
        return options_usage(&report_command, "which folder?");
    return report_run(folder) ? EXIT_FAILED : EXIT_FINE;
}

const struct command report_command = {
    .name = "report",
    .summary = "make tables and figures of what eval recorded",
    .synopsis = "DIR",
    .description =
        "Writes DIR/report.html and DIR/report.md from what `moaoff eval --out DIR` recorded: "
        "accuracy, latency and resources of every policy with intervals, figures, what the scores "
        "know about the edge's errors, and what failed. The HTML needs no script and no network.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
