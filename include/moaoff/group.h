/* SPDX-License-Identifier: Apache-2.0
 *
 * Boxes that certify together. A group shares one plan for a generation: weights, a grid of
 * thresholds and a share of audits, all frozen. Each box publishes what it counted; whoever hears
 * them adds them up and has the group's certificate: "with confidence 1 - delta, at most alpha of
 * the distinct unpinned requests of the group get an answer of the edge that differs from the
 * cloud's", where each box weighs as much as it audits. It says nothing of a single box.
 * docs/group.md has the proof, and what it asks of whoever publishes:
 *
 *   - when counts are published or heard is a matter of clocks, links and numbers of audits, never
 *     of what was lost in audits that are not among them. A box that stops, for whatever reason,
 *     publishes all that it has counted until then;
 *   - nothing is ever taken out of a sum. A box leaves by a new generation without it, and because
 *     of its scores, never because of its losses.
 *
 * Pure arithmetic as all of the library: no clock, no randomness, no network. What comes from other
 * boxes is checked before anything is done with it. moa_adaptive_group_join() and those after it
 * (adaptive.h's state in a group) are at the end.
 */
#ifndef MOAOFF_GROUP_H
#define MOAOFF_GROUP_H

#include <stdbool.h>

#include <moaoff/adaptive.h>
#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Weights of a score, and the terms on and below the diagonal of a matrix of as many rows. */
#define MOA_GROUP_WEIGHTS 14
#define MOA_GROUP_CURVATURES (MOA_GROUP_WEIGHTS * (MOA_GROUP_WEIGHTS + 1) / 2)
/** Cells of a histogram of scores. */
#define MOA_GROUP_CELLS 11
/** A box's name: 1 to 63 letters, digits, '.', '_' or '-', and the 0 behind them. */
#define MOA_GROUP_NAME_BYTES 64
#define MOA_GROUP_BOXES_MAX 65536
/** Boxes that a plan can name as left out. */
#define MOA_GROUP_LEFT_OUT_MAX 64

/** What a generation of a group is about; frozen from its beginning. */
struct moa_group_plan {
    uint64_t serial; /**< of the group's generations, from 1 */
    double alpha;    /**< of answers that are kept: `alpha_kept`, `delta_kept` of moa_guarantee */
    double delta;
    bool judge;   /**< `adaptive.long: judge`: another claim */
    double share; /**< of distinct scenes that are audited, (0, 1]; a box may audit less */
    double weights[MOA_GROUP_WEIGHTS];
    double threshold[MOA_THRESHOLDS]; /**< in [0, 1], falling; the last is 0 and keeps all */
    size_t n_left_out;                /**< boxes that do not count in it */
    char left_out[MOA_GROUP_LEFT_OUT_MAX][MOA_GROUP_NAME_BYTES];
};

/** Running means of a box's calls to a tier; all 0: none yet. For the eye. */
struct moa_group_times {
    double n, fixed_ms, prompt_ms, prompt_tokens, answer_ms, answer_tokens;
};

/** All that a box has counted in a generation. Sums of everything since its beginning, so that the
 * newest say all that older ones said. */
struct moa_group_counts {
    char box[MOA_GROUP_NAME_BYTES];
    /** Not 0; no other box has it, nor this one once it has forgotten what it counted. */
    uint64_t instance;
    uint64_t plan;                   /**< moa_group_plan_id() */
    uint32_t n_audits;               /**< of distinct scenes */
    uint32_t kept[MOA_THRESHOLDS];   /**< of them, with a score of at least each threshold */
    uint32_t lost[MOA_THRESHOLDS];   /**< of these, lost */
    uint32_t cells[MOA_GROUP_CELLS]; /**< scores of distinct scenes by moa_group_cell() */
    /** Of the audits, minus the logarithm of their likelihood, derived at the plan's weights once
     * and twice (on and below the diagonal, row by row). */
    double gradient[MOA_GROUP_WEIGHTS];
    double curvature[MOA_GROUP_CURVATURES];
    struct moa_group_times times[2]; /**< by enum moa_tier */
};

/** The cell of a score, below MOA_GROUP_CELLS: parts of the grid that are about alike in size. */
MOA_API unsigned moa_group_cell(const struct moa_group_plan *plan, double score);

/* ---- as bytes ---- */

#define MOA_GROUP_COUNTS_BYTES_MAX 2048
#define MOA_GROUP_PLAN_BYTES_MAX 5120

/**
 * Write at most `n` bytes: "MG", a version, 'c' or 'p', the length and a checksum, little-endian,
 * numbers of 64 bits or LEB128. Return how many there are; 0 if there is not room for all, or if
 * they could not be read again.
 */
MOA_API size_t moa_group_counts_write(const struct moa_group_counts *counts, void *ret_bytes,
                                      size_t n);
MOA_API size_t moa_group_plan_write(const struct moa_group_plan *plan, void *ret_bytes, size_t n);

/**
 * Read what was written. All that moa_group_hear() would call impossible in itself is refused here
 * already. Errors, with where and why in `ret_error` (NULL: not wanted): MOA_ERR_FORMAT (nothing of
 * the kind), MOA_ERR_UNSUPPORTED (of a newer version), MOA_ERR_TRUNCATED, MOA_ERR_CORRUPT,
 * MOA_ERR_ARGUMENT.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_group_counts_read(struct moa_bytes bytes,
                                                           struct moa_group_counts *ret_counts,
                                                           struct moa_error *ret_error);
MOA_API MOA_WARN_UNUSED enum moa_err moa_group_plan_read(struct moa_bytes bytes,
                                                         struct moa_group_plan *ret_plan,
                                                         struct moa_error *ret_error);

/** A hash of all that the plan says; equal for equal plans on every machine. 0: it cannot be one.
 */
MOA_API uint64_t moa_group_plan_id(const struct moa_group_plan *plan);

/* ---- adding up ---- */

struct moa_group;

/** A group that has heard nothing yet. `n_boxes_max` at most MOA_GROUP_BOXES_MAX. Free with
 * moa_group_free(). Errors: MOA_ERR_ARGUMENT, MOA_ERR_MEMORY. */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_group_new(const struct moa_group_plan *plan, size_t n_boxes_max, struct moa_group **ret_group);
/** NULL is allowed. */
MOA_API void moa_group_free(struct moa_group *group);

/**
 * A box's counts. The newest take the place of older ones, so they may come in any order, late, and
 * any number of times: nothing counts twice, and what is older changes nothing (MOA_OK as well).
 * Errors, with why in `ret_error` (NULL: not wanted), and nothing is counted: MOA_ERR_ARGUMENT
 * (counts that cannot be), MOA_ERR_FORMAT (of another plan), MOA_ERR_UNSUPPORTED (a box that is
 * left out), MOA_ERR_CORRUPT (they contradict what was heard of this box: counts that fell, or two
 * boxes of one name), MOA_ERR_LIMIT (too many boxes), MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_group_hear(struct moa_group *group,
                                                    const struct moa_group_counts *counts,
                                                    struct moa_error *ret_error);

/**
 * Takes what was heard so far as evidence; true if more is certified than before. Between two looks
 * hear from all there are: what is seen at a look is about the boxes that were heard by then, and
 * the first of two hundred, looked at alone, would certify for itself and not for the group.
 */
MOA_API bool moa_group_look(struct moa_group *group);

/** As of the last look. Valid for the group as it audits: for the mean over its boxes, each with
 * the weight of its audits. Of a single box it says nothing. */
struct moa_group_certificate {
    uint64_t plan; /**< moa_group_plan_id() */
    bool certified;
    double alpha, delta;
    uint64_t n_boxes; /**< that have audited anything */
    uint64_t n_audits, n_lost;
    double largest;       /**< share of the audits that come from one box, the largest */
    uint32_t n_certified; /**< thresholds, strictest first */
    uint32_t n_used;      /**< of them, kept by: see docs/adaptive.md, "Kept by" */
    double threshold;     /**< the loosest that is kept by; infinite: none */
    double kept;          /**< share of the audits that it keeps */
    uint64_t n_missing;   /**< audits until something is certified, at least; 0 if something is */
    struct moa_threshold curve[MOA_THRESHOLDS];
};

MOA_API void moa_group_certificate(const struct moa_group *group,
                                   struct moa_group_certificate *ret_certificate);

/* ---- boxes that are not like the others ---- */

/**
 * Compares each box's scores with those of all others (two samples, chi-square; see docs/group.md
 * for level and numbers) and marks those that differ, for the rest of the generation. Returns how
 * many are marked. To be called now and then, e.g. before each look at moa_group_due().
 */
MOA_API size_t moa_group_compare(struct moa_group *group);

struct moa_group_box {
    const struct moa_group_counts *counts; /**< lives until the group hears anything */
    double share;                          /**< of the group's audits */
    double distance;    /**< of its scores from the others', when last compared; NaN: too few yet */
    bool differs;       /**< it has to fall back to its own certificate */
    bool is_two;        /**< two boxes used its name: the first one's counts stand */
    uint64_t n_refused; /**< counts under its name that contradicted others */
};

/** The i-th box by name; false past the last. */
MOA_API bool moa_group_box(const struct moa_group *group, size_t i, struct moa_group_box *ret_box);

/** Whether a box of this name has to fall back to its own certificate: its scores differ, or it is
 * left out of the plan. */
MOA_API bool moa_group_differs(const struct moa_group *group, const char *box);

/** Why a new generation should begin. Names: moa_group_due_name(). */
enum moa_group_due {
    MOA_GROUP_NOT_DUE = 0,
    MOA_GROUP_DUE_DIFFERS = 1, /**< a box differs and has to be left out */
    MOA_GROUP_DUE_FULL = 2,    /**< a box has audited as much as a generation lasts */
};
MOA_API enum moa_group_due moa_group_due(const struct moa_group *group);
MOA_API const char *moa_group_due_name(enum moa_group_due due); /**< "differs", "full", "no" */

/**
 * The weights that all audits together suggest: one Newton step from the plan's, with the prior
 * counted once. Of the equations that were heard, in the order of names, so that whoever heard the
 * same has the same weights, bit for bit.
 */
MOA_API void moa_group_weights(const struct moa_group *group,
                               double ret_weights[MOA_GROUP_WEIGHTS]);

/**
 * The plan of the generation after this one: new weights, boxes that differ left out, beside those
 * that were; no grid yet (moa_group_plan_grid()). Errors: MOA_ERR_ARGUMENT, MOA_ERR_LIMIT (more
 * than MOA_GROUP_LEFT_OUT_MAX would be left out: this is no group).
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_group_next(const struct moa_group *group,
                                                    struct moa_group_plan *ret_plan);

/** The grid from `n` scores, at least 200, made with the plan's weights; sorts them. Errors:
 * MOA_ERR_ARGUMENT. */
MOA_API MOA_WARN_UNUSED enum moa_err moa_group_plan_grid(struct moa_group_plan *plan,
                                                         double *scores, size_t n);

/* ---- the policy `adaptive` in a group ---- */

/**
 * A plan to begin with, or to go on with after `group` (NULL: to begin with): weights from the
 * group, or those of the generation in force, and a grid from the answers that this box remembers.
 * Errors: MOA_ERR_ARGUMENT, MOA_ERR_UNSUPPORTED (it does not remember 200 audits yet),
 * MOA_ERR_LIMIT.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_group_propose(const struct moa_adaptive *adaptive,
                                                                const struct moa_group *group,
                                                                struct moa_group_plan *ret_plan);

/**
 * Begins a generation of the plan beside the one in force, in the place of any other, and counts
 * for the group under the name `box` from now on. A plan that it has joined already changes
 * nothing. Errors: MOA_ERR_ARGUMENT (no plan, or another claim than this box's parameters), and
 * nothing has changed.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_group_join(struct moa_adaptive *adaptive,
                                                             const struct moa_group_plan *plan,
                                                             const char *box);

/** What it has counted under the plan that it joined last, whatever became of the generation: after
 * an alarm too. False: it never joined one. */
MOA_API bool moa_adaptive_group_counts(const struct moa_adaptive *adaptive,
                                       struct moa_group_counts *ret_counts);

/**
 * The group's certificate, of the plan that was joined, in the place of this box's own; NULL, or
 * one that certifies nothing: its own again. Returns whether anything is other than before. Where
 * the generation is gone (an alarm, another engine), nothing happens.
 */
MOA_API bool moa_adaptive_group_heed(struct moa_adaptive *adaptive,
                                     const struct moa_group_certificate *certificate);

/**
 * After a crash: what this box published and, saved earlier, has forgotten. Taken up only if it is
 * the same box's, of the same plan and newer; returns whether it was.
 */
MOA_API bool moa_adaptive_group_recall(struct moa_adaptive *adaptive,
                                       const struct moa_group_counts *published);

/** Counts no more for the group and falls back to its own certificate, until it joins another plan.
 */
MOA_API void moa_adaptive_group_leave(struct moa_adaptive *adaptive);

#ifdef __cplusplus
}
#endif
#endif
