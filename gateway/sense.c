/* SPDX-License-Identifier: Apache-2.0
 *
 * System state; see sense.h.
 */
#include "sense.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMOOTHING_US 1000000.0 /* time constant */
#define TRUSTED_UPLOADS 3      /* until so many, what was configured counts for those that lack */

void sense_init(struct sense *s, const struct config *config)
{
    *s = (struct sense){.config = config, .pressure = NAN, .engine = {NAN, NAN, NAN}};
    size_t window = (size_t)config->tier[MOA_CLOUD].uplink_uploads;
    uplink_init(&s->uplink, window > 0 ? window : 1);
}

/* ---- what it is fed ---- */

void sense_enter(struct sense *s, enum moa_tier tier)
{
    s->in_flight[tier]++;
    if (tier == MOA_EDGE && s->in_flight[tier] > s->own_peak)
        s->own_peak = s->in_flight[tier];
}

void sense_leave(struct sense *s, enum moa_tier tier)
{
    assert(s->in_flight[tier] > 0);
    s->in_flight[tier]--;
}

/* `before`, `age_us` old, and `value` as one exponential mean. */
static double smooth(double before, double value, int64_t age_us)
{
    double keep = exp(-(double)age_us / SMOOTHING_US);
    return keep * before + (1 - keep) * value;
}

/* The engine counts our calls too. We know them exactly and at once, so they are taken out here,
 * as many as there were at any time since the last look: the engine may see one end later. */
void sense_engine(struct sense *s, const struct probe_load *load, int64_t now_us)
{
    double waiting = isnan(load->waiting) ? 0 : load->waiting;
    double others = fmax(0, load->running + waiting - s->own_peak);
    if (sense_engine_known(s, now_us))
        others = smooth(s->others, others, now_us - s->engine_us);
    s->others = others;
    s->engine = *load;
    s->engine_us = now_us;
    s->own_peak = s->in_flight[MOA_EDGE];
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345": the averages lag, the total does not. */
void sense_pressure(struct sense *s, const char *text, int64_t now_us)
{
    const char *at = strncmp(text, "some ", 5) == 0 ? strstr(text, "total=") : NULL;
    if (!at)
        return;
    int64_t total_us = strtoll(at + 6, NULL, 10), before_us = s->pressure_us;
    int64_t waited_us = total_us - s->pressure_total_us, passed_us = now_us - before_us;
    bool known = sense_pressure_known(s, now_us);
    s->pressure_total_us = total_us;
    s->pressure_us = now_us;
    if (before_us == 0 || passed_us <= 0 || waited_us < 0)
        return;
    double share = fmin(1, (double)waited_us / (double)passed_us);
    s->pressure = known ? smooth(s->pressure, share, passed_us) : share;
}

void sense_uplink(struct sense *s, const struct uplink_reading *reading)
{
    uplink_add(&s->uplink, reading);
}

void sense_rtt(struct sense *s, int64_t rtt_us, int64_t now_us)
{
    if (rtt_us <= 0)
        return;
    s->rtt_us = rtt_us;
    s->rtt_measured_us = now_us;
}

/* ---- what follows from it ---- */

static bool young(int64_t then_us, int64_t now_us)
{
    return then_us > 0 && now_us - then_us <= SENSE_STALE_US;
}

bool sense_engine_known(const struct sense *s, int64_t now_us)
{
    return young(s->engine_us, now_us);
}

bool sense_pressure_known(const struct sense *s, int64_t now_us)
{
    return young(s->pressure_us, now_us) && !isnan(s->pressure);
}

double sense_slots(const struct sense *s)
{
    const struct tier_config *edge = &s->config->tier[MOA_EDGE];
    if (edge->slots > 0)
        return (double)edge->slots * (double)edge->urls.n;
    return s->engine.slots > 0 ? s->engine.slots : (double)edge->urls.n;
}

void sense_tier(const struct sense *s, enum moa_tier tier, int64_t now_us,
                struct moa_tier_load *ret_load)
{
    const struct tier_config *cloud = &s->config->tier[MOA_CLOUD];
    *ret_load = (struct moa_tier_load){s->in_flight[tier], NAN, NAN};
    if (tier == MOA_EDGE) {
        ret_load->n_in_flight += sense_engine_known(s, now_us) ? s->others : 0;
        ret_load->slots = fmax(1, sense_slots(s));
    } else if (cloud->slots > 0) {
        ret_load->slots = (double)cloud->slots * (double)cloud->urls.n;
    }
}

bool sense_is_full(const struct sense *s, enum moa_tier tier, int64_t now_us)
{
    struct moa_tier_load load;
    sense_tier(s, tier, now_us, &load);
    return load.n_in_flight > load.slots; /* not if they are unknown */
}

double sense_load(const struct sense *s, int64_t now_us)
{
    struct moa_tier_load edge;
    sense_tier(s, MOA_EDGE, now_us, &edge);
    double load = fmin(1, edge.n_in_flight / sense_slots(s));
    if (s->config->tier[MOA_EDGE].cpu_counts && sense_pressure_known(s, now_us))
        load = fmax(load, s->pressure);
    return load;
}

double sense_mbps(const struct sense *s, int64_t now_us)
{
    const struct tier_config *cloud = &s->config->tier[MOA_CLOUD];
    struct uplink_estimate measured;
    uplink_estimate(&s->uplink, now_us, &measured);
    const double told = cloud->uplink_mbps;
    if (cloud->uplink_uploads == 0 || isnan(measured.mbps))
        return told;
    if (isnan(told) || told <= 0 || measured.mbps <= 0 || measured.n_fresh >= TRUSTED_UPLOADS)
        return measured.mbps;
    const double share = (double)measured.n_fresh / TRUSTED_UPLOADS;
    return exp(share * log(measured.mbps) + (1 - share) * log(told));
}
