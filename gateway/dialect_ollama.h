/* SPDX-License-Identifier: Apache-2.0
 *
 * Ollama's own API, /api/chat and /api/generate: dialect_ollama.c reads its bodies,
 * dialect_ollama_said.c says answers and errors in it.
 */
#ifndef MOA_GATEWAY_DIALECT_OLLAMA_H
#define MOA_GATEWAY_DIALECT_OLLAMA_H

#include "dialect_reader.h"

/** The bodies as chat completions; see struct dialect. */
int ollama_read_chat(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                     struct http_error *ret_error);
int ollama_read_generate(struct moa_bytes body, size_t max_json_bytes,
                         struct dialect_body *ret_body, struct http_error *ret_error);

#endif
