/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/1.1 server: connections, limits, routes, answers. llhttp parses, libevent waits; a
 * request body is read from the socket straight into the one buffer in which it stays. Faults of
 * the protocol are answered here, in the form that options.error_json gives them. Loop thread only.
 */
#ifndef MOA_GATEWAY_SERVER_H
#define MOA_GATEWAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <moaoff/base.h>

#include "error.h"
#include "memory.h"

struct event_base;
struct server;
struct server_request;
struct server_tls;

struct server_route {
    const char *method;
    const char *path; /* without the query; one that ends with a star takes all below */
    void (*handle)(struct server_request *request, void *arg);
    int access;            /* for `admit` */
    bool is_alias;         /* another path, or one that tools find: no 404 names it */
    size_t max_body_bytes; /* 0: it takes none; at most limits.max_body_bytes in any case */
};

#define SERVER_BODY_ANY SIZE_MAX /* as large as the limits allow */

struct server_limits {
    size_t max_connections, max_header_bytes, max_body_bytes;
    int64_t header_timeout_ms, keepalive_timeout_ms, send_timeout_ms;
    int64_t body_timeout_ms; /* without a byte */
    int64_t body_total_ms;   /* for all of it */
};

struct server_options {
    const char *host; /* or "unix:/run/x.sock"; see server_listen.h */
    uint16_t port;    /* 0: any free port */
    bool is_tls;      /* it will be: for server_url() */
    struct server_limits limits;
    const struct server_route *routes; /* borrowed; ends with method NULL */
    struct memory_budget *bodies;      /* what all bodies may hold; borrowed */
    const char *exposed_headers;       /* of answers, that web pages may read; borrowed */
    /**
     * Whether a request may go on, asked when its head has come and before its body is read.
     * `route` is NULL if no route takes it. -1 with `ret_error` refuses it; 1: it may, and shows
     * that its client is a known one. NULL: all may.
     */
    int (*admit)(const struct server_request *request, const struct server_route *route, void *arg,
                 struct http_error *ret_error);
    /** The text of an error for who asked for `path` (as it came, perhaps only the beginning of
     * it), to be freed with free(); NULL if out of memory. */
    char *(*error_json)(const char *path, const struct http_error *error, size_t *ret_n);
    void *arg; /* passed to `admit` and to every handler */
};

/** Listens. 0, or -1 with `why` (of `n` bytes) filled. */
int server_new(struct event_base *base, const struct server_options *options,
               struct server **ret_server, char *why, size_t n);

/** Closes everything at once. NULL is allowed. */
void server_free(struct server *server);

/** Where it listens, for people; valid until it drains. */
const char *server_url(const struct server *server);
/** Whether nobody beyond this machine can connect. */
bool server_is_local(const struct server *server);

/** Origins of web pages that may call, between commas; "*": all; "": none, as at first. */
void server_set_origins(struct server *server, const char *origins);

/** From now on; what a limit has refused stays refused. */
void server_set_limits(struct server *server, const struct server_limits *limits);

/**
 * Reads a certificate chain and its private key, PEM files. 0, or -1 with `why` (of `n` bytes)
 * filled.
 */
int server_tls_load(const char *certificate, const char *key, struct server_tls **ret_tls,
                    char *why, size_t n);
/** NULL is allowed. */
void server_tls_free(struct server_tls *tls);
/** New connections speak TLS with `tls`, plain if NULL. Takes ownership. */
void server_set_tls(struct server *server, struct server_tls *tls);

/** Stops accepting, lets requests finish, then calls `on_drained` (perhaps at once). */
void server_drain(struct server *server, void (*on_drained)(void *arg), void *arg);

/* ---- one request ----
 * A request lives from its handler's call until server_reply(), server_reply_end() or
 * server_reply_cut(), or until on_gone; after any of these the pointer is dead.
 */

struct moa_bytes server_request_body(const struct server_request *request);
/** The body, to be freed with free(): it now is the caller's and outlives the request, and so do
 * the bytes that it has taken of options.bodies. Once. */
char *server_request_take_body(struct server_request *request, size_t *ret_n);
/** The path, without the query and without a slash at its end; as it came, not unescaped. */
const char *server_request_path(const struct server_request *request);
/** Replaces %XX by the bytes that they stand for, in place. */
void server_unescape(char *text);
/** The value of the header `name` (any case), or NULL. */
const char *server_request_header(const struct server_request *request, const char *name);
/** The same where it stands more than once: k = 0 is the first. */
const char *server_request_header_again(const struct server_request *request, const char *name,
                                        size_t k);
/** The value of the header x-api-key, or api-key, or NULL. */
const char *server_request_api_key(const struct server_request *request);
/** The value of `name` in the query, unescaped. -1 if there is none, 1 if it needs more
 * `room`. */
int server_request_query(const struct server_request *request, const char *name, char *ret_value,
                         size_t room);
/** When its last byte arrived, monotonic microseconds. */
int64_t server_request_arrived_us(const struct server_request *request);

struct server_watch {
    void (*on_gone)(void *arg);    /* the client left; no reply is possible any more */
    void (*on_drained)(void *arg); /* all that was written has been taken by the client */
};
/** At most one watch a request; `watch` stays valid until the request ends. */
void server_request_watch(struct server_request *request, const struct server_watch *watch,
                          void *arg);

struct server_header {
    const char *name, *value;
};

struct server_head {
    int status;
    const char *content_type;
    const struct server_header *headers; /* further ones */
    size_t n_headers;
};

/** A whole answer. */
void server_reply(struct server_request *request, const struct server_head *head,
                  struct moa_bytes body);
/** An error, in the form of options.error_json. `headers` as in server_head. */
void server_reply_error(struct server_request *request, const struct http_error *error,
                        const struct server_header *headers, size_t n_headers);

/** An answer in pieces: head, any number of writes, end. */
void server_reply_begin(struct server_request *request, const struct server_head *head);
/** Returns how many bytes now wait for the client. */
size_t server_reply_write(struct server_request *request, struct moa_bytes bytes);
void server_reply_end(struct server_request *request);
/** Breaks the connection: the client learns that the answer is incomplete. */
void server_reply_cut(struct server_request *request);

/** Monotonic clock, microseconds. */
int64_t server_now_us(void);

#endif
