/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of text scoring: words with their capitals and digits to entities. Names and numbers that
 * only a space separates are one entity: "12 March 2024", "Bank of England".
 *
 * Where every noun has a capital, as in German, a capital alone names nothing. So entities are
 * counted in both ways at once, and the text itself says at its end which way it is to be read.
 */
#ifndef MOA_SRC_TEXT_ENTITY_H
#define MOA_SRC_TEXT_ENTITY_H

#include <stdbool.h>

#include "text_scan.h"

/** What was seen in a chunk. */
enum {
    SEEN_LOWER = 1 << 0,
    SEEN_UPPER = 1 << 1,
    SEEN_INNER_UPPER = 1 << 2, /* a capital after a small letter */
    SEEN_DIGIT = 1 << 3,
    SEEN_UNCASED = 1 << 4, /* a letter of a script without case */
    SEEN_AT = 1 << 5,
    SEEN_DOT = 1 << 6,
    SEEN_SLASH = 1 << 7,
    SEEN_SCHEME = 1 << 8, /* "://" */
    SEEN_UNDERSCORE = 1 << 9,
    SEEN_APOSTROPHE = 1 << 10,
    SEEN_MONEY = 1 << 11,
    SEEN_TAG = 1 << 12, /* starts with @ or # */
    SEEN_LETTER = SEEN_LOWER | SEEN_UPPER | SEEN_UNCASED,
};

/** Letters and digits with what joins them. */
struct text_chunk {
    size_t begin;
    size_t end;
    size_t stem_end; /* before a possessive 's */
    unsigned seen;
    size_t n_letters;
    bool first_upper;
};

enum text_kind {
    KIND_WORD,
    KIND_NUMBER,
    KIND_CAPITAL,
    KIND_ACRONYM,
    KIND_IDENTIFIER,
};

/** Names and numbers in a row that may become one entity. */
struct text_run {
    size_t begin;
    size_t end;
    size_t last_begin; /* of its last word */
    size_t n_chunks;   /* 0: no run is open */
    size_t n_acronyms;
    size_t n_names;   /* capitalised words that are not common ones */
    size_t n_in_row;  /* such words up to here with nothing between, and not the sentence's first */
    bool has_pair;    /* two of them were in a row */
    bool has_number;  /* or an identifier: an entity whatever else */
    bool first_opens; /* its only word so far opens the sentence */
    bool follows_word; /* its first word has a capital, and a space and a word are before it */
    enum text_kind last;
};

struct text_entities {
    const uint8_t *p; /* the text */
    struct text_run run;
    uint64_t n_if_names;      /* entities, if a capital means a name */
    uint64_t n_if_nouns;      /* entities, if every noun has one */
    uint64_t n_capitals;      /* words inside of sentences with a capital in front */
    uint64_t n_noun_like;     /* of them behind words of a language that gives one to every noun */
    uint64_t n_alone;         /* of them between words without */
    moa_entity_fn *on_entity; /* NULL, or told of each entity ... */
    void *user;
    bool as_nouns; /* ... read in this way */
};

enum text_kind moa_text_kind_of(const struct text_chunk *chunk);

/** The next chunk, which is no plain word. `opens`: its sentence begins with it; `is_dated`: the
 * full stop before it belongs to the number before that, as in "3. 5. 2024". */
void moa_entities_add(struct text_entities *e, const struct text_chunk *chunk, enum text_kind kind,
                      bool opens, bool is_dated);

/** A plain word ends a run; but "of" keeps that of "Bank" open, in case a name follows. */
void moa_entities_pass(struct text_entities *e, const uint8_t *word, size_t n);
void moa_entities_close(struct text_entities *e);

/** Whether capitals say nothing in this text of `n_words` words. */
bool moa_entities_are_nouns(const struct text_entities *e, uint64_t n_words);

/** How much the words before `at`, three at most, say that the next may be a noun with a capital.
 */
unsigned moa_entities_noun_sign(const uint8_t *text, size_t at);

#endif
