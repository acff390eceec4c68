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

#include "points.h"

#define PERIODS_MAX 32 /* no more full stops than this are taken out of one answer */

/* ---- character classes ---- */

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

static bool is_ascii(const struct points *t)
{
    size_t i = 0;
    while (i < t->n && t->p[i] < 0x80)
        i++;
    return i == t->n;
}

/* Simple mappings, and the two that depend on more: a sigma at the end of a word, and the dotted
 * capital I, which becomes two code points and is left to the caller's room. */
static bool lower(const struct points *t, struct points *ret_lower)
{
    /* Making a locale reads files: most answers need none. */
    locale_t locale = is_ascii(t) ? (locale_t)0 : newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
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
        while (i < t->n && points_is_space(t->p[i]))
            i++;
        while (i < t->n && !points_is_space(t->p[i]))
            length += points_encode_one(t->p[i++], word + length);
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
    while (t->n > 0 && points_is_space(t->p[t->n - 1]))
        t->n--;
    size_t first = 0;
    while (first < t->n && points_is_space(t->p[first]))
        first++;
    t->n -= first;
    memmove(t->p, t->p + first, t->n * sizeof(*t->p));
}

/* Without blanks at its ends; tabs and newlines are blanks. */
static char *trimmed(const char *text)
{
    struct points points;
    if (!points_decode(text, &points))
        return NULL;
    trim(&points);
    char *out = points_encode(&points);
    free(points.p);
    return out;
}

static char *strip(const char *answer)
{
    struct points points;
    if (!points_decode(answer, &points))
        return NULL;
    strip_punctuation(&points);
    char *text = points_encode(&points);
    free(points.p);
    return text;
}

char *vqa_normalize(const char *answer)
{
    struct points points;
    struct points small = {NULL, 0};
    char *text = NULL;
    if (!points_decode(answer, &points))
        return NULL;
    trim(&points);
    strip_punctuation(&points);
    if (lower(&points, &small))
        text = join_words(&small);
    free(small.p);
    free(points.p);
    return text;
}

static bool all_the_same(char *const *texts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(texts[i], texts[0]) != 0)
            return false;
    }
    return true;
}

/* Each text made anew by `make`; -1 if out of memory. */
static int make_each(char **texts, size_t n, char *(*make)(const char *))
{
    for (size_t i = 0; i < n; i++) {
        char *made = make(texts[i]);
        free(texts[i]);
        texts[i] = made;
        if (!made)
            return -1;
    }
    return 0;
}

/* texts[0] is the answer, the rest are the human ones. 2021: what everybody said is compared as it
 * was said, anything else normalised on both sides. */
static int prepare_2021(char **texts, size_t n)
{
    if (make_each(texts, n, trimmed))
        return -1;
    return all_the_same(texts + 1, n - 1) ? 0 : make_each(texts, n, vqa_normalize);
}

/* 2017: the answer is normalised, human ones lose their punctuation unless all are the same. */
static int prepare_2017(char **texts, size_t n)
{
    if (make_each(texts, 1, vqa_normalize))
        return -1;
    return all_the_same(texts + 1, n - 1) ? 0 : make_each(texts + 1, n - 1, strip);
}

static double worth(size_t n_matching, size_t n)
{
    /* Leaving out one that matches leaves n_matching - 1, one that does not all of them. */
    double m = (double)n_matching;
    double without_match = fmin(1.0, (m - 1.0) / 3.0);
    double without_other = fmin(1.0, m / 3.0);
    double count = (double)n;
    return n_matching == 0 ? 0.0 : (m * without_match + (count - m) * without_other) / count;
}

static double public_accuracy(int (*prepare)(char **, size_t), const char *answer,
                              const char *const *truths, size_t n)
{
    char **texts = calloc(n + 1, sizeof(*texts));
    bool copied = texts != NULL;
    size_t n_matching = 0;
    for (size_t i = 0; copied && i <= n; i++) {
        texts[i] = strdup(i == 0 ? answer : truths[i - 1]);
        copied = texts[i] != NULL;
    }
    bool prepared = copied && prepare(texts, n + 1) == 0;
    for (size_t i = 1; prepared && i <= n; i++)
        n_matching += strcmp(texts[0], texts[i]) == 0;
    for (size_t i = 0; texts && i <= n; i++)
        free(texts[i]);
    free(texts);
    return prepared ? worth(n_matching, n) : NAN;
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

static double normalized_accuracy(const char *answer, const char *const *truths, size_t n)
{
    double n_matching = 0.0; /* NaN once there is no memory */
    for (size_t i = 0; i < n; i++)
        n_matching += vqa_exact(answer, truths[i]);
    return isnan(n_matching) ? NAN : worth((size_t)n_matching, n);
}

double vqa_accuracy(enum vqa_scorer scorer, const char *answer, const char *const *truths, size_t n)
{
    if (n == 0)
        return NAN;
    switch (scorer) {
    case VQA_2021:
        return public_accuracy(prepare_2021, answer, truths, n);
    case VQA_2017:
        return public_accuracy(prepare_2017, answer, truths, n);
    case VQA_NORMALIZED:
        break;
    }
    return normalized_accuracy(answer, truths, n);
}

static const char *const scorer_names[] = {"vqa2021", "vqa2017", "normalized"};

const char *vqa_scorer_name(enum vqa_scorer scorer)
{
    return scorer_names[scorer];
}

int vqa_scorer_from_name(const char *name)
{
    for (int i = 0; i < VQA_SCORERS; i++) {
        if (strcmp(scorer_names[i], name) == 0)
            return i;
    }
    return -1;
}
