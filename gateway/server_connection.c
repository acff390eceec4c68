/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of the HTTP server: their phases, deadlines, reading and writing; see
 * server_connection.h.
 */
#include "server_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#define HEAD_READ_BYTES 16384 /* at once: what comes with a head has to be moved and wiped */
#define AHEAD_BYTES 16384
#define PROGRESS_BYTES 16384 /* of an answer; a client that takes less in the time takes none */
#define LEAVING_MS 1000      /* until a client that sends no more and gets nothing has left */
#define HALF_CLOSED_MS 5000  /* the same, of an answer that has begun */
#define LINGER_MS 2000
#define LINGER_BYTES (64 << 20)

/* ---- phases ---- */

void connection_set_deadline(struct connection *c, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(&c->deadline, &after);
}

void connection_enter(struct connection *c, enum phase phase)
{
    c->phase = phase;
    c->since_us = server_now_us();
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The next byte of the body within its timeout, and all of them in time. */
static void await_body(struct connection *c)
{
    const int64_t left_ms = (c->whole_by_us - server_now_us()) / 1000;
    connection_set_deadline(
        c, min_of(left_ms > 0 ? left_ms : 0, c->server->options.limits.body_timeout_ms));
}

void connection_expect_body(struct connection *c)
{
    const struct server_limits *limits = &c->server->options.limits;
    const bool begins = c->phase != PHASE_BODY, draining = c->server->draining;
    if (begins)
        connection_enter(c, PHASE_BODY);
    const int64_t ms = draining ? limits->body_timeout_ms : limits->body_total_ms;
    const int64_t by_us = server_now_us() + ms * 1000;
    c->whole_by_us = begins ? by_us : min_of(c->whole_by_us, by_us);
    await_body(c);
}

void connection_close(struct connection *c)
{
    struct server *s = c->server;
    TAILQ_REMOVE(&s->connections, c, all);
    event_del(&c->closed);
    event_del(&c->readable);
    event_del(&c->writable);
    event_del(&c->deadline);
    close(c->fd);
    tls_stream_free(c->tls);
    evbuffer_free(c->out);
    free(c->ahead);
    struct server_request *r = c->request;
    bool handler_owns = c->phase == PHASE_BUSY && !c->answered;
    free(c);
    if (r && handler_owns && r->watch && r->watch->on_gone)
        r->watch->on_gone(r->watch_arg);
    request_free(r);
    server_forget(s);
}

/* The client may still be sending what was refused: closing now would reset the connection before
 * it has read why. So: end our direction, and read and drop what comes for a while. */
static void connection_linger(struct connection *c)
{
    request_free(c->request);
    c->request = NULL;
    connection_enter(c, PHASE_LINGER);
    c->lingered = 0;
    event_del(&c->closed);
    if (c->tls)
        tls_end(c->tls);
    shutdown(c->fd, SHUT_WR);
    event_add(&c->readable, NULL);
    connection_set_deadline(c, LINGER_MS);
}

/* Answers what never became a request of a handler, and closes. */
static void connection_refuse(struct connection *c)
{
    request_refuse(c);
    c->close_after = true;
    c->answered = true;
    connection_enter(c, PHASE_BUSY);
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

/* ---- to the next request ---- */

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

/* Chunk heads and trailers are a body's too: none may be without end. */
static int count_body(struct connection *c, size_t n)
{
    struct server_request *r = c->request;
    r->wire_bytes += n;
    if (r->wire_bytes <= r->body.max)
        return 0;
    return http_fail(&c->error, 413, "body_too_large",
                     "The request body is longer than %zu bytes, with what frames it.",
                     r->body.max);
}

/* What is wrong with a request that the parser gave up, unless a callback has said so. */
static void explain(struct connection *c, llhttp_errno_t err)
{
    if (c->error.status)
        return;
    if (err == HPE_INVALID_VERSION || err == HPE_PAUSED_H2_UPGRADE)
        http_fail(&c->error, 505, "http_version_not_supported",
                  "HTTP/1.1 and 1.0 are spoken here.");
    else
        http_fail(&c->error, 400, "invalid_http", "The request is not valid HTTP: %s.",
                  llhttp_get_error_reason(&c->parser));
}

/* Feeds the parser. May close or free the connection; the caller does not touch it afterwards. */
static void parse(struct connection *c, const char *p, size_t n)
{
    const bool in_body = c->phase == PHASE_BODY;
    llhttp_errno_t err = llhttp_execute(&c->parser, p, n);
    if (err == HPE_OK && c->phase == PHASE_BODY) {
        if (in_body && count_body(c, n))
            connection_refuse(c);
        else
            await_body(c);
        return;
    }
    if (err == HPE_OK)
        return;
    if (err == HPE_PAUSED) {
        const char *end = llhttp_get_error_pos(&c->parser);
        if (keep_ahead(c, end, n - (size_t)(end - p))) {
            connection_close(c);
            return;
        }
        server_dispatch(c);
        return;
    }
    explain(c, err);
    connection_refuse(c);
}

/* The request is answered and flushed: on to the next one. */
static void connection_advance(struct connection *c)
{
    request_free(c->request);
    c->request = NULL;
    connection_enter(c, PHASE_IDLE);
    c->answered = false;
    c->error.status = 0;
    if (c->ahead_n == 0 && (c->server->draining || c->half_closed)) {
        connection_close(c);
        return;
    }
    llhttp_resume(&c->parser);
    event_del(&c->closed);
    event_add(&c->readable, NULL);
    connection_set_deadline(c, c->server->options.limits.keepalive_timeout_ms);
    if (c->ahead_n > 0 || c->tls) /* on the next turn of the loop: pipelined requests do not nest */
        event_active(&c->readable, EV_READ, 1);
}

/* ---- reading and writing ---- */

/* recv(), through TLS if there is any. */
static ssize_t receive(struct connection *c, void *into, size_t room)
{
    if (!c->tls)
        return recv(c->fd, into, room, 0);
    ssize_t n = tls_receive(c->tls, into, room);
    if (n == (ssize_t)room) /* there may be more inside of TLS, of which the socket knows nothing */
        event_active(&c->readable, EV_READ, 1);
    if (tls_wants_write(c->tls))
        event_add(&c->writable, NULL);
    return n;
}

/* The client sends no more. Whether it has left shows only when something is written to it, so it
 * has a moment in which to be answered. */
static void half_close(struct connection *c)
{
    event_del(&c->readable);
    event_del(&c->closed);
    c->half_closed = true;
    if (!event_pending(&c->deadline, EV_TIMEOUT, NULL))
        connection_set_deadline(c, LEAVING_MS);
}

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    half_close(arg);
}

static void read_ahead(struct connection *c)
{
    if (!c->ahead && !(c->ahead = malloc(AHEAD_BYTES))) {
        connection_close(c);
        return;
    }
    if (c->ahead_n >= AHEAD_BYTES) {
        event_del(&c->readable); /* until the current request is answered */
        event_add(&c->closed, NULL);
        return;
    }
    ssize_t n = receive(c, c->ahead + c->ahead_n, AHEAD_BYTES - c->ahead_n);
    if (n > 0)
        c->ahead_n += (size_t)n;
    else if (n == 0)
        half_close(c);
    else if (errno != EAGAIN && errno != EINTR)
        connection_close(c);
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
    ssize_t n = receive(c, c->server->scratch, SERVER_READ_BYTES);
    if (n > 0)
        c->lingered += (size_t)n;
    bool over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (over || c->lingered > LINGER_BYTES)
        connection_close(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
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
    char *const scratch = c->server->scratch;
    size_t room = c->phase == PHASE_BODY ? SERVER_READ_BYTES : HEAD_READ_BYTES;
    char *into = body_room(c, &room);
    into = into ? into : scratch;
    ssize_t n = receive(c, into, room);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        connection_close(c);
    if (n <= 0)
        return;
    parse(c, into, (size_t)n);
    if (into == scratch)
        explicit_bzero(scratch, (size_t)n); /* it may have held a key */
}

/* All is out: nothing more is expected of the client, but that one that has ended its direction is
 * still there. */
static void end_stall(struct connection *c)
{
    event_del(&c->writable);
    if (c->phase != PHASE_BUSY || c->taken == 0)
        return;
    c->taken = 0;
    event_del(&c->deadline);
    if (c->half_closed && !c->answered)
        connection_set_deadline(c, HALF_CLOSED_MS);
}

/* Writes what it can: 1 if all is out, 0 if the rest waits for the client, -1 if it cannot be sent.
 * The deadline runs while the client takes next to nothing. */
static int write_out(struct connection *c)
{
    if (c->lost)
        return -1;
    while (evbuffer_get_length(c->out) > 0) {
        ssize_t n = c->tls ? tls_send(c->tls, c->out) : evbuffer_write(c->out, c->fd);
        if (n > 0) {
            c->taken += (size_t)n;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        event_add(&c->writable, NULL);
        if (c->phase == PHASE_BUSY &&
            (c->taken >= PROGRESS_BYTES || !event_pending(&c->deadline, EV_TIMEOUT, NULL))) {
            c->taken = 0;
            connection_set_deadline(c, c->server->options.limits.send_timeout_ms);
        }
        return 0;
    }
    end_stall(c);
    return 1;
}

void connection_flush(struct connection *c)
{
    int out = write_out(c);
    if (out < 0 && c->answered)
        connection_close(c);
    else if (out < 0)
        event_active(&c->deadline, EV_TIMEOUT, 1); /* close, but not under the handler */
    else if (out > 0 && c->phase == PHASE_BUSY && c->answered && c->close_after)
        connection_linger(c);
    else if (out > 0 && c->phase == PHASE_BUSY && c->answered)
        connection_advance(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct connection *c = arg;
    if (c->tls && tls_wants_write(c->tls))
        event_active(&c->readable, EV_READ, 1);
    if (c->phase != PHASE_BUSY || c->answered) {
        connection_flush(c);
        return;
    }
    int out = write_out(c);
    const struct server_request *r = c->request;
    if (out < 0)
        connection_close(c);
    else if (out > 0 && r->watch && r->watch->on_drained)
        r->watch->on_drained(r->watch_arg);
}

/* ---- the life of a connection ---- */

struct connection *connection_new(struct server *s, evutil_socket_t fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    struct evbuffer *out = c ? evbuffer_new() : NULL;
    struct tls_stream *tls = out && s->tls ? tls_stream_new(s->tls, fd) : NULL;
    if (!out || (s->tls && !tls)) {
        if (out)
            evbuffer_free(out);
        free(c);
        return NULL;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->server = s;
    c->fd = fd;
    c->tls = tls;
    c->out = out;
    llhttp_init(&c->parser, HTTP_REQUEST, &s->settings);
    c->parser.data = c;
    event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    event_assign(&c->closed, s->base, fd, EV_CLOSED | EV_PERSIST, on_closed, c);
    evtimer_assign(&c->deadline, s->base, on_deadline, c);
    connection_enter(c, PHASE_IDLE);
    TAILQ_INSERT_HEAD(&s->connections, c, all);
    s->n_connections++;
    bool read = event_add(&c->readable, NULL) == 0;
    /* A connection that says nothing has as long as a request head may take. */
    connection_set_deadline(c, read ? s->options.limits.header_timeout_ms : 0);
    return c;
}
