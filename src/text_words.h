/* SPDX-License-Identifier: Apache-2.0
 *
 * The only dictionary of the text scanner: English words that are capitalised for their place and
 * not as names, words that stand before nouns where nouns have capitals, and words with a full stop
 * that ends no sentence.
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
/** 2 for a word of a language whose nouns have capitals, 1 if it may be another's as well, else 0.
 */
unsigned moa_text_noun_sign(const uint8_t *word, size_t n);
/** A month's name, with a capital, in such a language. */
bool moa_text_is_month(const uint8_t *word, size_t n);

#endif
