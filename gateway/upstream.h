/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to engines: libcurl's multi interface on libevent's loop. Loop thread only.
 *
 * A call lives from upstream_send() to its on_done or to upstream_cancel(), whichever comes first;
 * after either, no callback comes any more and the pointer is dead. Callbacks may send and cancel
 * any call.
 */
#ifndef MOA_GATEWAY_UPSTREAM_H
#define MOA_GATEWAY_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <moaoff/base.h>

#include "uplink.h"

struct event_base;
struct upstream;
struct upstream_call;

struct upstream_header {
    const char *name, *value; /* an empty value leaves the header out */
};

enum upstream_method {
    UPSTREAM_POST,
    UPSTREAM_GET,     /* no body */
    UPSTREAM_CONNECT, /* only connects, TLS included, and hangs up: complete, with no head */
};

struct upstream_request {
    enum upstream_method method;
    const char *url;
    const char *content_type;              /* of the body; NULL: JSON */
    const char *api_key;                   /* sent as a bearer token; NULL or "": none */
    const struct upstream_header *headers; /* further ones */
    size_t n_headers;
    const char *ca_file;              /* what https is verified against; "": the system's */
    bool direct;                      /* no proxy, whatever the environment says */
    bool brief;                       /* the answer is a page of text, or comes bit by bit */
    bool metered;                     /* the body goes over the uplink that is measured, */
    bool metered_near;                /* also if it stays in a network of this machine's own */
    const struct moa_bytes *segments; /* the body; borrowed until the call ends */
    size_t n_segments;
    uint64_t total_bytes;
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms; /* from sending to the head of the answer */
    int64_t idle_timeout_ms;       /* between two pieces of the answer */
    int64_t dead_link_ms;          /* sent bytes without an acknowledgement; 0: the system's */
};

struct upstream_head {
    int status;
    const char *content_type; /* "" if the engine named none; valid during the callback */
    unsigned retry_after_s;   /* of a 429 or 503, an hour at most; 0: it says nothing */
    const struct upstream_header *limits; /* its x-ratelimit-* headers; as long as content_type */
    size_t n_limits;
};

#define UPSTREAM_LIMITS_MAX 8

enum upstream_flow { UPSTREAM_GO, UPSTREAM_PAUSE };

enum upstream_end {
    UPSTREAM_COMPLETE,    /* the whole answer came, whatever its status */
    UPSTREAM_UNREACHABLE, /* no connection, or one whose link is dead */
    UPSTREAM_TIMED_OUT,   /* one of the three timeouts */
    UPSTREAM_BROKEN,      /* the answer ended too early or was no HTTP */
};

struct upstream_result {
    enum upstream_end end;
    const char *message; /* why, for people; "" if complete; valid during the callback */
    uint64_t bytes_up;   /* of the bodies */
    uint64_t bytes_down;
    bool unreachable; /* no connection came about, in time or at all, or its link is dead */
    int64_t rtt_us;   /* smallest round trip of a metered call's connection; 0: unknown */
};

/** In the order in which they are called. */
struct upstream_callbacks {
    void (*on_head)(const struct upstream_head *head, void *arg);
    /** UPSTREAM_PAUSE: `bytes` is taken, but no more is wanted before upstream_resume(). */
    enum upstream_flow (*on_body)(struct moa_bytes bytes, void *arg);
    void (*on_done)(const struct upstream_result *result, void *arg);
};

struct upstream *upstream_new(struct event_base *base);
/** Cancels what is under way. NULL is allowed. */
void upstream_free(struct upstream *upstream);

/** `on_reading` is told how metered bodies get on while they are under way. */
void upstream_set_meter(struct upstream *upstream,
                        void (*on_reading)(const struct uplink_reading *reading, void *arg),
                        void *arg);

/** NULL if out of memory. `callbacks` must stay valid until the call ends. */
struct upstream_call *upstream_send(struct upstream *upstream,
                                    const struct upstream_request *request,
                                    const struct upstream_callbacks *callbacks, void *arg);
void upstream_resume(struct upstream_call *call);

/** Whether the whole body is sent. If so, the call forgets its segments: they may be freed. */
bool upstream_release_body(struct upstream_call *call);

/** Ends the call and closes its connection, so that the engine stops working on it. Returns how
 * many bytes of the body had been sent. */
uint64_t upstream_cancel(struct upstream_call *call);

/** "unreachable", "timeout", "broken". */
const char *upstream_end_name(enum upstream_end end);

#endif
