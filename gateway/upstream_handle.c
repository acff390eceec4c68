/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack of spare handles, and what a call's is told; see upstream_handle.h.
 */
#include "upstream_handle.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "socket_url.h"
#include "upstream.h"

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

/* ---- headers: a list as libcurl reads it, in one piece of memory with its lines ---- */

struct header_list {
    struct curl_slist *lines;
    size_t n;
    char *text; /* behind `lines`: where the next line goes */
};

/* `value` may be in two pieces; NULL: `name` is the whole line. */
static void add_line(struct header_list *list, const char *name, const char *value,
                     const char *more)
{
    struct curl_slist *line = &list->lines[list->n];
    *line = (struct curl_slist){.data = list->text};
    if (list->n++ > 0)
        line[-1].next = line;
    list->text = stpcpy(list->text, name);
    if (value)
        list->text = stpcpy(stpcpy(stpcpy(list->text, ": "), value), more);
    list->text++;
}

#define OWN_HEADERS 4 /* beside those of the request */
#define OWN_BYTES 128 /* of their names and the like */

static size_t header_room(const struct upstream_request *r, const char *type, const char *key)
{
    size_t n = (OWN_HEADERS + r->n_headers) * sizeof(struct curl_slist) + OWN_BYTES;
    for (size_t i = 0; i < r->n_headers; i++)
        n += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 3;
    return n + strlen(type) + strlen(key);
}

struct curl_slist *handle_headers(const struct upstream_request *r, bool is_small)
{
    const bool is_post = r->method == UPSTREAM_POST;
    const char *type = r->content_type ? r->content_type : "application/json";
    const char *key = r->api_key ? r->api_key : "";
    struct curl_slist *lines = malloc(header_room(r, type, key));
    if (!lines)
        return NULL;
    struct header_list list = {lines, 0, (char *)(lines + OWN_HEADERS + r->n_headers)};
    /* The same as CURLOPT_ACCEPT_ENCODING, which libcurl would print anew for each call. */
    add_line(&list, "Accept-Encoding: identity", NULL, NULL);
    if (is_post)
        add_line(&list, "Content-Type", type, "");
    /* Without "Expect:" libcurl waits a second for 100 Continue before a body of a megabyte. */
    if (is_post && !is_small)
        add_line(&list, "Expect:", NULL, NULL);
    for (size_t i = 0; i < r->n_headers; i++) {
        if (r->headers[i].value[0])
            add_line(&list, r->headers[i].name, r->headers[i].value, "");
    }
    if (key[0])
        add_line(&list, "Authorization", "Bearer ", key);
    return lines;
}
