/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of the HTTP server: what llhttp finds becomes a struct server_request; see
 * server_connection.h.
 */
#include "server_connection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- requests ---- */

void request_free(struct server_request *r)
{
    if (!r)
        return;
    buffer_done(&r->head);
    body_free(r);
    free(r);
}

static int fail_memory(struct connection *c)
{
    return http_fail(&c->error, 503, "out_of_memory", "Out of memory.");
}

/* Appends to the current NUL-terminated string of the head. */
static int head_append(struct connection *c, const char *p, size_t n, bool end)
{
    struct buffer *head = &c->request->head;
    enum moa_err err = n > 0 ? buffer_add(head, p, n) : MOA_OK;
    if (!err && end)
        err = buffer_add(head, "", 1);
    if (err == MOA_ERR_LIMIT)
        return http_fail(&c->error, 431, "header_too_large",
                         "The request line and headers are longer than %zu bytes.", head->max);
    return err ? fail_memory(c) : 0;
}

/* Most names differ in the first letter. */
static bool is_named(const char *header, const char *name)
{
    return ((header[0] ^ name[0]) & ~0x20) == 0 && strcasecmp(header, name) == 0;
}

/* The `k`-th header of a name. */
static const char *nth_header(const struct server_request *r, const char *name, size_t k)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (is_named(r->head.p + r->names[i], name) && k-- == 0)
            return r->head.p + r->values[i];
    }
    return NULL;
}

static const char *header(const struct server_request *r, const char *name)
{
    return nth_header(r, name, 0);
}

struct moa_bytes server_request_body(const struct server_request *request)
{
    return buffer_bytes(&request->body);
}

const char *server_request_header(const struct server_request *request, const char *name)
{
    return header(request, name);
}

const char *server_request_header_again(const struct server_request *request, const char *name,
                                        size_t k)
{
    return nth_header(request, name, k);
}

const char *server_request_api_key(const struct server_request *request)
{
    const char *value = header(request, "x-api-key");
    return value ? value : header(request, "api-key");
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at && *at ? (int)(at - digits) : -1;
}

const char *server_request_path(const struct server_request *request)
{
    return request->head.p;
}

void server_unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; to++) {
        const bool escaped = at[0] == '%' && digit_of(at[1]) >= 0 && digit_of(at[2]) >= 0;
        const int byte = escaped ? digit_of(at[1]) * 16 + digit_of(at[2]) : (unsigned char)*at;
        *to = (char)(unsigned char)byte;
        at += escaped ? 3 : 1;
    }
    *to = '\0';
}

int server_request_query(const struct server_request *request, const char *name, char *ret_value,
                         size_t room)
{
    size_t name_n = strlen(name);
    const char *at = request->query ? request->head.p + request->query : "";
    while (strncmp(at, name, name_n) != 0 || at[name_n] != '=') {
        at = strchr(at, '&');
        if (!at)
            return -1;
        at++;
    }
    at += name_n + 1;
    const size_t n = strcspn(at, "&");
    if (n + 1 > room)
        return 1;
    memcpy(ret_value, at, n);
    ret_value[n] = '\0';
    server_unescape(ret_value);
    return 0;
}

int64_t server_request_arrived_us(const struct server_request *request)
{
    return request->arrived_us;
}

void server_request_watch(struct server_request *request, const struct server_watch *watch,
                          void *arg)
{
    request->watch = watch;
    request->watch_arg = arg;
}

/* ---- parsing ---- */

static struct connection *connection_of(llhttp_t *parser)
{
    return parser->data;
}

static int on_message_begin(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    c->request = calloc(1, sizeof(*c->request));
    if (!c->request)
        return fail_memory(c);
    c->request->connection = c;
    c->request->bodies = c->server->options.bodies;
    c->request->head = buffer_of(c->server->options.limits.max_header_bytes);
    connection_enter(c, PHASE_HEAD);
    connection_set_deadline(c, c->server->options.limits.header_timeout_ms);
    return 0;
}

static int on_url(llhttp_t *parser, const char *p, size_t n)
{
    return head_append(connection_of(parser), p, n, false);
}

/* "http://host/path" is asked of proxies, and of servers that must take it: "/path". */
static void drop_authority(struct server_request *r)
{
    char *head = r->head.p;
    const char *scheme_end = strstr(head, "://");
    if (head[0] == '/' || !scheme_end)
        return;
    const char *path = scheme_end + 3 + strcspn(scheme_end + 3, "/?");
    const bool bare = *path != '/';
    memmove(head + bare, path, strlen(path) + 1);
    if (bare)
        head[0] = '/';
}

static int on_url_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (head_append(c, NULL, 0, true))
        return -1;
    drop_authority(r);
    char *query = strchr(r->head.p, '?');
    if (query) {
        *query = '\0';
        r->query = (size_t)(query - r->head.p) + 1;
    }
    for (size_t n = strlen(r->head.p); n > 1 && r->head.p[n - 1] == '/'; n--)
        r->head.p[n - 1] = '\0';
    return 0;
}

/* A trailer is no header. One that would have changed what may be done with the request comes too
 * late, and must not seem to count. */
static int take_trailer(struct connection *c, const char *p, size_t n)
{
    static const char heeded[] = "x-moaoff-";
    const size_t heeded_n = sizeof(heeded) - 1;
    struct server_request *r = c->request;
    for (size_t i = 0; i < n && r->trailer_n < heeded_n; i++) {
        const int lower = p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i];
        r->trailer_n = lower == heeded[r->trailer_n] ? r->trailer_n + 1 : SIZE_MAX;
    }
    if (r->trailer_n != heeded_n)
        return 0;
    return http_fail(&c->error, 400, "invalid_trailer",
                     "x-moaoff-* headers must stand in the head, not behind the body.");
}

static int on_header_field(llhttp_t *parser, const char *p, size_t n)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (c->phase == PHASE_BODY)
        return take_trailer(c, p, n);
    if (r->n_headers == SERVER_HEADERS_MAX)
        return http_fail(&c->error, 431, "header_too_large",
                         "The request has more than %d headers.", SERVER_HEADERS_MAX);
    if (r->names[r->n_headers] == 0)
        r->names[r->n_headers] = r->head.n;
    return head_append(c, p, n, false);
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    if (c->phase == PHASE_BODY) {
        c->request->trailer_n = 0;
        return 0;
    }
    int result = head_append(c, NULL, 0, true);
    c->request->values[c->request->n_headers] = c->request->head.n;
    return result;
}

static int on_header_value(llhttp_t *parser, const char *p, size_t n)
{
    struct connection *c = connection_of(parser);
    return c->phase == PHASE_BODY ? 0 : head_append(c, p, n, false);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (c->phase == PHASE_BODY)
        return 0;
    const size_t begin = r->values[r->n_headers];
    struct buffer *head = &r->head;
    while (head->n > begin && (head->p[head->n - 1] == ' ' || head->p[head->n - 1] == '\t'))
        head->n--;
    int result = head_append(c, NULL, 0, true);
    r->n_headers++;
    return result;
}

/* What HTTP asks of a head beyond its grammar. */
static int check_head(struct connection *c)
{
    const struct server_request *r = c->request;
    size_t n_hosts = 0;
    if (c->parser.http_major != 1 || c->parser.http_minor > 1)
        return http_fail(&c->error, 505, "http_version_not_supported",
                         "HTTP/1.1 and 1.0 are spoken here.");
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *name = r->head.p + r->names[i], *value = r->head.p + r->values[i];
        n_hosts += strcasecmp(name, "host") == 0;
        if (strcasecmp(name, "transfer-encoding") == 0 && strcasecmp(value, "chunked") != 0)
            return http_fail(&c->error, 501, "unsupported_transfer_encoding",
                             "The only transfer coding taken is chunked.");
    }
    if (n_hosts > 1 || (n_hosts == 0 && c->parser.http_minor == 1))
        return http_fail(&c->error, 400, "invalid_http", "The request needs one Host header.");
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    if (check_head(c) || server_admit(c))
        return -1;
    parser->upgrade = 0; /* offers to switch protocols (h2c) are declined by ignoring them */
    if (body_begin(c))
        return -1;
    connection_expect_body(c);
    const char *expect = header(c->request, "expect");
    if (expect && strcasecmp(expect, "100-continue") == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        evbuffer_add(c->out, go_on, sizeof(go_on) - 1);
        connection_flush(c);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    return body_add(connection_of(parser), p, n);
}

static int on_message_complete(llhttp_t *parser)
{
    if (body_end(connection_of(parser)))
        return -1;
    return HPE_PAUSED; /* what follows is the next request: not before this one is answered */
}

void request_settings_init(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_message_begin;
    settings->on_url = on_url;
    settings->on_url_complete = on_url_complete;
    settings->on_header_field = on_header_field;
    settings->on_header_field_complete = on_header_field_complete;
    settings->on_header_value = on_header_value;
    settings->on_header_value_complete = on_header_value_complete;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}
