/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of engines that are asked in Anthropic's Messages, for the verdict on them; see sse.h.
 */
#include "dialect_messages.h"

#include <string.h>

#include <yyjson.h>

/* ---- streams ---- */

/* Tokens are told as they become known: those of the prompt first. */
static void note_usage(struct sse *sse, yyjson_val *object)
{
    struct usage usage;
    usage_of_dialect(object, &usage);
    if (usage.prompt_tokens >= 0)
        sse->usage.prompt_tokens = usage.prompt_tokens;
    if (usage.completion_tokens >= 0)
        sse->usage.completion_tokens = usage.completion_tokens;
}

/* A call of a tool has begun with its block, a text only with its first word. */
static bool begins(yyjson_val *block)
{
    return yyjson_equals_str(yyjson_obj_get(block, "type"), "tool_use");
}

static bool says_anything(yyjson_val *delta)
{
    static const char *const members[] = {"text", "thinking", "partial_json"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (yyjson_get_len(yyjson_obj_get(delta, members[i])) > 0)
            return true;
    }
    return false;
}

/* The last event is the only end: without it clients take the stream for broken. */
static enum sse_kind read_event(struct sse *sse, yyjson_val *root)
{
    yyjson_val *error = yyjson_obj_get(root, "error");
    const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
    if (error && !yyjson_is_null(error))
        return SSE_ERROR;
    if (!type)
        return SSE_NOTHING;
    usage_read_times(root, &sse->usage);
    note_usage(sse, yyjson_obj_get(root, "usage"));
    note_usage(sse, yyjson_obj_get(yyjson_obj_get(root, "message"), "usage"));
    if (strcmp(type, "message_stop") == 0)
        return SSE_DONE;
    yyjson_val *delta = yyjson_obj_get(root, "delta");
    const bool is_content = strcmp(type, "content_block_start") == 0
                                ? begins(yyjson_obj_get(root, "content_block"))
                            : strcmp(type, "content_block_delta") == 0
                                ? says_anything(delta)
                                : strcmp(type, "message_delta") == 0 &&
                                      yyjson_is_str(yyjson_obj_get(delta, "stop_reason"));
    return is_content ? SSE_CONTENT : SSE_NOTHING;
}

/* ---- whole ---- */

static bool read_whole(yyjson_val *root, struct usage *ret_usage)
{
    if (!yyjson_equals_str(yyjson_obj_get(root, "type"), "message") ||
        !yyjson_is_arr(yyjson_obj_get(root, "content")))
        return false;
    usage_of_dialect(yyjson_obj_get(root, "usage"), ret_usage);
    usage_read_times(root, ret_usage);
    return true;
}

const struct answer_form answer_form_messages = {.read_event = read_event,
                                                 .read_whole = read_whole,
                                                 .key = "\"content\"",
                                                 .missing = "content",
                                                 .types_its_errors = true};
