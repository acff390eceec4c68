/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalised answers and their accuracy; see vqa.h. Text is handled as code points, because the
 * public tool's digits, spaces and lower case are Unicode's. What looks odd in a rule below is so
 * in the published figures.
 */
#include "vqa.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define PERIODS_MAX 32      /* no more full stops than this are taken out of one answer */
#define BYTE_ESCAPE 0xdc00u /* a byte that is no UTF-8, kept as a lone surrogate */

struct points {
    uint32_t *p;
    size_t n;
};

/* ---- UTF-8 to code points and back ---- */

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

static uint32_t decode_one(const unsigned char *text, size_t *ret_length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = sequence_length(text[0]);
    uint32_t point = n > 0 ? text[0] & lead_bits[n] : 0;
    size_t i = 1;
    for (; i < n && (text[i] & 0xc0) == 0x80; i++)
        point = point << 6 | (text[i] & 0x3f);
    bool whole = n > 0 && i == n && point >= least[n] && point <= 0x10ffff &&
                 (point < 0xd800 || point > 0xdfff);
    *ret_length = whole ? n : 1;
    return whole ? point : BYTE_ESCAPE + text[0];
}

static bool decode(const char *text, struct points *ret_points)
{
    struct points out = {malloc((strlen(text) + 1) * sizeof(*out.p)), 0};
    if (!out.p)
        return false;
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t length;
        out.p[out.n++] = decode_one(at, &length);
        at += length;
    }
    *ret_points = out;
    return true;
}

static size_t encode_one(uint32_t point, char *out)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (point >= BYTE_ESCAPE && point < BYTE_ESCAPE + 0x100) {
        out[0] = (char)(point & 0xff);
        return 1;
    }
    size_t n = 1;
    if (point >= 0x80)
        n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)(leads[n] | point);
    return n;
}

static char *encode(const struct points *points)
{
    char *text = malloc(4 * points->n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < points->n; i++)
        n += encode_one(points->p[i], text + n);
    if (text)
        text[n] = '\0';
    return text;
}

/* ---- character classes ---- */

static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* General category Nd: runs of ten, by the code point of their zero. */
static bool is_digit(uint32_t c)
{
    static const uint32_t zeros[] = {
        0x30,    0x660,   0x6f0,   0x7c0,   0x966,   0x9e6,   0xa66,   0xae6,   0xb66,   0xbe6,
        0xc66,   0xce6,   0xd66,   0xde6,   0xe50,   0xed0,   0xf20,   0x1040,  0x1090,  0x17e0,
        0x1810,  0x1946,  0x19d0,  0x1a80,  0x1a90,  0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,
        0xa8d0,  0xa900,  0xa9d0,  0xa9f0,  0xaa50,  0xabf0,  0xff10,  0x104a0, 0x10d30, 0x11066,
        0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
        0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2,
        0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0};
    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
        if (c >= zeros[i] && c < zeros[i] + 10)
            return true;
    }
    return false;
}

/* ---- punctuation ---- */

static const char punctuation[] = ";/[]\"{}()=+\\_-><@`,?!";

static bool is_punctuation(uint32_t c)
{
    return c > 0 && c < 0x80 && strchr(punctuation, (int)c);
}

static bool has_digit_comma_digit(const struct points *t)
{
    for (size_t i = 1; i + 1 < t->n; i++) {
        if (t->p[i] == ',' && is_digit(t->p[i - 1]) && is_digit(t->p[i + 1]))
            return true;
    }
    return false;
}

/* A mark that stands beside a blank anywhere is taken out everywhere; another becomes a blank. With
 * a comma between digits ("1,000") every mark is taken out. */
static void find_dropped(const struct points *t, bool dropped[128])
{
    bool all = has_digit_comma_digit(t);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = t->p[i];
        if (!is_punctuation(c))
            continue;
        bool beside_blank = (i > 0 && t->p[i - 1] == ' ') || (i + 1 < t->n && t->p[i + 1] == ' ');
        dropped[c] = dropped[c] || all || beside_blank;
    }
}

static void strip_punctuation(struct points *t)
{
    bool dropped[128] = {false};
    find_dropped(t, dropped);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = t->p[i];
        if (!is_punctuation(c))
            t->p[n++] = c;
        else if (!dropped[c])
            t->p[n++] = ' ';
    }
    t->n = n;

    /* Then full stops, unless a digit follows. */
    size_t n_periods = 0;
    n = 0;
    for (size_t i = 0; i < t->n; i++) {
        bool before_digit = i + 1 < t->n && is_digit(t->p[i + 1]);
        if (t->p[i] == '.' && !before_digit && n_periods < PERIODS_MAX)
            n_periods++;
        else
            t->p[n++] = t->p[i];
    }
    t->n = n;
}

/* ---- words ---- */

/* The contractions the public tool knows. Where exactly one apostrophe of one is missing, it is put
 * back: that gives each of the tool's misspellings and no other. */
static const char *const contractions[] = {
    "ain't",       "aren't",      "can't",          "could've",     "couldn't",
    "couldn't've", "didn't",      "doesn't",        "don't",        "hadn't",
    "hadn't've",   "hasn't",      "haven't",        "he'd",         "he'd've",
    "he's",        "how'd",       "how'll",         "how's",        "isn't",
    "it'd",        "it'd've",     "it'll",          "ma'am",        "mightn't",
    "mightn't've", "might've",    "mustn't",        "must've",      "needn't",
    "not've",      "o'clock",     "oughtn't",       "'ow's'at",     "shan't",
    "she'd've",    "should've",   "shouldn't",      "shouldn't've", "somebody'd've",
    "somebody'll", "somebody's",  "someone'd",      "someone'd've", "someone'll",
    "someone's",   "something'd", "something'd've", "something'll", "that's",
    "there'd",     "there'd've",  "there're",       "there's",      "they'd",
    "they'd've",   "they'll",     "they're",        "they've",      "'twas",
    "wasn't",      "we'd've",     "we've",          "weren't",      "what'll",
    "what're",     "what's",      "what've",        "when's",       "where'd",
    "where's",     "where've",    "who'd",          "who'd've",     "who'll",
    "who's",       "who've",      "why'll",         "why're",       "why's",
    "won't",       "would've",    "wouldn't",       "wouldn't've",  "y'all",
    "y'all'll",    "y'all'd've",  "you'd",          "you'd've",     "you'll",
    "you're",      "you've"};

/* True if `word` is `whole` with exactly one apostrophe left out. */
static bool misses_one_apostrophe(const char *word, const char *whole)
{
    bool missing = false;
    while (*whole) {
        if (*word == *whole)
            word++;
        else if (*whole == '\'' && !missing)
            missing = true;
        else
            return false;
        whole++;
    }
    return missing && !*word;
}

static const char *spell(const char *word)
{
    static const struct {
        const char *word, *digits;
    } numbers[] = {{"none", "0"},  {"zero", "0"},  {"one", "1"},  {"two", "2"},
                   {"three", "3"}, {"four", "4"},  {"five", "5"}, {"six", "6"},
                   {"seven", "7"}, {"eight", "8"}, {"nine", "9"}, {"ten", "10"}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].word, word) == 0)
            return numbers[i].digits;
    }
    if (strcmp(word, "somebody'd") == 0)
        return "somebodyd"; /* the one entry that goes the other way */
    for (size_t i = 0; i < sizeof(contractions) / sizeof(contractions[0]); i++) {
        if (misses_one_apostrophe(word, contractions[i]))
            return contractions[i];
    }
    return word;
}

static bool is_article(const char *word)
{
    return strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0;
}

/* ---- lower case ---- */

/* Marks that a word's end looks through, by Unicode's rule for the final sigma: those that occur.
 */
static bool is_case_ignorable(uint32_t c)
{
    static const uint32_t marks[] = {'\'', '.',  ':',  '^',    '`',    0xa8,   0xad,  0xaf,
                                     0xb4, 0xb7, 0xb8, 0x2018, 0x2019, 0x2024, 0x2027};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (c == marks[i])
            return true;
    }
    return c >= 0x300 && c <= 0x36f;
}

static bool is_cased(uint32_t c, locale_t locale)
{
    return iswupper_l((wint_t)c, locale) || iswlower_l((wint_t)c, locale);
}

/* A cased letter before it and none behind it. */
static bool is_final(const struct points *t, size_t at, locale_t locale)
{
    size_t before = at;
    size_t behind = at + 1;
    while (before > 0 && is_case_ignorable(t->p[before - 1]))
        before--;
    while (behind < t->n && is_case_ignorable(t->p[behind]))
        behind++;
    return before > 0 && is_cased(t->p[before - 1], locale) &&
           !(behind < t->n && is_cased(t->p[behind], locale));
}

/* Simple mappings, and the two that depend on more: a sigma at the end of a word, and the dotted
 * capital I, which becomes two code points and is left to the caller's room. */
static bool lower(const struct points *t, struct points *ret_lower)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    struct points out = {malloc((2 * t->n + 1) * sizeof(*out.p)), 0};
    for (size_t i = 0; out.p && i < t->n; i++) {
        uint32_t c = t->p[i];
        if (c < 0x80 || locale == (locale_t)0) {
            out.p[out.n++] = c >= 'A' && c <= 'Z' ? c + 32u : c;
        } else if (c == 0x130) {
            out.p[out.n++] = 'i';
            out.p[out.n++] = 0x307;
        } else if (c == 0x3a3 && is_final(t, i, locale)) {
            out.p[out.n++] = 0x3c2;
        } else {
            out.p[out.n++] = (uint32_t)towlower_l((wint_t)c, locale);
        }
    }
    if (locale != (locale_t)0)
        freelocale(locale);
    *ret_lower = out;
    return out.p;
}

/* Words of lower-cased text, spelt, without articles, with one blank between them. */
static char *join_words(const struct points *t)
{
    char *joined = malloc(8 * t->n + 16); /* a word grows by one apostrophe at most */
    char *word = malloc(4 * t->n + 1);
    size_t n = 0;
    for (size_t i = 0; joined && word && i < t->n;) {
        size_t length = 0;
        while (i < t->n && is_space(t->p[i]))
            i++;
        while (i < t->n && !is_space(t->p[i]))
            length += encode_one(t->p[i++], word + length);
        word[length] = '\0';
        const char *spelt = spell(word);
        if (length == 0 || is_article(spelt))
            continue;
        if (n > 0)
            joined[n++] = ' ';
        size_t n_spelt = strlen(spelt);
        memcpy(joined + n, spelt, n_spelt);
        n += n_spelt;
    }
    if (joined && word)
        joined[n] = '\0';
    if (!word) {
        free(joined);
        joined = NULL;
    }
    free(word);
    return joined;
}

/* ---- entries ---- */

static void trim(struct points *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->p[i] == '\n' || t->p[i] == '\t')
            t->p[i] = ' ';
    }
    while (t->n > 0 && is_space(t->p[t->n - 1]))
        t->n--;
    size_t first = 0;
    while (first < t->n && is_space(t->p[first]))
        first++;
    t->n -= first;
    memmove(t->p, t->p + first, t->n * sizeof(*t->p));
}

char *vqa_strip_punctuation(const char *answer)
{
    struct points points;
    if (!decode(answer, &points))
        return NULL;
    strip_punctuation(&points);
    char *text = encode(&points);
    free(points.p);
    return text;
}

char *vqa_normalize(const char *answer)
{
    struct points points;
    struct points small = {NULL, 0};
    char *text = NULL;
    if (!decode(answer, &points))
        return NULL;
    trim(&points);
    strip_punctuation(&points);
    if (lower(&points, &small))
        text = join_words(&small);
    free(small.p);
    free(points.p);
    return text;
}

static bool all_the_same(const char *const *texts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(texts[i], texts[0]) != 0)
            return false;
    }
    return true;
}

static int matches(const char *normal, const char *truth, bool as_it_is)
{
    if (as_it_is)
        return strcmp(normal, truth) == 0;
    char *stripped = vqa_strip_punctuation(truth);
    int equal = stripped ? strcmp(normal, stripped) == 0 : -1;
    free(stripped);
    return equal;
}

double vqa_accuracy(const char *answer, const char *const *truths, size_t n)
{
    char *normal = n > 0 ? vqa_normalize(answer) : NULL;
    if (!normal)
        return NAN;
    bool as_they_are = all_the_same(truths, n);
    size_t n_matching = 0;
    for (size_t i = 0; i < n; i++) {
        int match = matches(normal, truths[i], as_they_are);
        if (match < 0) {
            free(normal);
            return NAN;
        }
        n_matching += (size_t)match;
    }
    free(normal);
    /* Leaving out one that matches leaves n_matching - 1, one that does not all of them. */
    double m = (double)n_matching;
    double without_match = fmin(1.0, (m - 1.0) / 3.0);
    double without_other = fmin(1.0, m / 3.0);
    double count = (double)n;
    return n_matching == 0 ? 0.0 : (m * without_match + (count - m) * without_other) / count;
}

static bool equals_trimmed(const char *answer, const char *truth)
{
    static const char space[] = " \t\r\n";
    answer += strspn(answer, space);
    truth += strspn(truth, space);
    size_t n = strlen(truth);
    while (n > 0 && strchr(space, truth[n - 1]))
        n--;
    return strncasecmp(answer, truth, n) == 0 && answer[n + strspn(answer + n, space)] == '\0';
}

double vqa_exact(const char *answer, const char *truth)
{
    char *said = vqa_normalize(answer);
    char *right = vqa_normalize(truth);
    double equal = NAN;
    if (said && right)
        equal = right[0] ? strcmp(said, right) == 0 : equals_trimmed(answer, truth);
    free(said);
    free(right);
    return equal;
}
