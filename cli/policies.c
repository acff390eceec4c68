/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff policies`: what can decide, and by which parameters, as the library's own tables say.
 */
#include <getopt.h>
#include <stdio.h>

#include <moaoff/policy.h>

#include "command.h"

static const char help[] = "Usage: moaoff policies [NAME]...\n"
                           "Lists the policies, or those named, with their parameters: key of the "
                           "configuration, default,\n"
                           "range and meaning. `policy: NAME` in the configuration chooses one for "
                           "all requests, the model\n"
                           "moaoff/NAME for one request.\n";

static void print_param(const struct moa_policy_param *param)
{
    if (param->choices) {
        printf("  %-24s %-9s ", param->key, param->choices[(size_t)param->fallback]);
        printf("%s\n", param->help);
        return;
    }
    printf("  %-24s %-9.15g %s%s%s [%.15g, %.15g]\n", param->key, param->fallback, param->help,
           param->unit[0] ? ", " : "", param->unit, param->min, param->max);
}

static void print_policy(const char *name)
{
    const struct moa_policy_param *param;
    printf("%s\n  %s\n", name, moa_policy_summary(name));
    for (size_t i = 0; (param = moa_policy_param(name, i)); i++)
        print_param(param);
}

int policies_main(int argc, char **argv)
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
        fputs("See `moaoff policies --help`.\n", stderr);
        return EXIT_USAGE;
    }
    for (int i = optind; i < argc; i++) {
        if (!moa_policy_summary(argv[i])) {
            fprintf(stderr, "moaoff policies: no policy \"%s\"\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        for (size_t i = 0; moa_policy_name(i); i++)
            print_policy(moa_policy_name(i));
    }
    for (; optind < argc; optind++)
        print_policy(argv[optind]);
    return EXIT_FINE;
}
