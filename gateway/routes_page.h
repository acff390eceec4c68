/* SPDX-License-Identifier: Apache-2.0
 *
 * The page for people: GET /ui and the files below it, which are part of the program. A handler of
 * routes. The page holds no data: its script asks the routes that need a key with `observe`.
 */
#ifndef MOA_GATEWAY_ROUTES_PAGE_H
#define MOA_GATEWAY_ROUTES_PAGE_H

struct server_request;

void routes_page(struct server_request *request, void *arg);

#endif
