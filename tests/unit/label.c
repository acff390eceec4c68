/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/label.c: audits wait, get their label and leave in order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/label.h"

#include "test.h"

static bool add(struct labels *l, const char *id, const char *edge, const char *cloud, int64_t us)
{
    const struct label_audit audit = {
        .id = id,
        .key = "kiosk",
        .audit = {.scene = (uint64_t)us,
                  .lost = !edge || !cloud ||
                          !moa_answers_agree((struct moa_bytes){edge, strlen(edge)},
                                             (struct moa_bytes){cloud, strlen(cloud)})},
        .text = {{edge, edge ? strlen(edge) : 0}, {cloud, cloud ? strlen(cloud) : 0}},
    };
    return label_wait(l, &audit, us);
}

static void harm_is_a_wrong_edge_beside_a_right_cloud(void **state)
{
    (void)state;
    static const struct {
        const char *edge, *cloud, *truth;
        bool lost; /* with the label; without it, if they differ */
    } cases[] = {
        {"red", "blue", "blue", true},
        {"red", "blue", "Blue.", true},
        {"red", "blue", "red", false},
        {"red", "blue", "green", false},
        {"red", "red", "blue", false},
        {"two", "3", "2", false},
        {"red", NULL, "red", false},
        {"red", NULL, "blue", true}, /* nobody knows what the cloud would have said */
        {NULL, "blue", "blue", true},
        {NULL, "blue", "red", false},
        {"red", "the colour of the bus is blue", "blue", true},  /* it may well be right */
        {"the colour of the bus is blue", "blue", "blue", true}, /* as may this */
        {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}", true},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct labels l = {.n = 0};
        struct label_found found;
        assert_true(add(&l, "id-1", cases[i].edge, cases[i].cloud, 10));
        assert_false(label_tell(&l, "id-2", "kiosk", cases[i].truth));
        assert_false(label_tell(&l, "id-1", "another", cases[i].truth));
        assert_false(label_next(&l, 9, &found));
        assert_true(label_tell(&l, "id-1", "kiosk", cases[i].truth));
        assert_false(label_tell(&l, "id-1", "kiosk", "something else"));
        assert_true(label_next(&l, 9, &found));
        if (found.audit.lost != cases[i].lost)
            fail_msg("case %zu", i);
        assert_true(found.has_label);
        assert_false(label_next(&l, 99, &found));
        labels_done(&l);
    }
}

/* One with a label does not overtake. */
static void they_leave_in_order(void **state)
{
    (void)state;
    struct labels l = {.n = 0};
    struct label_found found;
    assert_true(add(&l, "a", "red", "blue", 1) && add(&l, "b", "red", "red", 2) &&
                add(&l, "c", "red", "blue", 3));
    assert_true(label_tell(&l, "b", "kiosk", "red"));
    assert_false(label_next(&l, 0, &found));
    assert_true(label_next(&l, 1, &found));
    assert_true(found.audit.scene == 1 && found.audit.lost && !found.has_label);
    assert_true(label_next(&l, 1, &found));
    assert_true(found.audit.scene == 2 && !found.audit.lost && found.has_label);
    assert_false(label_next(&l, 2, &found));
    assert_true(label_next(&l, 3, &found));
    labels_done(&l);
}

static void there_is_room_for_so_many_and_no_more(void **state)
{
    (void)state;
    struct labels l = {.n = 0};
    struct label_found found;
    char *text = malloc(LABEL_TEXT_BYTES + 2);
    memset(text, 'a', LABEL_TEXT_BYTES + 1);
    text[LABEL_TEXT_BYTES + 1] = '\0';
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LABELS_MAX; i++)
            assert_true(add(&l, "id", text, "blue", i));
        assert_false(add(&l, "id", "red", "blue", LABELS_MAX));
        for (int i = 0; i < LABELS_MAX; i++) {
            assert_true(label_next(&l, LABELS_MAX, &found));
            assert_int_equal(found.audit.scene, i);
        }
        assert_true(add(&l, "id", "red", "blue", 0) && label_next(&l, 0, &found));
    }
    assert_true(add(&l, "id", "red", "blue", 0));
    labels_done(&l);
    free(text);
}

static void who_waits_is_known_by_scene_and_question(void **state)
{
    (void)state;
    struct labels l = {.n = 0};
    struct label_audit audit = {.id = "a", .key = "", .audit = {.scene = 1, .text = 2}};
    struct label_found oldest;
    assert_false(label_waits(&l, 1, 2));
    assert_true(label_wait(&l, &audit, 10));
    assert_true(label_waits(&l, 1, 2));
    assert_false(label_waits(&l, 2, 2) || label_waits(&l, 1, 1));
    assert_true(label_next(&l, 10, &oldest));
    assert_false(label_waits(&l, 1, 2));
    labels_done(&l);
}

static void of_two_alike_the_open_one_is_judged(void **state)
{
    (void)state;
    struct labels l = {.n = 0};
    struct label_found found;
    for (int i = 0; i < 2; i++) {
        const struct label_audit audit = {
            .id = "x", .key = "", .audit = {.scene = 7, .lost = true}, .is_open = i == 1};
        assert_true(label_wait(&l, &audit, i));
    }
    label_judged(&l, 7, 0, true);
    assert_true(label_next(&l, 9, &found));
    assert_true(found.audit.lost);
    assert_true(label_next(&l, 9, &found));
    assert_false(found.audit.lost);
    labels_done(&l);
}

/* Nothing overtakes one that is open, and what nobody judged is lost. */
static void what_is_judged_keeps_its_place(void **state)
{
    (void)state;
    struct labels l = {.n = 0};
    struct label_found found;
    static const char edge[] = "a red barn on a hill", cloud[] = "on a hill stands a barn";
    for (int64_t us = 1; us <= 3; us++) {
        const struct label_audit audit = {.id = "x",
                                          .key = "",
                                          .time_ms = 70 + us,
                                          .audit = {.scene = (uint64_t)us, .lost = us != 2},
                                          .text = {{edge, strlen(edge)}, {cloud, strlen(cloud)}},
                                          .is_open = us != 2};
        assert_true(label_wait(&l, &audit, us));
    }
    assert_false(label_next(&l, 99, &found));
    label_judged(&l, 2, 0, false); /* it is not open */
    label_judged(&l, 7, 0, true);  /* it is not there */
    assert_false(label_next(&l, 99, &found));
    label_judged(&l, 1, 0, true);
    label_judged(&l, 1, 0, false); /* once */
    assert_true(label_next(&l, 99, &found));
    assert_true(found.audit.scene == 1 && !found.audit.lost && !found.has_label);
    assert_true(found.time_ms == 71 && strcmp(found.id, "x") == 0);
    assert_true(label_next(&l, 99, &found));
    assert_true(found.audit.scene == 2 && !found.audit.lost);
    assert_false(label_next(&l, 99, &found));
    assert_true(label_tell(&l, "x", "", "something else"));
    assert_false(label_next(&l, 99, &found)); /* its label came first */
    assert_true(label_next(&l, LABEL_ANY, &found));
    assert_true(found.audit.scene == 3 && found.audit.lost && found.has_label);
    labels_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_known_by_scene_and_question),
        cmocka_unit_test(harm_is_a_wrong_edge_beside_a_right_cloud),
        cmocka_unit_test(they_leave_in_order),
        cmocka_unit_test(what_is_judged_keeps_its_place),
        cmocka_unit_test(of_two_alike_the_open_one_is_judged),
        cmocka_unit_test(there_is_room_for_so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
