/* SPDX-License-Identifier: Apache-2.0
 *
 * What was answered a moment ago: for each question the frames that were shown with it and the text
 * that came back, so that a camera which shows the same wall again need not have it looked at
 * again. Two pictures are the same frame if they are as large, one scene (moa_image_scene()) and
 * within the bounds below. Forgets the oldest beyond its limit, and wipes what it forgets. Loop
 * thread only.
 */
#ifndef MOA_GATEWAY_RECALL_H
#define MOA_GATEWAY_RECALL_H

#include <moaoff/image.h>
#include <moaoff/policy.h>

#define RECALL_FRAMES_MAX 8 /* of a question with more nothing is kept */

/** Gray levels, of moa_image_distance(), at most. Sensor noise of 6 levels and JPEG quality 75 stay
 * below; an object of 0.05 % of the area that is 60 levels darker does not (docs/perceive.md). */
#define RECALL_DISTANCE_MAX 6.0
#define RECALL_DISTANCE_MEAN 1.5

struct recall_store;

/** Names a question: all that an answer depends on beside what its frames show. */
struct recall_key {
    uint64_t hash[2];
};

struct recall_frame {
    unsigned orientation; /* EXIF's */
    const struct moa_image_features *features;
};

struct recall_answer {
    enum moa_tier tier; /* that gave it */
    int64_t given_us;
    struct moa_bytes text; /* borrowed until the next call */
};

/** NULL if out of memory. A limit of 0 keeps nothing. */
struct recall_store *recall_new(size_t max_bytes);
/** NULL is allowed. */
void recall_free(struct recall_store *recall);

/** Forgets what was given before `since_us`. */
void recall_expire(struct recall_store *recall, int64_t since_us);

/** Forgets everything. */
void recall_clear(struct recall_store *recall);

/** Of `n` pieces, in their order; keyed with random bytes of this recall. */
struct recall_key recall_key_of(const struct recall_store *recall, const struct moa_bytes *pieces,
                                size_t n);

/** The answer of `key` if it was given at `since_us` or later and its frames are the same; all that
 * is older than that is forgotten. False if there is none. */
bool recall_find(struct recall_store *recall, const struct recall_key *key,
                 const struct recall_frame *frames, size_t n_frames, int64_t since_us,
                 struct recall_answer *ret_answer);

/** Keeps copies in the place of what was known of `key`, as far as there is room and memory. */
void recall_keep(struct recall_store *recall, const struct recall_key *key,
                 const struct recall_frame *frames, size_t n_frames,
                 const struct recall_answer *answer);

/** Bytes held. */
size_t recall_bytes(const struct recall_store *recall);

#endif
