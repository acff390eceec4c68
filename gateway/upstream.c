/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl multi on libevent; see upstream.h.
 *
 * libcurl forbids to add, remove or resume handles from inside of its own callbacks. While it runs
 * (`depth` > 0), new and cancelled calls are only noted; settle() carries them out as soon as
 * libcurl has returned. Adding a handle runs nothing but the timer's callback: what becomes of a
 * call is always told from the loop, never from inside upstream_send().
 */
#include "upstream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "upstream_handle.h"
#include "upstream_meter.h"

#define UPLOAD_BUFFER_BYTES (256 << 10) /* at most; no more than there is to send */
#define BRIEF_BUFFER_BYTES 4096         /* for what comes; wiped after each call */
#define RETRY_AFTER_MAX_S 3600
#define ONE_WRITE_BYTES 60000 /* libcurl sends a body below 64 KiB together with its head */

#define SET(option, value) err = err ? err : curl_easy_setopt(easy, option, value)

enum call_stage { CALL_NEW, CALL_RUNNING, CALL_CANCELLED };

#define LINK_LOOKS 4 /* in `dead_link_ms` */

struct upstream {
    struct event_base *base;
    CURLM *multi;
    struct event timer;          /* libcurl's */
    unsigned depth;              /* > 0 while libcurl is on the stack */
    struct upstream_call *calls; /* all of them */
    struct handles handles;
    const char *system_ca_file; /* libcurl's own default; NULL if it has none */
    bool has_proxy;             /* the environment names one */
    struct meter meter;
};

struct upstream_call {
    struct upstream *upstream;
    struct upstream_call *previous, *next;
    enum call_stage stage;
    enum upstream_method method;
    struct handle handle;
    struct curl_slist *headers; /* one piece of memory */
    struct event timeout;
    const struct upstream_callbacks *callbacks;
    void *arg;

    const struct moa_bytes *segments;
    size_t n_segments;
    size_t segment, offset; /* the next byte to send */
    char *small_body;       /* all of the body, if it goes out in one write with the head */
    int64_t idle_timeout_ms;
    int64_t dead_link_ms;
    bool metered;
    curl_socket_t fd;  /* while libcurl watches it */
    struct event link; /* looks whether the peer's kernel still acknowledges, until the answer */
    unsigned n_silent; /* looks in a row that saw sent bytes and no acknowledgement */
    bool link_dead;
    struct meter_body meter_body;
    int64_t rtt_us;
    bool has_limits; /* the head of the answer has a header of their kind */
    bool answering;  /* it has been passed on */
    bool paused;
    bool timed_out;
    bool lost; /* no memory to go on: on_timeout() ends it at once */
    bool complete;
    uint64_t bytes_down;
    char error[CURL_ERROR_SIZE];
};

struct socket_watch {
    struct event event;
    bool added;
};

static void settle(struct upstream *u);

static bool body_begun(const struct upstream_call *call)
{
    return call->segment > 0 || call->offset > 0;
}

/* ---- libcurl's sockets and timer on the loop ---- */

static void drive(struct upstream *u, curl_socket_t fd, int flags)
{
    int running;
    u->depth++;
    curl_multi_socket_action(u->multi, fd, flags, &running);
    u->depth--;
    settle(u);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    drive(arg, fd, flags);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void set_timer(struct event *timer, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(timer, &after);
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct upstream *u = arg;
    if (ms < 0)
        event_del(&u->timer);
    else if (ms == 0 && u->depth == 0) /* a new call: in this turn of the loop, with no look at */
        event_active(&u->timer, EV_TIMEOUT, 0); /* sockets before it */
    else
        set_timer(&u->timer, ms);
    return 0;
}

static void lose(struct upstream_call *call)
{
    call->lost = true;
    set_timer(&call->timeout, 0);
}

/* Keeps track of the socket on which a call sends. A new connection's is known before the
 * body begins; a kept one's only after the first bytes. */
static void follow_socket(struct upstream *u, CURL *easy, curl_socket_t fd, int what)
{
    struct upstream_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    if (!call)
        return;
    if (what == CURL_POLL_REMOVE && fd == call->fd) {
        meter_remove(&u->meter, &call->meter_body);
        call->fd = CURL_SOCKET_BAD;
    } else if (what != CURL_POLL_REMOVE) {
        call->fd = fd;
        if (call->metered && body_begun(call) && !call->answering)
            meter_add(&u->meter, &call->meter_body, fd);
    }
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct upstream *u = arg;
    follow_socket(u, easy, fd, what);
    struct socket_watch *watch = socket_arg;
    if (watch && watch->added) {
        event_del(&watch->event);
        watch->added = false;
    }
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(u->multi, fd, NULL);
        free(watch);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof(*watch));
        if (!watch) { /* -1 would end all calls, not only this one */
            struct upstream_call *call = NULL;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
            if (call && call->stage == CALL_RUNNING)
                lose(call);
            return 0;
        }
        curl_multi_assign(u->multi, fd, watch);
    }
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
    event_assign(&watch->event, u->base, fd, events, on_socket, u);
    watch->added = event_add(&watch->event, NULL) == 0;
    return watch->added ? 0 : -1;
}

/* ---- one call: what libcurl asks and tells ---- */

/* The next bytes of the body, `room` at most. */
static size_t copy_body(struct upstream_call *call, char *out, size_t room)
{
    size_t given = 0;
    while (given < room && call->segment < call->n_segments) {
        const struct moa_bytes *s = &call->segments[call->segment];
        size_t n = s->n - call->offset < room - given ? s->n - call->offset : room - given;
        memcpy(out + given, (const char *)s->p + call->offset, n);
        given += n;
        call->offset += n;
        if (call->offset == s->n) {
            call->segment++;
            call->offset = 0;
        }
    }
    return given;
}

static size_t give_body(char *out, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    if (call->stage == CALL_CANCELLED)
        return CURL_READFUNC_ABORT; /* the segments may be gone already */
    if (call->metered && call->fd != CURL_SOCKET_BAD && !body_begun(call))
        meter_add(&call->upstream->meter, &call->meter_body, call->fd);
    meter_touch(&call->upstream->meter, &call->meter_body);
    size_t given = copy_body(call, out, size * count);
    call->meter_body.given = call->segment == call->n_segments;
    return given;
}

/* libcurl starts the body over when a kept connection turns out to be dead. */
static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct upstream_call *call = arg;
    if (offset != 0 || origin != SEEK_SET || !call->segments)
        return CURL_SEEKFUNC_CANTSEEK;
    meter_remove(&call->upstream->meter, &call->meter_body);
    call->segment = call->offset = 0;
    return CURL_SEEKFUNC_OK;
}

/* libcurl reads both forms of the header, seconds and a date. */
static unsigned retry_after_s(CURL *easy, long status)
{
    curl_off_t s = 0;
    if (status != 429 && status != 503)
        return 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &s);
    return s <= 0 ? 0 : s < RETRY_AFTER_MAX_S ? (unsigned)s : RETRY_AFTER_MAX_S;
}

static const char limit_prefix[] = "x-ratelimit-";

static bool is_limit(const char *header)
{
    return strncasecmp(header, limit_prefix, sizeof(limit_prefix) - 1) == 0;
}

/* What an engine says of its own limits is of use to clients. */
static size_t read_limits(CURL *easy, struct upstream_header list[UPSTREAM_LIMITS_MAX])
{
    size_t n = 0;
    for (struct curl_header *h = NULL;
         n < UPSTREAM_LIMITS_MAX && (h = curl_easy_nextheader(easy, CURLH_HEADER, -1, h));) {
        if (is_limit(h->name))
            list[n++] = (struct upstream_header){h->name, h->value};
    }
    return n;
}

static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    size_t n = size * count;
    bool blank = (n == 2 && line[0] == '\r') || (n == 1 && line[0] == '\n');
    call->has_limits |= n >= sizeof(limit_prefix) && is_limit(line);
    if (!blank || call->answering || call->stage == CALL_CANCELLED)
        return n;
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(call->handle.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return n; /* 100 Continue */
    curl_easy_getinfo(call->handle.easy, CURLINFO_CONTENT_TYPE, &type);
    call->answering = true;
    event_del(&call->link);
    if (call->metered && call->fd != CURL_SOCKET_BAD)
        call->rtt_us = meter_rtt_us(call->fd);
    meter_remove(&call->upstream->meter, &call->meter_body);
    set_timer(&call->timeout, call->idle_timeout_ms);
    struct upstream_header limits[UPSTREAM_LIMITS_MAX];
    struct upstream_head head = {.status = (int)status,
                                 .content_type = type ? type : "",
                                 .retry_after_s = retry_after_s(call->handle.easy, status),
                                 .limits = limits,
                                 .n_limits =
                                     call->has_limits ? read_limits(call->handle.easy, limits) : 0};
    call->callbacks->on_head(&head, call->arg);
    return n;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    size_t n = size * count;
    if (call->stage == CALL_CANCELLED || !call->answering)
        return 0;
    if (call->paused)
        return CURL_WRITEFUNC_PAUSE;
    call->bytes_down += n;
    set_timer(&call->timeout, call->idle_timeout_ms);
    if (call->callbacks->on_body((struct moa_bytes){bytes, n}, call->arg) == UPSTREAM_PAUSE &&
        call->stage != CALL_CANCELLED) {
        call->paused = true;
        event_del(&call->timeout); /* the engine is not late while it is us who wait */
    }
    return n;
}

/* ---- the life of a call ---- */

/* After a call that went wrong the handle's state is not worth a thought: it goes. */
static void drop_handle(struct upstream_call *call)
{
    struct upstream *u = call->upstream;
    curl_multi_remove_handle(u->multi, call->handle.easy);
    if (call->complete && call->method == UPSTREAM_POST)
        handles_give(&u->handles, call->handle);
    else
        handle_free(call->handle);
}

static void call_free(struct upstream_call *call)
{
    struct upstream *u = call->upstream;
    if (call->previous)
        call->previous->next = call->next;
    else
        u->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    if (event_initialized(&call->timeout)) {
        event_del(&call->timeout);
        event_del(&call->link);
    }
    meter_remove(&u->meter, &call->meter_body);
    if (call->handle.easy)
        drop_handle(call);
    free(call->headers);
    free(call->small_body);
    free(call);
}

static int64_t link_look_ms(const struct upstream_call *call)
{
    return call->dead_link_ms / LINK_LOOKS + 1;
}

static bool link_is_dead(const struct upstream_call *call)
{
    long error = 0;
    curl_easy_getinfo(call->handle.easy, CURLINFO_OS_ERRNO, &error);
    return error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

static enum upstream_end end_of(const struct upstream_call *call, CURLcode code)
{
    switch (code) {
    case CURLE_OK: /* of an answer without a final status there was no head */
        return call->answering || call->method == UPSTREAM_CONNECT ? UPSTREAM_COMPLETE
                                                                   : UPSTREAM_BROKEN;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return UPSTREAM_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        /* Only the connection has a timeout of libcurl's; the others are `on_timeout`. */
        return UPSTREAM_TIMED_OUT;
    default:
        if (call->timed_out)
            return UPSTREAM_TIMED_OUT;
        return call->link_dead || link_is_dead(call) ? UPSTREAM_UNREACHABLE : UPSTREAM_BROKEN;
    }
}

static void finish(struct upstream_call *call, CURLcode code)
{
    const char *why = call->lost                           ? "out of memory"
                      : call->timed_out && call->answering ? "the answer stalled"
                      : call->timed_out                    ? "no answer in time"
                      : call->link_dead                    ? "what was sent is not acknowledged"
                      : code == CURLE_OK                   ? "no answer that is HTTP"
                      : call->error[0]                     ? call->error
                                                           : curl_easy_strerror(code);
    enum upstream_end end = end_of(call, code);
    curl_off_t up = 0;
    curl_easy_getinfo(call->handle.easy, CURLINFO_SIZE_UPLOAD_T, &up);
    struct upstream_result result = {
        .end = end,
        .message = end == UPSTREAM_COMPLETE ? "" : why,
        .bytes_up = (uint64_t)up,
        .bytes_down = call->bytes_down,
        .unreachable = end == UPSTREAM_UNREACHABLE || code == CURLE_OPERATION_TIMEDOUT,
        .rtt_us = call->rtt_us,
    };
    call->complete = end == UPSTREAM_COMPLETE;
    call->callbacks->on_done(&result, call->arg);
    call_free(call);
}

static void start(struct upstream_call *call)
{
    call->stage = CALL_RUNNING;
    if (curl_multi_add_handle(call->upstream->multi, call->handle.easy))
        lose(call);
}

/* Runs with libcurl off the stack: carries out what callbacks asked for, reports what has ended. */
static void settle(struct upstream *u)
{
    if (u->depth > 0)
        return;
    for (struct upstream_call *call = u->calls, *next; call; call = next) {
        next = call->next;
        if (call->stage == CALL_CANCELLED)
            call_free(call);
        else if (call->stage == CALL_NEW)
            start(call);
    }
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(u->multi, &left));) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode code = msg->data.result;
        struct upstream_call *call;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        if (call->stage == CALL_CANCELLED)
            call_free(call);
        else
            finish(call, code);
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct upstream_call *call = arg;
    call->timed_out = !call->lost;
    finish(call, CURLE_ABORTED_BY_CALLBACK);
}

/* A peer that no longer acknowledges is not busy: its kernel would. TCP_USER_TIMEOUT cannot tell:
 * it also ends connections to a peer that acknowledges, but has no room because nobody reads there.
 */
static void on_link_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct upstream_call *call = arg;
    const int64_t ms = link_look_ms(call);
    const bool silent = call->fd != CURL_SOCKET_BAD && meter_is_silent(call->fd, ms);
    call->n_silent = silent ? call->n_silent + 1 : 0;
    call->link_dead = call->n_silent > LINK_LOOKS; /* the first may have come just after sending */
    if (call->link_dead)
        finish(call, CURLE_ABORTED_BY_CALLBACK);
    else
        set_timer(&call->link, ms);
}

/* A small body says nothing about the uplink: it counts as not begun and is never metered. */
static int join_body(struct upstream_call *call, size_t n)
{
    call->small_body = malloc(n + 1);
    if (!call->small_body)
        return -1;
    copy_body(call, call->small_body, n);
    call->segment = call->offset = 0;
    return 0;
}

static int set_options(struct upstream_call *call, const struct upstream_request *r)
{
    CURL *easy = call->handle.easy;
    CURLcode err = CURLE_OK;
    if (handle_set_url(&call->handle, r->url))
        return -1;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CAINFO, r->ca_file && r->ca_file[0] ? r->ca_file : call->upstream->system_ca_file);
    const bool direct = r->direct || !call->upstream->has_proxy;
    SET(CURLOPT_PROXY, direct ? "" : NULL);
    SET(CURLOPT_NOPROXY, direct ? "*" : NULL);
    if (r->method == UPSTREAM_POST) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, call->small_body);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->total_bytes);
    } else if (r->method == UPSTREAM_CONNECT) {
        SET(CURLOPT_CONNECT_ONLY, 1L);
    }
    SET(CURLOPT_READFUNCTION, give_body);
    SET(CURLOPT_READDATA, call);
    SET(CURLOPT_SEEKFUNCTION, rewind_body);
    SET(CURLOPT_SEEKDATA, call);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_ACCEPT_ENCODING, "identity"); /* what comes coded all the same is decoded */
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->error);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
    if (r->brief)
        SET(CURLOPT_BUFFERSIZE, (long)BRIEF_BUFFER_BYTES);
    if (!call->small_body)
        SET(CURLOPT_UPLOAD_BUFFERSIZE,
            r->total_bytes < UPLOAD_BUFFER_BYTES ? (long)r->total_bytes : UPLOAD_BUFFER_BYTES);
    return err ? -1 : 0;
}

struct upstream_call *upstream_send(struct upstream *u, const struct upstream_request *request,
                                    const struct upstream_callbacks *callbacks, void *arg)
{
    struct upstream_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->upstream = u;
    call->callbacks = callbacks;
    call->arg = arg;
    call->segments = request->segments;
    call->n_segments = request->n_segments;
    call->idle_timeout_ms = request->idle_timeout_ms;
    call->dead_link_ms = request->dead_link_ms;
    call->metered = request->metered;
    call->meter_body.counts_near = request->metered_near;
    call->fd = CURL_SOCKET_BAD;
    call->next = u->calls;
    if (u->calls)
        u->calls->previous = call;
    u->calls = call;

    const bool post = request->method == UPSTREAM_POST;
    const bool small = post && request->total_bytes <= ONE_WRITE_BYTES;
    call->method = request->method;
    call->handle = handles_take(post ? &u->handles : NULL);
    if (!call->handle.easy || (small && join_body(call, (size_t)request->total_bytes)) ||
        !(call->headers = handle_headers(request, small)) || set_options(call, request)) {
        call_free(call);
        return NULL;
    }
    evtimer_assign(&call->timeout, u->base, on_timeout, call);
    set_timer(&call->timeout, request->first_byte_timeout_ms);
    evtimer_assign(&call->link, u->base, on_link_look, call);
    if (call->dead_link_ms > 0)
        set_timer(&call->link, link_look_ms(call));
    if (u->depth == 0)
        start(call);
    return call;
}

void upstream_resume(struct upstream_call *call)
{
    struct upstream *u = call->upstream;
    if (!call->paused || call->stage == CALL_CANCELLED)
        return;
    assert(u->depth == 0);
    call->paused = false;
    set_timer(&call->timeout, call->idle_timeout_ms);
    u->depth++;
    curl_easy_pause(call->handle.easy, CURLPAUSE_CONT);
    u->depth--;
    settle(u);
}

bool upstream_release_body(struct upstream_call *call)
{
    /* libcurl starts over only as long as there is no answer. A small body is a copy. */
    if (!call->small_body && (!call->answering || call->segment < call->n_segments))
        return false;
    call->segments = NULL;
    call->segment = call->n_segments = 0;
    return true;
}

uint64_t upstream_cancel(struct upstream_call *call)
{
    curl_off_t up = 0;
    curl_easy_getinfo(call->handle.easy, CURLINFO_SIZE_UPLOAD_T, &up);
    call->stage = CALL_CANCELLED;
    event_del(&call->timeout);
    event_del(&call->link);
    if (call->upstream->depth == 0)
        call_free(call);
    return (uint64_t)up;
}

const char *upstream_end_name(enum upstream_end end)
{
    static const char *const names[] = {"complete", "unreachable", "timeout", "broken"};
    return names[end];
}

void upstream_set_meter(struct upstream *u,
                        void (*on_reading)(const struct uplink_reading *reading, void *arg),
                        void *arg)
{
    u->meter.on_reading = on_reading;
    u->meter.arg = arg;
}

/* libcurl looks for these variables at every call. Nothing here changes them. */
static bool environment_has_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]))
            return true;
    }
    return false;
}

struct upstream *upstream_new(struct event_base *base)
{
    struct upstream *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->base = base;
    u->multi = curl_multi_init();
    if (!u->multi) {
        free(u);
        return NULL;
    }
    u->has_proxy = environment_has_proxy();
    u->system_ca_file = curl_version_info(CURLVERSION_NOW)->cainfo;
    evtimer_assign(&u->timer, base, on_timer, u);
    meter_init(&u->meter, base);
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
    return u;
}

void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    for (struct upstream_call *call = u->calls, *next; call; call = next) {
        next = call->next;
        call_free(call);
    }
    handles_done(&u->handles);
    curl_multi_cleanup(u->multi);
    meter_done(&u->meter);
    event_del(&u->timer);
    free(u);
}
