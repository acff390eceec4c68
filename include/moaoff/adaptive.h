/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge answers, its own confidence is read from the probabilities of its tokens, and what it is
 * not sure of goes to the cloud; audits in the shadow prove how often an answer that was kept is
 * not what the cloud would have said. docs/adaptive.md has the formulas, sources and proofs.
 *
 * Everything here is pure arithmetic on one struct: no clock, no randomness, no input or output.
 * Time, coins and measurements come in with each call, so a recorded request replays to the same
 * decision. Deciding and scoring change nothing and allocate nothing; observing and counting an
 * audit allocate nothing. Any number of threads may decide and score, but not while one of the
 * functions that take a struct that is not const runs.
 */
#ifndef MOAOFF_ADAPTIVE_H
#define MOAOFF_ADAPTIVE_H

#include <stdbool.h>

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct moa_policy_param;   /* policy.h */
struct moa_policy_setting; /* policy.h */

/** Thresholds of a generation: those that keep 2, 4, ..., 98 % of its first scores, and "keep all".
 */
#define MOA_THRESHOLDS 50
/** Generations of audits that live at a time. */
#define MOA_GENERATIONS 2
/** Kinds of question whose rate of escalation is kept apart. */
#define MOA_QUESTION_KINDS 32

/* ---- what comes in ---- */

/** What the edge answered with, by its form. */
enum moa_answer_form {
    MOA_ANSWER_LETTER = 0, /**< of a multiple choice; probabilities among the letters offered */
    MOA_ANSWER_YES_NO = 1,
    MOA_ANSWER_NUMBER = 2,
    MOA_ANSWER_SHORT = 3, /**< at most three words */
    MOA_ANSWER_JSON = 4,
    MOA_ANSWER_TOOL = 5, /**< a tool call */
    MOA_ANSWER_LONG = 6,
};

/** What was held of the edge's answer. */
struct moa_answer {
    enum moa_answer_form form;
    bool streamed;   /**< these are its first tokens, not all of them */
    bool sampled;    /**< at a temperature above 0 */
    size_t n_tokens; /**< held; 0: the engine gave no probabilities, the rest does not count */
    double p_min;    /**< the lowest probability of a token held, the end token included, (0, 1] */
    double p_first;  /**< of the first token, (0, 1] */
    double p_top5;   /**< of the five likeliest first tokens together, (0, 1] */
};

/** The form of an answer by its text; a tool call is known to the caller alone. */
MOA_API enum moa_answer_form moa_answer_form_of(struct moa_bytes text);

/**
 * Whether two answers say the same. Letters, yes and no, numbers and up to three words: case,
 * punctuation, articles and number words up to ten do not count. Others only if they are equal byte
 * for byte: JSON and tool calls are to be compared as values by the caller.
 */
MOA_API bool moa_answers_agree(struct moa_bytes one, struct moa_bytes other);

/** How busy a tier is, and what the request will cost it. NaN: unknown. */
struct moa_tier_load {
    double n_in_flight;   /**< our own calls to it that have not ended */
    double slots;         /**< calls it works on at once, >= 1 */
    double prompt_tokens; /**< of this request, visual tokens included */
};

struct moa_question {
    uint64_t scene; /**< moa_adaptive_hash() of what is seen; equal for what counts as one scene */
    uint64_t text;  /**< moa_adaptive_hash() of what is asked */
    unsigned kind;  /**< of question, below MOA_QUESTION_KINDS */
    bool pinned;    /**< to the edge */
    bool edge_up;
    bool cloud_up;
    /** moa_adaptive_coins() of scene and text. */
    double coins[MOA_GENERATIONS];
    struct moa_tier_load load[2]; /**< by enum moa_tier */
    double upload_bytes;
    double uplink_mbps; /**< goodput to the cloud; NaN: unknown */
    double rtt_ms;      /**< to the cloud; NaN: unknown */
    bool cold;          /**< no connection to the cloud is open */
    /** Its pictures for the cloud may be sent at half their pixels, and what that would take. */
    bool has_small;
    double small_upload_bytes;
    double small_prompt_tokens; /**< at the cloud */
};

/* ---- what comes out ---- */

enum moa_route {
    MOA_ROUTE_EDGE_FIRST = 0, /**< the edge answers; below the threshold the cloud is asked */
    MOA_ROUTE_CLOUD = 1,
    MOA_ROUTE_EDGE = 2,  /**< the edge answers whatever its score */
    MOA_ROUTE_PAPER = 3, /**< as the policy `paper` decides */
};

/** Why. Names: moa_why_name(). */
enum moa_why {
    MOA_WHY_CERTIFIED = 0,   /**< by a certified threshold */
    MOA_WHY_SHADOW = 1,      /**< nothing is certified yet and the edge is being watched */
    MOA_WHY_UNCERTIFIED = 2, /**< nothing could be certified: `adaptive.before` */
    MOA_WHY_QUICKER = 3,     /**< the cloud is predicted to answer sooner */
    MOA_WHY_EDGE_DOWN = 4,
    MOA_WHY_CLOUD_DOWN = 5,
    MOA_WHY_PINNED = 6,
};

struct moa_routing {
    enum moa_route route;
    enum moa_why why;
    double threshold; /**< edge first: kept if the score is at least this */
    /** Serial numbers of the generations that this request is an audit of; 0: of none. Both tiers
     * have to be asked if there is one. */
    uint64_t audit_of[MOA_GENERATIONS];
    double rate;            /**< v: how likely the cloud will be asked if the edge is first */
    double predicted_ms[2]; /**< T, by enum moa_tier; NaN: unknown */
    double cost_edge_first; /**< J, ms; NaN: unknown */
    double cost_cloud;      /**< J, ms; NaN: unknown */
    /** If the cloud is asked, at once or after the edge, its pictures have half their pixels: that
     * was certified, and is predicted to be quicker. What is predicted is of that. Never if it is
     * an audit. */
    bool small;
};

/** What an audit found. */
struct moa_audit {
    uint64_t scene, text;               /**< of the question */
    uint64_t audit_of[MOA_GENERATIONS]; /**< as it was decided */
    struct moa_answer answer;           /**< of the edge */
    /** Without a label: the cloud's answer is another one. With a label: the cloud is right and the
     * edge is wrong. An error, a refusal or a cut answer of either counts as true. */
    bool lost;
    /** The cloud was also asked with smaller pictures, and said another thing than with whole ones;
     * errors, refusals and cut answers as above. Labels change nothing of that. */
    bool has_small, small_lost;
};

/** A score of the edge's answer, whatever became of it, to a request that is not pinned. */
struct moa_sighting {
    uint64_t scene, text; /**< of the question */
    double score;         /**< moa_adaptive_score() */
    int64_t hour;         /**< of the wall clock, since 1970, UTC */
};

/** What counting an audit led to: bits. */
enum {
    MOA_AUDIT_COUNTED = 1,   /**< it was new to a generation that lives */
    MOA_AUDIT_CERTIFIED = 2, /**< more can be kept than before, or anything at all */
    MOA_AUDIT_ALARM = 4,     /**< too many losses: the certificate is void, all starts again */
    MOA_AUDIT_SMALL_CERTIFIED = 8, /**< pictures may have half their pixels from now on */
    MOA_AUDIT_SMALL_ALARM = 16,    /**< and no longer: that alone starts again */
};

/** What a call to a tier took; NaN: unknown. */
struct moa_call_times {
    /** Before the prompt was read, neither waiting for a slot nor moa_adaptive_sending_ms()
     * included. */
    double fixed_ms;
    double prompt_ms;
    double prompt_tokens;
    double answer_ms;
    double answer_tokens;
};

/** How a request ended. */
struct moa_adaptive_outcome {
    unsigned kind;   /**< of question */
    bool edge_first; /**< the edge's answer was scored */
    bool escalated;  /**< and was not kept */
    bool cloud;      /**< the cloud was asked, for whatever reason */
    bool called[2];  /**< by enum moa_tier: `times` says something */
    bool is_again;   /**< no other request, but more times of one that was told already */
    struct moa_call_times times[2];
    double n_ahead[2]; /**< moa_load_ahead() when it was decided; NaN: unknown */
    double busy[2];    /**< moa_load_busy() when it was decided; NaN: unknown */
};

/** Our calls that a tier is at work on; NaN: unknown, or as many as
 * it takes at once, so that this one had to wait. */
MOA_API double moa_load_ahead(const struct moa_tier_load *load);

/** The share of its slots that work for us; NaN: unknown. */
MOA_API double moa_load_busy(const struct moa_tier_load *load);

/* ---- the policy's state ---- */

struct moa_adaptive;

/** The i-th parameter ("adaptive.alpha", ...); NULL past the last. */
MOA_API const struct moa_policy_param *moa_adaptive_param(size_t i);

/**
 * Nothing seen, nothing certified. `key` is a secret from which coins are made: with it one could
 * tell which scenes are audited. `settings` as for moa_policy_new(). Free with moa_adaptive_free().
 * Errors: MOA_ERR_ARGUMENT, MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_new(const struct moa_policy_setting *settings,
                                                      const uint64_t key[2],
                                                      struct moa_adaptive **ret_adaptive);
/** NULL is allowed. */
MOA_API void moa_adaptive_free(struct moa_adaptive *adaptive);

/** Another secret, before anything was counted: MOA_ERR_ARGUMENT afterwards. */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_set_key(struct moa_adaptive *adaptive,
                                                          const uint64_t key[2]);

/**
 * Other parameters. Another alpha or delta, another way to compare long answers, or pictures that
 * may or may not be smaller, starts everything again, since it is another claim; a larger share of
 * audits counts from the next generation on. Errors: MOA_ERR_ARGUMENT, and nothing has changed.
 */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_adaptive_configure(struct moa_adaptive *adaptive, const struct moa_policy_setting *settings);

/**
 * The two engines by a hash of all that names them (model, fingerprint, address). When it changes,
 * the certificate is void and all starts again: returns true. The first one is only noted.
 */
MOA_API bool moa_adaptive_identity(struct moa_adaptive *adaptive, uint64_t identity);

/**
 * A hash of `n` words with the policy's key, for scenes and texts: equal for equal words as long as
 * the key is the same, and without the key it tells nothing of them. 0 if there is no policy, or no
 * words.
 */
MOA_API uint64_t moa_adaptive_hash(const struct moa_adaptive *adaptive, const uint64_t *words,
                                   size_t n);

/** The coins of a scene and a question in [0, 1), one for each generation that lives, 1 for none.
 */
MOA_API void moa_adaptive_coins(const struct moa_adaptive *adaptive, uint64_t scene, uint64_t text,
                                double ret_coins[MOA_GENERATIONS]);

/** Errors: MOA_ERR_ARGUMENT (`kind` too large, a quantity below 0 or infinite). */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_decide(const struct moa_adaptive *adaptive,
                                                         const struct moa_question *question,
                                                         struct moa_routing *ret_routing);

/** s in [0, 1]: the estimated probability that the cloud says the same. 0 for an answer of which
 * nothing is known, or that cannot be (a probability above 1 or below 0, an unknown form). */
MOA_API double moa_adaptive_score(const struct moa_adaptive *adaptive,
                                  const struct moa_answer *answer);

/**
 * True if no continuation of an answer that has begun can reach `threshold`: the edge's call may be
 * ended and the cloud asked, except on an audit. `so_far` as far as it has come, its form unknown;
 * `n_tokens_max` is how long it may become.
 */
MOA_API bool moa_adaptive_hopeless(const struct moa_adaptive *adaptive,
                                   const struct moa_answer *so_far, size_t n_tokens_max,
                                   double threshold);

/** What sending the request to the cloud is predicted to take; what is not known of the link costs
 * nothing. */
MOA_API double moa_adaptive_sending_ms(const struct moa_question *question);

/** Errors: MOA_ERR_ARGUMENT, and nothing has changed. */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_adaptive_observe(struct moa_adaptive *adaptive, const struct moa_adaptive_outcome *outcome);

/**
 * The share of requests that a budget allows to ask the cloud, in [0, 1]; from now on the smaller
 * of it and of `adaptive.cloud_share_max` is aimed at. 1 at first, and not saved. Errors:
 * MOA_ERR_ARGUMENT, and nothing has changed.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_aim(struct moa_adaptive *adaptive, double share);

/**
 * Watches whether scores shift against those of the same hours of other days, by what a certified
 * threshold had decided: where every answer was asked of the edge first. Costs nothing else. If
 * they have, moa_adaptive_tend() begins a generation at a larger share of audits.
 */
MOA_API void moa_adaptive_see(struct moa_adaptive *adaptive, const struct moa_sighting *sighting);

/** Counts an audit; returns bits as above, 0 if it came too late or its scene was counted before.
 */
MOA_API unsigned moa_adaptive_audit(struct moa_adaptive *adaptive, const struct moa_audit *audit);

/**
 * Begins and ends generations when they are due; a few milliseconds when one begins, next to
 * nothing otherwise. To be called now and then, off the path of a request. Returns true if one
 * began.
 */
MOA_API bool moa_adaptive_tend(struct moa_adaptive *adaptive);

/* ---- what it promises ---- */

/** Where things stand, as moa_adaptive_decide() goes by. */
enum moa_standing {
    MOA_STANDING_SHADOW =
        0, /**< nothing is certified yet: the cloud answers, the edge is watched */
    MOA_STANDING_UNCERTIFIED = 1, /**< nothing could be certified: `adaptive.before` */
    MOA_STANDING_CERTIFIED = 2,
};

struct moa_threshold {
    double threshold;
    double kept;  /**< share of all audits that it keeps */
    double lost;  /**< share of all audits that it keeps and that were lost */
    double bound; /**< of `lost`, exact binomial at 1 - delta_kept: for the eye only */
    double
        evidence; /**< e-value so far; certified from 1/delta_kept on, if all stricter ones are */
};

/** "With confidence 1 - delta, the cloud says of pictures at half their pixels another thing than
 * of whole ones in at most alpha of the distinct unpinned requests." */
struct moa_small_guarantee {
    bool is_asked; /**< `adaptive.resolution` says so; all else is 0 if not */
    bool certified;
    double alpha, delta;
    uint64_t n_audits, n_lost;
    uint64_t n_missing; /**< audits until it is certified, at least; 0 if it is */
    double bound;       /**< of the share lost, exact binomial: for the eye, not certified */
    double evidence;    /**< e-value so far; certified from 1/delta on */
    double drift;       /**< the detector's mean; alarm at 5,000 */
    uint64_t n_alarms;
};

/** What a group of boxes certifies; see group.h. All 0: this box is in none. */
struct moa_group_guarantee {
    bool is_joined;
    bool is_counting; /**< this box's audits count for it */
    bool in_force;    /**< its certificate is the one in force: valid for the group as it audits,
                           and of this box alone it says nothing */
    uint64_t n_boxes, n_audits, n_lost; /**< that it rests on; of the certificate heeded last */
};

/** "With confidence 1 - delta, at most alpha of the distinct unpinned requests get an answer that
 * differs from the cloud's": of the edge by `alpha_kept` and `delta_kept`, and of the cloud itself,
 * of smaller pictures, by `small`. Without smaller pictures the first is all of it. */
struct moa_guarantee {
    bool certified;
    double alpha, delta;
    double alpha_kept, delta_kept; /**< what is certified of the edge's answers */
    struct moa_small_guarantee small;
    double threshold;    /**< in force; infinite if none is */
    double kept;         /**< share of the audits that it keeps */
    uint64_t generation; /**< serial number; 0: none yet */
    uint64_t n_audits;   /**< that its certificate rests on */
    uint64_t n_lost;     /**< of them, kept or not */
    enum moa_standing standing;
    uint64_t n_requests; /**< since all began again */
    uint64_t n_scores;   /**< audits that only made, or are to make, the grid */
    uint64_t n_missing;  /**< audits until something is certified, at least; 0 if something is */
    bool is_reachable;   /**< that many fit into a generation */
    double audit;        /**< share of distinct requests that are audited now */
    double reach;        /**< largest share kept of which at most alpha_kept was lost so far */
    double drift;        /**< the detector's mean; alarm at 5,000 */
    uint64_t n_alarms;
    uint64_t n_shifts; /**< times that scores had shifted; nothing is void for that, but */
    bool is_hastened;  /**< audits are more frequent until a new generation certifies something */
    size_t n_curve;    /**< 0 until the grid is made */
    struct moa_threshold curve[MOA_THRESHOLDS]; /**< strictest first; of this box's own audits */
    struct moa_group_guarantee group;
};

MOA_API void moa_adaptive_guarantee(const struct moa_adaptive *adaptive,
                                    struct moa_guarantee *ret_guarantee);

/** A number that is another one once anything has been learned, counted or forgotten. */
MOA_API uint64_t moa_adaptive_changes(const struct moa_adaptive *adaptive);

/* ---- over restarts ---- */

/** Bytes that moa_adaptive_save() writes, at most. */
MOA_API size_t moa_adaptive_save_bytes(const struct moa_adaptive *adaptive);

/** Writes all that was learned and counted, and the key, little-endian, with version and checksum.
 * Returns the bytes written; 0 if `n` is too small. */
MOA_API size_t moa_adaptive_save(const struct moa_adaptive *adaptive, void *ret_bytes, size_t n);

/**
 * Takes up what was saved, the key too, since coins that were tossed stay as they fell; parameters
 * stay. If the claim was another one then, only times and rates are taken. What an older version
 * saved is read. Errors: MOA_ERR_FORMAT (a newer version), MOA_ERR_TRUNCATED, MOA_ERR_CORRUPT,
 * MOA_ERR_MEMORY; nothing has changed then.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_adaptive_load(struct moa_adaptive *adaptive,
                                                       struct moa_bytes saved);

MOA_API const char *moa_route_name(enum moa_route route); /**< "edge-first", "cloud", ... */
MOA_API const char *moa_why_name(enum moa_why why);       /**< "quicker", "uncertified", ... */
MOA_API const char *moa_standing_name(enum moa_standing standing); /**< "shadow", ... */

#ifdef __cplusplus
}
#endif
#endif
