/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of Anthropic's Messages as those of a chat completion; see dialect_messages.h.
 * Results of tools become messages of their own, which stand before what the user says beside them;
 * pictures in them follow as the user's, since hardly an engine takes pictures in the message of a
 * tool.
 */
#include "dialect_messages.h"

#include <stdio.h>
#include <string.h>

#include <yyjson.h>

/* ---- parts ---- */

static void put_text(struct reader *r, struct list *list, yyjson_val *string)
{
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"text\",\"text\":");
    reader_put_string(r, string);
    json_put(r->out, "}");
}

/* "data:image/png;base64,..." */
static int put_uri(struct reader *r, yyjson_val *media_type, yyjson_val *data, const char *place)
{
    if (reader_need_string(r, media_type, place, "media_type"))
        return -1;
    if (reader_need_string(r, data, place, "data"))
        return -1;
    json_put(r->out, "\"data:");
    reader_put_inside(r, media_type);
    json_put(r->out, ";base64,");
    reader_put_data(r, data);
    json_put(r->out, "\"");
    return 0;
}

enum { SOURCE_TYPE, SOURCE_MEDIA_TYPE, SOURCE_DATA, SOURCE_URL, SOURCE_CONTENT };

static int read_source(struct reader *r, yyjson_val *source, const char *place,
                       struct members *ret_source)
{
    static const char *const names[] = {"type", "media_type", "data", "url", "content", NULL};
    if (reader_members(r, source, place, names, ret_source))
        return -1;
    if (reader_need_string(r, ret_source->values[SOURCE_TYPE], place, "type"))
        return -1;
    return 0;
}

static int put_image(struct reader *r, struct list *list, yyjson_val *block, const char *place)
{
    static const char *const names[] = {"type", "source", NULL};
    struct members m, source;
    const struct place at = place_below(place, "source");
    if (reader_members(r, block, place, names, &m) || read_source(r, m.values[1], at.name, &source))
        return -1;
    yyjson_val *type = source.values[SOURCE_TYPE], *url = source.values[SOURCE_URL];
    const bool is_url = yyjson_equals_str(type, "url");
    if (!is_url && !yyjson_equals_str(type, "base64"))
        return reader_fail_foreign(r, at.name, yyjson_get_str(type));
    if (is_url && !yyjson_is_str(url))
        return reader_fail(r, place_below(at.name, "url").name, "must be a string");
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
    if (is_url)
        reader_put_string(r, url);
    else if (put_uri(r, source.values[SOURCE_MEDIA_TYPE], source.values[SOURCE_DATA], at.name))
        return -1;
    json_put(r->out, "}}");
    return reader_note_part(r, at.name, block, m.values[1]);
}

static int put_block(struct reader *r, const struct part_lists *lists, yyjson_val *block,
                     const char *place);

static int put_blocks(struct reader *r, const struct part_lists *lists, yyjson_val *blocks,
                      const char *place)
{
    size_t i, n;
    yyjson_val *block;
    yyjson_arr_foreach(blocks, i, n, block)
    {
        const char *type = yyjson_get_str(yyjson_obj_get(block, "type"));
        const struct place at = place_entry(place, i);
        if (!type || (strcmp(type, "text") != 0 && strcmp(type, "image") != 0))
            return reader_fail_foreign(r, at.name, type ? type : "without a type");
        if (put_block(r, lists, block, at.name))
            return -1;
    }
    return 0;
}

/* A text of a block that holds nothing else; blocks of an answer may cite, which no engine reads.
 */
static int put_text_block(struct reader *r, struct list *list, yyjson_val *block, const char *place)
{
    static const char *const names[] = {"type", "text", "citations", NULL};
    struct members m;
    if (reader_members(r, block, place, names, &m))
        return -1;
    if (reader_need_string(r, m.values[1], place, "text"))
        return -1;
    if (m.values[2] && yyjson_arr_size(m.values[2]) > 0)
        return reader_fail_foreign(r, place_below(place, "citations").name, "");
    if (list)
        put_text(r, list, m.values[1]);
    return 0;
}

enum { DOCUMENT_TYPE, DOCUMENT_SOURCE, DOCUMENT_TITLE, DOCUMENT_CONTEXT, DOCUMENT_CITATIONS };

static int put_file(struct reader *r, struct list *list, const struct members *document,
                    const struct members *source, const char *place)
{
    yyjson_val *title = document->values[DOCUMENT_TITLE];
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"file\",\"file\":{\"filename\":");
    if (title)
        reader_put_string(r, title);
    else
        json_put(r->out, "\"document.pdf\"");
    json_put(r->out, ",\"file_data\":");
    if (put_uri(r, source->values[SOURCE_MEDIA_TYPE], source->values[SOURCE_DATA], place))
        return -1;
    json_put(r->out, "}}");
    return 0;
}

/* Its title and context as texts before a document that is text itself. */
static int put_document_texts(struct reader *r, struct list *list, yyjson_val *title,
                              yyjson_val *context, yyjson_val *data)
{
    yyjson_val *const texts[] = {title, context, data};
    for (size_t i = 0; list && i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i])
            put_text(r, list, texts[i]);
    }
    return 0;
}

/* The document as a file, its context before it. */
static int put_document_file(struct reader *r, const struct part_lists *lists, yyjson_val *block,
                             const struct members *m, const struct members *source,
                             const char *place)
{
    if (lists->texts && m->values[DOCUMENT_CONTEXT])
        put_text(r, lists->texts, m->values[DOCUMENT_CONTEXT]);
    if (!lists->others)
        return 0;
    if (put_file(r, lists->others, m, source, place))
        return -1;
    return reader_note_part(r, place, block, m->values[DOCUMENT_SOURCE]);
}

static int put_document(struct reader *r, const struct part_lists *lists, yyjson_val *block,
                        const char *place)
{
    static const char *const names[] = {"type", "source", "title", "context", "citations", NULL};
    struct members m, source;
    const struct place at = place_below(place, "source");
    if (reader_members(r, block, place, names, &m) ||
        read_source(r, m.values[DOCUMENT_SOURCE], at.name, &source))
        return -1;
    yyjson_val *title = m.values[DOCUMENT_TITLE], *context = m.values[DOCUMENT_CONTEXT];
    if ((title && !yyjson_is_str(title)) || (context && !yyjson_is_str(context)))
        return reader_fail(r, place, "must have strings for title and context");
    if (yyjson_is_true(yyjson_obj_get(m.values[DOCUMENT_CITATIONS], "enabled")))
        return reader_fail_foreign(r, place_below(place, "citations").name, "");
    yyjson_val *type = source.values[SOURCE_TYPE], *data = source.values[SOURCE_DATA];
    yyjson_val *content = source.values[SOURCE_CONTENT];
    if (yyjson_equals_str(type, "base64"))
        return put_document_file(r, lists, block, &m, &source, at.name);
    const bool is_text = yyjson_equals_str(type, "text");
    if (!is_text && !yyjson_equals_str(type, "content"))
        return reader_fail_foreign(r, at.name, yyjson_get_str(type));
    if (is_text ? !yyjson_is_str(data) : !yyjson_is_str(content) && !yyjson_is_arr(content))
        return reader_fail(r, place_below(at.name, is_text ? "data" : "content").name,
                           "is not what it must be");
    yyjson_val *words = is_text ? data : yyjson_is_str(content) ? content : NULL;
    if (put_document_texts(r, lists->texts, title, context, words))
        return -1;
    return words ? 0 : put_blocks(r, lists, content, place_below(at.name, "content").name);
}

static int put_block(struct reader *r, const struct part_lists *lists, yyjson_val *block,
                     const char *place)
{
    const char *type = yyjson_get_str(yyjson_obj_get(block, "type"));
    if (!type)
        return reader_fail(r, place_below(place, "type").name, "must be a string");
    if (strcmp(type, "text") == 0)
        return put_text_block(r, lists->texts, block, place);
    if (strcmp(type, "image") == 0)
        return lists->others ? put_image(r, lists->others, block, place) : 0;
    if (strcmp(type, "document") == 0)
        return put_document(r, lists, block, place);
    return reader_fail_foreign(r, place_below(place, "type").name, type);
}

/* ---- results of tools ---- */

enum { RESULT_TYPE, RESULT_ID, RESULT_CONTENT, RESULT_IS_ERROR };

static bool is_of_type(yyjson_val *block, const char *type)
{
    return yyjson_equals_str(yyjson_obj_get(block, "type"), type);
}

/* A result is a message of its own; the words of one that has an error say so. */
static int put_result(struct reader *r, yyjson_val *block, const char *place)
{
    static const char *const names[] = {"type", "tool_use_id", "content", "is_error", NULL};
    struct members m;
    if (reader_members(r, block, place, names, &m))
        return -1;
    yyjson_val *content = m.values[RESULT_CONTENT];
    const bool is_error = yyjson_is_true(m.values[RESULT_IS_ERROR]);
    if (reader_need_string(r, m.values[RESULT_ID], place, "tool_use_id"))
        return -1;
    if (content && !yyjson_is_str(content) && !yyjson_is_arr(content))
        return reader_fail(r, place_below(place, "content").name, "must be a string or an array");
    json_put(r->out, "{\"role\":\"tool\",\"tool_call_id\":");
    reader_put_string(r, m.values[RESULT_ID]);
    if (!yyjson_is_arr(content)) {
        json_put(r->out, is_error ? ",\"content\":\"Error: " : ",\"content\":\"");
        if (content)
            reader_put_inside(r, content);
        json_put(r->out, "\"}");
        return 0;
    }
    struct list texts = {.before = ",\"content\":["};
    const struct part_lists lists = {.texts = &texts};
    if (is_error) {
        reader_put_next(r, &texts);
        json_put(r->out, "{\"type\":\"text\",\"text\":\"Error:\"}");
    }
    if (reader_put_parts(r, &lists, content, place_below(place, "content").name, put_block))
        return -1;
    json_put(r->out, texts.n > 0 ? "]}" : ",\"content\":\"\"}");
    return 0;
}

/* ---- messages ---- */

/* Results first: they must stand right behind the message that asks for them. */
static int put_results(struct reader *r, yyjson_val *content, const char *place, struct list *list)
{
    size_t i, n;
    yyjson_val *block;
    yyjson_arr_foreach(content, i, n, block)
    {
        if (!is_of_type(block, "tool_result"))
            continue;
        reader_put_next(r, list);
        if (put_result(r, block, place_entry(place, i).name))
            return -1;
    }
    return 0;
}

/* What is not text in results, if such were put, then what is said beside them. */
static int put_beside_results(struct reader *r, yyjson_val *content, const char *place,
                              bool has_results, struct list *parts)
{
    size_t i, n;
    yyjson_val *block;
    const struct part_lists media = {.others = parts}, all = {.texts = parts, .others = parts};
    yyjson_arr_foreach(content, i, n, block)
    {
        const struct place at = place_entry(place, i);
        if (has_results && is_of_type(block, "tool_result") &&
            reader_put_parts(r, &media, yyjson_obj_get(block, "content"),
                             place_below(at.name, "content").name, put_block))
            return -1;
    }
    yyjson_arr_foreach(content, i, n, block)
    {
        if (!(has_results && is_of_type(block, "tool_result")) &&
            put_block(r, &all, block, place_entry(place, i).name))
            return -1;
    }
    return 0;
}

static int put_said(struct reader *r, yyjson_val *content, const char *role, const char *place,
                    struct list *list)
{
    if (yyjson_arr_size(content) == 0)
        return reader_fail(r, place, "must have at least one block");
    const bool has_results = strcmp(role, "user") == 0;
    if (has_results && put_results(r, content, place, list))
        return -1;
    char before[64];
    snprintf(before, sizeof(before), "%s{\"role\":\"%s\",\"content\":[",
             list->n > 0 ? "," : list->before, role);
    struct list parts = {.before = before};
    if (put_beside_results(r, content, place, has_results, &parts))
        return -1;
    if (parts.n > 0) {
        json_put(r->out, "]}");
        list->n++;
    }
    return 0;
}

/* ---- messages of the assistant ---- */

enum { USE_TYPE, USE_ID, USE_NAME, USE_INPUT };

/* What a tool was given is a text in a chat completion. */
static int put_use(struct reader *r, struct list *calls, yyjson_val *block, const char *place)
{
    static const char *const names[] = {"type", "id", "name", "input", NULL};
    struct members m;
    if (reader_members(r, block, place, names, &m))
        return -1;
    if (!yyjson_is_str(m.values[USE_ID]) || !yyjson_is_str(m.values[USE_NAME]))
        return reader_fail(r, place, "must have strings for id and name");
    if (m.values[USE_INPUT] && !yyjson_is_obj(m.values[USE_INPUT]))
        return reader_fail(r, place_below(place, "input").name, "must be an object");
    reader_put_next(r, calls);
    json_put(r->out, "{\"id\":");
    reader_put_string(r, m.values[USE_ID]);
    json_put(r->out, ",\"type\":\"function\",\"function\":{\"name\":");
    reader_put_string(r, m.values[USE_NAME]);
    json_put(r->out, ",\"arguments\":");
    json_put_string(r->out, m.values[USE_INPUT] ? reader_object_text(r, m.values[USE_INPUT])
                                                : (struct moa_bytes){"{}", 2});
    json_put(r->out, "}}");
    return 0;
}

/* Its signature is for whoever made it. */
static int put_thought(struct reader *r, struct list *thoughts, yyjson_val *block,
                       const char *place)
{
    static const char *const names[] = {"type", "thinking", "signature", NULL};
    struct members m;
    if (reader_members(r, block, place, names, &m))
        return -1;
    if (reader_need_string(r, m.values[1], place, "thinking"))
        return -1;
    json_put(r->out, thoughts->n++ > 0 ? "\\n" : thoughts->before);
    reader_put_inside(r, m.values[1]);
    return 0;
}

static int put_all_of_type(struct reader *r, yyjson_val *content, const char *place,
                           const char *type, struct list *list,
                           int (*put)(struct reader *, struct list *, yyjson_val *, const char *))
{
    size_t i, n;
    yyjson_val *block;
    yyjson_arr_foreach(content, i, n, block)
    {
        if (is_of_type(block, type) && put(r, list, block, place_entry(place, i).name))
            return -1;
    }
    return 0;
}

static int refuse_others(struct reader *r, yyjson_val *content, const char *place)
{
    size_t i, n;
    yyjson_val *block;
    yyjson_arr_foreach(content, i, n, block)
    {
        const char *type = yyjson_get_str(yyjson_obj_get(block, "type"));
        const struct place at = place_below(place_entry(place, i).name, "type");
        if (!type)
            return reader_fail(r, at.name, "must be a string");
        if (strcmp(type, "text") != 0 && strcmp(type, "thinking") != 0 &&
            strcmp(type, "tool_use") != 0)
            return reader_fail_foreign(r, at.name, type);
    }
    return 0;
}

static int put_assistant(struct reader *r, yyjson_val *content, const char *place)
{
    struct list texts = {.before = ",\"content\":["};
    struct list thoughts = {.before = ",\"reasoning_content\":\""};
    struct list calls = {.before = ",\"tool_calls\":["};
    json_put(r->out, "{\"role\":\"assistant\"");
    if (refuse_others(r, content, place) ||
        put_all_of_type(r, content, place, "thinking", &thoughts, put_thought))
        return -1;
    json_put(r->out, thoughts.n > 0 ? "\"" : "");
    if (put_all_of_type(r, content, place, "text", &texts, put_text_block))
        return -1;
    json_put(r->out, texts.n > 0 ? "]" : "");
    if (put_all_of_type(r, content, place, "tool_use", &calls, put_use))
        return -1;
    reader_end_assistant(r, &texts, &calls);
    return 0;
}

static int put_message(struct reader *r, yyjson_val *message, const char *place, struct list *list)
{
    static const char *const names[] = {"role", "content", NULL};
    struct members m;
    if (reader_members(r, message, place, names, &m))
        return -1;
    yyjson_val *content = m.values[1];
    const char *role = yyjson_get_str(m.values[0]);
    if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 &&
                  strcmp(role, "system") != 0))
        return reader_fail(r, place_below(place, "role").name, "must be \"user\" or \"assistant\"");
    const struct place at = place_below(place, "content");
    if (yyjson_is_arr(content) && strcmp(role, "assistant") != 0)
        return put_said(r, content, role, at.name, list);
    reader_put_next(r, list);
    if (yyjson_is_arr(content))
        return put_assistant(r, content, at.name);
    if (!yyjson_is_str(content))
        return reader_fail(r, at.name, "must be a string or an array");
    json_print(r->out, "{\"role\":\"%s\",\"content\":", role);
    reader_put_string(r, content);
    json_put(r->out, "}");
    return 0;
}

int messages_put(struct reader *r, yyjson_val *system, yyjson_val *messages)
{
    struct list list = {.before = ""};
    if (!yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0)
        return reader_fail(r, "messages", "must be an array with at least one message");
    json_put(r->out, "\"messages\":[");
    if (yyjson_is_str(system)) {
        reader_put_next(r, &list);
        json_put(r->out, "{\"role\":\"system\",\"content\":");
        reader_put_string(r, system);
        json_put(r->out, "}");
    } else if (system && !yyjson_is_arr(system)) {
        return reader_fail(r, "system", "must be a string or an array");
    } else if (yyjson_arr_size(system) > 0) {
        struct list parts = {.before = "{\"role\":\"system\",\"content\":["};
        const struct part_lists texts = {.texts = &parts};
        list.n++;
        if (put_blocks(r, &texts, system, "system"))
            return -1;
        if (r->to->n_origins > 0 || parts.n != yyjson_arr_size(system))
            return reader_fail(r, "system", "must be texts");
        json_put(r->out, "]}");
    }
    size_t i, n;
    yyjson_val *message;
    yyjson_arr_foreach(messages, i, n, message)
    {
        if (put_message(r, message, place_entry("messages", i).name, &list))
            return -1;
    }
    json_put(r->out, "]");
    return 0;
}
