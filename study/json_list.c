/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of an array in a JSON text; see json_list.h.
 */
#include "json_list.h"

#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* Behind the string that begins at p; NULL if it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\')
            p++;
    }
    return p < end ? p + 1 : NULL;
}

/* Behind the value that begins at p; NULL if it does not end. Brackets are counted, not matched:
 * who reads the value finds out. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!p || depth == 0)
                return p;
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && depth > 0 && --depth == 0)
            return p + 1;
        else if (depth == 0 && (*p == '}' || *p == ']' || strchr(", \t\r\n", *p)))
            return p;
        p++;
    }
    return NULL;
}

/* Where the value of a member begins, with *ret_found; else where the text could not be read on. */
static const char *find_member(struct moa_bytes text, const char *key, bool *ret_found)
{
    const char *p = text.p;
    const char *end = p + text.n;
    size_t n_key = strlen(key);
    *ret_found = false;
    p = skip_space(p, end);
    if (p == end || *p != '{')
        return p;
    do {
        p = skip_space(p + 1, end); /* behind the brace or the comma */
        const char *name_end = p < end && *p == '"' ? skip_string(p, end) : NULL;
        const char *value = name_end ? skip_space(name_end, end) : end;
        if (value == end || *value != ':')
            return p;
        value = skip_space(value + 1, end);
        *ret_found = (size_t)(name_end - p) == n_key + 2 && memcmp(p + 1, key, n_key) == 0;
        if (*ret_found)
            return value;
        const char *value_end = skip_value(value, end);
        if (!value_end)
            return value;
        p = skip_space(value_end, end);
    } while (p < end && *p == ',');
    return p;
}

struct moa_bytes json_member(struct moa_bytes text, const char *key)
{
    bool found;
    const char *value = find_member(text, key, &found);
    const char *end = found ? skip_value(value, (const char *)text.p + text.n) : NULL;
    return end ? (struct moa_bytes){value, (size_t)(end - value)} : (struct moa_bytes){NULL, 0};
}

int json_list_open(struct moa_bytes text, const char *key, struct json_list *ret_list)
{
    bool found;
    const char *end = (const char *)text.p + text.n;
    *ret_list = (struct json_list){.at = find_member(text, key, &found), .end = end};
    return found && ret_list->at < end && *ret_list->at == '[' ? 0 : -1;
}

int json_list_next(struct json_list *list, struct moa_bytes *ret_element)
{
    const char *p = skip_space(list->at, list->end);
    list->at = p;
    if (p == list->end || *p != (list->begun ? ',' : '[')) {
        bool ended = list->begun && p < list->end && *p == ']';
        return ended ? 0 : -1;
    }
    p = skip_space(p + 1, list->end);
    if (!list->begun && p < list->end && *p == ']') {
        list->begun = true;
        list->at = p;
        return 0;
    }
    const char *value_end = skip_value(p, list->end);
    list->at = p;
    if (!value_end || value_end == p)
        return -1;
    *ret_element = (struct moa_bytes){p, (size_t)(value_end - p)};
    list->at = value_end;
    list->begun = true;
    return 1;
}
