/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff eval`: its options. study/eval.c does the work.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/moaoff.h>

#include "study/eval.h"

#include "command.h"

static const char help[] =
    "Usage: moaoff eval --dataset SET --url URL --out DIR --policy NAME... [OPTION]...\n"
    "Asks the gateway at URL every question of SET, once with every policy, and writes what came\n"
    "back to DIR. `moaoff report DIR` makes tables and figures of it. Run again, it does what is\n"
    "missing; Ctrl-C keeps what is done.\n\n"
    "  -d, --dataset SET      vqav2:QUESTIONS.json:ANNOTATIONS.json:IMAGE_DIR, mmbench:FILE.tsv "
    "or\n"
    "                         jsonl:FILE\n"
    "      --name NAME        what to call the set in the records (default: its kind)\n"
    "  -p, --policy NAME      may be repeated; each is asked for as model moaoff/NAME; NAME=LABEL\n"
    "                         puts LABEL into the records\n"
    "  -u, --url URL          of the gateway (default: http://127.0.0.1:8080)\n"
    "      --api-key-env VAR  environment variable with the gateway's API key\n"
    "  -o, --out DIR          folder for the records; made if it is missing\n"
    "  -r, --rate R           R requests a second at random times, whatever has been answered;\n"
    "                         latency counts from the scheduled time\n"
    "  -c, --concurrency N    N requests at once instead (default: 1)\n"
    "  -l, --limit N          N questions of the set, drawn at random (default: all)\n"
    "  -s, --seed N           of the order, the limit and the arrivals (default: 1)\n"
    "      --split WHICH      all, calibration (a fifth of the images) or test (default: all)\n"
    "      --circular         ask every multiple choice question in each rotation of its options\n"
    "      --suffix TEXT      behind every question that is no multiple choice (default: a line\n"
    "                         that asks for a single word or phrase)\n"
    "      --max-tokens N     of an answer (default: 32)\n"
    "      --keep-prompt-cache  let llama-server reuse prompts (default: \"cache_prompt\": false,\n"
    "                         because every policy asks the same questions)\n"
    "      --timeout S        seconds for one request (default: 120)\n"
    "      --link-mbps B      the rate of the link, to be written down\n"
    "      --edge-pid PID     local engine whose CPU time and memory are measured, with its "
    "children\n"
    "      --cloud-pid PID    the same for the cloud engine\n"
    "      --edge-engine URL  engine whose /metrics and /v1/models tell tokens and parameters\n"
    "      --cloud-engine URL the same for the cloud engine\n"
    "      --export-images    write the images of the set and its questions, questions.txt, into\n"
    "                         DIR instead, for `moaoff calibrate`\n"
    "  -h, --help             print this and exit\n"
    "      --version          print the version and exit\n\n"
    "Exit status: 0 every question was answered, 1 some failed or it was interrupted, 2 wrong "
    "usage.\n";

enum {
    OPTION_NAME = 256,
    OPTION_KEY,
    OPTION_SPLIT,
    OPTION_CIRCULAR,
    OPTION_SUFFIX,
    OPTION_TOKENS,
    OPTION_CACHE,
    OPTION_TIMEOUT,
    OPTION_LINK,
    OPTION_EDGE_PID,
    OPTION_CLOUD_PID,
    OPTION_EDGE_ENGINE,
    OPTION_CLOUD_ENGINE,
    OPTION_EXPORT,
    OPTION_VERSION
};

static const struct option options[] = {
    {"dataset", required_argument, NULL, 'd'},
    {"name", required_argument, NULL, OPTION_NAME},
    {"policy", required_argument, NULL, 'p'},
    {"url", required_argument, NULL, 'u'},
    {"api-key-env", required_argument, NULL, OPTION_KEY},
    {"out", required_argument, NULL, 'o'},
    {"rate", required_argument, NULL, 'r'},
    {"concurrency", required_argument, NULL, 'c'},
    {"limit", required_argument, NULL, 'l'},
    {"seed", required_argument, NULL, 's'},
    {"split", required_argument, NULL, OPTION_SPLIT},
    {"circular", no_argument, NULL, OPTION_CIRCULAR},
    {"suffix", required_argument, NULL, OPTION_SUFFIX},
    {"max-tokens", required_argument, NULL, OPTION_TOKENS},
    {"keep-prompt-cache", no_argument, NULL, OPTION_CACHE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"link-mbps", required_argument, NULL, OPTION_LINK},
    {"edge-pid", required_argument, NULL, OPTION_EDGE_PID},
    {"cloud-pid", required_argument, NULL, OPTION_CLOUD_PID},
    {"edge-engine", required_argument, NULL, OPTION_EDGE_ENGINE},
    {"cloud-engine", required_argument, NULL, OPTION_CLOUD_ENGINE},
    {"export-images", no_argument, NULL, OPTION_EXPORT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

struct arguments {
    struct eval_options eval;
    bool export_images, help, version;
};

static volatile sig_atomic_t stop;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

static int read_number(const char *option, double min, double max, bool whole, double *ret_number)
{
    char *end;
    errno = 0;
    double number = strtod(optarg, &end);
    if (end == optarg || *end || errno || !(number >= min && number <= max) ||
        (whole && number != floor(number))) {
        fprintf(stderr, "moaoff eval: --%s must be a %snumber from %g to %g, not \"%s\"\n", option,
                whole ? "whole " : "", min, max, optarg);
        return -1;
    }
    *ret_number = number;
    return 0;
}

static int add_policy(struct eval_options *o)
{
    if (o->n_policies == EVAL_POLICIES_MAX) {
        fprintf(stderr, "moaoff eval: at most %d policies\n", EVAL_POLICIES_MAX);
        return -1;
    }
    struct eval_policy *policy = &o->policies[o->n_policies++];
    size_t n = strcspn(optarg, "=");
    snprintf(policy->name, sizeof(policy->name), "%.*s", (int)n, optarg);
    policy->label = optarg[n] && optarg[n + 1] ? optarg + n + 1 : policy->name;
    return 0;
}

static int read_split(struct eval_options *o)
{
    static const char *const names[] = {"all", "calibration", "test"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(optarg, names[i]) == 0) {
            o->dataset.split = (enum dataset_split)i;
            return 0;
        }
    }
    fprintf(stderr, "moaoff eval: --split must be all, calibration or test, not \"%s\"\n", optarg);
    return -1;
}

/* Options with a number. 1: it is none of them. */
static int read_number_option(int option, struct eval_options *o)
{
    double number = 0.0;
    int failed;
    switch (option) {
    case 'r':
        return read_number("rate", 0.001, 1e5, false, &o->rate);
    case 'c':
        failed = read_number("concurrency", 1, 10000, true, &number);
        o->concurrency = (size_t)number;
        return failed;
    case 'l':
        failed = read_number("limit", 1, 1e9, true, &number);
        o->dataset.limit = (size_t)number;
        return failed;
    case 's':
        failed = read_number("seed", 0, 1e15, true, &number);
        o->dataset.seed = (uint64_t)number;
        return failed;
    case OPTION_TOKENS:
        failed = read_number("max-tokens", 1, 1e6, true, &number);
        o->max_tokens = (int)number;
        return failed;
    case OPTION_TIMEOUT:
        failed = read_number("timeout", 0.001, 1e5, false, &number);
        o->timeout_ms = (long)(1000.0 * number);
        return failed;
    case OPTION_LINK:
        return read_number("link-mbps", 0.001, 1e7, false, &o->link_mbps);
    case OPTION_EDGE_PID:
        failed = read_number("edge-pid", 1, 1e9, true, &number);
        o->pids[MOA_EDGE] = (pid_t)number;
        return failed;
    case OPTION_CLOUD_PID:
        failed = read_number("cloud-pid", 1, 1e9, true, &number);
        o->pids[MOA_CLOUD] = (pid_t)number;
        return failed;
    default:
        return 1;
    }
}

static int read_option(int option, struct arguments *a)
{
    struct eval_options *o = &a->eval;
    int read = read_number_option(option, o);
    if (read != 1)
        return read;
    switch (option) {
    case 'd':
        o->dataset_spec = optarg;
        return 0;
    case OPTION_NAME:
        o->dataset_name = optarg;
        return 0;
    case 'p':
        return add_policy(o);
    case 'u':
        o->url = optarg;
        return 0;
    case OPTION_KEY:
        o->api_key = getenv(optarg);
        if (!o->api_key)
            fprintf(stderr, "moaoff eval: --api-key-env: %s is not set\n", optarg);
        return o->api_key ? 0 : -1;
    case 'o':
        o->out = optarg;
        return 0;
    case OPTION_SPLIT:
        return read_split(o);
    case OPTION_CIRCULAR:
        o->dataset.circular = true;
        return 0;
    case OPTION_CACHE:
        o->keep_prompt_cache = true;
        return 0;
    case OPTION_SUFFIX:
        o->dataset.suffix = optarg;
        return 0;
    case OPTION_EDGE_ENGINE:
        o->engine_urls[MOA_EDGE] = optarg;
        return 0;
    case OPTION_CLOUD_ENGINE:
        o->engine_urls[MOA_CLOUD] = optarg;
        return 0;
    case OPTION_EXPORT:
        a->export_images = true;
        return 0;
    case 'h':
        a->help = true;
        return 0;
    case OPTION_VERSION:
        a->version = true;
        return 0;
    default:
        fputs("See `moaoff eval --help`.\n", stderr);
        return -1;
    }
}

static const char *what_is_missing(const struct arguments *a, int argc)
{
    if (optind < argc)
        return "unexpected argument";
    if (!a->eval.dataset_spec)
        return "--dataset is missing";
    if (!a->eval.out)
        return "--out is missing";
    if (!a->export_images && a->eval.n_policies == 0)
        return "--policy is missing";
    if (a->eval.rate > 0.0 && a->eval.concurrency > 0)
        return "either --rate or --concurrency";
    return NULL;
}

static int run(struct arguments *a)
{
    /* The second one ends the program as usual. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (a->eval.concurrency == 0)
        a->eval.concurrency = 1;
    int failed = a->export_images ? eval_export_images(&a->eval) : eval_run(&a->eval);
    return failed ? EXIT_FAILED : EXIT_FINE;
}

int eval_main(int argc, char **argv)
{
    struct arguments a = {
        .eval = {.url = "http://127.0.0.1:8080",
                 .dataset = {.seed = 1,
                             .suffix = "\nAnswer the question using a single word or phrase.",
                             .log_name = "moaoff eval"},
                 .link_mbps = NAN,
                 .max_tokens = 32,
                 .timeout_ms = 120000,
                 .stop = &stop},
    };
    int option;
    while ((option = getopt_long(argc, argv, "d:p:u:o:r:c:l:s:h", options, NULL)) != -1) {
        if (read_option(option, &a))
            return EXIT_USAGE;
    }
    if (a.help) {
        fputs(help, stdout);
        return EXIT_FINE;
    }
    if (a.version) {
        printf("moaoff %s\n", moa_version());
        return EXIT_FINE;
    }
    const char *missing = what_is_missing(&a, argc);
    if (missing) {
        fprintf(stderr, "moaoff eval: %s\nSee `moaoff eval --help`.\n", missing);
        return EXIT_USAGE;
    }
    return run(&a);
}
