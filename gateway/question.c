/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of a question; see question.h.
 */
#include "question.h"

#include <ctype.h>
#include <stdbool.h>

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
    for (unsigned i = 0; i < 26; i++) {
        while (*at && !is_option(text, at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]))
            at++;
        if (!*at)
            break;
        letters |= 1u << i;
        at++;
    }
    return letters & 2 ? letters : 0;
}
