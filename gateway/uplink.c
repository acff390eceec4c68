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
#define VOICES_MIN 4.0
#define SLOPES_MIN 5            /* over all uploads, for them to count beside TCP's rates */
#define STRETCH_US_MIN 2000     /* a burst of acknowledgements takes less */
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

/* ---- medians ---- */

struct vote {
    double mbps, weight;
};

static int compare_votes(const void *a, const void *b)
{
    return compare(&((const struct vote *)a)->mbps, &((const struct vote *)b)->mbps);
}

/* Sorts `votes`; NaN if there are none. */
static double weighted_median(struct vote *votes, size_t n)
{
    double sum = 0, below = 0;
    if (n == 0)
        return NAN;
    for (size_t i = 0; i < n; i++)
        sum += votes[i].weight;
    qsort(votes, n, sizeof(*votes), compare_votes);
    size_t i = 0;
    while (i + 1 < n && below + votes[i].weight < 0.4999 * sum)
        below += votes[i++].weight;
    bool between = i + 1 < n && below + votes[i].weight < 0.5001 * sum;
    return between ? (votes[i].mbps + votes[i + 1].mbps) / 2 : votes[i].mbps;
}

/* One upload has one voice, but one of a single word has less. */
static size_t add_votes(const struct uplink_votes *from, struct vote *votes)
{
    for (size_t i = 0; i < from->n; i++)
        votes[i] = (struct vote){from->mbps[i], 1 / fmax(VOICES_MIN, (double)from->n)};
    return from->n;
}

static double median_of(const struct uplink_votes *one)
{
    struct vote votes[UPLINK_VOTES_MAX];
    return weighted_median(votes, add_votes(one, votes));
}

/* ---- one upload ---- */

/* Sorts `mbps` and keeps quantiles of it. */
static void keep(double *mbps, size_t n, struct uplink_votes *ret_votes)
{
    qsort(mbps, n, sizeof(*mbps), compare);
    ret_votes->n = n < UPLINK_VOTES_MAX ? n : UPLINK_VOTES_MAX;
    for (size_t i = 0; i < ret_votes->n; i++)
        ret_votes->mbps[i] = mbps[(2 * i + 1) * n / (2 * ret_votes->n)];
}

/* The slopes between points far enough apart. The last point has no good time: it came when all
 * was over. A moment in which this machine had no time to send is an outlier here. */
static void read_slopes(const struct uplink_point *p, size_t n, struct uplink_votes *ret_votes)
{
    double mbps[UPLINK_POINTS_MAX];
    size_t n_slopes = 0;
    for (size_t i = 0, k = 1; k < n && p[k].bytes < p[n - 1].bytes; k++) {
        double bytes = (double)(p[k].bytes - p[i].bytes), us = (double)(p[k].t_us - p[i].t_us);
        if (bytes < STRETCH_BYTES_MIN || us < STRETCH_US_MIN)
            continue;
        mbps[n_slopes++] = 8 * bytes / us;
        i = k;
    }
    keep(mbps, n_slopes, ret_votes);
}

/* TCP's own rates, of which a burst of acknowledgements is an outlier. */
static void read_rates(const struct uplink_point *p, size_t n, struct uplink_votes *ret_votes)
{
    double mbps[UPLINK_POINTS_MAX];
    size_t n_rates = 0;
    for (size_t i = 0; i < n; i++) {
        bool news = i == 0 || p[i].bytes > p[i - 1].bytes;
        if (news && p[i].delivery_mbps > 0)
            mbps[n_rates++] = p[i].delivery_mbps;
    }
    keep(mbps, n_rates, ret_votes);
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
    const struct uplink_point *late = u->points;
    while (late < whole && (double)late->bytes < LATE_SHARE * (double)whole->bytes)
        late++;
    size_t n = (size_t)(whole - late) + 1;
    struct uplink_upload upload = {.end_us = now_us};
    read_slopes(late, n, &upload.slopes);
    read_rates(late, n, &upload.rates);
    upload.mbps = fmax(median_of(&upload.slopes), median_of(&upload.rates));
    if (isnan(upload.mbps) || (limited(late, n) && !above_all(u, upload.mbps))) {
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

void uplink_estimate(const struct uplink *u, int64_t now_us, struct uplink_estimate *ret_estimate)
{
    assert(u->window > 0);
    size_t n = 0, n_slopes = 0, n_rates = 0;
    struct vote slopes[UPLINK_UPLOADS_MAX * UPLINK_VOTES_MAX];
    struct vote rates[UPLINK_UPLOADS_MAX * UPLINK_VOTES_MAX];
    double startup_s[UPLINK_UPLOADS_MAX];
    for (size_t i = 0; i < n_remembered(u); i++) {
        if (now_us - u->uploads[i].end_us > UPLINK_STALE_US)
            continue;
        n_slopes += add_votes(&u->uploads[i].slopes, slopes + n_slopes);
        n_rates += add_votes(&u->uploads[i].rates, rates + n_rates);
        startup_s[n++] = u->uploads[i].startup_s;
    }
    qsort(startup_s, n, sizeof(*startup_s), compare);
    double slope_mbps = weighted_median(slopes, n_slopes);
    double tcp_mbps = weighted_median(rates, n_rates);
    *ret_estimate = (struct uplink_estimate){
        .mbps = n_slopes < SLOPES_MIN && n_rates > 0 ? tcp_mbps : fmax(slope_mbps, tcp_mbps),
        .slope_mbps = slope_mbps,
        .tcp_mbps = tcp_mbps,
        .startup_s = n > 0 ? startup_s[n / 2] : NAN,
        .measured_us = u->n_uploads > 0 ? u->uploads[(u->n_uploads - 1) % u->window].end_us : 0,
        .n_uploads = u->n_uploads,
        .n_fresh = n,
    };
}
