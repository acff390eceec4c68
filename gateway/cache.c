/* SPDX-License-Identifier: Apache-2.0
 *
 * Chained hash table and a list in the order of use; see cache.h.
 */
#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#define XXH_STATIC_LINKING_ONLY /* its state on the stack */
#include <xxhash.h>

#define N_BUCKETS 4096 /* a power of two; at the default limit a few entries each */

struct cache_entry {
    LIST_ENTRY(cache_entry) chain;
    TAILQ_ENTRY(cache_entry) use;
    struct cache_key key;
    struct cache_value *value;
};

struct cache {
    size_t max_bytes, bytes;
    LIST_HEAD(, cache_entry) buckets[N_BUCKETS];
    TAILQ_HEAD(uses, cache_entry) uses; /* the next to go is the first */
    uint8_t secret[XXH3_SECRET_SIZE_MIN];
};

static int fill_random(uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got <= 0)
            return -1;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

struct cache *cache_new(size_t max_bytes)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    if (fill_random(cache->secret, sizeof(cache->secret))) {
        free(cache);
        return NULL;
    }
    cache->max_bytes = max_bytes;
    TAILQ_INIT(&cache->uses);
    return cache;
}

static size_t cost(const struct cache_value *value)
{
    return value->n + sizeof(*value) + sizeof(struct cache_entry);
}

/* Returns the next to go. */
static struct cache_entry *forget(struct cache *cache, struct cache_entry *entry)
{
    struct cache_entry *next = TAILQ_NEXT(entry, use);
    cache->bytes -= cost(entry->value);
    LIST_REMOVE(entry, chain);
    TAILQ_REMOVE(&cache->uses, entry, use);
    cache_value_drop(entry->value);
    free(entry);
    return next;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    for (struct cache_entry *entry = TAILQ_FIRST(&cache->uses); entry;)
        entry = forget(cache, entry);
    free(cache);
}

struct cache_key cache_key_of(const struct cache *cache, struct moa_bytes content)
{
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(content.p, content.n, cache->secret, sizeof(cache->secret));
    return (struct cache_key){.hash = {hash.low64, hash.high64}, .n_bytes = content.n};
}

struct cache_key cache_key_of_both(const struct cache *cache, struct moa_bytes head,
                                   struct moa_bytes rest)
{
    if (head.n == 0)
        return cache_key_of(cache, rest);
    XXH3_state_t state;
    XXH3_128bits_reset_withSecret(&state, cache->secret, sizeof(cache->secret));
    XXH3_128bits_update(&state, head.p, head.n);
    XXH3_128bits_update(&state, rest.p, rest.n);
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    explicit_bzero(&state, sizeof(state)); /* the end of a content is in it */
    return (struct cache_key){.hash = {hash.low64, hash.high64}, .n_bytes = head.n + rest.n};
}

static size_t bucket_of(const struct cache_key *key)
{
    return (size_t)(key->hash[0] ^ key->variant * 0x9e3779b97f4a7c15u) % N_BUCKETS;
}

static struct cache_entry *find(struct cache *cache, const struct cache_key *key)
{
    struct cache_entry *entry;
    LIST_FOREACH(entry, &cache->buckets[bucket_of(key)], chain)
    {
        if (memcmp(&entry->key, key, sizeof(*key)) == 0)
            return entry;
    }
    return NULL;
}

struct cache_value *cache_get(struct cache *cache, const struct cache_key *key)
{
    struct cache_entry *entry = find(cache, key);
    if (!entry)
        return NULL;
    TAILQ_REMOVE(&cache->uses, entry, use);
    TAILQ_INSERT_TAIL(&cache->uses, entry, use);
    return cache_value_share(entry->value);
}

void cache_put(struct cache *cache, const struct cache_key *key, struct cache_value *value)
{
    if (cost(value) > cache->max_bytes / 4 || find(cache, key))
        return;
    struct cache_entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return;
    entry->key = *key;
    entry->value = value;
    value->references++;
    LIST_INSERT_HEAD(&cache->buckets[bucket_of(key)], entry, chain);
    TAILQ_INSERT_TAIL(&cache->uses, entry, use);
    cache->bytes += cost(value);
    for (entry = TAILQ_FIRST(&cache->uses); cache->bytes > cache->max_bytes;)
        entry = forget(cache, entry);
}

size_t cache_bytes(const struct cache *cache)
{
    return cache->bytes;
}

struct cache_value *cache_value_new(void *p, size_t n)
{
    struct cache_value *value = malloc(sizeof(*value));
    if (!value) {
        free(p);
        return NULL;
    }
    *value = (struct cache_value){.p = p, .n = n, .references = 1};
    return value;
}

struct cache_value *cache_value_share(struct cache_value *value)
{
    value->references++;
    return value;
}

void cache_value_drop(struct cache_value *value)
{
    if (!value || --value->references > 0)
        return;
    free(value->p);
    free(value);
}
