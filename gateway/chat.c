/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI body to modalities; see chat.h. The edited body out is in chat_render.c.
 *
 * yyjson parses a copy of the body without its images' bulk (skim.h) and leaves every string at its
 * original offset in that copy, which is how spans are found. The parsed document lives only inside
 * of chat_parse().
 */
#include "chat.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "buffer.h"

#include "skim.h"

struct reader {
    struct skim skim;
    const char *copy; /* yyjson's of the skim; string offsets in it are offsets in the skim */
    const struct chat_limits *limits;
    struct chat *chat;
    struct http_error *error;
    size_t text_bytes;
};

/* ---- spans of well-formed JSON ---- */

/* The closing quote of the string whose first character is at `at`. */
static size_t string_end(const char *json, size_t n, size_t at)
{
    for (;;) {
        const char *quote = memchr(json + at, '"', n - at);
        assert(quote);
        size_t end = (size_t)(quote - json);
        size_t escapes = 0;
        while (end - escapes > at && json[end - escapes - 1] == '\\')
            escapes++;
        if (escapes % 2 == 0)
            return end;
        at = end + 1;
    }
}

/* Just behind the object that opens at `at`. */
static size_t object_end(const char *json, size_t n, size_t at)
{
    size_t depth = 0;
    for (;;) {
        assert(at < n);
        switch (json[at]) {
        case '"':
            at = string_end(json, n, at + 1);
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
        at++;
    }
}

static struct span string_span(const struct reader *r, yyjson_val *string)
{
    const struct moa_bytes *json = &r->skim.json;
    size_t begin = (size_t)(yyjson_get_str(string) - r->copy);
    size_t end = string_end(json->p, json->n, begin);
    return (struct span){skim_origin(&r->skim, begin), skim_origin(&r->skim, end)};
}

/* A string that was cut has no escapes: its value is what stands in the body. */
static struct moa_bytes string_value(const struct reader *r, yyjson_val *string)
{
    const char *value = yyjson_get_str(string);
    size_t n = yyjson_get_len(string);
    size_t begin = (size_t)(value - r->copy);
    size_t from = skim_origin(&r->skim, begin), to = skim_origin(&r->skim, begin + n);
    if (to - from == n)
        return (struct moa_bytes){value, n};
    return (struct moa_bytes){(const char *)r->chat->body.p + from, to - from};
}

/* An object is found through its first key: only white space and a brace stand before it. */
static struct span object_span(const struct reader *r, yyjson_val *object)
{
    const char *json = r->skim.json.p;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val *first_key = yyjson_obj_iter_next(&iter);
    size_t begin = (size_t)(yyjson_get_str(first_key) - r->copy) - 1; /* its opening quote */
    while (json[begin] != '{')
        begin--;
    size_t end = object_end(json, r->skim.json.n, begin);
    return (struct span){skim_origin(&r->skim, begin), skim_origin(&r->skim, end)};
}

/* ---- reading ---- */

static void add_text_features(struct moa_text_features *sum, const struct moa_text_features *f)
{
    sum->bytes += f->bytes;
    sum->invalid_bytes += f->invalid_bytes;
    sum->tokens += f->tokens;
    sum->sentences += f->sentences;
    sum->entities += f->entities;
}

/* Where the text of the last user turn is gathered while messages are read in order. */
struct turn {
    struct moa_text_features features;
    struct buffer text;
};

static int turn_append(struct turn *turn, const char *text, size_t n)
{
    const size_t gap = turn->text.n > 0 ? 1 : 0;
    return buffer_add(&turn->text, "\n", gap) || buffer_add(&turn->text, text, n) ? -1 : 0;
}

static int read_text(struct reader *r, yyjson_val *string, struct turn *turn)
{
    struct moa_bytes text = string_value(r, string);
    r->text_bytes += text.n;
    if (r->text_bytes > r->limits->max_text_bytes)
        return http_fail(r->error, 413, "text_too_large",
                         "The text of the request is longer than %zu bytes.",
                         r->limits->max_text_bytes);
    struct moa_text_features features;
    moa_text_measure(text, &features);
    add_text_features(&r->chat->text_all, &features);
    if (!turn)
        return 0;
    add_text_features(&turn->features, &features);
    if (turn_append(turn, text.p, text.n))
        return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    return 0;
}

static int fail_part(struct reader *r, const struct chat_part *at, const char *field,
                     const char *what)
{
    http_fail(r->error, 400, "invalid_value", "messages[%u].content[%u]%s %s.", at->message,
              at->index, field, what);
    return http_fail_at(r->error, "messages[%u].content[%u]%s", at->message, at->index, field);
}

/* A key that appears twice could mean one thing to the gateway and another to the engine. The first
 * of at most four names, NULL behind the last, that does; or NULL. */
static const char *find_twice(yyjson_val *object, const char *const names[4])
{
    unsigned seen[4] = {0};
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        for (size_t k = 0; k < 4 && names[k]; k++) {
            if (yyjson_equals_str(key, names[k]) && ++seen[k] == 2)
                return names[k];
        }
    }
    return NULL;
}

static int fail_part_twice(struct reader *r, const struct chat_part *at, const char *of,
                           const char *name)
{
    char field[32];
    snprintf(field, sizeof(field), "%s.%s", of, name);
    return fail_part(r, at, field, "appears twice");
}

/* Room for one more at the end of a list of `n`: at most twice what is needed, so that a list of
 * any length costs the same for each of its entries. NULL if out of memory. */
static void *with_room(void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return list;
    const size_t wanted = *room ? 2 * *room : 4;
    void *grown = realloc(list, wanted * size);
    if (grown)
        *room = wanted;
    return grown;
}

static int add_part(struct reader *r, struct chat_part part)
{
    struct chat *chat = r->chat;
    if (chat->n_parts == CHAT_PARTS_MAX) {
        http_fail(r->error, 413, "too_many_parts", "The request has more than %d parts.",
                  CHAT_PARTS_MAX);
        return http_fail_at(r->error, "messages[%u].content[%u]", part.message, part.index);
    }
    if (part.kind == MOA_IMAGE && chat->n_of[MOA_IMAGE] == r->limits->max_images) {
        http_fail(r->error, 413, "too_many_images", "The request has more than %zu images.",
                  r->limits->max_images);
        return http_fail_at(r->error, "messages[%u].content[%u]", part.message, part.index);
    }
    struct chat_part *grown =
        with_room(chat->parts, chat->n_parts, &chat->parts_room, sizeof(*grown));
    if (!grown)
        return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    chat->parts = grown;
    chat->parts[chat->n_parts++] = part;
    chat->n_of[part.kind]++;
    return 0;
}

static int read_image(struct reader *r, yyjson_val *part, struct chat_part at)
{
    static const char *const names[4] = {"url"};
    yyjson_val *image_url = yyjson_obj_get(part, "image_url");
    /* The API's form is an object; several clients send the bare string. */
    yyjson_val *url = yyjson_is_obj(image_url) ? yyjson_obj_get(image_url, "url") : image_url;
    const char *twice = yyjson_is_obj(image_url) ? find_twice(image_url, names) : NULL;
    if (twice)
        return fail_part_twice(r, &at, ".image_url", twice);
    if (!image_url)
        return fail_part(r, &at, ".image_url", "is missing");
    if (!yyjson_is_str(url))
        return fail_part(r, &at, ".image_url.url", "must be a string");
    at.kind = MOA_IMAGE;
    at.span = object_span(r, part);
    at.data = string_span(r, url);
    return add_part(r, at);
}

static int read_part(struct reader *r, yyjson_val *part, struct chat_part at, struct turn *turn)
{
    static const char *const names[4] = {"type", "text", "image_url"};
    const char *type = yyjson_get_str(yyjson_obj_get(part, "type"));
    if (!yyjson_is_obj(part))
        return fail_part(r, &at, "", "must be an object");
    const char *twice = find_twice(part, names);
    if (twice)
        return fail_part_twice(r, &at, "", twice);
    if (!type)
        return fail_part(r, &at, ".type", "must be a string");
    if (strcmp(type, "image_url") == 0)
        return read_image(r, part, at);
    if (strcmp(type, "text") != 0)
        return 0; /* a kind this gateway does not score goes through as it is */
    yyjson_val *text = yyjson_obj_get(part, "text");
    if (!yyjson_is_str(text))
        return fail_part(r, &at, ".text", "must be a string");
    return read_text(r, text, turn);
}

static int note_place(struct reader *r, struct chat_place place)
{
    struct chat *chat = r->chat;
    struct chat_place *grown =
        with_room(chat->places, chat->n_places, &chat->places_room, sizeof(*grown));
    if (!grown)
        return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
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
static int note_places(struct reader *r, yyjson_val *parts, unsigned message, size_t first)
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
            place.span = object_span(r, part);
        }
        if (note_place(r, place))
            return -1;
    }
    return 0;
}

static int read_parts(struct reader *r, yyjson_val *parts, unsigned message, struct turn *turn)
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

static int fail_message(struct reader *r, unsigned message, const char *field, const char *what)
{
    http_fail(r->error, 400, "invalid_value", "messages[%u]%s %s.", message, field, what);
    return http_fail_at(r->error, "messages[%u]%s", message, field);
}

static int read_message(struct reader *r, yyjson_val *message, unsigned index, struct turn *turn)
{
    static const char *const names[4] = {"role", "content"};
    if (!yyjson_is_obj(message))
        return fail_message(r, index, "", "must be an object");
    const char *twice = find_twice(message, names);
    if (twice) {
        char field[16];
        snprintf(field, sizeof(field), ".%s", twice);
        return fail_message(r, index, field, "appears twice");
    }
    yyjson_val *role = yyjson_obj_get(message, "role");
    if (!yyjson_is_str(role))
        return fail_message(r, index, ".role", "must be a string");

    struct turn *user_turn = NULL;
    if (yyjson_equals_str(role, "user")) {
        buffer_done(&turn->text);
        turn->features = (struct moa_text_features){0};
        user_turn = turn;
    }
    yyjson_val *content = yyjson_obj_get(message, "content");
    if (yyjson_is_str(content))
        return read_text(r, content, user_turn);
    if (yyjson_is_arr(content))
        return read_parts(r, content, index, user_turn);
    if (!content || yyjson_is_null(content))
        return 0; /* an assistant turn that only calls tools */
    return fail_message(r, index, ".content", "must be a string or an array");
}

static int read_messages(struct reader *r, yyjson_val *messages)
{
    if (!messages || !yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0) {
        http_fail(r->error, 400, messages ? "invalid_value" : "missing_required_parameter",
                  messages ? "messages must be an array with at least one message."
                           : "messages is missing.");
        return http_fail_at(r->error, "messages");
    }
    /* No text is longer than the body that it stands in. */
    struct turn turn = {.text = buffer_of(r->chat->body.n)};
    size_t i, n;
    yyjson_val *message;
    int result = 0;
    yyjson_arr_foreach(messages, i, n, message)
    {
        result = read_message(r, message, (unsigned)i, &turn);
        if (result)
            break;
    }
    if (!result && !turn.text.p && turn_append(&turn, "", 0))
        result = http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    if (result) {
        buffer_done(&turn.text);
        return -1;
    }
    r->chat->text_last_turn = turn.features;
    size_t n_text;
    r->chat->last_turn = buffer_take(&turn.text, &n_text);
    return 0;
}

static int read_model(struct reader *r, yyjson_val *model)
{
    struct chat *chat = r->chat;
    if (model && !yyjson_is_str(model)) {
        http_fail(r->error, 400, "invalid_value", "model must be a string.");
        return http_fail_at(r->error, "model");
    }
    struct moa_bytes name = model ? string_value(r, model) : (struct moa_bytes){"", 0};
    chat->model_name = strndup(name.p, name.n);
    if (!chat->model_name)
        return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    if (model) {
        struct span inner = string_span(r, model);
        chat->model = (struct span){inner.begin - 1, inner.end + 1};
    }
    return 0;
}

static int read_root(struct reader *r, yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return http_fail(r->error, 400, "invalid_value", "The body must be a JSON object.");
    static const char *const names[4] = {"messages", "model", "stream"};
    const char *twice = find_twice(root, names);
    if (twice) {
        http_fail(r->error, 400, "invalid_value", "%s appears twice.", twice);
        return http_fail_at(r->error, "%s", twice);
    }
    yyjson_val *stream = yyjson_obj_get(root, "stream");
    if (stream && !yyjson_is_bool(stream) && !yyjson_is_null(stream)) {
        http_fail(r->error, 400, "invalid_value", "stream must be true or false.");
        return http_fail_at(r->error, "stream");
    }
    r->chat->stream = yyjson_is_true(stream);
    if (read_model(r, yyjson_obj_get(root, "model")))
        return -1;
    return read_messages(r, yyjson_obj_get(root, "messages"));
}

/* yyjson copies what it reads: without YYJSON_READ_INSITU the input is not written to. */
static yyjson_doc *read_json(const struct skim *skim, struct http_error *error)
{
    yyjson_read_err err;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)skim->json.p, skim->json.n,
                                       YYJSON_READ_NOFLAG, NULL, &err);
    if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        http_fail(error, 503, "out_of_memory", "Out of memory.");
    else if (!doc)
        http_fail(error, 400, "invalid_json", "The body is not valid JSON: %s at byte %zu.",
                  err.msg, skim_origin(skim, err.pos));
    return doc;
}

int chat_parse(struct moa_bytes body, const struct chat_limits *limits, struct chat *ret_chat,
               struct http_error *ret_error)
{
    if (body.n == 0)
        return http_fail(ret_error, 400, "invalid_json", "The body is empty.");
    *ret_chat = (struct chat){.body = body};
    struct reader r = {.limits = limits, .chat = ret_chat, .error = ret_error};
    if (skim_init(&r.skim, body))
        return http_fail(ret_error, 503, "out_of_memory", "Out of memory.");
    yyjson_doc *doc = read_json(&r.skim, ret_error);
    int result = -1;
    if (doc) {
        r.copy = doc->str_pool;
        result = read_root(&r, yyjson_doc_get_root(doc));
    }
    yyjson_doc_free(doc);
    skim_done(&r.skim);
    if (result)
        chat_done(ret_chat);
    return result;
}

void chat_done(struct chat *chat)
{
    free(chat->model_name);
    free(chat->last_turn);
    free(chat->parts);
    free(chat->places);
    *chat = (struct chat){0};
}

char *chat_part_url(const struct chat *chat, size_t i)
{
    const struct span *span = &chat->parts[i].data;
    /* With its quotes it is a JSON document. */
    yyjson_doc *doc = yyjson_read((const char *)chat->body.p + span->begin - 1,
                                  span->end - span->begin + 2, YYJSON_READ_NOFLAG);
    const char *url = yyjson_get_str(yyjson_doc_get_root(doc));
    char *copy = url ? strdup(url) : NULL;
    yyjson_doc_free(doc);
    return copy;
}

void chat_part_name(const struct chat *chat, size_t i, char *ret_name, size_t n)
{
    snprintf(ret_name, n, "messages[%u].content[%u].image_url", chat->parts[i].message,
             chat->parts[i].index);
}
