/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the body of Anthropic's Messages: what is not refused by name is a chat completion,
 * in which every part that is no text has a name in the body, and of which a long string that the
 * skim cuts has lost nothing. And any bytes as an engine's answer, whole and as a stream: what a
 * client gets is JSON, in events whose blocks open and close in order.
 *
 * Like chat.c it takes each input twice: the second time every byte 0x01 is a run of characters
 * that skim.c cuts.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/dialect.h"
#include "gateway/sse.h"

#include "fuzz.h"
#include "passed.h"

#define RUN_BYTES 4200
#define SHORT_BYTES 2000 /* of a run that it does not cut */
#define RUNS_MAX 66      /* more than skim.c cuts */

static const struct chat_limits limits = {.max_text_bytes = 1 << 20, .max_images = 5};

/* ---- requests ---- */

static void check_json(const char *json, size_t n)
{
    yyjson_doc *doc = yyjson_read(json, n, YYJSON_READ_NOFLAG);
    FUZZ_ASSERT(doc && yyjson_is_obj(yyjson_doc_get_root(doc)));
    yyjson_doc_free(doc);
}

static void check_error(const struct http_error *error)
{
    size_t n;
    FUZZ_ASSERT(error->status == 400 || error->status == 413);
    char *json = dialect_messages.error(error, &n);
    FUZZ_ASSERT(json && n == strlen(json));
    check_json(json, n);
    free(json);
    char *event = dialect_messages.error_event(error, 0, &n);
    FUZZ_ASSERT(event && sse_next((struct moa_bytes){event, n}) > 0);
    free(event);
}

static void check_parts(const struct chat *chat)
{
    FUZZ_ASSERT(chat->n_fixes == 0);
    for (size_t i = 0; i < chat->n_parts; i++) {
        char name[80];
        char *url = chat_part_url(chat, i);
        FUZZ_ASSERT(chat->parts[i].has_data && url);
        chat_part_name(chat, i, name, sizeof(name));
        FUZZ_ASSERT(strncmp(name, "messages[", 9) == 0);
        free(url);
    }
}

/* The chat that a body is, to be freed; NULL if it is refused. */
static char *read_body(struct moa_bytes body)
{
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    char *text = NULL;
    if (dialect_read(&dialect_messages, body, &limits, &translated, &chat, &error)) {
        check_error(&error);
    } else {
        text = chat_copy(&chat, 0, chat_size(&chat));
        FUZZ_ASSERT(text);
        check_json(text, chat_size(&chat));
        FUZZ_ASSERT(chat.n_parts == translated.n_origins);
        check_parts(&chat);
        passed_check(&dialect_messages, &translated, &chat, &limits);
        FUZZ_ASSERT(strlen(text) == chat_size(&chat));
        chat_done(&chat);
    }
    dialect_body_done(&translated);
    return text;
}

/* ---- answers ---- */

/* Blocks open one at a time, by their number, and close; nothing follows an error. */
static void check_events(struct moa_bytes events)
{
    size_t n_open = 0, n_blocks = 0;
    bool is_over = false;
    for (size_t at = 0; at < events.n;) {
        const struct moa_bytes rest = {(const char *)events.p + at, events.n - at};
        const size_t n = sse_next(rest);
        FUZZ_ASSERT(n > 0 && !is_over);
        const struct moa_bytes data = sse_data((struct moa_bytes){rest.p, n});
        yyjson_doc *doc = yyjson_read(data.p, data.n, YYJSON_READ_NOFLAG);
        yyjson_val *root = yyjson_doc_get_root(doc);
        const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
        FUZZ_ASSERT(type && (at == 0) == (strcmp(type, "message_start") == 0 ||
                                          (at == 0 && strcmp(type, "error") == 0)));
        if (strcmp(type, "content_block_start") == 0) {
            FUZZ_ASSERT(n_open == 0 && yyjson_get_uint(yyjson_obj_get(root, "index")) == n_blocks);
            n_open = 1;
            n_blocks++;
        } else if (strncmp(type, "content_block_", 14) == 0) {
            FUZZ_ASSERT(n_open == 1 &&
                        yyjson_get_uint(yyjson_obj_get(root, "index")) == n_blocks - 1);
            n_open = strcmp(type, "content_block_stop") != 0;
        } else if (strcmp(type, "message_delta") == 0) {
            FUZZ_ASSERT(n_open == 0);
        }
        is_over = strcmp(type, "error") == 0 || strcmp(type, "message_stop") == 0;
        yyjson_doc_free(doc);
        at += n;
    }
    FUZZ_ASSERT(is_over);
}

static void tell_stream(struct moa_bytes events)
{
    static const struct usage usage = {3, 4, 0, 0};
    struct dialect_answer answer;
    dialect_answer_init(&answer, &dialect_messages, true, "id", "[\"END\"]");
    for (size_t at = 0; at < events.n;) {
        const struct moa_bytes rest = {(const char *)events.p + at, events.n - at};
        const size_t next = sse_next(rest), n = next > 0 ? next : rest.n;
        FUZZ_ASSERT(dialect_answer_event(&answer, sse_data((struct moa_bytes){rest.p, n})) == 0);
        at += n;
    }
    FUZZ_ASSERT(dialect_answer_end(&answer, &usage) == 0);
    check_events(buffer_bytes(&answer.out.text));
    dialect_answer_done(&answer);
}

static void tell_whole(struct moa_bytes completion)
{
    static const struct usage usage = {USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0};
    struct dialect_answer answer;
    dialect_answer_init(&answer, &dialect_messages, false, "id", NULL);
    FUZZ_ASSERT(dialect_answer_whole(&answer, completion) == 0);
    FUZZ_ASSERT(dialect_answer_end(&answer, &usage) == 0);
    if (!answer.has_failed)
        check_json(answer.out.text.p, answer.out.text.n);
    dialect_answer_done(&answer);
}

/* ---- both ---- */

/* `data` with every 0x01 as a run of `run_n` letters. */
static struct moa_bytes expand(const uint8_t *data, size_t size, size_t runs, size_t run_n)
{
    const size_t n = size + runs * (run_n - 1);
    char *body = malloc(n), *to = body;
    FUZZ_ASSERT(body);
    for (size_t i = 0; i < size; i++) {
        const size_t times = data[i] == 1 ? run_n : 1;
        memset(to, data[i] == 1 ? 'A' : data[i], times);
        to += times;
    }
    return (struct moa_bytes){body, n};
}

/* How many runs of SHORT_BYTES letters there are. */
static size_t count_runs(const char *text)
{
    size_t runs = 0;
    for (const char *c = text; *c;) {
        const size_t n = strspn(c, "A");
        runs += n / SHORT_BYTES;
        c += n > 0 ? n : 1;
    }
    return runs;
}

/* What the skim cuts, and what it does not, is the same chat but for its length. */
static void check_skim(const uint8_t *data, size_t size, size_t runs)
{
    const struct moa_bytes cut = expand(data, size, runs, RUN_BYTES);
    const struct moa_bytes uncut = expand(data, size, runs, SHORT_BYTES);
    char *one = read_body(cut), *other = read_body(uncut);
    FUZZ_ASSERT((one == NULL) == (other == NULL));
    FUZZ_ASSERT(!one ||
                strlen(one) - strlen(other) == count_runs(other) * (RUN_BYTES - SHORT_BYTES));
    free(one);
    free(other);
    free((void *)(uintptr_t)cut.p);
    free((void *)(uintptr_t)uncut.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes bytes = {size ? data : NULL, size};
    free(read_body(bytes));
    tell_stream(bytes);
    tell_whole(bytes);
    passed_hear(&dialect_messages, bytes);
    size_t runs = 0;
    for (size_t i = 0; i < size; i++)
        runs += data[i] == 1;
    if (runs > 0 && runs <= RUNS_MAX && size < SHORT_BYTES)
        check_skim(data, size, runs);
    return 0;
}
