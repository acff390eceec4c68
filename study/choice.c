/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiple choice; see choice.h.
 */
#include "choice.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static bool is_filler(char c)
{
    return isspace((unsigned char)c) || ispunct((unsigned char)c);
}

/* [*begin, *end) without blanks and punctuation at both ends. */
static void trim(const char **begin, const char **end)
{
    while (*begin < *end && is_filler(**begin))
        (*begin)++;
    while (*end > *begin && is_filler((*end)[-1]))
        (*end)--;
}

static int letter_of(char c, size_t n)
{
    int i = toupper((unsigned char)c) - 'A';
    return i >= 0 && (size_t)i < n ? i : -1;
}

static int read_text(const char *begin, const char *end, const char *const *options, size_t n)
{
    int found = -1;
    for (size_t i = 0; i < n; i++) {
        const char *option = options[i];
        const char *option_end = option + strlen(option);
        trim(&option, &option_end);
        if (option_end - option == end - begin && end > begin &&
            strncasecmp(begin, option, (size_t)(end - begin)) == 0)
            found = found < 0 ? (int)i : -2;
    }
    return found < 0 ? -1 : found;
}

/* "B", "B. red", "(B) red": the letter first, and a mark or the end behind it. */
static int read_leading(const char *begin, const char *end, size_t n)
{
    int letter = begin < end ? letter_of(*begin, n) : -1;
    if (letter < 0 || begin + 1 == end)
        return letter;
    return strchr(".):,\n", begin[1]) ? letter : -1;
}

/* The one capital letter that stands alone. "A" before a blank may be an article: it names nothing,
 * but beside another letter it may be a second one. */
static int read_alone(const char *begin, const char *end, size_t n)
{
    int found = -1;
    bool article = false;
    for (const char *c = begin; c < end; c++) {
        bool alone = (c == begin || is_filler(c[-1])) && (c + 1 == end || is_filler(c[1]));
        int letter = alone && isupper((unsigned char)*c) ? letter_of(*c, n) : -1;
        bool is_word = *c == 'A' && c + 1 < end && c[1] == ' ';
        article = article || (letter == 0 && is_word);
        if (letter < 0 || is_word)
            continue;
        if (found >= 0 && found != letter)
            return -1;
        found = letter;
    }
    return article && found > 0 ? -1 : found;
}

int choice_read(const char *answer, const char *const *options, size_t n)
{
    const char *begin = answer;
    const char *end = answer + strlen(answer);
    trim(&begin, &end);
    if (end - begin == 1 && letter_of(*begin, n) >= 0)
        return letter_of(*begin, n);
    int found = read_text(begin, end, options, n);
    if (found < 0)
        found = read_leading(begin, end, n);
    return found < 0 ? read_alone(begin, end, n) : found;
}
