/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fleet keeps in JetStream, and how that is asked: JSON over a connection (fleet_wire.h). A
 * group has two streams. "moaoff-GROUP" has the rows of all its boxes, each box at a subject of its
 * own; "KV_moaoff-GROUP" is a bucket with each box's last word about itself. Whoever comes first
 * makes them, unless the operator did.
 */
#ifndef MOA_GATEWAY_FLEET_STREAM_H
#define MOA_GATEWAY_FLEET_STREAM_H

#include "fleet_wire.h"

struct fleet_names {
    char stream[96], bucket[96];
    char rows[FLEET_SUBJECT_BYTES];  /* where a box publishes its rows; with box "*": all boxes */
    char words[FLEET_SUBJECT_BYTES]; /* and its last word */
};

void fleet_names_make(const char *group, const char *box, struct fleet_names *ret_names);

/** The name of the box in a subject of either kind, as long as it is one; else "". */
void fleet_names_box(const char *subject, char *ret_box, size_t n);

struct fleet_stream_facts {
    bool is_there;
    uint64_t messages, bytes, first, last;
};

/** Whether the account has JetStream: 0, or -1 with `why` filled. */
int fleet_stream_account(struct fleet_wire *wire, char *why, size_t n);

int fleet_stream_look(struct fleet_wire *wire, const char *stream,
                      struct fleet_stream_facts *ret_facts, char *why, size_t n);

/** Makes what is not there. 0, or -1 with `why` filled. */
int fleet_stream_make(struct fleet_wire *wire, const struct fleet_names *names, char *why,
                      size_t n);

/** A stream's answer to a message. */
struct fleet_ack {
    bool is_stored, is_duplicate;
    char words[160]; /* why it is not */
};

void fleet_ack_read(const struct fleet_heard *heard, struct fleet_ack *ret_ack);

/* ---- reading, for people ---- */

enum fleet_from { FLEET_FROM_FIRST, FLEET_FROM_TIME, FLEET_FROM_SEQUENCE, FLEET_LAST_OF_EACH };

struct fleet_query {
    const char *stream, *subject;
    enum fleet_from from;
    int64_t value; /* Unix time in ms, or a sequence */
};

struct fleet_reading {
    const char *stream; /* borrowed */
    char consumer[80];
    uint64_t pending;   /* messages that are there and were not heard yet */
    uint64_t requested; /* of those that were asked for, how many may still come */
};

/** A message of a stream, valid until the next. */
struct fleet_message {
    const char *subject;
    uint64_t sequence; /* in the stream */
    int64_t time_ms;   /* when it was stored */
    struct moa_bytes data;
};

int fleet_reading_begin(struct fleet_wire *wire, const struct fleet_query *query,
                        struct fleet_reading *ret_reading, char *why, size_t n);

/** 1 and the next message, 0: none came in that time, or none is left if `timeout_ms` is 0; -1 with
 * `why`: the connection is down. */
int fleet_reading_next(struct fleet_wire *wire, struct fleet_reading *reading, int64_t timeout_ms,
                       struct fleet_message *ret_message, char *why, size_t n);

#endif
