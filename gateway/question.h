/* SPDX-License-Identifier: Apache-2.0
 *
 * What a question offers, as far as its words tell without a model. Pure.
 */
#ifndef MOA_GATEWAY_QUESTION_H
#define MOA_GATEWAY_QUESTION_H

#include <stdint.h>

/** The options that `text` lists: bit 0 for A, ... bit 25 for Z. Two at least, from A on without a
 * gap, each at the begin of a line or all on one ("A. red B. blue", "(A) red", "A: red"); else 0.
 */
uint32_t question_letters(const char *text);

#endif
