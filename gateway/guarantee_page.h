/* SPDX-License-Identifier: Apache-2.0
 *
 * What the policy `adaptive` promises, in words and numbers: the page of GET /v1/guarantee, which
 * is also kept in the journal. Pure.
 */
#ifndef MOA_GATEWAY_GUARANTEE_PAGE_H
#define MOA_GATEWAY_GUARANTEE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <moaoff/adaptive.h>

struct guarantee_page {
    const struct moa_guarantee *promise;
    const char *policy;       /* what decides by default */
    const char *before;       /* adaptive.before */
    bool is_judged;           /* adaptive.long is judge */
    double audit_share;       /* adaptive.audit */
    double threshold;         /* adaptive.threshold */
    int64_t since_s;          /* Unix time since which it is certified; 0: it is not */
    uint64_t n_labels;        /* audits that were counted with one, since all began again */
    size_t n_waiting;         /* audits that wait for one */
    uint64_t n_seen, n_wrong; /* requests of audited scenes; those that got a differing answer */
    uint64_t n_engines;       /* times that another engine was found */
    bool edge_up, cloud_up;
    bool edge_mute; /* it tells no log-probabilities */
    bool is_kept;   /* in a journal */
};

/** JSON, to be freed with free(); NULL if out of memory. */
char *guarantee_page_json(const struct guarantee_page *page, size_t *ret_n);

#endif
