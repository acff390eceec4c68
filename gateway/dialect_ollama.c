/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of Ollama's API as chat completions; see dialect.h. What is said of the engine's memory
 * (keep_alive, num_ctx and the like) is for an engine that is started on demand, and goes nowhere;
 * what the answer would be another for without it is refused.
 */
#include "dialect_ollama.h"

#include <string.h>

#include <yyjson.h>

#define CALLS_MAX 64 /* of one message, for which results are looked for */

/* What tools were asked for last: results follow in their order, or name them. */
struct calls {
    size_t n, n_before;           /* of this message, and of all before */
    yyjson_val *names[CALLS_MAX]; /* NULL: it has its result */
};

/* ---- parts ---- */

/* Pictures come without a word of what they are. */
static const char *media_type_of(const char *base64)
{
    static const char *const types[][2] = {{"iVBORw0KGgo", "image/png"},
                                           {"R0lGOD", "image/gif"},
                                           {"UklGR", "image/webp"},
                                           {"Qk", "image/bmp"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strncmp(base64, types[i][0], strlen(types[i][0])) == 0)
            return types[i][1];
    }
    return "image/jpeg";
}

static int put_image(struct reader *r, struct list *parts, yyjson_val *image, const char *place,
                     size_t i)
{
    const struct place at = place_entry(place, i);
    if (!yyjson_is_str(image))
        return reader_fail(r, at.name, "must be a string of base64");
    reader_put_next(r, parts);
    json_print(r->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:%s;base64,",
               media_type_of(yyjson_get_str(image)));
    reader_put_data(r, image);
    json_put(r->out, "\"}}");
    return reader_note_part(r, at.name, NULL, image);
}

static void put_words(struct reader *r, struct list *parts, const char *p, size_t n)
{
    if (n == 0)
        return;
    reader_put_next(r, parts);
    json_put(r->out, "{\"type\":\"text\",\"text\":\"");
    json_put_bytes(r->out, (struct moa_bytes){p, n});
    json_put(r->out, "\"}");
}

static const char mark[] = "[img]"; /* where a picture stands among the words */

static const char *next_mark(const char *p, const char *end)
{
    return memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1);
}

/* The first pictures stand where the words have a mark for them, the others before all words. */
static int put_parts(struct reader *r, yyjson_val *text, yyjson_val *images, const char *place)
{
    struct list parts = {.before = "["};
    const struct moa_bytes words = text ? reader_inside(r, text) : (struct moa_bytes){"", 0};
    const char *p = words.p, *const end = p + words.n;
    size_t n_marks = 0, i, n;
    yyjson_val *image;
    for (const char *q = p; n_marks < yyjson_arr_size(images) && (q = next_mark(q, end)) != NULL;
         n_marks++)
        q += sizeof(mark) - 1;
    yyjson_arr_foreach(images, i, n, image)
    {
        if (i >= n_marks && put_image(r, &parts, image, place, i))
            return -1;
    }
    yyjson_arr_foreach(images, i, n, image)
    {
        if (i >= n_marks)
            break;
        const char *const at = next_mark(p, end);
        put_words(r, &parts, p, (size_t)(at - p));
        if (put_image(r, &parts, image, place, i))
            return -1;
        p = at + sizeof(mark) - 1;
    }
    put_words(r, &parts, p, (size_t)(end - p));
    json_put(r->out, "]");
    return 0;
}

/* `,"content":...`: a text, or pictures and the text. */
static int put_content(struct reader *r, yyjson_val *text, yyjson_val *images, const char *place)
{
    if (text && !yyjson_is_str(text))
        return reader_fail(r, place_below(place, "content").name, "must be a string");
    if (images && !yyjson_is_arr(images))
        return reader_fail(r, place_below(place, "images").name, "must be an array");
    json_put(r->out, ",\"content\":");
    if (yyjson_arr_size(images) > 0)
        return put_parts(r, text, images, place_below(place, "images").name);
    if (text)
        reader_put_string(r, text);
    else
        json_put(r->out, "\"\"");
    return 0;
}

/* ---- messages ---- */

static void put_id(struct reader *r, yyjson_val *id, size_t number)
{
    if (yyjson_get_len(id) > 0)
        reader_put_string(r, id);
    else
        json_print(r->out, "\"call_%zu\"", number);
}

static int put_call(struct reader *r, struct calls *calls, yyjson_val *call, const char *place)
{
    static const char *const names[] = {"function", "id", "type", NULL};
    static const char *const inner[] = {"name", "arguments", "index", "description", NULL};
    struct members m, function;
    const struct place at = place_below(place, "function");
    if (reader_members(r, call, place, names, &m) ||
        reader_members(r, m.values[0], at.name, inner, &function))
        return -1;
    yyjson_val *name = function.values[0], *arguments = function.values[1];
    if (reader_need_string(r, name, at.name, "name"))
        return -1;
    if (arguments && !yyjson_is_obj(arguments))
        return reader_fail(r, place_below(at.name, "arguments").name, "must be an object");
    if (m.values[1] && !yyjson_is_str(m.values[1]))
        return reader_fail(r, place_below(place, "id").name, "must be a string");
    json_put(r->out, "{\"id\":");
    put_id(r, m.values[1], calls->n_before + calls->n);
    json_put(r->out, ",\"type\":\"function\",\"function\":{\"name\":");
    reader_put_string(r, name);
    json_put(r->out, ",\"arguments\":");
    json_put_string(r->out,
                    arguments ? reader_object_text(r, arguments) : (struct moa_bytes){"{}", 2});
    json_put(r->out, "}}");
    if (calls->n < CALLS_MAX)
        calls->names[calls->n] = name;
    calls->n++;
    return 0;
}

static int put_calls(struct reader *r, struct calls *calls, yyjson_val *list, const char *place)
{
    struct list entries = {.before = ",\"tool_calls\":["};
    size_t i, n;
    yyjson_val *call;
    if (list && !yyjson_is_arr(list))
        return reader_fail(r, place, "must be an array");
    calls->n_before += calls->n;
    calls->n = 0;
    yyjson_arr_foreach(list, i, n, call)
    {
        reader_put_next(r, &entries);
        if (put_call(r, calls, call, place_entry(place, i).name))
            return -1;
    }
    json_put(r->out, entries.n > 0 ? "]" : "");
    return 0;
}

/* The first call that waits for its result, of that name if it is told. */
static size_t answered_call(struct calls *calls, yyjson_val *name)
{
    const size_t n = calls->n < CALLS_MAX ? calls->n : CALLS_MAX;
    size_t found = n;
    for (size_t i = n; i-- > 0;) {
        if (calls->names[i] &&
            (!name || unsafe_yyjson_equals_strn(calls->names[i], yyjson_get_str(name),
                                                yyjson_get_len(name))))
            found = i;
    }
    if (found == n)
        return calls->n_before + (n > 0 ? n - 1 : 0);
    calls->names[found] = NULL;
    return calls->n_before + found;
}

enum {
    MESSAGE_ROLE,
    MESSAGE_CONTENT,
    MESSAGE_IMAGES,
    MESSAGE_CALLS,
    MESSAGE_THINKING,
    MESSAGE_TOOL_NAME,
    MESSAGE_NAME,
    MESSAGE_CALL_ID
};

static int put_message(struct reader *r, struct calls *calls, yyjson_val *message,
                       const char *place)
{
    static const char *const names[] = {"role",       "content",      "images",
                                        "tool_calls", "thinking",     "tool_name",
                                        "name",       "tool_call_id", NULL};
    struct members m;
    if (reader_members(r, message, place, names, &m))
        return -1;
    for (size_t i = MESSAGE_THINKING; names[i]; i++) {
        if (m.values[i] && !yyjson_is_str(m.values[i]))
            return reader_fail(r, place_below(place, names[i]).name, "must be a string");
    }
    const char *role = yyjson_get_str(m.values[MESSAGE_ROLE]);
    if (!role || (strcmp(role, "user") != 0 && strcmp(role, "system") != 0 &&
                  strcmp(role, "assistant") != 0 && strcmp(role, "tool") != 0))
        return reader_fail(r, place_below(place, "role").name,
                           "must be user, assistant, system or tool");
    json_print(r->out, "{\"role\":\"%s\"", role);
    if (strcmp(role, "tool") == 0) {
        yyjson_val *name = m.values[MESSAGE_TOOL_NAME];
        json_put(r->out, ",\"tool_call_id\":");
        put_id(r, m.values[MESSAGE_CALL_ID],
               answered_call(calls, name ? name : m.values[MESSAGE_NAME]));
    }
    if (m.values[MESSAGE_THINKING])
        reader_put_member(r, "reasoning_content", m.keys[MESSAGE_THINKING],
                          m.values[MESSAGE_THINKING]);
    if (put_content(r, m.values[MESSAGE_CONTENT], m.values[MESSAGE_IMAGES], place) ||
        (m.values[MESSAGE_CALLS] &&
         put_calls(r, calls, m.values[MESSAGE_CALLS], place_below(place, "tool_calls").name)))
        return -1;
    json_put(r->out, "}");
    return 0;
}

static int put_messages(struct reader *r, yyjson_val *messages)
{
    struct list list = {.before = ""};
    struct calls calls = {.n = 0};
    size_t i, n;
    yyjson_val *message;
    if (!yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0)
        return reader_fail(r, "messages", "must be an array with at least one message");
    json_put(r->out, "\"messages\":[");
    yyjson_arr_foreach(messages, i, n, message)
    {
        reader_put_next(r, &list);
        if (put_message(r, &calls, message, place_entry("messages", i).name))
            return -1;
    }
    json_put(r->out, "]");
    return 0;
}

/* ---- tools: as in a chat completion ---- */

static int put_tool(struct reader *r, struct list *list, yyjson_val *tool, const char *place)
{
    if (!yyjson_is_obj(tool))
        return reader_fail(r, place, "must be an object");
    reader_put_next(r, list);
    json_put_bytes(r->out, reader_object_text(r, tool));
    return 0;
}

/* ---- options ---- */

/* Those up to OPTION_SAME mean the same by the same name where engines know them. */
enum { OPTION_SAME = 15, OPTION_PREDICT = OPTION_SAME, OPTION_STOP };

static const char *const option_names[] = {
    "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "repeat_penalty",
    "repeat_last_n", "presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau",
    "mirostat_eta", "tfs_z", "penalize_newline", "num_predict", "stop",
    /* How the engine is to be started. */
    "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap",
    "use_mlock", "low_vram", "numa", "vocab_only", "f16_kv", "logits_all", "embedding_only", NULL};

static int put_options(struct reader *r, yyjson_val *options)
{
    struct members m;
    if (!options)
        return 0;
    if (reader_members(r, options, "options", option_names, &m))
        return -1;
    for (size_t i = 0; i < OPTION_SAME; i++) {
        yyjson_val *value = m.values[i];
        if (value && !yyjson_is_num(value) && !yyjson_is_bool(value))
            return reader_fail(r, place_below("options", option_names[i]).name, "must be a number");
        if (value)
            reader_put_member(r, option_names[i], m.keys[i], value);
    }
    yyjson_val *predict = m.values[OPTION_PREDICT];
    if (predict && !yyjson_is_int(predict))
        return reader_fail(r, "options.num_predict", "must be a number of tokens");
    if (yyjson_get_sint(predict) > 0) /* else without end */
        reader_put_member(r, "max_tokens", m.keys[OPTION_PREDICT], predict);
    return reader_put_stop(r, m.keys[OPTION_STOP], m.values[OPTION_STOP], "options.stop");
}

static int put_format(struct reader *r, yyjson_val *format)
{
    if (!format || (yyjson_is_str(format) && yyjson_get_len(format) == 0))
        return 0;
    if (yyjson_equals_str(format, "json")) {
        json_put(r->out, ",\"response_format\":{\"type\":\"json_object\"}");
        return 0;
    }
    if (!yyjson_is_obj(format))
        return reader_fail(r, "format", "must be \"json\" or a schema");
    json_put(r->out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"answer\",\"strict\":true,\"schema\":");
    json_put_bytes(r->out, reader_object_text(r, format));
    json_put(r->out, "}}");
    return 0;
}

/* As llama-server, vLLM and SGLang are told whether a model thinks, and how much. */
static int put_think(struct reader *r, yyjson_val *key, yyjson_val *think)
{
    if (yyjson_is_str(think))
        reader_put_member(r, "reasoning_effort", key, think);
    else if (yyjson_is_bool(think))
        json_print(r->out, ",\"chat_template_kwargs\":{\"enable_thinking\":%s}",
                   yyjson_get_bool(think) ? "true" : "false");
    else if (think)
        return reader_fail(r, "think", "must be true, false or a level");
    return 0;
}

/* ---- bodies ---- */

/* What both have; then each its own. */
#define COMMON_NAMES                                                                               \
    "model", "stream", "options", "format", "think", "keep_alive", "truncate", "shift",            \
        "logprobs", "top_logprobs"
enum {
    BODY_MODEL,
    BODY_STREAM,
    BODY_OPTIONS,
    BODY_FORMAT,
    BODY_THINK,
    BODY_KEEP_ALIVE,
    BODY_TRUNCATE,
    BODY_SHIFT,
    BODY_LOGPROBS,
    BODY_TOP_LOGPROBS,
    BODY_OWN
};

/* ":latest" is what clients put behind a name that has no version. */
static void put_model(struct reader *r, yyjson_val *model)
{
    static const char latest[] = ":latest";
    const char *name = yyjson_get_str(model);
    size_t n = yyjson_get_len(model);
    const size_t n_latest = sizeof(latest) - 1;
    if (n > n_latest && memcmp(name + n - n_latest, latest, n_latest) == 0)
        n -= n_latest;
    json_put(r->out, ",\"model\":");
    json_put_string(r->out, (struct moa_bytes){name, n});
}

static int put_common(struct reader *r, const struct members *m)
{
    yyjson_val *stream = m->values[BODY_STREAM], *model = m->values[BODY_MODEL];
    if (model && !yyjson_is_str(model))
        return reader_fail(r, "model", "must be a string");
    if (stream && !yyjson_is_bool(stream))
        return reader_fail(r, "stream", "must be true or false");
    if (yyjson_is_true(m->values[BODY_LOGPROBS]))
        return reader_fail_foreign(r, "logprobs", "");
    if (model)
        put_model(r, model);
    json_put(r->out, stream && !yyjson_get_bool(stream) ? ",\"stream\":false" : ",\"stream\":true");
    return put_options(r, m->values[BODY_OPTIONS]) || put_format(r, m->values[BODY_FORMAT]) ||
                   put_think(r, m->keys[BODY_THINK], m->values[BODY_THINK])
               ? -1
               : 0;
}

static int put_chat(struct reader *r)
{
    static const char *const names[] = {COMMON_NAMES, "messages", "tools", NULL};
    struct members m;
    if (reader_members(r, yyjson_doc_get_root(r->text.doc), "", names, &m))
        return -1;
    json_put(r->out, "{");
    return put_messages(r, m.values[BODY_OWN]) || put_common(r, &m) ||
                   reader_put_tools(r, m.values[BODY_OWN + 1], put_tool)
               ? -1
               : 0;
}

enum {
    OWN_PROMPT = BODY_OWN,
    OWN_SYSTEM,
    OWN_IMAGES,
    OWN_SUFFIX,
    OWN_TEMPLATE,
    OWN_CONTEXT,
    OWN_RAW
};

/* What writes the prompt itself passes by what a chat is made of. */
static int refuse(const struct reader *r, const struct members *m)
{
    if (yyjson_get_len(m->values[OWN_SUFFIX]) > 0)
        return reader_fail_foreign(r, "suffix", "");
    if (yyjson_get_len(m->values[OWN_TEMPLATE]) > 0)
        return reader_fail_foreign(r, "template", "");
    if (yyjson_arr_size(m->values[OWN_CONTEXT]) > 0)
        return reader_fail_foreign(r, "context", "");
    if (yyjson_is_true(m->values[OWN_RAW]))
        return reader_fail_foreign(r, "raw", "");
    return 0;
}

static int put_generate(struct reader *r)
{
    static const char *const names[] = {COMMON_NAMES, "prompt",  "system", "images", "suffix",
                                        "template",   "context", "raw",    NULL};
    struct members m;
    if (reader_members(r, yyjson_doc_get_root(r->text.doc), "", names, &m) || refuse(r, &m))
        return -1;
    yyjson_val *system = m.values[OWN_SYSTEM], *prompt = m.values[OWN_PROMPT];
    if (system && !yyjson_is_str(system))
        return reader_fail(r, "system", "must be a string");
    if (prompt && !yyjson_is_str(prompt))
        return reader_fail(r, "prompt", "must be a string");
    json_put(r->out, "{\"messages\":[");
    if (yyjson_get_len(system) > 0) {
        json_put(r->out, "{\"role\":\"system\",\"content\":");
        reader_put_string(r, system);
        json_put(r->out, "},");
    }
    json_put(r->out, "{\"role\":\"user\"");
    if (put_content(r, prompt, m.values[OWN_IMAGES], ""))
        return -1;
    json_put(r->out, "}]");
    return put_common(r, &m);
}

static int read_body(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                     struct http_error *ret_error, int (*put)(struct reader *r))
{
    struct reader r = {.to = ret_body, .out = &ret_body->chat, .error = ret_error};
    int result = json_text_read(body, (struct skim_way){.kind = SKIM_BASE64}, max_json_bytes,
                                &r.text, ret_error);
    if (!result)
        result = put(&r);
    json_text_done(&r.text);
    json_put(r.out, "}");
    return result;
}

int ollama_read_chat(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                     struct http_error *ret_error)
{
    return read_body(body, max_json_bytes, ret_body, ret_error, put_chat);
}

int ollama_read_generate(struct moa_bytes body, size_t max_json_bytes,
                         struct dialect_body *ret_body, struct http_error *ret_error)
{
    return read_body(body, max_json_bytes, ret_body, ret_error, put_generate);
}
