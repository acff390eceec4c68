/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over UTF-8: words by script and length for the token estimate, sentences, and entities
 * (names, acronyms, numbers, dates, money, URLs, e-mail addresses, identifiers).
 *
 * The text is read as chunks: letters and digits with what joins them, as in "3.5", "COVID-19" or
 * "a.b@c.de". A chunk is a plain word, a number, a name or an identifier by its letters alone.
 * Names and numbers that only a space separates are one entity: "12 March 2024", "Bank of England".
 */
#include "text_scan.h"

#include <stdbool.h>
#include <string.h>

#include "text_base64.h"
#include "text_class.h"
#include "text_entity.h"
#include "text_words.h"

struct scanner {
    const uint8_t *p;
    size_t n;
    size_t at;
    struct moa_text_scan *out;
    struct text_entities entities;
    unsigned n_foreign;    /* how many more ASCII words are taken to be of another language */
    bool has_content;      /* a letter or digit since the sentence began */
    bool abbreviated;      /* the last chunk can carry a full stop of its own */
    bool opens_with_digit; /* the sentence so far is one number: perhaps a list mark */
    size_t base64_end;     /* of the last that was found */
    size_t no_base64;      /* none begins before that */
};

static void add(struct scanner *s, enum moa_text_count which, uint64_t n)
{
    s->out->counts[which] += n;
}

/* ---- chunks ---- */

static bool is_followed_by_stop(const struct scanner *s, size_t at)
{
    return at < s->n && s->p[at] == '.';
}

/* How many digits stand at `at`. */
static size_t count_digits(const struct scanner *s, size_t at)
{
    size_t n = 0;
    while (at + n < s->n && moa_ascii_class[s->p[at + n]] == CLASS_DIGIT)
        n++;
    return n;
}

/* Whether the full stop behind a number is part of it: "3. Mai", "3. 5. 2024", "im 2. Stock". */
static bool is_ordinal(const struct scanner *s, const struct text_chunk *chunk)
{
    const size_t n = chunk->end - chunk->begin;
    size_t at = chunk->end + 1;
    if ((chunk->seen & ~(unsigned)SEEN_DOT) != SEEN_DIGIT || n > 5)
        return false;
    while (at < s->n && s->p[at] == ' ')
        at++;
    const size_t digits = count_digits(s, at);
    if (digits > 0)
        return digits == 4 ? s->abbreviated || (chunk->seen & SEEN_DOT)
                           : n <= 2 && digits <= 2 && is_followed_by_stop(s, at + digits);
    size_t end = at;
    while (end < s->n && end - at < 16 &&
           (s->p[end] >= 0x80 || moa_ascii_class[s->p[end]] == CLASS_LOWER ||
            moa_ascii_class[s->p[end]] == CLASS_UPPER))
        end++;
    return n <= 2 && (moa_text_is_month(s->p + at, end - at) ||
                      moa_entities_noun_sign(s->p, chunk->begin) > 0);
}

static bool has_own_stop(const struct scanner *s, const struct text_chunk *chunk)
{
    const size_t n = chunk->end - chunk->begin;
    if (!is_followed_by_stop(s, chunk->end))
        return false;
    return (n == 1 && (chunk->seen & SEEN_UPPER)) ||
           (chunk->n_letters > 0 && chunk->n_letters < 6 && (chunk->seen & SEEN_DOT)) ||
           (n <= 6 && moa_text_is_abbreviation(s->p + chunk->begin, n)) || is_ordinal(s, chunk);
}

static void end_chunk(struct scanner *s, const struct text_chunk *chunk, enum text_kind kind)
{
    if (kind == KIND_WORD)
        moa_entities_pass(&s->entities, s->p + chunk->begin, chunk->end - chunk->begin);
    else
        moa_entities_add(&s->entities, chunk, kind, !s->has_content, s->abbreviated);
    s->opens_with_digit = !s->has_content && kind == KIND_NUMBER;
    s->has_content = true;
    s->abbreviated = has_own_stop(s, chunk);
}

/* Capitals of the cased scripts, near enough: most blocks of Latin alternate. */
static bool is_upper(uint32_t code)
{
    if (code >= 0x100 && code <= 0x17f) {
        const bool odd = (code >= 0x139 && code <= 0x148) || code >= 0x179;
        return code != 0x138 && code != 0x149 && code != 0x17f && (code % 2 == 1) == odd;
    }
    return (code >= 0xc0 && code <= 0xde) || (code >= 0x386 && code <= 0x3ab && code != 0x390) ||
           (code >= 0x400 && code <= 0x42f) || (code >= 0x1e00 && code <= 0x1eff && code % 2 == 0);
}

static bool is_cased(uint8_t class)
{
    return class >= CLASS_LATIN && class <= CLASS_GREEK;
}

/* ---- sentences ---- */

static void end_sentence(struct scanner *s)
{
    moa_entities_close(&s->entities);
    if (s->has_content)
        s->out->sentences++;
    s->has_content = false;
    s->abbreviated = false;
    s->opens_with_digit = false;
}

static bool is_closing(uint8_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == '*' || c == '_';
}

/* Whether a sentence may begin at `at`: not with a small letter. */
static bool may_begin(const struct scanner *s, size_t at)
{
    if (at == s->n || moa_ascii_class[s->p[at]] != CLASS_MULTIBYTE)
        return at == s->n || moa_ascii_class[s->p[at]] != CLASS_LOWER;
    const struct text_point point = moa_text_point(s->p + at, s->n - at);
    return !is_cased(point.class) || is_upper(point.code);
}

/* Whether the full stop, question or exclamation mark before `at` ends a sentence. */
static bool ends_sentence(const struct scanner *s, uint8_t mark, size_t at)
{
    while (at < s->n && is_closing(s->p[at]))
        at++;
    if (at == s->n)
        return true;
    const uint8_t class = moa_ascii_class[s->p[at]];
    if (class == CLASS_MULTIBYTE)
        return mark != '.' || may_begin(s, at);
    if (class != CLASS_SPACE && class != CLASS_NEWLINE)
        return false;
    if (mark != '.')
        return true;
    if (s->abbreviated || s->opens_with_digit)
        return false;
    while (at < s->n && moa_ascii_class[s->p[at]] == CLASS_SPACE)
        at++;
    return may_begin(s, at);
}

/* In Greek the semicolon asks. */
static bool is_greek_question(const struct scanner *s, size_t at)
{
    if (at < 2 || s->p[at] != ';')
        return false;
    return moa_text_point(s->p + at - 2, 2).class == CLASS_GREEK ||
           (at >= 3 && moa_text_point(s->p + at - 3, 3).class == CLASS_GREEK);
}

/* ---- characters ---- */

static bool is_alnum(const struct scanner *s, size_t at)
{
    if (at >= s->n)
        return false;
    const uint8_t class = moa_ascii_class[s->p[at]];
    return class == CLASS_LOWER || class == CLASS_UPPER || class == CLASS_DIGIT;
}

/* An accented word says this much about those after it. */
enum { FOREIGN_WORDS = 8 };

/* A word of small letters, perhaps with a capital in front. */
static void count_plain(struct scanner *s, size_t n)
{
    if (s->n_foreign > 0) {
        s->n_foreign--;
        add(s, MOA_COUNT_FOREIGN_WORDS, 1);
        add(s, MOA_COUNT_FOREIGN_LETTERS, n);
    } else {
        const size_t bucket = n < 16 ? n : 16;
        add(s, (enum moa_text_count)(MOA_COUNT_LATIN_1 + (bucket - 1)), 1);
        add(s, MOA_COUNT_LATIN_EXCESS, n - bucket);
    }
}

/* Whether something stands right before the word at `begin`. */
static void count_glued(struct scanner *s, size_t begin, size_t n)
{
    if (begin > 0 && moa_ascii_class[s->p[begin - 1]] != CLASS_SPACE &&
        moa_ascii_class[s->p[begin - 1]] != CLASS_NEWLINE) {
        add(s, MOA_COUNT_GLUED_WORDS, 1);
        add(s, MOA_COUNT_GLUED_LETTERS, n);
    }
}

static void count_latin(struct scanner *s, size_t begin, size_t n, unsigned seen, bool title)
{
    if (n >= 2 && !(seen & SEEN_LOWER)) {
        add(s, MOA_COUNT_UPPER_WORDS, 1);
        add(s, MOA_COUNT_UPPER_LETTERS, n);
    } else if ((seen & SEEN_UPPER) && !title) {
        add(s, MOA_COUNT_MIXED_WORDS, 1);
        add(s, MOA_COUNT_MIXED_LETTERS, n);
    } else {
        count_plain(s, n);
    }
    count_glued(s, begin, n);
}

static void count_script(struct scanner *s, uint8_t class, size_t n)
{
    static const struct {
        uint8_t letters;
        uint8_t words; /* 0: the script has no count of words */
    } counts[] = {
        [CLASS_LATIN] = {MOA_COUNT_ACCENTED_LETTERS, MOA_COUNT_ACCENTED_WORDS},
        [CLASS_CYRILLIC] = {MOA_COUNT_CYRILLIC_LETTERS, MOA_COUNT_CYRILLIC_WORDS},
        [CLASS_GREEK] = {MOA_COUNT_GREEK_LETTERS, 0},
        [CLASS_ARABIC] = {MOA_COUNT_ARABIC_LETTERS, MOA_COUNT_ARABIC_WORDS},
        [CLASS_HEBREW] = {MOA_COUNT_HEBREW_LETTERS, 0},
        [CLASS_DEVANAGARI] = {MOA_COUNT_DEVANAGARI_LETTERS, MOA_COUNT_DEVANAGARI_WORDS},
        [CLASS_INDIC] = {MOA_COUNT_INDIC_LETTERS, 0},
        [CLASS_THAI] = {MOA_COUNT_THAI_LETTERS, 0},
        [CLASS_HAN] = {MOA_COUNT_HAN_LETTERS, 0},
        [CLASS_KANA] = {MOA_COUNT_KANA_LETTERS, 0},
        [CLASS_HANGUL] = {MOA_COUNT_HANGUL_LETTERS, 0},
        [CLASS_OTHER] = {MOA_COUNT_OTHER_LETTERS, 0},
    };
    add(s, counts[class].letters, n);
    if (counts[class].words)
        add(s, counts[class].words, 1);
}

static struct text_point point_at(const struct scanner *s)
{
    const uint8_t c = s->p[s->at];
    if (c < 0x80)
        return (struct text_point){c, 1, moa_ascii_class[c]};
    return moa_text_point(s->p + s->at, s->n - s->at);
}

/* The character at s->at, if a word of `script` goes on with it; else n_bytes is 0. */
static struct text_point letter_of(const struct scanner *s, uint8_t script, bool is_first)
{
    const uint8_t class = moa_ascii_class[s->p[s->at]];
    if (class == CLASS_LOWER || class == CLASS_UPPER)
        return (struct text_point){s->p[s->at], script == CLASS_LATIN, class};
    struct text_point point = {0, 0, class};
    if (class != CLASS_MULTIBYTE)
        return point;
    point = moa_text_point(s->p + s->at, s->n - s->at);
    if (point.class != script && (point.class != CLASS_MARK || is_first))
        point.n_bytes = 0;
    return point;
}

/* Letters of one kind from s->at on: ASCII and accented Latin together, else of one script. */
static void read_letters(struct scanner *s, struct text_chunk *chunk, uint8_t script)
{
    const size_t begin = s->at;
    size_t n = 0;
    unsigned seen = 0;
    bool is_ascii = true;
    bool title = true; /* no capital but the first */
    while (s->at < s->n) {
        const struct text_point point = letter_of(s, script, n == 0);
        if (point.n_bytes == 0)
            break;
        s->at += point.n_bytes;
        is_ascii &= point.code < 0x80;
        if (point.class == CLASS_MARK)
            continue;
        if (point.class == CLASS_UPPER || (point.code >= 0x80 && is_upper(point.code))) {
            title &= n == 0;
            if ((seen | chunk->seen) & SEEN_LOWER)
                chunk->seen |= SEEN_INNER_UPPER;
            chunk->first_upper |= chunk->n_letters + n == 0;
            seen |= SEEN_UPPER;
        } else {
            seen |= script <= CLASS_GREEK ? SEEN_LOWER : SEEN_UNCASED;
        }
        n++;
    }
    chunk->seen |= seen;
    chunk->n_letters += n;
    if (script == CLASS_LATIN && is_ascii)
        count_latin(s, begin, n, seen, title);
    else
        count_script(s, script, n);
    if (script == CLASS_LATIN && !is_ascii)
        s->n_foreign = FOREIGN_WORDS;
}

/* Whether the character at s->at joins what stands on its two sides; notes which it is. */
static size_t joiner(const struct scanner *s, struct text_chunk *chunk)
{
    const uint8_t *p = s->p + s->at;
    const size_t left = s->n - s->at;
    if (p[0] == ':' && left > 3 && p[1] == '/' && p[2] == '/' && is_alnum(s, s->at + 3)) {
        chunk->seen |= SEEN_SCHEME;
        return 3;
    }
    /* The typographic apostrophe, U+2019. */
    if (p[0] == 0xe2 && left > 3 && p[1] == 0x80 && p[2] == 0x99 && is_alnum(s, s->at + 3)) {
        chunk->seen |= SEEN_APOSTROPHE;
        return 3;
    }
    if (p[0] == '%' && (chunk->seen & SEEN_DIGIT) && !(chunk->seen & SEEN_LETTER))
        return 1;
    if (!is_alnum(s, s->at + 1)) {
        /* A path may end in a slash. */
        return p[0] == '/' && (chunk->seen & SEEN_SCHEME) ? 1 : 0;
    }
    const bool between_digits =
        moa_ascii_class[p[-1]] == CLASS_DIGIT && moa_ascii_class[p[1]] == CLASS_DIGIT;
    switch (p[0]) {
    case '.':
        chunk->seen |= SEEN_DOT;
        return 1;
    case '@':
        chunk->seen |= SEEN_AT;
        return 1;
    case '/':
        chunk->seen |= SEEN_SLASH;
        return 1;
    case '_':
        chunk->seen |= SEEN_UNDERSCORE;
        return 1;
    case '\'':
        chunk->seen |= SEEN_APOSTROPHE;
        return 1;
    case '-':
    case '&':
        return 1;
    case ',':
    case ':':
        return between_digits;
    case '?':
    case '=':
    case '#':
    case '+':
    case '~':
    case '%':
        return (chunk->seen & SEEN_SCHEME) != 0;
    default:
        return 0;
    }
}

/* Scripts written without spaces, or whose letters stand alone, are no chunks. */
static bool is_word_script(uint8_t class)
{
    return class >= CLASS_LATIN && class <= CLASS_INDIC;
}

/* Base64 from s->at on, if it is. */
static bool read_base64(struct scanner *s)
{
    if (s->at < s->no_base64)
        return false;
    const bool goes_on = s->base64_end > 0 && s->base64_end + 2 >= s->at &&
                         moa_ascii_class[s->p[s->at - 1]] == CLASS_NEWLINE;
    const struct text_base64 found = moa_text_base64(s->p + s->at, s->n - s->at, goes_on);
    if (found.n == 0) {
        s->no_base64 = s->at + found.n_seen;
        return false;
    }
    moa_entities_close(&s->entities);
    add(s, MOA_COUNT_BASE64, found.n - found.n_repeated);
    add(s, MOA_COUNT_BASE64_REPEATED, found.n_repeated);
    s->at += found.n;
    s->base64_end = s->at;
    s->has_content = true;
    s->abbreviated = s->opens_with_digit = false;
    return true;
}

/* A chunk from s->at on: at a letter, a digit, or a sign before one. */
static void read_chunk(struct scanner *s)
{
    if (read_base64(s))
        return;
    struct text_chunk chunk = {.begin = s->at};
    const uint8_t sign = s->p[s->at];
    if (sign == '@' || sign == '#' || sign == '$') {
        chunk.seen |= sign == '$' ? SEEN_MONEY : SEEN_TAG;
        add(s, MOA_COUNT_PUNCT_RUNS, 1);
        add(s, MOA_COUNT_PUNCT_CHARS, 1);
        s->at++;
    }
    while (s->at < s->n) {
        const struct text_point point = point_at(s);
        if (point.class == CLASS_DIGIT) {
            chunk.seen |= SEEN_DIGIT;
            add(s, MOA_COUNT_DIGITS, 1);
            s->at += point.n_bytes;
        } else if (point.class == CLASS_LOWER || point.class == CLASS_UPPER) {
            read_letters(s, &chunk, CLASS_LATIN);
        } else if (is_word_script(point.class)) {
            read_letters(s, &chunk, point.class);
        } else {
            const size_t before = s->at;
            const size_t n_joined = s->at > chunk.begin ? joiner(s, &chunk) : 0;
            if (n_joined == 0)
                break;
            if (s->p[before] == '\'' || s->p[before] == 0xe2)
                chunk.stem_end = before;
            add(s, MOA_COUNT_PUNCT_RUNS, 1);
            add(s, MOA_COUNT_PUNCT_CHARS, n_joined);
            s->at += n_joined;
        }
    }
    chunk.end = s->at;
    /* Only a single letter after the apostrophe is a possessive. */
    if (chunk.stem_end == 0 || chunk.end - chunk.stem_end > 4)
        chunk.stem_end = chunk.end;
    end_chunk(s, &chunk, moa_text_kind_of(&chunk));
}

/* The same as is_plain_end(), of what is no space. */
static bool is_plain_mark(const struct scanner *s, size_t at)
{
    if (at >= s->n)
        return true;
    const uint8_t c = s->p[at];
    const uint8_t class = moa_ascii_class[c];
    if (class == CLASS_SPACE || class == CLASS_NEWLINE)
        return true;
    if (c != '.' && c != ',' && c != ';' && c != '!' && c != '?' && c != ')')
        return false;
    const uint8_t next = at + 1 < s->n ? moa_ascii_class[s->p[at + 1]] : CLASS_SPACE;
    return next == CLASS_SPACE || next == CLASS_NEWLINE;
}

/* What may stand between a word and a space without joining anything. */
static inline bool is_plain_end(const struct scanner *s, size_t at)
{
    return (at < s->n && s->p[at] == ' ') || is_plain_mark(s, at);
}

/* How many small ASCII letters stand at `p`, which has `n` bytes left. Eight at a time: of a byte
 * below 128 the sum with 31 has its top bit from 'a' on, and that with 5 only behind 'z'. */
static size_t count_small(const uint8_t *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = ones << 7;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof(x));
        const uint64_t low = x & ~tops;
        const uint64_t others = ~((low + 31 * ones) & ~(low + 5 * ones) & ~x) & tops;
        if (others) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            return i + (size_t)__builtin_clzll(others) / 8;
#else
            return i + (size_t)__builtin_ctzll(others) / 8;
#endif
        }
    }
    while (i < n && moa_ascii_class[p[i]] == CLASS_LOWER)
        i++;
    return i;
}

/* Most of most text: words of small ASCII letters that nothing joins to what follows, with one
 * space between. The same as read_chunk() without its questions; false if there is no such word. */
static bool read_plain_words(struct scanner *s)
{
    const uint8_t *const p = s->p;
    size_t begin = s->at;
    size_t n = count_small(p + begin, s->n - begin);
    if (n == 0 || !is_plain_end(s, begin + n))
        return false;
    count_glued(s, begin, n); /* a space is before the others */
    s->opens_with_digit = s->abbreviated = false;
    s->has_content = true;
    for (;;) {
        const size_t end = begin + n;
        count_plain(s, n);
        if (s->entities.run.n_chunks > 0)
            moa_entities_pass(&s->entities, p + begin, n);
        if (end + 1 >= s->n || p[end] != ' ' || p[end + 1] == ' ') {
            s->at = end;
            s->abbreviated =
                is_followed_by_stop(s, end) && n <= 6 && moa_text_is_abbreviation(p + begin, n);
            return true;
        }
        begin = end + 1;
        n = count_small(p + begin, s->n - begin);
        if (n == 0 || !is_plain_end(s, begin + n)) {
            s->at = begin;
            return true;
        }
    }
}

/* The same for one word with a capital in front. */
static bool read_plain_title(struct scanner *s)
{
    const size_t begin = s->at;
    const size_t n = 1 + count_small(s->p + begin + 1, s->n - begin - 1);
    if (n == 1 || !is_plain_end(s, begin + n))
        return false;
    s->at = begin + n;
    count_latin(s, begin, n, SEEN_LOWER | SEEN_UPPER, true);
    const struct text_chunk chunk = {
        .begin = begin,
        .end = s->at,
        .stem_end = s->at,
        .seen = SEEN_LOWER | SEEN_UPPER,
        .n_letters = n,
        .first_upper = true,
    };
    end_chunk(s, &chunk, KIND_CAPITAL);
    return true;
}

static void read_newlines(struct scanner *s)
{
    const bool in_base64 = s->base64_end == s->at;
    size_t n_lines = 0;
    while (s->at < s->n) {
        const uint8_t c = s->p[s->at];
        if (c == '\n')
            n_lines++;
        else if (moa_ascii_class[c] != CLASS_SPACE && moa_ascii_class[c] != CLASS_NEWLINE)
            break;
        s->at++;
    }
    add(s, MOA_COUNT_NEWLINE_RUNS, 1);
    const uint8_t next = s->at < s->n ? s->p[s->at] : 0;
    const bool is_item = next == '-' || next == '*' || next == '#' || next == '|' ||
                         moa_ascii_class[next] == CLASS_DIGIT;
    if (n_lines >= 2 || (is_item && !in_base64))
        end_sentence(s);
    else
        moa_entities_close(&s->entities);
    /* Indentation of the next line. */
    if (s->at > 1 && s->p[s->at - 1] == ' ' && s->p[s->at - 2] == ' ')
        add(s, MOA_COUNT_INDENTS, 1);
}

static void read_spaces(struct scanner *s)
{
    const size_t begin = s->at;
    while (s->at < s->n && moa_ascii_class[s->p[s->at]] == CLASS_SPACE)
        s->at++;
    if (s->at - begin >= 2)
        add(s, MOA_COUNT_INDENTS, 1);
}

static void read_punctuation(struct scanner *s)
{
    const size_t begin = s->at;
    while (s->at < s->n && moa_ascii_class[s->p[s->at]] == CLASS_PUNCT) {
        const uint8_t c = s->p[s->at];
        if (s->at > begin && (c == '@' || c == '#' || c == '$') && is_alnum(s, s->at + 1))
            break;
        s->at++;
        if (c != '.' && c != '!' && c != '?' && !is_greek_question(s, s->at - 1))
            continue;
        if (ends_sentence(s, c, s->at))
            end_sentence(s);
    }
    add(s, MOA_COUNT_PUNCT_RUNS, 1);
    add(s, MOA_COUNT_PUNCT_CHARS, s->at - begin);
    /* "J. Smith" and "St. Paul" are one name. */
    if (!(s->at - begin == 1 && s->p[begin] == '.' && s->abbreviated))
        moa_entities_close(&s->entities);
}

static bool is_wide_terminator(uint32_t code)
{
    return code == 0x037e || code == 0x0589 || code == 0x1362 || code == 0x1367 || code == 0x1368 ||
           code == 0x104a || code == 0x104b || code == 0x17d4 || code == 0x17d5 || code == 0x3002 ||
           code == 0xff01 || code == 0xff1f || code == 0xff0e || code == 0x2026 || code == 0x061f ||
           code == 0x06d4 || code == 0x0964 || code == 0x0965 || code == 0x203c || code == 0x2047;
}

/* Blocks of letters without a class of their own: Armenian, Georgian, Ethiopic, Cherokee and
 * others. */
static bool is_other_letter(uint32_t code)
{
    return (code >= 0x0530 && code < 0x2000) || (code >= 0x2c00 && code <= 0x2ddf) ||
           (code >= 0xa000 && code <= 0xabff) || (code >= 0x10000 && code <= 0x1efff);
}

static void read_multibyte(struct scanner *s)
{
    const struct text_point point = moa_text_point(s->p + s->at, s->n - s->at);
    if (is_word_script(point.class) || point.class == CLASS_DIGIT) {
        read_chunk(s);
        return;
    }
    s->at += point.n_bytes;
    if (point.class == CLASS_SPACE || point.class == CLASS_MARK)
        return;
    moa_entities_close(&s->entities);
    if (point.class == CLASS_INVALID) {
        add(s, MOA_COUNT_INVALID_BYTES, 1);
    } else if (point.class == CLASS_NEWLINE) {
        add(s, MOA_COUNT_NEWLINE_RUNS, 1);
    } else if (point.class == CLASS_WIDE_PUNCT) {
        add(s, MOA_COUNT_WIDE_PUNCT, 1);
        if (is_wide_terminator(point.code))
            end_sentence(s);
    } else {
        count_script(s, point.class, 1);
        s->has_content |= point.class != CLASS_OTHER || is_other_letter(point.code);
    }
}

static void scan(struct scanner *s)
{
    while (s->at < s->n) {
        switch (moa_ascii_class[s->p[s->at]]) {
        case CLASS_LOWER:
            if (!read_plain_words(s))
                read_chunk(s);
            break;
        case CLASS_UPPER:
            if (!read_plain_title(s))
                read_chunk(s);
            break;
        case CLASS_DIGIT:
            read_chunk(s);
            break;
        case CLASS_SPACE:
            read_spaces(s);
            break;
        case CLASS_NEWLINE:
            read_newlines(s);
            break;
        case CLASS_MULTIBYTE:
            read_multibyte(s);
            break;
        default: {
            const uint8_t c = s->p[s->at];
            if ((c == '@' || c == '#' || c == '$') && is_alnum(s, s->at + 1))
                read_chunk(s);
            else
                read_punctuation(s);
        }
        }
    }
    end_sentence(s);
}

static uint64_t count_words(const struct moa_text_scan *scan)
{
    const uint64_t *counts = scan->counts;
    uint64_t n = counts[MOA_COUNT_UPPER_WORDS] + counts[MOA_COUNT_MIXED_WORDS] +
                 counts[MOA_COUNT_FOREIGN_WORDS] + counts[MOA_COUNT_ACCENTED_WORDS] +
                 counts[MOA_COUNT_CYRILLIC_WORDS] + counts[MOA_COUNT_GREEK_LETTERS] / 6;
    for (size_t i = MOA_COUNT_LATIN_1; i <= MOA_COUNT_LATIN_16; i++)
        n += counts[i];
    return n;
}

void moa_text_scan(struct moa_bytes text, moa_entity_fn *on_entity, void *user,
                   struct moa_text_scan *ret_scan)
{
    memset(ret_scan, 0, sizeof(*ret_scan));
    struct scanner s = {.p = text.p, .n = text.n, .out = ret_scan, .entities = {.p = text.p}};
    scan(&s);
    const bool as_nouns = moa_entities_are_nouns(&s.entities, count_words(ret_scan));
    ret_scan->entities = as_nouns ? s.entities.n_if_nouns : s.entities.n_if_names;
    if (!on_entity)
        return;
    /* Once more, now that it is known which entities are told of. */
    struct moa_text_scan again = {0};
    s = (struct scanner){
        .p = text.p,
        .n = text.n,
        .out = &again,
        .entities = {.p = text.p, .on_entity = on_entity, .user = user, .as_nouns = as_nouns}};
    scan(&s);
}
