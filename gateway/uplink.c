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
#define POINTS_MIN 4          /* for a slope; with fewer TCP's own rate stands */
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

/* Least squares of time over bytes, so that a stall is an error of the time; NaN if too few. */
static double slope_mbps(const struct uplink_point *p, size_t n)
{
    if (n < POINTS_MIN)
        return NAN;
    double mean_t = 0, mean_bytes = 0, variance = 0, covariance = 0;
    for (size_t i = 0; i < n; i++) {
        mean_t += (double)p[i].t_us / (double)n;
        mean_bytes += (double)p[i].bytes / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double bytes = (double)p[i].bytes - mean_bytes;
        variance += bytes * bytes;
        covariance += bytes * ((double)p[i].t_us - mean_t);
    }
    return covariance > 0 ? 8 * variance / covariance : NAN;
}

static double median_delivery(const struct uplink_point *p, size_t n)
{
    double rates[UPLINK_POINTS_MAX];
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i].delivery_mbps > 0)
            rates[known++] = p[i].delivery_mbps;
    }
    return median(rates, known);
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
    struct uplink_upload upload = {
        .mbps = slope_mbps(late, n), .tcp_mbps = median_delivery(late, n), .end_us = now_us};
    if (isnan(upload.mbps))
        upload.mbps = upload.tcp_mbps;
    if (isnan(upload.mbps))
        return;
    struct uplink_estimate known;
    uplink_estimate(u, &known);
    if (limited(late, n) && !(upload.mbps > known.mbps)) {
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
    u->points[u->n_points++] = (struct uplink_point){
        .t_us = r->now_us - u->begin.now_us,
        .bytes = r->acked_bytes - u->begin.acked_bytes,
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
    size_t n = u->n_uploads < u->window ? (size_t)u->n_uploads : u->window, n_tcp = 0;
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
