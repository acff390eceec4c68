/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP_INFO of the sockets that upload; see upstream_meter.h.
 */
#include "upstream_meter.h"

#include <math.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/event.h>
#include <linux/tcp.h>

#include "address.h"

/* Between two readings: a share of the upload's age, so that a long one has no more of them. */
#define TICK_SHARE 16
#define TICK_MIN_US 1000
#define TICK_MAX_US 20000
#define PEER_US 5000000 /* for which an answer about a peer holds: it takes the kernel 100 us */

#define HAS(n, field)                                                                              \
    ((n) >= offsetof(struct tcp_info, field) + sizeof(((struct tcp_info *)0)->field))

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* 0 if `fd` is no TCP socket; else how much of `ret_info` the kernel has filled. */
static size_t tcp_info(int fd, struct tcp_info *ret_info)
{
    socklen_t n = sizeof(*ret_info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &n) ? 0 : n;
}

int64_t meter_rtt_us(int fd)
{
    struct tcp_info info = {0};
    size_t n = tcp_info(fd, &info);
    return HAS(n, tcpi_min_rtt) && info.tcpi_min_rtt != UINT32_MAX ? info.tcpi_min_rtt : 0;
}

bool meter_is_silent(int fd, int64_t ms)
{
    struct tcp_info info = {0};
    size_t n = tcp_info(fd, &info);
    return HAS(n, tcpi_last_ack_recv) && info.tcpi_unacked > 0 && info.tcpi_last_ack_recv >= ms;
}

/* ---- one reading ---- */

struct sum {
    double delivery_mbps;
    bool starved;
    bool under_way;
};

/* What has happened on one body's socket since the last reading. */
static void read_body(struct meter *meter, struct meter_body *body, struct sum *sum)
{
    struct tcp_info info = {0};
    size_t n = tcp_info(body->fd, &info);
    if (!HAS(n, tcpi_sndbuf_limited))
        return;
    if (info.tcpi_bytes_acked < body->acked_bytes)
        return; /* another connection by now */
    meter->acked_bytes += info.tcpi_bytes_acked - body->acked_bytes;
    body->acked_bytes = info.tcpi_bytes_acked;
    meter->receiver_limited_us += (int64_t)(info.tcpi_rwnd_limited - body->receiver_limited_us);
    body->receiver_limited_us = info.tcpi_rwnd_limited;
    bool queued = info.tcpi_notsent_bytes > 0 || info.tcpi_unacked > 0;
    sum->delivery_mbps +=
        info.tcpi_delivery_rate_app_limited ? NAN : (double)info.tcpi_delivery_rate * 8 / 1e6;
    sum->starved |= !body->given && info.tcpi_notsent_bytes == 0 && info.tcpi_unacked <= 2;
    sum->under_way |= queued || !body->given;
}

static void pass_on(struct meter *meter, bool last)
{
    struct sum sum = {0};
    for (struct meter_body *body = meter->bodies; body; body = body->next)
        read_body(meter, body, &sum);
    struct uplink_reading reading = {
        .now_us = now_us(),
        .acked_bytes = meter->acked_bytes,
        .delivery_mbps = sum.delivery_mbps,
        .receiver_limited_us = meter->receiver_limited_us,
        .starved = sum.starved,
        .last = last || !sum.under_way,
    };
    meter->read_us = reading.now_us;
    meter->on_reading(&reading, meter->arg);
    if (!reading.last)
        return;
    while (meter->bodies) {
        meter->bodies->metered = false;
        meter->bodies = meter->bodies->next;
    }
    event_del(&meter->timer);
}

/* ---- the timer ---- */

static void set_timer(struct meter *meter)
{
    int64_t us = (now_us() - meter->begun_us) / TICK_SHARE;
    us = us < TICK_MIN_US ? TICK_MIN_US : us > TICK_MAX_US ? TICK_MAX_US : us;
    struct timeval after = {.tv_usec = us};
    event_add(&meter->timer, &after);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct meter *meter = arg;
    pass_on(meter, false);
    if (meter->bodies)
        set_timer(meter);
}

void meter_init(struct meter *meter, struct event_base *base)
{
    *meter = (struct meter){0};
    evtimer_assign(&meter->timer, base, on_timer, meter);
}

void meter_done(struct meter *meter)
{
    event_del(&meter->timer);
}

/* ---- bodies ---- */

/* What goes to this machine or stays in its own networks does not go over the uplink. */
static bool is_near_peer(struct meter *meter, int fd)
{
    struct sockaddr_storage address = {0};
    struct meter_peer *peer = &meter->peer;
    socklen_t n = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &n))
        return false;
    const int64_t now = now_us();
    if (peer->looked_us == 0 || now - peer->looked_us > PEER_US ||
        memcmp(&peer->address, &address, sizeof(address)) != 0)
        *peer =
            (struct meter_peer){address, address_is_near((const struct sockaddr *)&address), now};
    return peer->is_near;
}

static bool is_near(struct meter *meter, struct meter_body *body, int fd)
{
    if (body->counts_near)
        return false;
    if (body->near_fd != fd + 1 && is_near_peer(meter, fd))
        body->near_fd = fd + 1;
    return body->near_fd == fd + 1;
}

void meter_add(struct meter *meter, struct meter_body *body, int fd)
{
    struct tcp_info info = {0};
    size_t n = tcp_info(fd, &info);
    if (body->metered || !meter->on_reading || !HAS(n, tcpi_sndbuf_limited) ||
        is_near(meter, body, fd))
        return;
    bool first = !meter->bodies;
    *body = (struct meter_body){
        .next = meter->bodies,
        .metered = true,
        .given = body->given,
        .counts_near = body->counts_near,
        .fd = fd,
        .acked_bytes = info.tcpi_bytes_acked,
        .receiver_limited_us = info.tcpi_rwnd_limited,
    };
    if (meter->bodies)
        meter->bodies->previous = body;
    meter->bodies = body;
    if (!first)
        return;
    meter->begun_us = meter->read_us = now_us();
    struct uplink_reading reading = {.now_us = meter->begun_us,
                                     .acked_bytes = meter->acked_bytes,
                                     .delivery_mbps = NAN,
                                     .receiver_limited_us = meter->receiver_limited_us,
                                     .starved = true};
    meter->on_reading(&reading, meter->arg);
    set_timer(meter);
}

void meter_touch(struct meter *meter, const struct meter_body *body)
{
    if (body->metered && now_us() - meter->read_us >= TICK_MIN_US)
        pass_on(meter, false);
}

void meter_remove(struct meter *meter, struct meter_body *body)
{
    if (!body->metered)
        return;
    if (meter->bodies == body && !body->next) {
        pass_on(meter, true);
        return;
    }
    struct sum ignored = {0};
    read_body(meter, body, &ignored);
    body->metered = false;
    if (body->previous)
        body->previous->next = body->next;
    else
        meter->bodies = body->next;
    if (body->next)
        body->next->previous = body->previous;
}
