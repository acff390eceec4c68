/* SPDX-License-Identifier: Apache-2.0
 *
 * The uplink from uploads; see uplink.h.
 */
#include "uplink.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The first part of an upload is slow start and a shaper's burst credit. */
#define LATE_SHARE 0.4
#define STRETCH_BYTES_MIN 65536 /* a stretch below is the grain of acknowledgements */
#define POINTS_MIN 2
#define UPLOAD_US_MAX 2000000 /* under steady traffic an upload would never end: it is cut */
#define LIMITED_SHARE 0.25    /* of the points or the time; above it the link was not the limit */

void uplink_init(struct uplink *u, size_t window)
{
    assert(window > 0 && window <= UPLINK_UPLOADS_MAX);
    memset(u, 0, sizeof(*u));
    u->window = window;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts `values`; NaN if there are none. */
static double median(double *values, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof(*values), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- one upload ---- */

/* One word on the rate, and how much it counts. */
struct vote {
    double mbps, weight;
};

static int compare_votes(const void *a, const void *b)
{
    return compare(&((const struct vote *)a)->mbps, &((const struct vote *)b)->mbps);
}

static double weighted_median(struct vote *votes, size_t n)
{
    double sum = 0, below = 0;
    for (size_t i = 0; i < n; i++)
        sum += votes[i].weight;
    qsort(votes, n, sizeof(*votes), compare_votes);
    size_t i = 0;
    while (i + 1 < n && below + votes[i].weight < sum / 2)
        below += votes[i++].weight;
    return n > 0 ? votes[i].mbps : NAN;
}

/* The slopes between points far enough apart, by their bytes. Returns the bytes in all of them. */
static double add_slopes(const struct uplink_point *p, size_t n, struct vote *votes,
                         size_t *n_votes)
{
    double sum = 0;
    for (size_t i = 0, k = 1; k < n; k++) {
        double bytes = (double)(p[k].bytes - p[i].bytes), us = (double)(p[k].t_us - p[i].t_us);
        if (bytes < STRETCH_BYTES_MIN || us <= 0)
            continue;
        votes[(*n_votes)++] = (struct vote){8 * bytes / us, bytes};
        sum += bytes;
        i = k;
    }
    return sum;
}

/* TCP's own rates, together as much as the slopes. */
static void add_rates(const struct uplink_point *p, size_t n, double weight, struct vote *votes,
                      size_t *n_votes)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i].delivery_mbps > 0)
            votes[(*n_votes)++] = (struct vote){p[i].delivery_mbps, weight / (double)n};
    }
}

/* Late points to what the upload says. A moment in which this machine had no time to send is an
 * outlier of the slopes, a burst of acknowledgements one of TCP's rates. */
static void judge(const struct uplink_point *late, size_t n, struct uplink_upload *upload)
{
    struct vote votes[2 * UPLINK_POINTS_MAX];
    size_t n_votes = 0;
    double bytes = add_slopes(late, n, votes, &n_votes);
    add_rates(late, n, bytes > 0 ? bytes : 1, votes, &n_votes);
    upload->mbps = n < POINTS_MIN ? NAN : weighted_median(votes, n_votes);
    n_votes = 0;
    add_rates(late, n, 1, votes, &n_votes);
    upload->tcp_mbps = weighted_median(votes, n_votes);
}

/* Whether something else than the link was the limit over these points. */
static bool limited(const struct uplink_point *p, size_t n)
{
    size_t starved = 0;
    for (size_t i = 0; i < n; i++)
        starved += p[i].starved;
    double waited = (double)(p[n - 1].receiver_limited_us - p[0].receiver_limited_us);
    return (double)starved > LIMITED_SHARE * (double)n ||
           waited > LIMITED_SHARE * (double)(p[n - 1].t_us - p[0].t_us);
}

static size_t n_remembered(const struct uplink *u)
{
    return u->n_uploads < u->window ? (size_t)u->n_uploads : u->window;
}

/* What was held back and still went faster than anything before is news. */
static bool above_all(const struct uplink *u, double mbps)
{
    size_t n = n_remembered(u), i = 0;
    while (i < n && mbps > u->uploads[i].mbps)
        i++;
    return n > 0 && i == n;
}

static void end_upload(struct uplink *u, int64_t now_us)
{
    const struct uplink_point *whole = &u->points[u->n_points - 1];
    u->uploading = false;
    if (whole->bytes < UPLINK_BYTES_MIN)
        return;
    size_t from = 0, to = u->n_points - 1; /* [from, to): late, but not yet over */
    while (from < to && (double)u->points[from].bytes < LATE_SHARE * (double)whole->bytes)
        from++;
    while (to > from && u->points[to - 1].bytes >= whole->bytes)
        to--;
    const struct uplink_point *late = u->points + from;
    size_t n = to - from;
    struct uplink_upload upload = {.end_us = now_us};
    judge(late, n, &upload);
    if (isnan(upload.mbps)) {
        u->n_discarded++;
        return;
    }
    if (limited(late, n) && !above_all(u, upload.mbps)) {
        u->n_discarded++;
        return;
    }
    upload.startup_s = (double)whole->t_us / 1e6 - 8 * (double)whole->bytes / (upload.mbps * 1e6);
    u->uploads[u->n_uploads++ % u->window] = upload;
}

static void add_point(struct uplink *u, const struct uplink_reading *r)
{
    if (u->n_points == UPLINK_POINTS_MAX) {
        for (size_t i = 0; i < UPLINK_POINTS_MAX / 2; i++)
            u->points[i] = u->points[2 * i];
        u->n_points = UPLINK_POINTS_MAX / 2;
    }
    uint64_t least = u->n_points > 0 ? u->points[u->n_points - 1].bytes : 0;
    uint64_t acked = u->begin.acked_bytes,
             bytes = r->acked_bytes > acked ? r->acked_bytes - acked : 0;
    u->points[u->n_points++] = (struct uplink_point){
        .t_us = r->now_us - u->begin.now_us,
        .bytes = bytes > least ? bytes : least,
        .delivery_mbps = r->delivery_mbps,
        .receiver_limited_us = r->receiver_limited_us - u->begin.receiver_limited_us,
        .starved = r->starved,
    };
}

void uplink_add(struct uplink *u, const struct uplink_reading *reading)
{
    if (!u->uploading) {
        u->uploading = !reading->last;
        u->begin = *reading;
        u->n_points = 0;
        return;
    }
    add_point(u, reading);
    bool cut = reading->now_us - u->begin.now_us > UPLOAD_US_MAX;
    if (!reading->last && !cut)
        return;
    end_upload(u, reading->now_us);
    if (!reading->last) {
        u->uploading = true;
        u->begin = *reading;
        u->n_points = 0;
    }
}

/* ---- over the uploads ---- */

void uplink_estimate(const struct uplink *u, struct uplink_estimate *ret_estimate)
{
    size_t n = n_remembered(u), n_tcp = 0;
    double mbps[UPLINK_UPLOADS_MAX], tcp_mbps[UPLINK_UPLOADS_MAX], startup_s[UPLINK_UPLOADS_MAX];
    for (size_t i = 0; i < n; i++) {
        mbps[i] = u->uploads[i].mbps;
        startup_s[i] = u->uploads[i].startup_s;
        if (!isnan(u->uploads[i].tcp_mbps))
            tcp_mbps[n_tcp++] = u->uploads[i].tcp_mbps;
    }
    *ret_estimate = (struct uplink_estimate){
        .mbps = median(mbps, n),
        .tcp_mbps = median(tcp_mbps, n_tcp),
        .startup_s = median(startup_s, n),
        .measured_us = n > 0 ? u->uploads[(u->n_uploads - 1) % u->window].end_us : 0,
        .n_uploads = u->n_uploads,
    };
}
