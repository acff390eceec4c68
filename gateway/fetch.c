/* SPDX-License-Identifier: Apache-2.0
 *
 * One download with libcurl; see fetch.h. No proxy, no cookies, no stored credentials, no encodings
 * that could inflate: the bytes of the connection that was checked are the bytes that count.
 */
#include "fetch.h"

#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "buffer.h"

#define URL_BYTES_MAX 8192

struct download {
    const struct fetch_options *options;
    const atomic_bool *cancelled;
    struct http_error *error;
    struct buffer file;
    enum moa_err failed; /* to keep what came */
    bool refused;
    char why[CURL_ERROR_SIZE];
};

/* ---- where to ---- */

static bool permitted(const struct download *d, const struct sockaddr *address)
{
    return address_allowed(address, d->options->allow) &&
           (address_listed(address, d->options->allow) || !address_is_near(address));
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct download *d = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || !permitted(d, &to->addr)) {
        d->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Once more, from the connection itself, before the request goes out on it. */
static int before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)local, (void)peer_port, (void)local_port;
    struct download *d = arg;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
        d->refused = !permitted(d, (const struct sockaddr *)&v4);
    else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1)
        d->refused = !permitted(d, (const struct sockaddr *)&v6);
    else
        d->refused = true;
    return d->refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- what comes ---- */

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct download *d = arg;
    const size_t n = size * count;
    d->failed = buffer_add(&d->file, bytes, n);
    return d->failed ? 0 : n;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up)
{
    (void)total, (void)now, (void)up_total, (void)up;
    const struct download *d = arg;
    return atomic_load(d->cancelled);
}

static int fail(const struct download *d, int status, const char *code, const char *why)
{
    return http_fail(d->error, status, code, "%s", why);
}

static int judge(struct download *d, CURL *easy, CURLcode code)
{
    char why[160];
    long status = 0;
    if (d->refused && code != CURLE_OK)
        return fail(d, 400, "image_url_forbidden",
                    "the host's address is not public and not in fetch.allow");
    if (d->failed == MOA_ERR_LIMIT || code == CURLE_FILESIZE_EXCEEDED) {
        snprintf(why, sizeof(why), "the remote image is larger than %zu bytes",
                 d->options->max_bytes);
        return fail(d, 413, "image_too_large", why);
    }
    if (d->failed == MOA_ERR_MEMORY || code == CURLE_OUT_OF_MEMORY)
        return fail(d, 503, "out_of_memory", "out of memory");
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
        return fail(d, 400, "invalid_image_url",
                    "the URL, or where it redirects to, is not a valid http or https URL");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail(d, 400, "image_fetch_failed",
                    "the remote image did not arrive within fetch.timeout_ms");
    if (code != CURLE_OK) {
        snprintf(why, sizeof(why), "the remote image could not be fetched: %.100s",
                 d->why[0] ? d->why : curl_easy_strerror(code));
        return fail(d, 400, "image_fetch_failed", why);
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        snprintf(why, sizeof(why), "the server answered with status %ld", status);
        return fail(d, 400, "image_fetch_failed", why);
    }
    if (d->file.n == 0)
        return fail(d, 400, "image_fetch_failed", "the remote image is empty");
    return 0;
}

static CURLcode set_options(CURL *easy, const char *url, struct download *d)
{
    CURLcode err = CURLE_OK;
#define SET(option, value) err = err ? err : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, d->options->max_redirects);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_USERAGENT, "moaoff/" MOA_VERSION);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, d);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, d);
    SET(CURLOPT_WRITEFUNCTION, take);
    SET(CURLOPT_WRITEDATA, d);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)d->options->max_bytes);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, d);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_TIMEOUT_MS, (long)d->options->timeout_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else a name server that does not answer holds the thread */
    SET(CURLOPT_ERRORBUFFER, d->why);
#undef SET
    return err;
}

int fetch_get(const char *url, const struct fetch_options *options, const atomic_bool *cancelled,
              void **ret_p, size_t *ret_n, struct http_error *ret_error)
{
    struct download d = {.options = options,
                         .cancelled = cancelled,
                         .error = ret_error,
                         .file = buffer_of(options->max_bytes)};
    if (strlen(url) > URL_BYTES_MAX)
        return fail(&d, 400, "invalid_image_url", "the URL is longer than 8192 bytes");
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: image/*");
    CURLcode code = easy && headers ? set_options(easy, url, &d) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        code = curl_easy_perform(easy);
    }
    const int result = judge(&d, easy, code);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    if (result) {
        buffer_done(&d.file);
        return -1;
    }
    *ret_p = buffer_take(&d.file, ret_n);
    return 0;
}
