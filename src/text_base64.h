/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of text scoring: base64 in a text is neither words nor facts, though a tokenizer makes
 * many tokens of it. Told from words by how its letters, capitals and digits alternate.
 */
#ifndef MOA_SRC_TEXT_BASE64_H
#define MOA_SRC_TEXT_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_base64 {
    size_t n;          /* bytes, padding included; 0: it is something else */
    size_t n_repeated; /* of them equal to the one before, as where a file has zeros */
    size_t n_seen;     /* bytes that were looked at: what begins in them is no base64 either */
};

/** Base64 of either alphabet at `p`, which has `n` bytes left. `goes_on`: the line before was
 * base64, so that this one may be its short end. */
struct text_base64 moa_text_base64(const uint8_t *p, size_t n, bool goes_on);

#endif
