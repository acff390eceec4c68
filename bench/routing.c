/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the costs that `adaptive` compares divide a load well: two tiers, each one server with a
 * queue and a fixed time a call, Poisson arrivals, recorded answers. Simulated, not measured: no
 * network, no engine, and the second calls of audits are left out. Prints one line a policy.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorded.h"

enum { EDGE_ONLY, CLOUD_ONLY, CASCADE, ADAPTIVE, N_POLICIES };

static const char *const names[] = {"edge", "cloud", "cascade", "adaptive"};

struct job {
    const struct recorded_row *row;
    double arrived_ms, predicted_ms, busy[2];
    bool edge_first, escalated;
};

/* First come, first served: a ring of jobs, the first of them in work until `done_ms`. */
struct tier {
    double call_ms, done_ms;
    struct job *jobs;
    size_t room, first, n;
};

struct simulation {
    int policy;
    struct moa_adaptive *a;
    double threshold;
    struct tier tier[2];
    double now_ms;
    double *latency_ms, *error; /* of every request; relative error of what was predicted */
    size_t n_done, n_predicted;
    double n_right, n_cloud_right, n_cloud;
};

static void join(struct simulation *s, enum moa_tier which, const struct job *job)
{
    struct tier *t = &s->tier[which];
    if (t->n == t->room) /* as many as there are requests: never reached */
        abort();
    t->jobs[(t->first + t->n) % t->room] = *job;
    if (t->n++ == 0)
        t->done_ms = s->now_ms + t->call_ms;
    s->n_cloud += which == MOA_CLOUD;
}

static void finish(struct simulation *s, const struct job *job, bool edge_right)
{
    const double took_ms = s->now_ms - job->arrived_ms;
    s->latency_ms[s->n_done++] = took_ms;
    s->n_right += edge_right ? job->row->edge_right : job->row->cloud_right;
    s->n_cloud_right += job->row->cloud_right;
    if (job->predicted_ms > 0)
        s->error[s->n_predicted++] = fabs(job->predicted_ms - took_ms) / took_ms;
}

static void learn(struct simulation *s, const struct job *job, bool called_edge, bool called_cloud)
{
    const struct moa_adaptive_outcome o = {
        .edge_first = job->edge_first,
        .escalated = job->escalated,
        .cloud = called_cloud,
        .called = {called_edge, called_cloud},
        .busy = {job->busy[0], job->busy[1]},
        .times = {{0, s->tier[0].call_ms, NAN, 0, NAN}, {0, s->tier[1].call_ms, NAN, 0, NAN}}};
    if (moa_adaptive_observe(s->a, &o))
        abort();
}

/* The first job of a tier is done. */
static void leave(struct simulation *s, enum moa_tier which)
{
    struct tier *t = &s->tier[which];
    struct job job = t->jobs[t->first];
    t->first = (t->first + 1) % t->room;
    if (--t->n > 0)
        t->done_ms = s->now_ms + t->call_ms;
    if (which == MOA_EDGE && s->policy != EDGE_ONLY &&
        moa_adaptive_score(s->a, &job.row->answer) < s->threshold) {
        job.escalated = true;
        job.predicted_ms = 0; /* what was predicted was the mean of both ways */
        join(s, MOA_CLOUD, &job);
        return;
    }
    finish(s, &job, which == MOA_EDGE);
    learn(s, &job, job.edge_first, which == MOA_CLOUD);
}

static enum moa_tier route(struct simulation *s, struct job *job)
{
    struct moa_question q = {
        .edge_up = true,
        .cloud_up = true,
        .coins = {1, 1},
        .load = {{(double)s->tier[0].n, 1, NAN}, {(double)s->tier[1].n, 1, NAN}},
        .uplink_mbps = 1000,
        .rtt_ms = 0};
    struct moa_routing d;
    if (s->policy != ADAPTIVE)
        return s->policy == CLOUD_ONLY ? MOA_CLOUD : MOA_EDGE;
    if (moa_adaptive_decide(s->a, &q, &d))
        abort();
    const enum moa_tier tier = d.route == MOA_ROUTE_CLOUD ? MOA_CLOUD : MOA_EDGE;
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++)
        job->busy[t] = moa_load_busy(&q.load[t]);
    job->predicted_ms = d.predicted_ms[tier];
    return tier;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(struct simulation *s, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_done; i++)
        sum += s->latency_ms[i];
    qsort(s->latency_ms, s->n_done, sizeof(*s->latency_ms), by_value);
    qsort(s->error, s->n_predicted, sizeof(*s->error), by_value);
    printf("policy=%s mean_ms=%.0f p95_ms=%.0f cloud=%.3f right_ratio=%.4f left=%zu",
           names[s->policy], sum / (double)s->n_done, s->latency_ms[s->n_done * 95 / 100],
           s->n_cloud / (double)n, s->n_right / s->n_cloud_right, n - s->n_done);
    if (s->n_predicted)
        printf(" median_error=%.3f", s->error[s->n_predicted / 2]);
    putchar('\n');
}

/* Until all have arrived; what still waits then is `left`. */
static void simulate(struct simulation *s, const struct recorded *answers, size_t n,
                     double per_second, uint64_t seed)
{
    double next_ms = 0;
    for (size_t i = 0; i < n;) {
        const double edge = s->tier[0].n ? s->tier[0].done_ms : INFINITY;
        const double cloud = s->tier[1].n ? s->tier[1].done_ms : INFINITY;
        s->now_ms = fmin(next_ms, fmin(edge, cloud));
        if (edge <= s->now_ms) {
            leave(s, MOA_EDGE);
        } else if (cloud <= s->now_ms) {
            leave(s, MOA_CLOUD);
        } else {
            struct job job = {.row = &answers->rows[recorded_random(&seed) % answers->n],
                              .arrived_ms = s->now_ms};
            const enum moa_tier tier = route(s, &job);
            job.edge_first = tier == MOA_EDGE;
            join(s, tier, &job);
            next_ms += -log(1.0 - recorded_uniform(&seed)) * 1000.0 / per_second;
            i++;
        }
    }
    print(s, n);
}

/* Audits, all at once, until the threshold that a quiet owner would have. */
static struct moa_adaptive *certified(const struct recorded *answers, size_t n_audits,
                                      double share_max)
{
    static const uint64_t key[2] = {3, 4};
    const struct moa_policy_setting settings[] = {
        {"adaptive.audit", 1}, {"adaptive.cloud_share_max", share_max}, {NULL, 0}};
    struct moa_adaptive *a;
    uint64_t seed = 9;
    if (moa_adaptive_new(settings, key, &a))
        abort();
    for (size_t i = 0; i < n_audits; i++) {
        const struct recorded_row *row = &answers->rows[recorded_random(&seed) % answers->n];
        const struct moa_audit audit = {
            .scene = i, .audit_of = {1}, .answer = row->answer, .lost = row->differs};
        moa_adaptive_audit(a, &audit);
    }
    return a;
}

int main(int argc, char **argv)
{
    const double per_second = argc > 1 ? strtod(argv[1], NULL) : 9.5;
    const double edge_ms = argc > 2 ? strtod(argv[2], NULL) : 100;
    const double cloud_ms = argc > 3 ? strtod(argv[3], NULL) : 150;
    const size_t n = argc > 4 ? (size_t)strtoul(argv[4], NULL, 10) : 50000;
    const double share_max = argc > 5 ? strtod(argv[5], NULL) : 1;
    struct recorded answers;
    recorded_read(stdin, &answers);
    if (!answers.n || !(per_second > 0) || !(edge_ms > 0) || !(cloud_ms > 0) || n < 100 ||
        !(share_max >= 0 && share_max <= 1)) {
        fputs("usage: bench-routing [PER_SECOND [EDGE_MS [CLOUD_MS [REQUESTS [SHARE]]]]] < ROWS\n",
              stderr);
        return 2;
    }
    for (int policy = 0; policy < N_POLICIES; policy++) {
        struct simulation s = {.policy = policy, .a = certified(&answers, 1300, share_max)};
        struct moa_guarantee g;
        moa_adaptive_guarantee(s.a, &g);
        s.threshold = g.threshold;
        for (int tier = 0; tier < 2; tier++)
            s.tier[tier] = (struct tier){.call_ms = tier ? cloud_ms : edge_ms,
                                         .room = n,
                                         .jobs = calloc(n, sizeof(struct job))};
        s.latency_ms = calloc(n, sizeof(double));
        s.error = calloc(n, sizeof(double));
        if (!s.tier[0].jobs || !s.tier[1].jobs || !s.latency_ms || !s.error)
            abort();
        simulate(&s, &answers, n, per_second, 77);
        free(s.tier[0].jobs);
        free(s.tier[1].jobs);
        free(s.latency_ms);
        free(s.error);
        moa_adaptive_free(s.a);
    }
    free(answers.rows);
    return 0;
}
