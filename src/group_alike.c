/* SPDX-License-Identifier: Apache-2.0
 *
 * Which boxes of a group are not like the others, by their scores alone: what was lost is not
 * looked at, since whoever leaves a group because of losses makes the rest look better than it is.
 * docs/group.md has the test.
 */
#include "group.h"

#include <math.h>

/* What a test is about: so many scenes of a box, four times as many of all others. More of them
 * weigh as these do: of ten thousand any two boxes differ, and that is no reason to part. */
#define SCENES 500.0
#define SCENES_OTHERS 2000.0
#define WEIGHT (SCENES * SCENES_OTHERS / (SCENES + SCENES_OTHERS))
/* How likely any box of a group of boxes that are alike is marked, ever in a generation. */
#define LEVEL 0.001
/* Share that a cell counts for at least: a few scores where there were hardly any are no sign. */
#define CELL_MIN 0.02

_Static_assert(MOA_GROUP_CELLS == 11, "tail() has ten degrees of freedom");

/* P(chi-square with ten degrees of freedom > x). */
static double tail(double x)
{
    const double y = x / 2.0;
    return exp(-y) * (1.0 + y * (1.0 + y / 2.0 * (1.0 + y / 3.0 * (1.0 + y / 4.0))));
}

unsigned moa_group_cell_of(const double threshold[MOA_THRESHOLDS], double score)
{
    unsigned cell = 0;
    for (unsigned c = 1; c < MOA_GROUP_CELLS; c++)
        cell += score >= threshold[c * MOA_THRESHOLDS / MOA_GROUP_CELLS - 1];
    return cell;
}

unsigned moa_group_cell(const struct moa_group_plan *plan, double score)
{
    return plan ? moa_group_cell_of(plan->threshold, score) : 0;
}

struct cells {
    double n, in[MOA_GROUP_CELLS];
};

static void add_cells(struct cells *sum, const struct moa_group_counts *counts, double sign)
{
    for (int c = 0; c < MOA_GROUP_CELLS; c++) {
        sum->in[c] += sign * counts->cells[c];
        sum->n += sign * counts->cells[c];
    }
}

/* Pearson's of two samples, as if they had the sizes above; NaN: they are smaller. */
static double distance_of(const struct moa_group_counts *counts, const struct cells *all)
{
    struct cells box = {.n = 0}, others = *all;
    add_cells(&box, counts, 1.0);
    add_cells(&others, counts, -1.0);
    if (box.n < SCENES || others.n < SCENES_OTHERS)
        return NAN;
    double sum = 0.0;
    for (int c = 0; c < MOA_GROUP_CELLS; c++) {
        const double off = box.in[c] / box.n - others.in[c] / others.n;
        sum += off * off / fmax(all->in[c] / all->n, CELL_MIN);
    }
    return WEIGHT * sum;
}

/* The one farthest from the others among those that are not marked; NULL: nobody could be
 * compared. */
static struct group_member *farthest(struct moa_group *g, const struct cells *all)
{
    struct group_member *far = NULL;
    for (size_t i = 0; i < g->n; i++) {
        struct group_member *m = &g->members[i];
        if (m->differs)
            continue;
        m->distance = distance_of(&m->counts, all);
        if (!isnan(m->distance) && (!far || m->distance > far->distance))
            far = m;
    }
    return far;
}

static size_t mark(struct group_member *m, struct cells *all)
{
    m->differs = true;
    add_cells(all, &m->counts, -1.0);
    return 1;
}

/* Of two that differ nobody can say which is the odd one. */
static size_t mark_last(struct moa_group *g, struct cells *all)
{
    struct group_member *last = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct cells box = {.n = 0};
        add_cells(&box, &g->members[i].counts, 1.0);
        if (g->members[i].differs || box.n == 0.0)
            continue;
        last = &g->members[i];
        n++;
    }
    return n == 1 ? mark(last, all) : 0;
}

/* One at a time, the farthest first, since it is what the others are compared with as well. Twice
 * the chance of one look covers all looks at counts that grow while their weight does not (Levy's
 * inequality). */
size_t moa_group_compare(struct moa_group *group)
{
    struct moa_group *g = group;
    if (!g)
        return 0;
    const double level = LEVEL / (2.0 * (double)(g->n ? g->n : 1));
    struct cells all = {.n = 0};
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        n += g->members[i].differs;
        if (!g->members[i].differs)
            add_cells(&all, &g->members[i].counts, 1.0);
    }
    while (n <= MOA_GROUP_LEFT_OUT_MAX) {
        struct group_member *m = farthest(g, &all);
        if (!m || tail(m->distance) >= level)
            break;
        n += mark(m, &all);
        n += mark_last(g, &all);
    }
    return n;
}
