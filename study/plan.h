/* SPDX-License-Identifier: Apache-2.0
 *
 * What an evaluation is asked to do: the options of `moaoff eval`.
 */
#ifndef MOA_STUDY_PLAN_H
#define MOA_STUDY_PLAN_H

#include <signal.h>
#include <sys/types.h>

#include "dataset.h"

#define EVAL_POLICIES_MAX 16

struct eval_policy {
    char name[64];     /* asked for as model moaoff/NAME */
    const char *label; /* in the records */
};

struct eval_options {
    const char *dataset_spec;
    const char *dataset_name; /* NULL: the kind of the set */
    struct dataset_options dataset;
    const char *url;     /* of the gateway, without a path */
    const char *api_key; /* NULL: none */
    struct eval_policy policies[EVAL_POLICIES_MAX];
    size_t n_policies;
    double rate;        /* arrivals a second; 0: closed loop */
    size_t concurrency; /* requests at once in a closed loop */
    double link_mbps;   /* what to write down; NaN: not said */
    int max_tokens;
    bool keep_prompt_cache; /* else "cache_prompt": false is in every request */
    long timeout_ms;
    const char *out;             /* folder */
    const char *answers_path;    /* to append answers to for `moaoff engine`; NULL: none */
    pid_t pids[2];               /* of local engines, by enum moa_tier; 0: not given */
    const char *engine_urls[2];  /* NULL: not given */
    volatile sig_atomic_t *stop; /* set from outside: end now, keep what is done */
};

#endif
