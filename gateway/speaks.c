/* SPDX-License-Identifier: Apache-2.0
 *
 * In which dialects an engine can be asked; see speaks.h.
 */
#include "speaks.h"

#include <string.h>

#include <yyjson.h>

#include "word_list.h"

static const struct {
    const char *name, *path, *key_header;
} kinds[SPEAKS_KINDS] = {{"messages", "/messages", "x-api-key"}, {"responses", "/responses", NULL}};

const char *speaks_name(unsigned i)
{
    return kinds[i].name;
}

const char *speaks_path(unsigned i)
{
    return kinds[i].path;
}

const char *speaks_key_header(unsigned i)
{
    return kinds[i].key_header;
}

bool speaks_bearer(unsigned i, const char *key)
{
    return !kinds[i].key_header || strncmp(key, "sk-ant-", 7) != 0;
}

static bool is_word(const char *word, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(word, name, n) == 0;
}

/* False: the word is none of them. */
static bool add_word(const char *word, size_t n, unsigned *speaks)
{
    bool is_known = is_word(word, n, "chat");
    for (unsigned i = 0; i < SPEAKS_KINDS; i++) {
        if (is_word(word, n, kinds[i].name)) {
            *speaks |= 1u << i;
            is_known = true;
        }
    }
    return is_known;
}

int speaks_parse(const char *list, unsigned *ret_speaks)
{
    if (strcmp(list, "auto") != 0)
        return word_list_read(list, add_word, ret_speaks);
    *ret_speaks = SPEAKS_AUTO;
    return 0;
}

/* What engines answer to a body without anything: that something is missing, each by a status of
 * its own. */
static bool is_complaint(int status)
{
    return status == 400 || status == 422 || status == 500;
}

bool speaks_shown(unsigned i, int status, struct moa_bytes body)
{
    if (!is_complaint(status))
        return false;
    yyjson_doc *doc = yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc), *error = yyjson_obj_get(root, "error");
    const char *words = yyjson_get_str(yyjson_obj_get(error, "message"));
    bool shown;
    if (1u << i == SPEAKS_MESSAGES)
        shown = yyjson_is_obj(error) && (yyjson_equals_str(yyjson_obj_get(root, "type"), "error") ||
                                         (words && strstr(words, "messages")));
    else
        shown = status != 500 && yyjson_obj_get(error, "param") && words;
    yyjson_doc_free(doc);
    return shown;
}
