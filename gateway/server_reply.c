/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the HTTP server: what a handler replies becomes bytes in the connection's buffer; see
 * server_connection.h.
 */
#include "server_connection.h"

#include <stdlib.h>
#include <string.h>

#include "print.h"

#define CHUNK_BYTES 256 /* more than what stands around a chunk: printing wants 64 */

/* "" for a status that only an engine gives: llhttp's table ends the program at what is not in it.
 */
static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {200, "OK"},
        {304, "Not Modified"},
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

static void print_header(struct print *out, const char *name, const char *value)
{
    print_text(out, name);
    print_text(out, ": ");
    print_text(out, value);
    print_text(out, "\r\n");
}

/* At least what a head takes. */
static size_t head_bytes(const struct connection *c, const struct server_head *head)
{
    const char *origin = cors_origin(c);
    size_t n = 256 + strlen(head->content_type);
    if (origin)
        n += strlen(origin) + strlen(c->server->options.exposed_headers) + 128;
    for (size_t i = 0; i < head->n_headers; i++)
        n += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    return n;
}

/* Makes room for `n` bytes of an answer, so that no part of it can be missing. Without memory the
 * connection is closed instead. */
static bool reserve(struct connection *c, size_t n)
{
    if (!c->lost && evbuffer_expand(c->out, n))
        c->lost = true;
    return !c->lost;
}

/* A head, and room for `n` bytes behind it. */
static bool add_head(struct connection *c, const struct server_head *head, const char *framing,
                     bool keep_alive, size_t n)
{
    struct evbuffer_iovec space;
    const char *origin = cors_origin(c);
    const size_t head_n = head_bytes(c, head);
    if (!reserve(c, head_n + n) ||
        evbuffer_reserve_space(c->out, (ev_ssize_t)head_n, &space, 1) != 1)
        return false;
    struct print out = print_into(space.iov_base, space.iov_len);
    print_text(&out, "HTTP/1.1 ");
    print_int(&out, head->status);
    print_text(&out, " ");
    print_text(&out, reason_of(head->status));
    print_text(&out, "\r\n");
    print_header(&out, "Content-Type", head->content_type);
    print_text(&out, framing);
    print_header(&out, "Connection", keep_alive ? "keep-alive" : "close");
    for (size_t i = 0; i < head->n_headers; i++)
        print_header(&out, head->headers[i].name, head->headers[i].value);
    if (origin) {
        print_header(&out, "access-control-allow-origin", origin);
        print_header(&out, "access-control-expose-headers", c->server->options.exposed_headers);
        print_header(&out, "vary", "origin");
    }
    print_text(&out, "\r\n");
    space.iov_len = out.n;
    evbuffer_commit_space(c->out, &space, 1);
    return true;
}

/* In the form that its client reads. */
static char *error_json(const struct connection *c, const struct http_error *error, size_t *ret_n)
{
    const struct server_request *r = c->request;
    return c->server->options.error_json(r && r->head.p ? r->head.p : "", error, ret_n);
}

/* "Content-Length: 12\r\n" */
static void print_length(char *text, size_t size, size_t n)
{
    struct print p = print_into(text, size);
    print_text(&p, "Content-Length: ");
    print_int(&p, (int64_t)n);
    print_text(&p, "\r\n");
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
    print_length(framing, sizeof(framing), n);
    struct server_head head = {
        .status = c->error.status,
        .content_type = "application/json",
        .headers = &header,
        .n_headers = status == 401 || status == 405 || status == 429 ? 1 : 0,
    };
    if (add_head(c, &head, framing, false, n))
        evbuffer_add(c->out, text, n);
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
    char framing[48] = "";
    if (head->status != 304) /* which has no body, and would have to tell the length of another */
        print_length(framing, sizeof(framing), body.n);
    if (add_head(c, head, framing, request->keep_alive, body.n) && c->parser.method != HTTP_HEAD)
        evbuffer_add(c->out, body.p, body.n);
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
    (void)add_head(request->connection, head,
                   request->chunked ? "Transfer-Encoding: chunked\r\n" : "", request->keep_alive,
                   0);
    connection_flush(request->connection);
}

size_t server_reply_write(struct server_request *request, struct moa_bytes bytes)
{
    struct connection *c = request->connection;
    if (bytes.n > 0 && reserve(c, bytes.n + CHUNK_BYTES)) {
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
    if (request->chunked && reserve(c, CHUNK_BYTES))
        evbuffer_add(c->out, "0\r\n\r\n", 5);
    finish(c);
}

void server_reply_cut(struct server_request *request)
{
    struct connection *c = request->connection;
    c->answered = true;
    connection_close(c);
}
