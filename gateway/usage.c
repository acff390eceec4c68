/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens reported by engines; see usage.h.
 */
#include "usage.h"

#include <string.h>

#include <yyjson.h>

#define TOKENS_MAX ((uint64_t)1 << 40)

static const struct usage unknown = {USAGE_UNKNOWN, USAGE_UNKNOWN};

static int64_t tokens_of(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    uint64_t tokens = yyjson_is_uint(value) ? yyjson_get_uint(value) : TOKENS_MAX;
    return tokens < TOKENS_MAX ? (int64_t)tokens : USAGE_UNKNOWN; /* an absurd number is none */
}

bool usage_of_object(yyjson_val *object, struct usage *ret_usage)
{
    *ret_usage =
        (struct usage){tokens_of(object, "prompt_tokens"), tokens_of(object, "completion_tokens")};
    return ret_usage->prompt_tokens >= 0 || ret_usage->completion_tokens >= 0;
}

bool usage_of_completion(struct moa_bytes completion, struct usage *ret_usage)
{
    yyjson_doc *doc = yyjson_read(completion.p, completion.n, YYJSON_READ_NOFLAG);
    *ret_usage = unknown;
    bool found = usage_of_object(yyjson_obj_get(yyjson_doc_get_root(doc), "usage"), ret_usage);
    yyjson_doc_free(doc);
    return found;
}

void usage_follow(struct usage_tail *tail, struct moa_bytes bytes)
{
    if (bytes.n >= sizeof(tail->bytes)) {
        memcpy(tail->bytes, (const char *)bytes.p + (bytes.n - sizeof(tail->bytes)),
               sizeof(tail->bytes));
        tail->n = sizeof(tail->bytes);
        return;
    }
    size_t keep = sizeof(tail->bytes) - bytes.n;
    if (tail->n > keep) {
        memmove(tail->bytes, tail->bytes + (tail->n - keep), keep);
        tail->n = keep;
    }
    if (bytes.n > 0)
        memcpy(tail->bytes + tail->n, bytes.p, bytes.n);
    tail->n += bytes.n;
}

/* Inside of a JSON string these quotes would be escaped: what is found is a key. */
bool usage_of_stream(const struct usage_tail *tail, struct usage *ret_usage)
{
    static const char key[] = "\"usage\"";
    const char *at = tail->bytes, *end = tail->bytes + tail->n;
    bool found = false;
    *ret_usage = unknown;
    while ((at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1))) {
        at += sizeof(key) - 1;
        const char *value = at;
        while (value < end && (*value == ' ' || *value == ':'))
            value++;
        yyjson_doc *doc = yyjson_read(value, (size_t)(end - value), YYJSON_READ_STOP_WHEN_DONE);
        struct usage usage;
        if (usage_of_object(yyjson_doc_get_root(doc), &usage)) {
            *ret_usage = usage;
            found = true;
        }
        yyjson_doc_free(doc);
    }
    return found;
}

static void add(int64_t *sum, int64_t value)
{
    if (value >= 0)
        *sum = *sum < 0 ? value : *sum + value;
}

void usage_add(struct usage *sum, const struct usage *usage)
{
    add(&sum->prompt_tokens, usage->prompt_tokens);
    add(&sum->completion_tokens, usage->completion_tokens);
}
