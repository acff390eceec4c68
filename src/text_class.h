/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 and what a code point is, as far as text scoring cares. Well-formed sequences are those of
 * Unicode 15, table 3-7: no surrogates, nothing overlong, nothing above U+10FFFF.
 */
#ifndef MOA_SRC_TEXT_CLASS_H
#define MOA_SRC_TEXT_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum text_class {
    CLASS_PUNCT = 0, /* ASCII punctuation and controls */
    CLASS_SPACE,
    CLASS_NEWLINE,
    CLASS_DIGIT,
    CLASS_LOWER, /* ASCII letters */
    CLASS_UPPER,
    CLASS_MULTIBYTE, /* a byte that starts no ASCII character */
    CLASS_LATIN,     /* beyond ASCII from here on */
    CLASS_CYRILLIC,
    CLASS_GREEK,
    CLASS_ARABIC,
    CLASS_HEBREW,
    CLASS_DEVANAGARI,
    CLASS_INDIC,
    CLASS_THAI,
    CLASS_HAN,
    CLASS_KANA,
    CLASS_HANGUL,
    CLASS_OTHER,
    CLASS_MARK,       /* combining: belongs to the letter before */
    CLASS_WIDE_PUNCT, /* punctuation beyond ASCII */
    CLASS_INVALID,
};

struct text_point {
    uint32_t code;
    uint8_t n_bytes; /* 1 if invalid */
    uint8_t class;
};

extern const uint8_t moa_ascii_class[256];

/** The code point at `p`, which has `n` >= 1 bytes left. */
struct text_point moa_text_point(const uint8_t *p, size_t n);

#endif
