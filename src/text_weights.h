/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of a Qwen2-family tokenizer per count of text_scan.h, in the order of its enum: what
 * `tests/text/tokens.py --fit` printed. Alone no weight means much; a count shares its tokens with
 * those that occur with it.
 */
#ifndef MOA_SRC_TEXT_WEIGHTS_H
#define MOA_SRC_TEXT_WEIGHTS_H

#include "text_scan.h"

/* clang-format off */
static const double moa_text_weights[MOA_N_COUNTS] = {
    1.310, 0.852, 1.059, 0.857, 0.950, 0.951, 1.068, 0.891, 2.090, 1.566,
    3.696, 3.590, 2.395, 4.673, 1.839, 6.000, 0.000, 0.325, 0.201, 2.389,
    0.000, 0.000, 0.000, 0.000, 0.342, 0.000, 0.439, 2.329, 0.000, 1.019,
    1.663, 0.098, 0.461, 1.115, 0.874, 1.264, 0.596, 0.743, 0.663, 0.861,
    1.073, 1.051, 0.566, 0.076, 0.748, 0.300, 1.941, 1.000,
    0.721, 0.155,
};
/* clang-format on */

#endif
