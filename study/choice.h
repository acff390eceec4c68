/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiple choice as in MMBench: the question with its options, and which option an answer names.
 * Pure.
 */
#ifndef MOA_STUDY_CHOICE_H
#define MOA_STUDY_CHOICE_H

#include <stddef.h>

#define CHOICE_OPTIONS_MAX 8

/**
 * The prompt: hint, question, one line "A. text" an option, and what to answer with. `hint` may be
 * "". To be freed with free(); NULL if out of memory.
 */
char *choice_prompt(const char *question, const char *hint, const char *const *options, size_t n);

/**
 * Which of n options `answer` names, or -1 (also if out of memory). The first of these that holds:
 *
 * - it is a letter, or the text of one option and nothing else, case and punctuation aside;
 * - it says that the answer is a letter ("The correct answer is **B**", "答案是B", "选 B"), the
 *   same wherever it says so;
 * - exactly one letter stands alone in it ("(b)", "B. red", "B、红", "I'd say B"). Two letters
 *   name none. "A" at the beginning of a sentence and before a word is an article, and a letter
 *   behind "not" or 不 is not named;
 * - no letter stands alone, it is at most twice as long as all options together, and holds the
 *   text of exactly one of them as whole words ("It is blue.").
 */
int choice_read(const char *answer, const char *const *options, size_t n);

#endif
