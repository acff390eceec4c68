/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends the files of the page; see routes_page.h. Nothing may run on it but its own script, and
 * that may speak with this gateway alone.
 */
#include "routes_page.h"

#include <string.h>

#include "page_files.h"
#include "server.h"

static const struct page_file *find_file(const char *path)
{
    const struct page_file *file = page_files;
    while (file->path && strcmp(file->path, path) != 0)
        file++;
    return file->path ? file : NULL;
}

static bool takes_gzip(const struct server_request *request)
{
    const char *accepted = server_request_header(request, "accept-encoding");
    const char *at = accepted ? strstr(accepted, "gzip") : NULL;
    return at && strncmp(at + 4, ";q=0", 4) != 0;
}

static bool has_it(const struct server_request *request, const struct page_file *file)
{
    const char *known = server_request_header(request, "if-none-match");
    return known && (strstr(known, file->etag) || strcmp(known, "*") == 0);
}

void routes_page(struct server_request *request, void *arg)
{
    (void)arg;
    const struct page_file *file = find_file(server_request_path(request));
    if (!file) {
        struct http_error error;
        http_fail(&error, 404, "unknown_url", "The page has no such file.");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    const bool is_known = has_it(request, file);
    const bool is_packed = !is_known && takes_gzip(request);
    const struct server_header headers[] = {
        {"content-security-policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"x-content-type-options", "nosniff"},
        {"referrer-policy", "no-referrer"},
        {"cross-origin-opener-policy", "same-origin"},
        {"cache-control", "no-cache"},
        {"vary", "accept-encoding"},
        {"etag", file->etag},
        {"content-encoding", "gzip"}, /* the last: only if it is */
    };
    const struct server_head head = {
        .status = is_known ? 304 : 200,
        .content_type = file->content_type,
        .headers = headers,
        .n_headers = sizeof(headers) / sizeof(headers[0]) - (is_packed ? 0 : 1),
    };
    const struct moa_bytes body = is_known    ? (struct moa_bytes){"", 0}
                                  : is_packed ? (struct moa_bytes){file->gzip, file->n_gzip}
                                              : (struct moa_bytes){file->plain, file->n_plain};
    server_reply(request, &head, body);
}
