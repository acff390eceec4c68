/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 server: listening, routes and draining; see server.h. Connections are in
 * server_connection.c, requests and answers in server_request.c.
 */
#include "server_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define ACCEPT_PAUSE_MS 100L
#define HEAD_GRACE_US 1000000 /* how long a head that has begun is left alone */

int64_t server_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- routes ---- */

static bool is_path_of(const struct server_route *route, const char *path)
{
    const size_t n = strlen(route->path) - 1;
    if (route->path[n] == '*')
        return strncmp(route->path, path, n) == 0 && path[n];
    return strcmp(route->path, path) == 0;
}

/* The route of a request; NULL with the method that its path takes in `ret_allowed` (NULL if the
 * path is unknown). */
static const struct server_route *find_route(const struct connection *c, const char *method,
                                             const char **ret_allowed)
{
    *ret_allowed = NULL;
    for (const struct server_route *route = c->server->options.routes; route->method; route++) {
        if (!is_path_of(route, c->request->head.p))
            continue;
        *ret_allowed = route->method;
        const bool head = strcmp(method, "HEAD") == 0; /* GET without the body */
        if (strcmp(route->method, head ? "GET" : method) == 0)
            return route;
    }
    return NULL;
}

static const char *method_of(const struct connection *c)
{
    return llhttp_method_name(
        (llhttp_method_t)llhttp_get_method((llhttp_t *)(uintptr_t)&c->parser)); /* it only reads */
}

/* No route takes it: 404, or 405 if only the method is wrong. Returns -1. */
static int fail_route(const struct connection *c, const char *allowed, struct http_error *error)
{
    const char *method = method_of(c), *path = c->request->head.p;
    if (allowed)
        return http_fail(error, 405, "method_not_allowed", "%s does not take %s.", path, method);
    char known[288] = ""; /* with the rest within the message of an error */
    size_t n = 0;
    for (const struct server_route *route = c->server->options.routes; route->method; route++) {
        const char *before = n > 0 ? ", " : "";
        if (!route->is_alias && n < sizeof(known))
            n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", before, route->path);
    }
    return http_fail(error, 404, "unknown_url", "Unknown URL: %s %.80s. There are: %s.", method,
                     path, known);
}

/* A body is read only for a route that takes one, and only as much of it. */
static int admit_body(struct connection *c, const struct server_route *route)
{
    const size_t limit = c->server->options.limits.max_body_bytes;
    const size_t max = route ? route->max_body_bytes : 0;
    const bool chunked = c->parser.flags & F_CHUNKED;
    c->request->body = buffer_of(max < limit ? max : limit);
    if (max > 0 || (!chunked && c->parser.content_length == 0))
        return 0;
    if (!route)
        return fail_route(c, c->allow, &c->error);
    return http_fail(&c->error, 413, "body_too_large", "%s takes no body.", route->path);
}

int server_admit(struct connection *c)
{
    if (cors_is_preflight(c)) /* it never shows a key */
        return 0;
    const struct server_options *options = &c->server->options;
    const struct server_route *route = find_route(c, method_of(c), &c->allow);
    int admitted = options->admit ? options->admit(c->request, route, options->arg, &c->error) : 0;
    if (admitted < 0)
        return -1;
    c->known |= admitted > 0;
    return admit_body(c, route);
}

void server_dispatch(struct connection *c)
{
    struct server *s = c->server;
    struct server_request *r = c->request;
    r->arrived_us = server_now_us();
    r->keep_alive = llhttp_should_keep_alive(&c->parser) && !s->draining;
    r->is_1_0 = c->parser.http_major == 1 && c->parser.http_minor == 0;
    connection_enter(c, PHASE_BUSY);
    c->answered = false;
    event_del(&c->deadline);

    const char *allowed;
    const struct server_route *route = find_route(c, method_of(c), &allowed);
    if (cors_is_preflight(c)) {
        cors_answer_preflight(r);
        return;
    }
    if (route) {
        route->handle(r, s->options.arg);
        return;
    }
    struct http_error error;
    struct server_header allow = {"allow", allowed};
    fail_route(c, allowed, &error);
    server_reply_error(r, &error, &allow, allowed ? 1 : 0);
}

void server_forget(struct server *s)
{
    s->n_connections--;
    if (s->draining && s->n_connections == 0 && s->on_drained) {
        void (*on_drained)(void *) = s->on_drained;
        s->on_drained = NULL;
        on_drained(s->drained_arg);
    }
}

/* ---- listening ---- */

static void pause_accepting(struct server *s)
{
    struct timeval after = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    evconnlistener_disable(s->listener);
    event_add(&s->accept_again, &after);
}

/* Neither a connection nor memory is needed for it. */
static void send_busy(evutil_socket_t fd)
{
    static const char body[] =
        "{\"error\":{\"message\":\"Too many connections.\",\"type\":"
        "\"server_error\",\"param\":null,\"code\":\"too_many_connections\"}}";
    char answer[sizeof(body) + 200];
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: "
                     "application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     sizeof(body) - 1, body);
    ssize_t ignored = send(fd, answer, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

/* Closes the oldest connection on which a stranger leaves the server waiting, so that nobody can
 * keep others out by holding connections. False if there is none. */
static bool make_room(struct server *s)
{
    const int64_t now_us = server_now_us();
    struct connection *c;
    TAILQ_FOREACH_REVERSE(c, &s->connections, connections, all)
    {
        const bool waits = c->phase == PHASE_IDLE || c->phase == PHASE_LINGER ||
                           (c->phase == PHASE_HEAD && now_us - c->since_us > HEAD_GRACE_US);
        if (!waits || c->known)
            continue;
        connection_close(c);
        return true;
    }
    return false;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int n, void *arg)
{
    (void)listener, (void)address, (void)n;
    struct server *s = arg;
    bool room = s->n_connections < s->options.limits.max_connections || make_room(s);
    if (room && connection_new(s, fd))
        return;
    if (!s->tls)
        send_busy(fd);
    close(fd);
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
    TAILQ_INIT(&s->connections);
    request_settings_init(&s->settings);
    evtimer_assign(&s->accept_again, base, on_accept_again, s);
    if (listen_open(options->host, options->port, options->is_tls, &s->listening, why, n)) {
        free(s);
        return -1;
    }
    s->listener = evconnlistener_new(base, on_accept, s, LEV_OPT_CLOSE_ON_EXEC, 0, s->listening.fd);
    if (!s->listener) {
        snprintf(why, n, "out of memory");
        listen_close(&s->listening);
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
    listen_close(&s->listening);
    event_del(&s->accept_again);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    stop_listening(s);
    s->on_drained = NULL;
    while (!TAILQ_EMPTY(&s->connections))
        connection_close(TAILQ_FIRST(&s->connections));
    server_tls_free(s->tls);
    free(s->origins);
    free(s);
}

void server_set_limits(struct server *s, const struct server_limits *limits)
{
    s->options.limits = *limits;
}

void server_set_tls(struct server *s, struct server_tls *tls)
{
    server_tls_free(s->tls);
    s->tls = tls;
}

const char *server_url(const struct server *s)
{
    return s->listening.url;
}

bool server_is_local(const struct server *s)
{
    return s->listening.is_local;
}

void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg)
{
    stop_listening(s);
    s->draining = true;
    s->on_drained = on_drained;
    s->drained_arg = arg;
    for (struct connection *c = TAILQ_FIRST(&s->connections), *next; c; c = next) {
        next = TAILQ_NEXT(c, all);
        if (c->phase == PHASE_IDLE || c->phase == PHASE_LINGER)
            connection_close(c);
        else if (c->phase == PHASE_BODY)
            connection_expect_body(c);
        else if (c->request)
            c->request->keep_alive = false;
    }
    if (s->n_connections == 0 && s->on_drained) {
        s->on_drained = NULL;
        on_drained(arg);
    }
}
