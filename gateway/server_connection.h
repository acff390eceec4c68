/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the HTTP server, shared by its files and by nobody else: server.c (listening,
 * routes), server_connection.c (phases, reading, writing), server_request.c (parsing),
 * server_body.c (bodies),
 * server_reply.c (answers), server_cors.c (answers to web pages) and server_tls.c.
 *
 * A connection is in one phase at a time and has one deadline, that of its phase:
 *     IDLE -> HEAD -> BODY -> BUSY (a handler owns the request) -> IDLE | LINGER -> closed
 * While BUSY the socket is still read, so that a client that leaves is noticed; what a pipelining
 * client sends ahead waits in `ahead`, up to its size, and then in the kernel, where only the end
 * of its direction is noticed (`closed`). A client that has ended its direction may still read: it
 * gets what comes soon, and counts as gone when nothing does.
 */
#ifndef MOA_GATEWAY_SERVER_CONNECTION_H
#define MOA_GATEWAY_SERVER_CONNECTION_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <llhttp.h>
#include <sys/queue.h>

#include "buffer.h"
#include "server.h"
#include "server_listen.h"
#include "server_tls.h"

#define SERVER_READ_BYTES 65536
#define SERVER_HEADERS_MAX 100

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_BUSY, PHASE_LINGER };

struct server_request {
    struct connection *connection;
    struct buffer head; /* path, query, names and values, each with a NUL behind */
    size_t query;       /* 0: none */
    size_t names[SERVER_HEADERS_MAX], values[SERVER_HEADERS_MAX]; /* in head; the path is at 0 */
    size_t n_headers;
    struct buffer body;           /* its maximum is that of the route */
    struct body_packed *packed;   /* NULL: it is not gzip */
    struct memory_budget *bodies; /* the server's */
    size_t charged_bytes;         /* to it */
    size_t wire_bytes;            /* of the body, chunk heads and trailers included */
    size_t trailer_n; /* how far a trailer's name looks like one that counts; SIZE_MAX: not */
    int64_t arrived_us;
    bool keep_alive;
    bool is_1_0;
    bool chunked; /* the answer is */
    const struct server_watch *watch;
    void *watch_arg;
};

struct connection {
    struct server *server;
    TAILQ_ENTRY(connection) all;
    evutil_socket_t fd;
    struct tls_stream *tls; /* NULL: plain */
    enum phase phase;
    int64_t since_us; /* in this phase */
    struct event readable, writable, deadline;
    struct event closed; /* the client sends no more; watched while what it sent is not read */
    llhttp_t parser;
    struct server_request *request;
    struct http_error error; /* set by parser callbacks that refuse */
    const char *allow;       /* with a 405: the method that the path takes */
    struct evbuffer *out;
    bool close_after;    /* when `out` is empty */
    bool answered;       /* the request is over; what is left is in `out` */
    bool lost;           /* no memory for a part of the answer: nothing more of it is sent */
    bool half_closed;    /* the client sends no more: it has left, or waits for the answer */
    bool known;          /* a right key was shown on it */
    int64_t whole_by_us; /* when the body must have arrived */
    size_t taken;        /* by the client, of its answer, since the deadline was set */
    size_t lingered;
    char *ahead; /* bytes behind the current request */
    size_t ahead_n;
};

struct server {
    struct event_base *base;
    struct server_options options;
    struct server_tls *tls; /* NULL: plain */
    struct evconnlistener *listener;
    struct listening listening;
    struct event accept_again;
    TAILQ_HEAD(connections, connection) connections; /* the newest first */
    size_t n_connections;
    llhttp_settings_t settings;
    char *origins; /* of web pages that may call */
    bool draining;
    void (*on_drained)(void *arg);
    void *drained_arg;
    char scratch[SERVER_READ_BYTES];
};

/* ---- server.c ---- */

/** Whether the request whose head has come may go on, and what its body may take; else `c->error`
 * is filled. 0 or -1. */
int server_admit(struct connection *c);
/** Hands the complete request to its handler. */
void server_dispatch(struct connection *c);
/** A connection has been closed. */
void server_forget(struct server *s);

/* ---- server_connection.c ---- */

/** Takes over `fd`. NULL if out of memory; `fd` is then still the caller's. */
struct connection *connection_new(struct server *s, evutil_socket_t fd);
void connection_close(struct connection *c);
void connection_set_deadline(struct connection *c, int64_t ms);
void connection_enter(struct connection *c, enum phase phase);
/** A body begins, or goes on while the server drains: sets by when all of it must be here. */
void connection_expect_body(struct connection *c);
/** Writes what it can. When all is out and the request has been answered: on to the next one, or
 * close; `c` may then be free. */
void connection_flush(struct connection *c);

/* ---- server_request.c ---- */

void request_settings_init(llhttp_settings_t *settings);
void request_free(struct server_request *r);

/* ---- server_body.c ---- */

/** The head has come: whether its body may; 0, or -1 with `c->error`. The same below. */
int body_begin(struct connection *c);
int body_add(struct connection *c, const char *p, size_t n);
/** All of it has come. */
int body_end(struct connection *c);
/** Where the next bytes of the body can be received without being copied; NULL: nowhere. */
char *body_room(struct connection *c, size_t *ret_n);
void body_free(struct server_request *r);

/* ---- server_cors.c ---- */

/** The origin of the page that asks, if it may read the answer; else NULL. */
const char *cors_origin(const struct connection *c);
bool cors_is_preflight(const struct connection *c);
void cors_answer_preflight(struct server_request *r);

/* ---- server_reply.c ---- */

/** Answers `c->error`, for what never became a request of a handler, into `c->out`. */
void request_refuse(struct connection *c);

#endif
