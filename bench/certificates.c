/* SPDX-License-Identifier: Apache-2.0
 *
 * What the guarantee of `adaptive` is worth: many runs of many requests, drawn from recorded
 * questions whose answers by two real models are known, so that the true share of bad edge answers
 * is known at every moment. Called by bench/certificates, which makes the rows; prints key=value.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorded.h"

struct setup {
    struct recorded answers;
    long n_runs, n_requests, from; /* right answers count from this request on */
    bool labels;
    double alpha, delta;
};

struct result {
    double first; /* request with the first certificate; infinite: none */
    double broken_requests, broken_at_all, alarms;
    double cloud_all, cloud_late, right_ratio;
    double loss; /* share of requests that were kept and lost */
};

static bool lost(const struct setup *s, const struct recorded_row *row)
{
    return s->labels ? row->cloud_right && !row->edge_right : row->differs;
}

/* Over all questions, what is drawn from: kept by the threshold in force, and lost. */
static double true_share(const struct setup *s, const struct moa_adaptive *a, double threshold)
{
    size_t n = 0;
    for (size_t i = 0; i < s->answers.n; i++)
        n += lost(s, &s->answers.rows[i]) &&
             moa_adaptive_score(a, &s->answers.rows[i].answer) >= threshold;
    return (double)n / (double)s->answers.n;
}

struct run {
    const struct setup *setup;
    struct moa_adaptive *a;
    struct result *result;
    double n_cloud, n_cloud_late, n_right, n_cloud_right, n_lost;
    double in_force; /* the threshold whose true share is known */
    uint64_t generation;
    bool is_broken;
};

/* The loosest threshold that is certified, whether or not it is kept by now. */
static double certified_threshold(const struct moa_guarantee *g)
{
    double threshold = INFINITY;
    for (size_t k = 0; k < g->n_curve && g->curve[k].evidence * g->delta_kept >= 1.0 - 1e-9; k++)
        threshold = g->curve[k].threshold;
    return threshold;
}

static void look_at_bound(struct run *r, long i)
{
    struct moa_guarantee g;
    moa_adaptive_guarantee(r->a, &g);
    if (g.certified && !isfinite(r->result->first))
        r->result->first = (double)i + 1;
    r->is_broken =
        g.certified && true_share(r->setup, r->a, certified_threshold(&g)) > r->setup->alpha;
    if (r->is_broken)
        r->result->broken_at_all = 1;
}

static bool keeps(const struct moa_adaptive *a, const struct moa_routing *d,
                  const struct recorded_row *row)
{
    return d->route == MOA_ROUTE_EDGE || (d->route == MOA_ROUTE_EDGE_FIRST &&
                                          moa_adaptive_score(a, &row->answer) >= d->threshold);
}

/* One request, a scene of its own. */
static void ask(struct run *r, long i, uint64_t *seed)
{
    const struct recorded_row *row =
        &r->setup->answers.rows[recorded_random(seed) % r->setup->answers.n];
    struct moa_question q = {.scene = recorded_random(seed),
                             .edge_up = true,
                             .cloud_up = true,
                             .load = {{0, 1, NAN}, {0, 1, NAN}},
                             .uplink_mbps = NAN,
                             .rtt_ms = NAN};
    struct moa_routing d;
    moa_adaptive_coins(r->a, q.scene, q.text, q.coins);
    if (moa_adaptive_decide(r->a, &q, &d))
        abort();
    const bool kept = keeps(r->a, &d, row);
    const bool audited = d.audit_of[0] || d.audit_of[1];
    const struct moa_adaptive_outcome outcome = {.edge_first = d.route == MOA_ROUTE_EDGE_FIRST,
                                                 .escalated = !kept,
                                                 .cloud = !kept || audited};
    if (moa_adaptive_observe(r->a, &outcome))
        abort();
    r->n_cloud += outcome.cloud;
    r->n_cloud_late += outcome.cloud && i >= r->setup->n_requests - 10000;
    if (i >= r->setup->from) {
        r->n_right += kept ? row->edge_right : row->cloud_right;
        r->n_cloud_right += row->cloud_right;
    }
    r->n_lost += kept && lost(r->setup, row);
    r->result->broken_requests += r->is_broken;
    if (!audited)
        return;
    struct moa_audit audit = {.scene = q.scene, .answer = row->answer, .lost = lost(r->setup, row)};
    memcpy(audit.audit_of, d.audit_of, sizeof(audit.audit_of));
    const unsigned done = moa_adaptive_audit(r->a, &audit);
    r->result->alarms += (done & MOA_AUDIT_ALARM) != 0;
    if (moa_adaptive_tend(r->a) || done > MOA_AUDIT_COUNTED)
        look_at_bound(r, i);
}

static void run(const struct setup *s, long number, struct result *result)
{
    const struct moa_policy_setting settings[] = {
        {"adaptive.alpha", s->alpha}, {"adaptive.delta", s->delta}, {NULL, 0}};
    uint64_t seed = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 10; i++)
        recorded_random(&seed);
    const uint64_t key[2] = {recorded_random(&seed), recorded_random(&seed)};
    struct run r = {.setup = s, .result = result};
    *result = (struct result){.first = INFINITY};
    if (moa_adaptive_new(settings, key, &r.a))
        abort();
    for (long i = 0; i < s->n_requests; i++)
        ask(&r, i, &seed);
    moa_adaptive_free(r.a);
    const double n = (double)s->n_requests;
    result->cloud_all = r.n_cloud / n;
    result->cloud_late = r.n_cloud_late / fmin(n, 10000);
    result->right_ratio = r.n_right / r.n_cloud_right;
    result->loss = r.n_lost / n;
    result->broken_requests /= n;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_mean(const char *name, const struct result *results, long n, size_t offset)
{
    double sum = 0;
    for (long i = 0; i < n; i++)
        sum += *(const double *)((const char *)&results[i] + offset);
    printf(" %s=%.5f", name, sum / (double)n);
}

static void print(const struct setup *s, const struct result *results)
{
    double *first = calloc((size_t)s->n_runs, sizeof(*first));
    double *right = calloc((size_t)s->n_runs, sizeof(*right));
    if (!first || !right)
        abort();
    for (long i = 0; i < s->n_runs; i++)
        first[i] = results[i].first;
    for (long i = 0; i < s->n_runs; i++)
        right[i] = results[i].right_ratio;
    qsort(right, (size_t)s->n_runs, sizeof(*right), by_value);
    qsort(first, (size_t)s->n_runs, sizeof(*first), by_value);
    printf("runs=%ld requests=%ld rows=%zu first_median=%g first_90=%g first_worst=%g", s->n_runs,
           s->n_requests, s->answers.n, first[s->n_runs / 2], first[(s->n_runs * 9 - 1) / 10],
           first[s->n_runs - 1]);
    long n_below = 0;
    while (n_below < s->n_runs && right[n_below] < 0.97)
        n_below++;
    printf(" right_10=%.5f below_97=%.4f", right[(s->n_runs - 1) / 10],
           (double)n_below / (double)s->n_runs);
    free(first);
    free(right);
    print_mean("broken", results, s->n_runs, offsetof(struct result, broken_at_all));
    print_mean("broken_requests", results, s->n_runs, offsetof(struct result, broken_requests));
    print_mean("alarms", results, s->n_runs, offsetof(struct result, alarms));
    print_mean("cloud_late", results, s->n_runs, offsetof(struct result, cloud_late));
    print_mean("cloud_all", results, s->n_runs, offsetof(struct result, cloud_all));
    print_mean("right_ratio", results, s->n_runs, offsetof(struct result, right_ratio));
    print_mean("loss", results, s->n_runs, offsetof(struct result, loss));
    putchar('\n');
}

/* ---- what the calls cost ---- */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of the calls, over questions whose times and uplink are known. */
static void print_times(const struct setup *s)
{
    enum { N = 200000 };
    const uint64_t key[2] = {1, 2};
    uint64_t seed = 1;
    struct moa_adaptive *a;
    struct result result = {.first = INFINITY};
    struct run r = {.setup = s, .result = &result};
    if (moa_adaptive_new(NULL, key, &a))
        abort();
    r.a = a;
    for (long i = 0; i < 5000; i++)
        ask(&r, i, &seed);
    const struct moa_adaptive_outcome outcome = {
        .edge_first = true, .called = {true, true}, .times = {{1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}}};
    struct moa_question q = {.edge_up = true,
                             .cloud_up = true,
                             .load = {{1, 1, 300}, {2, 8, 300}},
                             .upload_bytes = 1e5,
                             .uplink_mbps = 20,
                             .rtt_ms = 20};
    struct moa_routing d;
    double sum = 0; /* so that nothing is left out */
    double at[5] = {now_ns()};
    for (long i = 0; i < N; i++) {
        q.scene = (uint64_t)i;
        moa_adaptive_coins(a, q.scene, q.text, q.coins);
        sum += moa_adaptive_decide(a, &q, &d) ? 1 : d.rate;
    }
    at[1] = now_ns();
    for (long i = 0; i < N; i++)
        sum += moa_adaptive_score(a, &s->answers.rows[(size_t)i % s->answers.n].answer);
    at[2] = now_ns();
    for (long i = 0; i < N; i++)
        sum += moa_adaptive_observe(a, &outcome) ? 1.0 : 0.0;
    at[3] = now_ns();
    long n_audits = 0;
    for (; n_audits < 1000; n_audits++) {
        const struct moa_audit audit = {
            .scene = (uint64_t)n_audits,
            .audit_of = {1},
            .answer = s->answers.rows[(size_t)n_audits % s->answers.n].answer};
        sum += moa_adaptive_audit(a, &audit);
    }
    at[4] = now_ns();
    printf("decide_ns=%.0f score_ns=%.0f observe_ns=%.0f audit_ns=%.0f state_bytes=%zu sum=%g\n",
           (at[1] - at[0]) / N, (at[2] - at[1]) / N, (at[3] - at[2]) / N,
           (at[4] - at[3]) / (double)n_audits, moa_adaptive_save_bytes(a), sum);
    moa_adaptive_free(a);
}

int main(int argc, char **argv)
{
    struct setup s = {.n_runs = 300, .n_requests = 20000, .alpha = 0.03, .delta = 0.1};
    bool times = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "labels") == 0)
            s.labels = true;
        else if (strcmp(argv[i], "times") == 0)
            times = true;
        else if (strncmp(argv[i], "runs=", 5) == 0)
            s.n_runs = strtol(argv[i] + 5, NULL, 10);
        else if (strncmp(argv[i], "requests=", 9) == 0)
            s.n_requests = strtol(argv[i] + 9, NULL, 10);
        else if (strncmp(argv[i], "from=", 5) == 0)
            s.from = strtol(argv[i] + 5, NULL, 10);
        else if (strncmp(argv[i], "alpha=", 6) == 0)
            s.alpha = strtod(argv[i] + 6, NULL);
        else if (strncmp(argv[i], "delta=", 6) == 0)
            s.delta = strtod(argv[i] + 6, NULL);
    }
    recorded_read(stdin, &s.answers);
    struct result *results = s.n_runs > 0 ? calloc((size_t)s.n_runs, sizeof(*results)) : NULL;
    if (!results || !s.answers.n || s.n_requests < 1) {
        fputs("usage: bench-certificates [times] [labels] [runs=N] [requests=N] [alpha=A] "
              "[delta=D] < "
              "ROWS\n",
              stderr);
        free(results);
        free(s.answers.rows);
        return 2;
    }
    for (long i = 0; !times && i < s.n_runs; i++)
        run(&s, i, &results[i]);
    if (times)
        print_times(&s);
    else
        print(&s, results);
    free(results);
    free(s.answers.rows);
    return 0;
}
