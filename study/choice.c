/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiple choice; see choice.h. Answers are read as code points: a letter also stands alone
 * between Chinese characters, and full-width letters and marks are letters and marks.
 */
#include "choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "points.h"

#define NAMES_NONE (-1)
#define NAMES_SEVERAL (-2)

char *choice_prompt(const char *question, const char *hint, const char *const *options, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (hint[0])
        fprintf(out, "Hint: %s\n", hint);
    fprintf(out, "%s\n", question);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%c. %s\n", (char)('A' + i), options[i]);
    fputs("Answer with the option's letter from the given choices directly.", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- characters ---- */

/* Full-width forms as ASCII, and the marks of Chinese text as those they stand for. */
static uint32_t plain(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e)
        return c - 0xfee0;
    if (c == 0x3002)
        return '.';
    if (c == 0x3001)
        return ',';
    return c == 0x3000 ? ' ' : c;
}

static bool is_upper(uint32_t c)
{
    return c >= 'A' && c <= 'Z';
}

static uint32_t lower(uint32_t c)
{
    return is_upper(c) ? c + 32 : c;
}

/* Part of a word of an alphabet. Chinese characters are not: between them nothing is a blank. */
static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || is_upper(c) || (c >= 'a' && c <= 'z') ||
           (c >= 0xc0 && c < 0x250 && c != 0xd7 && c != 0xf7) || (c >= 0x370 && c < 0x530);
}

/* Past the end there is a blank. */
static uint32_t at(const struct points *t, size_t i)
{
    return i < t->n ? t->p[i] : ' ';
}

static uint32_t before(const struct points *t, size_t i, size_t by)
{
    return i >= by ? t->p[i - by] : ' ';
}

static bool is_filler(uint32_t c)
{
    return points_is_space(c) || (c < 0x80 && !is_word(c));
}

/* Decoded, with plain characters. */
static bool read_plain(const char *text, struct points *ret_points)
{
    struct points t;
    if (!points_decode(text, &t))
        return false;
    for (size_t i = 0; i < t.n; i++)
        t.p[i] = plain(t.p[i]);
    *ret_points = t;
    return true;
}

/* A view without blanks and marks at both ends. */
static struct points trimmed(struct points t)
{
    while (t.n > 0 && is_filler(t.p[t.n - 1]))
        t.n--;
    while (t.n > 0 && is_filler(t.p[0])) {
        t.p++;
        t.n--;
    }
    return t;
}

/* Nothing but blanks and marks before i. */
static bool is_leading(const struct points *t, size_t i)
{
    while (i > 0 && is_filler(t->p[i - 1]))
        i--;
    return i == 0;
}

/* `words`, which are in lower case, stand at i. */
static bool says(const struct points *t, size_t i, const char *words)
{
    for (; *words; words++, i++) {
        if (lower(at(t, i)) != (unsigned char)*words)
            return false;
    }
    return true;
}

static bool says_word(const struct points *t, size_t i, const char *word)
{
    return says(t, i, word) && !is_word(at(t, i + strlen(word)));
}

/* ---- letters that stand alone ---- */

static int letter_of(uint32_t c, size_t n)
{
    uint32_t i = lower(c) - 'a';
    return i < n ? (int)i : NAMES_NONE;
}

/* Not a part of "I'd", "A-frame", "vitamin-C", "C#", "C++", "°C", "U.S.A.". */
static bool is_alone(const struct points *t, size_t i)
{
    uint32_t left = before(t, i, 1);
    uint32_t left_2 = before(t, i, 2);
    uint32_t right = at(t, i + 1);
    uint32_t right_2 = at(t, i + 2);
    if (is_word(left) || is_word(right) || left == 0xb0 || right == '+' || right == '#')
        return false;
    bool joined_left = (left == '\'' || left == 0x2019 || left == '-') && is_word(left_2);
    bool joined_right = (right == '\'' || right == 0x2019 || right == '-') && is_word(right_2);
    bool initial_left = left == '.' && is_upper(left_2) && !is_word(before(t, i, 3));
    bool initial_right = right == '.' && is_upper(right_2) && !is_word(at(t, i + 3));
    return !joined_left && !joined_right && !initial_left && !initial_right;
}

/* "A" that begins a sentence before a word, other than one that no noun begins with. */
static bool is_article(const struct points *t, size_t i)
{
    static const char *const others[] = {"is", "was", "because", "since", "or", "and"};
    if (t->p[i] != 'A' || at(t, i + 1) != ' ' || !is_word(at(t, i + 2)))
        return false;
    for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
        if (says_word(t, i + 2, others[k]))
            return false;
    }
    size_t last = i;
    while (last > 0 && points_is_space(t->p[last - 1]))
        last--;
    return last == 0 || is_filler(t->p[last - 1]);
}

/* "not B", "不是B", "不选B". */
static bool is_denied(const struct points *t, size_t i)
{
    while (i > 0 && is_filler(t->p[i - 1]))
        i--;
    bool word = i >= 3 && says_word(t, i - 3, "not") && !is_word(before(t, i, 4));
    return word || before(t, i, 1) == 0x4e0d || before(t, i, 2) == 0x4e0d;
}

/* The option whose letter stands at i, or NAMES_NONE. A small letter is only one as in "(b)", or as
 * in "b. red" at the beginning. */
static int letter_at(const struct points *t, size_t i, size_t n)
{
    int letter = letter_of(t->p[i], n);
    if (letter < 0 || !is_alone(t, i) || is_denied(t, i))
        return NAMES_NONE;
    uint32_t right = at(t, i + 1);
    bool marked = right == ')' || ((right == '.' || right == ':') && is_leading(t, i));
    return is_upper(t->p[i]) || marked ? letter : NAMES_NONE;
}

static int together(int found, int letter)
{
    if (letter == NAMES_NONE || found == letter)
        return found;
    return found == NAMES_NONE ? letter : NAMES_SEVERAL;
}

static int read_letters(const struct points *t, size_t n)
{
    int found = NAMES_NONE;
    bool begins_with_article = false;
    for (size_t i = 0; i < t->n; i++) {
        if (!is_article(t, i))
            found = together(found, letter_at(t, i, n));
        else
            begins_with_article = begins_with_article || is_leading(t, i);
    }
    /* "A plus B": perhaps no article. */
    return begins_with_article && found > 0 ? NAMES_SEVERAL : found;
}

/* ---- "the answer is B" ---- */

/* Length of the words that announce an answer at i; 0: none. */
static size_t announcement_at(const struct points *t, size_t i)
{
    static const char *const english[] = {"answer is", "answer:", "option is", "choice is"};
    static const uint32_t chinese[][3] = {{0x7b54, 0x6848, 0x662f}, /* 答案是 */
                                          {0x7b54, 0x6848, 0x4e3a}, /* 答案为 */
                                          {0x7b54, 0x6848, ':'},    /* 答案： */
                                          {0x9009, 0x62e9, 0},      /* 选择 */
                                          {0x9009, 0x9879, 0},      /* 选项 */
                                          {0x9009, 0, 0}};          /* 选 */
    for (size_t k = 0; k < sizeof(english) / sizeof(english[0]); k++) {
        if (says(t, i, english[k]) && !is_word(before(t, i, 1)))
            return strlen(english[k]);
    }
    for (size_t k = 0; k < sizeof(chinese) / sizeof(chinese[0]); k++) {
        size_t n = 0;
        while (n < 3 && chinese[k][n] && at(t, i + n) == chinese[k][n])
            n++;
        if (n == 3 || chinese[k][n] == 0)
            return n;
    }
    return 0;
}

/* Past blanks and marks, and past an "option" or "letter" among them. */
static size_t skip_filler(const struct points *t, size_t i)
{
    static const char *const words[] = {"option", "choice", "letter"};
    for (;;) {
        size_t begun = i;
        while (i < t->n && is_filler(t->p[i]))
            i++;
        for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
            if (says_word(t, i, words[k]))
                i += strlen(words[k]);
        }
        if (i == begun)
            return i;
    }
}

/* Behind an "or", "and", 和, 或 or 及 at i; i if there is none. */
static size_t skip_conjunction(const struct points *t, size_t i)
{
    uint32_t c = at(t, i);
    if (c == 0x548c || c == 0x6216 || c == 0x53ca)
        return skip_filler(t, i + 1);
    if (says_word(t, i, "or"))
        return skip_filler(t, i + 2);
    return says_word(t, i, "and") ? skip_filler(t, i + 3) : i;
}

/* "B or C", "B, C", "B/C", "B和C" at i, which is B; not "B. A is wrong". */
static bool has_alternative(const struct points *t, size_t i, size_t n)
{
    size_t next = skip_conjunction(t, skip_filler(t, i + 1));
    for (size_t k = i + 1; k < next && k < t->n; k++) {
        if (t->p[k] == '.' || t->p[k] == '\n')
            return false;
    }
    return next < t->n && !is_article(t, next) && letter_at(t, next, n) >= 0;
}

static int read_statements(const struct points *t, size_t n)
{
    int found = NAMES_NONE;
    for (size_t i = 0; i < t->n; i++) {
        size_t length = announcement_at(t, i);
        size_t said = length > 0 ? skip_filler(t, i + length) : t->n;
        int letter = said < t->n ? letter_at(t, said, n) : NAMES_NONE;
        if (letter >= 0 && has_alternative(t, said, n))
            return NAMES_SEVERAL;
        found = together(found, letter);
    }
    return found;
}

/* ---- texts of options ---- */

static bool stands_at(const struct points *t, size_t i, const struct points *option)
{
    if (option->n == 0 || option->n > t->n - i)
        return false;
    for (size_t k = 0; k < option->n; k++) {
        if (lower(t->p[i + k]) != lower(option->p[k]))
            return false;
    }
    bool cut_left = is_word(option->p[0]) && is_word(before(t, i, 1));
    bool cut_right = is_word(option->p[option->n - 1]) && is_word(at(t, i + option->n));
    return !cut_left && !cut_right;
}

static int read_whole(const struct points *t, const struct points *options, size_t n)
{
    int found = NAMES_NONE;
    for (size_t k = 0; k < n; k++) {
        if (options[k].n == t->n && stands_at(t, 0, &options[k]))
            found = together(found, (int)k);
    }
    return found;
}

/* The option whose text stands at i, the longest of several. */
static int longest_at(const struct points *t, size_t i, const struct points *options, size_t n)
{
    int found = NAMES_NONE;
    size_t longest = 0;
    for (size_t k = 0; k < n; k++) {
        if (options[k].n < longest || !stands_at(t, i, &options[k]))
            continue;
        found = options[k].n > longest ? (int)k : NAMES_SEVERAL;
        longest = options[k].n;
    }
    return found;
}

/* A text inside of another one is not meant. */
static int read_contained(const struct points *t, const struct points *options, size_t n)
{
    size_t n_options = 0;
    for (size_t k = 0; k < n; k++)
        n_options += options[k].n;
    if (t->n > 2 * n_options)
        return NAMES_NONE;
    int found = NAMES_NONE;
    size_t covered = 0;
    for (size_t i = 0; i < t->n; i++) {
        int option = longest_at(t, i, options, n);
        if (option == NAMES_SEVERAL)
            return NAMES_SEVERAL;
        if (option < 0 || i + options[option].n <= covered)
            continue;
        covered = i + options[option].n;
        if (!is_denied(t, i))
            found = together(found, option);
    }
    return found;
}

/* ---- entry ---- */

static int read_points(const struct points *t, const struct points *options, size_t n)
{
    const struct points whole = trimmed(*t);
    if (whole.n == 0)
        return NAMES_NONE;
    if (whole.n == 1 && letter_of(whole.p[0], n) >= 0)
        return letter_of(whole.p[0], n);
    int found = read_whole(&whole, options, n);
    if (found == NAMES_NONE)
        found = read_statements(t, n);
    if (found == NAMES_NONE)
        found = read_letters(t, n);
    return found == NAMES_NONE ? read_contained(&whole, options, n) : found;
}

int choice_read(const char *answer, const char *const *options, size_t n)
{
    struct points said = {NULL, 0};
    struct points texts[CHOICE_OPTIONS_MAX] = {{NULL, 0}};
    struct points options_trimmed[CHOICE_OPTIONS_MAX];
    bool read = read_plain(answer, &said);
    for (size_t k = 0; k < n && read; k++) {
        read = read_plain(options[k], &texts[k]);
        options_trimmed[k] = trimmed(texts[k]);
    }
    int found = read ? read_points(&said, options_trimmed, n) : NAMES_NONE;
    free(said.p);
    for (size_t k = 0; k < n; k++)
        free(texts[k].p);
    return found < 0 ? NAMES_NONE : found;
}
