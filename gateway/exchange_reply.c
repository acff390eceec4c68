/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place where bytes of a chat's answer go to the client: its head, its events, its end,
 * errors in a stream, and what fills silence; in the dialect of the client, whatever that is. See
 * exchange_private.h.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "exchange_private.h"

/* ---- in another dialect ---- */

bool exchange_translates(const struct exchange *x)
{
    return x->dialect->read && !engine_call_passes(&x->answers[answering_tier(x)]);
}

static void begin_telling(struct exchange *x)
{
    if (x->told.dialect)
        return;
    dialect_answer_init(&x->told, x->dialect, x->chat.stream, x->trace.id, x->translated.echo);
    const struct engine_call *call = &x->answers[answering_tier(x)];
    if (call->is_stream) /* all of it may have come before any of it is told */
        x->told.usage = call->sse.usage;
}

/* What whole events say; the last may have no blank line behind it. What fails shows at the end. */
static void tell_events(struct exchange *x, struct moa_bytes events)
{
    const char *p = events.p;
    begin_telling(x);
    for (size_t at = 0; at < events.n;) {
        const struct moa_bytes rest = {p + at, events.n - at};
        const size_t next = sse_next(rest), n = next > 0 ? next : rest.n;
        (void)dialect_answer_event(&x->told, sse_data((struct moa_bytes){rest.p, n}));
        at += n;
    }
}

int exchange_translate(struct exchange *x, struct moa_bytes bytes, struct moa_bytes *ret_bytes)
{
    *ret_bytes = bytes;
    if (!exchange_translates(x))
        return 0;
    begin_telling(x);
    if (x->chat.stream)
        tell_events(x, bytes);
    else
        (void)dialect_answer_whole(&x->told, bytes);
    const bool failed = dialect_answer_end(&x->told, &x->told.usage) || x->told.has_failed;
    *ret_bytes = buffer_bytes(&x->told.out.text);
    return failed ? -1 : 0;
}

/* ---- head ---- */

static void reply_whole(struct exchange *x, const struct server_head *head, struct moa_bytes whole)
{
    struct server_request *request = x->request;
    struct moa_bytes bytes;
    const int failed = exchange_translate(x, whole, &bytes);
    struct http_error error;
    x->request = NULL;
    if (!failed) {
        server_reply(request, head, bytes);
        return;
    }
    http_fail(&error, 503, "out_of_memory", "Out of memory.");
    x->status = error.status;
    x->error_code = error.code;
    server_reply_error(request, &error, head->headers, head->n_headers);
}

void exchange_reply_begin(struct exchange *x, int status, const char *content_type,
                          const struct moa_bytes *whole)
{
    struct exchange_headers headers;
    exchange_write_headers(x, &headers);
    if (exchange_translates(x))
        content_type = whole ? "application/json" : x->dialect->stream_type;
    const struct server_head head = {
        .status = status,
        .content_type = content_type,
        .headers = headers.list,
        .n_headers = headers.n,
    };
    x->status = status;
    x->begun = true;
    x->last_byte_us = server_now_us();
    if (whole)
        reply_whole(x, &head, *whole);
    else
        server_reply_begin(x->request, &head);
}

/* ---- events ---- */

static size_t write_told(struct exchange *x)
{
    struct buffer *out = &x->told.out.text;
    if (out->n == 0) /* nothing of what the engine said is anything yet: the client waits on */
        return 0;
    const size_t waiting = server_reply_write(x->request, buffer_bytes(out));
    x->last_byte_us = server_now_us();
    out->n = 0;
    return waiting;
}

size_t exchange_reply_events(struct exchange *x, struct moa_bytes events)
{
    if (!exchange_translates(x)) {
        x->last_byte_us = server_now_us();
        return server_reply_write(x->request, events);
    }
    tell_events(x, events);
    return write_told(x);
}

void exchange_reply_end(struct exchange *x, const struct usage *usage)
{
    struct server_request *request = x->request;
    bool failed = false;
    if (exchange_translates(x)) {
        begin_telling(x);
        failed = dialect_answer_end(&x->told, usage) != 0 || x->told.out.failed;
        write_told(x);
    }
    x->request = NULL;
    if (failed)
        server_reply_cut(request);
    else
        server_reply_end(request);
}

bool exchange_reply_error(struct exchange *x, const struct http_error *error)
{
    struct server_request *request = x->request;
    const struct engine_call *call = &x->answers[answering_tier(x)];
    const size_t n_events = exchange_translates(x) ? x->told.n_events : (size_t)call->sse.n_events;
    size_t n;
    char *event = x->dialect->error_event(error, n_events, &n);
    x->request = NULL;
    if (!event) {
        server_reply_cut(request);
        return false;
    }
    /* Only whole events have been passed on. */
    server_reply_write(request, (struct moa_bytes){event, n});
    server_reply_end(request);
    free(event);
    return true;
}

/* ---- silence ---- */

static void set_silence_timer(struct exchange *x, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(&x->silence, &after);
}

/* Proxies and clients give up on a stream that says nothing, and an edge may read a long prompt for
 * minutes. From here on an error comes as an event: the status has gone out. */
static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct exchange *x = arg;
    const char *filler = x->dialect->keep_alive;
    const int64_t after_ms = x->settings->config->stream_keepalive_ms;
    const int64_t silent_ms = (server_now_us() - x->last_byte_us) / 1000;
    if (!x->request || (x->answering && !x->answers[answering_tier(x)].is_stream))
        return;
    if (silent_ms < after_ms) {
        set_silence_timer(x, after_ms - silent_ms);
        return;
    }
    if (!x->begun)
        exchange_reply_begin(x, 200, x->dialect->stream_type, NULL);
    server_reply_write(x->request, (struct moa_bytes){filler, strlen(filler)});
    x->last_byte_us = server_now_us();
    set_silence_timer(x, after_ms);
}

void exchange_watch_silence(struct exchange *x)
{
    const int64_t after_ms = x->settings->config->stream_keepalive_ms;
    if (!x->chat.stream || after_ms == 0 || event_initialized(&x->silence))
        return;
    x->last_byte_us = server_now_us();
    evtimer_assign(&x->silence, x->gateway->base, on_silence, x);
    set_silence_timer(x, after_ms);
}
