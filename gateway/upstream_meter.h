/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads TCP's counters of the sockets on which bodies are under way, from a timer that runs only
 * meanwhile, and passes their sum on. Part of upstream.c; nobody else includes it.
 */
#ifndef MOA_GATEWAY_UPSTREAM_METER_H
#define MOA_GATEWAY_UPSTREAM_METER_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

#include <event2/event_struct.h>

#include "uplink.h"

/** Whether what is sent to an address stays in a network of this machine's own. */
struct meter_peer {
    struct sockaddr_storage address;
    bool is_near;
    int64_t looked_us; /* the machine may move to another network; 0: not yet */
};

struct meter {
    struct event timer;
    struct meter_body *bodies;
    int64_t begun_us; /* of the present upload */
    int64_t read_us;  /* the last reading */
    uint64_t acked_bytes;
    int64_t receiver_limited_us;
    struct meter_peer peer; /* the last */
    void (*on_reading)(const struct uplink_reading *reading, void *arg);
    void *arg;
};

/** One body, embedded in what sends it. All zero: not metered. */
struct meter_body {
    struct meter_body *previous, *next;
    bool metered;
    bool counts_near; /* also if the other side is in a network of this machine's own */
    int near_fd;      /* what is sent on it says nothing of the uplink, plus 1; 0: none */
    bool given;       /* all of it has been handed to libcurl */
    int fd;
    uint64_t acked_bytes;
    uint64_t receiver_limited_us;
};

void meter_init(struct meter *meter, struct event_base *base);
void meter_done(struct meter *meter);

/** Begins to meter `body` on the TCP socket `fd`; does nothing if it is another kind of socket. */
void meter_add(struct meter *meter, struct meter_body *body, int fd);

/** Takes a reading now, if the last one is not quite fresh: for when the loop comes by anyway. */
void meter_touch(struct meter *meter, const struct meter_body *body);

/** Ends it, with a last reading; before the socket is closed. Does nothing if not metered. */
void meter_remove(struct meter *meter, struct meter_body *body);

/** Smallest round-trip time TCP has seen on `fd`, microseconds; 0: unknown. */
int64_t meter_rtt_us(int fd);

/** Whether bytes sent on `fd` wait for an acknowledgement and none has come for `ms`. */
bool meter_is_silent(int fd, int64_t ms);

#endif
