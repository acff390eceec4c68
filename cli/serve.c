/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff serve`: the gateway. Reads the configuration and hands over to gateway/gateway.c.
 */
#include <getopt.h>
#include <stdio.h>

#include "gateway/config.h"
#include "gateway/gateway.h"

#include "command.h"

static const char help[] =
    "Usage: moaoff serve [OPTION]...\n"
    "Serves the OpenAI HTTP API and decides for every request, and for each of its modalities,\n"
    "whether the edge or the cloud engine processes it.\n\n"
    "  -c, --config FILE   read the configuration from FILE (YAML; - for standard input);\n"
    "                      without it every key has its default\n"
    "      --check         check the configuration and exit\n"
    "      --defaults      print every key with its default, unit and range, and exit\n"
    "  -h, --help          print this and exit\n"
    "      --version       print the version and exit\n\n"
    "SIGTERM finishes what is open and ends; a second one ends at once. SIGHUP reads the file "
    "again.\n";

enum { OPTION_CHECK = 256, OPTION_DEFAULTS, OPTION_VERSION };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},         {"check", no_argument, NULL, OPTION_CHECK},
    {"defaults", no_argument, NULL, OPTION_DEFAULTS}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},   {NULL, 0, NULL, 0},
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

static int serve(const char *path, bool check_only)
{
    struct config *config = command_config("serve", path, CONFIG_TO_SERVE);
    if (!config)
        return EXIT_FAILED;
    if (!check_only)
        return gateway_run(path, config);
    char why[512];
    if (gateway_check(config, why, sizeof(why)) == 0)
        return EXIT_FINE;
    fprintf(stderr, "moaoff serve: %s\n", why);
    return EXIT_FAILED;
}

int serve_main(int argc, char **argv)
{
    const char *path = NULL;
    bool check_only = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case OPTION_CHECK:
            check_only = true;
            break;
        case OPTION_DEFAULTS:
            config_print_defaults(stdout);
            return EXIT_FINE;
        case 'h':
            fputs(help, stdout);
            return EXIT_FINE;
        case OPTION_VERSION:
            printf("moaoff %s\n", moa_version());
            return EXIT_FINE;
        default:
            fputs("See `moaoff serve --help`.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "moaoff serve: unexpected argument \"%s\"\n", argv[optind]);
        return EXIT_USAGE;
    }
    return serve(path, check_only);
}
