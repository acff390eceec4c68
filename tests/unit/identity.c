/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/identity.c: what is another engine and what is not.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/identity.h"

#include "test.h"

#define MINUTE_US INT64_C(60000000)

static uint64_t hash(const char *text)
{
    return identity_hash((struct moa_bytes){text, strlen(text)});
}

static bool tell(struct identity *i, enum identity_source source, const char *text, int64_t us)
{
    return identity_tell(i, MOA_CLOUD, source, hash(text), us);
}

static void the_first_word_is_noted_and_another_one_is_another_engine(void **state)
{
    (void)state;
    for (enum identity_source source = 0; source < IDENTITY_SOURCES; source++) {
        struct identity i = {.number = 0};
        assert_false(tell(&i, source, "a", 1));
        const uint64_t number = i.number;
        assert_true(number != 0);
        assert_false(tell(&i, source, "", 2)); /* nothing said */
        for (int64_t day = 1; day < 20; day++)
            assert_false(tell(&i, source, "a", day * 1440 * MINUTE_US)); /* a quiet night */
        assert_int_equal(i.number, number);
        assert_true(tell(&i, source, "b", 20 * 1440 * MINUTE_US));
        assert_true(i.number != number && i.n_changes == 1);
        /* The other tier is one of its own. */
        assert_false(identity_tell(&i, MOA_EDGE, source, hash("c"), 0));
    }
}

static void those_that_take_turns_are_one(void **state)
{
    (void)state;
    struct identity i = {.number = 0};
    int n_others = 0;
    for (int64_t k = 0; k < 300; k++)
        n_others += tell(&i, IDENTITY_FINGERPRINT, k % 3 ? "a" : "b", k * MINUTE_US);
    assert_int_equal(n_others, 1);
    assert_true(tell(&i, IDENTITY_FINGERPRINT, "c", 301 * MINUTE_US));
    /* What has not been seen for a day is new. */
    assert_true(tell(&i, IDENTITY_FINGERPRINT, "a", 3000 * MINUTE_US));
    assert_false(tell(&i, IDENTITY_FINGERPRINT, "c", 3001 * MINUTE_US) &&
                 tell(&i, IDENTITY_FINGERPRINT, "a", 3002 * MINUTE_US));
    /* Of what is configured, one value counts. */
    assert_false(tell(&i, IDENTITY_CONFIGURED, "a", 1));
    assert_true(tell(&i, IDENTITY_CONFIGURED, "b", 2));
    assert_true(tell(&i, IDENTITY_CONFIGURED, "a", 3));
}

static void more_values_than_are_kept_do_no_harm(void **state)
{
    (void)state;
    struct identity i = {.number = 0};
    char text[16];
    for (int k = 0; k < 100; k++) {
        snprintf(text, sizeof(text), "build-%d", k);
        assert_int_equal(tell(&i, IDENTITY_FINGERPRINT, text, k), k > 0);
    }
    assert_false(tell(&i, IDENTITY_FINGERPRINT, "build-99", 100));
    assert_false(tell(&i, IDENTITY_FINGERPRINT, "build-93", 101));
    assert_true(tell(&i, IDENTITY_FINGERPRINT, "build-90", 102));
}

/* One swap is told by several sources, and is one change. */
static void a_swap_is_one_change(void **state)
{
    (void)state;
    struct identity i = {.number = 0};
    tell(&i, IDENTITY_MODEL, "a", 1);
    tell(&i, IDENTITY_FINGERPRINT, "fa", 1);
    tell(&i, IDENTITY_LISTED, "la", 1);
    assert_true(tell(&i, IDENTITY_MODEL, "b", 2));
    assert_false(tell(&i, IDENTITY_FINGERPRINT, "fb", 2));
    assert_false(tell(&i, IDENTITY_LISTED, "lb", 3));
    assert_int_equal(i.n_changes, 1);
}

static void it_is_the_same_after_a_restart(void **state)
{
    (void)state;
    struct identity i = {.number = 0}, loaded;
    unsigned char bytes[IDENTITY_BYTES];
    tell(&i, IDENTITY_MODEL, "a", 1);
    tell(&i, IDENTITY_FINGERPRINT, "fa", 1);
    tell(&i, IDENTITY_FINGERPRINT, "fb", 2);
    identity_save(&i, bytes);
    identity_load(&loaded, bytes, 5);
    assert_int_equal(loaded.number, i.number);
    assert_false(tell(&loaded, IDENTITY_FINGERPRINT, "fa", 6));
    assert_false(tell(&loaded, IDENTITY_FINGERPRINT, "fb", 7));
    assert_false(tell(&loaded, IDENTITY_MODEL, "a", 7));
    assert_true(tell(&loaded, IDENTITY_MODEL, "b", 8));
}

static void answers_are_signed(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool model, fingerprint;
    } cases[] = {
        {"{\"model\":\"a\",\"system_fingerprint\":\"b1\"}", true, true},
        {"{\"model\":\"a\",\"system_fingerprint\":null}", true, false},
        {"{\"model\":\"\",\"system_fingerprint\":7}", false, false},
        {"[]", false, false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        yyjson_doc *doc = yyjson_read(cases[i].json, strlen(cases[i].json), 0);
        struct identity_signature s;
        identity_sign(yyjson_doc_get_root(doc), &s);
        assert_int_equal(s.model, cases[i].model ? hash("a") : 0);
        assert_int_equal(s.fingerprint, cases[i].fingerprint ? hash("b1") : 0);
        yyjson_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_is_noted_and_another_one_is_another_engine),
        cmocka_unit_test(those_that_take_turns_are_one),
        cmocka_unit_test(more_values_than_are_kept_do_no_harm),
        cmocka_unit_test(a_swap_is_one_change),
        cmocka_unit_test(it_is_the_same_after_a_restart),
        cmocka_unit_test(answers_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
