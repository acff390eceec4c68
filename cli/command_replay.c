/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff replay`: the requests of a journal decided again, by the policy that decided them and by
 * others: what would have stayed on the device, what would have gone up, what it would have cost
 * and how long it would have taken, and how often the answers would have been the cloud's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/moaoff.h>

#include "gateway/config.h"
#include "study/redecide.h"

#include "command.h"
#include "since.h"

static struct {
    const char *config_path, *journal_path;
    struct option_list policies;
    int64_t since_ms;
    double price_prompt, price_completion, price_picture; /* NaN: not given */
    bool json;
} arguments = {.price_prompt = NAN, .price_completion = NAN, .price_picture = NAN};

static const char *read_since(const char *text)
{
    return since_read(text, &arguments.since_ms);
}

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "the gateway's configuration: its journal, its prices, and what policies begin with",
     .text = &arguments.config_path},
    {.letter = 'p',
     .name = "policy",
     .argument = "NAME[:KEY=VALUE,...]",
     .help = "ask this policy too, with these parameters; again for another",
     .list = &arguments.policies},
    {.name = "since",
     .argument = "TIME",
     .help = "rows since then: 30s, 15m, 2h, 7d, or Unix seconds",
     .read = read_since},
    {.name = "price-prompt",
     .argument = "P",
     .help = "of a million prompt tokens in the cloud; without it the configuration's",
     .number = &arguments.price_prompt,
     .max = 1e9},
    {.name = "price-completion",
     .argument = "P",
     .help = "of a million completion tokens",
     .number = &arguments.price_completion,
     .max = 1e9},
    {.name = "price-picture",
     .argument = "P",
     .help = "of a picture, beside its tokens",
     .number = &arguments.price_picture,
     .max = 1e9},
    {.name = "json", .help = "one JSON object instead of a table", .flag = &arguments.json},
    {.argument = "JOURNAL",
     .help = "the journal; without it the configuration's",
     .text = &arguments.journal_path},
};

/* ---- printing ---- */

static void print_share(size_t n, size_t of)
{
    if (of > 0)
        printf(" %7.1f %%", 100.0 * (double)n / (double)of);
    else
        printf(" %9s", "-");
}

static void print_number(const char *format, int width, double value)
{
    char text[40] = "-";
    if (!isnan(value))
        snprintf(text, sizeof(text), format, value);
    printf(" %*s", width, text);
}

static void print_agreement(const struct hindsight_figures *f)
{
    if (isnan(f->agreement.value))
        printf("  %-26s", "-");
    else
        printf("  %5.1f %% (%.1f to %.1f)%*s", 100 * f->agreement.value, 100 * f->agreement.low,
               100 * f->agreement.high, 4, "");
}

#define LABEL_MIN 12
#define LABEL_MAX 60

/* As wide as the longest name. */
static int label_width(const struct hindsight *hindsight)
{
    struct hindsight_figures f;
    size_t most = LABEL_MIN;
    for (size_t i = 1; hindsight_figures(hindsight, i, &f); i++)
        most = strlen(f.label) > most ? strlen(f.label) : most;
    return most < LABEL_MAX ? (int)most : LABEL_MAX;
}

static void print_figures(const struct hindsight_figures *f, int width)
{
    const size_t known = f->n - f->n_unknown;
    printf("%-*s", width, f->label ? f->label : "as it was");
    for (int path = 0; path < HINDSIGHT_PATHS; path++)
        print_share(f->n_of[path], known);
    print_number("%.2f", 9, f->bytes_up / 1e6);
    print_number("%.4g", 9, f->cost);
    print_number("%.0f", 8, f->mean_ms);
    print_number("%.0f", 8, f->p95_ms);
    print_agreement(f);
    if (f->label)
        print_share(f->n_otherwise, f->n);
    putchar('\n');
}

/* Under the table: what its figures rest on. */
static void print_times(const struct redecision *r)
{
    struct hindsight_figures f;
    size_t n = 0;
    for (size_t i = 1; hindsight_figures(r->hindsight, i, &f); i++) {
        if (f.n_measured == f.n)
            continue;
        printf("%s %s %zu of %zu", n++ > 0 ? "," : "Times that were measured:", f.label,
               f.n_measured, f.n);
        if (f.n_timed < f.n)
            printf(" (%zu unknown)", f.n - f.n_timed);
    }
    if (n > 0)
        puts(".\nThe others are those that were predicted when it was decided, else of the nearest "
             "request before\nthat went the same way.");
}

static void print_scores(const struct redecision *r)
{
    struct hindsight_figures f;
    for (size_t i = 1; hindsight_figures(r->hindsight, i, &f); i++) {
        if (f.n_drawn > 0)
            printf("%s: how sure the edge was is not known of %zu requests; they are drawn at the "
                   "rate of the others.\n",
                   f.label, f.n_drawn);
        if (f.n_unknown > 0)
            printf("%s: how sure the edge was is not known of %zu requests, nor of any other; they "
                   "are in no figure.\n",
                   f.label, f.n_unknown);
    }
}

static void print_time(int64_t ms)
{
    char when[32];
    struct tm local;
    time_t seconds = (time_t)(ms / 1000);
    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
    fputs(when, stdout);
}

static void print_head(const struct redecision *r, const struct hindsight_again *again)
{
    printf("%zu requests", r->n_rows);
    if (r->n_rows > 0) {
        fputs(" from ", stdout);
        print_time(r->first_ms);
        fputs(" to ", stdout);
        print_time(r->last_ms);
    }
    putchar('\n');
    if (r->n_without > 0)
        printf("%zu were not decided, or are of a version that did not keep what they were decided "
               "from\n",
               r->n_without);
    if (r->n_unreadable > 0)
        printf("%zu cannot be read: %s\n", r->n_unreadable, r->unreadable);
    if (again->n_learning > 0)
        printf("%zu were decided by policies that had learned something\n", again->n_learning);
    printf("%zu of %zu decisions differ when their own policies make them again\n\n",
           again->n_differ, again->n);
}

static void print_table(const struct redecision *r)
{
    struct hindsight_again again;
    struct hindsight_figures f;
    hindsight_again(r->hindsight, &again);
    print_head(r, &again);
    const int width = label_width(r->hindsight);
    printf("%-*s %9s %9s %9s %9s %9s %9s %8s %8s  %-26s %9s\n", width, "policy", "edge",
           "escalated", "cloud", "split", "MB up", "cost", "mean ms", "p95 ms",
           "agrees with the cloud", arguments.policies.n > 0 ? "otherwise" : "");
    size_t n_audits = 0;
    for (size_t i = 0; hindsight_figures(r->hindsight, i, &f); i++) {
        print_figures(&f, width);
        n_audits = f.n_audits > n_audits ? f.n_audits : n_audits;
    }
    putchar('\n');
    print_times(r);
    print_scores(r);
    if (n_audits > 0)
        printf(
            "Agreement is by %zu audits with 95 %% intervals; an audit weighs as many requests as "
            "it stands\nfor: those of its phase (shadow, uncertified, certified).\n",
            n_audits);
    else
        puts("Nothing says how often the answers would agree with the cloud's: there are no "
             "audits.");
}

static int print_json(const struct redecision *r)
{
    size_t n = 0;
    char *json = redecision_json(r, true, &n);
    if (json)
        puts(json);
    free(json);
    return json ? EXIT_FINE : EXIT_FAILED;
}

/* ---- all of it ---- */

static struct budget_terms prices_of(const struct config *config)
{
    struct budget_terms prices = config->budget;
    if (!isnan(arguments.price_prompt))
        prices.per_million_prompt_tokens = arguments.price_prompt;
    if (!isnan(arguments.price_completion))
        prices.per_million_completion_tokens = arguments.price_completion;
    if (!isnan(arguments.price_picture))
        prices.per_picture = arguments.price_picture;
    return prices;
}

static struct journal_filter rows_asked_for(void)
{
    struct journal_filter filter = journal_filter_all(HINDSIGHT_ROWS_MAX);
    filter.since_ms = arguments.since_ms;
    return filter;
}

static int fail(const char *what, const char *why, int status)
{
    fprintf(stderr, "moaoff replay: %s%s\n", what, why);
    return status;
}

static int replay(struct redecision *r, const struct config *config)
{
    const char *path = arguments.journal_path ? arguments.journal_path : config->journal_path;
    const struct budget_terms prices = prices_of(config);
    const struct journal_filter filter = rows_asked_for();
    char why[512];
    if (!path[0])
        return options_usage(&replay_command, "which journal? Name one, or give --config.");
    if (redecision_init(r, &prices))
        return fail("", "out of memory", EXIT_FAILED);
    for (size_t i = 0; i < arguments.policies.n; i++) {
        if (redecision_ask(r, arguments.policies.items[i], config, why, sizeof(why)))
            return fail("--policy ", why, EXIT_USAGE);
    }
    if (redecision_read(r, path, &filter, why, sizeof(why)))
        return fail("", why, EXIT_FAILED);
    if (arguments.json)
        return print_json(r);
    print_table(r);
    return EXIT_FINE;
}

static int run(void)
{
    struct config *config = command_config("replay", arguments.config_path, NULL, CONFIG_TO_LOOK);
    if (!config)
        return EXIT_FAILED;
    struct redecision r = {.hindsight = NULL};
    const int status = replay(&r, config);
    redecision_done(&r);
    config_free(config);
    return status;
}

const struct command replay_command = {
    .name = "replay",
    .summary = "decide the requests of a journal again, by other policies too",
    .synopsis = "[OPTION]... [JOURNAL]",
    .description =
        "Decides every request of a journal again: by the policy that decided it, which must come "
        "to the same, and by each --policy. Prints for each what share of the requests the edge "
        "answers, alone or until the cloud is asked, what goes up, what that costs, how long it "
        "takes, and by audits how often the answers are what the cloud says. Nothing is sent.",
    .notes =
        "A policy begins with what --config says, else with its defaults; a parameter may be named "
        "without what stands before its dot: paper:tau_text=0.4,tau_image=0.6. Policies that learn "
        "begin with nothing and are told what was measured, row after row; what a way that was not "
        "taken would have led to, nobody can tell them. Exit status: 0 fine, 1 the journal cannot "
        "be read, 2 wrong usage.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
