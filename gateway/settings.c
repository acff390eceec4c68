/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings; see settings.h.
 */
#include "settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int make_policies(struct settings *s)
{
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (i == SETTINGS_POLICIES_MAX ||
            moa_policy_new(moa_policy_name(i), &s->config->paper, &s->policies[i]))
            return -1;
        if (strcmp(moa_policy_name(i), s->config->policy) == 0)
            s->default_policy = i;
    }
    return 0;
}

static int make_urls(struct settings *s)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (asprintf(&s->tier_urls[tier], "%s/chat/completions", s->config->tier[tier].url) < 0) {
            s->tier_urls[tier] = NULL;
            return -1;
        }
    }
    return 0;
}

struct settings *settings_new(struct config *config)
{
    struct settings *s = calloc(1, sizeof(*s));
    if (!s) {
        config_free(config);
        return NULL;
    }
    s->n_users = 1;
    s->config = config;
    if (make_policies(s) || make_urls(s)) {
        settings_leave(s);
        return NULL;
    }
    return s;
}

struct settings *settings_use(struct settings *s)
{
    s->n_users++;
    return s;
}

void settings_leave(struct settings *s)
{
    if (!s)
        return;
    assert(s->n_users > 0);
    if (--s->n_users > 0)
        return;
    for (size_t i = 0; i < SETTINGS_POLICIES_MAX; i++)
        moa_policy_free(s->policies[i]);
    free(s->tier_urls[MOA_EDGE]);
    free(s->tier_urls[MOA_CLOUD]);
    config_free(s->config);
    free(s);
}
