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
#define UPLOAD_US_MAX 2000000   /* under steady traffic an upload would never end: it is cut */
#define LIMITED_SHARE 0.25      /* of the points or the time; above it the link was not the limit */

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

/* The slopes between points far enough apart, by their bytes. Returns how many. */
static size_t slopes(const struct uplink_point *p, size_t n, struct vote *ret_votes)
{
    size_t n_votes = 0;
    for (size_t i = 0, k = 1; k < n; k++) {
        double bytes = (double)(p[k].bytes - p[i].bytes), us = (double)(p[k].t_us - p[i].t_us);
        if (bytes < STRETCH_BYTES_MIN || us <= 0)
            continue;
        ret_votes[n_votes++] = (struct vote){8 * bytes / us, bytes};
        i = k;
    }
    return n_votes;
}

/* TCP's own rates. Returns how many. */
static size_t rates(const struct uplink_point *p, size_t n, struct vote *ret_votes)
{
    size_t n_votes = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i].delivery_mbps > 0)
            ret_votes[n_votes++] = (struct vote){p[i].delivery_mbps, 1};
    }
    return n_votes;
}

/* What the points of an upload say from late on. A moment in which this machine had no time to send
 * is an outlier of the slopes, a burst of acknowledgements one of the rates. */
static void judge(const struct uplink_point *late, size_t n, struct uplink_upload *upload)
{
    struct vote votes[UPLINK_POINTS_MAX];
    size_t n_timed = n; /* the last has no good time: it came when all was over */
    while (n_timed > 0 && late[n_timed - 1].bytes >= late[n - 1].bytes)
        n_timed--;
    upload->slope_mbps = weighted_median(votes, slopes(late, n_timed, votes));
    upload->tcp_mbps = weighted_median(votes, rates(late, n, votes));
}

static double best(const struct uplink_upload *upload)
{
    return fmax(upload->slope_mbps, upload->tcp_mbps); /* NaN only if both are */
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
    while (i < n && mbps > best(&u->uploads[i]))
        i++;
    return n > 0 && i == n;
}

static void end_upload(struct uplink *u, int64_t now_us)
{
    const struct uplink_point *whole = &u->points[u->n_points - 1];
    u->uploading = false;
    if (whole->bytes < UPLINK_BYTES_MIN)
        return;
    const struct uplink_point *late = u->points;
    while (late < whole && (double)late->bytes < LATE_SHARE * (double)whole->bytes)
        late++;
    size_t n = (size_t)(whole - late) + 1;
    struct uplink_upload upload = {.end_us = now_us};
    judge(late, n, &upload);
    double mbps = best(&upload);
    if (isnan(mbps) || (limited(late, n) && !above_all(u, mbps))) {
        u->n_discarded++;
        return;
    }
    upload.startup_s = (double)whole->t_us / 1e6 - 8 * (double)whole->bytes / (mbps * 1e6);
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
    size_t n = n_remembered(u), n_slopes = 0, n_tcp = 0;
    double slope[UPLINK_UPLOADS_MAX], tcp[UPLINK_UPLOADS_MAX], startup_s[UPLINK_UPLOADS_MAX];
    for (size_t i = 0; i < n; i++) {
        startup_s[i] = u->uploads[i].startup_s;
        if (!isnan(u->uploads[i].slope_mbps))
            slope[n_slopes++] = u->uploads[i].slope_mbps;
        if (!isnan(u->uploads[i].tcp_mbps))
            tcp[n_tcp++] = u->uploads[i].tcp_mbps;
    }
    double slope_mbps = median(slope, n_slopes), tcp_mbps = median(tcp, n_tcp);
    *ret_estimate = (struct uplink_estimate){
        .mbps = fmax(slope_mbps, tcp_mbps),
        .slope_mbps = slope_mbps,
        .tcp_mbps = tcp_mbps,
        .startup_s = median(startup_s, n),
        .measured_us = n > 0 ? u->uploads[(u->n_uploads - 1) % u->window].end_us : 0,
        .n_uploads = u->n_uploads,
    };
}
