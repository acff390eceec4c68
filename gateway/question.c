/* SPDX-License-Identifier: Apache-2.0
 *
 * What a question asks for; see question.h.
 */
#include "question.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* its state on the stack */
#include <xxhash.h>

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* ---- options ---- */

/* "A.", "A)", "(A)", "A:" at `at`, behind white space or at the begin, with something behind it. */
static bool is_option(const char *text, const char *at, char letter)
{
    const bool opened = at > text && at[-1] == '(';
    const char *before = opened ? at - 1 : at;
    if (*at != letter || (before > text && !isspace((unsigned char)before[-1])))
        return false;
    if (opened)
        return at[1] == ')';
    return (at[1] == '.' || at[1] == ')' || at[1] == ':') && at[2] != '\0' &&
           (isspace((unsigned char)at[2]) || at[1] != '.');
}

uint32_t question_letters(const char *text)
{
    uint32_t letters = 0;
    const char *at = text;
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        while (*at && !is_option(text, at, letter))
            at++;
        if (!*at)
            break;
        letters |= 1u << (letter - 'A');
        at++;
    }
    return letters & 2 ? letters : 0;
}

/* ---- words ---- */

/* The next word of `*at`, in lower case, cut to the room there is; its length, 0 at the end. */
static size_t next_word(const char **at, char *ret_word, size_t room)
{
    const char *p = *at;
    while (*p && !is_letter(*p) && (unsigned char)*p < 0x80)
        p++;
    size_t n = 0;
    for (; is_letter(*p) || (unsigned char)*p >= 0x80; p++) {
        if (n + 1 < room)
            ret_word[n++] = (char)tolower((unsigned char)*p);
    }
    ret_word[n] = '\0';
    *at = p;
    return n;
}

struct opening {
    const char *words; /* the first one or two of the question */
    enum question_kind kind;
};

/* The longest first. */
static const struct opening openings[] = {
    {"how many", QUESTION_HOW_MANY},
    {"wie viele", QUESTION_HOW_MANY},
    {"combien", QUESTION_HOW_MANY},
    {"what number", QUESTION_READS},
    {"what color", QUESTION_COLOUR},
    {"what colour", QUESTION_COLOUR},
    {"which color", QUESTION_COLOUR},
    {"which colour", QUESTION_COLOUR},
    {"welche farbe", QUESTION_COLOUR},
    {"where", QUESTION_WHERE},
    {"wo", QUESTION_WHERE},
    {"who", QUESTION_WHO},
    {"whose", QUESTION_WHO},
    {"wer", QUESTION_WHO},
    {"why", QUESTION_WHY},
    {"warum", QUESTION_WHY},
    {"which", QUESTION_WHICH},
    {"what", QUESTION_WHAT},
    {"was", QUESTION_WHAT},
    {"is", QUESTION_YES_NO},
    {"are", QUESTION_YES_NO},
    {"was there", QUESTION_YES_NO},
    {"does", QUESTION_YES_NO},
    {"do", QUESTION_YES_NO},
    {"did", QUESTION_YES_NO},
    {"can", QUESTION_YES_NO},
    {"has", QUESTION_YES_NO},
    {"have", QUESTION_YES_NO},
    {"ist", QUESTION_YES_NO},
    {"sind", QUESTION_YES_NO},
    {"describe", QUESTION_DESCRIBE},
    {"list", QUESTION_DESCRIBE},
};

static bool reads_text(const char *word)
{
    static const char *const words[] = {"read", "reads",  "say",   "says",  "written",
                                        "word", "text",   "sign",  "label", "spell",
                                        "line", "number", "digits"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

/* Longer matches win over shorter ones, wherever they stand in the table. */
static enum question_kind kind_of_opening(const char *first, const char *two)
{
    enum question_kind kind = QUESTION_OTHER;
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        if (strcmp(openings[i].words, two) == 0)
            return openings[i].kind;
        if (strcmp(openings[i].words, first) == 0)
            kind = openings[i].kind;
    }
    return kind;
}

enum question_kind question_kind(const char *text)
{
    if (question_letters(text))
        return QUESTION_OPTIONS;
    char first[24], second[24], two[sizeof(first) + sizeof(second)];
    const char *at = text;
    size_t n = next_word(&at, first, sizeof(first));
    next_word(&at, second, sizeof(second));
    memcpy(two, first, n);
    two[n] = ' ';
    memcpy(two + n + 1, second, strlen(second) + 1);
    const enum question_kind kind = kind_of_opening(first, two);
    if (kind != QUESTION_WHAT && kind != QUESTION_WHICH)
        return kind;
    char word[24];
    for (at = text; next_word(&at, word, sizeof(word)) > 0;) {
        if (reads_text(word))
            return QUESTION_READS;
    }
    return kind;
}

/* ---- hash ---- */

uint64_t question_hash(const char *text)
{
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    bool gap = false, any = false;
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c < 0x80 && !isalnum(c)) {
            gap = any;
            continue;
        }
        const char kept[2] = {' ', (char)tolower(c)};
        XXH64_update(&state, gap ? kept : kept + 1, gap ? 2 : 1);
        gap = false;
        any = true;
    }
    return XXH64_digest(&state);
}
