/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens reported by engines; see usage.h.
 */
#include "usage.h"

#include <string.h>

#include <yyjson.h>

#define TOKENS_MAX ((uint64_t)1 << 40)
#define MS_MAX 86400000.0

static int64_t tokens_of(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    uint64_t tokens = yyjson_is_uint(value) ? yyjson_get_uint(value) : TOKENS_MAX;
    return tokens < TOKENS_MAX ? (int64_t)tokens : USAGE_UNKNOWN; /* an absurd number is none */
}

bool usage_of_object(yyjson_val *object, struct usage *ret_usage)
{
    *ret_usage = USAGE_NONE;
    ret_usage->prompt_tokens = tokens_of(object, "prompt_tokens");
    ret_usage->completion_tokens = tokens_of(object, "completion_tokens");
    return ret_usage->prompt_tokens >= 0 || ret_usage->completion_tokens >= 0;
}

/* Anthropic's input is what was not read from a cache. */
bool usage_of_dialect(yyjson_val *object, struct usage *ret_usage)
{
    static const char *const cached[] = {"cache_read_input_tokens", "cache_creation_input_tokens"};
    *ret_usage = USAGE_NONE;
    ret_usage->prompt_tokens = tokens_of(object, "input_tokens");
    ret_usage->completion_tokens = tokens_of(object, "output_tokens");
    for (size_t i = 0; i < sizeof(cached) / sizeof(cached[0]); i++) {
        const int64_t tokens = tokens_of(object, cached[i]);
        if (ret_usage->prompt_tokens >= 0 && tokens > 0)
            ret_usage->prompt_tokens += tokens;
    }
    return ret_usage->prompt_tokens >= 0 || ret_usage->completion_tokens >= 0;
}

static double ms_of(yyjson_val *object, const char *name)
{
    const double ms = yyjson_get_num(yyjson_obj_get(object, name));
    return ms > 0 && ms < MS_MAX ? ms : 0;
}

void usage_read_times(yyjson_val *root, struct usage *usage)
{
    yyjson_val *timings = yyjson_obj_get(root, "timings");
    if (!yyjson_is_obj(timings))
        return;
    usage->prompt_ms = ms_of(timings, "prompt_ms");
    usage->completion_ms = ms_of(timings, "predicted_ms");
}

void usage_read(yyjson_val *completion, struct usage *ret_usage)
{
    usage_of_object(yyjson_obj_get(completion, "usage"), ret_usage);
    usage_read_times(completion, ret_usage);
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
