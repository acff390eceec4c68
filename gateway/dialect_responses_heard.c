/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of engines that are asked in OpenAI's Responses, for the verdict on them; see sse.h.
 */
#include "dialect_responses.h"

#include <string.h>

#include <yyjson.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool has_error(yyjson_val *object)
{
    yyjson_val *error = yyjson_obj_get(object, "error");
    return error && !yyjson_is_null(error);
}

/* What was said, or that a tool is called. */
static bool is_content(const char *type, yyjson_val *root)
{
    yyjson_val *item = yyjson_obj_get(root, "item");
    if (ends_with(type, ".delta"))
        return yyjson_get_len(yyjson_obj_get(root, "delta")) > 0;
    return strcmp(type, "response.output_item.added") == 0 &&
           yyjson_equals_str(yyjson_obj_get(item, "type"), "function_call");
}

static enum sse_kind read_event(struct sse *sse, yyjson_val *root)
{
    yyjson_val *response = yyjson_obj_get(root, "response");
    yyjson_val *number = yyjson_obj_get(root, "sequence_number");
    const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
    if (yyjson_is_uint(number) && yyjson_get_uint(number) < INT64_MAX)
        sse->n_events = (int64_t)yyjson_get_uint(number) + 1;
    if (has_error(root) || has_error(response))
        return SSE_ERROR;
    if (!type)
        return SSE_NOTHING;
    if (strcmp(type, "error") == 0 || strcmp(type, "response.failed") == 0)
        return SSE_ERROR;
    const double prompt_ms = sse->usage.prompt_ms, completion_ms = sse->usage.completion_ms;
    struct usage usage;
    if (usage_of_dialect(yyjson_obj_get(response, "usage"), &usage)) {
        sse->usage = usage;
        sse->usage.prompt_ms = prompt_ms;
        sse->usage.completion_ms = completion_ms;
    }
    usage_read_times(root, &sse->usage);
    if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0) {
        sse->ended = true;
        return SSE_CONTENT;
    }
    return is_content(type, root) ? SSE_CONTENT : SSE_NOTHING;
}

static bool read_whole(yyjson_val *root, struct usage *ret_usage)
{
    if (!yyjson_is_arr(yyjson_obj_get(root, "output")))
        return false;
    usage_of_dialect(yyjson_obj_get(root, "usage"), ret_usage);
    usage_read_times(root, ret_usage);
    return true;
}

const struct answer_form answer_form_responses = {
    .read_event = read_event, .read_whole = read_whole, .key = "\"output\"", .missing = "output"};
