/* SPDX-License-Identifier: Apache-2.0
 *
 * The items of OpenAI's Responses as messages of a chat completion; see dialect_responses.h. What
 * the assistant thought, said and called in a row is one message. Results of tools are messages of
 * their own; pictures in them follow as the user's, since hardly an engine takes pictures in the
 * message of a tool.
 */
#include "dialect_responses.h"

#include <stdio.h>
#include <string.h>

#include <yyjson.h>

/* Items that stand in a row, for more than one look at each. */
struct item_run {
    yyjson_arr_iter at;
    size_t from, n; /* of the input */
};

static const char *type_of_item(yyjson_val *item)
{
    const char *type = yyjson_get_str(yyjson_obj_get(item, "type"));
    return type ? type : yyjson_obj_get(item, "role") ? "message" : "";
}

static bool is_item(yyjson_val *item, const char *type)
{
    return strcmp(type_of_item(item), type) == 0;
}

static bool is_of_assistant(yyjson_val *item)
{
    return is_item(item, "reasoning") || is_item(item, "function_call") ||
           (is_item(item, "message") &&
            yyjson_equals_str(yyjson_obj_get(item, "role"), "assistant"));
}

static bool is_output(yyjson_val *item)
{
    return is_item(item, "function_call_output");
}

/* A place with everything behind the item's number. */
static struct place item_place(size_t i)
{
    return place_entry("input", i);
}

/* ---- parts ---- */

static int put_text(struct reader *r, struct list *list, yyjson_val *part, const char *place)
{
    static const char *const names[] = {"type", "text", "annotations", "logprobs", NULL};
    struct members m;
    if (reader_members(r, part, place, names, &m) ||
        reader_need_string(r, m.values[1], place, "text"))
        return -1;
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"text\",\"text\":");
    reader_put_string(r, m.values[1]);
    json_put(r->out, "}");
    return 0;
}

/* Files that a server keeps are known to nobody here. */
static int refuse_kept(const struct reader *r, yyjson_val *id, const char *place,
                       const char *member)
{
    return id ? reader_fail_foreign(r, place_below(place, member).name, "") : 0;
}

static int put_image(struct reader *r, struct list *list, yyjson_val *part, const char *place)
{
    static const char *const names[] = {"type", "image_url", "detail", "file_id", NULL};
    struct members m;
    if (reader_members(r, part, place, names, &m) ||
        refuse_kept(r, m.values[3], place, "file_id") ||
        reader_need_string(r, m.values[1], place, "image_url"))
        return -1;
    if (m.values[2] && reader_need_string(r, m.values[2], place, "detail"))
        return -1;
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
    reader_put_data(r, m.values[1]);
    json_put(r->out, "\"");
    if (m.values[2])
        reader_put_member(r, "detail", m.keys[2], m.values[2]);
    json_put(r->out, "}}");
    return reader_note_part(r, place_below(place, "image_url").name, part, m.values[1]);
}

static int put_file(struct reader *r, struct list *list, yyjson_val *part, const char *place)
{
    static const char *const names[] = {"type",     "file_data", "filename", "file_id",
                                        "file_url", "detail",    NULL};
    struct members m;
    if (reader_members(r, part, place, names, &m) ||
        refuse_kept(r, m.values[3], place, "file_id") ||
        refuse_kept(r, m.values[4], place, "file_url") ||
        reader_need_string(r, m.values[1], place, "file_data"))
        return -1;
    if (m.values[2] && reader_need_string(r, m.values[2], place, "filename"))
        return -1;
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"file\",\"file\":{\"file_data\":\"");
    reader_put_data(r, m.values[1]);
    json_put(r->out, "\"");
    if (m.values[2])
        reader_put_member(r, "filename", m.keys[2], m.values[2]);
    json_put(r->out, "}}");
    return reader_note_part(r, place_below(place, "file_data").name, part, m.values[1]);
}

static int put_sound(struct reader *r, struct list *list, yyjson_val *part, const char *place)
{
    static const char *const names[] = {"type", "input_audio", NULL};
    static const char *const inner[] = {"data", "format", NULL};
    struct members m, sound;
    const struct place at = place_below(place, "input_audio");
    if (reader_members(r, part, place, names, &m) ||
        reader_members(r, m.values[1], at.name, inner, &sound) ||
        reader_need_string(r, sound.values[0], at.name, "data"))
        return -1;
    if (sound.values[1] && reader_need_string(r, sound.values[1], at.name, "format"))
        return -1;
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"");
    reader_put_data(r, sound.values[0]);
    json_put(r->out, "\"");
    if (sound.values[1])
        reader_put_member(r, "format", sound.keys[1], sound.values[1]);
    json_put(r->out, "}}");
    return reader_note_part(r, at.name, part, sound.values[0]);
}

static int put_part(struct reader *r, const struct part_lists *lists, yyjson_val *part,
                    const char *place)
{
    static const struct {
        const char *type;
        bool is_text;
        int (*put)(struct reader *, struct list *, yyjson_val *, const char *);
    } parts[] = {
        {"input_text", true, put_text},   {"output_text", true, put_text},
        {"text", true, put_text},         {"input_image", false, put_image},
        {"input_file", false, put_file},  {"input_audio", false, put_sound},
        {"summary_text", true, put_text}, {"reasoning_text", true, put_text},
    };
    const char *type = yyjson_get_str(yyjson_obj_get(part, "type"));
    for (size_t i = 0; type && i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct list *list = parts[i].is_text ? lists->texts : lists->others;
        if (strcmp(parts[i].type, type) == 0)
            return list ? parts[i].put(r, list, part, place) : 0;
    }
    const struct place at = place_below(place, "type");
    return type ? reader_fail_foreign(r, at.name, type)
                : reader_fail(r, at.name, "must be a string");
}

/* ---- messages of others than the assistant ---- */

static const char *const message_names[] = {"type",   "role",  "content", "id",
                                            "status", "phase", NULL};
enum { MESSAGE_TYPE, MESSAGE_ROLE, MESSAGE_CONTENT };

static int put_message(struct reader *r, yyjson_val *item, const char *place)
{
    struct members m;
    if (reader_members(r, item, place, message_names, &m))
        return -1;
    yyjson_val *content = m.values[MESSAGE_CONTENT];
    const char *role = yyjson_get_str(m.values[MESSAGE_ROLE]);
    /* "system" is what every engine knows; the two mean the same. */
    if (role && strcmp(role, "developer") == 0)
        role = "system";
    if (!role || (strcmp(role, "user") != 0 && strcmp(role, "system") != 0))
        return reader_fail(r, place_below(place, "role").name,
                           "must be user, system, developer or assistant");
    const struct place at = place_below(place, "content");
    json_print(r->out, "{\"role\":\"%s\",\"content\":", role);
    if (yyjson_is_str(content)) {
        reader_put_string(r, content);
        json_put(r->out, "}");
        return 0;
    }
    if (!yyjson_is_arr(content) || yyjson_arr_size(content) == 0)
        return reader_fail(r, at.name, "must be a string or an array with at least one part");
    struct list parts = {.before = "["};
    const struct part_lists lists = {&parts, &parts};
    if (reader_put_parts(r, &lists, content, at.name, put_part))
        return -1;
    json_put(r->out, "]}");
    return 0;
}

/* ---- the assistant's ---- */

static int put_thoughts_of(struct reader *r, struct list *thoughts, yyjson_val *parts,
                           const char *place)
{
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, n, part)
    {
        yyjson_val *text = yyjson_obj_get(part, "text");
        if (reader_need_string(r, text, place_entry(place, i).name, "text"))
            return -1;
        json_put(r->out, thoughts->n++ > 0 ? "\\n" : thoughts->before);
        reader_put_inside(r, text);
    }
    return 0;
}

/* What was thought, or what it comes to. */
static int put_thought(struct reader *r, struct list *thoughts, yyjson_val *item, const char *place)
{
    static const char *const names[] = {"type",   "id", "summary", "content", "encrypted_content",
                                        "status", NULL};
    struct members m;
    if (reader_members(r, item, place, names, &m))
        return -1;
    yyjson_val *summary = m.values[2], *content = m.values[3];
    const bool has_content = yyjson_arr_size(content) > 0;
    if (!has_content && yyjson_arr_size(summary) == 0)
        return m.values[4]
                   ? reader_fail_foreign(r, place_below(place, "encrypted_content").name, "")
                   : 0;
    return put_thoughts_of(r, thoughts, has_content ? content : summary,
                           place_below(place, has_content ? "content" : "summary").name);
}

static int put_spoken_part(struct reader *r, struct list *texts, yyjson_val *part,
                           const char *place)
{
    static const char *const names[] = {"type", "refusal", NULL};
    const struct part_lists lists = {.texts = texts};
    struct members m;
    const char *type = yyjson_get_str(yyjson_obj_get(part, "type"));
    if (!type || strncmp(type, "input_", 6) == 0)
        return reader_fail(r, place_below(place, "type").name, "must be output_text or refusal");
    if (strcmp(type, "refusal") != 0)
        return put_part(r, &lists, part, place);
    if (reader_members(r, part, place, names, &m) ||
        reader_need_string(r, m.values[1], place, "refusal"))
        return -1;
    reader_put_next(r, texts);
    json_put(r->out, "{\"type\":\"text\",\"text\":");
    reader_put_string(r, m.values[1]);
    json_put(r->out, "}");
    return 0;
}

static int put_spoken(struct reader *r, struct list *texts, yyjson_val *item, const char *place)
{
    struct members m;
    if (reader_members(r, item, place, message_names, &m))
        return -1;
    yyjson_val *content = m.values[MESSAGE_CONTENT], *part;
    const struct place at = place_below(place, "content");
    if (yyjson_is_str(content)) {
        reader_put_next(r, texts);
        json_put(r->out, "{\"type\":\"text\",\"text\":");
        reader_put_string(r, content);
        json_put(r->out, "}");
        return 0;
    }
    if (!yyjson_is_arr(content))
        return reader_fail(r, at.name, "must be a string or an array");
    size_t i, n;
    yyjson_arr_foreach(content, i, n, part)
    {
        if (put_spoken_part(r, texts, part, place_entry(at.name, i).name))
            return -1;
    }
    return 0;
}

static int put_call(struct reader *r, struct list *calls, yyjson_val *item, const char *place)
{
    static const char *const names[] = {"type", "call_id", "name", "arguments",
                                        "id",   "status",  NULL};
    struct members m;
    if (reader_members(r, item, place, names, &m))
        return -1;
    for (size_t i = 1; i <= 3; i++) {
        if (reader_need_string(r, m.values[i], place, names[i]))
            return -1;
    }
    reader_put_next(r, calls);
    json_put(r->out, "{\"id\":");
    reader_put_string(r, m.values[1]);
    json_put(r->out, ",\"type\":\"function\",\"function\":{\"name\":");
    reader_put_string(r, m.values[2]);
    json_put(r->out, ",\"arguments\":");
    reader_put_string(r, m.values[3]);
    json_put(r->out, "}}");
    return 0;
}

typedef int put_fn(struct reader *r, struct list *list, yyjson_val *item, const char *place);

static int put_all(struct reader *r, const struct item_run *run, const char *type,
                   struct list *list, put_fn *put)
{
    yyjson_arr_iter at = run->at;
    yyjson_val *item;
    for (size_t i = 0; i < run->n && (item = yyjson_arr_iter_next(&at)); i++) {
        if (is_item(item, type) && put(r, list, item, item_place(run->from + i).name))
            return -1;
    }
    return 0;
}

static int put_assistant(struct reader *r, const struct item_run *run)
{
    struct list thoughts = {.before = ",\"reasoning_content\":\""};
    struct list texts = {.before = ",\"content\":["};
    struct list calls = {.before = ",\"tool_calls\":["};
    json_put(r->out, "{\"role\":\"assistant\"");
    if (put_all(r, run, "reasoning", &thoughts, put_thought))
        return -1;
    json_put(r->out, thoughts.n > 0 ? "\"" : "");
    if (put_all(r, run, "message", &texts, put_spoken))
        return -1;
    json_put(r->out, texts.n > 0 ? "]" : "");
    if (put_all(r, run, "function_call", &calls, put_call))
        return -1;
    reader_end_assistant(r, &texts, &calls);
    return 0;
}

/* ---- results of tools ---- */

static int put_output(struct reader *r, struct list *list, yyjson_val *item, const char *place)
{
    static const char *const names[] = {"type", "call_id", "output", "id", "status", NULL};
    struct members m;
    if (reader_members(r, item, place, names, &m) ||
        reader_need_string(r, m.values[1], place, "call_id"))
        return -1;
    yyjson_val *output = m.values[2];
    const struct place at = place_below(place, "output");
    if (!yyjson_is_str(output) && !yyjson_is_arr(output))
        return reader_fail(r, at.name, "must be a string or an array");
    reader_put_next(r, list);
    json_put(r->out, "{\"role\":\"tool\",\"tool_call_id\":");
    reader_put_string(r, m.values[1]);
    struct list texts = {.before = ",\"content\":["};
    const struct part_lists lists = {.texts = &texts};
    if (yyjson_is_str(output)) {
        json_put(r->out, ",\"content\":");
        reader_put_string(r, output);
    } else if (reader_put_parts(r, &lists, output, at.name, put_part)) {
        return -1;
    } else {
        json_put(r->out, texts.n > 0 ? "]" : ",\"content\":\"\"");
    }
    json_put(r->out, "}");
    return 0;
}

static int put_media(struct reader *r, struct list *list, yyjson_val *item, const char *place)
{
    const struct part_lists lists = {.others = list};
    return reader_put_parts(r, &lists, yyjson_obj_get(item, "output"),
                            place_below(place, "output").name, put_part);
}

/* `list` has the messages before it. */
static int put_outputs(struct reader *r, const struct item_run *run, struct list *list)
{
    struct list media = {.before = ",{\"role\":\"user\",\"content\":["};
    if (put_all(r, run, "function_call_output", list, put_output) ||
        put_all(r, run, "function_call_output", &media, put_media))
        return -1;
    json_put(r->out, media.n > 0 ? "]}" : "");
    return 0;
}

/* ---- all of them ---- */

static int refuse_item(const struct reader *r, yyjson_val *item, const char *place)
{
    const char *type = type_of_item(item);
    const struct place at = place_below(place, "type");
    if (!type[0])
        return reader_fail(r, at.name, "must be a string");
    if (strcmp(type, "item_reference") == 0)
        return reader_fail(r, place,
                           "refers to an item that was not kept: nothing is stored here, so "
                           "clients have to send items whole (\"store\": false)");
    return reader_fail_foreign(r, at.name, type);
}

/* The items from `at` on that are of one kind with the first. */
static struct item_run run_of(yyjson_arr_iter at, size_t from, bool (*is_one)(yyjson_val *item))
{
    struct item_run run = {.at = at, .from = from};
    yyjson_val *item;
    for (yyjson_arr_iter iter = at; (item = yyjson_arr_iter_next(&iter)) && is_one(item);)
        run.n++;
    return run;
}

static int put_items(struct reader *r, yyjson_val *input, struct list *list)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(input);
    for (size_t i = 0; yyjson_arr_iter_has_next(&at);) {
        yyjson_arr_iter ahead = at;
        yyjson_val *item = yyjson_arr_iter_next(&ahead);
        const struct place place = item_place(i);
        struct item_run run = {.at = at, .from = i, .n = 1};
        int result;
        if (is_of_assistant(item)) {
            run = run_of(at, i, is_of_assistant);
            reader_put_next(r, list);
            result = put_assistant(r, &run);
        } else if (is_output(item)) {
            run = run_of(at, i, is_output);
            result = put_outputs(r, &run, list);
        } else if (is_item(item, "message")) {
            reader_put_next(r, list);
            result = put_message(r, item, place.name);
        } else {
            result = refuse_item(r, item, place.name);
        }
        if (result)
            return -1;
        for (size_t k = 0; k < run.n; k++, i++)
            yyjson_arr_iter_next(&at);
    }
    return 0;
}

int responses_put(struct reader *r, yyjson_val *instructions, yyjson_val *input)
{
    struct list list = {.before = ""};
    json_put(r->out, "\"messages\":[");
    if (instructions) {
        reader_put_next(r, &list);
        json_put(r->out, "{\"role\":\"system\",\"content\":");
        reader_put_string(r, instructions);
        json_put(r->out, "}");
    }
    if (yyjson_is_str(input)) {
        reader_put_next(r, &list);
        json_put(r->out, "{\"role\":\"user\",\"content\":");
        reader_put_string(r, input);
        json_put(r->out, "}");
    } else if (!yyjson_is_arr(input) || yyjson_arr_size(input) == 0) {
        return reader_fail(r, "input", "must be a string or an array with at least one item");
    } else if (put_items(r, input, &list)) {
        return -1;
    }
    json_put(r->out, "]");
    return 0;
}
