/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff cpu`: which levels of the image kernels are built in, which of them this CPU runs, and
 * which is in use.
 */
#include <stdio.h>
#include <string.h>

#include <moaoff/cpu.h>

#include "command.h"

static int run(void)
{
    const char *level;
    for (size_t i = 0; (level = moa_cpu_level(i)) != NULL; i++) {
        const char *state = !moa_cpu_level_supported(i)          ? "not on this CPU"
                            : strcmp(level, moa_cpu_name()) == 0 ? "in use"
                                                                 : "available";
        printf("%-8s %s\n", level, state);
    }
    return EXIT_FINE;
}

const struct command cpu_command = {
    .name = "cpu",
    .summary = "show which instruction sets the image kernels can use",
    .synopsis = "",
    .description =
        "Lists the instruction sets the image kernels are built for, slowest first, one a line: "
        "\"in use\", \"available\", or \"not on this CPU\". MOA_CPU=LEVEL forces one. Results are "
        "equal to the last bit whichever is in use.",
    .run = run,
};
