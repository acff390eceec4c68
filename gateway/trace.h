/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request is known by: its x-request-id and its W3C trace context. The client's are kept if
 * they are well formed, others are made. Engines get both, so that their logs can be joined with
 * the gateway's. The gateway records no spans of its own, so it passes the client's traceparent on
 * unchanged; a trace that it begins is not sampled.
 */
#ifndef MOA_GATEWAY_TRACE_H
#define MOA_GATEWAY_TRACE_H

#define TRACE_ID_BYTES 64
#define TRACE_STATE_BYTES 512

struct trace {
    char id[TRACE_ID_BYTES + 1];
    char parent[56]; /* 00-<32 digits>-<16 digits>-<2 digits> */
    char state[TRACE_STATE_BYTES + 1];
};

/** From the values of the client's headers; each may be NULL. */
void trace_begin(const char *id, const char *traceparent, const char *tracestate,
                 struct trace *ret_trace);

/** The 32 digits of the trace's own id; `ret_id` has room for 33 bytes. */
void trace_id(const struct trace *trace, char ret_id[33]);

#endif
