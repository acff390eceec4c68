/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether scores have moved; see shift.h.
 */
#include "shift.h"

#include <math.h>
#include <string.h>

#define CHI_SQUARE_MAX 18.420680743952367 /* 2 ln 10^4: p < 1e-4 with two degrees of freedom */
#define CELL_MIN                                                                                   \
    0.05                 /* share that a cell counts for at least: few of what was                 \
                          * rarer before are no shift */
#define PRIOR 3.0        /* scenes like those of all hours, in each hour */
#define HOUR_MIN 20.0    /* scenes of an hour, to compare with it */
#define A_DAY_LATER 0.75 /* what scenes of a day before count: dusk comes later and later */

void moa_shift_begin(struct score_shift *s, double kept, double better)
{
    *s = (struct score_shift){
        .is_watching = true, .cut = {kept, better}, .hour = -1, .began_hour = -1};
}

/* ---- the test ---- */

static double sum_of(const double cells[SHIFT_CELLS])
{
    double sum = 0.0;
    for (int c = 0; c < SHIFT_CELLS; c++)
        sum += cells[c];
    return sum;
}

/* What was seen in the cells, what was to be expected, from `low` to `high`, and how much of that
 * is not known better. */
struct comparison {
    double n, seen[SHIFT_CELLS], low[SHIFT_CELLS], high[SHIFT_CELLS], unknown[SHIFT_CELLS];
    double all[SHIFT_CELLS]; /* shares of all hours */
};

static double share_of(const struct score_shift *s, const struct comparison *k, int hour, int cell)
{
    return (s->reference[hour][cell] + PRIOR * k->all[cell]) / (sum_of(s->reference[hour]) + PRIOR);
}

/* Dusk moves with the seasons, and people's days with their clocks: what the hour before or the
 * hour after has is to be expected too, as far as it is more than chance. */
static void widen(const struct score_shift *s, const struct comparison *k, int hour, int cell,
                  double *low, double *high)
{
    const double n = sum_of(s->reference[hour]), share = share_of(s, k, hour, cell);
    const double chance = 2.0 * sqrt(share * (1.0 - share) / (n + PRIOR));
    if (n < HOUR_MIN)
        return;
    *low = fmin(*low, share + chance);
    *high = fmax(*high, share - chance);
}

static void compare_hour(const struct score_shift *s, int hour, struct comparison *k)
{
    const double n = sum_of(s->window[hour]), n_before = sum_of(s->reference[hour]);
    if (n == 0.0 || n_before < HOUR_MIN)
        return;
    k->n += n;
    for (int c = 0; c < SHIFT_CELLS; c++) {
        const double share = share_of(s, k, hour, c);
        double low = share, high = share;
        widen(s, k, (hour + SHIFT_HOURS - 1) % SHIFT_HOURS, c, &low, &high);
        widen(s, k, (hour + 1) % SHIFT_HOURS, c, &low, &high);
        k->seen[c] += s->window[hour][c];
        k->low[c] += n * low;
        k->high[c] += n * high;
        k->unknown[c] += n * n * share / n_before;
    }
}

/* Pearson's, of two samples, hour by hour. More scenes than were asked for count as so many: of ten
 * thousand any two days differ, and that is no shift. */
static bool has_shifted(const struct score_shift *s)
{
    double n = 0.0, sum = 0.0;
    struct comparison k = {.n = 0};
    for (int h = 0; h < SHIFT_HOURS; h++) {
        n += sum_of(s->reference[h]);
        for (int c = 0; c < SHIFT_CELLS; c++)
            k.all[c] += s->reference[h][c];
    }
    for (int c = 0; c < SHIFT_CELLS && n > 0.0; c++)
        k.all[c] /= n;
    for (int h = 0; h < SHIFT_HOURS; h++)
        compare_hour(s, h, &k);
    if (k.n < SHIFT_SCENES / 2.0) /* too few hours to compare with */
        return false;
    for (int c = 0; c < SHIFT_CELLS; c++) {
        const double expected = fmin(fmax(k.seen[c], k.low[c]), k.high[c]);
        const double off = k.seen[c] - expected;
        sum += off * off / fmax(expected + k.unknown[c], CELL_MIN * k.n);
    }
    return sum * fmin(1.0, SHIFT_SCENES / k.n) > CHI_SQUARE_MAX;
}

/* ---- counting ---- */

static void add_to_reference(struct score_shift *s)
{
    for (int h = 0; h < SHIFT_HOURS; h++) {
        for (int c = 0; c < SHIFT_CELLS; c++)
            s->reference[h][c] += s->window[h][c];
    }
}

static void clear_window(struct score_shift *s)
{
    memset(s->window, 0, sizeof(s->window));
    s->n_scenes = 0;
}

static void begin_day(struct score_shift *s)
{
    memset(s->marks, 0, sizeof(s->marks));
    for (int h = 0; h < SHIFT_HOURS; h++) {
        for (int c = 0; c < SHIFT_CELLS; c++)
            s->reference[h][c] *= A_DAY_LATER;
    }
}

/* An hour has begun. Whole hours are compared, for within one of them dusk may fall. */
static void turn(struct score_shift *s, int64_t hour)
{
    if (s->n_scenes >= SHIFT_SCENES) {
        s->is_found = s->began_hour >= 0 && hour - s->began_hour > SHIFT_HOURS && has_shifted(s);
        if (!s->is_found)
            add_to_reference(s);
        clear_window(s);
    }
    if (hour / SHIFT_HOURS != s->hour / SHIFT_HOURS)
        begin_day(s);
}

/* A scene counts once a day: the same wall all day is one look at it, and it is seen first at the
 * same time of each day. */
static bool is_new(struct score_shift *s, uint64_t mark)
{
    uint32_t *place = &s->marks[mark % SHIFT_MARKS];
    const uint32_t rest = (uint32_t)(mark >> 32) | 1;
    const bool is = *place != rest;
    *place = rest;
    return is;
}

void moa_shift_see(struct score_shift *s, uint64_t mark, double score, int64_t hour)
{
    if (!s->is_watching || s->is_found || hour < 0)
        return;
    if (s->hour < 0 || hour < s->hour) { /* the first, or the clock went back */
        clear_window(s);
        s->day = hour / SHIFT_HOURS + 1;
    } else if (hour != s->hour) {
        turn(s, hour);
    }
    s->hour = hour;
    if (s->is_found || hour / SHIFT_HOURS < s->day || !is_new(s, mark))
        return;
    if (s->began_hour < 0)
        s->began_hour = hour;
    const int cell = (score >= s->cut[0]) + (score >= s->cut[1]);
    s->window[hour % SHIFT_HOURS][cell] += 1.0;
    s->n_scenes++;
}
