/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper of what the policy `adaptive` has learned and promises: its secret, its place in the
 * journal's file, its generations, the engines that it was learned of, audits that wait for a
 * label, and what is said of all that. Requests tell it what they found; it decides nothing.
 */
#ifndef MOA_GATEWAY_GUARANTEE_H
#define MOA_GATEWAY_GUARANTEE_H

#include <stdbool.h>
#include <stddef.h>

#include <moaoff/adaptive.h>

#include "identity.h"
#include "label.h"

struct gateway;
struct guarantee;

/** Takes up what the journal keeps. NULL if out of memory. */
struct guarantee *guarantee_new(struct gateway *gateway);

/** Counts what waits and has it written: before the journal is closed. NULL is allowed. */
void guarantee_free(struct guarantee *guarantee);

/** The gateway has adopted a configuration. */
void guarantee_configured(struct guarantee *guarantee);

/**
 * An audit is complete: both tiers have answered, or one of them cannot. It is counted once it has
 * waited `adaptive.label_wait` for a label, in the order of these calls.
 */
void guarantee_audit(struct guarantee *guarantee, const struct label_audit *audit);

/** The verdict on an audit that came open: whether both answers mean the same. */
void guarantee_judged(struct guarantee *guarantee, const struct moa_audit *audit, bool same);

/** Whether an audit of this scene and question waits: another one would not count. */
bool guarantee_waits(const struct guarantee *guarantee, uint64_t scene, uint64_t text);

/** The right answer to a request of `key`; false if no audit of it waits. */
bool guarantee_label(struct guarantee *guarantee, const char *id, const char *key,
                     const char *truth);

/** A request that is not pinned is over: what was asked, and whether the edge's answer was what the
 * client got. For the share by requests. */
void guarantee_request(struct guarantee *guarantee, uint64_t scene, uint64_t text, bool kept);

/** An engine of `tier` has said who it is, in an answer or on a page (see probe_identity()). */
void guarantee_signed(struct guarantee *guarantee, enum moa_tier tier,
                      const struct identity_signature *signature);
void guarantee_listed(struct guarantee *guarantee, enum moa_tier tier, enum identity_source page,
                      uint64_t hash);

/** What it promises now; borrowed until the next call of this file. */
const struct moa_guarantee *guarantee_now(struct guarantee *guarantee);

/** Times that another engine was found; audits that wait for a label. */
uint64_t guarantee_n_engines(const struct guarantee *guarantee);
size_t guarantee_n_waiting(const struct guarantee *guarantee);

/** The same as JSON, to be freed with free(); NULL if out of memory. */
char *guarantee_json(struct guarantee *guarantee, size_t *ret_n);

#endif
