/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks to runs to entities, in both readings of capitals; see text_entity.h.
 */
#include "text_entity.h"

#include <string.h>

#include "text_class.h"
#include "text_words.h"

enum { CAPITALS_MAX = 512 }; /* that are looked at: enough to know */

/* ---- one chunk ---- */

enum text_kind moa_text_kind_of(const struct text_chunk *chunk)
{
    const unsigned seen = chunk->seen;
    if (seen & (SEEN_SCHEME | SEEN_UNDERSCORE))
        return seen & SEEN_LETTER ? KIND_IDENTIFIER : KIND_WORD;
    if ((seen & SEEN_AT) && (seen & SEEN_DOT))
        return KIND_IDENTIFIER;
    if (seen & SEEN_MONEY)
        return KIND_NUMBER;
    if (seen & SEEN_TAG)
        return KIND_WORD;
    if (seen & SEEN_DIGIT)
        return seen & SEEN_UPPER ? KIND_IDENTIFIER : KIND_NUMBER;
    if ((seen & SEEN_DOT) && (seen & SEEN_SLASH) && (seen & SEEN_LETTER))
        return KIND_IDENTIFIER;
    if (!(seen & SEEN_UPPER))
        return KIND_WORD;
    if (!(seen & SEEN_LOWER))
        return chunk->n_letters >= 2 ? KIND_ACRONYM : KIND_CAPITAL;
    /* "l'Europe", "d'Haus": an article without a space. */
    if (chunk->first_upper || (seen & SEEN_APOSTROPHE))
        return KIND_CAPITAL;
    return seen & SEEN_INNER_UPPER ? KIND_IDENTIFIER : KIND_WORD;
}

/* ---- what capitals mean ---- */

/* Letters, near enough: ASCII's and whatever is beyond ASCII. */
static bool is_letter(uint8_t byte)
{
    const uint8_t class = moa_ascii_class[byte];
    return class == CLASS_LOWER || class == CLASS_UPPER || class == CLASS_MULTIBYTE;
}

/* Where the word, or the number with its full stop, begins that ends at `end`. */
static size_t word_before(const uint8_t *text, size_t end)
{
    size_t at = end;
    if (end > 1 && text[end - 1] == '.' && moa_ascii_class[text[end - 2]] == CLASS_DIGIT) {
        at--;
        while (at > 0 && end - at < 4 && moa_ascii_class[text[at - 1]] == CLASS_DIGIT)
            at--;
    }
    while (at > 0 && end - at < 16 && is_letter(text[at - 1]))
        at--;
    return at;
}

unsigned moa_entities_noun_sign(const uint8_t *text, size_t at)
{
    unsigned sign = text[at] == 'd' && text[at + 1] == '\''; /* "d'Haus" */
    for (int i = 0; i < 3 && at > 1 && text[at - 1] == ' '; i++) {
        const size_t end = at - 1;
        at = word_before(text, end);
        if (end - at == 3 && memcmp(text + at, "van", 3) == 0)
            return 0; /* "van der Rohe" */
        sign += moa_text_noun_sign(text + at, end - at);
    }
    return sign;
}

bool moa_entities_are_nouns(const struct text_entities *e, uint64_t n_words)
{
    /* By the words before them. */
    if (e->n_noun_like > 0 && 6 * e->n_noun_like >= e->n_capitals)
        return true;
    /* By their number alone, whatever the language: lists of names have commas between. */
    return e->n_alone >= 12 && 7 * e->n_alone >= n_words;
}

static void note_capital(struct text_entities *e, const struct text_chunk *chunk)
{
    if (e->n_capitals == CAPITALS_MAX)
        return;
    e->n_capitals++;
    e->n_noun_like += moa_entities_noun_sign(e->p, chunk->begin) >= 2;
}

/* ---- runs ---- */

static bool is_headline(const struct text_run *run)
{
    /* Four and more words in capitals are a headline or shouting. */
    return run->n_acronyms == run->n_chunks && run->n_chunks >= 4;
}

static bool is_entity_of_names(const struct text_run *run)
{
    if (run->has_number)
        return true;
    if (run->n_names == 0 || is_headline(run))
        return false;
    if (run->n_chunks > 1 || run->n_acronyms > 0)
        return true;
    /* Any word has a capital at the start of a sentence, and one letter is no name. */
    return !run->first_opens && run->end - run->begin > 1;
}

/* A name is then what has two capitals in a row: "Clara Lindqvist". */
static bool is_entity_of_nouns(const struct text_run *run)
{
    if (run->has_number)
        return true;
    return !is_headline(run) && (run->n_acronyms > 0 || run->has_pair);
}

void moa_entities_close(struct text_entities *e)
{
    const struct text_run *run = &e->run;
    if (run->n_chunks == 0)
        return;
    const bool if_names = is_entity_of_names(run), if_nouns = is_entity_of_nouns(run);
    e->n_if_names += if_names;
    e->n_if_nouns += if_nouns;
    e->n_alone += run->n_chunks == 1 && run->follows_word && run->n_names == 1;
    if (e->on_entity && (e->as_nouns ? if_nouns : if_names))
        e->on_entity(e->user, run->begin, run->end);
    e->run = (struct text_run){0};
}

static bool joins_run(const struct text_run *run, enum text_kind kind, bool is_dated)
{
    if (run->n_chunks == 0)
        return false;
    return !(run->last == KIND_NUMBER && kind == KIND_NUMBER) || is_dated;
}

/* How many names stand in a row with this one, pronouns and articles with a capital left out. */
static size_t names_in_row(const struct text_entities *e, const struct text_chunk *chunk)
{
    const struct text_run *run = &e->run;
    if (run->n_in_row == 0)
        return 1;
    if (moa_text_noun_sign(e->p + chunk->begin, chunk->end - chunk->begin))
        return 0;
    const size_t begin = run->last_begin;
    return run->n_in_row + !moa_text_noun_sign(e->p + begin, run->end - begin);
}

static void extend_run(struct text_entities *e, const struct text_chunk *chunk, enum text_kind kind,
                       bool common, bool opens)
{
    struct text_run *run = &e->run;
    const bool is_name = !common && (kind == KIND_CAPITAL || kind == KIND_ACRONYM);
    run->n_in_row = is_name && !opens ? names_in_row(e, chunk) : 0;
    run->last_begin = chunk->begin;
    run->end = chunk->stem_end;
    run->n_chunks++;
    run->n_acronyms += kind == KIND_ACRONYM;
    run->n_names += is_name;
    run->has_number |= kind == KIND_NUMBER || kind == KIND_IDENTIFIER;
    run->has_pair |= run->n_in_row == 2;
    run->last = kind;
}

void moa_entities_add(struct text_entities *e, const struct text_chunk *chunk, enum text_kind kind,
                      bool opens, bool is_dated)
{
    const uint8_t *word = e->p + chunk->begin;
    const size_t n = chunk->end - chunk->begin;
    const bool common = (kind == KIND_CAPITAL || kind == KIND_ACRONYM) &&
                        ((n == 1 && word[0] == 'I') || moa_text_is_common(word, n));
    if (kind == KIND_CAPITAL && !common && !opens && n > 1)
        note_capital(e, chunk);
    if (common && kind == KIND_CAPITAL && (e->run.n_chunks == 0 || n == 1)) {
        moa_entities_close(e); /* "The" is no part of the name after it */
        return;
    }
    if (!joins_run(&e->run, kind, is_dated)) {
        moa_entities_close(e);
        e->run.begin = chunk->begin;
        e->run.first_opens = opens;
        e->run.follows_word = !opens && kind == KIND_CAPITAL && chunk->begin > 1 &&
                              e->p[chunk->begin - 1] == ' ' && is_letter(e->p[chunk->begin - 2]);
    }
    extend_run(e, chunk, kind, common, opens);
}

void moa_entities_pass(struct text_entities *e, const uint8_t *word, size_t n)
{
    if (e->run.n_chunks == 0)
        return;
    e->run.n_in_row = 0;
    if (e->run.last == KIND_NUMBER || n > 3 || !moa_text_is_particle(word, n))
        moa_entities_close(e);
}
