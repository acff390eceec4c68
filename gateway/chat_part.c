/* SPDX-License-Identifier: Apache-2.0
 *
 * The content parts of a message: text is measured, everything else becomes a span with a kind; see
 * chat.h. A part in a spelling that only some engines take is noted to be corrected on its way out.
 */
#include "chat_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a part may be: the value of its `type`, and the member of the same name that holds it. */
static const struct part_type {
    const char *name;
    enum moa_kind kind;
    const char *data[3];  /* in that member: what may hold the bytes or where they are */
    const char *given_as; /* what insertion makes the type known */
} part_types[] = {
    {"text", MOA_TEXT, {NULL}, "\"type\":\"text\","},
    {"image_url", MOA_IMAGE, {"url"}, "\"type\":\"image_url\","},
    {"audio_url", MOA_AUDIO, {"url"}, "\"type\":\"audio_url\","},
    {"input_audio", MOA_AUDIO, {"data", "url"}, "\"type\":\"input_audio\","},
    {"video_url", MOA_VIDEO, {"url"}, "\"type\":\"video_url\","},
    {"input_video", MOA_VIDEO, {"data", "url"}, "\"type\":\"input_video\","},
    {"file", MOA_FILE, {"file_data", "url"}, "\"type\":\"file\","},
};

#define N_TYPES (sizeof(part_types) / sizeof(part_types[0]))

static int fail_part(struct chat_reader *r, const struct chat_part *at, const char *field,
                     const char *what)
{
    http_fail(r->error, 400, "invalid_value", "messages[%u].content[%u]%s %s.", at->message,
              at->index, field, what);
    return http_fail_at(r->error, "messages[%u].content[%u]%s", at->message, at->index, field);
}

static int fail_field(struct chat_reader *r, const struct chat_part *at, const char *of,
                      const char *name, const char *what)
{
    char field[48];
    snprintf(field, sizeof(field), ".%s%s%s", of, of[0] && name[0] ? "." : "", name);
    return fail_part(r, at, field, what);
}

/* `text` is to stand before the byte at `at` of the body. */
static int note_fix(struct chat_reader *r, size_t at, const char *text)
{
    struct chat *chat = r->chat;
    struct chat_fix *grown =
        chat_room(chat->fixes, chat->n_fixes, &chat->fixes_room, sizeof(*grown));
    if (!grown)
        return chat_fail_memory(r);
    chat->fixes = grown;
    chat->fixes[chat->n_fixes++] = (struct chat_fix){at, text};
    return 0;
}

static int add_part(struct chat_reader *r, struct chat_part part)
{
    struct chat *chat = r->chat;
    if (chat->n_parts == CHAT_PARTS_MAX) {
        http_fail(r->error, 413, "too_many_parts",
                  "The request has more than %d images and other parts that are no text.",
                  CHAT_PARTS_MAX);
        return chat_fail_at_part(r, &part, chat->n_parts);
    }
    struct chat_part *grown =
        chat_room(chat->parts, chat->n_parts, &chat->parts_room, sizeof(*grown));
    if (!grown)
        return chat_fail_memory(r);
    chat->parts = grown;
    chat->parts[chat->n_parts++] = part;
    chat->n_of[part.kind]++;
    return 0;
}

/* The string that holds the bytes of a part, or says where they are; NULL if there is none. */
static yyjson_val *data_of(yyjson_val *member, const struct part_type *type)
{
    if (yyjson_is_str(member))
        return member;
    for (size_t i = 0; type->data[i]; i++) {
        yyjson_val *data = yyjson_obj_get(member, type->data[i]);
        if (yyjson_is_str(data))
            return data;
    }
    return NULL;
}

static int read_media(struct chat_reader *r, yyjson_val *part, const struct part_type *type,
                      struct chat_part at)
{
    yyjson_val *member = yyjson_obj_get(part, type->name);
    const char *twice = yyjson_is_obj(member) ? json_find_twice(member, type->data) : NULL;
    if (twice)
        return fail_field(r, &at, type->name, twice, "appears twice");
    if (!member && type->kind == MOA_IMAGE)
        return fail_field(r, &at, type->name, "", "is missing");
    yyjson_val *data = data_of(member, type);
    if (!data && type->kind == MOA_IMAGE)
        return fail_field(r, &at, type->name, type->data[0], "must be a string");
    chat_asked_word(r, type->name);
    at.type = type->name;
    at.kind = type->kind;
    at.span = json_object_span(&r->text, part);
    yyjson_val *detail = yyjson_obj_get(member, "detail");
    at.is_low_detail = yyjson_equals_str(detail, "low");
    at.is_high_detail = yyjson_equals_str(detail, "high");
    if (data) {
        at.data = json_string_span(&r->text, data);
        at.has_data = true;
    }
    /* The API's form is an object; several clients send the bare string, and few engines take it.
     */
    if (data == member && data && strcmp(type->data[0], "url") == 0 &&
        (note_fix(r, at.data.begin - 1, "{\"url\":") || note_fix(r, at.data.end + 1, "}")))
        return -1;
    return add_part(r, at);
}

static bool is_hidden(yyjson_val *part, const struct part_type *type)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (&part_types[i] != type && yyjson_obj_get(part, part_types[i].name))
            return true;
    }
    return false;
}

/* The type that a part says it is, or the only one that it has the member of. NULL: none of them.
 */
static const struct part_type *type_of(yyjson_val *part, const char *said)
{
    const struct part_type *found = NULL;
    for (size_t i = 0; i < N_TYPES; i++) {
        const struct part_type *type = &part_types[i];
        if (said ? strcmp(said, type->name) != 0 : !yyjson_obj_get(part, type->name))
            continue;
        if (found)
            return NULL;
        found = type;
    }
    return found;
}

static int read_part(struct chat_reader *r, yyjson_val *part, struct chat_part at,
                     struct chat_turn *turn)
{
    static const char *const names[JSON_NAMES_MAX] = {"type",        "text",        "image_url",
                                                      "audio_url",   "input_audio", "video_url",
                                                      "input_video", "file"};
    if (!yyjson_is_obj(part))
        return fail_part(r, &at, "", "must be an object");
    const char *twice = json_find_twice(part, names);
    if (twice)
        return fail_field(r, &at, "", twice, "appears twice");
    yyjson_val *said = yyjson_obj_get(part, "type");
    const struct part_type *type =
        said && !yyjson_is_str(said) ? NULL : type_of(part, yyjson_get_str(said));
    if (!type && !yyjson_is_str(said))
        return fail_part(r, &at, ".type", "must be a string");
    if (!type || is_hidden(part, type))
        r->chat->is_opaque = true;
    if (!type)
        return 0; /* a kind that this gateway does not know goes through as it is */
    if (!said && note_fix(r, json_object_span(&r->text, part).begin + 1, type->given_as))
        return -1;
    if (type->kind != MOA_TEXT)
        return read_media(r, part, type, at);
    yyjson_val *text = yyjson_obj_get(part, "text");
    if (!yyjson_is_str(text))
        return fail_part(r, &at, ".text", "must be a string");
    return chat_read_text(r, text, turn);
}

/* ---- the places of a message's parts ---- */

static int note_place(struct chat_reader *r, struct chat_place place)
{
    struct chat *chat = r->chat;
    struct chat_place *grown =
        chat_room(chat->places, chat->n_places, &chat->places_room, sizeof(*grown));
    if (!grown)
        return chat_fail_memory(r);
    chat->places = grown;
    chat->places[chat->n_places++] = place;
    return 0;
}

/* Whether an image of the message whose parts begin with `first` stands behind another part. */
static bool has_late_image(const struct chat *chat, size_t first)
{
    unsigned n_images = 0;
    for (size_t i = first; i < chat->n_parts; i++) {
        if (chat->parts[i].kind == MOA_IMAGE && chat->parts[i].index != n_images++)
            return true;
    }
    return false;
}

/* Where the parts of a message are, if an image stands behind another part. */
static int note_places(struct chat_reader *r, yyjson_val *parts, unsigned message, size_t first)
{
    struct chat *chat = r->chat;
    size_t i, count, next = first;
    yyjson_val *part;
    if (!has_late_image(chat, first))
        return 0;
    yyjson_arr_foreach(parts, i, count, part)
    {
        struct chat_place place = {.message = message};
        if (next < chat->n_parts && chat->parts[next].index == i) {
            place.is_part = true;
            place.part = next++;
            place.span = chat->parts[place.part].span;
            chat->parts[place.part].is_placed = true;
        } else {
            place.span = json_object_span(&r->text, part);
        }
        if (note_place(r, place))
            return -1;
    }
    return 0;
}

int chat_read_parts(struct chat_reader *r, yyjson_val *parts, unsigned message,
                    struct chat_turn *turn)
{
    const size_t first = r->chat->n_parts;
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, n, part)
    {
        struct chat_part at = {.message = message, .index = (unsigned)i};
        if (read_part(r, part, at, turn))
            return -1;
    }
    return note_places(r, parts, message, first);
}
