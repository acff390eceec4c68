/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of Anthropic's Messages as chat completions; see dialect.h. Strings and schemas are copied
 * as they stand in the body, a picture's base64 too. What a chat completion has no place for is
 * refused by its name, and so is what is not known.
 */
#include "dialect_messages.h"

#include <string.h>

#include <yyjson.h>

/* ---- tools ---- */

/* Tools that a server runs, or that a model was trained on, are known to nobody here. */
static int put_tool(struct reader *r, struct list *list, yyjson_val *tool, const char *place)
{
    static const char *const names[] = {
        "name", "description", "input_schema", "strict", "type", "eager_input_streaming", NULL};
    yyjson_val *type = yyjson_obj_get(tool, "type");
    if (yyjson_is_str(type) && !yyjson_equals_str(type, "custom"))
        return reader_fail_foreign(r, place_below(place, "type").name, yyjson_get_str(type));
    return reader_put_function(r, list, tool, place, names);
}

static int put_tool_choice(struct reader *r, yyjson_val *choice)
{
    static const char *const names[] = {"type", "name", "disable_parallel_tool_use", NULL};
    struct members m;
    if (!choice)
        return 0;
    if (reader_members(r, choice, "tool_choice", names, &m))
        return -1;
    const char *type = yyjson_get_str(m.values[0]);
    if (type && strcmp(type, "tool") == 0 && yyjson_is_str(m.values[1])) {
        json_put(r->out, ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":");
        reader_put_string(r, m.values[1]);
        json_put(r->out, "}}");
    } else if (type && strcmp(type, "any") == 0) {
        json_put(r->out, ",\"tool_choice\":\"required\"");
    } else if (type && (strcmp(type, "auto") == 0 || strcmp(type, "none") == 0)) {
        json_print(r->out, ",\"tool_choice\":\"%s\"", type);
    } else {
        return reader_fail(r, "tool_choice", "must be auto, any, none or a tool with its name");
    }
    if (yyjson_is_true(m.values[2]))
        json_put(r->out, ",\"parallel_tool_calls\":false");
    return 0;
}

/* ---- what stands beside messages and tools ---- */

static int put_stops(struct reader *r, yyjson_val *key, yyjson_val *stops)
{
    const size_t from = r->out->text.n;
    if (stops && !yyjson_is_arr(stops))
        return reader_fail(r, "stop_sequences", "must be an array");
    if (reader_put_stop(r, key, stops, "stop_sequences"))
        return -1;
    if (yyjson_arr_size(stops) == 0 || r->out->failed)
        return 0;
    /* An answer names the one at which it has ended. */
    r->to->echo = strdup(r->out->text.p + from + strlen(",\"stop\":"));
    return r->to->echo ? 0 : reader_fail_memory(r);
}

/* As llama-server, vLLM and SGLang are told whether a model thinks. */
static int put_thinking(struct reader *r, yyjson_val *thinking, bool has_kwargs)
{
    static const char *const names[] = {"type", "budget_tokens", "display", NULL};
    struct members m;
    if (!thinking)
        return 0;
    if (reader_members(r, thinking, "thinking", names, &m))
        return -1;
    const char *type = yyjson_get_str(m.values[0]);
    const bool is_off = type && strcmp(type, "disabled") == 0;
    if (!is_off && (!type || (strcmp(type, "enabled") != 0 && strcmp(type, "adaptive") != 0)))
        return reader_fail(r, "thinking.type", "must be enabled, adaptive or disabled");
    if (has_kwargs)
        return reader_fail(r, "thinking", "cannot be told beside chat_template_kwargs");
    json_print(r->out, ",\"chat_template_kwargs\":{\"enable_thinking\":%s}",
               is_off ? "false" : "true");
    if (yyjson_is_uint(m.values[1]))
        reader_put_member(r, "thinking_budget_tokens", m.keys[1], m.values[1]);
    return 0;
}

static int put_format(struct reader *r, yyjson_val *format, const char *place)
{
    static const char *const names[] = {"type", "schema", NULL};
    struct members m;
    if (!format)
        return 0;
    if (reader_members(r, format, place, names, &m))
        return -1;
    if (!yyjson_equals_str(m.values[0], "json_schema") || !yyjson_is_obj(m.values[1]))
        return reader_fail(r, place, "must be a json_schema with its schema");
    json_put(r->out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"answer\",\"strict\":true,\"schema\":");
    json_put_bytes(r->out, reader_object_text(r, m.values[1]));
    json_put(r->out, "}}");
    return 0;
}

static int put_output(struct reader *r, yyjson_val *config, yyjson_val *format)
{
    static const char *const names[] = {"effort", "format", NULL};
    struct members m;
    if (put_format(r, format, "output_format"))
        return -1;
    if (!config)
        return 0;
    if (reader_members(r, config, "output_config", names, &m))
        return -1;
    if (m.values[1] && format)
        return reader_fail(r, "output_format", "cannot be told beside output_config.format");
    if (m.values[0] && !yyjson_is_str(m.values[0]))
        return reader_fail(r, "output_config.effort", "must be a string");
    if (m.values[0])
        reader_put_member(r, "reasoning_effort", m.keys[0], m.values[0]);
    return put_format(r, m.values[1], "output_config.format");
}

static int put_metadata(struct reader *r, yyjson_val *metadata)
{
    static const char *const names[] = {"user_id", NULL};
    struct members m;
    if (!metadata)
        return 0;
    if (reader_members(r, metadata, "metadata", names, &m))
        return -1;
    if (m.values[0] && !yyjson_is_str(m.values[0]))
        return reader_fail(r, "metadata.user_id", "must be a string");
    if (m.values[0])
        reader_put_member(r, "user", m.keys[0], m.values[0]);
    return 0;
}

/* The members of a body. Those up to the last number mean the same in a chat completion, by the
 * same name; behind them, objects that do. */
enum {
    BODY_MAX_TOKENS,
    BODY_NUMBERS = 14,
    BODY_KWARGS = BODY_NUMBERS,
    BODY_PROCESSOR,
    BODY_BIAS,
    BODY_SAME,
    BODY_MODEL = BODY_SAME,
    BODY_STREAM,
    BODY_MESSAGES,
    BODY_SYSTEM,
    BODY_STOPS,
    BODY_TOOLS,
    BODY_TOOL_CHOICE,
    BODY_THINKING,
    BODY_METADATA,
    BODY_OUTPUT,
    BODY_FORMAT,
    BODY_HINTS
};

static const char *const body_names[] = {
    "max_tokens", "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "repeat_penalty",
    "repetition_penalty", "presence_penalty", "frequency_penalty", "cache_prompt", "id_slot",
    "ignore_eos", "chat_template_kwargs", "mm_processor_kwargs", "logit_bias", "model", "stream",
    "messages", "system", "stop_sequences", "tools", "tool_choice", "thinking", "metadata",
    "output_config", "output_format",
    /* What the request costs, and how long its prompt may become: an engine that does not heed it
     * answers all the same. */
    "service_tier", "context_management", NULL};

_Static_assert(sizeof(body_names) / sizeof(body_names[0]) <= MEMBERS_MAX, "room for all members");

static int put_same(struct reader *r, const struct members *m)
{
    for (size_t i = 0; i < BODY_SAME; i++) {
        yyjson_val *value = m->values[i];
        const bool is_fit =
            i < BODY_NUMBERS ? yyjson_is_num(value) || yyjson_is_bool(value) : yyjson_is_obj(value);
        if (value && !is_fit)
            return reader_fail(r, body_names[i],
                               i < BODY_NUMBERS ? "must be a number" : "must be an object");
        if (value)
            reader_put_member(r, body_names[i], m->keys[i], value);
    }
    return 0;
}

static int put_body(struct reader *r, const struct members *m)
{
    yyjson_val *model = m->values[BODY_MODEL], *stream = m->values[BODY_STREAM];
    if (model && !yyjson_is_str(model))
        return reader_fail(r, "model", "must be a string");
    if (stream && !yyjson_is_bool(stream))
        return reader_fail(r, "stream", "must be true or false");
    json_put(r->out, "{");
    if (messages_put(r, m->values[BODY_SYSTEM], m->values[BODY_MESSAGES]))
        return -1;
    if (model)
        reader_put_model(r, m->keys[BODY_MODEL], model);
    if (stream)
        reader_put_member(r, "stream", m->keys[BODY_STREAM], stream);
    if (put_same(r, m) || put_stops(r, m->keys[BODY_STOPS], m->values[BODY_STOPS]) ||
        reader_put_tools(r, m->values[BODY_TOOLS], put_tool) ||
        put_tool_choice(r, m->values[BODY_TOOL_CHOICE]) ||
        put_thinking(r, m->values[BODY_THINKING], m->values[BODY_KWARGS] != NULL) ||
        put_output(r, m->values[BODY_OUTPUT], m->values[BODY_FORMAT]) ||
        put_metadata(r, m->values[BODY_METADATA]))
        return -1;
    json_put(r->out, "}");
    return r->out->failed ? reader_fail_memory(r) : 0;
}

int messages_read(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                  struct http_error *ret_error)
{
    struct reader r = {.to = ret_body, .out = &ret_body->chat, .error = ret_error};
    struct members m;
    int result = json_text_read(body, (struct skim_way){.kind = SKIM_BASE64}, max_json_bytes,
                                &r.text, ret_error);
    ret_body->came = r.text.body;
    if (!result)
        result = reader_members(&r, yyjson_doc_get_root(r.text.doc), "", body_names, &m) ||
                         put_body(&r, &m)
                     ? -1
                     : 0;
    json_text_done(&r.text);
    return result;
}
