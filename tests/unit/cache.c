/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/cache.h: what is kept, what is forgotten first, and that a value outlives its place.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cache.h"

#include "test.h"

static struct cache_key key_of(const struct cache *cache, const char *content)
{
    return cache_key_of(cache, (struct moa_bytes){content, strlen(content)});
}

static void put(struct cache *cache, const char *content, size_t n)
{
    const struct cache_key key = key_of(cache, content);
    struct cache_value *value = cache_value_new(calloc(1, n), n);
    memcpy(value->p, content, 1);
    cache_put(cache, &key, value);
    cache_value_drop(value);
}

static bool has(struct cache *cache, const char *content)
{
    const struct cache_key key = key_of(cache, content);
    struct cache_value *value = cache_get(cache, &key);
    if (!value)
        return false;
    assert_int_equal(((const char *)value->p)[0], content[0]);
    cache_value_drop(value);
    return true;
}

static void what_was_put_is_found(void **state)
{
    (void)state;
    struct cache *cache = cache_new(100000);
    assert_false(has(cache, "a"));
    put(cache, "a", 10);
    put(cache, "b", 10);
    assert_true(has(cache, "a"));
    assert_true(has(cache, "b"));
    assert_false(has(cache, "c"));
    assert_true(cache_bytes(cache) > 20);
    cache_free(cache);
}

static void variants_of_a_content_are_apart(void **state)
{
    (void)state;
    struct cache *cache = cache_new(100000);
    struct cache_key key = key_of(cache, "a");
    put(cache, "a", 10);
    key.variant = 1;
    assert_null(cache_get(cache, &key));
    cache_free(cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct cache *cache = cache_new(5500);
    put(cache, "a", 1000);
    put(cache, "b", 1000);
    put(cache, "c", 1000);
    put(cache, "d", 1000);
    assert_true(has(cache, "a")); /* now the most recent */
    put(cache, "e", 1000);
    put(cache, "f", 1000);
    assert_true(has(cache, "a"));
    assert_false(has(cache, "b"));
    assert_true(has(cache, "f"));
    assert_true(cache_bytes(cache) <= 5500);
    cache_free(cache);
}

static void a_value_of_more_than_a_fourth_is_not_kept(void **state)
{
    (void)state;
    struct cache *cache = cache_new(4000);
    put(cache, "a", 500);
    put(cache, "b", 1001);
    assert_true(has(cache, "a"));
    assert_false(has(cache, "b"));
    cache_free(cache);
    cache = cache_new(0);
    put(cache, "a", 1);
    assert_false(has(cache, "a"));
    assert_int_equal(cache_bytes(cache), 0);
    cache_free(cache);
}

static void a_held_value_outlives_its_place(void **state)
{
    (void)state;
    struct cache *cache = cache_new(5500);
    put(cache, "a", 1000);
    const struct cache_key key = key_of(cache, "a");
    struct cache_value *held = cache_get(cache, &key);
    for (char name[2] = "b"; name[0] < 'z'; name[0]++)
        put(cache, name, 1000);
    assert_false(has(cache, "a"));
    cache_free(cache);
    assert_int_equal(((const char *)held->p)[0], 'a');
    cache_value_drop(held);
    cache_value_drop(NULL);
}

static void a_second_value_does_not_replace_the_first(void **state)
{
    (void)state;
    struct cache *cache = cache_new(100000);
    put(cache, "a", 10);
    const size_t bytes = cache_bytes(cache);
    put(cache, "a", 500);
    assert_int_equal(cache_bytes(cache), bytes);
    cache_free(cache);
}

static void hashes_are_secret_to_their_cache(void **state)
{
    (void)state;
    struct cache *one = cache_new(1), *two = cache_new(1);
    const struct cache_key a = key_of(one, "a"), again = key_of(one, "a"), other = key_of(two, "a");
    assert_memory_equal(&a, &again, sizeof(a));
    assert_memory_not_equal(&a, &other, sizeof(a));
    cache_free(one);
    cache_free(two);
}

/* Far more entries than buckets, in random order of use. */
static void many_entries(void **state)
{
    (void)state;
    struct cache *cache = cache_new(1 << 20);
    unsigned random = 1;
    size_t hits = 0;
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525u + 1013904223u;
        char name[16];
        snprintf(name, sizeof(name), "%u", random >> 12 & 0x3fff);
        hits += has(cache, name) ? 1 : 0;
        put(cache, name, 16);
        assert_true(cache_bytes(cache) <= 1 << 20);
    }
    assert_true(hits > 10000);
    cache_free(cache);
    cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(variants_of_a_content_are_apart),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(a_value_of_more_than_a_fourth_is_not_kept),
        cmocka_unit_test(a_held_value_outlives_its_place),
        cmocka_unit_test(a_second_value_does_not_replace_the_first),
        cmocka_unit_test(hashes_are_secret_to_their_cache),
        cmocka_unit_test(many_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
