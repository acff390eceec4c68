/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff decide`: what the gateway would decide for a request body in a given state. Executes
 * nothing and asks no engine; the same code as POST /v1/decide.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/moaoff.h>

#include "gateway/chat.h"
#include "gateway/config.h"
#include "gateway/perceive.h"

#include "command.h"
#include "input.h"

static const char help[] =
    "Usage: moaoff decide [OPTION]... [FILE]\n"
    "Prints the decision for the chat completion body in FILE (or - or nothing: standard input)\n"
    "and its reasons, as JSON. Nothing is executed.\n\n"
    "  -c, --config FILE      thresholds and weights from this configuration of `serve`\n"
    "  -p, --policy NAME      decide with this policy instead of the configured one\n"
    "      --edge-load L      load of the edge, 0 to 1 (default: unknown)\n"
    "      --uplink-mbps B    uplink in Mbit/s (default: the configuration's, else unknown)\n"
    "      --edge-down        decide as if the edge were down\n"
    "      --cloud-down       decide as if the cloud were down\n"
    "      --pin              pin the request to the edge\n"
    "      --why              also say on standard error why, in words and numbers\n"
    "  -h, --help             print this and exit\n"
    "      --version          print the version and exit\n";

enum {
    OPTION_LOAD = 256,
    OPTION_UPLINK,
    OPTION_EDGE_DOWN,
    OPTION_CLOUD_DOWN,
    OPTION_PIN,
    OPTION_WHY,
    OPTION_VERSION
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"policy", required_argument, NULL, 'p'},
    {"edge-load", required_argument, NULL, OPTION_LOAD},
    {"uplink-mbps", required_argument, NULL, OPTION_UPLINK},
    {"edge-down", no_argument, NULL, OPTION_EDGE_DOWN},
    {"cloud-down", no_argument, NULL, OPTION_CLOUD_DOWN},
    {"pin", no_argument, NULL, OPTION_PIN},
    {"why", no_argument, NULL, OPTION_WHY},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *config_path;
    const char *policy; /* NULL: the configured one */
    const char *body_path;
    double edge_load, uplink_mbps; /* NaN: not given */
    bool edge_down, cloud_down, pinned, why, help, version;
};

static int read_number(const char *option, const char *text, double max, double *ret_number)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || *end || errno || !(number >= 0.0 && number <= max)) {
        fprintf(stderr, "moaoff decide: %s must be a number from 0 to %g, not \"%s\"\n", option,
                max, text);
        return -1;
    }
    *ret_number = number;
    return 0;
}

static int read_option(int option, struct arguments *a)
{
    switch (option) {
    case 'c':
        a->config_path = optarg;
        return 0;
    case 'p':
        a->policy = optarg;
        return 0;
    case OPTION_LOAD:
        return read_number("--edge-load", optarg, 1, &a->edge_load);
    case OPTION_UPLINK:
        return read_number("--uplink-mbps", optarg, 1e6, &a->uplink_mbps);
    case OPTION_EDGE_DOWN:
        a->edge_down = true;
        return 0;
    case OPTION_CLOUD_DOWN:
        a->cloud_down = true;
        return 0;
    case OPTION_PIN:
        a->pinned = true;
        return 0;
    case OPTION_WHY:
        a->why = true;
        return 0;
    case 'h':
        a->help = true;
        return 0;
    case OPTION_VERSION:
        a->version = true;
        return 0;
    default:
        fputs("See `moaoff decide --help`.\n", stderr);
        return -1;
    }
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
    *a = (struct arguments){.body_path = "-", .edge_load = NAN, .uplink_mbps = NAN};
    int option;
    while ((option = getopt_long(argc, argv, "c:p:h", options, NULL)) != -1) {
        if (read_option(option, a))
            return -1;
    }
    if (optind < argc)
        a->body_path = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "moaoff decide: unexpected argument \"%s\"\n", argv[optind]);
        return -1;
    }
    return 0;
}

static int score_images(const struct chat *chat, const struct config *config,
                        struct image_score *scores, struct http_error *error)
{
    for (size_t i = 0; i < chat->n_images; i++) {
        perceive_image(chat, i, config, &scores[i]);
        if (scores[i].error.status) {
            *error = scores[i].error;
            return -1;
        }
    }
    return 0;
}

/* One line for the text and one for each image. */
static void explain(const struct moa_policy *policy, const struct perceived *perceived,
                    const struct moa_state *state, const struct moa_decision *decision)
{
    char why[256];
    for (size_t i = 0;
         moa_explain(policy, &perceived->request, state, decision, i, why, sizeof(why)); i++) {
        const struct moa_choice *choice = i ? &decision->images[i - 1] : &decision->text;
        if (i)
            fprintf(stderr, "image %zu", i);
        else
            fputs("text", stderr);
        fprintf(stderr, ": %s (%s): %s\n", moa_tier_name(choice->tier),
                moa_reason_name(choice->reason), why);
    }
}

/* As the gateway takes it: -p, else the model "moaoff/NAME", else the configured one. */
static const char *policy_name(const struct arguments *a, const struct config *config,
                               const struct chat *chat)
{
    static const char prefix[] = "moaoff/";
    if (a->policy)
        return a->policy;
    const bool named = strncmp(chat->model_name, prefix, sizeof(prefix) - 1) == 0;
    return named ? chat->model_name + sizeof(prefix) - 1 : config->policy;
}

static int decide(const struct arguments *a, const struct config *config, struct moa_bytes body,
                  struct http_error *error)
{
    struct chat chat;
    struct chat_limits limits = {.max_text_bytes = (size_t)config->max_text_bytes,
                                 .max_images = (size_t)config->max_images};
    if (chat_parse(body, &limits, &chat, error))
        return -1;

    struct image_score scores[MOA_IMAGES_MAX];
    struct perceived perceived;
    struct moa_decision decision;
    const double configured = config->tier[MOA_CLOUD].uplink_mbps;
    const struct moa_state state = {
        .edge_load = a->edge_load,
        .uplink_mbps = isnan(a->uplink_mbps) ? configured : a->uplink_mbps,
        .edge_up = !a->edge_down,
        .cloud_up = !a->cloud_down,
    };
    struct moa_policy *policy = NULL;
    const char *name = policy_name(a, config, &chat);
    int result = score_images(&chat, config, scores, error);
    if (!result && moa_policy_new(name, config->policy_settings, &policy))
        result = http_fail(error, 404, "model_not_found", "no policy \"%.200s\"", name);
    if (!result) {
        const bool pinned = a->pinned || config_pins_model(config, chat.model_name);
        perceive_request(&chat, scores, config, pinned, &perceived);
        enum moa_err err = moa_decide(policy, &perceived.request, &state, &decision);
        if (err)
            result = http_fail(error, 500, "decision_failed", "no decision: %s", moa_strerror(err));
    }
    if (!result) {
        size_t n;
        char *json = perceive_decision_json(&perceived, scores, &state, &decision, &n);
        if (json)
            puts(json);
        if (json && a->why)
            explain(policy, &perceived, &state, &decision);
        if (!json)
            result = http_fail(error, 503, "out_of_memory", "Out of memory.");
        free(json);
    }
    moa_policy_free(policy);
    chat_done(&chat);
    return result;
}

static int run(const struct arguments *a, const struct config *config)
{
    struct moa_policy *policy;
    const char *name = a->policy ? a->policy : config->policy;
    if (moa_policy_new(name, config->policy_settings, &policy)) {
        fprintf(stderr, "moaoff decide: no policy \"%s\"\n", name);
        return EXIT_USAGE;
    }
    moa_policy_free(policy);
    struct moa_bytes body;
    const char *why = input_read(a->body_path, &body);
    int status = EXIT_FAILED;
    if (why) {
        fprintf(stderr, "moaoff decide: %s: %s\n", a->body_path, why);
    } else {
        struct http_error error;
        status = decide(a, config, body, &error) ? EXIT_FAILED : EXIT_FINE;
        if (status)
            fprintf(stderr, "moaoff decide: %s: %s\n", a->body_path, error.message);
        free((void *)(uintptr_t)body.p);
    }
    return status;
}

int decide_main(int argc, char **argv)
{
    struct arguments a;
    if (read_arguments(argc, argv, &a))
        return EXIT_USAGE;
    if (a.help) {
        fputs(help, stdout);
        return EXIT_FINE;
    }
    if (a.version) {
        printf("moaoff %s\n", moa_version());
        return EXIT_FINE;
    }
    struct config *config = command_config("decide", a.config_path, CONFIG_TO_LOOK);
    if (!config)
        return EXIT_FAILED;
    int status = run(&a, config);
    config_free(config);
    return status;
}
