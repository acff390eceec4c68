/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts that are no pictures, and words for parts of any kind; see images_private.h.
 */
#include "images_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- sounds and films: their headers and samples ---- */

static struct heard *heard_of(struct picture *p)
{
    return &p->images->scores[p - p->images->pictures].heard;
}

static void run_media(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    if (!images_is_cancelled(p))
        perceive_media(p->url, heard_of(p));
}

static void on_media(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    struct heard *copy = p->error.status ? NULL : malloc(sizeof(*copy));
    if (copy)
        *copy = *heard_of(p);
    struct cache_value *value = copy ? cache_value_new(copy, sizeof(*copy)) : NULL;
    if (value)
        images_remember(p, VARIANT_MEDIA, value);
    cache_value_drop(value);
    images_end_one(p->images);
}

void images_look_at_media(struct picture *p)
{
    p->key = cache_key_of_both(p->images->gateway->cache, p->head, p->url);
    struct cache_value *known = images_recall(p, METRICS_CACHE_SCORE, VARIANT_MEDIA);
    if (known)
        memcpy(heard_of(p), known->p, sizeof(struct heard));
    else
        images_submit(p, run_media, on_media);
    cache_value_drop(known);
}

/* ---- words ---- */

/* The variant of words: everything that they depend on beside the part itself. */
static uint64_t words_variant(const struct images *images, enum moa_tier tier, const char *prompt)
{
    const char *model = images->config->tier[tier].model;
    const struct cache *cache = images->gateway->cache;
    const struct cache_key asked = cache_key_of(cache, (struct moa_bytes){prompt, strlen(prompt)});
    const struct cache_key of = cache_key_of(cache, (struct moa_bytes){model, strlen(model)});
    const uint64_t how = (uint64_t)tier + 2 * (uint64_t)images->config->perceive_max_tokens;
    return (asked.hash[0] ^ of.hash[1] ^ how) | VARIANT_WORDS;
}

/* NULL: it has no content that could be the same another time. */
static struct picture *with_key(struct images *images, size_t i)
{
    struct picture *p = &images->pictures[i];
    if (!p->url.p)
        return NULL;
    if (p->key.n_bytes == 0) /* it is no image */
        p->key = cache_key_of_both(images->gateway->cache, p->head, p->url);
    return p;
}

char *images_recall_words(struct images *images, size_t i, enum moa_tier tier, const char *prompt)
{
    struct picture *p = with_key(images, i);
    struct cache_value *value =
        p ? images_recall(p, METRICS_CACHE_WORDS, words_variant(images, tier, prompt)) : NULL;
    char *words = value ? strndup(value->p, value->n) : NULL;
    cache_value_drop(value);
    return words;
}

void images_remember_words(struct images *images, size_t i, enum moa_tier tier, const char *prompt,
                           const char *words)
{
    struct picture *p = with_key(images, i);
    char *copy = p ? strdup(words) : NULL;
    struct cache_value *value = copy ? cache_value_new(copy, strlen(copy)) : NULL;
    if (value)
        images_remember(p, words_variant(images, tier, prompt), value);
    cache_value_drop(value);
}
