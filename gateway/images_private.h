/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures of a request, for the two files of images.h: images.c fetches, scores and re-encodes
 * them, images_media.c looks at sounds and films and remembers what was said of a part.
 */
#ifndef MOA_GATEWAY_IMAGES_PRIVATE_H
#define MOA_GATEWAY_IMAGES_PRIVATE_H

#include <stdatomic.h>

#include "cache.h"
#include "gateway.h"
#include "images.h"
#include "worker.h"

#define NAME_BYTES 64
#define SPACE_FILES 1 /* of cache keys: a file that was fetched is no URI, whatever it says */
#define VARIANT_WORDS (UINT64_C(1) << 63) /* in the cache: what was said of it */
#define VARIANT_MEDIA 2u                  /* in the cache: what a sound or film says of itself */
#define VARIANT_SPELT 1u /* in the cache: the picture as it came, as its canonical data URI */
#define VARIANT_FAST 3u  /* in the cache: what it is, by MOA_IMAGE_FAST; by MOA_IMAGE_EXACT: 0 */

struct picture {
    struct worker_job job; /* first: a worker_job is a picture */
    struct images *images;
    char name[NAME_BYTES]; /* in errors */
    struct moa_bytes url;  /* a data URI: in the body, or `fetched`; base64 if there is a head: */
    struct moa_bytes head; /* "data:image/png;base64,", elsewhere; mostly empty */
    struct cache_key key;  /* of what it is: the URI as it came, or the fetched file */
    struct http_error error;

    char *remote; /* the URL to fetch; NULL if it came in the body */
    int64_t deadline_us;
    void *file; /* what was fetched, until it is a data URI */
    size_t file_n;
    struct cache_value *fetched; /* that data URI */

    struct moa_recode_target keep_for; /* what it will probably be re-encoded for, */
    uint64_t max_kept_bytes;           /* with room for that many bytes of pixels; 0: nothing */
    struct moa_kept *kept;             /* pixels of the decoding that scored it */
    uint64_t kept_bytes;               /* taken for them from gateway->kept */
    bool was_kept;                     /* it was re-encoded by them */

    bool is_known; /* its facts are from the cache */
    struct image_facts facts;
    unsigned n_set;              /* see perceived */
    enum moa_tier tier;          /* that it is made ready for, */
    bool is_small;               /* at half its pixels */
    struct cache_value *recoded; /* as that tier takes it; NULL: as it is */
    char *made;
    size_t made_n;

    bool leads; /* in the gateway's list of pictures that are worked on */
    LIST_ENTRY(picture) leading;
    struct picture *waiters; /* for what comes of it */
    struct picture *next_waiter;
};

struct images {
    struct gateway *gateway;
    const struct config *config;
    const struct chat *chat;
    images_done_fn *done;
    void *arg;
    size_t n_working;
    struct worker_line working, fetching; /* its jobs among everybody's */
    bool dry_run;
    enum moa_image_mode mode; /* of scoring */
    bool was_prepared;
    atomic_bool cancelled;
    atomic_uint_fast64_t px; /* that were looked at */
    struct image_score *scores;
    struct moa_bytes *urls;
    size_t n;                  /* parts of the chat */
    struct picture pictures[]; /* one for each; those that are no images are unused */
};

struct picture *images_picture_of(struct worker_job *job);

/* To the workers; the picture counts as under way until images_end_one(). */
void images_submit(struct picture *p, void (*run)(struct worker_job *),
                   void (*done)(struct worker_job *));

/* One of the things under way has ended. After the last `images` may be gone. */
void images_end_one(struct images *images);

/* Nobody waits any more, and the picture has that as its error. */
bool images_is_cancelled(struct picture *p);

/* What was made of the picture before, or NULL. */
struct cache_value *images_recall(struct picture *p, enum metrics_cache what, uint64_t variant);
void images_remember(struct picture *p, uint64_t variant, struct cache_value *value);

/* What its tier takes. */
struct moa_recode_target images_target_of(const struct picture *p);

/* ---- images_kept.c ---- */

/* Before a picture is scored: for what it is worth keeping pixels. */
void images_plan_kept(struct picture *p);

/* Memory that the pixels made of a picture for the target take at most. Any thread. */
uint64_t images_pixel_bytes(const struct moa_image_info *info,
                            const struct moa_recode_target *target);

/* And those that are kept. Any thread. */
uint64_t images_kept_room(const struct picture *p, const struct moa_image_info *info);

/* When it has been scored: they stay if there is room, */
void images_pay_kept(struct picture *p);

/* and until this. */
void images_drop_kept(struct picture *p);

/* ---- images_media.c ---- */

/* What a sound or film is, from the cache or on a worker. */
void images_look_at_media(struct picture *p);

#endif
