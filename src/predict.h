/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request will take on each tier, how likely it will be escalated, and what a call to the
 * cloud is worth: running means of what was seen, and the costs J that the policy compares.
 */
#ifndef MOA_SRC_PREDICT_H
#define MOA_SRC_PREDICT_H

#include <moaoff/policy.h>

/** A running mean: of all at first, later of about the last twenty. */
struct running {
    double mean;
    double n;
};

/** What each call that is there already adds to the time of another one: a line through about the
 * last hundred. */
struct predict_slope {
    double n;
    double mean_ahead, mean_ms;
    double variance, covariance;
};

struct predict_tier {
    struct running fixed_ms, prompt_ms, prompt_tokens, answer_ms, answer_tokens, service_ms, ahead;
    struct running busy; /* the share of its slots that worked when a request came */
    /* How the time to read a prompt varies with its tokens, of about the last two hundred. */
    struct running tokens_variance, tokens_ms_covariance;
    struct predict_slope slope;
};

/** Of requests whose edge answer was scored: how many went on to the cloud, about the last 500. */
struct predict_rate {
    double n, escalated;
};

struct predict {
    struct predict_tier tier[2];
    struct running answer_tokens[MOA_QUESTION_KINDS];
    struct predict_rate all, kind[MOA_QUESTION_KINDS];
    double kappa_ms; /* what a call to the cloud may cost */
    double n_window, n_to_cloud,
        n_at_once; /* since kappa was last set; the last, without the edge */
};

/** Zeroed memory has seen nothing. `cloud_share_max` is what kappa aims at; 1: no limit. */
void moa_predict_observe(struct predict *p, const struct moa_adaptive_outcome *outcome,
                         double cloud_share_max);

/** v, in (0, 1). */
double moa_predict_rate(const struct predict *p, unsigned kind);

/** Mean wait for one of `slots` with `n` calls before it and a service time of `service_ms`. */
double moa_predict_wait_ms(double n, double slots, double service_ms);

/** Milliseconds a call, >= 0; 0 as long as little is known. */
double moa_predict_slope_ms(const struct predict_slope *slope);

/** Until the last byte of a request has reached the cloud. What is unknown costs nothing: it is in
 * the fixed time of the calls that were seen. */
double moa_predict_upload_ms(double bytes, double mbps, double rtt_ms, bool cold);

/** T of both tiers, v and J into `ret_routing`; NaN where something is unknown. */
void moa_predict(const struct predict *p, const struct moa_question *question,
                 struct moa_routing *ret_routing);

#endif
