/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff fleet`: the boxes of a group, and the rows of their journals, from the NATS servers that
 * a configuration names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

#include "gateway/config.h"
#include "gateway/fleet_access.h"

#include "command.h"
#include "fleet_hub.h"
#include "since.h"

#define CONNECT_MS 5000
#define ROWS_DEFAULT 20
#define ROWS_MAX 1000000

enum { SHOW_STATUS, SHOW_LOG, SHOW_EXPORT };
static const char *const shows[] = {"status", "log", "export", NULL};

static struct {
    const char *config_path, *group, *box;
    int show;
    struct fleet_wish wish;
} arguments = {.show = -1, .wish = {.limit = ROWS_DEFAULT, .status_max = 999, .folder = "."}};

static const char *read_since(const char *text)
{
    return since_read(text, &arguments.wish.since_ms);
}

static const char *read_status(const char *text)
{
    return status_read(text, &arguments.wish.status_min, &arguments.wish.status_max);
}

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "a configuration (YAML) with the keys below fleet",
     .text = &arguments.config_path},
    {.name = "group",
     .argument = "NAME",
     .help = "another group than the configuration's",
     .text = &arguments.group},
    {.name = "box", .argument = "NAME", .help = "of one box alone", .text = &arguments.box},
    {.letter = 'n',
     .name = "limit",
     .argument = "N",
     .help = "log: the newest N rows",
     .integer = &arguments.wish.limit,
     .min = 1,
     .max = ROWS_MAX},
    {.letter = 'f',
     .name = "follow",
     .help = "log: then wait for more, until interrupted",
     .flag = &arguments.wish.follow},
    {.name = "since",
     .argument = "TIME",
     .help = "rows since then: 30s, 15m, 2h, 7d, or Unix seconds",
     .read = read_since},
    {.name = "plan",
     .argument = "PLAN",
     .help = "rows of one plan, such as edge or cloud",
     .text = &arguments.wish.plan},
    {.name = "status",
     .argument = "STATUS",
     .help = "rows with 200, or 5xx for all of a class; 0: the client left first",
     .read = read_status},
    {.name = "csv",
     .help = "log: comma-separated values with all columns",
     .flag = &arguments.wish.csv},
    {.name = "json", .help = "status, log: one JSON object a line", .flag = &arguments.wish.json},
    {.letter = 'o',
     .name = "output",
     .argument = "DIR",
     .help = "export: the folder of the files",
     .text = &arguments.wish.folder},
    {.argument = "WHAT",
     .help = "status, log or export",
     .choice = &arguments.show,
     .choices = shows},
};

static int show(struct fleet_hub *hub)
{
    if (arguments.show == SHOW_STATUS)
        return fleet_status_show(hub, &arguments.wish);
    return arguments.show == SHOW_LOG ? fleet_log_show(hub, &arguments.wish)
                                      : fleet_export_write(hub, &arguments.wish);
}

static int ask(const struct config *config)
{
    char why[256];
    struct fleet_hub hub = {0};
    const struct fleet_access access = fleet_access_of(config, "moaoff fleet");
    if (fleet_wire_connect(&access, CONNECT_MS, &hub.wire, why, sizeof(why))) {
        fprintf(stderr, "moaoff fleet: no connection: %s\n", why);
        return EXIT_FAILED;
    }
    fleet_names_make(arguments.group ? arguments.group : config->fleet.group,
                     arguments.box ? arguments.box : "*", &hub.names);
    const int status = show(&hub);
    fleet_wire_free(hub.wire);
    fleet_wire_forget();
    return status;
}

/* What is put into subjects. */
static bool is_name(const char *text)
{
    const size_t n = text ? strlen(text) : 1;
    return n > 0 && n < CONFIG_FLEET_NAME_BYTES && (!text || !strpbrk(text, " \t\r\n.*>\"\\/"));
}

static int run(void)
{
    if (arguments.show < 0)
        return options_usage(&fleet_command, "what? Give status, log or export.");
    if (!is_name(arguments.group) || !is_name(arguments.box))
        return options_usage(&fleet_command, "a group's or box's name has no such letters");
    struct config *config = command_config("fleet", arguments.config_path, NULL, CONFIG_TO_ASK);
    if (!config)
        return EXIT_FAILED;
    int status = EXIT_FAILED;
    if (config->fleet.servers[0])
        status = ask(config);
    else
        fprintf(stderr, "moaoff fleet: fleet.servers is not set; name a --config that has it\n");
    config_free(config);
    return status;
}

const struct command fleet_command = {
    .name = "fleet",
    .summary = "the boxes of a group, and the rows of all their journals",
    .synopsis = "[OPTION]... WHAT",
    .description =
        "Asks the NATS servers that fleet.servers of the configuration names.\n\n"
        "status: a row for each box by what it last said of itself: version, whether it is up, "
        "when it was seen, answers, the share of them that stayed on the device and the share that "
        "went to the cloud after the edge was not sure, where its guarantee stands, the uplink, "
        "rows that wait in its journal, and rows that were lost.\n\n"
        "log: the rows of all journals, in the order in which they came.\n\n"
        "export: the same to one file a day (UTC), DAY.csv. Rows that a file has already are not "
        "added again, so it can be run from time to time.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
