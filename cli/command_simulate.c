/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff simulate`: its options. study/simulate.c does the work.
 */
#include <stdio.h>

#include "study/simulate.h"

#include "command.h"

#define POLICIES_MAX 32

static struct option_list scenarios, policies, settings;
static int64_t seed = -1;
static bool json, show;

static const struct option_row rows[] = {
    {.letter = 'p',
     .name = "policy",
     .argument = "NAME[:KEY=VALUE,...]",
     .help = "may be repeated: edge-first:threshold=0.8; without it edge, cloud, "
             "paper and, with records, edge-first and adaptive",
     .list = &policies},
    {.letter = 's',
     .name = "set",
     .argument = "KEY=VALUE",
     .help = "a key of the scenario, over the file's: link.mbps=20; may be repeated",
     .list = &settings},
    {.name = "seed",
     .argument = "N",
     .help = "of arrivals and questions; without it the scenario's",
     .integer = &seed,
     .max = 1e15},
    {.letter = 'j', .name = "json", .help = "a line of JSON for each policy", .flag = &json},
    {.name = "show",
     .help = "print the scenario with all its keys, as a file to begin with, and stop",
     .flag = &show},
    {.argument = "FILE", .help = "the scenario; without it the defaults", .list = &scenarios},
};

static int read_scenario(struct scenario *s, char *why, size_t n)
{
    scenario_init(s);
    for (size_t i = 0; i < scenarios.n; i++) {
        if (scenario_read(scenarios.items[i], s, why, n))
            return -1;
    }
    for (size_t i = 0; i < settings.n; i++) {
        if (scenario_set(s, settings.items[i], why, n))
            return -1;
    }
    if (seed >= 0)
        s->seed = (double)seed;
    return scenario_finish(s, why, n);
}

/* The last of the usual ones go by answers. */
static int read_policies(bool have_answers, struct simulate_policy *ret_policies, size_t *ret_n,
                         char *why, size_t n)
{
    static const char *const usual[] = {"edge", "cloud", "paper", "edge-first", "adaptive"};
    const size_t n_usual = have_answers ? 5 : 3;
    *ret_n = policies.n ? policies.n : n_usual;
    for (size_t i = 0; i < *ret_n; i++) {
        if (simulate_policy_read(policies.n ? policies.items[i] : usual[i], &ret_policies[i], why,
                                 n))
            return -1;
    }
    return 0;
}

static int simulate_all(const struct scenario *s, const struct simulate_policy *all, size_t n,
                        char *why, size_t n_why)
{
    struct simulate_result results[POLICIES_MAX] = {{.n_blocks = 0}};
    struct questions questions;
    if (questions_make(s, &questions, why, n_why))
        return -1;
    int failed = 0;
    for (size_t i = 0; !failed && i < n; i++)
        failed = simulate_run(s, &questions, &all[i], &results[i], why, n_why);
    if (!failed && json)
        simulate_print_json(s, &questions, results, n, stdout);
    else if (!failed)
        simulate_print_page(s, &questions, results, n, stdout);
    for (size_t i = 0; i < n; i++)
        simulate_result_done(&results[i]);
    questions_done(&questions);
    return failed;
}

static int run(void)
{
    static struct scenario scenario;
    struct simulate_policy all[POLICIES_MAX];
    char why[1200] = "";
    size_t n = 0;
    if (scenarios.n > 1)
        return options_usage(&simulate_command, "one scenario at a time");
    if (policies.n > POLICIES_MAX)
        return options_usage(&simulate_command, "more than %d policies", POLICIES_MAX);
    int failed = read_scenario(&scenario, why, sizeof(why));
    const bool have_answers = scenario.records.path[0][0] != '\0';
    if (!failed && read_policies(have_answers, all, &n, why, sizeof(why)))
        return options_usage(&simulate_command, "%s", why);
    if (!failed && show)
        scenario_print(&scenario, stdout);
    else if (!failed)
        failed = simulate_all(&scenario, all, n, why, sizeof(why));
    if (failed)
        fprintf(stderr, "moaoff simulate: %s\n", why);
    return failed ? EXIT_FAILED : EXIT_FINE;
}

const struct command simulate_command = {
    .name = "simulate",
    .summary = "what policies would cost and save with those engines, that link, these records",
    .synopsis = "[OPTION]... [FILE]",
    .description =
        "Runs boxes with their engines and links, and a cloud that they share, in virtual time: "
        "requests are decided by the same code as in the gateway, and answered from records of "
        "real models, so that share, accuracy, latency, bytes and price of each policy stand side "
        "by side. The same scenario and seed give the same figures.",
    .notes =
        "Exit status: 0 fine, 1 the scenario, a profile or the records cannot be used, 2 wrong "
        "usage.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
