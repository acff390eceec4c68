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
 * Which of n options `answer` names, or -1. It names one by its letter standing alone or first
 * ("B", "(b)", "B. red", "The answer is B"), or by its text and nothing else, case and surrounding
 * punctuation aside. Two letters that stand alone name none.
 */
int choice_read(const char *answer, const char *const *options, size_t n);

#endif
