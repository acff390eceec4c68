/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/question.h: options, kinds and hashes of questions.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/question.h"

#include "test.h"

static void options(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t letters;
    } cases[] = {
        {"What is it?\nA. red\nB. blue\nC. green", 7},
        {"What is it? A) red B) blue", 3},
        {"What is it? (A) red (B) blue (C) green (D) gray", 15},
        {"Which?\nA: red\nB: blue\nAnswer with the letter.", 3},
        {"Which?\nA.red\nB.blue", 0},        /* "U.S.A.may" is no option either */
        {"What is vitamin A. made of?", 0},  /* no B */
        {"B. blue C. green", 0},             /* no A */
        {"Grade A: what? Plan B: what?", 3}, /* looks like it */
        {"", 0},
        {"(A)", 0},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++)
        assert_int_equal(question_letters(cases[i].text), cases[i].letters);
}

static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned kind;
    } cases[] = {
        {"How many circles are there?", QUESTION_HOW_MANY},
        {"  HOW   MANY?", QUESTION_HOW_MANY},
        {"In the picture, how many circles are red?", QUESTION_HOW_MANY},
        {"Look at it. How many dogs do you see? Answer with a number.", QUESTION_HOW_MANY},
        {"Wie viele Lampen brennen?", QUESTION_HOW_MANY},
        {"Where is the cup?", QUESTION_WHERE},
        {"Wo steht die Tasse?", QUESTION_WHERE},
        {"Who is at the door?", QUESTION_WHO},
        {"Why is he running?", QUESTION_WHY},
        {"What color is the topmost object?", QUESTION_COLOUR},
        {"What is the colour of the door?", QUESTION_COLOUR},
        {"Welche Farbe hat die T\xc3\xbcr?", QUESTION_COLOUR},
        {"What does the sign say?", QUESTION_READS},
        {"Which number is shown?", QUESTION_READS},
        {"Was steht auf dem Schild?", QUESTION_READS},
        {"Is there a sign?", QUESTION_YES_NO}, /* asks for none of its words */
        {"Which is larger?", QUESTION_WHICH},
        {"What is on the shelf?", QUESTION_WHAT},
        {"Is the door open?", QUESTION_YES_NO},
        {"Is it 3.5 cm long?", QUESTION_YES_NO},
        {"Was there a dog?", QUESTION_YES_NO},
        {"Was ist das?", QUESTION_WHAT},
        {"What is it?\nA. red\nB. blue", QUESTION_WHAT | QUESTION_OPTIONS},
        {"Choose one.\nA. red\nB. blue", QUESTION_OPTIONS},
        {"Describe the scene.", QUESTION_DESCRIBE},
        {"The door.", QUESTION_OTHER},
        {"?", QUESTION_OTHER},
        {"", QUESTION_OTHER},
        {"\xc3\x89t\xc3\xa9?", QUESTION_OTHER},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        if (question_kind(cases[i].text) != cases[i].kind)
            fail_msg("%s: %u", cases[i].text, question_kind(cases[i].text));
        assert_true(cases[i].kind < MOA_QUESTION_KINDS);
    }
}

/* A word longer than any that is looked for, and a text without an end of a sentence. */
static void odd_words(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'w', sizeof(text));
    memcpy(text + 3000, " what is this?", 15);
    assert_int_equal(question_kind(text), QUESTION_WHAT);
}

/* ---- what makes two requests one question ---- */

static struct moa_adaptive *adaptive_of(uint64_t key)
{
    const uint64_t keys[2] = {key, 1};
    struct moa_adaptive *adaptive = NULL;
    assert_int_equal(moa_adaptive_new(NULL, keys, &adaptive), MOA_OK);
    return adaptive;
}

static uint64_t text_by(const char *body, uint64_t key)
{
    const struct chat_limits limits = {.max_text_bytes = 10000, .max_images = 3};
    struct moa_adaptive *adaptive = adaptive_of(key);
    struct moa_question q = {.coins = {0.5, 0.5}};
    struct http_error error;
    struct chat chat;
    if (chat_parse((struct moa_bytes){body, strlen(body)}, &limits, &chat, &error))
        fail_msg("refused: %s", error.message);
    static const struct image_score none[8];
    question_read(&chat, none, adaptive, &q);
    assert_true(q.coins[0] == 0.5); /* nothing else */
    assert_int_equal(q.kind, question_kind(chat.last_turn));
    chat_done(&chat);
    moa_adaptive_free(adaptive);
    return q.text;
}

static uint64_t text_of(const char *body)
{
    return text_by(body, 1);
}

#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define IMAGE(url, more) "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"" more "}}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define CHAT(messages, more) "{\"messages\":[" messages "]" more "}"
#define ASKED CHAT(USER("[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"), "")

static void same_questions(void **state)
{
    (void)state;
    static const char *const same[] = {
        /* another picture, another spelling of the same body, and what no model reads */
        CHAT(USER("[" TEXT("Is the door open?") "," IMAGE("data:other", "") "]"), ""),
        CHAT(USER("[" TEXT("Is the door open?") "," IMAGE("data:a", ",\"detail\":\"low\"") "]"),
             ""),
        CHAT(USER("[ " TEXT("Is the \\u0064oor open?") " , " IMAGE("data:a", "") "]"),
             ", \"stream\": true, \"temperature\":0,\"user\":\"me\",\"max_tokens\":5,"
             "\"model\":\"moaoff/edge\""),
    };
    for (size_t i = 0; i < N_TESTS(same); i++)
        assert_true(text_of(ASKED) == text_of(same[i]));
}

static void other_questions(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        ASKED,
        CHAT(USER("[" TEXT("Is the Door open?") "," IMAGE("data:a", "") "]"), ""),
        CHAT(USER("[" IMAGE("data:a", "") "," TEXT("Is the door open?") "]"), ""),
        CHAT(USER("[" TEXT("Is the door ") "," TEXT("open?") "," IMAGE("data:a", "") "]"), ""),
        CHAT(USER("\"Is the door open?\""), ""),
        CHAT("{\"role\":\"system\",\"content\":\"Be brief.\"}," USER(
                 "[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"),
             ""),
        CHAT("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]}," USER(
                 "[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"),
             ""),
        CHAT("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"2\"}]}," USER(
                 "[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"),
             ""),
        CHAT("{\"role\":\"developer\",\"content\":[" TEXT("Is the door open?") "," IMAGE("data:a",
                                                                                         "") "]}",
             ""),
        CHAT(USER("[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"),
             ",\"tools\":[{\"type\":\"function\"}]"),
        CHAT(USER("[" TEXT("Is the door open?") "," IMAGE("data:a", "") "]"),
             ",\"response_format\":{\"type\":\"json_object\"}"),
        CHAT(USER("[" TEXT("Is the door open?") ",{\"type\":\"smell\",\"smell\":1}]"), ""),
        CHAT(USER("[" TEXT("Is the door open?") ",{\"type\":\"smell\",\"smell\":2}]"), ""),
    };
    for (size_t i = 0; i < N_TESTS(bodies); i++) {
        for (size_t j = i + 1; j < N_TESTS(bodies); j++) {
            if (text_of(bodies[i]) == text_of(bodies[j]))
                fail_msg("%zu and %zu are one question", i, j);
        }
    }
}

static void keyed(void **state)
{
    (void)state;
    assert_true(text_by(ASKED, 1) == text_by(ASKED, 1));
    assert_true(text_by(ASKED, 1) != text_by(ASKED, 2));
    const uint64_t words[3] = {1, 2, 3};
    struct moa_adaptive *adaptive = adaptive_of(9);
    assert_true(moa_adaptive_hash(adaptive, words, 2) != moa_adaptive_hash(adaptive, words, 3));
    assert_true(moa_adaptive_hash(NULL, words, 2) == 0);
    moa_adaptive_free(adaptive);
}

/* ---- scenes ---- */

static uint64_t scene_of(const char *body, const struct image_score *scores)
{
    const struct chat_limits limits = {.max_text_bytes = 10000, .max_images = 3};
    struct moa_adaptive *adaptive = adaptive_of(3);
    struct moa_question q;
    struct http_error error;
    struct chat chat;
    if (chat_parse((struct moa_bytes){body, strlen(body)}, &limits, &chat, &error))
        fail_msg("refused: %s", error.message);
    question_read(&chat, scores, adaptive, &q);
    chat_done(&chat);
    moa_adaptive_free(adaptive);
    return q.scene;
}

#define SOUND(data) "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"" data "\"}}"

static void scenes(void **state)
{
    (void)state;
    static struct image_score scores[2]; /* a dark picture, one with a lamp */
    for (int i = 0; i < 2; i++)
        scores[i].facts.info.width_px = scores[i].facts.info.height_px = 640;
    memset(scores[1].facts.features.reduced, 200, 500);
    const struct image_score other_order[2] = {scores[1], scores[0]};

    const char *two = CHAT(USER("[" IMAGE("data:a", "") "," IMAGE("data:b", "") "]"), "");
    const char *other_bytes = CHAT(USER("[" IMAGE("data:c", "") "," IMAGE("data:d", "") "]"), "");
    const char *one = CHAT(USER("[" IMAGE("data:a", "") "]"), "");
    assert_true(scene_of(CHAT(USER("\"Hello\""), ""), NULL) == 0);
    assert_true(scene_of(two, scores) == scene_of(other_bytes, scores));
    assert_true(scene_of(two, scores) != scene_of(two, other_order));
    assert_true(scene_of(two, scores) != scene_of(one, scores));
    assert_true(scene_of(one, scores) != scene_of(one, other_order));
    assert_true(scene_of(one, scores) != 0);

    /* What was not looked at is as its bytes are. */
    static const struct image_score none[2];
    assert_true(scene_of(two, none) != scene_of(other_bytes, none));
    const char *sound = CHAT(USER("[" SOUND("UklGRg") "]"), "");
    assert_true(scene_of(sound, none) == scene_of(sound, none));
    assert_true(scene_of(sound, none) != scene_of(CHAT(USER("[" SOUND("UklGRh") "]"), ""), none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),         cmocka_unit_test(kinds),
        cmocka_unit_test(odd_words),       cmocka_unit_test(same_questions),
        cmocka_unit_test(other_questions), cmocka_unit_test(keyed),
        cmocka_unit_test(scenes),
    };
    return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
