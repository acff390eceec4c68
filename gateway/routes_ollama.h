/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients of Ollama ask before they chat: which models there are, what one is and can, which
 * version this is, what is loaded.
 */
#ifndef MOA_GATEWAY_ROUTES_OLLAMA_H
#define MOA_GATEWAY_ROUTES_OLLAMA_H

#include "server.h"

#define ROUTES_OLLAMA_BYTES_MAX 4096 /* of a body */

/** GET /api/tags. `arg` is the struct gateway; the same below. */
void routes_ollama_tags(struct server_request *request, void *arg);
/** POST /api/show. */
void routes_ollama_show(struct server_request *request, void *arg);
/** GET /api/version. */
void routes_ollama_version(struct server_request *request, void *arg);
/** GET /api/ps. */
void routes_ollama_ps(struct server_request *request, void *arg);

#endif
