/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI body to modalities, and the edited body out; see chat.h.
 *
 * yyjson parses a copy of the body without its images' bulk (skim.h) and leaves every string at its
 * original offset in that copy, which is how spans are found. The parsed document lives only inside
 * of chat_parse().
 */
#include "chat.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

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
    char *text;
    size_t n;
};

static int turn_append(struct turn *turn, const char *text, size_t n)
{
    size_t gap = turn->n > 0 ? 1 : 0;
    char *grown = realloc(turn->text, turn->n + gap + n + 1);
    if (!grown)
        return -1;
    if (gap)
        grown[turn->n] = '\n';
    memcpy(grown + turn->n + gap, text, n);
    turn->text = grown;
    turn->n += gap + n;
    grown[turn->n] = '\0';
    return 0;
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

static int fail_part(struct reader *r, const struct chat_image *at, const char *field,
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

static int fail_part_twice(struct reader *r, const struct chat_image *at, const char *of,
                           const char *name)
{
    char field[32];
    snprintf(field, sizeof(field), "%s.%s", of, name);
    return fail_part(r, at, field, "appears twice");
}

static int read_image(struct reader *r, yyjson_val *part, struct chat_image at)
{
    static const char *const names[4] = {"url"};
    struct chat *chat = r->chat;
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
    if (chat->n_images == r->limits->max_images) {
        http_fail(r->error, 413, "too_many_images", "The request has more than %zu images.",
                  r->limits->max_images);
        return http_fail_at(r->error, "messages[%u].content[%u]", at.message, at.index);
    }
    at.part = object_span(r, part);
    at.url = string_span(r, url);
    chat->images[chat->n_images++] = at;
    return 0;
}

static int read_part(struct reader *r, yyjson_val *part, struct chat_image at, struct turn *turn)
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

/* Where the parts of a message are, if an image stands behind another part. */
static int note_parts(struct reader *r, yyjson_val *parts, unsigned message, size_t first_image)
{
    struct chat *chat = r->chat;
    const size_t n_images = chat->n_images - first_image;
    const size_t n = yyjson_arr_size(parts);
    if (n_images == 0 || chat->images[chat->n_images - 1].index == n_images - 1)
        return 0;
    struct chat_part *grown = realloc(chat->parts, (chat->n_parts + n) * sizeof(*grown));
    if (!grown)
        return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    chat->parts = grown;
    size_t i, count, image = first_image;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, count, part)
    {
        struct chat_part *noted = &chat->parts[chat->n_parts++];
        *noted = (struct chat_part){.message = message};
        if (image < chat->n_images && chat->images[image].index == i) {
            noted->is_image = true;
            noted->image = image++;
            noted->span = chat->images[noted->image].part;
            chat->images[noted->image].is_listed = true;
        } else {
            noted->span = object_span(r, part);
        }
    }
    return 0;
}

static int read_parts(struct reader *r, yyjson_val *parts, unsigned message, struct turn *turn)
{
    const size_t first_image = r->chat->n_images;
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, n, part)
    {
        struct chat_image at = {.message = message, .index = (unsigned)i};
        if (read_part(r, part, at, turn))
            return -1;
    }
    return note_parts(r, parts, message, first_image);
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
        free(turn->text);
        *turn = (struct turn){0};
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
    struct turn turn = {0};
    size_t i, n;
    yyjson_val *message;
    int result = 0;
    yyjson_arr_foreach(messages, i, n, message)
    {
        result = read_message(r, message, (unsigned)i, &turn);
        if (result)
            break;
    }
    if (!result && !turn.text && turn_append(&turn, "", 0))
        result = http_fail(r->error, 503, "out_of_memory", "Out of memory.");
    if (result) {
        free(turn.text);
        return -1;
    }
    r->chat->text_last_turn = turn.features;
    r->chat->last_turn = turn.text;
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
    *chat = (struct chat){0};
}

char *chat_image_url(const struct chat *chat, size_t i)
{
    const struct span *span = &chat->images[i].url;
    /* With its quotes it is a JSON document. */
    yyjson_doc *doc = yyjson_read((const char *)chat->body.p + span->begin - 1,
                                  span->end - span->begin + 2, YYJSON_READ_NOFLAG);
    const char *url = yyjson_get_str(yyjson_doc_get_root(doc));
    char *copy = url ? strdup(url) : NULL;
    yyjson_doc_free(doc);
    return copy;
}

void chat_image_name(const struct chat *chat, size_t i, char *ret_name, size_t n)
{
    snprintf(ret_name, n, "messages[%u].content[%u].image_url", chat->images[i].message,
             chat->images[i].index);
}

/* ---- writing ---- */

static int body_init(struct chat_body *body, size_t max_segments, size_t max_owned)
{
    *body = (struct chat_body){0};
    body->segments = calloc(max_segments, sizeof(*body->segments));
    body->owned = calloc(max_owned, sizeof(*body->owned));
    return body->segments && body->owned ? 0 : -1;
}

static void body_add(struct chat_body *body, const char *p, size_t n)
{
    if (n == 0)
        return;
    body->segments[body->n_segments++] = (struct moa_bytes){p, n};
    body->total_bytes += n;
}

/* Takes ownership of `text`; NULL is "out of memory". */
static int body_add_owned(struct chat_body *body, char *text)
{
    if (!text)
        return -1;
    body->owned[body->n_owned++] = text;
    body_add(body, text, strlen(text));
    return 0;
}

void chat_body_done(struct chat_body *body)
{
    for (size_t i = 0; i < body->n_owned; i++)
        free(body->owned[i]);
    free(body->owned);
    free(body->segments);
    *body = (struct chat_body){0};
}

/* `text` as a JSON string with its quotes. */
static char *json_quote(const char *text)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, text));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    yyjson_mut_doc_free(doc);
    return json;
}

__attribute__((format(printf, 1, 2))) static char *print(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

static char *text_part(const char *text)
{
    char *quoted = json_quote(text);
    char *part = quoted ? print("{\"type\":\"text\",\"text\":%s}", quoted) : NULL;
    free(quoted);
    return part;
}

/* What comes into the place of a span of the body. */
struct edit {
    struct span span;
    const char *model; /* or NULL: the part below */
    bool insert_key;
    struct span part; /* itself a span of the body */
    bool is_image;
    size_t image;
};

#define SEGMENTS_PER_EDIT 4 /* what stands before it, and at most three of its own */

static int by_position(const void *a, const void *b)
{
    size_t x = ((const struct edit *)a)->span.begin, y = ((const struct edit *)b)->span.begin;
    return (x > y) - (x < y);
}

static char *model_text(const struct edit *edit)
{
    char *quoted = json_quote(edit->model);
    if (!quoted || !edit->insert_key)
        return quoted;
    char *member = print("\"model\":%s,", quoted);
    free(quoted);
    return member;
}

static struct edit model_edit(const struct chat *chat, const char *model)
{
    if (chat->model.end > 0)
        return (struct edit){.span = chat->model, .model = model};
    const char *brace = memchr(chat->body.p, '{', chat->body.n);
    size_t at = (size_t)(brace - (const char *)chat->body.p) + 1;
    return (struct edit){.span = {at, at}, .model = model, .insert_key = true};
}

static bool is_edited(const struct chat_edits *edits, size_t image)
{
    return (edits->evidence && edits->evidence[image]) || (edits->urls && edits->urls[image].p);
}

/* Puts the parts of a message, of which there are `n`, into each other's places, the commas and
 * blanks between them staying where they are: first the images, then the others. */
static size_t reorder(const struct chat_part *parts, size_t n, struct edit *list)
{
    size_t place = 0;
    for (int images = 1; images >= 0; images--) {
        for (size_t i = 0; i < n; i++) {
            if (parts[i].is_image != (images == 1))
                continue;
            list[place] = (struct edit){.span = parts[place].span,
                                        .part = parts[i].span,
                                        .is_image = parts[i].is_image,
                                        .image = parts[i].image};
            place++;
        }
    }
    return n;
}

static size_t collect_edits(const struct chat *chat, const struct chat_edits *edits,
                            struct edit *list)
{
    size_t n = 0;
    if (edits->model[0])
        list[n++] = model_edit(chat, edits->model);
    for (size_t i = 0; i < chat->n_images; i++) {
        const struct chat_image *image = &chat->images[i];
        if (is_edited(edits, i) && !(edits->images_first && image->is_listed))
            list[n++] = (struct edit){
                .span = image->part, .part = image->part, .is_image = true, .image = i};
    }
    for (size_t i = 0, end; edits->images_first && i < chat->n_parts; i = end) {
        for (end = i; end < chat->n_parts && chat->parts[end].message == chat->parts[i].message;)
            end++;
        n += reorder(chat->parts + i, end - i, list + n);
    }
    qsort(list, n, sizeof(*list), by_position);
    return n;
}

static void body_add_span(struct chat_body *body, const struct chat *chat, size_t begin, size_t end)
{
    body_add(body, (const char *)chat->body.p + begin, end - begin);
}

/* An image part with `url`, if it is one, in the place of its own. */
static void body_add_image(struct chat_body *body, const struct chat *chat, size_t i,
                           struct moa_bytes url)
{
    const struct chat_image *image = &chat->images[i];
    if (!url.p) {
        body_add_span(body, chat, image->part.begin, image->part.end);
        return;
    }
    body_add_span(body, chat, image->part.begin, image->url.begin);
    body_add(body, url.p, url.n);
    body_add_span(body, chat, image->url.end, image->part.end);
}

static int body_add_edit(struct chat_body *body, const struct chat *chat,
                         const struct chat_edits *edits, const struct edit *edit)
{
    if (edit->model)
        return body_add_owned(body, model_text(edit));
    if (edit->is_image && edits->evidence && edits->evidence[edit->image])
        return body_add_owned(body, text_part(edits->evidence[edit->image]));
    if (edit->is_image && edits->urls)
        body_add_image(body, chat, edit->image, edits->urls[edit->image]);
    else
        body_add_span(body, chat, edit->part.begin, edit->part.end);
    return 0;
}

int chat_render(const struct chat *chat, const struct chat_edits *edits, struct chat_body *ret_body)
{
    const size_t most = 1 + chat->n_images + (edits->images_first ? chat->n_parts : 0);
    struct edit *list = calloc(most, sizeof(*list));
    if (!list)
        return -1;
    const size_t n = collect_edits(chat, edits, list);
    struct chat_body body;
    int result = body_init(&body, SEGMENTS_PER_EDIT * n + 1, n + 1);
    size_t at = 0;
    for (size_t i = 0; i < n && !result; i++) {
        body_add_span(&body, chat, at, list[i].span.begin);
        result = body_add_edit(&body, chat, edits, &list[i]);
        at = list[i].span.end;
    }
    free(list);
    if (result) {
        chat_body_done(&body);
        return -1;
    }
    body_add_span(&body, chat, at, chat->body.n);
    *ret_body = body;
    return 0;
}

int chat_render_perception(const struct chat *chat, size_t i, struct moa_bytes url,
                           const char *model, const char *prompt, unsigned max_tokens,
                           struct chat_body *ret_body)
{
    struct chat_body body;
    if (body_init(&body, 5, 2))
        goto out_of_memory;
    char *quoted = json_quote(model);
    char *head = quoted ? print("{\"model\":%s,\"max_tokens\":%u,\"temperature\":0,"
                                "\"messages\":[{\"role\":\"user\",\"content\":[",
                                quoted, max_tokens)
                        : NULL;
    free(quoted);
    if (body_add_owned(&body, head))
        goto out_of_memory;
    body_add_image(&body, chat, i, url);
    char *text = text_part(prompt);
    char *tail = text ? print(",%s]}]}", text) : NULL;
    free(text);
    if (body_add_owned(&body, tail))
        goto out_of_memory;
    *ret_body = body;
    return 0;

out_of_memory:
    chat_body_done(&body);
    return -1;
}

/* ---- templates and answers ---- */

/* The entry of `names` that stands in braces at `at`, or n. */
static size_t name_at(const char *at, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        if (at[0] == '{' && strncmp(at + 1, names[i], length) == 0 && at[1 + length] == '}')
            return i;
    }
    return n;
}

char *chat_fill(const char *pattern, const char *const *names, const char *const *values, size_t n)
{
    char *text = NULL;
    size_t room = 0;
    FILE *out = open_memstream(&text, &room);
    if (!out)
        return NULL;
    for (const char *c = pattern; *c;) {
        size_t i = name_at(c, names, n);
        if (i == n) {
            fputc(*c++, out);
        } else {
            fputs(values[i], out);
            c += strlen(names[i]) + 2;
        }
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

char *chat_completion_text(struct moa_bytes completion)
{
    yyjson_doc *doc = yyjson_read(completion.p, completion.n, YYJSON_READ_NOFLAG);
    yyjson_val *content = yyjson_ptr_get(yyjson_doc_get_root(doc), "/choices/0/message/content");
    const char *text = yyjson_get_str(content);
    char *copy = text && text[0] ? strdup(text) : NULL;
    yyjson_doc_free(doc);
    return copy;
}
