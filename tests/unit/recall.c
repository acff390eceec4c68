/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/recall.h: what is the same question about the same frame, how long it is known, and that
 * no more is kept than is allowed.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/recall.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static struct moa_image_features wall(void)
{
    struct moa_image_features f = {.width_px = 640, .height_px = 480};
    for (size_t i = 0; i < sizeof(f.reduced); i++)
        f.reduced[i] = (uint8_t)(80 + i % 32 * 2 + i / 32);
    return f;
}

static struct recall_key key_of(const struct recall_store *recall, const char *one, const char *two)
{
    const struct moa_bytes pieces[] = {bytes_of(one), bytes_of(two)};
    return recall_key_of(recall, pieces, 2);
}

static void keep(struct recall_store *recall, const struct recall_key *key,
                 const struct moa_image_features *f, int64_t now_us, const char *text)
{
    const struct recall_frame frame = {1, f};
    const struct recall_answer answer = {MOA_CLOUD, now_us, bytes_of(text)};
    recall_keep(recall, key, &frame, 1, &answer);
}

static bool finds(struct recall_store *recall, const struct recall_key *key,
                  const struct moa_image_features *f, int64_t since_us)
{
    const struct recall_frame frame = {1, f};
    struct recall_answer answer;
    return recall_find(recall, key, &frame, 1, since_us, &answer);
}

static void same_frame_same_question(void **state)
{
    (void)state;
    struct recall_store *recall = recall_new(1 << 20);
    const struct recall_key key = key_of(recall, "door", "a question");
    struct moa_image_features f = wall();
    const struct recall_frame frame = {1, &f};
    struct recall_answer answer;
    assert_false(recall_find(recall, &key, &frame, 1, 0, &answer));
    keep(recall, &key, &f, 7, "open");
    assert_true(recall_find(recall, &key, &frame, 1, 7, &answer));
    assert_int_equal(answer.tier, MOA_CLOUD);
    assert_int_equal(answer.given_us, 7);
    assert_memory_equal(answer.text.p, "open", 4);
    assert_int_equal(answer.text.n, 4);
    keep(recall, &key, &f, 9, "shut"); /* the last answer counts */
    assert_true(recall_find(recall, &key, &frame, 1, 0, &answer));
    assert_memory_equal(answer.text.p, "shut", 4);
    const struct recall_key later = key_of(recall, "gate", "a question");
    keep(recall, &later, &f, 20, "shut");
    const size_t n_both = recall_bytes(recall);
    recall_expire(recall, 9);
    assert_int_equal(recall_bytes(recall), n_both);
    recall_expire(recall, 10); /* the older one */
    assert_int_equal(recall_bytes(recall), n_both / 2);
    assert_true(finds(recall, &later, &f, 0) && !finds(recall, &key, &f, 0));
    recall_clear(recall);
    assert_false(finds(recall, &later, &f, 0));
    assert_int_equal(recall_bytes(recall), 0);
    recall_free(recall);
}

static void other_questions(void **state)
{
    (void)state;
    struct recall_store *recall = recall_new(1 << 20), *other = recall_new(1 << 20);
    const struct recall_key key = key_of(recall, "door", "a question");
    const struct recall_key others[] = {
        key_of(recall, "gate", "a question"),
        key_of(recall, "door", "a questions"),
        key_of(recall, "doora", " question"),
        key_of(other, "door", "a question"),
    };
    const struct moa_image_features f = wall();
    keep(recall, &key, &f, 1, "open");
    for (size_t i = 0; i < N_TESTS(others); i++)
        assert_false(finds(recall, &others[i], &f, 0));
    recall_free(recall);
    recall_free(other);
}

static void other_frames(void **state)
{
    (void)state;
    struct recall_store *recall = recall_new(1 << 20);
    const struct recall_key key = key_of(recall, "", "");
    const struct moa_image_features f = wall();
    keep(recall, &key, &f, 1, "open");

    struct moa_image_features noisy = f, hand = f, light = f, wide = f;
    for (size_t i = 0; i < sizeof(noisy.reduced); i++)
        noisy.reduced[i] = (uint8_t)(noisy.reduced[i] + i % 3);
    hand.reduced[500] = (uint8_t)(hand.reduced[500] + 7);
    for (size_t i = 0; i < sizeof(light.reduced); i++)
        light.reduced[i] = (uint8_t)(light.reduced[i] + 2);
    wide.width_px++;
    assert_true(finds(recall, &key, &f, 0));
    assert_true(finds(recall, &key, &noisy, 0));
    assert_false(finds(recall, &key, &hand, 0));
    assert_false(finds(recall, &key, &light, 0));
    assert_false(finds(recall, &key, &wide, 0));

    const struct recall_frame turned = {6, &f}, two[] = {{1, &f}, {1, &f}};
    struct recall_answer answer;
    assert_false(recall_find(recall, &key, &turned, 1, 0, &answer));
    assert_false(recall_find(recall, &key, two, 2, 0, &answer));
    recall_free(recall);
}

/* Within the bounds, and yet another scene: it has a coin of its own, and has to be asked. */
static void other_scenes(void **state)
{
    (void)state;
    struct recall_store *recall = recall_new(1 << 20);
    const struct recall_key key = key_of(recall, "", "");
    struct moa_image_features f = {.width_px = 640, .height_px = 480};
    memset(f.reduced, 120, sizeof(f.reduced));
    for (size_t i = 0; i < sizeof(f.reduced); i++) { /* a field just below a level */
        if (i / 32 < 8 && i % 32 < 8)
            f.reduced[i] = 124;
    }
    struct moa_image_features near = f;
    uint64_t one[2], other[2];
    for (size_t i = 0; i < sizeof(f.reduced); i++) {
        if (i / 32 < 8 && i % 32 < 8)
            near.reduced[i] = 126;
    }
    moa_image_scene(&f, one);
    moa_image_scene(&near, other);
    assert_true(one[0] != other[0]);
    keep(recall, &key, &f, 1, "open");
    assert_false(finds(recall, &key, &near, 0));
    recall_free(recall);
}

static void age(void **state)
{
    (void)state;
    struct recall_store *recall = recall_new(1 << 20);
    const struct recall_key one = key_of(recall, "one", ""), two = key_of(recall, "two", "");
    const struct moa_image_features f = wall();
    keep(recall, &one, &f, 100, "a");
    keep(recall, &two, &f, 200, "b");
    const size_t both = recall_bytes(recall);
    assert_true(finds(recall, &one, &f, 100));
    assert_false(finds(recall, &one, &f, 101)); /* and it is gone */
    assert_int_equal(recall_bytes(recall), both / 2);
    assert_false(finds(recall, &one, &f, 0));
    assert_true(finds(recall, &two, &f, 0));
    recall_free(recall);
}

static void bounds(void **state)
{
    (void)state;
    static char text[20000];
    struct recall_store *recall = recall_new(16384), *none = recall_new(0);
    const struct moa_image_features f = wall();
    const struct recall_key first = key_of(recall, "first", "");
    keep(recall, &first, &f, 1, "a");
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        const struct recall_key key = key_of(recall, name, "");
        keep(recall, &key, &f, 2, "b");
        assert_true(recall_bytes(recall) <= 16384);
        assert_true(finds(recall, &key, &f, 0));
    }
    assert_false(finds(recall, &first, &f, 0));
    memset(text, 'x', sizeof(text) - 1);
    keep(recall, &first, &f, 3, text); /* more than a fourth of the limit */
    assert_false(finds(recall, &first, &f, 0));
    keep(none, &first, &f, 3, "a");
    assert_int_equal(recall_bytes(none), 0);
    recall_free(recall);
    recall_free(none);
    recall_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_frame_same_question),
        cmocka_unit_test(other_questions),
        cmocka_unit_test(other_frames),
        cmocka_unit_test(other_scenes),
        cmocka_unit_test(age),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests_name("recall", tests, NULL, NULL);
}
