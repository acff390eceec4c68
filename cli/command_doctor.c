/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff doctor`: whether the engines that a configuration names do what it needs of them.
 */
#include "gateway/doctor.h"

#include "command.h"

static struct {
    const char *config_path;
} arguments;

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "the gateway's configuration (YAML; - for standard input); without it every key has "
             "its default",
     .text = &arguments.config_path},
};

static int run(void)
{
    struct config *config = command_config("doctor", arguments.config_path, NULL, CONFIG_TO_ASK);
    if (!config)
        return EXIT_FAILED;
    const unsigned n_wrong = doctor_run(config, stdout);
    config_free(config);
    return n_wrong ? EXIT_FAILED : EXIT_FINE;
}

const struct command doctor_command = {
    .name = "doctor",
    .summary = "ask the engines of a configuration what they are and do",
    .synopsis = "[OPTION]...",
    .description =
        "Asks every endpoint of both tiers, with the configured API keys and models, for its "
        "models, its health and two answers of one token (words, and a picture), and says what it "
        "is, what it takes, how many requests it works on at once, whether it gives "
        "log-probabilities, what the uplink carries, and what all that means for requests.",
    .notes =
        "Costs a few tokens of each engine and 400 kB of the uplink. Exit status 1 if something "
        "is wrong.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
