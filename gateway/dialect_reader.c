/* SPDX-License-Identifier: Apache-2.0
 *
 * What readers of dialects have in common; see dialect_reader.h.
 */
#include "dialect_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

/* ---- errors ---- */

int reader_fail(const struct reader *r, const char *place, const char *what)
{
    http_fail(r->error, 400, "invalid_value", "%s %s.", place, what);
    return http_fail_at(r->error, "%s", place);
}

int reader_fail_memory(const struct reader *r)
{
    return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
}

int reader_fail_foreign(const struct reader *r, const char *place, const char *what)
{
    http_fail(r->error, 400, "not_translatable",
              "%s%s%s: there is nothing like it in /v1/chat/completions, which is what engines "
              "are asked for.",
              place, what[0] ? " " : "", what);
    return http_fail_at(r->error, "%s", place);
}

struct place place_below(const char *place, const char *member)
{
    struct place p;
    snprintf(p.name, sizeof(p.name), "%.70s%s%.24s", place, place[0] ? "." : "", member);
    return p;
}

struct place place_entry(const char *place, size_t i)
{
    struct place p;
    snprintf(p.name, sizeof(p.name), "%.80s[%u]", place, (unsigned)i);
    return p;
}

int reader_note_part(struct reader *r, const char *place, yyjson_val *part, yyjson_val *data)
{
    struct chat_origin origin = {.span = yyjson_is_obj(part) ? json_object_span(&r->text, part)
                                                             : (struct span){0, 0},
                                 .data = yyjson_is_str(data) ? json_string_span(&r->text, data)
                                                             : json_object_span(&r->text, data)};
    snprintf(origin.name, sizeof(origin.name), "%s", place);
    return dialect_note_origin(r->to, origin) ? reader_fail_memory(r) : 0;
}

/* ---- members ---- */

/* What may stand anywhere, and tells whoever bills by tokens what to keep: engines know that for
 * themselves. */
static bool is_hint(yyjson_val *key)
{
    return yyjson_equals_str(key, "cache_control");
}

int reader_members(const struct reader *r, yyjson_val *object, const char *place,
                   const char *const *names, struct members *ret_members)
{
    *ret_members = (struct members){{NULL}, {NULL}};
    if (!yyjson_is_obj(object))
        return reader_fail(r, place[0] ? place : "The body", "must be an object");
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        size_t k = 0;
        while (names[k] && !yyjson_equals_str(key, names[k]))
            k++;
        if (names[k] && !ret_members->keys[k]) {
            ret_members->keys[k] = key;
            ret_members->values[k] = yyjson_is_null(value) ? NULL : value;
        } else if (names[k]) {
            return reader_fail(r, place_below(place, yyjson_get_str(key)).name, "appears twice");
        } else if (!is_hint(key)) {
            return reader_fail_foreign(r, place_below(place, yyjson_get_str(key)).name, "");
        }
    }
    return 0;
}

/* ---- writing what was read ---- */

static struct moa_bytes text_of(const struct reader *r, struct span span)
{
    return (struct moa_bytes){(const char *)r->text.body.p + span.begin, span.end - span.begin};
}

struct moa_bytes reader_inside(const struct reader *r, yyjson_val *string)
{
    return text_of(r, json_string_span(&r->text, string));
}

void reader_put_inside(struct reader *r, yyjson_val *string)
{
    json_put_bytes(r->out, reader_inside(r, string));
}

/* The cut at the end of a string; nothing if there is none. */
static struct skim_cut cut_of(const struct reader *r, struct span string)
{
    for (size_t i = 0; i < r->text.skim.n_cuts; i++) {
        const struct skim_cut cut = skim_cut_at(&r->text.skim, i);
        if (cut.begin >= string.begin && cut.begin + cut.n == string.end)
            return cut;
    }
    return (struct skim_cut){.n = 0};
}

void reader_put_data(struct reader *r, yyjson_val *string)
{
    struct dialect_body *to = r->to;
    const struct span span = json_string_span(&r->text, string);
    struct skim_cut cut = cut_of(r, span);
    const bool is_chat = r->out == &to->chat;
    if (cut.n > 0 && is_chat && !to->cuts)
        to->cuts = calloc(SKIM_CUTS_MAX, sizeof(*to->cuts));
    if (cut.n == 0 || !is_chat || !to->cuts || to->n_cuts == SKIM_CUTS_MAX) {
        reader_put_inside(r, string);
        return;
    }
    cut.p = (const char *)r->text.body.p + cut.begin;
    cut.n_before = cut.begin - span.begin;
    json_put_bytes(r->out, text_of(r, (struct span){span.begin, cut.begin}));
    cut.begin = r->out->text.n + to->cut_bytes;
    to->cut_bytes += cut.n;
    to->cuts[to->n_cuts++] = cut;
}

void reader_put_string(struct reader *r, yyjson_val *string)
{
    json_put(r->out, "\"");
    reader_put_inside(r, string);
    json_put(r->out, "\"");
}

struct moa_bytes reader_object_text(const struct reader *r, yyjson_val *object)
{
    if (yyjson_obj_size(object) == 0)
        return (struct moa_bytes){"{}", 2};
    return text_of(r, json_object_span(&r->text, object));
}

/* The value of a member that is no list. */
static void put_value(struct reader *r, yyjson_val *key, yyjson_val *value)
{
    if (yyjson_is_str(value))
        reader_put_string(r, value);
    else if (yyjson_is_obj(value))
        json_put_bytes(r->out, reader_object_text(r, value));
    else
        json_put_bytes(r->out, text_of(r, json_word_span(&r->text, key)));
}

void reader_put_model(struct reader *r, yyjson_val *key, yyjson_val *model)
{
    const struct span inside = json_string_span(&r->text, model);
    r->to->model = (struct span){inside.begin - 1, inside.end + 1};
    reader_put_member(r, "model", key, model);
}

/* Behind another member. */
void reader_put_member(struct reader *r, const char *name, yyjson_val *key, yyjson_val *value)
{
    json_put(r->out, ",\"");
    json_put(r->out, name);
    json_put(r->out, "\":");
    put_value(r, key, value);
}

void reader_put_next(struct reader *r, struct list *list)
{
    json_put(r->out, list->n++ > 0 ? "," : list->before);
}

int reader_need_string(const struct reader *r, yyjson_val *value, const char *place,
                       const char *member)
{
    if (yyjson_is_str(value))
        return 0;
    return reader_fail(r, place_below(place, member).name, "must be a string");
}

/* ---- what dialects say in nearly the same words ---- */

int reader_put_parts(struct reader *r, const struct part_lists *lists, yyjson_val *content,
                     const char *place, reader_part_fn *put)
{
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(content, i, n, part)
    {
        if (put(r, lists, part, place_entry(place, i).name))
            return -1;
    }
    return 0;
}

void reader_end_assistant(struct reader *r, const struct list *texts, const struct list *calls)
{
    json_put(r->out, calls->n > 0 ? "]" : "");
    if (texts->n == 0)
        json_put(r->out, calls->n > 0 ? ",\"content\":null" : ",\"content\":\"\"");
    json_put(r->out, "}");
}

int reader_put_tools(struct reader *r, yyjson_val *tools, reader_tool_fn *put)
{
    struct list list = {.before = ",\"tools\":["};
    size_t i, n;
    yyjson_val *tool;
    if (tools && !yyjson_is_arr(tools))
        return reader_fail(r, "tools", "must be an array");
    yyjson_arr_foreach(tools, i, n, tool)
    {
        if (put(r, &list, tool, place_entry("tools", i).name))
            return -1;
    }
    json_put(r->out, list.n > 0 ? "]" : "");
    return 0;
}

int reader_put_function(struct reader *r, struct list *list, yyjson_val *tool, const char *place,
                        const char *const *names)
{
    struct members m;
    if (reader_members(r, tool, place, names, &m))
        return -1;
    yyjson_val *description = m.values[FUNCTION_DESCRIPTION], *schema = m.values[FUNCTION_SCHEMA];
    if (!yyjson_is_str(m.values[FUNCTION_NAME]) || (description && !yyjson_is_str(description)))
        return reader_fail(r, place, "must have strings for name and description");
    if (schema && !yyjson_is_obj(schema))
        return reader_fail(r, place_below(place, names[FUNCTION_SCHEMA]).name, "must be an object");
    reader_put_next(r, list);
    json_put(r->out, "{\"type\":\"function\",\"function\":{\"name\":");
    reader_put_string(r, m.values[FUNCTION_NAME]);
    if (description)
        reader_put_member(r, "description", m.keys[FUNCTION_DESCRIPTION], description);
    if (schema)
        reader_put_member(r, "parameters", m.keys[FUNCTION_SCHEMA], schema);
    if (yyjson_is_bool(m.values[FUNCTION_STRICT]))
        reader_put_member(r, "strict", m.keys[FUNCTION_STRICT], m.values[FUNCTION_STRICT]);
    json_put(r->out, "}}");
    return 0;
}

int reader_put_stop(struct reader *r, yyjson_val *key, yyjson_val *stop, const char *place)
{
    struct list list = {.before = ",\"stop\":["};
    size_t i, n;
    yyjson_val *one;
    if (yyjson_is_str(stop))
        reader_put_member(r, "stop", key, stop);
    else if (stop && !yyjson_is_arr(stop))
        return reader_fail(r, place, "must be a string or an array");
    yyjson_arr_foreach(stop, i, n, one)
    {
        if (!yyjson_is_str(one))
            return reader_fail(r, place_entry(place, i).name, "must be a string");
        reader_put_next(r, &list);
        reader_put_string(r, one);
    }
    json_put(r->out, list.n > 0 ? "]" : "");
    return 0;
}
