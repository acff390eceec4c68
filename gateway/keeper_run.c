/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge's engine as a program, with an environment that is made anew; see keeper_run.h.
 */
#include "keeper_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"

#define PATH_BYTES 4096
#define VARIABLES_MAX                                                                              \
    320 /* more than a list of the configuration has, and those that are common                    \
         */

/* Variables that every program may know; all else may be a secret. */
static const char *const common[] = {"PATH", "HOME", "USER",   "LOGNAME", "SHELL",
                                     "LANG", "TZ",   "LC_ALL", "TMPDIR",  "LD_LIBRARY_PATH"};

struct variables {
    char *list[VARIABLES_MAX + 1];
    size_t n;
};

static void free_variables(struct variables *v)
{
    while (v->n > 0)
        free(v->list[--v->n]);
}

/* NAME=VALUE, or NAME as the gateway has it, which may be not at all. -1 if out of memory. */
static int add_variable(const struct config *config, struct variables *v, const char *entry)
{
    char *text = NULL;
    const char *value = strchr(entry, '=') ? NULL : getenv(entry);
    if (!strchr(entry, '=') && !value)
        return 0;
    if (v->n == VARIABLES_MAX)
        return 0;
    if (asprintf(&text, "%s%s%s", entry, value ? "=" : "", value ? value : "") < 0)
        return -1;
    if (config_may_tell(config, text)) {
        v->list[v->n++] = text;
        return 0;
    }
    log_event(LOG_LEVEL_WARN, "engine-variable-held", "name=%.*s error=%s",
              (int)strcspn(entry, "="), entry,
              log_quote("a secret of the gateway's is in it; the engine does not get it").s);
    free(text);
    return 0;
}

static int make_variables(const struct config *config, struct variables *v)
{
    const struct text_list *own = &config->program.environment;
    int failed = 0;
    for (size_t i = 0; i < own->n && !failed; i++)
        failed = add_variable(config, v, own->items[i]);
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]) && !failed; i++) {
        const size_t n = strlen(common[i]);
        bool is_set = false;
        for (size_t j = 0; j < v->n; j++)
            is_set = is_set || (strncmp(v->list[j], common[i], n) == 0 && v->list[j][n] == '=');
        failed = is_set ? 0 : add_variable(config, v, common[i]);
    }
    return failed;
}

struct child *keeper_run(const struct gateway *g, const struct child_events *events, void *arg,
                         char *ret_why, size_t n)
{
    const struct text_list *command = &g->config->program.command;
    char path[PATH_BYTES];
    struct variables variables = {.n = 0};
    struct child *child = NULL;
    char **arguments = calloc(command->n + 1, sizeof(*arguments));
    if (!arguments || make_variables(g->config, &variables)) {
        snprintf(ret_why, n, "out of memory");
    } else if (config_find_program(command->items[0], path, sizeof(path))) {
        snprintf(ret_why, n, "%s: %s", command->items[0], strerror(errno));
    } else {
        memcpy(arguments, command->items, command->n * sizeof(*arguments));
        const struct child_program program = {path, arguments, variables.list};
        child = child_start(g->base, &program, events, arg);
        if (!child)
            snprintf(ret_why, n, "%s", strerror(errno));
    }
    free_variables(&variables);
    free(arguments);
    return child;
}
