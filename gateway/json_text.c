/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in a body a value stands; see json_text.h. From a string its object is found.
 */
#include "json_text.h"

#include <assert.h>
#include <string.h>

#include <yyjson.h>

/* yyjson copies what it reads: without YYJSON_READ_INSITU the input is not written to. */
static yyjson_doc *read_json(const struct skim *skim, size_t n_skipped, struct http_error *error)
{
    yyjson_read_err err;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)skim->json.p, skim->json.n,
                                       YYJSON_READ_NOFLAG, NULL, &err);
    if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        http_fail(error, 503, "out_of_memory", "Out of memory.");
    else if (!doc)
        http_fail(error, 400, "invalid_json", "The body is not valid JSON: %s at byte %zu.",
                  err.msg, n_skipped + skim_origin(skim, err.pos));
    return doc;
}

int json_text_read(struct moa_bytes body, struct skim_way way, size_t most,
                   struct json_text *ret_text, struct http_error *ret_error)
{
    ret_text->doc = NULL;
    ret_text->skim.owned = NULL;
    /* RFC 8259, 8.1: a parser may pass over a byte order mark, which some editors and shells write.
     */
    const size_t n_mark = body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    body = (struct moa_bytes){body.n ? (const char *)body.p + n_mark : NULL, body.n - n_mark};
    if (body.n == 0)
        return http_fail(ret_error, 400, "invalid_json", "The body is empty.");
    ret_text->body = body;
    const int skimmed = skim_init(&ret_text->skim, body, way, most);
    if (skimmed < 0)
        return http_fail(ret_error, 503, "out_of_memory", "Out of memory.");
    if (skimmed > 0)
        return 1;
    ret_text->doc = read_json(&ret_text->skim, n_mark, ret_error);
    if (!ret_text->doc)
        return -1;
    ret_text->copy = ret_text->doc->str_pool;
    return 0;
}

void json_text_done(struct json_text *text)
{
    yyjson_doc_free(text->doc);
    text->doc = NULL;
    skim_done(&text->skim);
}

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

struct span json_string_span(const struct json_text *t, yyjson_val *string)
{
    const struct moa_bytes *json = &t->skim.json;
    size_t begin = (size_t)(yyjson_get_str(string) - t->copy);
    size_t end = string_end(json->p, json->n, begin);
    return (struct span){skim_origin(&t->skim, begin), skim_origin(&t->skim, end)};
}

/* A string that was cut has no escapes: its value is what stands in the body. */
struct moa_bytes json_string_value(const struct json_text *t, yyjson_val *string)
{
    const char *value = yyjson_get_str(string);
    size_t n = yyjson_get_len(string);
    size_t begin = (size_t)(value - t->copy);
    size_t from = skim_origin(&t->skim, begin), to = skim_origin(&t->skim, begin + n);
    if (to - from == n || !t->skim.owned)
        return (struct moa_bytes){value, n};
    return (struct moa_bytes){(const char *)t->body.p + from, to - from};
}

/* An object is found through its first key: only white space and a brace stand before it. */
struct span json_object_span(const struct json_text *t, yyjson_val *object)
{
    const char *json = t->skim.json.p;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val *first_key = yyjson_obj_iter_next(&iter);
    size_t begin = (size_t)(yyjson_get_str(first_key) - t->copy) - 1; /* its opening quote */
    while (json[begin] != '{')
        begin--;
    size_t end = object_end(json, t->skim.json.n, begin);
    return (struct span){skim_origin(&t->skim, begin), skim_origin(&t->skim, end)};
}

struct span json_word_span(const struct json_text *t, yyjson_val *key)
{
    const struct moa_bytes *json = &t->skim.json;
    const char *text = json->p;
    size_t at = string_end(text, json->n, (size_t)(yyjson_get_str(key) - t->copy));
    at += 1 + strspn(text + at + 1, ": \t\r\n");
    const size_t n = strcspn(text + at, ",} \t\r\n");
    return (struct span){skim_origin(&t->skim, at), skim_origin(&t->skim, at + n)};
}

const char *json_find_twice(yyjson_val *object, const char *const *names)
{
    unsigned seen[JSON_NAMES_MAX] = {0};
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        for (size_t k = 0; k < JSON_NAMES_MAX && names[k]; k++) {
            if (json_is(key, names[k]) && ++seen[k] == 2)
                return names[k];
        }
    }
    return NULL;
}
