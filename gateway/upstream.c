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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#define UPLOAD_BUFFER_BYTES (256L << 10)
#define SPARES_MAX 16 /* handles kept for the next calls: making one costs more than using one */
#define ONE_WRITE_BYTES 60000 /* libcurl sends a body below 64 KiB together with its head */

#define SET(option, value) err = err ? err : curl_easy_setopt(easy, option, value)

enum call_stage { CALL_NEW, CALL_RUNNING, CALL_CANCELLED };

struct upstream {
    struct event_base *base;
    CURLM *multi;
    struct event timer;          /* libcurl's */
    unsigned depth;              /* > 0 while libcurl is on the stack */
    struct upstream_call *calls; /* all of them */
    CURL *spares[SPARES_MAX];
    size_t n_spares;
};

struct upstream_call {
    struct upstream *upstream;
    struct upstream_call *previous, *next;
    enum call_stage stage;
    CURL *easy;
    struct curl_slist *headers;
    struct event timeout;
    const struct upstream_callbacks *callbacks;
    void *arg;

    const struct moa_bytes *segments;
    size_t n_segments;
    size_t segment, offset; /* the next byte to send */
    char *small_body;       /* all of the body, if it goes out in one write with the head */
    int64_t idle_timeout_ms;
    bool answering; /* the head of the answer has been passed on */
    bool paused;
    bool timed_out;
    bool complete;
    uint64_t bytes_down;
    char error[CURL_ERROR_SIZE];
};

struct socket_watch {
    struct event event;
    bool added;
};

static void settle(struct upstream *u);

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
    else
        set_timer(&u->timer, ms);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct upstream *u = arg;
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
        if (!watch)
            return -1;
        curl_multi_assign(u->multi, fd, watch);
    }
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
    event_assign(&watch->event, u->base, fd, events, on_socket, u);
    watch->added = event_add(&watch->event, NULL) == 0;
    return watch->added ? 0 : -1;
}

/* ---- one call: what libcurl asks and tells ---- */

static size_t give_body(char *out, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    size_t room = size * count, given = 0;
    if (call->stage == CALL_CANCELLED)
        return CURL_READFUNC_ABORT; /* the segments may be gone already */
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

/* libcurl starts the body over when a kept connection turns out to be dead. */
static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct upstream_call *call = arg;
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    call->segment = call->offset = 0;
    return CURL_SEEKFUNC_OK;
}

static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    size_t n = size * count;
    bool blank = n == 2 && line[0] == '\r';
    if (!blank || call->answering || call->stage == CALL_CANCELLED)
        return n;
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return n; /* 100 Continue */
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    call->answering = true;
    set_timer(&call->timeout, call->idle_timeout_ms);
    struct upstream_head head = {.status = (int)status, .content_type = type ? type : ""};
    call->callbacks->on_head(&head, call->arg);
    return n;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct upstream_call *call = arg;
    size_t n = size * count;
    if (call->stage == CALL_CANCELLED)
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

/* ---- handles ---- */

/* A handle with the options that are the same for every call. */
static CURL *make_handle(void)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    CURLcode err = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_READFUNCTION, give_body);
    SET(CURLOPT_SEEKFUNCTION, rewind_body);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_NOSIGNAL, 1L);
    if (!err)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static CURL *take_handle(struct upstream *u)
{
    return u->n_spares > 0 ? u->spares[--u->n_spares] : make_handle();
}

/* After a call that went wrong the handle's state is not worth a thought: it goes. */
static void give_handle(struct upstream *u, CURL *easy, bool reusable)
{
    curl_multi_remove_handle(u->multi, easy);
    if (reusable && u->n_spares < SPARES_MAX)
        u->spares[u->n_spares++] = easy;
    else
        curl_easy_cleanup(easy);
}

/* ---- the life of a call ---- */

static void call_free(struct upstream_call *call)
{
    struct upstream *u = call->upstream;
    if (call->previous)
        call->previous->next = call->next;
    else
        u->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    if (event_initialized(&call->timeout))
        event_del(&call->timeout);
    if (call->easy)
        give_handle(u, call->easy, call->complete);
    curl_slist_free_all(call->headers);
    free(call->small_body);
    free(call);
}

static enum upstream_end end_of(const struct upstream_call *call, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return UPSTREAM_COMPLETE;
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
        return call->timed_out ? UPSTREAM_TIMED_OUT : UPSTREAM_BROKEN;
    }
}

static void finish(struct upstream_call *call, CURLcode code)
{
    const char *why = call->timed_out && call->answering ? "the answer stalled"
                      : call->timed_out                  ? "no answer in time"
                      : call->error[0]                   ? call->error
                                                         : curl_easy_strerror(code);
    enum upstream_end end = end_of(call, code);
    curl_off_t up = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    struct upstream_result result = {
        .end = end,
        .message = end == UPSTREAM_COMPLETE ? "" : why,
        .bytes_up = (uint64_t)up,
        .bytes_down = call->bytes_down,
    };
    call->complete = end == UPSTREAM_COMPLETE;
    call->callbacks->on_done(&result, call->arg);
    call_free(call);
}

static void start(struct upstream_call *call)
{
    call->stage = CALL_RUNNING;
    curl_multi_add_handle(call->upstream->multi, call->easy);
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
    call->timed_out = true;
    finish(call, CURLE_ABORTED_BY_CALLBACK);
}

static int add_header(struct upstream_call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    if (!longer)
        return -1;
    call->headers = longer;
    return 0;
}

static int add_headers(struct upstream_call *call, const char *api_key)
{
    /* Without "Expect:" libcurl waits a second for 100 Continue before a large body. */
    if (add_header(call, "Content-Type: application/json") || add_header(call, "Expect:"))
        return -1;
    if (!api_key || !api_key[0])
        return 0;
    char *line;
    if (asprintf(&line, "Authorization: Bearer %s", api_key) < 0)
        return -1;
    int result = add_header(call, line);
    free(line);
    return result;
}

static int join_body(struct upstream_call *call, size_t n)
{
    call->small_body = malloc(n + 1);
    if (!call->small_body)
        return -1;
    give_body(call->small_body, 1, n, call);
    return 0;
}

/* All that differs between calls: a handle may have served another. */
static int set_options(struct upstream_call *call, const struct upstream_request *r)
{
    CURL *easy = call->easy;
    CURLcode err = CURLE_OK;
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_PROXY, r->direct ? "" : NULL);
    SET(CURLOPT_POSTFIELDS, call->small_body);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->total_bytes);
    SET(CURLOPT_READDATA, call);
    SET(CURLOPT_SEEKDATA, call);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->error);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
    if (!call->small_body)
        SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
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
    call->next = u->calls;
    if (u->calls)
        u->calls->previous = call;
    u->calls = call;

    bool small = request->total_bytes <= ONE_WRITE_BYTES;
    call->easy = take_handle(u);
    if (!call->easy || (small && join_body(call, (size_t)request->total_bytes)) ||
        add_headers(call, request->api_key) || set_options(call, request)) {
        call_free(call);
        return NULL;
    }
    evtimer_assign(&call->timeout, u->base, on_timeout, call);
    set_timer(&call->timeout, request->first_byte_timeout_ms);
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
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
    u->depth--;
    settle(u);
}

void upstream_cancel(struct upstream_call *call)
{
    call->stage = CALL_CANCELLED;
    event_del(&call->timeout);
    if (call->upstream->depth == 0)
        call_free(call);
}

const char *upstream_end_name(enum upstream_end end)
{
    static const char *const names[] = {"complete", "unreachable", "timeout", "broken"};
    return names[end];
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
    evtimer_assign(&u->timer, base, on_timer, u);
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
    while (u->n_spares > 0)
        curl_easy_cleanup(u->spares[--u->n_spares]);
    curl_multi_cleanup(u->multi);
    event_del(&u->timer);
    free(u);
}
