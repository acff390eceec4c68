/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff cpu`: which levels of the image kernels are built in, which of them this CPU runs, and
 * which is in use.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <moaoff/cpu.h>

#include "command.h"

static const char help[] =
    "Usage: moaoff cpu\n"
    "Lists the instruction sets the image kernels are built for, slowest first, one a line:\n"
    "\"in use\", \"available\", or \"not on this CPU\". MOA_CPU=LEVEL forces one.\n"
    "Results are equal to the last bit whichever is in use.\n";

int cpu_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_FINE;
        }
        if (option == 'V') {
            printf("moaoff %s\n", moa_version());
            return EXIT_FINE;
        }
        return EXIT_USAGE;
    }
    if (optind != argc) {
        fputs("moaoff cpu: takes no argument\n", stderr);
        return EXIT_USAGE;
    }
    const char *level;
    for (size_t i = 0; (level = moa_cpu_level(i)) != NULL; i++) {
        const char *state = !moa_cpu_level_supported(i)          ? "not on this CPU"
                            : strcmp(level, moa_cpu_name()) == 0 ? "in use"
                                                                 : "available";
        printf("%-8s %s\n", level, state);
    }
    return EXIT_FINE;
}
