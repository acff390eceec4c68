/* SPDX-License-Identifier: Apache-2.0
 *
 * Anthropic's Messages: dialect_messages.c reads its bodies, dialect_messages_put.c the messages in
 * them, dialect_messages_said.c says answers and errors in it, dialect_messages_heard.c reads what
 * engines answer in it.
 */
#ifndef MOA_GATEWAY_DIALECT_MESSAGES_H
#define MOA_GATEWAY_DIALECT_MESSAGES_H

#include "dialect_reader.h"
#include "sse.h"

/** The body as a chat completion; see struct dialect. */
int messages_read(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                  struct http_error *ret_error);

extern const struct answer_form answer_form_messages;

/** `"messages":[...]`. */
int messages_put(struct reader *r, struct yyjson_val *system, struct yyjson_val *messages);

#endif
