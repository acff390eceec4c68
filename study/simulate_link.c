/* SPDX-License-Identifier: Apache-2.0
 *
 * The uplink; see simulate_link.h. Since all uploads get the same share, each is through when what
 * every one of them has got reaches its own size beyond what had been got when it came: one number
 * grows, and a heap sorts.
 */
#include "simulate_link.h"

#include <math.h>

#define SEGMENT_BYTES 1460.0
#define WINDOW_BYTES (10.0 * SEGMENT_BYTES)
#define MATHIS 1.22
/* Rounding must not keep an upload that is through. */
#define BITS_LEAST 0.01

double link_flow_mbps(double mbps, double rtt_ms, double loss)
{
    if (loss <= 0.0 || rtt_ms <= 0.0)
        return mbps;
    return fmin(mbps, MATHIS * 8.0 * SEGMENT_BYTES / (1e3 * rtt_ms * sqrt(loss)));
}

double link_slow_start_ms(double bytes, double mbps, double rtt_ms)
{
    double sum_ms = 0.0;
    double window = WINDOW_BYTES;
    double sent = WINDOW_BYTES; /* with this window and those before it */
    double idle_ms = rtt_ms - 8e-3 * window / mbps;
    while (sent < bytes && idle_ms > 0.0) {
        sum_ms += idle_ms;
        window *= 2.0;
        sent += window;
        idle_ms = rtt_ms - 8e-3 * window / mbps;
    }
    return sum_ms;
}

void link_init(struct link *ret_link, double mbps, double flow_mbps)
{
    *ret_link = (struct link){.bits_per_us = mbps, .flow_bits_per_us = flow_mbps};
}

void link_done(struct link *link)
{
    event_heap_done(&link->uploads);
}

static double rate_each(const struct link *l)
{
    return l->down ? 0.0 : fmin(l->bits_per_us / (double)l->uploads.n, l->flow_bits_per_us);
}

static void move_on(struct link *l, int64_t now_us)
{
    const double us = (double)(now_us - l->now_us);
    l->now_us = now_us;
    if (l->uploads.n == 0) {
        l->served = 0.0;
        return;
    }
    l->served += us * rate_each(l);
    l->busy_us += us;
}

bool link_add(struct link *link, double bytes, void *owner, int64_t now_us)
{
    move_on(link, now_us);
    return event_push(&link->uploads, link->served + 8.0 * bytes, 0, owner);
}

void link_set_down(struct link *link, bool down, int64_t now_us)
{
    move_on(link, now_us);
    link->down = down;
}

int64_t link_due_us(const struct link *link)
{
    if (link->uploads.n == 0 || link->down)
        return LINK_NEVER;
    const double left = fmax(event_first(&link->uploads)->at - link->served, 0.0);
    return link->now_us + (left > BITS_LEAST ? (int64_t)ceil(left / rate_each(link)) : 0);
}

void *link_next(struct link *link, int64_t now_us)
{
    move_on(link, now_us);
    if (link->uploads.n == 0 || event_first(&link->uploads)->at > link->served + BITS_LEAST)
        return NULL;
    return event_pop(&link->uploads).what;
}

void *link_drop(struct link *link, int64_t now_us)
{
    move_on(link, now_us);
    return link->uploads.n > 0 ? event_pop(&link->uploads).what : NULL;
}
