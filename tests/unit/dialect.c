/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/dialect.h: a dialect of this test's own, which writes down in order what it is told of
 * answers, whole and streamed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dialect.h"

#include "test.h"

/* To be freed. */
static char *joined(const struct chat_body *body)
{
    char *text = malloc(body->total_bytes + 1), *to = text;
    for (size_t i = 0; i < body->n_segments; i++)
        to = (char *)memcpy(to, body->segments[i].p, body->segments[i].n) + body->segments[i].n;
    assert_int_equal(to - text, body->total_bytes);
    *to = '\0';
    return text;
}

static int begin(struct dialect_answer *a)
{
    json_print(&a->out, "begin(%.20s,%.20s)", a->id, a->model);
    return 0;
}

static int say(struct dialect_answer *a, const struct dialect_piece *piece)
{
    static const char *const kinds[] = {"thought", "text", "refusal", "call", "arguments"};
    json_print(&a->out, " %s(%.*s", kinds[piece->kind], (int)piece->text.n,
               (const char *)piece->text.p);
    if (piece->kind == SAID_CALL)
        json_print(&a->out, "#%.*s", (int)piece->id.n,
                   piece->id.n ? (const char *)piece->id.p : "");
    json_put(&a->out, ")");
    return 0;
}

static int end(struct dialect_answer *a)
{
    json_print(&a->out, " end(%d,%s,%d,%d)", a->stop, a->stop_sequence, (int)a->usage.prompt_tokens,
               (int)a->usage.completion_tokens);
    return 0;
}

static char *error_event(const struct http_error *error, size_t n_events, size_t *ret_n)
{
    (void)n_events;
    char *text;
    const int n = asprintf(&text, " error(%s)", error->message);
    assert_true(n > 0);
    *ret_n = (size_t)n;
    return text;
}

static int read_body(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                     struct http_error *ret_error)
{
    (void)ret_error;
    if (max_json_bytes > 0 && body.n > max_json_bytes)
        return 1;
    json_put(&ret_body->chat, "{\"messages\":[{\"role\":\"user\",\"content\":");
    json_put_bytes(&ret_body->chat, body);
    json_put(&ret_body->chat, "}]}");
    return dialect_note_origin(ret_body, (struct chat_origin){.name = "picture"});
}

static const struct dialect spy = {.name = "spy",
                                   .read = read_body,
                                   .begin = begin,
                                   .say = say,
                                   .end = end,
                                   .error_event = error_event};

static void assert_told(bool is_stream, const char *const *data, const char *expected)
{
    struct dialect_answer answer;
    const struct usage none = {USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0};
    dialect_answer_init(&answer, &spy, is_stream, "mine", NULL);
    for (size_t i = 0; data[i]; i++) {
        const struct moa_bytes bytes = {data[i], strlen(data[i])};
        assert_int_equal(is_stream ? dialect_answer_event(&answer, bytes)
                                   : dialect_answer_whole(&answer, bytes),
                         0);
    }
    assert_int_equal(dialect_answer_end(&answer, &none), 0);
    assert_string_equal(answer.out.text.p, expected);
    dialect_answer_done(&answer);
}

static void whole_answers(void **state)
{
    (void)state;
    static const char *const text[] = {
        "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":"
        "{\"role\":\"assistant\",\"content\":\"Hi\",\"reasoning_content\":\"Hm\"}}],"
        "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
        NULL};
    assert_told(false, text, "begin(c1,m) thought(Hm) text(Hi) end(0,,3,4)");
    static const char *const calls[] = {
        "{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":null,"
        "\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
        "{\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}}]}",
        NULL};
    assert_told(false, calls, "begin(mine,) call(f#a) arguments({}) call(g#) end(2,,-1,-1)");
    static const char *const cut[] = {
        "{\"choices\":[{\"finish_reason\":\"length\",\"stop_reason\":null,\"message\":{\"refusal\":"
        "\"No\"}}]}",
        NULL};
    assert_told(false, cut, "begin(mine,) refusal(No) end(1,,-1,-1)");
}

static void streams(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "{\"id\":\"c1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":"
        "{\"name\":\"f\",\"arguments\":\"\"}}]}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
        "\"{\"}}]}}]}",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
        "[DONE]",
        NULL};
    assert_told(true, pieces, "begin(c1,) text(a) call(f#x) arguments({) end(0,END,1,2)");
    static const char *const broken[] = {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
                                         "{\"error\":{\"message\":\"Out of slots\"}}",
                                         "{\"choices\":[{\"delta\":{\"content\":\"b\"}}]}", NULL};
    assert_told(true, broken,
                "begin(mine,) text(a) error(The answer of the engine broke off: Out of slots.)");
    static const char *const odd[] = {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", "",
                                      "{\"choices\":[{\"del", NULL};
    assert_told(true, odd,
                "begin(mine,) text(a) error(The answer of the engine broke off: an event that is "
                "no JSON.)");
    static const char *const nothing[] = {NULL};
    assert_told(true, nothing, "begin(mine,) end(0,,-1,-1)");
}

static void parts_keep_the_names_of_their_origin(void **state)
{
    (void)state;
    static const char parts[] = "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://a/b\"}},"
                                "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://a/c\"}}]";
    struct chat_limits limits = {.max_text_bytes = 100, .max_images = 1};
    struct dialect_body body;
    struct chat chat;
    struct http_error error;
    const struct moa_bytes bytes = {parts, sizeof(parts) - 1};
    assert_int_equal(dialect_read(&spy, bytes, &limits, &body, &chat, &error), -1);
    assert_string_equal(error.param, "messages[0].content[1]"); /* it noted one origin only */
    dialect_body_done(&body);
    limits.max_images = 0;
    assert_int_equal(dialect_read(&spy, bytes, &limits, &body, &chat, &error), -1);
    assert_string_equal(error.param, "picture");
    dialect_body_done(&body);
    limits.max_images = 2;
    limits.max_json_bytes = bytes.n - 1; /* for who reads it first */
    assert_int_equal(dialect_read(&spy, bytes, &limits, &body, &chat, &error), 1);
    dialect_body_done(&body);
    limits.max_json_bytes = bytes.n; /* and for who reads what that made of it */
    assert_int_equal(dialect_read(&spy, bytes, &limits, &body, &chat, &error), 1);
    dialect_body_done(&body);
    limits.max_json_bytes = 0;
    assert_int_equal(dialect_read(&spy, bytes, &limits, &body, &chat, &error), 0);
    char name[80];
    chat_part_name(&chat, 0, name, sizeof(name));
    assert_string_equal(name, "picture");
    chat_part_name(&chat, 1, name, sizeof(name));
    assert_string_equal(name, "messages[0].content[1].image_url");
    chat_done(&chat);
    dialect_body_done(&body);
}

#define BULK_BYTES 5001

/* Two pictures, of which the second is larger; neither is copied. */
static void assert_bulk(const struct dialect *dialect, const char *format, const char *head)
{
    static const struct chat_limits limits = {.max_text_bytes = 100000, .max_images = 3};
    static char bulk[BULK_BYTES];
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    char *body, *url;
    memset(bulk, 'A', BULK_BYTES - 1);
    const int n = asprintf(&body, format, bulk, bulk);
    assert_true(n > 0);
    const struct moa_bytes bytes = {body, (size_t)n};
    if (dialect_read(dialect, bytes, &limits, &translated, &chat, &error))
        fail_msg("refused: %s", error.message);
    assert_int_equal(chat.n_cuts, 2);
    assert_true(chat.body.n < 500);
    assert_true(chat_size(&chat) > 2 * strlen(bulk));
    for (size_t i = 0; i < 2; i++) {
        const struct chat_data data = chat_part_data(&chat, i);
        assert_true((const char *)data.bytes.p > body && (const char *)data.bytes.p < body + n);
        assert_int_equal(data.head.n, strlen(head));
        assert_memory_equal(data.head.p ? data.head.p : "", head, data.head.n);
        assert_true(asprintf(&url, "data:image/png;base64,%s%s", i ? "BBBB" : "", bulk) > 0);
        char *is = chat_part_url(&chat, i);
        assert_string_equal(is, url);
        free(is);
        free(url);
    }
    struct chat_body edited;
    char *const words[] = {(char *)(uintptr_t) "a barn", NULL};
    const struct chat_edits edits = {.model = "m", .evidence = words};
    assert_int_equal(chat_render(&chat, &edits, &edited), 0);
    assert_in_range(edited.total_bytes, strlen(bulk), strlen(bulk) + 500);
    char *text = joined(&edited);
    assert_non_null(strstr(text, "a barn"));
    assert_non_null(strstr(text, "data:image/png;base64,BBBBAAAA"));
    free(text);
    chat_body_done(&edited);
    chat_done(&chat);
    dialect_body_done(&translated);
    free(body);
}

static void the_bulk_of_pictures_stays_where_it_came(void **state)
{
    (void)state;
#define SOURCE(data)                                                                               \
    "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","            \
    "\"data\":\"" data "\"}}"
#define INPUT(data) "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64," data "\"}"
    assert_bulk(
        &dialect_messages,
        "{\"messages\":[{\"role\":\"user\",\"content\":[" SOURCE("%s") "," SOURCE("BBBB%s") "]}]}",
        "data:image/png;base64,");
    assert_bulk(
        &dialect_responses,
        "{\"input\":[{\"role\":\"user\",\"content\":[" INPUT("%s") "," INPUT("BBBB%s") "]}]}", "");
}

static void paths_name_dialects(void **state)
{
    (void)state;
    assert_ptr_equal(dialect_of_path("/v1/chat/completions"), &dialect_chat);
    assert_ptr_equal(dialect_of_path("/v1/messages"), &dialect_messages);
    assert_ptr_equal(dialect_of_path("/v1/messages/count_tokens"), &dialect_messages);
    assert_ptr_equal(dialect_of_path("/v1/messages?beta=true"), &dialect_messages);
    assert_ptr_equal(dialect_of_path("/v1/messages2"), &dialect_chat);
    assert_ptr_equal(dialect_of_path("/elsewhere"), &dialect_chat);
    assert_ptr_equal(dialect_of_path(""), &dialect_chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(streams),
        cmocka_unit_test(parts_keep_the_names_of_their_origin),
        cmocka_unit_test(the_bulk_of_pictures_stays_where_it_came),
        cmocka_unit_test(paths_name_dialects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
