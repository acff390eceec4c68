/* SPDX-License-Identifier: Apache-2.0
 *
 * The base URLs of engines, and what people paste in their place; see config_private.h.
 */
#include "config_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "socket_url.h"

/* Pages of the API, below its base. */
static const char *const pages[] = {
    "/chat/completions", "/completions", "/models", "/responses", "/embeddings", "/health",
};

/* How many bytes of `path` are left if it ends with a page; 0: it does not. */
static size_t without_page(const char *path, size_t n)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const size_t page = strlen(pages[i]);
        if (n >= page && memcmp(path + n - page, pages[i], page) == 0)
            return n - page + 1;
    }
    return 0;
}

static int propose(CURLU *url, const char *what, char *ret_why, size_t n)
{
    char *right = NULL;
    if (curl_url_set(url, CURLUPART_QUERY, NULL, 0) ||
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) ||
        curl_url_get(url, CURLUPART_URL, &right, 0))
        right = NULL;
    const size_t length = right ? strlen(right) : 0;
    if (length > 0 && right[length - 1] == '/')
        right[length - 1] = '\0';
    snprintf(ret_why, n, "%s; it is to be %.120s", what, right ? right : "the base of the API");
    curl_free(right);
    return -1;
}

/* Whether the URL has a query or a fragment. */
static bool has(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return found;
}

static int check(CURLU *url, char *ret_why, size_t n)
{
    char *path = NULL;
    if (curl_url_get(url, CURLUPART_PATH, &path, 0)) {
        snprintf(ret_why, n, "out of memory");
        return -1;
    }
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    const size_t kept = without_page(path, length);
    int result = 0;
    if (kept > 0) {
        path[kept - 1] = '\0';
        curl_url_set(url, CURLUPART_PATH, path[0] ? path : "/v1", 0);
        result = propose(url, "names a page of the API, not its base", ret_why, n);
    } else if (has(url, CURLUPART_QUERY)) {
        result = propose(url, "has a query, which would be in the middle of what is asked for",
                         ret_why, n);
    } else if (has(url, CURLUPART_FRAGMENT)) {
        result = propose(url, "has a fragment, which no engine gets", ret_why, n);
    }
    curl_free(path);
    return result;
}

int config_check_url(const char *text, char *ret_why, size_t n)
{
    struct socket_url socket;
    if (socket_url_is(text)) {
        const int err = socket_url_read(text, &socket);
        if (err)
            snprintf(ret_why, n, "must be a socket and the base of its API, as " SOCKET_URL_FORM);
        return err;
    }
    if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) {
        snprintf(ret_why, n, "must start with http://, https:// or " SOCKET_URL);
        return -1;
    }
    CURLU *url = curl_url();
    const CURLUcode wrong = url ? curl_url_set(url, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    int result = -1;
    if (wrong == CURLUE_OUT_OF_MEMORY)
        snprintf(ret_why, n, "out of memory");
    else if (wrong)
        snprintf(ret_why, n, "cannot be %.150s: %s", text, curl_url_strerror(wrong));
    else
        result = check(url, ret_why, n);
    curl_url_cleanup(url);
    return result;
}
