/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the HTTP server: what a handler replies becomes bytes in the connection's buffer; see
 * server_connection.h.
 */
#include "server_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_text(struct evbuffer *out, const char *text)
{
    evbuffer_add(out, text, strlen(text));
}

/* "" for a status that only an engine gives: llhttp's table ends the program at what is not in it.
 */
static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status)
            return known[i].reason;
    }
    return "";
}

static void add_header(struct evbuffer *out, const char *name, const char *value)
{
    add_text(out, name);
    add_text(out, ": ");
    add_text(out, value);
    add_text(out, "\r\n");
}

static void add_head(struct connection *c, const struct server_head *head, const char *framing,
                     bool keep_alive)
{
    struct evbuffer *out = c->out;
    const char *origin = cors_origin(c);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sConnection: %s\r\n",
                        head->status, reason_of(head->status), head->content_type, framing,
                        keep_alive ? "keep-alive" : "close");
    for (size_t i = 0; i < head->n_headers; i++)
        add_header(out, head->headers[i].name, head->headers[i].value);
    if (origin) {
        add_header(out, "access-control-allow-origin", origin);
        add_header(out, "access-control-expose-headers", c->server->options.exposed_headers);
        add_header(out, "vary", "origin");
    }
    add_text(out, "\r\n");
}

/* Makes room for an answer's head and `n` bytes, so that no part of it can be missing. Without
 * memory the connection is closed instead. */
static bool reserve(struct connection *c, const struct server_head *head, size_t n)
{
    n += 256;
    const char *origin = head ? cors_origin(c) : NULL;
    if (head)
        n += strlen(head->content_type);
    if (origin)
        n += strlen(origin) + strlen(c->server->options.exposed_headers) + 128;
    for (size_t i = 0; head && i < head->n_headers; i++)
        n += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    if (!c->lost && evbuffer_expand(c->out, n))
        c->lost = true;
    return !c->lost;
}

/* In the form that its client reads. */
static char *error_json(const struct connection *c, const struct http_error *error, size_t *ret_n)
{
    const struct server_request *r = c->request;
    return c->server->options.error_json(r && r->head.p ? r->head.p : "", error, ret_n);
}

void request_refuse(struct connection *c)
{
    const int status = c->error.status;
    const struct server_header header =
        status == 401   ? (struct server_header){"www-authenticate", "Bearer"}
        : status == 405 ? (struct server_header){"allow", c->allow}
                        : (struct server_header){"retry-after", "1"};
    size_t n = 0;
    char *json = error_json(c, &c->error, &n);
    const char *text = json ? json : http_error_no_memory;
    char framing[48];
    n = strlen(text);
    snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", n);
    struct server_head head = {
        .status = c->error.status,
        .content_type = "application/json",
        .headers = &header,
        .n_headers = status == 401 || status == 405 || status == 429 ? 1 : 0,
    };
    if (reserve(c, &head, n)) {
        add_head(c, &head, framing, false);
        evbuffer_add(c->out, text, n);
    }
    free(json);
}

static void finish(struct connection *c)
{
    c->answered = true;
    c->close_after = !c->request->keep_alive;
    connection_flush(c);
}

void server_reply(struct server_request *request, const struct server_head *head,
                  struct moa_bytes body)
{
    struct connection *c = request->connection;
    char framing[48];
    snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", body.n);
    if (reserve(c, head, body.n)) {
        add_head(c, head, framing, request->keep_alive);
        if (c->parser.method != HTTP_HEAD)
            evbuffer_add(c->out, body.p, body.n);
    }
    finish(c);
}

void server_reply_error(struct server_request *request, const struct http_error *error,
                        const struct server_header *headers, size_t n_headers)
{
    size_t n = 0;
    char *json = error_json(request->connection, error, &n);
    struct server_head head = {.status = error->status,
                               .content_type = "application/json",
                               .headers = headers,
                               .n_headers = n_headers};
    const char *text = json ? json : http_error_no_memory;
    server_reply(request, &head, (struct moa_bytes){text, strlen(text)});
    free(json);
}

void server_reply_begin(struct server_request *request, const struct server_head *head)
{
    /* HTTP/1.0 knows no chunks: the end of the connection is the end of the answer. */
    request->chunked = !request->is_1_0;
    if (request->is_1_0)
        request->keep_alive = false;
    if (reserve(request->connection, head, 0))
        add_head(request->connection, head,
                 request->chunked ? "Transfer-Encoding: chunked\r\n" : "", request->keep_alive);
    connection_flush(request->connection);
}

size_t server_reply_write(struct server_request *request, struct moa_bytes bytes)
{
    struct connection *c = request->connection;
    if (bytes.n > 0 && reserve(c, NULL, bytes.n)) {
        if (request->chunked)
            evbuffer_add_printf(c->out, "%zx\r\n", bytes.n);
        evbuffer_add(c->out, bytes.p, bytes.n);
        if (request->chunked)
            evbuffer_add(c->out, "\r\n", 2);
    }
    connection_flush(c);
    return evbuffer_get_length(c->out);
}

void server_reply_end(struct server_request *request)
{
    struct connection *c = request->connection;
    if (request->chunked && reserve(c, NULL, 5))
        evbuffer_add(c->out, "0\r\n\r\n", 5);
    finish(c);
}

void server_reply_cut(struct server_request *request)
{
    struct connection *c = request->connection;
    c->answered = true;
    connection_close(c);
}
