/* SPDX-License-Identifier: Apache-2.0
 *
 * The routes that say what there is to be asked: the models, and what the tiers behind them take.
 */
#ifndef MOA_GATEWAY_ROUTES_MODELS_H
#define MOA_GATEWAY_ROUTES_MODELS_H

#include "server.h"

/** GET /v1/models. `arg` is the struct gateway; the same below. */
void routes_models(struct server_request *request, void *arg);
/** GET /v1/models/ID, where ID may have its slash escaped. */
void routes_model(struct server_request *request, void *arg);
/** GET /props, as llama-server has it. */
void routes_props(struct server_request *request, void *arg);

#endif
