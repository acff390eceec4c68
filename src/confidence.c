/* SPDX-License-Identifier: Apache-2.0
 *
 * Score and fit; see confidence.h.
 */
#include "confidence.h"

#include <math.h>
#include <string.h>

#define P_LEAST 1e-6
#define STEPS_MAX 50

/* How firmly a weight is held at its prior. */
#define RIDGE_TERM 1.0
#define RIDGE_OFFSET 3.0

/* The terms that are not 0: the dense ones, and up to three offsets, each 1. */
struct phi {
    double term[CONFIDENCE_TERMS];
    int offset[3];
    int n_offsets;
};

static double clamp(double p)
{
    return fmin(fmax(p, P_LEAST), 1.0 - P_LEAST);
}

static void phi_of(const struct moa_answer *a, struct phi *ret_phi)
{
    struct phi *phi = ret_phi;
    *phi = (struct phi){.term = {1.0}};
    if (a->n_tokens > 0) {
        const double p = clamp(a->p_min);
        phi->term[1] = log(p / (1.0 - p));
        phi->term[2] = log(clamp(a->p_first));
        phi->term[3] = log(clamp(1.0 - a->p_top5));
        phi->term[4] = log((double)a->n_tokens);
    }
    phi->offset[phi->n_offsets++] = CONFIDENCE_TERMS + (int)a->form;
    if (a->streamed)
        phi->offset[phi->n_offsets++] = CONFIDENCE_TERMS + CONFIDENCE_FORMS;
    if (a->sampled)
        phi->offset[phi->n_offsets++] = CONFIDENCE_TERMS + CONFIDENCE_FORMS + 1;
}

static double dot(const double *w, const struct phi *phi)
{
    double sum = 0.0;
    for (int i = 0; i < CONFIDENCE_TERMS; i++)
        sum += w[i] * phi->term[i];
    for (int i = 0; i < phi->n_offsets; i++)
        sum += w[phi->offset[i]];
    return sum;
}

void moa_confidence_prior(struct confidence *ret_confidence)
{
    *ret_confidence = (struct confidence){.w = {0.0, 1.0}};
}

static bool is_probability(double p)
{
    return p >= 0.0 && p <= 1.0 + 1e-6; /* sums of rounded probabilities */
}

bool moa_confidence_valid(const struct moa_answer *a)
{
    return (int)a->form >= 0 && a->form <= MOA_ANSWER_LONG &&
           (a->n_tokens == 0 ||
            (is_probability(a->p_min) && is_probability(a->p_first) && is_probability(a->p_top5)));
}

double moa_confidence_score(const struct confidence *c, const struct moa_answer *answer)
{
    struct phi phi;
    if (!moa_confidence_valid(answer) || answer->n_tokens == 0)
        return 0.0;
    phi_of(answer, &phi);
    const double s = 1.0 / (1.0 + exp(-dot(c->w, &phi)));
    return s >= 0.0 ? s : 0.0; /* not a number: weights beyond all measure */
}

double moa_confidence_reach(const struct confidence *c, const struct moa_answer *so_far,
                            size_t n_tokens_max)
{
    struct moa_answer longest = *so_far;
    double best = 0.0;
    if (!moa_confidence_valid(so_far) || so_far->n_tokens == 0 || c->w[1] < 0.0)
        return 1.0; /* nothing is known of what may come */
    if (n_tokens_max > longest.n_tokens && c->w[4] > 0.0)
        longest.n_tokens = n_tokens_max;
    for (int form = 0; form < CONFIDENCE_FORMS; form++) {
        longest.form = (enum moa_answer_form)form;
        best = fmax(best, moa_confidence_score(c, &longest));
    }
    return best;
}

/* ---- fitting ---- */

static double ridge_of(int i)
{
    return i < CONFIDENCE_TERMS ? RIDGE_TERM : RIDGE_OFFSET;
}

static double prior_of(int i)
{
    return i == 1 ? 1.0 : 0.0;
}

/* The objective: minus the logarithm of likelihood and prior. log(1 + exp(-x)) without overflow. */
static double cost_of(const struct confidence_sample *samples, size_t n, const double *w)
{
    double cost = 0.0;
    struct phi phi;
    for (int i = 0; i < CONFIDENCE_N; i++) {
        const double away = w[i] - prior_of(i);
        cost += 0.5 * ridge_of(i) * away * away;
    }
    for (size_t k = 0; k < n; k++) {
        phi_of(&samples[k].answer, &phi);
        const double x = samples[k].lost ? -dot(w, &phi) : dot(w, &phi);
        cost += x > 0.0 ? log1p(exp(-x)) : log1p(exp(x)) - x;
    }
    return cost;
}

static void add_sample(const struct phi *phi, double error, double weight,
                       struct confidence_newton *q)
{
    double dense[CONFIDENCE_N] = {0};
    memcpy(dense, phi->term, sizeof(phi->term));
    for (int i = 0; i < phi->n_offsets; i++)
        dense[phi->offset[i]] = 1.0;
    for (int i = 0; i < CONFIDENCE_N; i++) {
        q->gradient[i] += error * dense[i];
        for (int j = 0; j <= i; j++)
            q->hessian[i][j] += weight * dense[i] * dense[j];
    }
}

void moa_confidence_derive(const struct confidence *c, const struct confidence_sample *sample,
                           struct confidence_newton *q)
{
    struct phi phi;
    phi_of(&sample->answer, &phi);
    const double s = 1.0 / (1.0 + exp(-dot(c->w, &phi)));
    add_sample(&phi, s - (sample->lost ? 0.0 : 1.0), s * (1.0 - s), q);
}

static void begin_with_prior(const double *w, struct confidence_newton *ret_q)
{
    *ret_q = (struct confidence_newton){.gradient = {0}};
    for (int i = 0; i < CONFIDENCE_N; i++) {
        ret_q->gradient[i] = ridge_of(i) * (w[i] - prior_of(i));
        ret_q->hessian[i][i] = ridge_of(i);
    }
}

/* Solves hessian x = gradient by Cholesky; the ridge makes it positive definite. */
static void solve(struct confidence_newton *q, double ret_x[CONFIDENCE_N])
{
    double(*l)[CONFIDENCE_N] = q->hessian;
    for (int i = 0; i < CONFIDENCE_N; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = l[i][j];
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            l[i][j] = i == j ? sqrt(fmax(sum, 1e-9)) : sum / l[j][j];
        }
    }
    for (int i = 0; i < CONFIDENCE_N; i++) {
        ret_x[i] = q->gradient[i];
        for (int k = 0; k < i; k++)
            ret_x[i] -= l[i][k] * ret_x[k];
        ret_x[i] /= l[i][i];
    }
    for (int i = CONFIDENCE_N - 1; i >= 0; i--) {
        for (int k = i + 1; k < CONFIDENCE_N; k++)
            ret_x[i] -= l[k][i] * ret_x[k];
        ret_x[i] /= l[i][i];
    }
}

void moa_confidence_fit(const struct confidence_sample *samples, size_t n,
                        struct confidence *ret_confidence)
{
    double *w = ret_confidence->w;
    moa_confidence_prior(ret_confidence);
    double cost = cost_of(samples, n, w);
    for (int step = 0; step < STEPS_MAX; step++) {
        struct confidence_newton q;
        double x[CONFIDENCE_N];
        begin_with_prior(w, &q);
        for (size_t k = 0; k < n; k++)
            moa_confidence_derive(ret_confidence, &samples[k], &q);
        solve(&q, x);
        double tried[CONFIDENCE_N];
        double length = 1.0;
        double better = INFINITY;
        for (; length > 1e-4 && !(better < cost); length *= 0.5) {
            for (int i = 0; i < CONFIDENCE_N; i++)
                tried[i] = w[i] - length * x[i];
            better = cost_of(samples, n, tried);
        }
        if (!(better < cost - 1e-9 * (1.0 + cost)))
            break;
        memcpy(w, tried, sizeof(tried));
        cost = better;
    }
}

void moa_confidence_step(const struct confidence *c, const struct confidence_newton *samples,
                         struct confidence *ret_confidence)
{
    struct confidence_newton q;
    double x[CONFIDENCE_N], largest = 0.0;
    begin_with_prior(c->w, &q);
    for (int i = 0; i < CONFIDENCE_N; i++) {
        q.gradient[i] += samples->gradient[i];
        for (int j = 0; j <= i; j++)
            q.hessian[i][j] += samples->hessian[i][j];
    }
    solve(&q, x);
    for (int i = 0; i < CONFIDENCE_N; i++) {
        if (!isfinite(x[i])) {
            *ret_confidence = *c;
            return;
        }
        largest = fmax(largest, fabs(x[i]));
    }
    const double length = largest > CONFIDENCE_STEP_MAX ? CONFIDENCE_STEP_MAX / largest : 1.0;
    for (int i = 0; i < CONFIDENCE_N; i++)
        ret_confidence->w[i] = c->w[i] - length * x[i];
}
