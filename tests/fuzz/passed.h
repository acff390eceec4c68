/* SPDX-License-Identifier: Apache-2.0
 *
 * For targets of dialects that engines speak: a body that is edited in place reads as it did, but
 * for what was edited; and any bytes as what such an engine answers.
 */
#ifndef MOA_FUZZ_PASSED_H
#define MOA_FUZZ_PASSED_H

#include <string.h>

#include <yyjson.h>

#include "gateway/dialect.h"
#include "gateway/sse.h"

#include "fuzz.h"

#define PASSED_URL "data:image/jpeg;base64,/9j/AAAA"
#define PASSED_WORDS "a \"barn\"\n"

static char *passed_text(const struct chat_body *body)
{
    char *text = malloc(body->total_bytes + 1), *to = text;
    FUZZ_ASSERT(text);
    for (size_t i = 0; i < body->n_segments; i++)
        to = (char *)memcpy(to, body->segments[i].p, body->segments[i].n) + body->segments[i].n;
    FUZZ_ASSERT((size_t)(to - text) == body->total_bytes);
    *to = '\0';
    return text;
}

/* What an engine sees of `chat` with another model, and of its parts every second in words and the
 * others by another URL. */
static void passed_check(const struct dialect *dialect, const struct dialect_body *translated,
                         const struct chat *chat, const struct chat_limits *limits)
{
    char *words[CHAT_PARTS_MAX] = {NULL};
    struct moa_bytes urls[CHAT_PARTS_MAX] = {{NULL, 0}};
    size_t n_words = 0;
    for (size_t i = 0; i < chat->n_parts; i++) {
        urls[i] = (struct moa_bytes){PASSED_URL, sizeof(PASSED_URL) - 1};
        words[i] = i % 2 ? (char *)(uintptr_t)PASSED_WORDS : NULL;
        n_words += i % 2;
    }
    const struct chat_edits edits = {.model = "m\"", .evidence = words, .urls = urls};
    struct chat_body body;
    FUZZ_ASSERT(chat_render_origin(chat, translated->came, translated->model, dialect->spelling,
                                   &edits, &body) == 0);
    char *text = passed_text(&body);
    struct dialect_body again;
    struct chat seen;
    struct http_error error;
    const struct moa_bytes bytes = {text, body.total_bytes};
    const int result = dialect_read(dialect, bytes, limits, &again, &seen, &error);
    /* Words may be one text more than a list takes. */
    FUZZ_ASSERT(result == 0);
    FUZZ_ASSERT(strcmp(seen.model_name, "m\"") == 0 && seen.stream == chat->stream);
    FUZZ_ASSERT(seen.n_parts == chat->n_parts - n_words);
    FUZZ_ASSERT(n_words > 0 || seen.text_all.bytes == chat->text_all.bytes);
    for (size_t i = 0; i < seen.n_parts; i++) {
        char *url = chat_part_url(&seen, i);
        FUZZ_ASSERT(url && strstr(url, "/9j/AAAA"));
        free(url);
    }
    chat_done(&seen);
    dialect_body_done(&again);
    chat_body_done(&body);
    free(text);
}

static void passed_hear(const struct dialect *dialect, struct moa_bytes bytes)
{
    struct sse sse;
    struct usage usage;
    sse_init(&sse, dialect->form);
    for (size_t at = 0; at < bytes.n;) {
        const struct moa_bytes rest = {(const char *)bytes.p + at, bytes.n - at};
        const size_t next = sse_next(rest), n = next > 0 ? next : rest.n;
        const enum sse_kind kind = sse_read(&sse, (struct moa_bytes){rest.p, n}, NULL);
        FUZZ_ASSERT(kind != SSE_ERROR || (sse.failed && sse.error.n > 0));
        FUZZ_ASSERT(kind != SSE_CONTENT || sse.begun);
        at += n;
    }
    FUZZ_ASSERT(sse.usage.prompt_tokens >= USAGE_UNKNOWN && sse.n_events >= 0);
    yyjson_doc *doc = yyjson_read(bytes.p, bytes.n, YYJSON_READ_NOFLAG);
    (void)dialect->form->read_whole(yyjson_doc_get_root(doc), &usage);
    yyjson_doc_free(doc);
}

#endif
