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

#include <yyjson.h>

#include <moaoff/moaoff.h>

#include "gateway/config.h"
#include "gateway/journal.h"
#include "gateway/json_number.h"
#include "study/hindsight.h"

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

/* ---- reading ---- */

struct named_audit {
    char *id;
    int64_t time_ms;
    struct hindsight_audit audit;
};

struct redecision {
    struct hindsight *hindsight;
    struct moa_docket_room *room;
    struct named_audit *audits;
    size_t n_audits, audits_room;
    size_t n_rows, n_without, n_unreadable; /* dockets */
    char unreadable[120];                   /* why, of the last */
    int64_t first_ms, last_ms;
    bool failed;
};

static bool is_known(const struct moa_call_times *times)
{
    return !isnan(times->prompt_ms) || !isnan(times->answer_ms);
}

static int take_audit(const struct journal_audit *row, void *arg)
{
    struct redecision *r = arg;
    if (r->n_audits == r->audits_room) {
        r->audits_room = r->audits_room > 0 ? 2 * r->audits_room : 256;
        struct named_audit *audits = realloc(r->audits, r->audits_room * sizeof(*audits));
        if (!audits)
            return r->failed = true;
        r->audits = audits;
    }
    struct named_audit *a = &r->audits[r->n_audits];
    *a = (struct named_audit){
        .id = strdup(row->id),
        .time_ms = row->time_ms,
        .audit = {.lost = row->lost != 0,
                  .answer = {.form = (enum moa_answer_form)row->form,
                             .streamed = row->streamed == 1,
                             .sampled = row->sampled == 1,
                             .n_tokens = row->tokens > 0 ? (size_t)row->tokens : 0,
                             .p_min = row->p_min,
                             .p_first = row->p_first,
                             .p_top5 = row->p_top5},
                  .called = {is_known(&row->edge_times), is_known(&row->cloud_times)},
                  .times = {row->edge_times, row->cloud_times}},
    };
    r->n_audits += a->id != NULL;
    r->failed |= !a->id;
    return r->failed;
}

static int compare_audits(const void *a, const void *b)
{
    const struct named_audit *x = a, *y = b;
    return x->time_ms != y->time_ms ? (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms)
                                    : strcmp(x->id, y->id);
}

static const struct hindsight_audit *audit_of(const struct redecision *r,
                                              const struct journal_row *row)
{
    const struct named_audit key = {.id = (char *)(uintptr_t)row->id, .time_ms = row->time_ms};
    const struct named_audit *found =
        r->n_audits > 0 ? bsearch(&key, r->audits, r->n_audits, sizeof(key), compare_audits) : NULL;
    return found ? &found->audit : NULL;
}

static enum moa_plan plan_of(const char *name)
{
    for (int plan = 0; plan < MOA_PLANS; plan++) {
        if (strcmp(name, moa_plan_name((enum moa_plan)plan)) == 0)
            return (enum moa_plan)plan;
    }
    return MOA_PLAN_EDGE;
}

static double known(int64_t count)
{
    return count == JOURNAL_UNKNOWN ? (double)NAN : (double)count;
}

static int take_row(const struct journal_row *row, void *arg)
{
    struct redecision *r = arg;
    struct moa_docket docket;
    struct moa_error error;
    r->first_ms = r->n_rows++ == 0 ? row->time_ms : r->first_ms;
    r->last_ms = row->time_ms;
    if (row->docket.n == 0) {
        r->n_without++;
        return 0;
    }
    if (moa_docket_read(row->docket, r->room, &docket, &error)) {
        r->n_unreadable++;
        snprintf(r->unreadable, sizeof(r->unreadable), "%s", error.message);
        return 0;
    }
    const struct hindsight_row past = {
        .policy = row->policy,
        .words = row->settings,
        .docket = &docket,
        .done = plan_of(row->plan),
        .tier = strncmp(row->decision, "text=cloud", 10) == 0 ? MOA_CLOUD : MOA_EDGE,
        .total_ms = row->status == 200 ? (double)row->total_us / 1000 : (double)NAN,
        .cloud_bytes = (double)row->cloud_bytes_up,
        .cloud_prompt_tokens = known(row->cloud_prompt_tokens),
        .cloud_completion_tokens = known(row->cloud_completion_tokens),
        .audit = audit_of(r, row),
    };
    return r->failed = hindsight_take(r->hindsight, &past) != 0;
}

static int read_journal(struct redecision *r, const char *path)
{
    char why[512];
    struct journal_filter filter = journal_filter_all(HINDSIGHT_ROWS_MAX);
    filter.since_ms = arguments.since_ms;
    int result = journal_read_audits(path, arguments.since_ms, take_audit, r, why, sizeof(why));
    if (r->n_audits > 0)
        qsort(r->audits, r->n_audits, sizeof(*r->audits), compare_audits);
    result = result || journal_read(path, &filter, take_row, r, why, sizeof(why));
    if (result || r->failed)
        fprintf(stderr, "moaoff replay: %s\n", result ? why : "out of memory, or too many rows");
    return result || r->failed ? -1 : 0;
}

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

static void add_figures(yyjson_mut_doc *doc, yyjson_mut_val *list,
                        const struct hindsight_figures *f)
{
    static const char *const paths[HINDSIGHT_PATHS] = {"edge", "escalated", "cloud", "split"};
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, o, "policy", f->label ? f->label : "as it was");
    yyjson_mut_obj_add_uint(doc, o, "requests", f->n);
    for (int path = 0; path < HINDSIGHT_PATHS; path++)
        yyjson_mut_obj_add_uint(doc, o, paths[path], f->n_of[path]);
    yyjson_mut_obj_add_uint(doc, o, "score_drawn", f->n_drawn);
    yyjson_mut_obj_add_uint(doc, o, "score_unknown", f->n_unknown);
    yyjson_mut_obj_add_uint(doc, o, "otherwise", f->n_otherwise);
    json_add_number(doc, o, "bytes_up", f->bytes_up);
    json_add_number(doc, o, "cost", f->cost);
    json_add_number(doc, o, "mean_ms", f->mean_ms);
    json_add_number(doc, o, "p95_ms", f->p95_ms);
    yyjson_mut_obj_add_uint(doc, o, "timed", f->n_timed);
    yyjson_mut_obj_add_uint(doc, o, "measured", f->n_measured);
    json_add_number(doc, o, "agreement", f->agreement.value);
    json_add_number(doc, o, "agreement_low", f->agreement.low);
    json_add_number(doc, o, "agreement_high", f->agreement.high);
    yyjson_mut_obj_add_uint(doc, o, "audits", f->n_audits);
}

static void print_json(const struct redecision *r)
{
    struct hindsight_again again;
    struct hindsight_figures f;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return;
    }
    yyjson_mut_doc_set_root(doc, root);
    hindsight_again(r->hindsight, &again);
    yyjson_mut_obj_add_uint(doc, root, "requests", r->n_rows);
    yyjson_mut_obj_add_uint(doc, root, "without_docket", r->n_without);
    yyjson_mut_obj_add_uint(doc, root, "unreadable", r->n_unreadable);
    yyjson_mut_obj_add_uint(doc, root, "of_learning_policies", again.n_learning);
    yyjson_mut_obj_add_uint(doc, root, "decided_again", again.n);
    yyjson_mut_obj_add_uint(doc, root, "differ", again.n_differ);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "policies");
    for (size_t i = 0; hindsight_figures(r->hindsight, i, &f); i++)
        add_figures(doc, list, &f);
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
    if (json)
        puts(json);
    free(json);
    yyjson_mut_doc_free(doc);
}

/* ---- all of it ---- */

/* "NAME" or "NAME:KEY=VALUE,...". */
static int ask(struct redecision *r, const char *argument, const struct config *config)
{
    char name[64], why[256];
    const size_t n = strcspn(argument, ":");
    snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name)), argument);
    const char *words = argument[n] ? argument + n + 1 : "";
    if (!hindsight_ask(r->hindsight, name, words, config->policy_settings, why, sizeof(why)))
        return 0;
    fprintf(stderr, "moaoff replay: --policy %s: %s\n", argument, why);
    return -1;
}

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

static int replay(struct redecision *r, const struct config *config)
{
    const char *path = arguments.journal_path ? arguments.journal_path : config->journal_path;
    const struct budget_terms prices = prices_of(config);
    if (!path[0])
        return options_usage(&replay_command, "which journal? Name one, or give --config.");
    r->hindsight = hindsight_new(&prices);
    r->room = malloc(sizeof(*r->room));
    if (!r->hindsight || !r->room) {
        fputs("moaoff replay: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < arguments.policies.n; i++) {
        if (ask(r, arguments.policies.items[i], config))
            return EXIT_USAGE;
    }
    if (read_journal(r, path))
        return EXIT_FAILED;
    if (arguments.json)
        print_json(r);
    else
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
    for (size_t i = 0; i < r.n_audits; i++)
        free(r.audits[i].id);
    free(r.audits);
    free(r.room);
    hindsight_free(r.hindsight);
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
