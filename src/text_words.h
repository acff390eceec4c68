/* SPDX-License-Identifier: Apache-2.0
 *
 * The only dictionary of the text scanner: English words that are capitalised for their place and
 * not as names, and abbreviations whose full stop ends no sentence. Both lists are sorted.
 */
#ifndef MOA_SRC_TEXT_WORDS_H
#define MOA_SRC_TEXT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** ASCII case is ignored. */
bool moa_text_is_common(const uint8_t *word, size_t n);
bool moa_text_is_abbreviation(const uint8_t *word, size_t n);
/** Lower-case words that stand inside names: "of" in "Bank of England". */
bool moa_text_is_particle(const uint8_t *word, size_t n);

#endif
