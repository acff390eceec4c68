/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash of what is asked in a chat: everything that a model gets to read, so that two requests
 * with the same hash are one question about, perhaps, different pictures. What a part that is no
 * text has in it does not count, nor how tokens are drawn, nor whether the answer is streamed. See
 * chat_private.h.
 */
#include "chat_private.h"

#include <stdlib.h>
#include <string.h>

void chat_asked_begin(struct chat_reader *r)
{
    XXH3_128bits_reset(&r->asked);
}

/* With its length, so that no two lists of texts are the same bytes. */
void chat_asked_text(struct chat_reader *r, struct moa_bytes text)
{
    const uint64_t n = text.n;
    XXH3_128bits_update(&r->asked, &n, sizeof(n));
    XXH3_128bits_update(&r->asked, text.p, text.n);
}

void chat_asked_word(struct chat_reader *r, const char *word)
{
    chat_asked_text(r, (struct moa_bytes){word, strlen(word)});
}

/* Spelt in one way, whatever white space it came with. */
static int add_value(struct chat_reader *r, yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        chat_asked_text(r, json_string_value(&r->text, value));
        return 0;
    }
    size_t n;
    char *json = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &n);
    if (!json)
        return chat_fail_memory(r);
    chat_asked_text(r, (struct moa_bytes){json, n});
    free(json);
    return 0;
}

static int add_member(struct chat_reader *r, yyjson_val *key, yyjson_val *value)
{
    chat_asked_word(r, yyjson_get_str(key));
    return add_value(r, value);
}

int chat_asked_members(struct chat_reader *r, yyjson_val *object, const char *except)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        if (!yyjson_equals_str(key, except) && add_member(r, key, value))
            return -1;
    }
    return 0;
}

/* Whether it becomes part of the prompt, or bounds the form of the answer. */
static bool is_read(yyjson_val *key)
{
    static const char *const names[] = {"tools",
                                        "tool_choice",
                                        "functions",
                                        "function_call",
                                        "response_format",
                                        "json_schema",
                                        "guided_json",
                                        "guided_choice",
                                        "guided_regex",
                                        "guided_grammar",
                                        "chat_template",
                                        "grammar",
                                        "structured_outputs",
                                        "chat_template_kwargs"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_is(key, names[i]))
            return true;
    }
    return false;
}

/* All there is, as if it stood together. */
static void add_body(struct chat_reader *r)
{
    const uint64_t n = chat_size(r->chat);
    XXH3_128bits_update(&r->asked, &n, sizeof(n));
    for (size_t at = 0; at < n;) {
        const struct moa_bytes piece = chat_piece(r->chat, at, (size_t)n);
        XXH3_128bits_update(&r->asked, piece.p, piece.n);
        at += piece.n;
    }
}

int chat_asked_end(struct chat_reader *r, yyjson_val *root)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        if (is_read(key) && add_member(r, key, value))
            return -1;
    }
    /* Files elsewhere than in parts, or what is not known: the same if all of the body is. */
    if (r->chat->is_opaque || r->text.skim.n_cuts > r->chat->n_parts)
        add_body(r);
    /* The library leaves a copy of the last 64 bytes on the stack: not of a text. */
    static const char padding[64];
    XXH3_128bits_update(&r->asked, padding, sizeof(padding));
    const XXH128_hash_t hash = XXH3_128bits_digest(&r->asked);
    r->chat->asked[0] = hash.low64;
    r->chat->asked[1] = hash.high64;
    return 0;
}
