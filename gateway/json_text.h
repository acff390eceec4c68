/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON body and where in it its values stand. yyjson parses a copy of the body without its
 * pictures' bulk (skim.h) and leaves every string at its original offset in that copy, which is how
 * spans are found. Pure.
 */
#ifndef MOA_GATEWAY_JSON_TEXT_H
#define MOA_GATEWAY_JSON_TEXT_H

#include <stdbool.h>

#include <moaoff/base.h>
#include <yyjson.h>

#include "error.h"
#include "skim.h"
#include "span.h"

struct json_text {
    struct moa_bytes body; /* borrowed, without a byte order mark */
    struct skim skim;
    const char *copy; /* yyjson's of the skim; string offsets in it are offsets in the skim */
    struct yyjson_doc *doc;
};

/** Parses `body`, which must outlive the text. Returns 0, or -1 with `ret_error`, which names the
 * byte at fault, or 1 if there are more than `most` bytes to parse (0: any number), and none is;
 * json_text_done() may be called in any case. */
int json_text_read(struct moa_bytes body, struct skim_way way, size_t most,
                   struct json_text *ret_text, struct http_error *ret_error);
void json_text_done(struct json_text *text);

/** What stands between the quotes of a string. */
struct span json_string_span(const struct json_text *text, struct yyjson_val *string);
/** The value of a string, however long it is; without its bulk if that stands elsewhere. */
struct moa_bytes json_string_value(const struct json_text *text, struct yyjson_val *string);
/** An object that is not empty, braces included. */
struct span json_object_span(const struct json_text *text, struct yyjson_val *object);
/** The value of an object's member whose key is `key`: null, true, false or a number. */
struct span json_word_span(const struct json_text *text, struct yyjson_val *key);

/** Whether the key of a member is `name`; most differ in the first letter. */
static inline bool json_is(yyjson_val *key, const char *name)
{
    return yyjson_get_str(key)[0] == name[0] && yyjson_equals_str(key, name);
}

#define JSON_NAMES_MAX 8

/** A key that appears twice could mean one thing to the gateway and another to the engine. The
 * first of at most JSON_NAMES_MAX names, NULL behind the last, that does; or NULL. */
const char *json_find_twice(struct yyjson_val *object, const char *const *names);

#endif
