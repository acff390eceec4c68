/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff policies`: what can decide, and by which parameters, as the library's own tables say.
 */
#include <stdio.h>

#include <moaoff/policy.h>

#include "command.h"

static struct option_list names;

static const struct option_row rows[] = {
    {.argument = "NAME", .help = "a policy; without any, all", .list = &names},
};

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

static int run(void)
{
    for (size_t i = 0; i < names.n; i++) {
        if (!moa_policy_summary(names.items[i]))
            return options_usage(&policies_command, "no policy \"%s\"", names.items[i]);
    }
    for (size_t i = 0; names.n == 0 && moa_policy_name(i); i++)
        print_policy(moa_policy_name(i));
    for (size_t i = 0; i < names.n; i++)
        print_policy(names.items[i]);
    return EXIT_FINE;
}

const struct command policies_command = {
    .name = "policies",
    .summary = "list the policies and their parameters",
    .synopsis = "[NAME]...",
    .description = "Lists the policies, or those named, with their parameters: key of the "
                   "configuration, default, range and meaning. `policy: NAME` in the configuration "
                   "chooses one for all requests, the model moaoff/NAME for one request.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
