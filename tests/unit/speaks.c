/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/speaks.h: dialects as the configuration lists them and as engines show them; and bodies
 * of dialects that are edited in place.
 */
#include "gateway/speaks.h"

#include <stdio.h>
#include <string.h>

#include "gateway/dialect.h"

#include "test.h"

static void lists_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        unsigned speaks;
    } cases[] = {
        {"auto", SPEAKS_AUTO},
        {"chat", 0},
        {"messages", SPEAKS_MESSAGES},
        {" chat ,responses,\tmessages", SPEAKS_MESSAGES | SPEAKS_RESPONSES},
    };
    static const char *const wrong[] = {"",      "chat,",        ",chat",         "ollama",
                                        "auto,", "chat message", "auto,messages", "Messages"};
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        unsigned speaks = 77;
        assert_int_equal(speaks_parse(cases[i].list, &speaks), 0);
        assert_int_equal(speaks, cases[i].speaks);
    }
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        unsigned speaks;
        assert_int_equal(speaks_parse(wrong[i], &speaks), -1);
    }
}

static void engines_show_it_by_what_they_miss(void **state)
{
    (void)state;
    static const char typed[] =
        "{\"type\":\"error\",\"error\":{\"type\":\"a\",\"message\":\"model: Field required\"}}";
    static const char llama[] = "{\"error\":{\"code\":500,\"message\":\"'messages' is required\"}}";
    static const char whole[] =
        "{\"error\":{\"message\":\"Missing 'input'\",\"type\":\"a\",\"param\":null}}";
    static const char half[] = "{\"error\":{\"code\":400,\"message\":\"'input' is required\"}}";
    static const struct {
        int status;
        const char *body;
        unsigned speaks;
    } cases[] = {
        {400, typed, SPEAKS_MESSAGES},
        {422, typed, SPEAKS_MESSAGES},
        {500, llama, SPEAKS_MESSAGES},
        {400, whole, SPEAKS_RESPONSES},
        {422, whole, SPEAKS_RESPONSES},
        {500, whole, 0},
        {400, half, 0},
        {404, typed, 0},
        {401, typed, 0},
        {200, whole, 0},
        {503, llama, 0},
        {400, "", 0},
        {400, "\"messages\"", 0},
        {400, "{\"error\":\"messages\"}", 0},
        {400, "[{}]", 0},
        {400, "{\"error\":{\"param\":1}}", 0},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        unsigned speaks = 0;
        for (unsigned k = 0; k < SPEAKS_KINDS; k++) {
            const struct moa_bytes body = {cases[i].body, strlen(cases[i].body)};
            speaks |= (unsigned)speaks_shown(k, cases[i].status, body) << k;
        }
        assert_int_equal(speaks, cases[i].speaks);
    }
}

/* ---- bodies ---- */

static const struct chat_limits limits = {.max_text_bytes = 100000, .max_images = 3};

static void assert_edited(const struct dialect *dialect, const char *body,
                          const struct chat_edits *edits, const char *expected)
{
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    struct chat_body edited;
    const struct moa_bytes bytes = {body, strlen(body)};
    if (dialect_read(dialect, bytes, &limits, &translated, &chat, &error))
        fail_msg("refused: %s", error.message);
    chat_pin(&chat, 1u << MOA_IMAGE);
    assert_int_equal(chat_render_origin(&chat, translated.came, translated.model, dialect->spelling,
                                        edits, &edited),
                     0);
    char text[2048];
    size_t n = 0;
    for (size_t i = 0; i < edited.n_segments; i++) {
        assert_true(n + edited.segments[i].n < sizeof(text));
        memcpy(text + n, edited.segments[i].p, edited.segments[i].n);
        n += edited.segments[i].n;
    }
    text[n] = '\0';
    assert_int_equal(n, edited.total_bytes);
    assert_string_equal(text, expected);
    assert_int_equal(edited.has_pinned, chat.n_parts > 0 && !edits->evidence);
    chat_body_done(&edited);
    chat_done(&chat);
    dialect_body_done(&translated);
}

#define M_HEAD                                                                                     \
    "{ \"max_tokens\" : 9, \"messages\": [{\"role\":\"user\",\"content\":[ "                       \
    "{\"type\":\"text\",\"text\":\"a\"}, "
#define M_SOURCE "{\"data\":\"AAAA\", \"type\":\"base64\",\"media_type\":\"image/png\"}"
#define M_IMAGE "{\"source\":" M_SOURCE ",\"type\":\"image\",\"cache_control\":{}}"
#define M_TAIL " ]}], \"service_tier\":\"auto\" }"

static void messages_are_edited_in_place(void **state)
{
    (void)state;
    const char *const body = M_HEAD M_IMAGE M_TAIL;
    const struct moa_bytes uri = {"data:image/jpeg;base64,/9j/", 27};
    const struct moa_bytes url = {"https://a/b.png", 15};
    char *words[] = {(char *)(uintptr_t) "a \"barn\""};
    const struct dialect *d = &dialect_messages;
    assert_edited(d, body, &(struct chat_edits){.model = ""}, body);
    assert_edited(d, "\xef\xbb\xbf" M_HEAD M_IMAGE M_TAIL, &(struct chat_edits){.model = ""}, body);
    assert_edited(
        d, "{\"model\" : \"m\\u0061\" ,\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}",
        &(struct chat_edits){.model = "x\"y"},
        "{\"model\" : \"x\\\"y\" ,\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}");
    assert_edited(
        d, body, &(struct chat_edits){.model = "m", .urls = &uri},
        "{\"model\":\"m\","
        " \"max_tokens\" : 9, \"messages\": [{\"role\":\"user\",\"content\":[ "
        "{\"type\":\"text\",\"text\":\"a\"}, {\"source\":{\"type\":\"base64\",\"media_type\":"
        "\"image/jpeg\",\"data\":\"/9j/\"},\"type\":\"image\",\"cache_control\":{}}" M_TAIL);
    assert_edited(d, body, &(struct chat_edits){.model = "", .urls = &url},
                  M_HEAD
                  "{\"source\":{\"type\":\"url\",\"url\":\"https://a/b.png\"},\"type\":\"image\","
                  "\"cache_control\":{}}" M_TAIL);
    assert_edited(d, body, &(struct chat_edits){.model = "", .evidence = words},
                  M_HEAD "{\"type\":\"text\",\"text\":\"a \\\"barn\\\"\"}" M_TAIL);
}

/* What a tool has shown comes later in the chat than it stands here. */
static void parts_in_another_order_keep_their_places(void **state)
{
    (void)state;
    static const char before[] = "{\"messages\":[{\"role\":\"user\",\"content\":[" M_IMAGE
                                 ",{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[";
    static const char after[] = "]},{\"type\":\"text\",\"text\":\"b\"}]}]}";
    char body[1024], expected[1024];
    snprintf(body, sizeof(body), "%s%s%s", before,
             "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://a\"}}", after);
    snprintf(
        expected, sizeof(expected), "%s%s%s", before,
        "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":"
        "\"BB\"}}",
        after);
    const struct moa_bytes urls[] = {{"data:image/png;base64,BB", 24}, {NULL, 0}};
    assert_edited(&dialect_messages, body, &(struct chat_edits){.model = "", .urls = urls},
                  expected);
}

#define R_HEAD                                                                                     \
    "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
#define R_IMAGE(url) "{\"detail\":\"low\",\"image_url\" : \"" url "\",\"type\":\"input_image\"}"
#define R_TAIL "]}],\"model\":\"m\",\"metadata\":{\"k\":\"v\"}}"

static void responses_are_edited_in_place(void **state)
{
    (void)state;
    const char *const body = R_HEAD R_IMAGE("data:image/png;base64,AAAA") R_TAIL;
    const struct moa_bytes uri = {"data:image/jpeg;base64,/9j/", 27};
    char *words[] = {(char *)(uintptr_t) "barn"};
    const struct dialect *d = &dialect_responses;
    assert_edited(d, body, &(struct chat_edits){.model = "", .urls = &uri},
                  R_HEAD R_IMAGE("data:image/jpeg;base64,/9j/") R_TAIL);
    assert_edited(d, body, &(struct chat_edits){.model = "", .evidence = words},
                  R_HEAD "{\"type\":\"input_text\",\"text\":\"barn\"}" R_TAIL);
    assert_edited(d, "{\"input\":\"a\"}", &(struct chat_edits){.model = "m"},
                  "{\"model\":\"m\",\"input\":\"a\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(engines_show_it_by_what_they_miss),
        cmocka_unit_test(messages_are_edited_in_place),
        cmocka_unit_test(parts_in_another_order_keep_their_places),
        cmocka_unit_test(responses_are_edited_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
