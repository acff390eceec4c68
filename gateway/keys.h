/* SPDX-License-Identifier: Apache-2.0
 *
 * The API keys that clients show as `Authorization: Bearer KEY`, or as `x-api-key: KEY` or
 * `api-key: KEY`, and what each may do. Loop thread only. A file of keys has one key a line, words
 * separated by blanks, # begins a comment:
 *
 *     NAME SECRET [pin=edge|KIND,...] [in_flight=N] [per_minute=N] [observe]
 *         [min_seconds_between_escalations=N]
 *
 * SECRET is the key itself or "sha256:" and the 64 hexadecimal digits of its SHA-256, so that the
 * file need not hold what it guards.
 */
#ifndef MOA_GATEWAY_KEYS_H
#define MOA_GATEWAY_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <moaoff/base.h>

#include "config.h"
#include "error.h"

struct keys;
struct key;

/** Reads the file at `path`. Returns 0, or -1 and `ret_error` with the line at fault. */
int keys_load(const char *path, struct keys **ret_keys, struct config_error *ret_error);

/** The same from text. */
int keys_parse(struct moa_bytes text, struct keys **ret_keys, struct config_error *ret_error);

/** Keys in use by requests live on until key_leave(). NULL is allowed. */
void keys_free(struct keys *keys);

/**
 * `fresh` in the place of `old` (each may be NULL), which is freed. A key that keeps its name keeps
 * what it has used of its limits. Returns what is valid from now on.
 */
struct keys *keys_replace(struct keys *old, struct keys *fresh);

/**
 * The key that the value of an Authorization header shows, or else that of an x-api-key header
 * (each NULL: no header); or NULL with the 401 in `ret_error`, or a 503 if memory is out. Takes as
 * long for a wrong key as for a right one.
 */
struct key *keys_find(struct keys *keys, const char *authorization, const char *api_key,
                      struct http_error *ret_error);

/** Names consist of letters, digits and -_. and may be shown. */
const char *key_name(const struct key *key);
/** The place in the file that it was read from. */
unsigned key_number(const struct key *key);
/** What its requests keep on the edge, whatever they say; see pins.h. */
unsigned key_pins(const struct key *key);
/** Whether it may read the gateway's state, journal and metrics. */
bool key_observes(const struct key *key);

/** Seconds between two answers of the edge that are replaced by the cloud's, 0: as configured; and
 * when the last was, microseconds, for whoever counts, 0: never. */
int64_t key_escalation_gap_s(const struct key *key);
int64_t *key_escalated_us(struct key *key);

/**
 * A request begins. 0, or -1 with the 429 in `ret_error` and the seconds after which another try
 * makes sense.
 */
int key_enter(struct key *key, int64_t now_us, struct http_error *ret_error,
              unsigned *ret_retry_after_s);
/** A request that was let in has ended. `key` may be dead afterwards. */
void key_leave(struct key *key);

#endif
