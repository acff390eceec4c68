/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the server listens: an address of TCP, a socket in the file system ("unix:/run/x.sock"), or
 * the one that systemd holds open and hands over (sd_listen_fds(3)), which goes before both.
 */
#ifndef MOA_GATEWAY_SERVER_LISTEN_H
#define MOA_GATEWAY_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "socket_url.h"

struct listening {
    int fd;                       /* bound and listening, without blocking, closed by exec */
    char url[160];                /* "http://127.0.0.1:8080", "unix:/run/x.sock", for people */
    char path[SOCKET_PATH_BYTES]; /* of a socket in the file system that is ours to remove; else ""
                                   */
    bool is_local;                /* nobody beyond this machine can connect */
    bool is_inherited;            /* from systemd */
};

/** Listens. `is_tls` says how the URL begins. 0, or -1 with `why` (of `n` bytes) filled. */
int listen_open(const char *host, uint16_t port, bool is_tls, struct listening *ret_listening,
                char *why, size_t n);

/** Closes it, and removes what is ours. */
void listen_close(struct listening *listening);

#endif
