/* SPDX-License-Identifier: Apache-2.0
 *
 * What form an answer has, and whether two short answers say the same, after a normalisation like
 * that of VQA's evaluation: case, punctuation, articles and number words do not count. Where in
 * doubt they differ, which costs a call to the cloud and never the bound.
 */
#include <string.h>

#include <moaoff/adaptive.h>

enum { WORD_BYTES = 64, SHORT_WORDS = 3 };

/* The words of an answer, one after the other. */
struct words {
    const char *at, *end;
    char word[WORD_BYTES]; /* the newest, normalised; longer ones are cut, and `cut` says so */
    size_t n;
    bool cut;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Punctuation and spaces part words; signs with a meaning ("<5", "5%", "1/2") belong to them. */
static bool is_of_word(char c)
{
    return !strchr(" \t\r\n\v\f.,!?:;'\"()[]{}*_`-", c);
}

/* "3.5", "1,000", "don't": between letters or digits these belong to the word. */
static bool joins(const struct words *w)
{
    const char c = *w->at;
    if (w->n == 0 || w->at + 1 >= w->end)
        return false;
    const char before = w->at[-1];
    const char after = w->at[1];
    return (c == '\'' && is_letter(after)) ||
           ((c == '.' || c == ',') && is_digit(before) && is_digit(after));
}

/* A comma before exactly three digits; "1,5" is another number than "15". */
static bool groups(const struct words *w)
{
    size_t n = 0;
    while (w->at + 1 + n < w->end && is_digit(w->at[1 + n]))
        n++;
    return *w->at == ',' && n == 3;
}

static void add(struct words *w, char c)
{
    if (w->n == WORD_BYTES - 1) {
        w->cut = true;
        return;
    }
    if (c >= 'A' && c <= 'Z')
        c = (char)(c | 0x20);
    w->word[w->n++] = c;
}

/* A minus sign makes another number. */
static bool is_minus(const struct words *w)
{
    return *w->at == '-' && w->at + 1 < w->end && is_digit(w->at[1]);
}

static void spell(struct words *w)
{
    static const char *const names[] = {"zero", "one",   "two",   "three", "four", "five",
                                        "six",  "seven", "eight", "nine",  "ten"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(w->word, names[i]) != 0)
            continue;
        w->n = i < 10 ? 1 : 2;
        memcpy(w->word, i < 10 ? (const char[]){(char)('0' + i), 0} : "10", w->n + 1);
        return;
    }
}

/* False at the end. */
static bool next_raw(struct words *w)
{
    w->n = 0;
    for (; w->at < w->end && !is_of_word(*w->at); w->at++) {
        if (is_minus(w)) {
            add(w, '-');
            w->at++;
            break;
        }
    }
    for (; w->at < w->end && (is_of_word(*w->at) || joins(w)); w->at++) {
        if (*w->at != '\'' && !groups(w)) /* "dont", "1000" */
            add(w, *w->at);
    }
    w->word[w->n] = '\0';
    return w->n > 0;
}

static bool is_article(const char *word)
{
    return strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0;
}

static struct words words_of(struct moa_bytes text)
{
    const char *p = text.n > 0 ? text.p : "";
    return (struct words){.at = p, .end = p + text.n};
}

static size_t count(struct moa_bytes text)
{
    struct words w = words_of(text);
    size_t n = 0;
    while (n <= SHORT_WORDS && next_raw(&w))
        n++;
    return n;
}

/* Without articles, unless that is all there is: "A" is an answer. */
static bool next_word(struct words *w, bool alone)
{
    while (next_raw(w)) {
        if (!alone && is_article(w->word))
            continue;
        spell(w);
        return true;
    }
    return false;
}

static bool is_number(const char *word)
{
    const char *at = word + (word[0] == '-');
    size_t n_digits = 0;
    for (; is_digit(*at) || *at == '.'; at++)
        n_digits += is_digit(*at);
    return !*at && n_digits > 0;
}

enum moa_answer_form moa_answer_form_of(struct moa_bytes text)
{
    struct words w = words_of(text);
    while (w.at < w.end && (*w.at == ' ' || *w.at == '\n' || *w.at == '\t' || *w.at == '\r'))
        w.at++;
    if (w.at < w.end && (*w.at == '{' || *w.at == '['))
        return MOA_ANSWER_JSON;
    const size_t n = count(text);
    if (n != 1)
        return n >= 2 && n <= SHORT_WORDS ? MOA_ANSWER_SHORT : MOA_ANSWER_LONG;
    next_word(&w, true);
    if (w.n == 1 && is_letter(w.word[0]))
        return MOA_ANSWER_LETTER;
    if (strcmp(w.word, "yes") == 0 || strcmp(w.word, "no") == 0)
        return MOA_ANSWER_YES_NO;
    return is_number(w.word) ? MOA_ANSWER_NUMBER : MOA_ANSWER_SHORT;
}

static bool is_short(struct moa_bytes text)
{
    const enum moa_answer_form form = moa_answer_form_of(text);
    return form <= MOA_ANSWER_SHORT;
}

bool moa_answers_agree(struct moa_bytes one, struct moa_bytes other)
{
    if (!is_short(one) || !is_short(other))
        return one.n == other.n && one.n > 0 && memcmp(one.p, other.p, one.n) == 0;
    struct words a = words_of(one);
    struct words b = words_of(other);
    const bool a_alone = count(one) == 1;
    const bool b_alone = count(other) == 1;
    for (size_t n = 0;; n++) {
        const bool has_a = next_word(&a, a_alone);
        const bool has_b = next_word(&b, b_alone);
        if (has_a != has_b)
            return false;
        if (!has_a)
            return n > 0;
        if (a.cut || b.cut || strcmp(a.word, b.word) != 0)
            return false;
    }
}
