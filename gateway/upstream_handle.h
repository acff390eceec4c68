/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl's easy handles, kept from call to call with the URL that they ask: making a handle, and
 * parsing a URL, cost more than using them. Part of upstream.c; nobody else includes it.
 */
#ifndef MOA_GATEWAY_UPSTREAM_HANDLE_H
#define MOA_GATEWAY_UPSTREAM_HANDLE_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

struct upstream_request;

#define HANDLES_SPARE_MAX 16

/** All zero: none. */
struct handle {
    CURL *easy;
    CURLU *url; /* NULL: what cannot be parsed */
    char *text; /* what `url` is of; NULL: nothing yet */
};

struct handles {
    struct handle spares[HANDLES_SPARE_MAX];
    size_t n_spares;
};

/** A spare one, its options reset, or a new one; `handles` NULL: always a new one. `easy` is NULL
 * if out of memory. The caller owns it. */
struct handle handles_take(struct handles *handles);

/** Takes it back for another call; it is in no multi handle any more. */
void handles_give(struct handles *handles, struct handle handle);

/** Frees the spares. */
void handles_done(struct handles *handles);

/** Sets the URL to ask. -1: out of memory. One that libcurl cannot parse is no error here: the
 * call says why. */
int handle_set_url(struct handle *handle, const char *text);

/** Instead of handles_give(). */
void handle_free(struct handle handle);

/** The headers of a request; `is_small`: its body goes out in one write with them. To be freed with
 * free(), list and lines at once. NULL if out of memory. */
struct curl_slist *handle_headers(const struct upstream_request *request, bool is_small);

#endif
