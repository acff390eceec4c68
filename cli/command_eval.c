/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff eval`: its options. study/eval.c does the work.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/moaoff.h>

#include "study/eval.h"

#include "command.h"

static volatile sig_atomic_t stop;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

static const char *const scorers[] = {"vqa2021", "vqa2017", "normalized", NULL}; /* vqa_scorer */
static const char *const splits[] = {"all", "calibration", "test", NULL};        /* dataset_split */

/* What of it is no whole number or text of its own type is put into `eval` by run(). */
static struct {
    struct eval_options eval;
    int64_t concurrency, images, limit, seed, max_tokens, edge_pid, cloud_pid;
    double rate, timeout_s;
    int split;
    bool export_images;
} arguments = {
    .eval = {.url = "http://127.0.0.1:8080",
             .dataset = {.scorer = -1,
                         .suffix = "\nAnswer the question using a single word or phrase.",
                         .log_name = "moaoff eval"},
             .link_mbps = NAN,
             .stop = &stop},
    .concurrency = -1,
    .images = -1,
    .limit = -1,
    .seed = 1,
    .max_tokens = 32,
    .edge_pid = -1,
    .cloud_pid = -1,
    .rate = NAN,
    .timeout_s = 120,
};

static const char *read_policy(const char *value)
{
    struct eval_options *o = &arguments.eval;
    if (o->n_policies == EVAL_POLICIES_MAX)
        return "too many policies";
    struct eval_policy *policy = &o->policies[o->n_policies++];
    const size_t n = strcspn(value, "=");
    snprintf(policy->name, sizeof(policy->name), "%.*s", (int)n, value);
    policy->label = value[n] && value[n + 1] ? value + n + 1 : policy->name;
    return NULL;
}

static const char *read_key(const char *value)
{
    arguments.eval.api_key = getenv(value);
    return arguments.eval.api_key ? NULL : "is not set";
}

static const char *read_suffix(const char *value)
{
    arguments.eval.dataset.suffix = value;
    return NULL;
}

static const struct option_row rows[] = {
    {.letter = 'd',
     .name = "dataset",
     .argument = "SET",
     .help = "vqav2:QUESTIONS.json:ANNOTATIONS.json:IMAGE_DIR, mmbench:FILE.tsv or jsonl:FILE",
     .text = &arguments.eval.dataset_spec},
    {.name = "name",
     .argument = "NAME",
     .help = "what to call the set in the records; without it its kind",
     .text = &arguments.eval.dataset_name},
    {.letter = 'p',
     .name = "policy",
     .argument = "NAME",
     .help = "may be repeated; each is asked for as model moaoff/NAME; NAME=LABEL puts LABEL into "
             "the records",
     .read = read_policy},
    {.letter = 'u',
     .name = "url",
     .argument = "URL",
     .help = "of the gateway",
     .text = &arguments.eval.url},
    {.name = "api-key-env",
     .argument = "VAR",
     .help = "environment variable with the gateway's API key",
     .read = read_key},
    {.letter = 'o',
     .name = "out",
     .argument = "DIR",
     .help = "folder for the records; made if it is missing",
     .text = &arguments.eval.out},
    {.name = "record",
     .argument = "FILE",
     .help =
         "append every answer with its log-probabilities to FILE, for `moaoff engine`; with one "
         "policy",
     .text = &arguments.eval.answers_path},
    {.letter = 'r',
     .name = "rate",
     .argument = "R",
     .help = "R requests a second at random times, whatever has been answered; latency counts from "
             "the scheduled time",
     .number = &arguments.rate,
     .min = 0.001,
     .max = 1e5},
    {.letter = 'c',
     .name = "concurrency",
     .argument = "N",
     .help = "N requests at once instead; without both one",
     .integer = &arguments.concurrency,
     .min = 1,
     .max = 10000},
    {.name = "images",
     .argument = "N",
     .help = "all questions about N images of the set, drawn at random; without it all",
     .integer = &arguments.images,
     .min = 1,
     .max = 1e9},
    {.letter = 'l',
     .name = "limit",
     .argument = "N",
     .help = "N questions of those, drawn at random, with all their rotations; without it all",
     .integer = &arguments.limit,
     .min = 1,
     .max = 1e9},
    {.letter = 's',
     .name = "seed",
     .argument = "N",
     .help = "of the order, what is drawn and the arrivals",
     .integer = &arguments.seed,
     .max = 1e15},
    {.name = "split",
     .argument = "WHICH",
     .help = "all, calibration (a fifth of the images) or test",
     .choice = &arguments.split,
     .choices = splits},
    {.name = "scorer",
     .argument = "NAME",
     .help = "of questions with several answers: vqa2021 or vqa2017, as VQA's own tool of that "
             "year, or normalized; without it vqa2021 for vqav2, normalized for jsonl",
     .choice = &arguments.eval.dataset.scorer,
     .choices = scorers},
    {.name = "circular",
     .help = "ask every multiple choice question in each rotation of its options, unless rows of "
             "the set do",
     .flag = &arguments.eval.dataset.circular},
    {.name = "suffix",
     .argument = "TEXT",
     .help = "behind every question that is no multiple choice; without it a line that asks for a "
             "single word or phrase",
     .read = read_suffix},
    {.name = "max-tokens",
     .argument = "N",
     .help = "of an answer",
     .integer = &arguments.max_tokens,
     .min = 1,
     .max = 1e6},
    {.name = "keep-prompt-cache",
     .help = "let llama-server reuse prompts; without it \"cache_prompt\": false is asked for, "
             "because every policy asks the same questions",
     .flag = &arguments.eval.keep_prompt_cache},
    {.name = "timeout",
     .argument = "S",
     .help = "seconds for one request",
     .number = &arguments.timeout_s,
     .min = 0.001,
     .max = 1e5},
    {.name = "link-mbps",
     .argument = "B",
     .help = "the rate of the link, to be written down",
     .number = &arguments.eval.link_mbps,
     .min = 0.001,
     .max = 1e7},
    {.name = "edge-pid",
     .argument = "PID",
     .help = "local engine whose CPU time and memory are measured, with its children",
     .integer = &arguments.edge_pid,
     .min = 1,
     .max = 1e9},
    {.name = "cloud-pid",
     .argument = "PID",
     .help = "the same for the cloud engine",
     .integer = &arguments.cloud_pid,
     .min = 1,
     .max = 1e9},
    {.name = "edge-engine",
     .argument = "URL",
     .help = "engine whose /metrics and /v1/models tell tokens and parameters",
     .text = &arguments.eval.engine_urls[MOA_EDGE]},
    {.name = "cloud-engine",
     .argument = "URL",
     .help = "the same for the cloud engine",
     .text = &arguments.eval.engine_urls[MOA_CLOUD]},
    {.name = "export-images",
     .help = "write the images of the set and its questions, questions.txt, into DIR instead, for "
             "`moaoff calibrate`",
     .flag = &arguments.export_images},
};

/* NULL, or why there is nothing to do. */
static const char *what_is_missing(void)
{
    const struct eval_options *o = &arguments.eval;
    if (!o->dataset_spec)
        return "--dataset is missing";
    if (!o->out)
        return "--out is missing";
    if (!arguments.export_images && o->n_policies == 0)
        return "--policy is missing";
    if (o->answers_path && o->n_policies > 1)
        return "--record takes one policy";
    if (!isnan(arguments.rate) && arguments.concurrency > 0)
        return "either --rate or --concurrency";
    return NULL;
}

static size_t count_or(int64_t given, size_t fallback)
{
    return given > 0 ? (size_t)given : fallback;
}

static int run(void)
{
    struct eval_options *o = &arguments.eval;
    const char *missing = what_is_missing();
    if (missing)
        return options_usage(&eval_command, "%s", missing);
    o->rate = isnan(arguments.rate) ? 0 : arguments.rate;
    o->concurrency = count_or(arguments.concurrency, 1);
    o->dataset.images = count_or(arguments.images, 0);
    o->dataset.limit = count_or(arguments.limit, 0);
    o->dataset.seed = (uint64_t)arguments.seed;
    o->dataset.split = (enum dataset_split)arguments.split;
    o->max_tokens = (int)arguments.max_tokens;
    o->timeout_ms = (long)(1000.0 * arguments.timeout_s);
    o->pids[MOA_EDGE] = (pid_t)count_or(arguments.edge_pid, 0);
    o->pids[MOA_CLOUD] = (pid_t)count_or(arguments.cloud_pid, 0);
    /* The second one ends the program as usual. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    const int failed = arguments.export_images ? eval_export_images(o) : eval_run(o);
    return failed ? EXIT_FAILED : EXIT_FINE;
}

const struct command eval_command = {
    .name = "eval",
    .summary = "ask a gateway every question of a set, and record the answers",
    .synopsis = "--dataset SET --out DIR --policy NAME... [OPTION]...",
    .description =
        "Asks the gateway at URL every question of SET, once with every policy, and writes what "
        "came back to DIR. `moaoff report DIR` makes tables and figures of it. Run again, it does "
        "what is missing; Ctrl-C keeps what is done.",
    .notes = "Exit status: 0 every question was answered, 1 some failed or it was interrupted, 2 "
             "wrong usage.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
