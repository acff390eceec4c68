/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff serve`: the gateway. Reads the configuration and hands over to gateway/serve.c.
 */
#include <stdio.h>

#include "gateway/config.h"
#include "gateway/doctor.h"
#include "gateway/serve.h"
#include "study/redecide.h"

#include "command.h"

static struct {
    const char *config_path, *host, *port;
    struct option_list edge, cloud;
    bool check, online, defaults;
} arguments;

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "read the configuration from FILE (YAML; - for standard input); without it every key "
             "has its default",
     .text = &arguments.config_path},
    {.name = "host",
     .argument = "ADDRESS",
     .help = "listen there, whatever listen.host is",
     .text = &arguments.host},
    {.name = "port",
     .argument = "N",
     .help = "listen on that port, whatever listen.port is",
     .text = &arguments.port},
    {.name = "edge",
     .argument = "URL",
     .help = "the edge engine, whatever edge.url is; may be repeated",
     .list = &arguments.edge},
    {.name = "cloud",
     .argument = "URL",
     .help = "the cloud engine, whatever cloud.url is; may be repeated",
     .list = &arguments.cloud},
    {.name = "check", .help = "check the configuration and exit", .flag = &arguments.check},
    {.name = "online",
     .help = "with --check: ask the engines, too, as `moaoff doctor` does",
     .flag = &arguments.online},
    {.name = "defaults",
     .help = "print every key with its default, unit and range, and exit",
     .flag = &arguments.defaults},
};

struct config *command_config(const char *command, const char *path,
                              const struct config_override *overrides, enum config_use use)
{
    struct config *config;
    struct config_error error;
    if (config_load(path, overrides, use, &config, &error) == 0)
        return config;
    fprintf(stderr, "moaoff %s: %s", command, path ? path : "configuration");
    if (error.line > 0)
        fprintf(stderr, ":%u", error.line);
    fprintf(stderr, ": %s\n", error.message);
    return NULL;
}

#define OVERRIDES_MAX 34

/* In the order of keys, which a list of URLs relies on. */
static void collect(struct config_override ret_overrides[OVERRIDES_MAX + 1])
{
    struct config_override *to = ret_overrides, *end = ret_overrides + OVERRIDES_MAX;
    if (arguments.host)
        *to++ = (struct config_override){"listen.host", arguments.host};
    if (arguments.port)
        *to++ = (struct config_override){"listen.port", arguments.port};
    for (size_t i = 0; i < arguments.edge.n && to < end; i++)
        *to++ = (struct config_override){"edge.url", arguments.edge.items[i]};
    for (size_t i = 0; i < arguments.cloud.n && to < end; i++)
        *to++ = (struct config_override){"cloud.url", arguments.cloud.items[i]};
    *to = (struct config_override){NULL, NULL};
}

static int run(void)
{
    static struct config_override overrides[OVERRIDES_MAX + 1];
    const char *path = arguments.config_path;
    collect(overrides);
    if (arguments.defaults) {
        config_print_defaults(stdout);
        return EXIT_FINE;
    }
    struct config *config = command_config("serve", path, overrides, CONFIG_TO_SERVE);
    if (!config)
        return EXIT_FAILED;
    if (!arguments.check)
        return serve_run(path, overrides, config, redecide);
    char why[512];
    const unsigned n_wrong = arguments.online ? doctor_run(config, stdout) : 0;
    if (serve_check(config, why, sizeof(why)) == 0)
        return n_wrong ? EXIT_FAILED : EXIT_FINE;
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
