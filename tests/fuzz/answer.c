/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an engine's answer, whole and as a stream: there is a verdict once it is whole, what
 * is said of it is valid UTF-8, and a stream that comes in pieces is read as one that comes at
 * once.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/error.h"
#include "gateway/verdict.h"

#include "fuzz.h"

static const int statuses[] = {200, 204, 302, 400, 401, 404, 413, 429, 500, 503};

static void check_opinion(const struct engine_opinion *o)
{
    struct http_error error;
    size_t n;
    FUZZ_ASSERT(memchr(o->words, 0, sizeof(o->words)) && memchr(o->what, 0, sizeof(o->what)));
    FUZZ_ASSERT((o->verdict == VERDICT_ANSWERED) == !o->what[0]);
    http_fail(&error, 502, "upstream_failed", "%s: %s", o->what, o->words);
    char *json = http_error_json(&error, &n);
    FUZZ_ASSERT(json);
    yyjson_doc *doc = yyjson_read(json, n, YYJSON_READ_NOFLAG); /* refuses invalid UTF-8 */
    FUZZ_ASSERT(doc);
    yyjson_doc_free(doc);
    free(json);
}

/* Reads the events of `bytes`, which come in pieces of at most `piece` bytes. How many were read.
 */
static size_t follow(struct moa_bytes bytes, size_t piece, struct sse *sse)
{
    size_t read = 0;
    sse_init(sse, &answer_form_chat);
    for (size_t come = 0; come < bytes.n;) {
        come = bytes.n - come < piece ? bytes.n : come + piece;
        size_t n;
        while ((n = sse_next((struct moa_bytes){(const char *)bytes.p + read, come - read})) > 0) {
            FUZZ_ASSERT(n <= come - read);
            sse_read(sse, (struct moa_bytes){(const char *)bytes.p + read, n}, NULL);
            read += n;
        }
    }
    return read;
}

/* A whole answer and the stream that is made of it are the same verdict. */
static void check_as_stream(struct moa_bytes body)
{
    struct engine_opinion opinion;
    const struct engine_answer answer = {
        .status = 200, .content_type = "application/json", .extent = ANSWER_WHOLE, .body = body};
    char *events = sse_of_completion(body, true);
    FUZZ_ASSERT(events || engine_verdict(&answer, &opinion) != VERDICT_ANSWERED);
    if (events) {
        struct sse sse;
        FUZZ_ASSERT(follow((struct moa_bytes){events, strlen(events)}, SIZE_MAX, &sse) > 0);
        FUZZ_ASSERT(sse.ended);
    }
    free(events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes body = {data, size};
    struct engine_opinion opinion;
    struct engine_answer answer = {.content_type = "application/json", .body = body};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answer.status = statuses[i];
        for (int extent = ANSWER_LONG; extent <= ANSWER_CUT; extent++) {
            answer.extent = (enum answer_extent)extent;
            FUZZ_ASSERT(engine_verdict(&answer, &opinion) != VERDICT_OPEN);
            FUZZ_ASSERT(opinion.verdict != VERDICT_ANSWERED || answer.status == 200);
            check_opinion(&opinion);
        }
    }
    struct sse whole, pieces;
    follow(body, size, &whole);
    follow(body, 7, &pieces);
    if (size > 0 &&
        !memchr(data, '\r', size)) { /* CR LF that comes in two pieces may be an event of its own */
        FUZZ_ASSERT(whole.begun == pieces.begun && whole.ended == pieces.ended);
        FUZZ_ASSERT(whole.usage.prompt_tokens == pieces.usage.prompt_tokens);
    }
    answer = (struct engine_answer){.status = 200,
                                    .content_type = "text/event-stream",
                                    .extent = ANSWER_WHOLE,
                                    .sse = &whole,
                                    .asks_stream = true};
    FUZZ_ASSERT(engine_verdict(&answer, &opinion) != VERDICT_OPEN);
    FUZZ_ASSERT((opinion.verdict == VERDICT_ANSWERED) == whole.begun);
    check_opinion(&opinion);
    check_as_stream(body);
    return 0;
}
