/* SPDX-License-Identifier: Apache-2.0
 *
 * In which dialects an engine can be asked besides chat completions, which all of them speak: as
 * the configuration names them, and as engines show it. Pure; an answer may be anything.
 */
#ifndef MOA_GATEWAY_SPEAKS_H
#define MOA_GATEWAY_SPEAKS_H

#include <stdbool.h>

#include <moaoff/base.h>

/** A set of them. */
#define SPEAKS_MESSAGES (1u << 0)  /* Anthropic's */
#define SPEAKS_RESPONSES (1u << 1) /* OpenAI's, the other one */
#define SPEAKS_KINDS 2
#define SPEAKS_AUTO (1u << 31) /* whatever the engine shows */

/** Why a list is refused. */
#define SPEAKS_FORM "must be auto, or a list of chat, messages and responses with commas"

/** Reads "auto" or "chat, messages". Returns 0, or -1 if it is neither. */
int speaks_parse(const char *list, unsigned *ret_speaks);

/** "messages", "responses": of the bit 1 << `i`, */
const char *speaks_name(unsigned i);
/** and its path below an engine's base URL: "/messages". */
const char *speaks_path(unsigned i);

/** The header that holds a key there as well as the bearer token; NULL: there is none. A key that
 * Anthropic has made goes in that header alone: as a bearer token it is refused. */
const char *speaks_key_header(unsigned i);
bool speaks_bearer(unsigned i, const char *key);

/** What an engine is sent there to see whether it knows the path: a body that asks for nothing. */
#define SPEAKS_QUESTION "{}"

/**
 * Whether an engine that answers so to the question speaks it as clients expect. llama-server has
 * both paths; but events of its Responses are without `output_index` and `sequence_number`, on
 * which clients of OpenAI's stand, and what tells it from engines that are whole is that its errors
 * are without `param`.
 */
bool speaks_shown(unsigned i, int status, struct moa_bytes body);

#endif
