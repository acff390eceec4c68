/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of OpenAI's Responses as chat completions; see dialect.h. Strings and schemas are copied
 * as they stand in the body. What would need a server that keeps things, or runs tools, is refused
 * by its name, and so is what is not known.
 */
#include "dialect_responses.h"

#include <string.h>

#include <yyjson.h>

/* ---- tools ---- */

static int put_tool(struct reader *r, struct list *list, yyjson_val *tool, const char *place)
{
    static const char *const names[] = {"name",   "description", "parameters",
                                        "strict", "type",        NULL};
    const char *type = yyjson_get_str(yyjson_obj_get(tool, "type"));
    const struct place at = place_below(place, "type");
    if (!type)
        return reader_fail(r, at.name, "must be a string");
    if (strcmp(type, "function") != 0)
        return reader_fail_foreign(r, at.name, type);
    return reader_put_function(r, list, tool, place, names);
}

static int put_tool_choice(struct reader *r, yyjson_val *choice)
{
    static const char *const names[] = {"type", "name", NULL};
    static const char wrong[] = "must be auto, none, required or a function with its name";
    struct members m;
    if (!choice)
        return 0;
    const char *word = yyjson_get_str(choice);
    if (word) {
        if (strcmp(word, "auto") != 0 && strcmp(word, "none") != 0 && strcmp(word, "required") != 0)
            return reader_fail(r, "tool_choice", wrong);
        json_print(r->out, ",\"tool_choice\":\"%s\"", word);
        return 0;
    }
    const char *type = yyjson_get_str(yyjson_obj_get(choice, "type"));
    if (type && strcmp(type, "function") != 0)
        return reader_fail_foreign(r, "tool_choice.type", type);
    if (reader_members(r, choice, "tool_choice", names, &m))
        return -1;
    if (!type || !yyjson_is_str(m.values[1]))
        return reader_fail(r, "tool_choice", wrong);
    json_put(r->out, ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":");
    reader_put_string(r, m.values[1]);
    json_put(r->out, "}}");
    return 0;
}

/* ---- what stands beside items and tools ---- */

static int put_schema(struct reader *r, yyjson_val *format)
{
    static const char *const names[] = {"type", "name", "schema", "description", "strict", NULL};
    struct members m;
    if (reader_members(r, format, "text.format", names, &m))
        return -1;
    if (!yyjson_is_str(m.values[1]) || !yyjson_is_obj(m.values[2]))
        return reader_fail(r, "text.format", "must have a name and a schema");
    if (m.values[3] && !yyjson_is_str(m.values[3]))
        return reader_fail(r, "text.format.description", "must be a string");
    if (m.values[4] && !yyjson_is_bool(m.values[4]))
        return reader_fail(r, "text.format.strict", "must be true or false");
    json_put(r->out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
    reader_put_string(r, m.values[1]);
    for (size_t i = 2; names[i]; i++) {
        if (m.values[i])
            reader_put_member(r, names[i], m.keys[i], m.values[i]);
    }
    json_put(r->out, "}}");
    return 0;
}

static int put_text_config(struct reader *r, yyjson_val *text)
{
    static const char *const names[] = {"format", "verbosity", NULL};
    struct members m;
    if (!text)
        return 0;
    if (reader_members(r, text, "text", names, &m))
        return -1;
    if (m.values[1] && !yyjson_is_str(m.values[1]))
        return reader_fail(r, "text.verbosity", "must be a string");
    if (m.values[1])
        reader_put_member(r, "verbosity", m.keys[1], m.values[1]);
    if (!m.values[0])
        return 0;
    const char *type = yyjson_get_str(yyjson_obj_get(m.values[0], "type"));
    if (type && strcmp(type, "json_schema") == 0)
        return put_schema(r, m.values[0]);
    if (type && strcmp(type, "json_object") == 0)
        json_put(r->out, ",\"response_format\":{\"type\":\"json_object\"}");
    else if (!type || strcmp(type, "text") != 0)
        return reader_fail(r, "text.format.type", "must be text, json_object or json_schema");
    return 0;
}

/* Thoughts are told whole in the summary, whatever summary is asked for. */
static int put_reasoning(struct reader *r, yyjson_val *reasoning)
{
    static const char *const names[] = {"effort", "summary", "generate_summary", NULL};
    struct members m;
    if (!reasoning)
        return 0;
    if (reader_members(r, reasoning, "reasoning", names, &m))
        return -1;
    if (m.values[0] && !yyjson_is_str(m.values[0]))
        return reader_fail(r, "reasoning.effort", "must be a string");
    if (m.values[0])
        reader_put_member(r, "reasoning_effort", m.keys[0], m.values[0]);
    return 0;
}

/* The members of a body. Those up to BODY_SAME mean the same in a chat completion, by the same
 * name: numbers and truths, then objects, then strings. */
enum {
    BODY_TEMPERATURE,
    BODY_TOP_P,
    BODY_PARALLEL,
    BODY_NUMBERS = 10,
    BODY_OBJECTS = 12,
    BODY_SAME = 17,
    BODY_MODEL = BODY_SAME,
    BODY_STREAM,
    BODY_INPUT,
    BODY_INSTRUCTIONS,
    BODY_MAX_TOKENS,
    BODY_TOOLS,
    BODY_TOOL_CHOICE,
    BODY_TEXT,
    BODY_REASONING,
    BODY_STOP,
    BODY_METADATA,
    BODY_STORE,
    BODY_BACKGROUND,
    BODY_TRUNCATION,
    BODY_TOP_LOGPROBS,
    BODY_INCLUDE,
    BODY_KEPT, /* and those behind it: what a server keeps */
};

static const char *const body_names[] = {
    "temperature", "top_p", "parallel_tool_calls", "top_k", "min_p", "seed", "repeat_penalty",
    "repetition_penalty", "presence_penalty", "frequency_penalty", "chat_template_kwargs",
    "logit_bias", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "service_tier", "model", "stream", "input", "instructions", "max_output_tokens", "tools",
    "tool_choice", "text", "reasoning", "stop", "metadata", "store", "background", "truncation",
    "top_logprobs", "include", "previous_response_id", "conversation", "prompt",
    /* Nothing is padded, no tool runs here, and what Codex tells of itself is for its makers. */
    "stream_options", "max_tool_calls", "client_metadata", NULL};

_Static_assert(sizeof(body_names) / sizeof(body_names[0]) <= MEMBERS_MAX, "room for all members");

static int put_same(struct reader *r, const struct members *m)
{
    for (size_t i = 0; i < BODY_SAME; i++) {
        yyjson_val *value = m->values[i];
        const bool is_fit = i < BODY_NUMBERS   ? yyjson_is_num(value) || yyjson_is_bool(value)
                            : i < BODY_OBJECTS ? yyjson_is_obj(value)
                                               : yyjson_is_str(value);
        if (value && !is_fit)
            return reader_fail(r, body_names[i],
                               i < BODY_NUMBERS   ? "must be a number"
                               : i < BODY_OBJECTS ? "must be an object"
                                                  : "must be a string");
        if (value)
            reader_put_member(r, body_names[i], m->keys[i], value);
    }
    return 0;
}

/* What is not here: what servers keep, background work, prompts that are cut. */
static int refuse(const struct reader *r, const struct members *m)
{
    static const char nothing[] = "is not possible here: nothing is stored";
    for (size_t i = BODY_KEPT; i < BODY_KEPT + 3; i++) {
        if (m->values[i])
            return reader_fail(r, body_names[i], nothing);
    }
    if (yyjson_is_true(m->values[BODY_STORE]))
        return reader_fail(r, "store", nothing);
    if (yyjson_is_true(m->values[BODY_BACKGROUND]))
        return reader_fail(r, "background", nothing);
    if (m->values[BODY_TRUNCATION] && !yyjson_equals_str(m->values[BODY_TRUNCATION], "disabled"))
        return reader_fail_foreign(r, "truncation", "");
    if (m->values[BODY_TOP_LOGPROBS] && yyjson_get_uint(m->values[BODY_TOP_LOGPROBS]) != 0)
        return reader_fail_foreign(r, "top_logprobs", "");
    size_t i, n;
    yyjson_val *wish;
    yyjson_arr_foreach(m->values[BODY_INCLUDE], i, n, wish)
    {
        /* Thoughts are told in plain words. */
        if (!yyjson_equals_str(wish, "reasoning.encrypted_content"))
            return reader_fail_foreign(r, place_entry("include", i).name,
                                       yyjson_is_str(wish) ? yyjson_get_str(wish) : "");
    }
    return 0;
}

static int check_kinds(const struct reader *r, const struct members *m)
{
    static const struct {
        int member;
        bool (*is_fit)(yyjson_val *value);
        const char *what;
    } kinds[] = {
        {BODY_MODEL, yyjson_is_str, "must be a string"},
        {BODY_STREAM, yyjson_is_bool, "must be true or false"},
        {BODY_INSTRUCTIONS, yyjson_is_str, "must be a string"},
        {BODY_MAX_TOKENS, yyjson_is_uint, "must be a number of tokens"},
        {BODY_STORE, yyjson_is_bool, "must be true or false"},
        {BODY_BACKGROUND, yyjson_is_bool, "must be true or false"},
        {BODY_METADATA, yyjson_is_obj, "must be an object"},
        {BODY_INCLUDE, yyjson_is_arr, "must be an array"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        yyjson_val *value = m->values[kinds[i].member];
        if (value && !kinds[i].is_fit(value))
            return reader_fail(r, body_names[kinds[i].member], kinds[i].what);
    }
    return 0;
}

static int put_body(struct reader *r, const struct members *m)
{
    yyjson_val *model = m->values[BODY_MODEL], *stream = m->values[BODY_STREAM];
    json_put(r->out, "{");
    if (responses_put(r, m->values[BODY_INSTRUCTIONS], m->values[BODY_INPUT]))
        return -1;
    if (model)
        reader_put_model(r, m->keys[BODY_MODEL], model);
    if (stream)
        reader_put_member(r, "stream", m->keys[BODY_STREAM], stream);
    if (m->values[BODY_MAX_TOKENS])
        reader_put_member(r, "max_tokens", m->keys[BODY_MAX_TOKENS], m->values[BODY_MAX_TOKENS]);
    if (put_same(r, m) || reader_put_stop(r, m->keys[BODY_STOP], m->values[BODY_STOP], "stop") ||
        reader_put_tools(r, m->values[BODY_TOOLS], put_tool) ||
        put_tool_choice(r, m->values[BODY_TOOL_CHOICE]) ||
        put_text_config(r, m->values[BODY_TEXT]) || put_reasoning(r, m->values[BODY_REASONING]))
        return -1;
    json_put(r->out, "}");
    return r->out->failed ? reader_fail_memory(r) : 0;
}

/* ---- what answers repeat of it ---- */

static void echo_tools(struct reader *r, yyjson_val *tools)
{
    struct list list = {.before = ",\"tools\":["};
    size_t i, n;
    yyjson_val *tool;
    yyjson_arr_foreach(tools, i, n, tool)
    {
        reader_put_next(r, &list);
        json_put_bytes(r->out, reader_object_text(r, tool));
    }
    json_put(r->out, list.n > 0 ? "]" : ",\"tools\":[]");
}

/* Members that follow others: `,"instructions":null,...`. */
static int keep_echo(struct reader *r, const struct members *m, size_t n_bytes)
{
    static const struct {
        int member;
        const char *otherwise;
    } echoed[] = {
        {BODY_INSTRUCTIONS, "null"},
        {BODY_MAX_TOKENS, "null"},
        {BODY_METADATA, "{}"},
        {BODY_PARALLEL, "true"},
        {BODY_TEMPERATURE, "null"},
        {BODY_TOP_P, "null"},
        {BODY_TOOL_CHOICE, "\"auto\""},
        {BODY_TEXT, "{\"format\":{\"type\":\"text\"}}"},
        {BODY_REASONING, "{\"effort\":null,\"summary\":null}"},
    };
    struct json_out echo = json_out_of(n_bytes + 1024), *const chat = r->out;
    r->out = &echo;
    for (size_t i = 0; i < sizeof(echoed) / sizeof(echoed[0]); i++) {
        const int k = echoed[i].member;
        if (m->values[k]) {
            reader_put_member(r, body_names[k], m->keys[k], m->values[k]);
            continue;
        }
        json_print(r->out, ",\"%s\":", body_names[k]);
        json_put(r->out, echoed[i].otherwise);
    }
    echo_tools(r, m->values[BODY_TOOLS]);
    r->out = chat;
    size_t n;
    r->to->echo = echo.failed ? NULL : buffer_take(&echo.text, &n);
    buffer_done(&echo.text);
    return r->to->echo ? 0 : reader_fail_memory(r);
}

int responses_read(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                   struct http_error *ret_error)
{
    struct reader r = {.to = ret_body, .out = &ret_body->chat, .error = ret_error};
    struct members m;
    int result = json_text_read(body, (struct skim_way){.kind = SKIM_URIS}, max_json_bytes, &r.text,
                                ret_error);
    ret_body->came = r.text.body;
    if (!result)
        result = reader_members(&r, yyjson_doc_get_root(r.text.doc), "", body_names, &m) ||
                         check_kinds(&r, &m) || refuse(&r, &m) || put_body(&r, &m) ||
                         keep_echo(&r, &m, body.n)
                     ? -1
                     : 0;
    json_text_done(&r.text);
    return result;
}
