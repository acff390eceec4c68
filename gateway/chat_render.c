/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies for engines: the client's with its edits, and those that ask for an image alone; see
 * chat.h.
 */
#include "chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

/* ---- segments ---- */

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

static char *text_part(const struct chat_spelling *spelling, const char *text)
{
    static const char chats[] = "{\"type\":\"text\",\"text\":";
    char *quoted = json_quote(text);
    char *part = quoted ? print("%s%s}", spelling ? spelling->text : chats, quoted) : NULL;
    free(quoted);
    return part;
}

/* What comes into the place of a span of the body. */
struct edit {
    struct span span;
    const char *model;   /* or NULL: */
    const char *options; /* or NULL: */
    const char *member;  /* literal text, or NULL: what is below */
    bool insert_key;
    struct span from; /* itself a span of the body */
    bool is_part;
    size_t part;
};

#define SEGMENTS_PER_EDIT 8 /* what stands before it, and at most seven of its own */

static int by_position(const void *a, const void *b)
{
    size_t x = ((const struct edit *)a)->span.begin, y = ((const struct edit *)b)->span.begin;
    return (x > y) - (x < y);
}

static char *member_text(const struct edit *edit)
{
    if (edit->member)
        return strdup(edit->member);
    if (edit->options)
        return edit->insert_key ? print("\"stream_options\":%s,", edit->options)
                                : strdup(edit->options);
    char *quoted = json_quote(edit->model);
    if (!quoted || !edit->insert_key)
        return quoted;
    char *member = print("\"model\":%s,", quoted);
    free(quoted);
    return member;
}

/* `edit` in the place of `value`, a member of the body; if it is absent, as its first one. */
static struct edit member_edit(const struct chat *chat, struct span value, struct edit edit)
{
    edit.span = value;
    if (value.end > 0)
        return edit;
    const char *brace = memchr(chat->body.p, '{', chat->body.n);
    size_t at = (size_t)(brace - (const char *)chat->body.p) + 1;
    edit.span = (struct span){at, at};
    edit.insert_key = true;
    return edit;
}

static bool is_edited(const struct chat_edits *edits, size_t part)
{
    return (edits->evidence && edits->evidence[part]) || (edits->urls && edits->urls[part].p);
}

static bool is_image(const struct chat *chat, const struct chat_place *place)
{
    return place->is_part && chat->parts[place->part].kind == MOA_IMAGE;
}

/* Puts the parts of a message, of which there are `n`, into each other's places, the commas and
 * blanks between them staying where they are: first the images, then the others. */
static size_t reorder(const struct chat *chat, const struct chat_place *places, size_t n,
                      struct edit *list)
{
    size_t place = 0;
    for (int images = 1; images >= 0; images--) {
        for (size_t i = 0; i < n; i++) {
            if (is_image(chat, &places[i]) != (images == 1))
                continue;
            list[place] = (struct edit){.span = places[place].span,
                                        .from = places[i].span,
                                        .is_part = places[i].is_part,
                                        .part = places[i].part};
            place++;
        }
    }
    return n;
}

/* A client that does not ask may still say so, and may have named how many. */
static size_t ask_logprobs(const struct chat *chat, const struct chat_edits *edits,
                           struct edit *list)
{
    size_t n = 0;
    const bool is_said = chat->logprobs.end > 0 && !edits->by_n_probs;
    if (is_said)
        list[n++] = (struct edit){.span = chat->logprobs, .member = "true"};
    const char *member = edits->by_n_probs         ? "\"n_probs\":5,"
                         : is_said                 ? "\"top_logprobs\":5,"
                         : !chat->has_top_logprobs ? "\"logprobs\":true,\"top_logprobs\":5,"
                                                   : "\"logprobs\":true,";
    if (!is_said || !chat->has_top_logprobs)
        list[n++] = member_edit(chat, (struct span){0, 0}, (struct edit){.member = member});
    return n;
}

static struct edit cold_edit(const struct chat *chat)
{
    if (chat->temperature.end > 0)
        return (struct edit){.span = chat->temperature, .member = "0"};
    return member_edit(chat, (struct span){0, 0}, (struct edit){.member = "\"temperature\":0,"});
}

static size_t collect_edits(const struct chat *chat, const struct chat_edits *edits,
                            struct edit *list)
{
    size_t n = 0;
    if (edits->model[0])
        list[n++] = member_edit(chat, chat->model, (struct edit){.model = edits->model});
    if (edits->ask_usage && chat->usage_options)
        list[n++] =
            member_edit(chat, chat->stream_options, (struct edit){.options = chat->usage_options});
    if (edits->ask_logprobs && !chat->asks_logprobs)
        n += ask_logprobs(chat, edits, list + n);
    if (edits->cold && (chat->temperature.end > 0 || !chat->has_temperature))
        list[n++] = cold_edit(chat);
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct chat_part *part = &chat->parts[i];
        if (is_edited(edits, i) && !(edits->images_first && part->is_placed))
            list[n++] =
                (struct edit){.span = part->span, .from = part->span, .is_part = true, .part = i};
    }
    for (size_t i = 0, end; edits->images_first && i < chat->n_places; i = end) {
        for (end = i; end < chat->n_places && chat->places[end].message == chat->places[i].message;)
            end++;
        n += reorder(chat, chat->places + i, end - i, list + n);
    }
    qsort(list, n, sizeof(*list), by_position);
    return n;
}

/* The first fix that does not stand before `at`. */
static size_t first_fix(const struct chat *chat, size_t at)
{
    size_t low = 0, high = chat->n_fixes;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (chat->fixes[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void body_add_bytes(struct chat_body *body, const struct chat *chat, size_t begin,
                           size_t end)
{
    while (begin < end) {
        const struct moa_bytes piece = chat_piece(chat, begin, end);
        body_add(body, piece.p, piece.n);
        begin += piece.n;
    }
}

/* A span of the body, corrected. */
static void body_add_span(struct chat_body *body, const struct chat *chat, size_t begin, size_t end)
{
    for (size_t i = first_fix(chat, begin); i < chat->n_fixes && chat->fixes[i].at < end; i++) {
        const struct chat_fix *fix = &chat->fixes[i];
        body_add_bytes(body, chat, begin, fix->at);
        body_add(body, fix->text, strlen(fix->text));
        begin = fix->at;
    }
    body_add_bytes(body, chat, begin, end);
}

static void body_put(struct chat_body *body, const char *text)
{
    body_add(body, text, strlen(text));
}

/* "data:image/png;base64,..." as {"type":"base64","media_type":"image/png","data":"..."}. */
static void body_add_source(struct chat_body *body, struct moa_bytes url)
{
    static const char scheme[] = "data:", coding[] = ";base64,";
    const char *p = url.p, *type = p + sizeof(scheme) - 1;
    const bool is_data = url.n > sizeof(scheme) && memcmp(p, scheme, sizeof(scheme) - 1) == 0;
    const char *end = is_data ? memmem(p, url.n, coding, sizeof(coding) - 1) : NULL;
    if (!end) {
        body_put(body, "{\"type\":\"url\",\"url\":\"");
        body_add(body, p, url.n);
    } else {
        const char *data = end + sizeof(coding) - 1;
        body_put(body, "{\"type\":\"base64\",\"media_type\":\"");
        body_add(body, type, (size_t)(end - type));
        body_put(body, "\",\"data\":\"");
        body_add(body, data, url.n - (size_t)(data - p));
    }
    body_put(body, "\"}");
}

/* A part with `url`, if it is one, in the place of its own. */
static void body_add_part(struct chat_body *body, const struct chat *chat, size_t i,
                          struct moa_bytes url)
{
    const struct chat_part *part = &chat->parts[i];
    if (!url.p || !part->has_data) {
        body_add_span(body, chat, part->span.begin, part->span.end);
        return;
    }
    body_add_span(body, chat, part->span.begin, part->data.begin);
    if (chat->spelling && chat->spelling->has_sources)
        body_add_source(body, url);
    else
        body_add(body, url.p, url.n);
    body_add_span(body, chat, part->data.end, part->span.end);
}

static int body_add_edit(struct chat_body *body, const struct chat *chat,
                         const struct chat_edits *edits, const struct edit *edit)
{
    if (edit->model || edit->options || edit->member)
        return body_add_owned(body, member_text(edit));
    if (edit->is_part && edits->evidence && edits->evidence[edit->part])
        return body_add_owned(body, text_part(chat->spelling, edits->evidence[edit->part]));
    if (edit->is_part && edits->urls)
        body_add_part(body, chat, edit->part, edits->urls[edit->part]);
    else
        body_add_span(body, chat, edit->from.begin, edit->from.end);
    return 0;
}

/* How many segments more there are because of what is not as it came, or not where it came. */
static size_t splits_of(const struct chat *chat)
{
    return 2 * (chat->n_fixes + chat->n_cuts);
}

int chat_render(const struct chat *chat, const struct chat_edits *edits, struct chat_body *ret_body)
{
    const size_t most = 5 + chat->n_parts + (edits->images_first ? chat->n_places : 0);
    struct edit *list = calloc(most, sizeof(*list));
    if (!list)
        return -1;
    const size_t n = collect_edits(chat, edits, list);
    struct chat_body body;
    int result = body_init(&body, SEGMENTS_PER_EDIT * n + 1 + splits_of(chat), n + 1);
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
    body_add_span(&body, chat, at, (size_t)chat_size(chat));
    /* Whatever is not a part of a known kind counts as text. */
    body.has_pinned = pins_has(chat->pins, MOA_TEXT);
    for (size_t i = 0; i < chat->n_parts && !body.has_pinned; i++)
        body.has_pinned =
            pins_has(chat->pins, chat->parts[i].kind) && !(edits->evidence && edits->evidence[i]);
    *ret_body = body;
    return 0;
}

/* The same chat, standing on another body. */
int chat_render_origin(const struct chat *chat, struct moa_bytes body, struct span model,
                       const struct chat_spelling *spelling, const struct chat_edits *edits,
                       struct chat_body *ret_body)
{
    struct chat_part *parts = calloc(chat->n_parts + 1, sizeof(*parts));
    if (!parts)
        return -1;
    for (size_t i = 0; i < chat->n_parts; i++) {
        parts[i] = chat->parts[i];
        parts[i].span = chat->origins[i].span;
        parts[i].data = chat->origins[i].data;
        parts[i].is_placed = false;
    }
    const struct chat origin = {.body = body,
                                .model = model,
                                .n_parts = chat->n_parts,
                                .parts = parts,
                                .pins = chat->pins,
                                .spelling = spelling};
    const struct chat_edits here = {
        .model = edits->model, .evidence = edits->evidence, .urls = edits->urls};
    const int result = chat_render(&origin, &here, ret_body);
    free(parts);
    return result;
}

/* Those of `extra`, a JSON object or "", win over those that are there. */
static void put_extra(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *extra)
{
    yyjson_doc *more = extra[0] ? yyjson_read(extra, strlen(extra), YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *members = yyjson_doc_get_root(more);
    size_t i, n;
    yyjson_val *key, *value;
    if (!members) /* yyjson_obj_foreach() adds to NULL */
        return;
    yyjson_obj_foreach(members, i, n, key, value)
    {
        if (!yyjson_equals_str(key, "messages"))
            yyjson_mut_obj_put(root, yyjson_val_mut_copy(doc, key),
                               yyjson_val_mut_copy(doc, value));
    }
    yyjson_doc_free(more);
}

/* The members of a request of our own as a JSON object. */
static char *members_of(const char *model, unsigned max_tokens, const char *extra)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    char *text = NULL;
    if (root) {
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_str(doc, root, "model", model);
        yyjson_mut_obj_add_uint(doc, root, "max_tokens", max_tokens);
        yyjson_mut_obj_add_int(doc, root, "temperature", 0);
        put_extra(doc, root, extra);
        text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    }
    yyjson_mut_doc_free(doc);
    return text;
}

int chat_render_perception(const struct chat *chat, size_t i, struct moa_bytes url,
                           const char *model, const char *prompt, unsigned max_tokens,
                           const char *extra, struct chat_body *ret_body)
{
    struct chat_body body;
    if (body_init(&body, 5 + splits_of(chat), 2))
        goto out_of_memory;
    char *members = members_of(model, max_tokens, extra);
    size_t n = members ? strlen(members) : 1;
    char *head =
        members ? print("%.*s,\"messages\":[{\"role\":\"user\",\"content\":[", (int)n - 1, members)
                : NULL;
    free(members);
    if (body_add_owned(&body, head))
        goto out_of_memory;
    body_add_part(&body, chat, i, url);
    char *text = text_part(NULL, prompt);
    char *tail = text ? print(",%s]}]}", text) : NULL;
    free(text);
    if (body_add_owned(&body, tail))
        goto out_of_memory;
    body.has_pinned = pins_has(chat->pins, chat->parts[i].kind);
    *ret_body = body;
    return 0;

out_of_memory:
    chat_body_done(&body);
    return -1;
}

int chat_render_prompt(const char *model, const char *prompt, unsigned max_tokens,
                       const char *extra, struct chat_body *ret_body)
{
    struct chat_body body;
    if (body_init(&body, 1, 1))
        goto out_of_memory;
    char *members = members_of(model, max_tokens, extra), *quoted = json_quote(prompt);
    char *text = members && quoted
                     ? print("%.*s,\"messages\":[{\"role\":\"user\",\"content\":%s}]}",
                             (int)strlen(members) - 1, members, quoted)
                     : NULL;
    free(members);
    free(quoted);
    if (body_add_owned(&body, text))
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

/* What follows on thoughts that an engine writes into its answer; NULL if it has not come to an end
 * with them. */
static const char *behind_thoughts(const char *text)
{
    static const char opening[] = "<think>", closing[] = "</think>";
    text += strspn(text, " \t\r\n");
    if (strncmp(text, opening, sizeof(opening) - 1) != 0)
        return text;
    text = strstr(text, closing);
    if (!text)
        return NULL;
    text += sizeof(closing) - 1;
    return text + strspn(text, " \t\r\n");
}

char *chat_completion_text(struct moa_bytes completion)
{
    yyjson_doc *doc = yyjson_read(completion.p, completion.n, YYJSON_READ_NOFLAG);
    yyjson_val *choice = yyjson_ptr_get(yyjson_doc_get_root(doc), "/choices/0");
    const char *text = yyjson_get_str(yyjson_ptr_get(choice, "/message/content"));
    const bool is_cut = yyjson_equals_str(yyjson_obj_get(choice, "finish_reason"), "length");
    text = text && !is_cut ? behind_thoughts(text) : NULL;
    char *copy = text && text[0] ? strdup(text) : NULL;
    yyjson_doc_free(doc);
    return copy;
}
