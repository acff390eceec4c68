/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack of spare handles; see upstream_handle.h.
 */
#include "upstream_handle.h"

#include <stdlib.h>
#include <string.h>

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

/* libcurl parses and prints a URL that it has as text alone, at every call. */
int handle_set_url(struct handle *handle, const char *text)
{
    const unsigned flags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME;
    if (!handle->text || strcmp(handle->text, text) != 0) {
        curl_url_cleanup(handle->url);
        free(handle->text);
        handle->url = curl_url();
        handle->text = strdup(text);
        if (!handle->url || !handle->text)
            return -1;
        if (curl_url_set(handle->url, CURLUPART_URL, text, flags)) {
            curl_url_cleanup(handle->url);
            handle->url = NULL;
        }
    }
    if (curl_easy_setopt(handle->easy, CURLOPT_URL, text) ||
        curl_easy_setopt(handle->easy, CURLOPT_CURLU, handle->url))
        return -1;
    return 0;
}

void handle_free(struct handle handle)
{
    curl_easy_cleanup(handle.easy);
    curl_url_cleanup(handle.url);
    free(handle.text);
}
