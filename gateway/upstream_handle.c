/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack of spare handles; see upstream_handle.h.
 */
#include "upstream_handle.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "socket_url.h"

/* A used one is reset: libcurl counts connections that turned out to be closed over all calls of a
 * handle, and the sixth is an error instead of a new connection. */
struct handle handles_take(struct handles *handles)
{
    if (!handles || handles->n_spares == 0)
        return (struct handle){.easy = curl_easy_init()};
    struct handle handle = handles->spares[--handles->n_spares];
    curl_easy_reset(handle.easy);
    return handle;
}

void handles_give(struct handles *handles, struct handle handle)
{
    if (handles->n_spares < HANDLES_SPARE_MAX)
        handles->spares[handles->n_spares++] = handle;
    else
        handle_free(handle);
}

void handles_done(struct handles *handles)
{
    while (handles->n_spares > 0)
        handle_free(handles->spares[--handles->n_spares]);
}

/* What libcurl is to ask: for a socket in the file system a host that is none. NULL if out of
 * memory, to be freed with free(). */
static char *url_of(const char *text, const struct socket_url *socket)
{
    char *url;
    if (!socket)
        return strdup(text);
    return asprintf(&url, "http://localhost%s", socket->rest) < 0 ? NULL : url;
}

static void forget_url(struct handle *handle)
{
    curl_url_cleanup(handle->url);
    free(handle->text);
    handle->url = NULL;
    handle->text = NULL;
}

/* libcurl parses and prints a URL that it has as text alone, at every call. */
static int parse_url(struct handle *handle, const char *text, const struct socket_url *socket)
{
    const unsigned flags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME;
    char *url = url_of(text, socket);
    forget_url(handle);
    handle->url = curl_url();
    handle->text = strdup(text);
    if (!handle->url || !handle->text || !url) {
        forget_url(handle);
        free(url);
        return -1;
    }
    if (curl_url_set(handle->url, CURLUPART_URL, url, flags)) {
        curl_url_cleanup(handle->url);
        handle->url = NULL;
    }
    free(url);
    return 0;
}

int handle_set_url(struct handle *handle, const char *text)
{
    struct socket_url socket;
    const bool is_socket = socket_url_read(text, &socket) == 0;
    if ((!handle->text || strcmp(handle->text, text) != 0) &&
        parse_url(handle, text, is_socket ? &socket : NULL))
        return -1;
    if (curl_easy_setopt(handle->easy, CURLOPT_URL, text) ||
        curl_easy_setopt(handle->easy, CURLOPT_CURLU, handle->url) ||
        (is_socket && curl_easy_setopt(handle->easy, CURLOPT_UNIX_SOCKET_PATH, socket.path)))
        return -1;
    return 0;
}

void handle_free(struct handle handle)
{
    curl_easy_cleanup(handle.easy);
    curl_url_cleanup(handle.url);
    free(handle.text);
}
