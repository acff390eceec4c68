/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff serve`: the gateway. Reads the configuration and hands over to gateway/serve.c.
 */
#include <stdio.h>

#include "gateway/config.h"
#include "gateway/serve.h"

#include "command.h"

static struct {
    const char *config_path;
    bool check, defaults;
} arguments;

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "read the configuration from FILE (YAML; - for standard input); without it every key "
             "has its default",
     .text = &arguments.config_path},
    {.name = "check", .help = "check the configuration and exit", .flag = &arguments.check},
    {.name = "defaults",
     .help = "print every key with its default, unit and range, and exit",
     .flag = &arguments.defaults},
};

struct config *command_config(const char *command, const char *path, enum config_use use)
{
    struct config *config;
    struct config_error error;
    if (config_load(path, use, &config, &error) == 0)
        return config;
    fprintf(stderr, "moaoff %s: %s", command, path ? path : "configuration");
    if (error.line > 0)
        fprintf(stderr, ":%u", error.line);
    fprintf(stderr, ": %s\n", error.message);
    return NULL;
}

static int run(void)
{
    const char *path = arguments.config_path;
    if (arguments.defaults) {
        config_print_defaults(stdout);
        return EXIT_FINE;
    }
    struct config *config = command_config("serve", path, CONFIG_TO_SERVE);
    if (!config)
        return EXIT_FAILED;
    if (!arguments.check)
        return serve_run(path, config);
    char why[512];
    if (serve_check(config, why, sizeof(why)) == 0)
        return EXIT_FINE;
    fprintf(stderr, "moaoff serve: %s\n", why);
    return EXIT_FAILED;
}

const struct command serve_command = {
    .name = "serve",
    .summary = "run the gateway",
    .synopsis = "[OPTION]...",
    .description =
        "Serves the OpenAI HTTP API and decides for every request, and for each of its modalities, "
        "whether the edge or the cloud engine processes it.",
    .notes = "SIGTERM finishes what is open and ends; a second one ends at once. SIGHUP reads the "
             "file again.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
