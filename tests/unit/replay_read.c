/* SPDX-License-Identifier: Apache-2.0
 *
 * study/replay_read.h: what an engine that replays reads in a request.
 */
#include <string.h>

#include "study/replay_read.h"

#include "test.h"

static const struct profile profile = {
    .patch_px = 28.0, .min_image_tokens = 4.0, .max_image_tokens = 16384.0};

static int read_text(const char *body, struct replay_asked *asked, struct http_error *error)
{
    return replay_read((struct moa_bytes){body, strlen(body)}, &profile, asked, error);
}

/* A GIF of 280 x 56 pixels, of which only the header is there. */
#define GIF "data:image/gif;base64,R0lGODlhGAE4AAAAAA=="

static void a_question_about_a_picture(void **unused)
{
    (void)unused;
    struct replay_asked asked;
    struct http_error error;
    assert_int_equal(
        read_text(
            "{\"model\":\"m\",\"user\":\"item:7#1\",\"stream\":true,\"logprobs\":true,"
            "\"top_logprobs\":3,\"max_tokens\":9,\"stream_options\":{\"include_usage\":true},"
            "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\","
            "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" GIF "\"}},"
            "{\"type\":\"text\",\"text\":\"What \"},{\"type\":\"text\",\"text\":\"is it?\"}]}]}",
            &asked, &error),
        0);
    assert_string_equal(asked.prompt, "What is it?");
    assert_string_equal(asked.item, "7#1");
    assert_true(asked.stream && asked.with_usage && asked.with_logprobs);
    assert_true(asked.n_top == 3 && asked.max_tokens == 9 && asked.n_text_bytes == 20);
    assert_true(asked.n_images == 1 && asked.image_tokens[0] == 20);
    replay_asked_done(&asked);
}

static void the_last_user_message_is_the_prompt(void **unused)
{
    (void)unused;
    struct replay_asked asked;
    struct http_error error;
    assert_int_equal(read_text("{\"messages\":[{\"role\":\"user\",\"content\":\"A\"},{\"role\":"
                               "\"assistant\",\"content\":\"B\"},{\"role\":\"user\",\"content\":"
                               "\"C\"},{\"role\":\"assistant\",\"content\":null}],\"user\":\"me\","
                               "\"max_completion_tokens\":4,\"max_tokens\":-1}",
                               &asked, &error),
                     0);
    assert_string_equal(asked.prompt, "C");
    assert_null(asked.item);
    assert_true(!asked.stream && !asked.with_logprobs && asked.max_tokens == 4);
    replay_asked_done(&asked);
}

#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"

static void what_engines_refuse_is_refused(void **unused)
{
    (void)unused;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"messages\":[]}",
        "{\"messages\":{}}",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"A\"}]}",
        USER("[{\"image_url\":{\"url\":\"https://example.org/a.png\"}}]"),
        USER("[{\"image_url\":{\"url\":\"data:image/png;base64,!!\"}}]"),
        USER("[{\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]"),
        USER("[{\"image_url\":{}}]"),
        "{\"top_logprobs\":21,\"messages\":[{\"role\":\"user\",\"content\":\"A\"}]}",
    };
    for (size_t i = 0; i < N_TESTS(bodies); i++) {
        struct replay_asked asked;
        struct http_error error = {.status = 0};
        if (read_text(bodies[i], &asked, &error) != -1)
            fail_msg("%s was taken", bodies[i]);
        assert_int_equal(error.status, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_about_a_picture),
        cmocka_unit_test(the_last_user_message_is_the_prompt),
        cmocka_unit_test(what_engines_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
