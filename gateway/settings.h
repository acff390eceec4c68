/* SPDX-License-Identifier: Apache-2.0
 *
 * What one configuration became: the policies and endpoints made from it. A reload makes new
 * settings; requests in flight keep those they started with, so the count of users decides when
 * settings are freed. Made and counted on the loop thread; reading is free for all threads.
 */
#ifndef MOA_GATEWAY_SETTINGS_H
#define MOA_GATEWAY_SETTINGS_H

#include <moaoff/policy.h>

#include "config.h"
#include "endpoint.h"

#define SETTINGS_POLICIES_MAX 16

/** A policy that learns is shared by all settings, so that a reload forgets nothing. */
struct settings_policy {
    size_t n_users;
    struct moa_policy *policy;
};

struct settings {
    size_t n_users;
    struct config *config;
    struct settings_policy
        *policies[SETTINGS_POLICIES_MAX + 1]; /* by moa_policy_name(); NULL at the end */
    char *policy_words;                       /* their parameters; see policy_words.h */
    size_t default_policy;
    struct endpoints endpoints[2]; /* by enum moa_tier */
};

/**
 * With one user. What is in `before` (NULL: nothing) and also in `config` goes on as it is: the
 * breakers of endpoints, and what policies have learned. Takes ownership of `config`, also if it
 * fails. NULL if out of memory.
 */
struct settings *settings_new(struct config *config, const struct settings *before);

/** New requests go by these settings from now on: shared policies take their parameters. */
void settings_adopt(struct settings *settings);

/** One more user. Returns `settings`. */
struct settings *settings_use(struct settings *settings);

/** One user less; the last one frees. NULL is allowed. */
void settings_leave(struct settings *settings);

#endif
