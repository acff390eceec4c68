/* SPDX-License-Identifier: Apache-2.0
 *
 * What is made of the requests of a simulation; see simulate.h. Requests of the warm-up count for
 * nothing but calls, bytes and prices.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate_private.h"

/* Student's t for a 95 % interval of SIMULATE_BATCHES means. */
#define T_95 2.093
_Static_assert(SIMULATE_BATCHES == 20, "T_95 is of 19 degrees of freedom");

int sim_figures_begin(struct sim_world *w)
{
    const struct scenario *s = w->scenario;
    struct simulate_result *result = w->result;
    const size_t n = (size_t)(s->requests - s->warmup);
    result->n_blocks = (size_t)s->blocks;
    result->blocks = calloc(result->n_blocks + 1, sizeof(*result->blocks));
    result->first_certified = result->threshold = result->prediction_error = NAN;
    w->latencies_ms = malloc(n * sizeof(*w->latencies_ms));
    w->errors = malloc(n * sizeof(*w->errors));
    return result->blocks && w->latencies_ms && w->errors ? 0 : -1;
}

void sim_figures_done(struct sim_world *w)
{
    free(w->latencies_ms);
    free(w->errors);
}

void simulate_result_done(struct simulate_result *result)
{
    free(result->blocks);
    result->blocks = NULL;
}

static void add(const struct sim_world *w, struct simulate_sums *sums, const struct sim_request *r,
                enum moa_tier by, double latency_ms)
{
    const struct question *q = r->question;
    sums->n += 1;
    sums->to_cloud += r->called[MOA_CLOUD];
    sums->answered_by_edge += by == MOA_EDGE;
    sums->differs += w->questions->have_answers ? by == MOA_EDGE && q->differs : (double)NAN;
    sums->right += q->right[by];
    sums->right_edge += q->right[MOA_EDGE];
    sums->right_cloud += q->right[MOA_CLOUD];
    sums->latency_ms += latency_ms;
}

/* Of requests that went the way that was predicted; the longer one of an escalation was not. */
static void note_prediction(struct sim_world *w, const struct sim_request *r, enum moa_tier by,
                            double latency_ms)
{
    const double predicted_ms = r->routing.predicted_ms[by];
    if (predicted_ms > 0.0 && !r->escalated && !r->failed_over && latency_ms > 0.0)
        w->errors[w->n_errors++] = fabs(predicted_ms - latency_ms) / latency_ms;
}

void sim_figures_answered(struct sim_world *w, const struct sim_request *r, enum moa_tier by)
{
    const struct scenario *s = w->scenario;
    struct simulate_result *result = w->result;
    const double latency_ms = (double)(w->now_us - r->arrived_us) / 1e3 + s->gateway_ms;
    const double place = (double)r->serial / s->requests; /* in [0, 1) */
    result->departed++;
    if (result->n_blocks > 0)
        add(w, &result->blocks[(size_t)(place * s->blocks)], r, by, latency_ms);
    if ((double)r->serial < s->warmup)
        return;
    const double counted = ((double)r->serial - s->warmup) / (s->requests - s->warmup);
    add(w, &result->all, r, by, latency_ms);
    add(w, &w->batches[(size_t)(counted * SIMULATE_BATCHES)], r, by, latency_ms);
    w->latencies_ms[w->n_latencies++] = latency_ms;
    note_prediction(w, r, by, latency_ms);
}

void sim_figures_audited(struct sim_world *w, const struct sim_request *r)
{
    const struct scenario *s = w->scenario;
    struct simulate_result *result = w->result;
    const double serial = (double)r->serial;
    if (result->n_blocks > 0)
        result->blocks[(size_t)(serial / s->requests * s->blocks)].to_cloud++;
    if (serial >= s->warmup)
        result->all.to_cloud++;
}

static double mean_busy(const struct sim_world *w, struct sim_engine *engines, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += tier_busy(&engines[i].tier, w->now_us);
    return sum / (double)n;
}

/* More than a hundredth of the requests is open, and more than a busy queue holds; or a tenth. */
static bool is_behind(const struct sim_world *w, double open)
{
    const double boxes = w->scenario->boxes;
    return open > 0.01 * w->scenario->requests + 50.0 * boxes ||
           (open > 0.1 * w->scenario->requests && open > 4.0 * boxes);
}

void sim_figures_last_arrival(struct sim_world *w)
{
    struct simulate_result *result = w->result;
    result->arrived = (double)w->n_arrived;
    result->open_at_end = result->arrived - result->departed;
    result->elapsed_s = (double)w->now_us / 1e6;
    result->behind = is_behind(w, result->open_at_end);
    for (size_t i = 0; i < w->n_boxes; i++)
        result->busy[MOA_EDGE] += mean_busy(w, w->boxes[i].edges, w->n_edges) / w->scenario->boxes;
    result->busy[MOA_CLOUD] = mean_busy(w, w->clouds, w->n_clouds);
}

static void find_mean(const struct sim_world *w, struct simulate_result *result)
{
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < SIMULATE_BATCHES; i++) {
        const double mean = w->batches[i].latency_ms / w->batches[i].n; /* NaN if it is empty */
        sum += mean;
        squares += mean * mean;
    }
    const double n = SIMULATE_BATCHES;
    result->mean_ms = result->all.latency_ms / result->all.n;
    result->half_width_ms = T_95 * sqrt(fmax(0.0, squares - sum * sum / n) / (n - 1.0)) / sqrt(n);
}

static double cost_of(const struct sim_world *w, const struct simulate_result *result)
{
    const struct scenario *s = w->scenario;
    const struct questions *qs = w->questions;
    double prompt = 0.0;
    double answer = 0.0;
    for (size_t i = 0; i < qs->n; i++) {
        prompt += qs->p[i].prompt_tokens[MOA_CLOUD] / (double)qs->n;
        answer += qs->p[i].n_tokens[MOA_CLOUD] / (double)qs->n;
    }
    const double call = prompt * s->prices.million_prompt_tokens / 1e6 +
                        answer * s->prices.million_answer_tokens / 1e6 +
                        s->request.images * s->prices.picture;
    const double hours = result->elapsed_s / 3600.0;
    return result->calls[MOA_CLOUD] * call + result->upload_bytes * s->prices.gigabyte / 1e9 +
           hours * (s->prices.edge_hour * s->boxes * (double)w->n_edges +
                    s->prices.cloud_hour * (double)w->n_clouds);
}

static void find_certificate(const struct sim_world *w, struct simulate_result *result)
{
    struct moa_guarantee guarantee;
    if (!w->boxes[0].adaptive)
        return;
    moa_adaptive_guarantee(w->boxes[0].adaptive, &guarantee);
    result->certified = guarantee.certified;
    result->threshold = guarantee.threshold;
    result->alarms = (double)guarantee.n_alarms;
}

void sim_figures_end(struct sim_world *w)
{
    struct simulate_result *result = w->result;
    find_mean(w, result);
    stats_sort(w->latencies_ms, w->n_latencies);
    result->p50_ms = stats_quantile(w->latencies_ms, w->n_latencies, 0.5);
    result->p95_ms = stats_quantile(w->latencies_ms, w->n_latencies, 0.95);
    result->p99_ms = stats_quantile(w->latencies_ms, w->n_latencies, 0.99);
    if (w->n_errors > 0) {
        stats_sort(w->errors, w->n_errors);
        result->prediction_error = stats_quantile(w->errors, w->n_errors, 0.5);
    }
    result->cost = cost_of(w, result);
    find_certificate(w, result);
}
