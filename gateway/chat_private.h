/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a chat, for the files that do: chat.c reads the body and its messages, chat_part.c their
 * content parts, chat_asked.c hashes what a model gets to read.
 */
#ifndef MOA_GATEWAY_CHAT_PRIVATE_H
#define MOA_GATEWAY_CHAT_PRIVATE_H

#define XXH_STATIC_LINKING_ONLY /* its state in a reader */
#include <xxhash.h>
#include <yyjson.h>

#include "buffer.h"
#include "chat.h"
#include "json_text.h"

struct chat_reader {
    struct json_text text;
    const struct chat_limits *limits;
    struct chat *chat;
    struct http_error *error;
    size_t text_bytes;
    size_t n_asked;  /* of the chat's parts: the user's words about them are known */
    size_t new_from; /* those from here on came after the last answer */
    XXH3_state_t asked;
};

/* Where the text of the last user turn is gathered while messages are read in order. */
struct chat_turn {
    struct moa_text_features features;
    struct buffer text;
};

/* ---- chat_asked.c ---- */

/* In this order: first, then each thing that a model reads in the order of the body, last. */
void chat_asked_begin(struct chat_reader *r);
/* A text, or a word that keeps two things apart. */
void chat_asked_text(struct chat_reader *r, struct moa_bytes text);
void chat_asked_word(struct chat_reader *r, const char *word);
/* All members of an object but `except`. */
int chat_asked_members(struct chat_reader *r, yyjson_val *object, const char *except);
/* Beside the messages. */
int chat_asked_end(struct chat_reader *r, yyjson_val *root);

/* ---- chat.c ---- */

/* Room for one more at the end of a list of `n`: at most twice what is needed, so that a list of
 * any length costs the same for each of its entries. NULL if out of memory. */
void *chat_room(void *list, size_t n, size_t *room, size_t size);

/* A text of the chat; `turn` (NULL: none) gathers it. */
int chat_read_text(struct chat_reader *r, yyjson_val *string, struct chat_turn *turn);
int chat_fail_memory(struct chat_reader *r);
/* Names `part`, the `i`-th of the chat, as the client knows it. */
int chat_fail_at_part(struct chat_reader *r, const struct chat_part *part, size_t i);

/* ---- chat_part.c ---- */

int chat_read_parts(struct chat_reader *r, yyjson_val *parts, unsigned message,
                    struct chat_turn *turn);

#endif
