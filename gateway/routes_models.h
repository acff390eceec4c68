/* SPDX-License-Identifier: Apache-2.0
 *
 * The routes that say what there is to be asked: the models, and what the tiers behind them take.
 */
#ifndef MOA_GATEWAY_ROUTES_MODELS_H
#define MOA_GATEWAY_ROUTES_MODELS_H

#include "probe.h"
#include "server.h"

struct gateway;
struct yyjson_mut_doc;

/** GET /v1/models. `arg` is the struct gateway; the same below. */
void routes_models(struct server_request *request, void *arg);
/** GET /v1/models/ID, where ID may have its slash escaped. */
void routes_model(struct server_request *request, void *arg);
/** GET /props, as llama-server has it. */
void routes_props(struct server_request *request, void *arg);

/* ---- for those that say it in another form ---- */

/** Whether there is a model of this name. */
bool routes_models_has(const char *id);
/** Whether the model "moaoff/POLICY" is one to show. */
bool routes_models_lists(const struct gateway *g, const char *policy);
/** What a model takes. */
struct probe_takes routes_models_takes(const struct gateway *g, const char *id);
/** Answers with `doc` and frees it. NULL: out of memory. */
void routes_models_reply(struct server_request *request, struct yyjson_mut_doc *doc);

#endif
