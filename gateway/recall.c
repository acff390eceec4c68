/* SPDX-License-Identifier: Apache-2.0
 *
 * Chained hash table and a list in the order of age; see recall.h.
 */
#define XXH_STATIC_LINKING_ONLY /* its state on the stack */
#include "recall.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include <xxhash.h>

#define N_BUCKETS 1024 /* a power of two; an entry has more than a KB, the default limit 4 MB */

struct kept_frame {
    uint64_t scene[2];
    unsigned orientation;
    struct moa_image_features features;
};

struct recalled {
    LIST_ENTRY(recalled) chain;
    TAILQ_ENTRY(recalled) age;
    struct recall_key key;
    struct recall_answer answer;
    size_t n_bytes; /* of all of it: the frames, then the text behind them */
    size_t n_frames;
    struct kept_frame frames[];
};

struct recall_store {
    size_t max_bytes, bytes;
    LIST_HEAD(, recalled) buckets[N_BUCKETS];
    TAILQ_HEAD(ages, recalled) ages; /* the oldest first */
    uint8_t secret[XXH3_SECRET_SIZE_MIN];
};

struct recall_store *recall_new(size_t max_bytes)
{
    struct recall_store *recall = calloc(1, sizeof(*recall));
    if (!recall)
        return NULL;
    /* So few bytes come whole. */
    if (getrandom(recall->secret, sizeof(recall->secret), 0) != sizeof(recall->secret)) {
        free(recall);
        return NULL;
    }
    recall->max_bytes = max_bytes;
    TAILQ_INIT(&recall->ages);
    return recall;
}

/* Returns the next in age. */
static struct recalled *forget(struct recall_store *recall, struct recalled *entry)
{
    struct recalled *next = TAILQ_NEXT(entry, age);
    recall->bytes -= entry->n_bytes;
    LIST_REMOVE(entry, chain);
    TAILQ_REMOVE(&recall->ages, entry, age);
    explicit_bzero(entry, entry->n_bytes);
    free(entry);
    return next;
}

void recall_clear(struct recall_store *recall)
{
    for (struct recalled *entry = TAILQ_FIRST(&recall->ages); entry;)
        entry = forget(recall, entry);
}

void recall_free(struct recall_store *recall)
{
    if (!recall)
        return;
    recall_clear(recall);
    free(recall);
}

struct recall_key recall_key_of(const struct recall_store *recall, const struct moa_bytes *pieces,
                                size_t n)
{
    XXH3_state_t state;
    XXH3_128bits_reset_withSecret(&state, recall->secret, sizeof(recall->secret));
    for (size_t i = 0; i < n; i++) { /* with their lengths: no two lists are the same bytes */
        const uint64_t n_bytes = pieces[i].n;
        XXH3_128bits_update(&state, &n_bytes, sizeof(n_bytes));
        XXH3_128bits_update(&state, pieces[i].p, pieces[i].n);
    }
    /* The library leaves a copy of the last 64 bytes on the stack: not of a text. */
    static const char padding[64];
    XXH3_128bits_update(&state, padding, sizeof(padding));
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    explicit_bzero(&state, sizeof(state)); /* the end of a text is in it */
    return (struct recall_key){.hash = {hash.low64, hash.high64}};
}

static size_t bucket_of(const struct recall_key *key)
{
    return (size_t)key->hash[0] % N_BUCKETS;
}

static struct recalled *entry_of(struct recall_store *recall, const struct recall_key *key)
{
    struct recalled *entry;
    LIST_FOREACH(entry, &recall->buckets[bucket_of(key)], chain)
    {
        if (memcmp(&entry->key, key, sizeof(*key)) == 0)
            return entry;
    }
    return NULL;
}

static bool is_same(const struct kept_frame *kept, const struct recall_frame *frame)
{
    uint64_t scene[2];
    double max, mean;
    if (kept->orientation != frame->orientation ||
        kept->features.width_px != frame->features->width_px ||
        kept->features.height_px != frame->features->height_px)
        return false;
    moa_image_scene(frame->features, scene);
    moa_image_distance(&kept->features, frame->features, &max, &mean);
    return memcmp(scene, kept->scene, sizeof(scene)) == 0 && max <= RECALL_DISTANCE_MAX &&
           mean <= RECALL_DISTANCE_MEAN;
}

void recall_expire(struct recall_store *recall, int64_t since_us)
{
    struct recalled *entry = TAILQ_FIRST(&recall->ages);
    while (entry && entry->answer.given_us < since_us)
        entry = forget(recall, entry);
}

bool recall_find(struct recall_store *recall, const struct recall_key *key,
                 const struct recall_frame *frames, size_t n_frames, int64_t since_us,
                 struct recall_answer *ret_answer)
{
    recall_expire(recall, since_us);
    const struct recalled *entry = entry_of(recall, key);
    if (!entry || entry->n_frames != n_frames || entry->answer.given_us < since_us)
        return false;
    for (size_t i = 0; i < n_frames; i++) {
        if (!is_same(&entry->frames[i], &frames[i]))
            return false;
    }
    *ret_answer = entry->answer;
    return true;
}

void recall_keep(struct recall_store *recall, const struct recall_key *key,
                 const struct recall_frame *frames, size_t n_frames,
                 const struct recall_answer *answer)
{
    struct recalled *old = entry_of(recall, key);
    if (old)
        (void)forget(recall, old);
    const size_t n_before_text = sizeof(*old) + n_frames * sizeof(old->frames[0]);
    const size_t n_bytes = n_before_text + answer->text.n;
    if (n_frames > RECALL_FRAMES_MAX || n_bytes > recall->max_bytes / 4)
        return;
    struct recalled *entry = calloc(1, n_bytes);
    if (!entry)
        return;
    entry->key = *key;
    entry->answer = *answer;
    entry->n_bytes = n_bytes;
    entry->n_frames = n_frames;
    for (size_t i = 0; i < n_frames; i++) {
        entry->frames[i].orientation = frames[i].orientation;
        entry->frames[i].features = *frames[i].features;
        moa_image_scene(frames[i].features, entry->frames[i].scene);
    }
    entry->answer.text.p = memcpy((char *)entry + n_before_text, answer->text.p, answer->text.n);
    recall->bytes += n_bytes;
    LIST_INSERT_HEAD(&recall->buckets[bucket_of(key)], entry, chain);
    TAILQ_INSERT_TAIL(&recall->ages, entry, age);
    for (entry = TAILQ_FIRST(&recall->ages); recall->bytes > recall->max_bytes;)
        entry = forget(recall, entry);
}

size_t recall_bytes(const struct recall_store *recall)
{
    return recall->bytes;
}
