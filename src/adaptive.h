/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of struct moa_adaptive, for adaptive.c, which decides and counts, adaptive_small.c, which
 * does the same for smaller pictures, adaptive_guarantee.c, which tells, and adaptive_save.c, which
 * keeps it over restarts.
 */
#ifndef MOA_SRC_ADAPTIVE_H
#define MOA_SRC_ADAPTIVE_H

#include <moaoff/adaptive.h>
#include <moaoff/group.h>

#include "certify.h"
#include "confidence.h"
#include "generation.h"
#include "param_table.h"
#include "predict.h"
#include "shift.h"

enum adaptive_long { LONG_DIFFERS, LONG_JUDGE };
enum adaptive_resolution { RESOLUTION_OFF, RESOLUTION_HALF };
enum adaptive_before { BEFORE_THRESHOLD, BEFORE_CLOUD, BEFORE_PAPER };

struct adaptive_params {
    double alpha;
    double delta;
    double audit;
    double audits_early;
    double shadow;
    double threshold;
    double cloud_share_max;
    double shadow_max;  /* read by who audits */
    double label_wait;  /* s, for the program that counts audits */
    double hold_tokens; /* read by who holds the answer */
    int before;         /* enum adaptive_before */
    int long_answers;   /* enum adaptive_long; obeyed by who audits */
    int resolution;     /* enum adaptive_resolution */
};

enum { ADAPTIVE_REMEMBERED = 2048, ADAPTIVE_GROUP_MARKS = 4096 };

/** What it counts for a group. Zeroed memory is in none. */
struct adaptive_group {
    uint64_t serial;                /* of our generation that counts for it; 0: none does */
    struct moa_group_counts counts; /* under the plan that was joined last; `plan` 0: none was */
    uint64_t n_boxes, n_audits, n_lost;   /* of the certificate that was heeded last */
    uint32_t marks[ADAPTIVE_GROUP_MARKS]; /* of scenes whose scores count; a later one may take a
                                           * place; not saved */
};

struct moa_adaptive {
    struct adaptive_params params;
    struct certify_bets bets;       /* of moa_adaptive_alpha_kept() */
    struct certify_bets small_bets; /* of the rest of alpha */
    double bar;                     /* log(1 / moa_adaptive_delta_kept()); of both */

    uint64_t n_changes; /* not saved */
    uint64_t key[2];
    uint64_t identity;  /* of the engines; 0: not known yet */
    uint64_t n_serials; /* generations that ever began */
    uint64_t n_alarms;
    uint64_t n_requests;      /* since all began again */
    uint64_t in_force;        /* serial of the generation whose certificate is; 0: none */
    struct drift drift;       /* of its threshold */
    struct drift small_drift; /* of smaller pictures, once they are certified */
    uint64_t n_small_alarms;
    struct generation generations[MOA_GENERATIONS]; /* the older one first */

    /* The last audits, for the weights of the next generation. */
    struct confidence_sample remembered[ADAPTIVE_REMEMBERED];
    uint64_t n_remembered; /* ever; the next one goes to its remainder */

    struct score_shift shift;
    uint64_t shift_of; /* serial of the generation that it is about: the one in force */
    uint64_t n_shifts; /* that were found */
    uint64_t hastened; /* serial of the younger generation, if it began for a shift; 0: none */

    struct adaptive_group group;

    struct predict predict;
    double budget_share; /* moa_adaptive_aim() */
};

/* Of alpha and delta, what the claim on smaller pictures takes. */
#define SMALL_ALPHA 0.25
#define SMALL_DELTA 0.5

extern const struct policy_params moa_adaptive_params;

/** What is left of the claim for answers of the edge: all of it where pictures stay whole. */
static inline double moa_adaptive_alpha_kept(const struct moa_adaptive *a)
{
    return a->params.resolution ? (1.0 - SMALL_ALPHA) * a->params.alpha : a->params.alpha;
}

static inline double moa_adaptive_delta_kept(const struct moa_adaptive *a)
{
    return a->params.resolution ? (1.0 - SMALL_DELTA) * a->params.delta : a->params.delta;
}

/** Its quantities are in range. */
bool moa_question_valid(const struct moa_question *question);

/** What is counted under the one is evidence under the other. */
bool moa_adaptive_same_claim(const struct adaptive_params *one,
                             const struct adaptive_params *other);

/** Forgets all that is about answers: no certificate, no audits, the prior weights. */
void moa_adaptive_begin_again(struct moa_adaptive *a);

/** Whether it may decide as `paper` (adaptive.before), by complexities. */
bool moa_adaptive_reads_complexity(const struct moa_adaptive *adaptive);

/** Watches the scores of the generation in force, if it has not done so yet. */
void moa_adaptive_watch(struct moa_adaptive *a);

/** To what the parameters allow now; see adaptive.c. */
void moa_adaptive_lower_shares(struct moa_adaptive *a);

/** Where things stand; the generation whose certificate is in force, without one the older, whose
 * weights count; the share of distinct scenes that it audits now. */
enum moa_standing moa_adaptive_standing(const struct moa_adaptive *a);
const struct generation *moa_adaptive_current(const struct moa_adaptive *a);
double moa_adaptive_share(const struct moa_adaptive *a);

/** How many of its thresholds may be kept by; 0: nothing is certified. */
uint32_t moa_adaptive_used(const struct moa_adaptive *a);

/** One certificate becomes the one in force, or none. */
void moa_adaptive_settle(struct moa_adaptive *a);

/** In `slot`, with scores for its grid if there are enough. */
void moa_adaptive_begin_generation(struct moa_adaptive *a, size_t slot,
                                   const struct confidence *confidence, double *scores, size_t n);

/** The younger generation becomes the older. */
void moa_adaptive_end_older(struct moa_adaptive *a);

/** How many audits it remembers, and their answers' scores by other weights. */
size_t moa_adaptive_remembered(const struct moa_adaptive *a);
size_t moa_adaptive_rescore(const struct moa_adaptive *a, const struct confidence *confidence,
                            double ret_scores[ADAPTIVE_REMEMBERED]);

/* ---- adaptive_group.c ---- */

/** The score of a scene, by the weights of the generation that counts for the group. */
void moa_adaptive_group_see(struct moa_adaptive *a, uint64_t mark, double score);

/** An audit that generation `g`, which counts for the group, has counted. */
void moa_adaptive_group_count(struct moa_adaptive *a, const struct generation *g,
                              const struct moa_audit *audit, uint64_t mark, double score);

/** Our generation that counts for the group; NULL: none does. */
struct generation *moa_adaptive_group_generation(struct moa_adaptive *a);

/* ---- adaptive_small.c ---- */

/** Whether pictures for the cloud may have half their pixels. */
bool moa_adaptive_small_holds(const struct moa_adaptive *a);

/** If they may, and are predicted to be quicker, `routing` is of them from now on. */
void moa_adaptive_choose_size(const struct moa_adaptive *a, const struct moa_question *question,
                              struct moa_routing *routing);

/** An audit of generation `g` has found something of them. Returns what that led to: bits as
 * MOA_AUDIT_SMALL_ALARM, only if `g` is the one that counts. */
unsigned moa_adaptive_count_small(struct moa_adaptive *a, struct generation *g, bool lost);

#endif
