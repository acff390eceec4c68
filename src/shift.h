/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether scores have moved, which is seen without asking anybody what is right: the scores of
 * distinct scenes against those that came at the same hours of other days. Day and night are no
 * shift; another lens, another view or another kind of question is. Pure; docs/adaptive.md has the
 * test.
 */
#ifndef MOA_SRC_SHIFT_H
#define MOA_SRC_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SHIFT_HOURS = 24,
    SHIFT_CELLS = 3,    /* not kept; kept; kept with the higher scores */
    SHIFT_SCENES = 500, /* that a test is about, or those of the hours until there are as many */
    SHIFT_MARKS = 4096, /* scenes of a day that are told apart */
};

#define SHIFT_HOUR_MAX (INT64_C(1) << 40)

/** Zeroed memory watches nothing. */
struct score_shift {
    bool is_watching, is_found;
    double cut[SHIFT_CELLS - 1]; /* scores from which the second and the third cell begin */
    int64_t hour;                /* of the last scene, since 1970; -1: none came yet */
    int64_t day;        /* the first that is counted: what has begun already is no whole day */
    int64_t began_hour; /* of the first scene that counted; -1: none has */
    uint32_t n_scenes;  /* in the window */
    double window[SHIFT_HOURS][SHIFT_CELLS];    /* how many are in each cell, by the hour of day */
    double reference[SHIFT_HOURS][SHIFT_CELLS]; /* the same, of windows before it, the last days' */
    uint32_t marks[SHIFT_MARKS]; /* of the scenes of this day; a later one may take a place */
};

/** Begins with scores that are kept from `kept` on, of which the better half is from `better` on.
 */
void moa_shift_begin(struct score_shift *s, double kept, double better);

/**
 * A score of the scene and question of `mark`, in the hour `hour` since 1970 (UTC; not negative,
 * below SHIFT_HOUR_MAX). The hour may jump; it then waits for the next day. Once a shift is found
 * it watches nothing.
 */
void moa_shift_see(struct score_shift *s, uint64_t mark, double score, int64_t hour);

#endif
