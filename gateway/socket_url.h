/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines behind a socket in the file system: "unix:/run/engine.sock:/v1", the socket and, behind
 * the second colon, the path of HTTP. Pure.
 */
#ifndef MOA_GATEWAY_SOCKET_URL_H
#define MOA_GATEWAY_SOCKET_URL_H

#include <stdbool.h>

#define SOCKET_URL "unix:"
#define SOCKET_URL_FORM "unix:/run/engine.sock:/v1"
#define SOCKET_PATH_BYTES 108 /* as sockaddr_un has them, its NUL among them */

struct socket_url {
    char path[SOCKET_PATH_BYTES]; /* of the socket */
    const char *rest;             /* the path of HTTP, in the text that was read */
};

bool socket_url_is(const char *text);

/** -1 if it is not of that form. */
int socket_url_read(const char *text, struct socket_url *ret_url);

#endif
