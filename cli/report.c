/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff report`: its options. study/report.c does the work.
 */
#include <getopt.h>
#include <stdio.h>

#include <moaoff/base.h>

#include "study/report.h"

#include "command.h"

static const char help[] =
    "Usage: moaoff report DIR\n"
    "Writes DIR/report.html and DIR/report.md from what `moaoff eval --out DIR` recorded: "
    "accuracy,\n"
    "latency and resources of every policy with intervals, figures, what the scores know about "
    "the\n"
    "edge's errors, and what failed. The HTML needs no script and no network.\n\n"
    "  -h, --help     print this and exit\n"
    "      --version  print the version and exit\n";

int report_main(int argc, char **argv)
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
        fputs("See `moaoff report --help`.\n", stderr);
        return EXIT_USAGE;
    }
    if (optind + 1 != argc) {
        fputs("moaoff report: one folder\nSee `moaoff report --help`.\n", stderr);
        return EXIT_USAGE;
    }
    return report_run(argv[optind]) ? EXIT_FAILED : EXIT_FINE;
}
