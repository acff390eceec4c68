/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in the body of a chat a value stands; see chat_private.h. yyjson leaves every string at its
 * offset in the copy that it parsed, and from a string its object is found.
 */
#include "chat_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

struct span chat_string_span(const struct chat_reader *r, yyjson_val *string)
{
    const struct moa_bytes *json = &r->skim.json;
    size_t begin = (size_t)(yyjson_get_str(string) - r->copy);
    size_t end = string_end(json->p, json->n, begin);
    return (struct span){skim_origin(&r->skim, begin), skim_origin(&r->skim, end)};
}

/* A string that was cut has no escapes: its value is what stands in the body. */
struct moa_bytes chat_string_value(const struct chat_reader *r, yyjson_val *string)
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
struct span chat_object_span(const struct chat_reader *r, yyjson_val *object)
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

struct span chat_word_span(const struct chat_reader *r, yyjson_val *key)
{
    const struct moa_bytes *json = &r->skim.json;
    const char *text = json->p;
    size_t at = string_end(text, json->n, (size_t)(yyjson_get_str(key) - r->copy));
    at += 1 + strspn(text + at + 1, ": \t\r\n");
    const size_t n = strcspn(text + at, ",} \t\r\n");
    return (struct span){skim_origin(&r->skim, at), skim_origin(&r->skim, at + n)};
}

const char *chat_find_twice(yyjson_val *object, const char *const *names)
{
    unsigned seen[CHAT_NAMES_MAX] = {0};
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        for (size_t k = 0; k < CHAT_NAMES_MAX && names[k]; k++) {
            if (yyjson_equals_str(key, names[k]) && ++seen[k] == 2)
                return names[k];
        }
    }
    return NULL;
}

void *chat_room(void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return list;
    const size_t wanted = *room ? 2 * *room : 4;
    void *grown = realloc(list, wanted * size);
    if (grown)
        *room = wanted;
    return grown;
}
