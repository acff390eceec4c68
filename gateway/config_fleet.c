/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keys below `fleet` mean together; see config_private.h.
 */
#include "config_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
#define NAME_FORM "letters, digits, - and _, at most 64 of them"
#define SERVERS_MAX 16

static bool is_name(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n < CONFIG_FLEET_NAME_BYTES && strspn(text, LETTERS) == n;
}

void config_fleet_box(const struct config *config, char ret_name[CONFIG_FLEET_NAME_BYTES])
{
    char host[CONFIG_FLEET_NAME_BYTES] = "";
    if (!config->fleet.box[0] && gethostname(host, sizeof(host) - 1) && errno != ENAMETOOLONG)
        host[0] = '\0';
    snprintf(ret_name, CONFIG_FLEET_NAME_BYTES, "%s",
             config->fleet.box[0] ? config->fleet.box
             : host[0]            ? host
                                  : "box");
    for (char *c = ret_name; *c; c++) {
        if (!strchr(LETTERS, *c))
            *c = '-';
    }
}

/* A URL is never repeated: it may have a password. */
static int check_servers(const char *text, struct config_fault *fault)
{
    size_t n = 0;
    for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
        const char *const scheme = strncmp(text, "nats://", 7) == 0  ? text + 7
                                   : strncmp(text, "tls://", 6) == 0 ? text + 6
                                                                     : NULL;
        if (!scheme || strcspn(scheme, " ,") == 0)
            return config_refuse(
                fault, "fleet.servers",
                "must be URLs such as nats://hub.example:4222 or tls://..., between "
                "commas");
        if (++n > SERVERS_MAX)
            return config_refuse(fault, "fleet.servers", "has more than %d URLs", SERVERS_MAX);
        text += strcspn(text, " ,");
    }
    return n ? 0 : config_refuse(fault, "fleet.servers", "has no URL");
}

static int check_pairs(const struct fleet_config *f, struct config_fault *fault)
{
    if (f->nkey[0] && f->credentials[0])
        return config_refuse(fault, "fleet.nkey",
                             "stands beside fleet.credentials; one of the two");
    if (f->nkey[0] && !f->nkey_seed[0])
        return config_refuse(fault, "fleet.nkey", "needs fleet.nkey_seed");
    if (f->nkey_seed[0] && !f->nkey[0])
        return config_refuse(fault, "fleet.nkey_seed",
                             "needs fleet.nkey, the public key of that seed");
    if (f->tls_certificate[0] && !f->tls_key[0])
        return config_refuse(fault, "fleet.tls_certificate", "needs fleet.tls_key");
    if (f->tls_key[0] && !f->tls_certificate[0])
        return config_refuse(fault, "fleet.tls_key", "needs fleet.tls_certificate");
    return 0;
}

static int check_files(const struct fleet_config *f, struct config_fault *fault)
{
    const struct {
        const char *path, *file;
    } files[] = {{"fleet.credentials", f->credentials},
                 {"fleet.nkey_seed", f->nkey_seed},
                 {"fleet.ca_file", f->ca_file},
                 {"fleet.tls_certificate", f->tls_certificate},
                 {"fleet.tls_key", f->tls_key}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].file[0] && access(files[i].file, R_OK) != 0)
            return config_refuse(fault, files[i].path, "names %.120s: %s", files[i].file,
                                 strerror(errno));
    }
    return 0;
}

int config_check_fleet(const struct config *config, enum config_use use,
                       struct config_fault *ret_fault)
{
    const struct fleet_config *f = &config->fleet;
    if (f->box[0] && !is_name(f->box))
        return config_refuse(ret_fault, "fleet.box", "must be " NAME_FORM);
    if (!is_name(f->group))
        return config_refuse(ret_fault, "fleet.group", "must be " NAME_FORM);
    if (!f->servers[0])
        return 0;
    if (check_servers(f->servers, ret_fault) || check_pairs(f, ret_fault))
        return -1;
    if (use == CONFIG_TO_LOOK)
        return 0;
#ifndef MOA_FLEET
    return config_refuse(ret_fault, "fleet.servers",
                         "is set, and this program was built without NATS (libnats-dev, "
                         "-Dfleet=enabled)");
#endif
    if (use == CONFIG_TO_SERVE && !config->journal_path[0])
        return config_refuse(ret_fault, "fleet.servers",
                             "needs journal.path, whose rows the fleet gets");
    return check_files(f, ret_fault);
}
