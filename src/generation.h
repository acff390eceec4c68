/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation of audits: weights frozen when it began, a grid of thresholds frozen soon after, an
 * e-process for each, and the marks of the scenes that it has counted, so that each counts once.
 */
#ifndef MOA_SRC_GENERATION_H
#define MOA_SRC_GENERATION_H

#include "certify.h"
#include "confidence.h"

enum {
    GENERATION_SCORES = 200,  /* that a grid is made of */
    GENERATION_MARKS = 8192,  /* a power of 2, above twice the most audits of a generation */
    GENERATION_AUDITS = 2400, /* after which it ends if its successor has certified something */
    GENERATION_LAST = 3600,   /* after which it ends in any case */
};

/** The share of alpha that may be spent on what was seen to be lost. */
#define GENERATION_SPENT 0.75

/** Whether smaller pictures are answered alike, over all scores; of audits that say so. */
struct generation_small {
    struct eprocess process;
    uint64_t n_audits, n_lost;
};

struct generation {
    uint64_t serial; /* from 1; 0: there is none */
    double share;    /* of distinct scenes that are audited; only ever lowered */
    struct confidence confidence;
    uint64_t n_audits; /* that were counted, those whose scores made the grid included */
    uint64_t n_tested; /* of them, those that the processes saw */
    uint64_t n_lost;   /* of these */
    uint32_t n_scores; /* waiting for a grid */
    uint32_t n_certified;
    bool has_grid;
    double scores[GENERATION_SCORES];
    double threshold[MOA_THRESHOLDS]; /* strictest first; the last keeps all */
    struct eprocess process[MOA_THRESHOLDS];
    uint32_t kept[MOA_THRESHOLDS], kept_lost[MOA_THRESHOLDS];
    uint32_t n_group, n_group_used; /* certified by a group, kept by; 0: by none */
    struct generation_small small;
    uint64_t marks[GENERATION_MARKS]; /* open addressing; 0: empty */
};

/** A grid from `n` scores, which it sorts. */
void moa_generation_grid(double *scores, size_t n, double ret_threshold[MOA_THRESHOLDS]);

/** `scores` (n of them, sorted by this) make the grid at once if there are enough. */
void moa_generation_begin(struct generation *g, uint64_t serial, double share,
                          const struct confidence *confidence, double *scores, size_t n);

/** Whether the scene of this mark (not 0) was counted. */
bool moa_generation_knows(const struct generation *g, uint64_t mark);

/** Counts an audit whose mark it does not know. True if more is certified than before. */
bool moa_generation_count(struct generation *g, const struct certify_bets *bets, double bar,
                          uint64_t mark, double score, bool lost);

/** Nothing is known of smaller pictures. */
void moa_generation_forget_small(struct generation *g);

/** Counts what an audit found of them. */
void moa_generation_count_small(struct generation *g, const struct certify_bets *bets, bool lost);

/** How many thresholds are certified: by the group where there is one that has. */
uint32_t moa_generation_certified(const struct generation *g);

/** The loosest certified threshold; infinite if there is none. */
double moa_generation_threshold(const struct generation *g);

/**
 * How many thresholds may be kept by, strictest first: those certified, but for the loosest of them
 * of which more than GENERATION_SPENT of `alpha` was lost so far. Any choice among what is
 * certified is certified, and evidence, which is a maximum, does not know what came after it. One
 * stays; and all of them if all answers may be kept, as scores are no longer asked for then.
 */
uint32_t moa_generation_used(const struct generation *g, double alpha);

/** For loading: enters a mark without counting. */
void moa_generation_mark(struct generation *g, uint64_t mark);

#endif
