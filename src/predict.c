/* SPDX-License-Identifier: Apache-2.0
 *
 * Predicted times, rates and costs; see predict.h.
 */
#include "predict.h"

#include <math.h>

#define RUNNING_LEAST 0.05
#define SLOPE_LEAST 0.005
/* Until so many prompts were seen whose tokens vary by a quarter, time is as their tokens. */
#define SLOPE_PRIOR 5.0
#define SLOPE_SPREAD 0.25
/* The line of times over calls, and what its slope is held back by, in squared calls: as if so much
 * had been seen that spoke against it, among those that the line is of and not among all that ever
 * came. Otherwise one odd call after years of quiet would be believed as it stands. */
#define COMPANY_LEAST 0.01
#define COMPANY_PRIOR 2.0
/* How busy a tier is, of about the last two hundred requests. A queue has no end at 1. */
#define BUSY_LEAST 0.005
#define BUSY_MOST 0.9
#define RATE_KEPT (1.0 - 1.0 / 500.0)
/* A kind of question is as all questions are until this many of it were seen. */
#define KIND_PRIOR 5.0
#define KAPPA_EVERY 100.0
#define KAPPA_GAIN 3.0
/* The largest kappa, in mean calls to the cloud: beyond it nothing goes there unless escalated. */
#define KAPPA_CALLS_MAX 20.0
/* The initial window of a TCP connection, ten segments. */
#define WINDOW_BYTES 14600.0

/* ---- learning ---- */

static void see_slowly(struct running *r, double value, double least)
{
    if (!isfinite(value))
        return;
    r->n += 1.0;
    r->mean += (value - r->mean) * fmax(1.0 / r->n, least);
}

static void see(struct running *r, double value)
{
    see_slowly(r, value, RUNNING_LEAST);
}

/* Before the means move. */
static void see_slope(struct predict_tier *tier, const struct moa_call_times *t)
{
    const double tokens = t->prompt_tokens - tier->prompt_tokens.mean;
    const double ms = t->prompt_ms - tier->prompt_ms.mean;
    if (tier->prompt_tokens.n < 1.0 || tier->prompt_ms.n < 1.0 || !isfinite(tokens * ms))
        return;
    see_slowly(&tier->tokens_variance, tokens * tokens, SLOPE_LEAST);
    see_slowly(&tier->tokens_ms_covariance, tokens * ms, SLOPE_LEAST);
}

static double known_or_0(double value)
{
    return isfinite(value) ? value : 0.0;
}

static void see_company(struct predict_slope *s, double ahead, double ms)
{
    s->n += 1.0;
    const double share = fmax(1.0 / s->n, COMPANY_LEAST);
    const double more_ahead = ahead - s->mean_ahead;
    const double more_ms = ms - s->mean_ms;
    s->mean_ahead += share * more_ahead;
    s->mean_ms += share * more_ms;
    s->variance = (1.0 - share) * (s->variance + share * more_ahead * more_ahead);
    s->covariance = (1.0 - share) * (s->covariance + share * more_ahead * more_ms);
}

static void see_times(struct predict_tier *tier, const struct moa_call_times *t, double ahead)
{
    see_slope(tier, t);
    see(&tier->fixed_ms, t->fixed_ms);
    see(&tier->prompt_ms, t->prompt_ms);
    see(&tier->prompt_tokens, t->prompt_tokens);
    see(&tier->answer_ms, t->answer_ms);
    see(&tier->answer_tokens, t->answer_tokens);
    const double all_ms =
        known_or_0(t->fixed_ms) + known_or_0(t->prompt_ms) + known_or_0(t->answer_ms);
    see(&tier->service_ms, all_ms);
    if (!isfinite(ahead))
        return;
    see(&tier->ahead, ahead);
    see_company(&tier->slope, ahead, all_ms);
}

static void see_escalation(struct predict_rate *rate, bool escalated)
{
    rate->n = rate->n * RATE_KEPT + 1.0;
    rate->escalated = rate->escalated * RATE_KEPT + escalated;
}

/* An integral controller: every hundred requests kappa moves by the excess share times the mean
 * time of a call to the cloud. Where nothing goes there but what the edge is not sure of, more of
 * it would change nothing now, and take long to fall later. */
static void move_kappa(struct predict *p, double cloud_share_max)
{
    const double excess = p->n_to_cloud / p->n_window - cloud_share_max;
    const double call_ms = p->tier[MOA_CLOUD].service_ms.mean;
    const double moved_ms = p->kappa_ms + KAPPA_GAIN * excess * call_ms;
    if (excess < 0.0 || p->n_at_once > 0.0)
        p->kappa_ms = fmin(fmax(moved_ms, 0.0), KAPPA_CALLS_MAX * call_ms);
    p->n_window = p->n_to_cloud = p->n_at_once = 0.0;
}

void moa_predict_observe(struct predict *p, const struct moa_adaptive_outcome *outcome,
                         double cloud_share_max)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (!outcome->called[tier])
            continue;
        see_times(&p->tier[tier], &outcome->times[tier], outcome->n_ahead[tier]);
        see(&p->answer_tokens[outcome->kind], outcome->times[tier].answer_tokens);
    }
    if (outcome->is_again)
        return;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        see_slowly(&p->tier[tier].busy, outcome->busy[tier], BUSY_LEAST);
    if (outcome->edge_first) {
        see_escalation(&p->all, outcome->escalated);
        see_escalation(&p->kind[outcome->kind], outcome->escalated);
    }
    p->n_window += 1.0;
    p->n_to_cloud += outcome->cloud;
    p->n_at_once += outcome->cloud && !outcome->edge_first;
    if (p->n_window >= KAPPA_EVERY)
        move_kappa(p, cloud_share_max);
}

/* ---- predicting ---- */

double moa_predict_rate(const struct predict *p, unsigned kind)
{
    const double all = (p->all.escalated + 1.0) / (p->all.n + 2.0);
    const struct predict_rate *of_kind = &p->kind[kind];
    return (of_kind->escalated + KIND_PRIOR * all) / (of_kind->n + KIND_PRIOR);
}

double moa_predict_wait_ms(double n, double slots, double service_ms)
{
    const double begun = n >= slots ? service_ms / 2.0 : 0.0;
    return fmax(0.0, service_ms * (n + 1.0 - slots) / slots - begun);
}

double moa_predict_slope_ms(const struct predict_slope *slope)
{
    const double n = fmin(fmax(slope->n, 1.0), 1.0 / COMPANY_LEAST);
    const double held = slope->variance + COMPANY_PRIOR / n;
    return fmax(0.0, slope->covariance / held);
}

double moa_predict_upload_ms(double bytes, double mbps, double rtt_ms, bool cold)
{
    double ms = rtt_ms;
    if (cold) /* the handshake, and a round trip each time the window has to double */
        ms += rtt_ms * (1.0 + floor(log2(1.0 + bytes / WINDOW_BYTES)));
    return known_or_0(ms) + known_or_0(bytes * 8e-3 / mbps);
}

/* ms per token, between none and all of the time being due to tokens: what a picture costs may
 * hardly depend on how many tokens we take it for. */
static double slope_of(const struct predict_tier *tier)
{
    const double all = tier->prompt_ms.mean / tier->prompt_tokens.mean;
    const double spread = SLOPE_SPREAD * tier->prompt_tokens.mean;
    const double n = fmin(tier->tokens_variance.n, 1.0 / SLOPE_LEAST);
    const double prior = SLOPE_PRIOR * spread * spread;
    const double slope = (n * tier->tokens_ms_covariance.mean + prior * all) /
                         (n * tier->tokens_variance.mean + prior);
    return fmin(fmax(slope, 0.0), all);
}

/* A line through the means; what was never seen costs nothing. */
static double reading_ms(const struct predict_tier *tier, double prompt_tokens)
{
    if (!isfinite(prompt_tokens) || tier->prompt_tokens.mean <= 0.0)
        return tier->prompt_ms.mean;
    return tier->prompt_ms.mean + slope_of(tier) * (prompt_tokens - tier->prompt_tokens.mean);
}

static double writing_ms(const struct predict_tier *tier, const struct running *answer_tokens)
{
    if (answer_tokens->n < 1.0 || tier->answer_tokens.mean <= 0.0)
        return tier->answer_ms.mean;
    return tier->answer_ms.mean * answer_tokens->mean / tier->answer_tokens.mean;
}

/* More or fewer of our calls are there than were when the times were seen. Those that wait for a
 * slot are counted by moa_predict_wait_ms(). */
static double company_ms(const struct predict_tier *tier, const struct moa_tier_load *load)
{
    if (isnan(load->n_in_flight))
        return 0.0;
    const double n =
        fmin(load->n_in_flight, load->slots - 1.0); /* of one number and NaN the number */
    return known_or_0(moa_predict_slope_ms(&tier->slope) * (n - tier->ahead.mean));
}

static double answer_ms(const struct predict *p, const struct moa_question *q, enum moa_tier which)
{
    const struct predict_tier *tier = &p->tier[which];
    const struct moa_tier_load *load = &q->load[which];
    if (tier->service_ms.n < 1.0)
        return NAN;
    const double work_ms = tier->fixed_ms.mean + reading_ms(tier, load->prompt_tokens) +
                           writing_ms(tier, &p->answer_tokens[q->kind]);
    return moa_predict_wait_ms(load->n_in_flight, load->slots, tier->service_ms.mean) +
           fmax(0.0, work_ms + company_ms(tier, load));
}

/* What a call costs the others. Whoever comes before the queue is empty again waits for its share
 * of the work: with one server of constant service that is busy for a share u of the time this is
 * u / (1 - u) (W + S/2), by which a policy that only knows who goes where how often is bettered
 * (one step of policy iteration). While slots are free all of them have to be taken first. And each
 * call that is at work is slowed down by one more. */
static double others_ms(const struct predict *p, const struct moa_question *q, enum moa_tier which)
{
    const struct predict_tier *tier = &p->tier[which];
    const struct moa_tier_load *load = &q->load[which];
    const double busy = fmin(tier->busy.mean, BUSY_MOST);
    const double service_ms = tier->service_ms.mean;
    const double wait_ms = moa_predict_wait_ms(load->n_in_flight, load->slots, service_ms);
    const double others_free = fmax(0.0, load->slots - 1.0 - load->n_in_flight);
    const double taken = others_free > 0.0 ? pow(busy, others_free) : 1.0;
    const double work_ms = taken * service_ms / (2.0 * load->slots);
    const double at_work = moa_load_busy(load) * load->slots;
    return known_or_0(busy / (1.0 - busy) * (wait_ms + work_ms)) +
           known_or_0(at_work * moa_predict_slope_ms(&tier->slope));
}

void moa_predict(const struct predict *p, const struct moa_question *question,
                 struct moa_routing *ret_routing)
{
    struct moa_routing *r = ret_routing;
    const struct moa_question *q = question;
    r->rate = moa_predict_rate(p, q->kind);
    r->predicted_ms[MOA_EDGE] = answer_ms(p, q, MOA_EDGE);
    r->predicted_ms[MOA_CLOUD] =
        moa_predict_upload_ms(q->upload_bytes, q->uplink_mbps, q->rtt_ms, q->cold) +
        answer_ms(p, q, MOA_CLOUD);
    r->cost_cloud = r->predicted_ms[MOA_CLOUD] + others_ms(p, q, MOA_CLOUD) + p->kappa_ms;
    r->cost_edge_first =
        r->predicted_ms[MOA_EDGE] + others_ms(p, q, MOA_EDGE) + r->rate * r->cost_cloud;
}
