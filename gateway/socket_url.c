/* SPDX-License-Identifier: Apache-2.0
 *
 * URLs of sockets in the file system; see socket_url.h.
 */
#include "socket_url.h"

#include <string.h>

bool socket_url_is(const char *text)
{
    return strncmp(text, SOCKET_URL, sizeof(SOCKET_URL) - 1) == 0;
}

int socket_url_read(const char *text, struct socket_url *ret_url)
{
    if (!socket_url_is(text))
        return -1;
    const char *path = text + sizeof(SOCKET_URL) - 1;
    const size_t n = strcspn(path, ":");
    if (path[0] != '/' || n >= SOCKET_PATH_BYTES || path[n] != ':' || path[n + 1] != '/')
        return -1;
    memcpy(ret_url->path, path, n);
    ret_url->path[n] = '\0';
    ret_url->rest = path + n + 1;
    return 0;
}
