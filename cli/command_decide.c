/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff decide`: what the gateway would decide for a request body in a given state. Executes
 * nothing and asks no engine; the same code as POST /v1/decide.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/moaoff.h>

#include "gateway/chat.h"
#include "gateway/config.h"
#include "gateway/judge.h"
#include "gateway/perceive.h"
#include "gateway/pins.h"

#include "command.h"
#include "input.h"

static struct decide_arguments {
    const char *config_path;
    const char *policy; /* NULL: the configured one */
    const char *body_path;
    double edge_load, uplink_mbps; /* NaN: not given */
    const char *pins;              /* NULL: none */
    bool edge_down, cloud_down, over_budget, pinned, why;
} arguments = {.body_path = "-", .edge_load = NAN, .uplink_mbps = NAN};

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "thresholds and weights from this configuration of `serve`",
     .text = &arguments.config_path},
    {.letter = 'p',
     .name = "policy",
     .argument = "NAME",
     .help = "decide with this policy instead of the configured one",
     .text = &arguments.policy},
    {.name = "edge-load",
     .argument = "L",
     .help = "load of the edge, 0 to 1; without it unknown",
     .number = &arguments.edge_load,
     .max = 1},
    {.name = "uplink-mbps",
     .argument = "B",
     .help = "uplink in Mbit/s; without it the configuration's, else unknown",
     .number = &arguments.uplink_mbps,
     .max = 1e6},
    {.name = "edge-down", .help = "decide as if the edge were down", .flag = &arguments.edge_down},
    {.name = "cloud-down",
     .help = "decide as if the cloud were down",
     .flag = &arguments.cloud_down},
    {.name = "over-budget",
     .help = "decide as if the cloud's budget were spent",
     .flag = &arguments.over_budget},
    {.name = "pin", .help = "pin the request to the edge", .flag = &arguments.pinned},
    {.name = "pin-only",
     .argument = "KINDS",
     .help = "pin what is of these kinds, of text, image, audio, video and file with commas",
     .text = &arguments.pins},
    {.name = "why",
     .help = "also say on standard error why, in words and numbers",
     .flag = &arguments.why},
    {.argument = "FILE",
     .help = "a chat completion body; -: standard input",
     .text = &arguments.body_path},
};

static int score_parts(const struct chat *chat, const struct config *config,
                       enum moa_image_mode mode, struct image_score *scores,
                       struct http_error *error)
{
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct chat_part *part = &chat->parts[i];
        const struct moa_bytes url = {(const char *)chat->body.p + part->data.begin,
                                      part->data.end - part->data.begin};
        if (part->kind == MOA_IMAGE)
            perceive_image(chat, i, config, mode, &scores[i]);
        else if (part->kind != MOA_FILE && part->has_data)
            perceive_media(url, &scores[i].heard);
        if (scores[i].error.status) {
            *error = scores[i].error;
            return -1;
        }
    }
    return 0;
}

/* One line for the text and one for each image. */
static void explain(const struct moa_policy *policy, const struct perceived *perceived,
                    const struct moa_state *state)
{
    const struct moa_decision *decision = &perceived->decision;
    char why[256];
    for (size_t i = 0;
         moa_explain(policy, &perceived->request, state, decision, i, why, sizeof(why)); i++) {
        const struct moa_choice *choice = &decision->choices[i];
        fputs(moa_kind_name(perceived->modalities[i].kind), stderr);
        if (i)
            fprintf(stderr, " %zu", i);
        fprintf(stderr, ": %s (%s): %s\n", moa_tier_name(choice->tier),
                moa_reason_name(choice->reason), why);
    }
}

/* The decision, printed. */
static int print_decision(const struct decide_arguments *a, const struct judge_case *asked,
                          const struct perceived *perceived, struct http_error *error)
{
    size_t n;
    char *json = perceive_decision_json(perceived, asked->scores, asked->state, &n);
    if (!json)
        return http_fail(error, 503, "out_of_memory", "Out of memory.");
    puts(json);
    free(json);
    if (a->why)
        explain(asked->policy, perceived, asked->state);
    return 0;
}

static int decide_chat(const struct decide_arguments *a, const struct config *config,
                       struct chat *chat, struct http_error *error)
{
    const double configured = config->tier[MOA_CLOUD].uplink_mbps;
    const struct moa_state state = {
        .edge_load = a->edge_load,
        .uplink_mbps = isnan(a->uplink_mbps) ? configured : a->uplink_mbps,
        .edge_up = !a->edge_down,
        .cloud_up = !a->cloud_down,
        .cloud_spent = a->over_budget,
    };
    unsigned pins = a->pinned ? PINS_ALL : PINS_NONE, only = PINS_NONE;
    struct judge_terms terms;
    if (a->pins && pins_parse(a->pins, &only))
        return http_fail(error, 400, "invalid_value", "--pin-only " PINS_FORM);
    if (judge_read(config, pins | only, chat, &terms, error) && !a->policy)
        return -1;
    struct moa_policy *policy = NULL;
    if (moa_policy_new(a->policy ? a->policy : terms.policy, config->policy_settings, &policy))
        return http_fail(error, 503, "out_of_memory", "Out of memory.");
    struct image_score *scores = calloc(chat->n_parts + 1, sizeof(*scores));
    const struct judge_case asked = {
        .config = config, .chat = chat, .scores = scores, .policy = policy, .state = &state};
    struct perceived perceived = {.modalities = NULL};
    int result = scores ? score_parts(chat, config, judge_image_mode(policy), scores, error)
                        : http_fail(error, 503, "out_of_memory", "Out of memory.");
    result = result || judge_decide(&asked, &perceived, error) ||
             print_decision(a, &asked, &perceived, error);
    moa_policy_free(policy);
    perceive_done(&perceived);
    free(scores);
    return result ? -1 : 0;
}

static int decide(const struct decide_arguments *a, const struct config *config,
                  struct moa_bytes body, struct http_error *error)
{
    struct chat chat;
    struct chat_limits limits = {.max_text_bytes = (size_t)config->max_text_bytes,
                                 .max_images = (size_t)config->max_images};
    if (chat_parse(body, &limits, &chat, error))
        return -1;
    int result = decide_chat(a, config, &chat, error);
    chat_done(&chat);
    return result;
}

static int decide_file(const struct decide_arguments *a, const struct config *config)
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

static int run(void)
{
    struct config *config = command_config("decide", arguments.config_path, NULL, CONFIG_TO_LOOK);
    if (!config)
        return EXIT_FAILED;
    int status = decide_file(&arguments, config);
    config_free(config);
    return status;
}

const struct command decide_command = {
    .name = "decide",
    .summary = "show what would be decided for a request, and why",
    .synopsis = "[OPTION]... [FILE]",
    .description =
        "Prints the decision for the chat completion body in FILE and its reasons, as JSON. "
        "Nothing is executed.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
