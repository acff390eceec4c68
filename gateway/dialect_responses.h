/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI's Responses, without what a server keeps: dialect_responses.c reads its bodies,
 * dialect_responses_put.c the items in them, dialect_responses_said.c says answers and errors in
 * it, dialect_responses_heard.c reads what engines answer in it.
 */
#ifndef MOA_GATEWAY_DIALECT_RESPONSES_H
#define MOA_GATEWAY_DIALECT_RESPONSES_H

#include "dialect_reader.h"
#include "sse.h"

/** The body as a chat completion; see struct dialect. */
int responses_read(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                   struct http_error *ret_error);

extern const struct answer_form answer_form_responses;

/** `"messages":[...]`. Both as they stand in the body; `instructions` is a string or NULL. */
int responses_put(struct reader *r, struct yyjson_val *instructions, struct yyjson_val *input);

#endif
