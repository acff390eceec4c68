/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests and answers of the HTTP server: what llhttp finds becomes a struct server_request, and
 * what a handler replies becomes bytes in the connection's buffer; see server_connection.h.
 */
#include "server_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- requests ---- */

void request_free(struct server_request *r)
{
    if (!r)
        return;
    buffer_done(&r->head);
    buffer_done(&r->body);
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
    enum moa_err err = buffer_add(head, p, n);
    if (!err && end)
        err = buffer_add(head, "", 1);
    if (err == MOA_ERR_LIMIT)
        return http_fail(&c->error, 431, "header_too_large",
                         "The request line and headers are longer than %zu bytes.", head->max);
    return err ? fail_memory(c) : 0;
}

static const char *header(const struct server_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->head.p + r->names[i], name) == 0)
            return r->head.p + r->values[i];
    }
    return NULL;
}

struct moa_bytes server_request_body(const struct server_request *request)
{
    return buffer_bytes(&request->body);
}

char *server_request_take_body(struct server_request *request, size_t *ret_n)
{
    return buffer_take(&request->body, ret_n);
}

const char *server_request_header(const struct server_request *request, const char *name)
{
    return header(request, name);
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at && *at ? (int)(at - digits) : -1;
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
    size_t n = 0;
    while (*at && *at != '&' && n + 1 < room) {
        bool escaped = at[0] == '%' && digit_of(at[1]) >= 0 && digit_of(at[2]) >= 0;
        int byte = escaped ? digit_of(at[1]) * 16 + digit_of(at[2]) : (unsigned char)*at;
        ret_value[n++] = (char)(unsigned char)byte;
        at += escaped ? 3 : 1;
    }
    ret_value[n] = '\0';
    return *at && *at != '&' ? -1 : 0;
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
    c->request->head = buffer_of(c->server->options.limits.max_header_bytes);
    c->phase = PHASE_HEAD;
    connection_set_deadline(c, c->server->options.limits.header_timeout_ms);
    return 0;
}

static int on_url(llhttp_t *parser, const char *p, size_t n)
{
    return head_append(connection_of(parser), p, n, false);
}

static int on_url_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (head_append(c, NULL, 0, true))
        return -1;
    char *query = strchr(r->head.p, '?');
    if (query) {
        *query = '\0';
        r->query = (size_t)(query - r->head.p) + 1;
    }
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *p, size_t n)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (c->phase == PHASE_BODY)
        return 0; /* a trailer of a chunked body: no header */
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
    if (c->phase == PHASE_BODY)
        return 0;
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

static int check_body(struct connection *c, enum moa_err err)
{
    if (err == MOA_ERR_LIMIT)
        return http_fail(&c->error, 413, "body_too_large",
                         "The request body is longer than %zu bytes.", c->request->body.max);
    return err ? fail_memory(c) : 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    if (server_admit(c))
        return -1;
    parser->upgrade = 0; /* offers to switch protocols (h2c) are declined by ignoring them */
    if ((parser->flags & F_CONTENT_LENGTH) &&
        check_body(c, buffer_reserve(&c->request->body, parser->content_length)))
        return -1;
    c->phase = PHASE_BODY;
    connection_set_deadline(c, c->server->options.limits.body_timeout_ms);
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
    struct connection *c = connection_of(parser);
    struct buffer *body = &c->request->body;
    if (body->p && p == body->p + body->n) { /* recv() has put it there */
        buffer_added(body, n);
        return 0;
    }
    return check_body(c, buffer_add(body, p, n));
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
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

/* ---- answers ---- */

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
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status)
            return known[i].reason;
    }
    return "";
}

static void add_head(struct evbuffer *out, const struct server_head *head, const char *framing,
                     bool keep_alive)
{
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sConnection: %s\r\n",
                        head->status, reason_of(head->status), head->content_type, framing,
                        keep_alive ? "keep-alive" : "close");
    for (size_t i = 0; i < head->n_headers; i++) {
        add_text(out, head->headers[i].name);
        add_text(out, ": ");
        add_text(out, head->headers[i].value);
        add_text(out, "\r\n");
    }
    add_text(out, "\r\n");
}

/* Makes room for an answer's head and `n` bytes, so that no part of it can be missing. Without
 * memory the connection is closed instead. */
static bool reserve(struct connection *c, const struct server_head *head, size_t n)
{
    n += 256;
    if (head)
        n += strlen(head->content_type);
    for (size_t i = 0; head && i < head->n_headers; i++)
        n += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    if (!c->lost && evbuffer_expand(c->out, n))
        c->lost = true;
    return !c->lost;
}

void request_refuse(struct connection *c)
{
    const struct server_header header = c->error.status == 401
                                            ? (struct server_header){"www-authenticate", "Bearer"}
                                            : (struct server_header){"allow", c->allow};
    size_t n = 0;
    char *json = http_error_json(&c->error, &n);
    const char *text = json ? json : http_error_no_memory;
    char framing[48];
    n = strlen(text);
    snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", n);
    struct server_head head = {
        .status = c->error.status,
        .content_type = "application/json",
        .headers = &header,
        .n_headers = c->error.status == 401 || c->error.status == 405 ? 1 : 0,
    };
    if (reserve(c, &head, n)) {
        add_head(c->out, &head, framing, false);
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
        add_head(c->out, head, framing, request->keep_alive);
        if (c->parser.method != HTTP_HEAD)
            evbuffer_add(c->out, body.p, body.n);
    }
    finish(c);
}

void server_reply_error(struct server_request *request, const struct http_error *error,
                        const struct server_header *headers, size_t n_headers)
{
    size_t n = 0;
    char *json = http_error_json(error, &n);
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
        add_head(request->connection->out, head,
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
