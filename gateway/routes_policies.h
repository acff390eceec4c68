/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/policies: what could decide, with which parameters, and what they are set to. A handler
 * of routes; `arg` is the struct gateway.
 */
#ifndef MOA_GATEWAY_ROUTES_POLICIES_H
#define MOA_GATEWAY_ROUTES_POLICIES_H

struct server_request;

void routes_policies(struct server_request *request, void *arg);

#endif
