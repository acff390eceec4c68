/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine that the gateway runs itself: whether it can, and what the program may know. See
 * config.h and config_private.h.
 */
#include "config_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES_MIN 6 /* a shorter one is in many values by chance */
#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

static bool is_program(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = EACCES;
        return false;
    }
    return access(path, X_OK) == 0;
}

int config_find_program(const char *name, char *ret_path, size_t n)
{
    const char *at = strchr(name, '/') ? NULL : getenv("PATH");
    if (!at) {
        const int length = snprintf(ret_path, n, "%s", name);
        errno = ENAMETOOLONG;
        return length >= 0 && (size_t)length < n && is_program(ret_path) ? 0 : -1;
    }
    for (;;) {
        const size_t folder = strcspn(at, ":");
        const int length =
            snprintf(ret_path, n, "%.*s/%s", folder ? (int)folder : 1, folder ? at : ".", name);
        if (length >= 0 && (size_t)length < n && is_program(ret_path))
            return 0;
        if (!at[folder])
            break;
        at += folder + 1;
    }
    errno = ENOENT;
    return -1;
}

/* ---- secrets ---- */

/* Whether the name of `entry`, up to its "=" if there is one, is `name`. */
static bool is_named(const char *entry, const char *name)
{
    const size_t n = strcspn(entry, "=");
    return name[0] && strlen(name) == n && strncmp(entry, name, n) == 0;
}

static bool names_secret(const struct config *config, const char *entry)
{
    return is_named(entry, config->tier[MOA_EDGE].api_key_env) ||
           is_named(entry, config->tier[MOA_CLOUD].api_key_env) ||
           is_named(entry, config->traces_headers_env);
}

static bool holds(const char *value, const char *secret)
{
    return secret && strlen(secret) >= SECRET_BYTES_MIN && strstr(value, secret);
}

bool config_may_tell(const struct config *config, const char *entry)
{
    const char *value = entry + strcspn(entry, "=");
    if (names_secret(config, entry) || holds(value, config->tier[MOA_EDGE].api_key) ||
        holds(value, config->tier[MOA_CLOUD].api_key))
        return false;
    for (size_t i = 1; i < config->traces_headers.n; i += 2) {
        if (holds(value, config->traces_headers.items[i]))
            return false;
    }
    return true;
}

/* ---- the check ---- */

static int check_environment(const struct config *config, struct config_fault *fault)
{
    static const char path[] = "edge.environment";
    const struct text_list *list = &config->program.environment;
    for (size_t i = 0; i < list->n; i++) {
        const char *entry = list->items[i];
        const size_t name = strspn(entry, NAME_FIRST "0123456789");
        if (name == 0 || !strchr(NAME_FIRST, entry[0]) || (entry[name] && entry[name] != '='))
            return config_refuse(fault, path, "has \"%.60s\", which is neither NAME nor NAME=VALUE",
                                 entry);
        if (names_secret(config, entry))
            return config_refuse(
                fault, path,
                "has %.*s, which holds a secret of the gateway's; give the engine a file "
                "of its own",
                (int)(name < 60 ? name : 60), entry);
    }
    return 0;
}

int config_check_program(const struct config *config, enum config_use use,
                         struct config_fault *ret_fault)
{
    const struct text_list *command = &config->program.command;
    char path[4096];
    if (command->n == 0)
        return 0;
    if (config->tier[MOA_EDGE].urls.n > 1)
        return config_refuse(ret_fault, "edge.url",
                             "names several engines, and edge.command runs one");
    if (check_environment(config, ret_fault))
        return -1;
    if (use == CONFIG_TO_SERVE && config_find_program(command->items[0], path, sizeof(path)))
        return config_refuse(ret_fault, "edge.command", "names %.120s: %s", command->items[0],
                             strerror(errno));
    return 0;
}
