/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/chat.h: what is read from a body, what is refused and how it is named, and that an edited
 * body differs from the original in the edited spans and nowhere else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat_bodies.h"

static char *joined(const struct chat_body *body)
{
    char *text = calloc(1, body->total_bytes + 1), *at = text;
    for (size_t i = 0; i < body->n_segments; i++) {
        memcpy(at, body->segments[i].p, body->segments[i].n);
        at += body->segments[i].n;
    }
    assert_int_equal(at - text, body->total_bytes);
    return text;
}

static void assert_edits(const char *source, const struct chat_edits *edits, const char *expected)
{
    struct chat chat = parse(source);
    struct chat_body body;
    assert_int_equal(chat_render(&chat, edits, &body), 0);
    char *text = joined(&body);
    assert_string_equal(text, expected);
    free(text);
    chat_body_done(&body);
    chat_done(&chat);
}

static void assert_renders(const char *source, const char *model, char *const *evidence,
                           const char *expected)
{
    const struct chat_edits edits = {.model = model, .evidence = evidence};
    assert_edits(source, &edits, expected);
}

static void modalities_are_found(void **state)
{
    (void)state;
    const char *body =
        "{\"model\":\"m\\u0041\",\"stream\":true,\"messages\":["
        "{\"role\":\"system\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":\"Old question?\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
        "{\"role\":\"user\",\"content\":[" IMAGE(
            "data:a") ",{\"type\":\"text\",\"text\":\"One\"},"
                      "{\"type\":\"input_audio\",\"input_audio\":{}},{\"type\":\"text\",\"text\":"
                      "\"t\\\"wo\"}," IMAGE("data:b\\\\\\\"c") "]}]}";
    struct chat chat = parse(body);
    assert_string_equal(chat.model_name, "mA");
    assert_true(chat.stream);
    assert_string_equal(chat.last_turn, "One\nt\"wo");
    assert_int_equal(chat.text_last_turn.bytes, 8 - 1);
    assert_int_equal(chat.text_all.bytes, 9 + 13 + 7);
    assert_int_equal(chat.n_parts, 3);
    assert_int_equal(chat.n_of[MOA_IMAGE], 2);
    assert_int_equal(chat.parts[1].kind, MOA_AUDIO);
    assert_false(chat.parts[1].has_data);
    const struct chat_part *second = &chat.parts[2];
    assert_int_equal(second->message, 3);
    assert_int_equal(second->index, 4);
    assert_memory_equal(body + second->data.begin, "data:b\\\\\\\"c", 11);
    assert_int_equal(second->data.end - second->data.begin, 11);
    assert_int_equal(body[second->span.begin], '{');
    assert_int_equal(body[second->span.end], ']');
    char name[64];
    chat_part_name(&chat, 2, name, sizeof(name));
    assert_string_equal(name, "messages[3].content[4].image_url");
    chat_part_name(&chat, 1, name, sizeof(name));
    assert_string_equal(name, "messages[3].content[2].input_audio");
    chat_done(&chat);
}

#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define SAYS(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define CHAT(messages) "{\"messages\":[" messages "]}"

static void every_kind_of_part_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        enum moa_kind kind;
        const char *data;
    } cases[] = {
        {"{\"type\":\"input_audio\",\"input_audio\":{\"format\":\"wav\",\"data\":\"QUJD\"}}",
         MOA_AUDIO, "QUJD"},
        {"{\"type\":\"audio_url\",\"audio_url\":{\"url\":\"data:audio/mpeg;base64,QQ==\"}}",
         MOA_AUDIO, "data:audio/mpeg;base64,QQ=="},
        {"{\"type\":\"video_url\",\"video_url\":{\"url\":\"http://a/b\"}}", MOA_VIDEO,
         "http://a/b"},
        {"{\"type\":\"input_video\",\"input_video\":{\"data\":\"QUJD\"}}", MOA_VIDEO, "QUJD"},
        {"{\"type\":\"file\",\"file\":{\"filename\":\"a\",\"file_data\":\"QUJD\"}}", MOA_FILE,
         "QUJD"},
        {"{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}", MOA_FILE, NULL},
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"QUJD\"}}", MOA_IMAGE, "QUJD"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char body[300];
        snprintf(body, sizeof(body), CHAT(USER("[{\"type\":\"text\",\"text\":\"a\"},%s]")),
                 cases[i].part);
        struct chat chat = parse(body);
        assert_int_equal(chat.n_parts, 1);
        const struct chat_part *part = &chat.parts[0];
        assert_int_equal(part->kind, cases[i].kind);
        assert_int_equal(part->has_data, cases[i].data != NULL);
        assert_memory_equal(body + part->span.begin, cases[i].part, strlen(cases[i].part));
        if (cases[i].data)
            assert_memory_equal(body + part->data.begin, cases[i].data, strlen(cases[i].data));
        assert_false(chat.is_opaque);
        chat_done(&chat);
    }
}

/* What stands where a gateway that knows one place of each kind would not look. */
static void what_may_be_of_any_kind_is_noted(void **state)
{
    (void)state;
    static const char *const opaque[] = {
        CHAT(USER("[{\"type\":\"input_image\",\"image_url\":\"data:a\"}]")),
        CHAT(USER("[{\"type\":\"text\",\"text\":\"a\",\"image_url\":{\"url\":\"data:a\"}}]")),
        CHAT(USER("[" IMAGE("data:a") ",{\"type\":\"new\"}]")),
        CHAT("{\"role\":\"user\",\"content\":\"a\",\"images\":[\"QUJD\"]}"),
    };
    for (size_t i = 0; i < N_TESTS(opaque); i++) {
        struct chat chat = parse(opaque[i]);
        assert_true(chat.is_opaque);
        chat_done(&chat);
    }
    struct chat chat = parse(CHAT(USER("[" IMAGE("data:a") "]") "," SAYS("b")));
    assert_false(chat.is_opaque);
    chat_done(&chat);
}

/* Who asks may have a long name, and no file is one. */
static void a_long_string_beside_the_messages_may_be_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        bool is_opaque;
    } cases[] = {
        {"user", 65, false},
        {"user", 512, false},
        {"user", 513, true},
        {"prompt_cache_key", 300, false},
        {"init_image", 64, false},
        {"init_image", 65, true},
        {"chat_template", 2000, false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char body[2300], value[2001];
        memset(value, 'A', cases[i].n);
        value[cases[i].n] = '\0';
        snprintf(body, sizeof(body), "{\"messages\":[" SAYS("b") "],\"%s\":\"%s\"}", cases[i].name,
                 value);
        struct chat chat = parse(body);
        assert_int_equal(chat.is_opaque, cases[i].is_opaque);
        chat_done(&chat);
    }
}

/* What holds no modality by its name may hold a file all the same; prose of any length is none. */
static void a_list_beside_the_messages_may_hold_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *list, *unit;
        unsigned n_units;
        bool is_opaque;
    } cases[] = {
        {"\"metadata\":{\"a\":\"%s\"}", "A", 512, false},
        {"\"metadata\":{\"a\":\"%s\"}", "A", 513, true},
        {"\"metadata\":{\"%s\":1}", "A", 513, true},
        {"\"stop\":[[[\"%s\"]]]", "A", 513, true},
        {"\"stop\":[[], \"%s\"]", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAA\\n", 20, true},
        {"\"chat_template_kwargs\":{\"a\":\"%s\"}", " \\u0064ATA:,x", 1, true},
        {"\"tools\":[{\"function\":{\"description\":\"%s\"}}]", "How tall it is. ", 100, false},
        {"\"tools\":[{\"function\":{\"description\":\"%s\"}}]", "\xe5\xa4\xa9\xe6\xb0\x94", 300,
         false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char body[2600], list[2400], value[2000] = "";
        for (unsigned k = 0; k < cases[i].n_units; k++)
            strcat(value, cases[i].unit);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(list, sizeof(list), cases[i].list, value);
#pragma GCC diagnostic pop
        snprintf(body, sizeof(body), "{\"messages\":[" SAYS("b") "],%s}", list);
        struct chat chat = parse(body);
        assert_int_equal(chat.is_opaque, cases[i].is_opaque);
        chat_done(&chat);
    }
}

static void the_question_of_a_part_is_what_its_user_asked(void **state)
{
    (void)state;
#define WORDS(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
    const char *body = CHAT(
        USER("[" IMAGE("data:a") "," WORDS("What is it?") "]") "," SAYS("A cat.") "," USER("[" IMAGE("data:b") "]") "," USER(
            "\"And this?\"") "," SAYS("A dog.") "," USER("[" WORDS("How old?") "," IMAGE("data:c") "]"));
    struct chat chat = parse(body);
    assert_int_equal(chat.n_parts, 3);
    assert_string_equal(chat.parts[0].question, "What is it?");
    assert_string_equal(chat.parts[1].question, "And this?");
    assert_string_equal(chat.parts[2].question, "How old?");
    assert_string_equal(chat.last_turn, "How old?");
    chat_done(&chat);
}

static void only_new_images_are_limited(void **state)
{
    (void)state;
#define THREE IMAGE("data:a") "," IMAGE("data:b") "," IMAGE("data:c")
    struct chat chat = parse(CHAT(USER("[" THREE "]") "," SAYS("d") "," USER("[" THREE "]")));
    assert_int_equal(chat.n_parts, 6);
    chat_done(&chat);
    struct http_error error;
    const char *four = CHAT(USER("[" THREE "]") "," USER("[" IMAGE("data:d") "]"));
    assert_int_equal(chat_parse(bytes_of(four), &limits, &chat, &error), -1);
    assert_string_equal(error.code, "too_many_images");
    assert_string_equal(error.param, "messages[1].content[0]");
}

static void parts_are_counted_by_memory(void **state)
{
    (void)state;
    struct http_error error;
    struct chat chat;
    for (size_t n = CHAT_PARTS_MAX; n <= CHAT_PARTS_MAX + 1; n++) {
        char *body = malloc(200 + 80 * n), *at = body;
        at += sprintf(at, "{\"messages\":[{\"role\":\"user\",\"content\":[");
        for (size_t i = 0; i < n; i++)
            at += sprintf(at, "%s{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}", i ? "," : "");
        sprintf(at, "]}]}");
        const int result = chat_parse(bytes_of(body), &limits, &chat, &error);
        assert_int_equal(result, n > CHAT_PARTS_MAX ? -1 : 0);
        if (result)
            assert_string_equal(error.code, "too_many_parts");
        else
            chat_done(&chat);
        free(body);
    }
}

static void spellings_that_few_engines_take_are_corrected(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"[{\"type\":\"image_url\",\"image_url\":\"data:a\",\"x\":1}]",
         "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:a\"},\"x\":1}]"},
        {"[{\"text\":\"a\"}, { \"image_url\" : \"data:a\" }]",
         "[{\"type\":\"text\",\"text\":\"a\"}, {\"type\":\"image_url\", \"image_url\" : "
         "{\"url\":\"data:a\"} }]"},
        {"[{\"input_audio\":{\"data\":\"QQ==\",\"format\":\"wav\"}}]",
         "[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\",\"format\":\"wav\"}}]"},
        {"[{\"type\":\"video_url\",\"video_url\":\"data:v\"}]",
         "[{\"type\":\"video_url\",\"video_url\":{\"url\":\"data:v\"}}]"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char body[200], expected[300];
        snprintf(body, sizeof(body), "\xef\xbb\xbf" CHAT(USER("%s")), cases[i].in);
        snprintf(expected, sizeof(expected), CHAT(USER("%s")), cases[i].out);
        assert_renders(body, "", NULL, expected);
    }
    /* Also where something else is edited, and in a body of its own. */
    const char *body = "{\"model\" : null,\"messages\":[" USER(
        "[{\"text\":\"a\"},{\"image_url\":\"data:a\"}]") "]}";
    const struct moa_bytes urls[] = {{"data:b", 6}};
    const struct chat_edits edits = {.model = "m", .urls = urls, .images_first = true};
    assert_edits(
        body, &edits,
        "{\"model\" : \"m\",\"messages\":[" USER(
            "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:b\"}},{\"type\":\"text\","
            "\"text\":\"a\"}]") "]}");
    char *const words[] = {(char *)(uintptr_t) "a cat"};
    assert_renders(
        body, "", words,
        "{\"model\" : null,\"messages\":[" USER(
            "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"a cat\"}]") "]}");
}

static void a_chat_without_a_user_turn_has_an_empty_question(void **state)
{
    (void)state;
    struct chat chat = parse("{\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}");
    assert_string_equal(chat.last_turn, "");
    assert_string_equal(chat.model_name, "");
    assert_false(chat.stream);
    chat_done(&chat);
}

static void braces_in_a_key_do_not_confuse_the_span(void **state)
{
    (void)state;
    const char *body = "{\"messages\":[{\"role\":\"user\",\"content\":[ {\"{\\\"\":\"}]\","
                       "\"type\":\"image_url\",\"image_url\":\"data:x\"} ]}]}";
    struct chat chat = parse(body);
    assert_int_equal(chat.n_parts, 1);
    assert_memory_equal(body + chat.parts[0].span.begin, "{\"{", 3);
    assert_memory_equal(body + chat.parts[0].span.end, " ]}]}", 5);
    chat_done(&chat);
}

static void nothing_changes_where_nothing_is_edited(void **state)
{
    (void)state;
    const char *body = " {\"a\":1e400 , \"messages\":[{\"role\":\"user\",\"content\":[" IMAGE(
        "data:a") "]}], \"unknown\":{\"b\":[1.50,0x]}}";
    const char *fine = " {\"a\":1.0e4 , \"messages\":[{\"role\":\"user\",\"content\":[" IMAGE(
        "data:a") "]}], \"unknown\":{\"b\":[1.50,-0]}}\n";
    struct chat chat;
    struct http_error error;
    assert_int_equal(chat_parse(bytes_of(body), &limits, &chat, &error), -1);
    assert_renders(fine, "", NULL, fine);
}

static void the_model_is_replaced_or_inserted(void **state)
{
    (void)state;
    assert_renders("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"model\" : \"old\"}",
                   "n\"w", NULL,
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"model\" : \"n\\\"w\"}");
    assert_renders("{ \"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "m", NULL,
                   "{\"model\":\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
}

static void evidence_takes_the_place_of_its_image(void **state)
{
    (void)state;
    char *evidence[CHAT_PARTS_MAX] = {NULL, (char *)(uintptr_t) "a \"cat\"\n", NULL};
    assert_renders("{\"messages\":[{\"role\":\"user\",\"content\":[" IMAGE("data:a") "," IMAGE(
                       "data:b") ",{\"type\":\"text\",\"text\":\"?\"}]}],\"model\":\"m\"}",
                   "n", evidence,
                   "{\"messages\":[{\"role\":\"user\",\"content\":[" IMAGE(
                       "data:a") ",{\"type\":\"text\",\"text\":\"a \\\"cat\\\"\\n\"},"
                                 "{\"type\":\"text\",\"text\":\"?\"}]}],\"model\":\"n\"}");
}

#define TEXT(words) "{\"type\":\"text\",\"text\":\"" words "\"}"
#define MESSAGE(parts) "{\"messages\":[{\"role\":\"user\",\"content\":[" parts "]}],\"z\":1.50}"

static void a_url_is_replaced_and_nothing_else(void **state)
{
    (void)state;
    const struct moa_bytes urls[CHAT_PARTS_MAX] = {{NULL, 0}, {"data:new", 8}};
    const struct chat_edits edits = {.model = "", .urls = urls};
    assert_edits(MESSAGE(TEXT("1") " , " IMAGE("data:a") "," IMAGE("data:b")), &edits,
                 MESSAGE(TEXT("1") " , " IMAGE("data:a") "," IMAGE("data:new")));
}

static void evidence_wins_over_a_url(void **state)
{
    (void)state;
    char *evidence[CHAT_PARTS_MAX] = {(char *)(uintptr_t) "cat"};
    const struct moa_bytes urls[CHAT_PARTS_MAX] = {{"data:new", 8}, {"data:two", 8}};
    const struct chat_edits edits = {.model = "", .evidence = evidence, .urls = urls};
    assert_edits(MESSAGE(IMAGE("data:a") "," IMAGE("data:b")), &edits,
                 MESSAGE(TEXT("cat") "," IMAGE("data:two")));
}

static void images_come_first_if_asked(void **state)
{
    (void)state;
    /* The first part is audio. */
    char *evidence[CHAT_PARTS_MAX] = {NULL, NULL, (char *)(uintptr_t) "cat"};
    const struct moa_bytes urls[CHAT_PARTS_MAX] = {{NULL, 0}, {"data:new", 8}};
    const struct chat_edits edits = {
        .model = "", .evidence = evidence, .urls = urls, .images_first = true};
#define AUDIO "{\"type\":\"input_audio\",\"x\":{}}"
    assert_edits(
        MESSAGE(TEXT("1") " ,\n" AUDIO "," IMAGE("data:a") "," TEXT("2") ", " IMAGE("data:b")),
        &edits,
        MESSAGE(IMAGE("data:new") " ,\n" TEXT("cat") "," TEXT("1") "," AUDIO ", " TEXT("2")));
    /* Each gets its own URL, also where a sound with bytes stands before and a file between. */
#define SOUND "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\"}}"
#define DOCUMENT "{\"type\":\"file\",\"file\":{\"file_data\":\"data:,d\"}}"
    const struct moa_bytes own[CHAT_PARTS_MAX] = {
        {"QUJD", 4}, {"data:one", 8}, {NULL, 0}, {"data:two", 8}};
    const struct chat_edits each = {.model = "", .urls = own, .images_first = true};
    assert_edits(
        MESSAGE(SOUND "," IMAGE("data:a") "," DOCUMENT "," IMAGE("data:b")), &each,
        MESSAGE(IMAGE("data:one") "," IMAGE("data:two") ",{\"type\":\"input_audio\",\"input_"
                                                        "audio\":{\"data\":\"QUJD\"}}," DOCUMENT));
    const struct chat_edits order = {.model = "m", .images_first = true};
    assert_edits(
        "{\"model\":\"\",\"messages\":[{\"role\":\"user\",\"content\":[" TEXT("1") "," IMAGE(
            "data:"
            "a") "]},{\"role\":\"user\",\"content\":[" IMAGE("data:b") "," TEXT("2") "]},{\"role\":"
                                                                                     "\"user\","
                                                                                     "\"content\":"
                                                                                     "[" TEXT("3") "," IMAGE(
                                                                                         "data"
                                                                                         ":c") "]}]"
                                                                                               "}",
        &order,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[" IMAGE("data:a") "," TEXT(
            "1") "]},{\"role\":\"user\",\"content\":[" IMAGE("data:b") "," TEXT("2") "]},{\"role\":"
                                                                                     "\"user\","
                                                                                     "\"content\":"
                                                                                     "[" IMAGE(
                                                                                         "dat"
                                                                                         "a:"
                                                                                         "c") "," TEXT("3") "]}]}");
    const struct chat_edits as_it_is = {.model = ""};
    assert_edits(MESSAGE(TEXT("1") "," IMAGE("data:a")), &as_it_is,
                 MESSAGE(TEXT("1") "," IMAGE("data:a")));
}

/* Whatever the client said of them, the engine is asked for log-probabilities, once. */
static void log_probabilities_are_asked_for(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "\"logprobs\":true,\"top_logprobs\":5,", "\"n_probs\":5,"},
        {"\"logprobs\":null,", "\"top_logprobs\":5,\"logprobs\":true,",
         "\"n_probs\":5,\"logprobs\":null,"},
        {"\"logprobs\" : false,", "\"top_logprobs\":5,\"logprobs\" : true,",
         "\"n_probs\":5,\"logprobs\" : false,"},
        {"\"logprobs\":false,\"top_logprobs\":null,", "\"logprobs\":true,\"top_logprobs\":null,",
         "\"n_probs\":5,\"logprobs\":false,\"top_logprobs\":null,"},
        {"\"top_logprobs\":2,", "\"logprobs\":true,\"top_logprobs\":2,",
         "\"n_probs\":5,\"top_logprobs\":2,"},
        {"\"logprobs\":true,", "\"logprobs\":true,", "\"logprobs\":true,"},
    };
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello.\"}]}"
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        for (int by_n_probs = 0; by_n_probs <= 1; by_n_probs++) {
            char *before, *after;
            const struct chat_edits edits = {
                .model = "", .ask_logprobs = true, .by_n_probs = by_n_probs};
            assert_true(asprintf(&before, "{%s" HELLO, cases[i][0]) > 0);
            assert_true(asprintf(&after, "{%s" HELLO, cases[i][1 + by_n_probs]) > 0);
            assert_edits(before, &edits, after);
            free(before);
            free(after);
        }
    }
}

/* Whatever the client said of it; what is no temperature is the engine's to refuse. */
static void a_chat_can_be_made_cold(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "\"temperature\":0,"},
        {"\"temperature\" : 0.7 ,", "\"temperature\" : 0 ,"},
        {"\"temperature\":-1e-3,\"top_p\":1,", "\"temperature\":0,\"top_p\":1,"},
        {"\"temperature\":\nnull\n,", "\"temperature\":\n0\n,"},
        {"\"temperature\":\"hot\",", "\"temperature\":\"hot\","},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char *before, *after;
        const struct chat_edits edits = {.model = "", .cold = true};
        assert_true(asprintf(&before, "{%s" HELLO, cases[i][0]) > 0);
        assert_true(asprintf(&after, "{%s" HELLO, cases[i][1]) > 0);
        assert_edits(before, &edits, after);
        free(before);
        free(after);
    }
    const struct chat_edits cold = {.model = "", .cold = true};
    assert_edits("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi.\"}],\"temperature\":1}",
                 &cold,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi.\"}],\"temperature\":0}");
}

static void what_is_said_of_sampling_is_read(void **state)
{
    (void)state;
    struct chat chat = parse("{\"temperature\":0,\"logprobs\":true,"
                             "\"response_format\":{\"type\":\"json_schema\"}," HELLO);
    assert_true(chat.asks_logprobs && chat.wants_json && !chat.is_sampled);
    chat_done(&chat);
    chat = parse("{\"response_format\":{\"type\":\"text\"}," HELLO);
    assert_false(chat.asks_logprobs || chat.wants_json);
    assert_true(chat.is_sampled); /* an engine's default is not 0 */
    chat_done(&chat);
}

static void the_url_of_an_image_is_unescaped(void **state)
{
    (void)state;
    struct chat chat = parse(MESSAGE(IMAGE("https:\\/\\/a.example\\/?x=1\\u0026y=2")));
    char *url = chat_part_url(&chat, 0);
    assert_string_equal(url, "https://a.example/?x=1&y=2");
    free(url);
    chat_done(&chat);
}

static void a_perception_carries_one_image_and_the_prompt_alone(void **state)
{
    (void)state;
    struct chat chat = parse("{\"messages\":[{\"role\":\"system\",\"content\":\"secret\"},"
                             "{\"role\":\"user\",\"content\":[" IMAGE("data:a") "," IMAGE(
                                 "data:b") "]}],\"user\":\"secret\"}");
    struct chat_body body;
    const struct moa_bytes none = {NULL, 0};
    assert_int_equal(chat_render_perception(&chat, 1, none, "m", "What is \"it\"?", 7, "", &body),
                     0);
    char *text = joined(&body);
    assert_string_equal(text,
                        "{\"model\":\"m\",\"max_tokens\":7,\"temperature\":0,\"messages\":[{"
                        "\"role\":\"user\",\"content\":[" IMAGE(
                            "data:b") ",{\"type\":\"text\",\"text\":\"What is \\\"it\\\"?\"}]}]}");
    free(text);
    chat_body_done(&body);
    chat_done(&chat);
}

static void faults_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *message;
        int status;
    } cases[] = {
        {"", "", "empty", 400},
        {"[1,2]", "", "object", 400},
        {"{\"messages\":[}", "", "byte 13", 400},
        {"{}", "messages", "missing", 400},
        {"{\"messages\":{}}", "messages", "array", 400},
        {"{\"messages\":[]}", "messages", "at least one", 400},
        {"{\"messages\":[1]}", "messages[0]", "object", 400},
        {"{\"messages\":[{\"content\":\"x\"}]}", "messages[0].role", "string", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":5}]}", "messages[0].content", "array", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[5]}]}", "messages[0].content[0]", "object",
         400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}", "messages[0].content[0].type",
         "string", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}",
         "messages[0].content[0].text", "string", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
         "messages[0].content[0].image_url", "missing", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]"
         "}]}",
         "messages[0].content[0].image_url.url", "string", 400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"messages\":[]}", "messages",
         "twice", 400},
        {"{\"model\":7,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "model", "string",
         400},
        {"{\"stream\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "stream", "true",
         400},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[" IMAGE("a") "," IMAGE("b") "," IMAGE(
             "c") "," IMAGE("d") "]}]}",
         "messages[0].content[3]", "more than 3", 413},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct chat chat;
        struct http_error error;
        if (!chat_parse(bytes_of(cases[i].body), &limits, &chat, &error))
            fail_msg("accepted: %s", cases[i].body);
        assert_string_equal(error.param, cases[i].param);
        if (!strstr(error.message, cases[i].message))
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].message);
        assert_int_equal(error.status, cases[i].status);
    }
}

static void text_has_a_limit(void **state)
{
    (void)state;
    char body[11000];
    memset(body, 'x', sizeof(body));
    static const char head[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"";
    memcpy(body, head, sizeof(head) - 1);
    memcpy(body + sizeof(body) - 5, "\"}]}", 5);
    struct chat chat;
    struct http_error error;
    assert_int_equal(chat_parse(bytes_of(body), &limits, &chat, &error), -1);
    assert_int_equal(error.status, 413);
}

static void templates_are_filled_once(void **state)
{
    (void)state;
    const char *const names[] = {"index", "evidence"};
    const char *const values[] = {"1", "{index} {evidence}"};
    char *text = chat_fill("Image {index}: {evidence} {other} {", names, values, 2);
    assert_string_equal(text, "Image 1: {index} {evidence} {other} {");
    free(text);
}

static void answer_text_is_found_or_not(void **state)
{
    (void)state;
    char *text = chat_completion_text(
        bytes_of("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a\\nb\"}}]}"));
    assert_string_equal(text, "a\nb");
    free(text);
    static const char *const none[] = {"",
                                       "nonsense",
                                       "{\"choices\":[]}",
                                       "{\"error\":{}}",
                                       "{\"choices\":[{\"message\":{\"content\":null}}]}",
                                       "{\"choices\":[{\"message\":{\"content\":\"\"}}]}"};
    for (size_t i = 0; i < N_TESTS(none); i++)
        assert_null(chat_completion_text(bytes_of(none[i])));
}

/* Whether the same answer would do again. */
static void repeatable(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        bool is_repeatable;
    } cases[] = {
        {"", true},
        {"\"n\":1,\"temperature\":0,\"tools\":null,\"logprobs\":false,", true},
        {"\"n\":null,\"temperature\":null,\"top_p\":0.5,\"seed\":7,", true},
        {"\"n\":2,", false},
        {"\"temperature\":0.01,", false},
        {"\"tools\":[],", false},
        {"\"functions\":[{}],", false},
        {"\"logprobs\":true,", false},
        {"\"audio\":{\"voice\":\"x\"},", false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char body[256];
        snprintf(body, sizeof(body),
                 "{%s\"messages\":[{\"role\":\"user\",\"content\":\"Which?\"}]}", cases[i].members);
        struct chat chat = parse(body);
        assert_int_equal(chat.is_repeatable, cases[i].is_repeatable);
        chat_done(&chat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeatable),
        cmocka_unit_test(modalities_are_found),
        cmocka_unit_test(every_kind_of_part_is_found),
        cmocka_unit_test(what_may_be_of_any_kind_is_noted),
        cmocka_unit_test(a_long_string_beside_the_messages_may_be_a_file),
        cmocka_unit_test(a_list_beside_the_messages_may_hold_a_file),
        cmocka_unit_test(the_question_of_a_part_is_what_its_user_asked),
        cmocka_unit_test(only_new_images_are_limited),
        cmocka_unit_test(parts_are_counted_by_memory),
        cmocka_unit_test(spellings_that_few_engines_take_are_corrected),
        cmocka_unit_test(a_chat_without_a_user_turn_has_an_empty_question),
        cmocka_unit_test(braces_in_a_key_do_not_confuse_the_span),
        cmocka_unit_test(nothing_changes_where_nothing_is_edited),
        cmocka_unit_test(the_model_is_replaced_or_inserted),
        cmocka_unit_test(evidence_takes_the_place_of_its_image),
        cmocka_unit_test(a_url_is_replaced_and_nothing_else),
        cmocka_unit_test(evidence_wins_over_a_url),
        cmocka_unit_test(images_come_first_if_asked),
        cmocka_unit_test(log_probabilities_are_asked_for),
        cmocka_unit_test(a_chat_can_be_made_cold),
        cmocka_unit_test(what_is_said_of_sampling_is_read),
        cmocka_unit_test(the_url_of_an_image_is_unescaped),
        cmocka_unit_test(a_perception_carries_one_image_and_the_prompt_alone),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(text_has_a_limit),
        cmocka_unit_test(templates_are_filled_once),
        cmocka_unit_test(answer_text_is_found_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
