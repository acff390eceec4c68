/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's routes and who may use them. With keys, /healthz is open, what shows the gateway's
 * inside needs a key with `observe`, and everything else needs a key. Without keys all is open; the
 * gateway then listens on this machine only, unless it is told otherwise.
 */
#ifndef MOA_GATEWAY_ROUTES_H
#define MOA_GATEWAY_ROUTES_H

#include "server.h"

/** `arg` is the struct gateway. */
extern const struct server_route routes_table[];

/** For server_options.exposed_headers. */
extern const char routes_exposed_headers[];

/** For server_options.error_json: in the dialect of the path. */
char *routes_error_json(const char *path, const struct http_error *error, size_t *ret_n);

/** For server_options.admit. */
int routes_admit(const struct server_request *request, const struct server_route *route, void *arg,
                 struct http_error *ret_error);

#endif
