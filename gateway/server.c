/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 server; see server.h.
 *
 * A connection is in one phase at a time and has one deadline, that of its phase:
 *     IDLE -> HEAD -> BODY -> BUSY (a handler owns the request) -> IDLE | LINGER -> closed
 * While BUSY the socket is still read, so that a client that leaves is noticed; what a pipelining
 * client sends ahead waits in `ahead`, up to its size, and then in the kernel.
 */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "log.h"

#define READ_BYTES 65536
#define AHEAD_BYTES 16384
#define HEADERS_MAX 100
#define LINGER_MS 2000
#define LINGER_BYTES (64 << 20)
#define ACCEPT_PAUSE_MS 100L

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_BUSY, PHASE_LINGER };

struct server_request {
    struct connection *connection;
    char *head; /* target, names and values, each with a NUL behind */
    size_t head_n, head_room;
    size_t names[HEADERS_MAX], values[HEADERS_MAX]; /* offsets into head; the target is at 0 */
    size_t n_headers;
    char *body;
    size_t body_n, body_room;
    int64_t arrived_us;
    bool keep_alive;
    bool is_1_0;
    bool chunked; /* the answer is */
    const struct server_watch *watch;
    void *watch_arg;
};

struct connection {
    struct server *server;
    struct connection *previous, *next;
    evutil_socket_t fd;
    enum phase phase;
    struct event readable, writable, deadline;
    llhttp_t parser;
    struct server_request *request;
    struct http_error error; /* set by parser callbacks that refuse */
    struct evbuffer *out;
    bool close_after; /* when `out` is empty */
    bool answered;    /* the request is over; what is left is in `out` */
    size_t lingered;
    char *ahead; /* bytes behind the current request */
    size_t ahead_n;
};

struct server {
    struct event_base *base;
    struct server_options options;
    struct evconnlistener *listener;
    struct event accept_again;
    struct connection *connections;
    size_t n_connections;
    llhttp_settings_t settings;
    bool draining;
    void (*on_drained)(void *arg);
    void *drained_arg;
    char scratch[READ_BYTES];
};

static void connection_flush(struct connection *c);

int64_t server_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- requests ---- */

static void request_free(struct server_request *r)
{
    if (!r)
        return;
    free(r->head);
    free(r->body);
    free(r);
}

static int fail_memory(struct connection *c)
{
    return http_fail(&c->error, 503, "out_of_memory", "Out of memory.");
}

/* Appends to the current NUL-terminated string of the head. */
static int head_append(struct connection *c, const char *p, size_t n, bool end)
{
    struct server_request *r = c->request;
    size_t max = c->server->options.max_header_bytes;
    if (r->head_n + n + 1 > max)
        return http_fail(&c->error, 431, "header_too_large",
                         "The request line and headers are longer than %zu bytes.", max);
    if (r->head_n + n + 1 > r->head_room) {
        size_t room = (r->head_n + n + 1) * 2;
        char *grown = realloc(r->head, room);
        if (!grown)
            return fail_memory(c);
        r->head = grown;
        r->head_room = room;
    }
    if (n > 0)
        memcpy(r->head + r->head_n, p, n);
    r->head_n += n;
    if (end)
        r->head[r->head_n++] = '\0';
    return 0;
}

static const char *header(const struct server_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->head + r->names[i], name) == 0)
            return r->head + r->values[i];
    }
    return NULL;
}

struct moa_bytes server_request_body(const struct server_request *request)
{
    return (struct moa_bytes){request->body, request->body_n};
}

char *server_request_take_body(struct server_request *request, size_t *ret_n)
{
    char *body = request->body;
    *ret_n = request->body_n;
    request->body = NULL;
    request->body_n = request->body_room = 0;
    return body;
}

const char *server_request_header(const struct server_request *request, const char *name)
{
    return header(request, name);
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

/* ---- connections ---- */

static void set_deadline(struct connection *c, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(&c->deadline, &after);
}

static void pause_accepting(struct server *s)
{
    struct timeval after = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    evconnlistener_disable(s->listener);
    event_add(&s->accept_again, &after);
}

static void connection_close(struct connection *c)
{
    struct server *s = c->server;
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    s->n_connections--;

    event_del(&c->readable);
    event_del(&c->writable);
    event_del(&c->deadline);
    close(c->fd);
    evbuffer_free(c->out);
    free(c->ahead);
    struct server_request *r = c->request;
    bool handler_owns = c->phase == PHASE_BUSY && !c->answered;
    free(c);
    if (r && handler_owns && r->watch && r->watch->on_gone)
        r->watch->on_gone(r->watch_arg);
    request_free(r);
    if (s->draining && s->n_connections == 0 && s->on_drained) {
        void (*on_drained)(void *) = s->on_drained;
        s->on_drained = NULL;
        on_drained(s->drained_arg);
    }
}

/* The client may still be sending what was refused: closing now would reset the connection before
 * it has read why. So: end our direction, and read and drop what comes for a while. */
static void connection_linger(struct connection *c)
{
    request_free(c->request);
    c->request = NULL;
    c->phase = PHASE_LINGER;
    c->lingered = 0;
    shutdown(c->fd, SHUT_WR);
    event_add(&c->readable, NULL);
    set_deadline(c, LINGER_MS);
}

static void add_head(struct evbuffer *out, const struct server_head *head, const char *framing,
                     bool keep_alive)
{
    const char *reason = llhttp_status_name((llhttp_status_t)head->status);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sConnection: %s\r\n",
                        head->status, reason ? reason : "", head->content_type, framing,
                        keep_alive ? "keep-alive" : "close");
    for (size_t i = 0; i < head->n_headers; i++)
        evbuffer_add_printf(out, "%s: %s\r\n", head->headers[i].name, head->headers[i].value);
    evbuffer_add(out, "\r\n", 2);
}

/* Answers what never became a request of a handler, and closes. */
static void connection_refuse(struct connection *c)
{
    size_t n = 0;
    char *json = http_error_json(&c->error, &n);
    char framing[48];
    snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", n);
    struct server_head head = {.status = c->error.status, .content_type = "application/json"};
    add_head(c->out, &head, framing, false);
    evbuffer_add(c->out, json ? json : "", n);
    free(json);
    c->close_after = true;
    c->answered = true;
    c->phase = PHASE_BUSY;
    connection_flush(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct connection *c = arg;
    bool reading = c->phase == PHASE_HEAD || c->phase == PHASE_BODY;
    if (!reading) {
        connection_close(c);
        return;
    }
    http_fail(&c->error, 408, "request_timeout", "The request did not arrive in time.");
    connection_refuse(c);
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
    c->phase = PHASE_HEAD;
    set_deadline(c, c->server->options.header_timeout_ms);
    return 0;
}

static int on_url(llhttp_t *parser, const char *p, size_t n)
{
    return head_append(connection_of(parser), p, n, false);
}

static int on_url_complete(llhttp_t *parser)
{
    return head_append(connection_of(parser), NULL, 0, true);
}

static int on_header_field(llhttp_t *parser, const char *p, size_t n)
{
    struct connection *c = connection_of(parser);
    struct server_request *r = c->request;
    if (r->n_headers == HEADERS_MAX)
        return http_fail(&c->error, 431, "header_too_large",
                         "The request has more than %d headers.", HEADERS_MAX);
    if (r->names[r->n_headers] == 0)
        r->names[r->n_headers] = r->head_n;
    return head_append(c, p, n, false);
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    int result = head_append(c, NULL, 0, true);
    c->request->values[c->request->n_headers] = c->request->head_n;
    return result;
}

static int on_header_value(llhttp_t *parser, const char *p, size_t n)
{
    return head_append(connection_of(parser), p, n, false);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    int result = head_append(c, NULL, 0, true);
    c->request->n_headers++;
    return result;
}

static int body_reserve(struct connection *c, uint64_t n)
{
    struct server_request *r = c->request;
    size_t max = c->server->options.max_body_bytes;
    if (n > max)
        return http_fail(&c->error, 413, "body_too_large",
                         "The request body is longer than %zu bytes.", max);
    if (n <= r->body_room)
        return 0;
    char *grown = realloc(r->body, (size_t)n);
    if (!grown)
        return fail_memory(c);
    r->body = grown;
    r->body_room = (size_t)n;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct connection *c = connection_of(parser);
    parser->upgrade = 0; /* offers to switch protocols (h2c) are declined by ignoring them */
    if ((parser->flags & F_CONTENT_LENGTH) && body_reserve(c, parser->content_length))
        return -1;
    c->phase = PHASE_BODY;
    set_deadline(c, c->server->options.body_timeout_ms);
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
    struct server_request *r = c->request;
    if (r->body_n + n > r->body_room) { /* chunked: the size was not announced */
        size_t max = c->server->options.max_body_bytes;
        size_t twice = r->body_room * 2 < max ? r->body_room * 2 : max;
        size_t needed = r->body_n + n;
        if (body_reserve(c, needed > twice ? needed : twice))
            return -1;
    }
    if (p != r->body + r->body_n) /* else recv() has put it there */
        memcpy(r->body + r->body_n, p, n);
    r->body_n += n;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* what follows is the next request: not before this one is answered */
}

static void settings_init(llhttp_settings_t *settings)
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

/* ---- dispatch ---- */

static void dispatch(struct connection *c)
{
    struct server *s = c->server;
    struct server_request *r = c->request;
    r->arrived_us = server_now_us();
    r->keep_alive = llhttp_should_keep_alive(&c->parser) && !s->draining;
    r->is_1_0 = c->parser.http_major == 1 && c->parser.http_minor == 0;
    c->phase = PHASE_BUSY;
    c->answered = false;
    event_del(&c->deadline);

    char *target = r->head;
    char *query = strchr(target, '?');
    if (query)
        *query = '\0';
    const char *method = llhttp_method_name((llhttp_method_t)llhttp_get_method(&c->parser));
    const char *allowed = NULL;
    for (const struct server_route *route = s->options.routes; route->method; route++) {
        if (strcmp(route->path, target) != 0)
            continue;
        allowed = route->method;
        if (strcmp(route->method, method) == 0) {
            route->handle(r, s->options.arg);
            return;
        }
    }
    struct http_error error;
    struct server_header allow = {"allow", allowed};
    if (allowed)
        http_fail(&error, 405, "method_not_allowed", "%s does not take %s.", target, method);
    else
        http_fail(&error, 404, "unknown_url", "Unknown URL: %s %.200s", method, target);
    server_reply_error(r, &error, &allow, allowed ? 1 : 0);
}

/* Keeps what stands behind the finished request. */
static int keep_ahead(struct connection *c, const char *p, size_t n)
{
    if (n == 0)
        return 0;
    size_t room = n > AHEAD_BYTES ? n : AHEAD_BYTES;
    char *ahead = malloc(room);
    if (!ahead)
        return -1;
    memcpy(ahead, p, n);
    free(c->ahead);
    c->ahead = ahead;
    c->ahead_n = n;
    return 0;
}

/* Feeds the parser. May close or free the connection; the caller does not touch it afterwards. */
static void parse(struct connection *c, const char *p, size_t n)
{
    llhttp_errno_t err = llhttp_execute(&c->parser, p, n);
    if (err == HPE_OK) {
        if (c->phase == PHASE_BODY)
            set_deadline(c, c->server->options.body_timeout_ms);
        return;
    }
    if (err == HPE_PAUSED) {
        const char *end = llhttp_get_error_pos(&c->parser);
        if (keep_ahead(c, end, n - (size_t)(end - p))) {
            connection_close(c);
            return;
        }
        dispatch(c);
        return;
    }
    if (c->error.status == 0)
        http_fail(&c->error, 400, "invalid_http", "The request is not valid HTTP: %s.",
                  llhttp_get_error_reason(&c->parser));
    connection_refuse(c);
}

/* The request is answered and flushed: on to the next one. */
static void connection_advance(struct connection *c)
{
    request_free(c->request);
    c->request = NULL;
    c->phase = PHASE_IDLE;
    c->answered = false;
    c->error.status = 0;
    if (c->server->draining && c->ahead_n == 0) {
        connection_close(c);
        return;
    }
    llhttp_resume(&c->parser);
    event_add(&c->readable, NULL);
    set_deadline(c, c->server->options.keepalive_timeout_ms);
    if (c->ahead_n > 0) /* on the next turn of the loop: pipelined requests do not nest */
        event_active(&c->readable, EV_READ, 1);
}

/* ---- reading and writing ---- */

static void read_ahead(struct connection *c)
{
    if (!c->ahead && !(c->ahead = malloc(AHEAD_BYTES))) {
        connection_close(c);
        return;
    }
    if (c->ahead_n >= AHEAD_BYTES) {
        event_del(&c->readable); /* until the current request is answered */
        return;
    }
    ssize_t n = recv(c->fd, c->ahead + c->ahead_n, AHEAD_BYTES - c->ahead_n, 0);
    if (n > 0)
        c->ahead_n += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        connection_close(c); /* the client left, or will not send any more: same to us */
}

static void parse_ahead(struct connection *c)
{
    char *ahead = c->ahead;
    size_t n = c->ahead_n;
    c->ahead = NULL;
    c->ahead_n = 0;
    parse(c, ahead, n);
    free(ahead);
}

static void read_linger(struct connection *c)
{
    ssize_t n = recv(c->fd, c->server->scratch, READ_BYTES, 0);
    if (n > 0)
        c->lingered += (size_t)n;
    bool over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (over || c->lingered > LINGER_BYTES)
        connection_close(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct connection *c = arg;
    if (c->phase == PHASE_BUSY) {
        read_ahead(c);
        return;
    }
    if (c->phase == PHASE_LINGER) {
        read_linger(c);
        return;
    }
    if (c->ahead_n > 0) {
        parse_ahead(c);
        return;
    }
    char *into = c->server->scratch;
    size_t room = READ_BYTES;
    struct server_request *r = c->request;
    if (c->phase == PHASE_BODY && (c->parser.flags & F_CONTENT_LENGTH) &&
        r->body_n < r->body_room) {
        into = r->body + r->body_n;
        room = r->body_room - r->body_n;
    }
    ssize_t n = recv(fd, into, room, 0);
    if (n > 0)
        parse(c, into, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        connection_close(c);
}

/* Writes what it can. When all is out: on to the next request, close, or tell the handler. May free
 * the connection if the request has been answered. */
static void connection_flush(struct connection *c)
{
    bool stalled = event_pending(&c->writable, EV_WRITE, NULL);
    while (evbuffer_get_length(c->out) > 0) {
        int n = evbuffer_write(c->out, c->fd);
        if (n > 0) {
            stalled = false;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            if (c->answered)
                connection_close(c);
            else
                event_active(&c->deadline, EV_TIMEOUT, 1); /* close, but not under the handler */
            return;
        }
        event_add(&c->writable, NULL);
        if (c->phase == PHASE_BUSY && !stalled) /* the deadline runs while no byte is taken */
            set_deadline(c, c->server->options.send_timeout_ms);
        return;
    }
    event_del(&c->writable);
    if (c->phase != PHASE_BUSY)
        return;
    event_del(&c->deadline);
    if (c->answered && c->close_after)
        connection_linger(c);
    else if (c->answered)
        connection_advance(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct connection *c = arg;
    bool streaming = c->phase == PHASE_BUSY && !c->answered;
    connection_flush(c);
    if (!streaming)
        return;
    struct server_request *r = c->request;
    if (evbuffer_get_length(c->out) == 0 && r->watch && r->watch->on_drained)
        r->watch->on_drained(r->watch_arg);
}

/* ---- answers ---- */

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
    add_head(c->out, head, framing, request->keep_alive);
    evbuffer_add(c->out, body.p, body.n);
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
    server_reply(request, &head, (struct moa_bytes){json, n});
    free(json);
}

void server_reply_begin(struct server_request *request, const struct server_head *head)
{
    /* HTTP/1.0 knows no chunks: the end of the connection is the end of the answer. */
    request->chunked = !request->is_1_0;
    if (request->is_1_0)
        request->keep_alive = false;
    add_head(request->connection->out, head,
             request->chunked ? "Transfer-Encoding: chunked\r\n" : "", request->keep_alive);
    connection_flush(request->connection);
}

size_t server_reply_write(struct server_request *request, struct moa_bytes bytes)
{
    struct connection *c = request->connection;
    if (bytes.n > 0) {
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
    if (request->chunked)
        evbuffer_add(c->out, "0\r\n\r\n", 5);
    finish(c);
}

void server_reply_cut(struct server_request *request)
{
    struct connection *c = request->connection;
    c->answered = true;
    connection_close(c);
}

/* ---- listening ---- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int n, void *arg)
{
    (void)listener, (void)address, (void)n;
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    struct server *s = arg;
    bool room = s->n_connections < s->options.max_connections;
    struct connection *c = room ? calloc(1, sizeof(*c)) : NULL;
    struct evbuffer *out = c ? evbuffer_new() : NULL;
    if (!out) {
        ssize_t ignored = send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
        free(c);
        close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->server = s;
    c->fd = fd;
    c->out = out;
    llhttp_init(&c->parser, HTTP_REQUEST, &s->settings);
    c->parser.data = c;
    event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    evtimer_assign(&c->deadline, s->base, on_deadline, c);
    c->next = s->connections;
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    s->n_connections++;
    event_add(&c->readable, NULL);
    /* A connection that says nothing has as long as a request head may take. */
    set_deadline(c, s->options.header_timeout_ms);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)listener;
    log_event(LOG_LEVEL_WARN, "accept-failed", "error=%s", log_quote(strerror(errno)).s);
    pause_accepting(arg);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *s = arg;
    if (s->listener)
        evconnlistener_enable(s->listener);
}

static struct evconnlistener *listen_on(struct server *s, char *why, size_t n)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", s->options.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses = NULL;
    int err = getaddrinfo(s->options.host, port, &hints, &addresses);
    if (err) {
        snprintf(why, n, "cannot resolve \"%s\": %s", s->options.host, gai_strerror(err));
        return NULL;
    }
    unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    struct evconnlistener *listener = evconnlistener_new_bind(
        s->base, on_accept, s, flags, 1024, addresses->ai_addr, (int)addresses->ai_addrlen);
    if (!listener)
        snprintf(why, n, "cannot listen on %s port %s: %s", s->options.host, port, strerror(errno));
    freeaddrinfo(addresses);
    return listener;
}

int server_new(struct event_base *base, const struct server_options *options,
               struct server **ret_server, char *why, size_t n)
{
    struct server *s = calloc(1, sizeof(*s));
    if (!s) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    s->base = base;
    s->options = *options;
    settings_init(&s->settings);
    evtimer_assign(&s->accept_again, base, on_accept_again, s);
    s->listener = listen_on(s, why, n);
    if (!s->listener) {
        free(s);
        return -1;
    }
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    *ret_server = s;
    return 0;
}

static void stop_listening(struct server *s)
{
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = NULL;
    event_del(&s->accept_again);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    stop_listening(s);
    s->on_drained = NULL;
    while (s->connections)
        connection_close(s->connections);
    free(s);
}

uint16_t server_port(const struct server *s)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t n = sizeof(address);
    if (getsockname(evconnlistener_get_fd(s->listener), &address.any, &n))
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg)
{
    stop_listening(s);
    s->draining = true;
    s->on_drained = on_drained;
    s->drained_arg = arg;
    for (struct connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (c->phase == PHASE_IDLE || c->phase == PHASE_LINGER)
            connection_close(c);
        else if (c->request)
            c->request->keep_alive = false;
    }
    if (s->n_connections == 0 && s->on_drained) {
        s->on_drained = NULL;
        on_drained(arg);
    }
}
