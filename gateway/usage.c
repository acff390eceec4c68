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
