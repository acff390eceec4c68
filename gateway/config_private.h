/* SPDX-License-Identifier: Apache-2.0
 *
 * Between config.c, which has the keys, config_read.c, which reads them, and config_check.c, which
 * knows what they mean together.
 */
#ifndef MOA_GATEWAY_CONFIG_PRIVATE_H
#define MOA_GATEWAY_CONFIG_PRIVATE_H

#include "config.h"

enum config_key_type {
    KEY_TEXT,
    KEY_URLS,
    KEY_LIST, /* of words as they are */
    KEY_INTEGER,
    KEY_NUMBER,
    KEY_CHOICE,
    KEY_POLICY,   /* a parameter of a policy: a number, or a name if it has choices */
    KEY_POLICIES, /* stands in keys[] for the rows of all of these */
};

struct config_key {
    const char *path;
    size_t offset;
    double min, max;
    const char *fallback;       /* the default, as YAML text; "" for a number is NaN, "unknown" */
    const char *help;           /* meaning and unit */
    const char *const *choices; /* names of 0, 1, ..., NULL at the end */
    const struct moa_policy_param *param; /* KEY_POLICY: what the row was made from */
    enum config_key_type type;
    bool needs_restart; /* cannot change while the gateway runs; of no list and no policy */
};

/** "edge, cloud or both" of names that end with a NULL. */
void config_list_names(const char *const *names, char *ret_text, size_t n);

/** The most keys there are, those of policies among them. */
#define CONFIG_KEYS_MAX (160 + MOA_POLICY_PARAMS_MAX)

/** All keys, in the order in which they are printed. */
struct config_table {
    struct config_key rows[CONFIG_KEYS_MAX];
    size_t n;
};

void config_table_make(struct config_table *ret_table);

struct config_fault {
    const char *path; /* of the key at fault; NULL: none is */
    char what[200];   /* behind the key's name: "cannot be ..." */
};

/** -1, with `fault` filled: that the key at `path` is as the words say. */
__attribute__((format(printf, 3, 4))) int config_refuse(struct config_fault *fault,
                                                        const char *path, const char *what, ...);

/**
 * Checks a configuration whose keys are in range, and fills what follows from several of them.
 * Returns 0, or -1 with `ret_fault`.
 */
int config_check(struct config *config, enum config_use use, struct config_fault *ret_fault);

/**
 * `text` with every ${NAME} and ${NAME:-OTHERWISE} replaced by what the environment says, to be
 * freed with free(); "$${" stands for "${". NULL with `ret_fault`, whose path is left alone;
 * `ret_unset` says whether a variable without another value is all that is wrong.
 */
char *config_expand(const char *text, struct config_fault *ret_fault, bool *ret_unset);

/** Whether the gateway can run the engine as `edge.command` and what belongs to it say: 0, or -1
 * with `ret_fault`. */
int config_check_program(const struct config *config, enum config_use use,
                         struct config_fault *ret_fault);

/** What the keys of the fleet mean together, likewise. */
int config_check_fleet(const struct config *config, enum config_use use,
                       struct config_fault *ret_fault);

/** Whether `text` may be the base URL of an engine's API: 0, or -1 with what is wrong, and what it
 * should be, as words behind the key's name. */
int config_check_url(const char *text, char *ret_why, size_t n);

/** Whether `text` may be the URL of a collector's page for traces, which is /v1/traces unless it
 * names another: 0 and the whole URL, to be freed with free(), or -1 with what is wrong, likewise.
 */
int config_read_collector(const char *text, char **ret_url, char *ret_why, size_t n);

/** "name=value,name=value" with percent escapes, as OTEL_EXPORTER_OTLP_HEADERS has them: 0 and
 * names and values in turns, or -1 with what is wrong, likewise. */
int config_read_headers(const char *text, struct text_list *ret_list, char *ret_why, size_t n);

/** Wipes and frees the texts. */
void config_clear_headers(struct text_list *list);

#endif
