/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of text scoring: one pass over UTF-8 gives the counts below; text.c turns them into
 * features. Integers only, so that texts add up and results are equal everywhere.
 */
#ifndef MOA_SRC_TEXT_SCAN_H
#define MOA_SRC_TEXT_SCAN_H

#include <moaoff/base.h>

/** What the token estimate is a weighted sum of. A word is a maximal run of letters of one kind. */
enum moa_text_count {
    MOA_COUNT_LATIN_1 = 0,                       /**< ASCII words of 1 letter, of 2, ... */
    MOA_COUNT_LATIN_16 = MOA_COUNT_LATIN_1 + 15, /**< ... of 16 and more */
    MOA_COUNT_LATIN_EXCESS,                      /**< letters beyond the 16th */
    MOA_COUNT_UPPER_WORDS,                       /**< ASCII words of 2 and more capitals */
    MOA_COUNT_UPPER_LETTERS,
    MOA_COUNT_MIXED_WORDS, /**< capitals inside: camelCase */
    MOA_COUNT_MIXED_LETTERS,
    MOA_COUNT_GLUED_WORDS, /**< ASCII words not after a space */
    MOA_COUNT_GLUED_LETTERS,
    MOA_COUNT_FOREIGN_WORDS, /**< ASCII words soon after an accented one: hardly English */
    MOA_COUNT_FOREIGN_LETTERS,
    MOA_COUNT_ACCENTED_WORDS, /**< Latin words with letters beyond ASCII */
    MOA_COUNT_ACCENTED_LETTERS,
    MOA_COUNT_CYRILLIC_WORDS,
    MOA_COUNT_CYRILLIC_LETTERS,
    MOA_COUNT_GREEK_LETTERS,
    MOA_COUNT_ARABIC_WORDS, /**< Arabic and its relatives */
    MOA_COUNT_ARABIC_LETTERS,
    MOA_COUNT_HEBREW_LETTERS,
    MOA_COUNT_DEVANAGARI_WORDS,
    MOA_COUNT_DEVANAGARI_LETTERS,
    MOA_COUNT_INDIC_LETTERS, /**< other scripts of South Asia */
    MOA_COUNT_THAI_LETTERS,  /**< and its neighbours */
    MOA_COUNT_HAN_LETTERS,
    MOA_COUNT_KANA_LETTERS,
    MOA_COUNT_HANGUL_LETTERS,
    MOA_COUNT_OTHER_LETTERS, /**< every other script, emoji, symbols */
    MOA_COUNT_DIGITS,
    MOA_COUNT_PUNCT_RUNS, /**< runs of ASCII punctuation */
    MOA_COUNT_PUNCT_CHARS,
    MOA_COUNT_WIDE_PUNCT, /**< punctuation beyond ASCII */
    MOA_COUNT_NEWLINE_RUNS,
    MOA_COUNT_INDENTS, /**< runs of 2 and more spaces */
    MOA_COUNT_INVALID_BYTES,
    MOA_COUNT_BASE64,          /**< bytes of it, which are in no other count ... */
    MOA_COUNT_BASE64_REPEATED, /**< ... and those equal to the one before */
    MOA_N_COUNTS,
};

struct moa_text_scan {
    uint64_t counts[MOA_N_COUNTS];
    uint64_t sentences;
    uint64_t entities;
};

/** Called for each entity with its place, for tests that compare spans. */
typedef void moa_entity_fn(void *user, size_t begin, size_t end);

/** Any bytes are valid. `on_entity` may be NULL. */
void moa_text_scan(struct moa_bytes text, moa_entity_fn *on_entity, void *user,
                   struct moa_text_scan *ret_scan);

#endif
