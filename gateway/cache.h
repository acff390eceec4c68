/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known about a content already: a map from the hash of the content to bytes, which forgets
 * the least recently used once it holds more than its limit. Loop thread only.
 *
 * Values are counted references, so that one can be on its way to an engine when it is forgotten.
 */
#ifndef MOA_GATEWAY_CACHE_H
#define MOA_GATEWAY_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include <moaoff/base.h>

struct cache;

struct cache_key {
    uint64_t hash[2];
    uint64_t n_bytes;
    uint64_t space;   /* 0, or another number for contents of another kind, which then never meet */
    uint64_t variant; /* what was made of the content */
};

struct cache_value {
    void *p;
    size_t n;
    unsigned references;
};

/** NULL if out of memory. A limit of 0 keeps nothing. */
struct cache *cache_new(size_t max_bytes);
/** NULL is allowed. Values that are still held stay alive. */
void cache_free(struct cache *cache);

/**
 * The key of `content`. The hash is keyed with random bytes of this cache: who does not know them
 * cannot make two contents meet, and so cannot put one picture in the place of another.
 */
struct cache_key cache_key_of(const struct cache *cache, struct moa_bytes content);
/** The same of a content whose head stands elsewhere. */
struct cache_key cache_key_of_both(const struct cache *cache, struct moa_bytes head,
                                   struct moa_bytes rest);

/** The value of `key` with a reference for the caller, or NULL. */
struct cache_value *cache_get(struct cache *cache, const struct cache_key *key);

/** Keeps `value` under `key` with a reference of its own, unless it is larger than a fourth of the
 * limit, the key is there already or memory is out. */
void cache_put(struct cache *cache, const struct cache_key *key, struct cache_value *value);

/** Bytes held, the cache's own included. */
size_t cache_bytes(const struct cache *cache);

/** Takes ownership of `p`, from malloc(), also on failure. One reference, the caller's; NULL if out
 * of memory. */
struct cache_value *cache_value_new(void *p, size_t n);
/** One more reference. Returns `value`. */
struct cache_value *cache_value_share(struct cache_value *value);
/** Gives a reference back. NULL is allowed. */
void cache_value_drop(struct cache_value *value);

#endif
