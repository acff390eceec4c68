/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a body of OpenAI's Responses and of Ollama's API: what is not refused by name is a
 * chat completion, in which every part that is no text has a name in the body. And any bytes as an
 * engine's answer, whole and as a stream: what a client gets is JSON, in events that are numbered
 * and lines that end with one that is done.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/dialect.h"
#include "gateway/sse.h"

#include "fuzz.h"
#include "passed.h"

static const struct chat_limits limits = {.max_text_bytes = 1 << 20, .max_images = 5};

static yyjson_doc *parse(struct moa_bytes json)
{
    yyjson_doc *doc = yyjson_read(json.p, json.n, YYJSON_READ_NOFLAG);
    FUZZ_ASSERT(doc && yyjson_is_obj(yyjson_doc_get_root(doc)));
    return doc;
}

/* ---- requests ---- */

static void check_error(const struct dialect *dialect, const struct http_error *error)
{
    size_t n;
    FUZZ_ASSERT(error->status == 400 || error->status == 413);
    char *json = dialect->error(error, &n);
    FUZZ_ASSERT(json && n == strlen(json));
    yyjson_doc_free(parse((struct moa_bytes){json, n}));
    free(json);
    char *event = dialect->error_event(error, 0, &n);
    FUZZ_ASSERT(event && n == strlen(event));
    free(event);
}

static void read_body(const struct dialect *dialect, struct moa_bytes body)
{
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    if (dialect_read(dialect, body, &limits, &translated, &chat, &error)) {
        check_error(dialect, &error);
        dialect_body_done(&translated);
        return;
    }
    char *text = chat_copy(&chat, 0, chat_size(&chat));
    FUZZ_ASSERT(text);
    yyjson_doc_free(parse((struct moa_bytes){text, chat_size(&chat)}));
    free(text);
    FUZZ_ASSERT(chat.n_parts == translated.n_origins && chat.n_fixes == 0);
    for (size_t i = 0; i < chat.n_parts; i++) {
        char *url = chat_part_url(&chat, i);
        FUZZ_ASSERT(chat.parts[i].has_data && url);
        free(url);
    }
    if (dialect->speaks)
        passed_check(dialect, &translated, &chat, &limits);
    chat_done(&chat);
    dialect_body_done(&translated);
}

/* ---- answers ---- */

static void check_event(struct moa_bytes event, size_t number)
{
    yyjson_doc *doc = parse(sse_data(event));
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
    FUZZ_ASSERT(type && yyjson_get_uint(yyjson_obj_get(root, "sequence_number")) == number);
    yyjson_doc_free(doc);
}

static void check_lines(struct moa_bytes lines)
{
    const char *at = lines.p, *const last = at + lines.n;
    bool is_over = false;
    while (at < last) {
        const char *end = memchr(at, '\n', (size_t)(last - at));
        FUZZ_ASSERT(end && !is_over);
        yyjson_doc *doc = parse((struct moa_bytes){at, (size_t)(end - at)});
        yyjson_val *root = yyjson_doc_get_root(doc);
        is_over = yyjson_is_true(yyjson_obj_get(root, "done")) || yyjson_obj_get(root, "error");
        yyjson_doc_free(doc);
        at = end + 1;
    }
    FUZZ_ASSERT(is_over);
}

static void check_stream(const struct dialect *dialect, struct moa_bytes events)
{
    if (dialect != &dialect_responses) {
        check_lines(events);
        return;
    }
    size_t number = 0;
    for (size_t at = 0; at < events.n; number++) {
        const struct moa_bytes rest = {(const char *)events.p + at, events.n - at};
        const size_t n = sse_next(rest);
        FUZZ_ASSERT(n > 0);
        check_event((struct moa_bytes){rest.p, n}, number);
        at += n;
    }
}

static void tell_stream(const struct dialect *dialect, struct moa_bytes events)
{
    static const struct usage usage = {3, 4, 0.5, 2};
    struct dialect_answer answer;
    dialect_answer_init(&answer, dialect, true, "id", NULL);
    for (size_t at = 0; at < events.n;) {
        const struct moa_bytes rest = {(const char *)events.p + at, events.n - at};
        const size_t next = sse_next(rest), n = next > 0 ? next : rest.n;
        FUZZ_ASSERT(dialect_answer_event(&answer, sse_data((struct moa_bytes){rest.p, n})) == 0);
        at += n;
    }
    FUZZ_ASSERT(dialect_answer_end(&answer, &usage) == 0);
    check_stream(dialect, buffer_bytes(&answer.out.text));
    dialect_answer_done(&answer);
}

static void tell_whole(const struct dialect *dialect, struct moa_bytes completion)
{
    static const struct usage usage = {USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0};
    struct dialect_answer answer;
    dialect_answer_init(&answer, dialect, false, "id", ",\"tools\":[]");
    FUZZ_ASSERT(dialect_answer_whole(&answer, completion) == 0);
    FUZZ_ASSERT(dialect_answer_end(&answer, &usage) == 0);
    if (!answer.has_failed)
        yyjson_doc_free(parse(buffer_bytes(&answer.out.text)));
    dialect_answer_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect *const all[] = {&dialect_responses, &dialect_ollama_chat,
                                                &dialect_ollama_generate};
    const struct moa_bytes bytes = {size ? data : NULL, size};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        read_body(all[i], bytes);
        tell_stream(all[i], bytes);
        tell_whole(all[i], bytes);
        if (all[i]->speaks)
            passed_hear(all[i], bytes);
    }
    return 0;
}
