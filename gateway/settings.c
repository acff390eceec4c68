/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings; see settings.h.
 */
#include "settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "policy_words.h"

static struct settings_policy *policy_new(const char *name,
                                          const struct moa_policy_setting *settings)
{
    struct settings_policy *p = calloc(1, sizeof(*p));
    if (!p || moa_policy_new(name, settings, &p->policy)) {
        free(p);
        return NULL;
    }
    p->n_users = 1;
    return p;
}

static void policy_leave(struct settings_policy *p)
{
    if (!p || --p->n_users > 0)
        return;
    moa_policy_free(p->policy);
    free(p);
}

/* Something that a reload must not forget. */
static bool has_learned(struct moa_policy *policy)
{
    return moa_policy_learns(policy) || moa_policy_adaptive(policy);
}

static int make_policies(struct settings *s, const struct settings *before)
{
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (i == SETTINGS_POLICIES_MAX)
            return -1;
        struct settings_policy *known = before ? before->policies[i] : NULL;
        if (known && has_learned(known->policy)) {
            known->n_users++;
            s->policies[i] = known;
        } else {
            s->policies[i] = policy_new(moa_policy_name(i), s->config->policy_settings);
        }
        if (!s->policies[i])
            return -1;
        if (strcmp(moa_policy_name(i), s->config->policy) == 0)
            s->default_policy = i;
    }
    return 0;
}

/* A generator's state, not 0. */
static uint64_t seed(void)
{
    uint64_t random = 0;
    ssize_t ignored = getrandom(&random, sizeof(random), GRND_NONBLOCK);
    (void)ignored;
    return random | 1;
}

static int make_endpoints(struct settings *s, const struct settings *before)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct text_list *urls = &s->config->tier[tier].urls;
        struct endpoints *es = &s->endpoints[tier];
        if (before)
            endpoints_share(&before->endpoints[tier], es);
        es->random = seed();
        es->options = (struct breaker_options){
            .failures = s->config->breaker_failures,
            .retry_us = s->config->breaker_retry_ms * 1000,
            .unavailable_us = s->config->breaker_unavailable_ms * 1000,
            .busy_us = s->config->breaker_busy_ms * 1000,
            .misconfigured_us = s->config->breaker_misconfigured_ms * 1000,
        };
        if (endpoints_set(es, urls->items, urls->n))
            return -1;
    }
    return 0;
}

struct settings *settings_new(struct config *config, const struct settings *before)
{
    struct settings *s = calloc(1, sizeof(*s));
    if (!s) {
        config_free(config);
        return NULL;
    }
    s->n_users = 1;
    s->config = config;
    s->policy_words = policy_words_write(config->policy_settings);
    if (!s->policy_words || make_policies(s, before) || make_endpoints(s, before)) {
        settings_leave(s);
        return NULL;
    }
    return s;
}

void settings_adopt(struct settings *s)
{
    for (size_t i = 0; s->policies[i]; i++) {
        const enum moa_err err =
            moa_policy_configure(s->policies[i]->policy, s->config->policy_settings);
        assert(!err); /* the values were in range when they were read */
        (void)err;
    }
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
        policy_leave(s->policies[i]);
    free(s->policy_words);
    endpoints_done(&s->endpoints[MOA_EDGE]);
    endpoints_done(&s->endpoints[MOA_CLOUD]);
    config_free(s->config);
    free(s);
}
