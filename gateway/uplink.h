/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the uplink is, from the uploads that go over it anyway. Pure: readings of TCP's own
 * counters come in, with their time; an estimate comes out.
 *
 * One upload is one stretch of time in which bodies are under way; bodies that overlap share it.
 * Model: time = a + 8 bytes / b with a slope common to all uploads and an `a` of each one (slow
 * start, a shaper's burst credit). So the slope is taken inside of each upload, between points of
 * bytes that TCP saw acknowledged, and uploads of equal size are as good as others. TCP's own
 * delivery rates at the same points are the second opinion. The median of either is taken over all
 * of the last few uploads, and the larger is the estimate: both can be held back by what is not the
 * link (a sender that gets no CPU, rates of flows that began at different times).
 */
#ifndef MOA_GATEWAY_UPLINK_H
#define MOA_GATEWAY_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLINK_UPLOADS_MAX 64   /* that an estimate can look back at */
#define UPLINK_POINTS_MAX 128   /* of one upload; halved when full */
#define UPLINK_VOTES_MAX 8      /* of one upload and kind: quantiles if there are more */
#define UPLINK_BYTES_MIN 100000 /* a smaller upload says nothing about the link */
#define UPLINK_STALE_US                                                                            \
    INT64_C(600000000) /* an older upload says nothing about the link any more */

/** TCP's counters over all bodies under way at one moment. */
struct uplink_reading {
    int64_t now_us;
    uint64_t acked_bytes; /* acknowledged since the upload's first reading, or longer */
    double delivery_mbps; /* TCP's own rate; NaN: unknown, or the sender had nothing to send */
    int64_t receiver_limited_us; /* time in which the receiver's window was the limit, summed */
    bool starved;                /* some body waits for the gateway and not for the link */
    bool last;                   /* nothing is under way any more */
};

struct uplink_point {
    int64_t t_us;
    uint64_t bytes; /* both since the upload's begin */
    double delivery_mbps;
    int64_t receiver_limited_us;
    bool starved;
};

/** What one upload said of the rate, in one of the two ways. */
struct uplink_votes {
    double mbps[UPLINK_VOTES_MAX];
    size_t n;
};

struct uplink_upload {
    struct uplink_votes slopes, rates;
    double mbps;      /* of this one alone */
    double startup_s; /* a */
    int64_t end_us;
};

struct uplink {
    size_t window; /* uploads looked back at; at most UPLINK_UPLOADS_MAX */

    bool uploading;
    struct uplink_reading begin;
    struct uplink_point points[UPLINK_POINTS_MAX];
    size_t n_points;

    struct uplink_upload
        uploads[UPLINK_UPLOADS_MAX]; /* a ring: upload i stands at i modulo window */
    uint64_t n_uploads;              /* that counted, ever */
    uint64_t n_discarded;            /* large enough, but limited by the sender or the receiver */
};

struct uplink_estimate {
    double mbps;                 /* NaN: nothing measured yet */
    double slope_mbps, tcp_mbps; /* the two that it is the larger of; NaN: unknown */
    double startup_s;            /* median of a */
    int64_t measured_us;
    uint64_t n_uploads; /* that counted, ever */
    size_t n_fresh;     /* that the estimate is made of */
};

/** `window`: uploads looked back at, 1 to UPLINK_UPLOADS_MAX. */
void uplink_init(struct uplink *uplink, size_t window);

/** Readings come in the order of time; the first after a last one begins an upload. */
void uplink_add(struct uplink *uplink, const struct uplink_reading *reading);

/** What the uploads say that are not stale at `now_us`. */
void uplink_estimate(const struct uplink *uplink, int64_t now_us,
                     struct uplink_estimate *ret_estimate);

#endif
