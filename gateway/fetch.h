/* SPDX-License-Identifier: Apache-2.0
 *
 * Gets a remote image on behalf of a client, from public addresses and listed ones only. Blocks:
 * for a thread of a pool of its own.
 */
#ifndef MOA_GATEWAY_FETCH_H
#define MOA_GATEWAY_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <moaoff/base.h>

#include "address.h"
#include "error.h"

struct fetch_options {
    const struct address_list *allow; /* besides public addresses; borrowed */
    size_t max_bytes;
    int64_t timeout_ms; /* for all of it: resolving, redirects, body */
    long max_redirects;
};

/**
 * Gets `url`, which must be http or https, as must be what it redirects to. The address of every
 * connection is checked when the connection is made, whatever the name has resolved to. Ends early
 * when `cancelled` becomes true. 0 and bytes to be freed with free(), or -1 and `ret_error`, whose
 * message is a clause such as "the server answered with status 404".
 */
int fetch_get(const char *url, const struct fetch_options *options, const atomic_bool *cancelled,
              void **ret_p, size_t *ret_n, struct http_error *ret_error);

#endif
