/* SPDX-License-Identifier: Apache-2.0
 *
 * A docket: all that one decision was made from, the decision, and what came of it, as a string of
 * bytes. It has numbers and hashes, no text, no pixels and no keys. What it was written from is
 * read back bit for bit, so moa_decide() decides a docket's request as it did at the time.
 */
#ifndef MOAOFF_DOCKET_H
#define MOAOFF_DOCKET_H

#include <moaoff/adaptive.h>
#include <moaoff/base.h>
#include <moaoff/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The layout, little-endian; a double as its 64 bits, a count as LEB128 in its shortest form:
 *
 *     "MD"  version  parts  length    2 bytes, a byte, a byte of bits (1 question, 2 routing,
 *                                     4 answer, 8 outcome), and 4 bytes: of all of it
 *     request, state, decision        pinned, edge up, cloud up, cloud spent (bits 1, 2, 4, 8),
 *                                     deadline, load, uplink, plan, threshold, modalities: how many
 *     each modality and its choice    kind + 8 pinned + 16 refused by the edge + 32 by the cloud +
 *                                     64 tokens follow + 128 a duration follows; tier + 2 reason;
 *                                     complexity, count of bytes, tokens, duration
 *     parts, as the bits say          the members of their structs in order, flags in a byte;
 *                                     of an outcome the times of the calls that were made; what
 *                                     concerns smaller pictures only where there are any, and the
 *                                     version is 1 if not; the route + 4 if they are taken
 *     checksum                        4 bytes: of what precedes, eight bytes at a time, the low
 *                                     half of SipHash-2-4 with the sum so far and the offset of
 *                                     the last of them as the key
 */
#define MOA_DOCKET_VERSION 2

/** The longest that a docket of `n_modalities` can be. */
#define MOA_DOCKET_BYTES(n_modalities) ((size_t)40 * (n_modalities) + 512)
#define MOA_DOCKET_BYTES_MAX MOA_DOCKET_BYTES(MOA_MODALITIES_MAX)

struct moa_docket {
    struct moa_request request; /**< with its modalities and its question, if one was asked */
    struct moa_state state;
    struct moa_decision decision;    /**< as it was decided, whatever was done; n of the request */
    const struct moa_answer *answer; /**< of the edge; NULL: none was scored */
    const struct moa_adaptive_outcome *outcome; /**< NULL: none */
};

/** What a docket that was read points to. */
struct moa_docket_room {
    struct moa_modality modalities[MOA_MODALITIES_MAX];
    struct moa_choice choices[MOA_MODALITIES_MAX];
    struct moa_question question;
    struct moa_answer answer;
    struct moa_adaptive_outcome outcome;
};

/**
 * Writes at most `n` bytes. Returns how many there are; 0 if there is not room for all, or if it is
 * nothing that could be read again (a complexity outside [0, 1], a kind that does not exist, a
 * decision of another length than its request).
 */
MOA_API size_t moa_docket_write(const struct moa_docket *docket, void *ret_bytes, size_t n);

/**
 * Reads what was written. `ret_docket` points into `room` and lives as long. Errors, with where and
 * why in `ret_error` (NULL: not wanted): MOA_ERR_FORMAT (no docket), MOA_ERR_UNSUPPORTED (of a
 * newer version), MOA_ERR_TRUNCATED, MOA_ERR_CORRUPT, MOA_ERR_ARGUMENT.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_docket_read(struct moa_bytes bytes,
                                                     struct moa_docket_room *room,
                                                     struct moa_docket *ret_docket,
                                                     struct moa_error *ret_error);

#ifdef __cplusplus
}
#endif
#endif
