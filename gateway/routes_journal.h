/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/decisions and /v1/replay: the journal's rows, and those rows decided again. Handlers of
 * routes; `arg` is the struct gateway.
 */
#ifndef MOA_GATEWAY_ROUTES_JOURNAL_H
#define MOA_GATEWAY_ROUTES_JOURNAL_H

struct server_request;

void routes_decisions(struct server_request *request, void *arg);
void routes_replay(struct server_request *request, void *arg);

#endif
