/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request is known by: its x-request-id and its W3C trace context. The client's are kept if
 * they are well formed. Engines get both, so that their logs and spans can be joined with the
 * gateway's. Where the gateway records no spans (traces are off, or this request is not sampled) it
 * passes the client's traceparent on unchanged; it begins a trace of its own only if traces are on.
 */
#ifndef MOA_GATEWAY_TRACE_H
#define MOA_GATEWAY_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_ID_BYTES 64
#define TRACE_STATE_BYTES 512
#define TRACE_PARENT_BYTES 56 /* 00-<32 digits>-<16 digits>-<2 digits>, and a NUL */

/** In the place of a share of requests: traces are off. */
#define TRACE_OFF (-1.0)

struct trace {
    char id[TRACE_ID_BYTES + 1];
    char parent[TRACE_PARENT_BYTES]; /* the client's, or what was begun; "": there is no trace */
    char state[TRACE_STATE_BYTES + 1];
    bool is_ours;    /* it was begun here, and its span is the request's own */
    bool is_sampled; /* spans of it are recorded */
    uint64_t span;   /* the request's own; further ones count on from it. Never 0 */
};

/** From the values of the client's headers; each may be NULL. A trace of a client's is sampled if
 * the client says so; of those that are begun, the share `ratio` is. */
void trace_begin(const char *id, const char *traceparent, const char *tracestate, double ratio,
                 struct trace *ret_trace);

/** The 32 digits of the trace's own id, "" if there is no trace; `ret_id` has room for 33 bytes. */
void trace_id(const struct trace *trace, char ret_id[33]);

/** The 16 digits of a span's. */
void trace_span_id(uint64_t span, char ret_id[17]);

/** What goes out as traceparent with a call whose span is `span`; "": nothing. */
void trace_parent(const struct trace *trace, uint64_t span, char ret_parent[TRACE_PARENT_BYTES]);

#endif
