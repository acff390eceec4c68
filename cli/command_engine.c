/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff engine`: its options. study/replay.c does the work.
 */
#include <signal.h>
#include <stddef.h>

#include "study/replay.h"

#include "command.h"
#include "options.h"

static const char *const dialects[] = {"llama", "vllm", "sglang", NULL}; /* replay_dialect */

static const char *records, *profile, *model, *host = "127.0.0.1";
static int64_t port = 0;
static int dialect = REPLAY_LLAMA;

static const struct option_row rows[] = {
    {.name = "records",
     .argument = "FILE",
     .help = "recorded answers, as `moaoff eval --record` writes them",
     .text = &records},
    {.name = "profile",
     .argument = "FILE",
     .help = "how long the engine takes, such as models/profiles/qwen2-vl-2b-rtx3090.yaml; without "
             "it no time",
     .text = &profile},
    {.name = "dialect",
     .argument = "NAME",
     .help = "whose words it answers in: llama, vllm or sglang",
     .choice = &dialect,
     .choices = dialects},
    {.name = "model",
     .argument = "NAME",
     .help = "what it calls itself; without it as the first record does",
     .text = &model},
    {.name = "host", .argument = "ADDRESS", .help = "to listen on", .text = &host},
    {.letter = 'p',
     .name = "port",
     .argument = "N",
     .help = "to listen on; 0: any free one",
     .integer = &port,
     .max = 65535},
};

static int run(void)
{
    if (!records)
        return options_usage(&engine_command, "--records is missing");
    signal(SIGPIPE, SIG_IGN);
    const struct replay_options options = {.records = records,
                                           .profile = profile,
                                           .model = model,
                                           .dialect = (enum replay_dialect)dialect,
                                           .host = host,
                                           .port = (uint16_t)port};
    return replay_run(&options) ? EXIT_FAILED : EXIT_FINE;
}

const struct command engine_command = {
    .name = "engine",
    .summary = "answer as an engine did, from records, in the time of a profile",
    .synopsis = "--records FILE [--profile FILE] [OPTION]...",
    .description =
        "An OpenAI-compatible server that knows no model: it gives the recorded answer to a "
        "prompt, with its log-probabilities, whole or as a stream, when the profile says that each "
        "token is ready. A prompt without a record is answered with 404. Prints its URL once it "
        "listens; SIGINT or SIGTERM ends it.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
