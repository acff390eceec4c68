/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation of audits; see generation.h.
 */
#include "generation.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Shell's sort, largest first: no allocation, and at most some thousand scores. */
static void sort(double *x, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (size_t i = gap; i < n; i++) {
            const double value = x[i];
            size_t j = i;
            for (; j >= gap && x[j - gap] < value; j -= gap)
                x[j] = x[j - gap];
            x[j] = value;
        }
    }
}

void moa_generation_grid(double *scores, size_t n, double ret_threshold[MOA_THRESHOLDS])
{
    sort(scores, n);
    for (size_t i = 0; i + 1 < MOA_THRESHOLDS; i++) {
        const size_t n_kept = (n * (i + 1) + MOA_THRESHOLDS - 1) / MOA_THRESHOLDS;
        ret_threshold[i] = scores[n_kept - 1];
    }
    ret_threshold[MOA_THRESHOLDS - 1] = 0.0;
}

static void make_grid(struct generation *g, double *scores, size_t n)
{
    moa_generation_grid(scores, n, g->threshold);
    g->has_grid = true;
}

void moa_generation_begin(struct generation *g, uint64_t serial, double share,
                          const struct confidence *confidence, double *scores, size_t n)
{
    memset(g, 0, sizeof(*g));
    g->serial = serial;
    g->share = share;
    g->confidence = *confidence;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++)
        g->process[i].best = -INFINITY;
    moa_generation_forget_small(g);
    if (n >= GENERATION_SCORES)
        make_grid(g, scores, n);
}

uint32_t moa_generation_used(const struct generation *g, double alpha)
{
    uint32_t n = g->n_certified;
    if (g->n_group > 0)
        return g->n_group_used;
    if (n == MOA_THRESHOLDS)
        return n;
    const double lost_max = GENERATION_SPENT * alpha * (double)g->n_tested;
    while (n > 1 && g->kept_lost[n - 1] > lost_max)
        n--;
    return n;
}

/* The place of a mark, or of the gap where it would be. */
static size_t place_of(const struct generation *g, uint64_t mark)
{
    size_t i = mark % GENERATION_MARKS;
    while (g->marks[i] && g->marks[i] != mark)
        i = (i + 1) % GENERATION_MARKS;
    return i;
}

bool moa_generation_knows(const struct generation *g, uint64_t mark)
{
    return g->marks[place_of(g, mark)] != 0;
}

void moa_generation_mark(struct generation *g, uint64_t mark)
{
    g->marks[place_of(g, mark)] = mark;
}

bool moa_generation_count(struct generation *g, const struct certify_bets *bets, double bar,
                          uint64_t mark, double score, bool lost)
{
    assert(g->n_audits < GENERATION_MARKS / 2);
    moa_generation_mark(g, mark);
    g->n_audits++;
    if (!g->has_grid) {
        /* The grid may know scores, never losses: these audits count for nothing else. */
        g->scores[g->n_scores++] = score;
        if (g->n_scores == GENERATION_SCORES)
            make_grid(g, g->scores, GENERATION_SCORES);
        return false;
    }
    g->n_tested++;
    g->n_lost += lost;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        const bool kept = score >= g->threshold[i];
        moa_eprocess_add(&g->process[i], bets, kept && lost);
        g->kept[i] += kept;
        g->kept_lost[i] += kept && lost;
    }
    const uint32_t before = g->n_certified;
    g->n_certified = moa_certify_sequence(g->process, MOA_THRESHOLDS, bar, before);
    return g->n_certified > before;
}

void moa_generation_forget_small(struct generation *g)
{
    g->small = (struct generation_small){.process = {.best = -INFINITY}};
}

void moa_generation_count_small(struct generation *g, const struct certify_bets *bets, bool lost)
{
    moa_eprocess_add(&g->small.process, bets, lost);
    g->small.n_audits++;
    g->small.n_lost += lost;
}

double moa_generation_threshold(const struct generation *g)
{
    const uint32_t n = moa_generation_certified(g);
    return n > 0 ? g->threshold[n - 1] : INFINITY;
}

uint32_t moa_generation_certified(const struct generation *g)
{
    return g->n_group > 0 ? g->n_group : g->n_certified;
}
