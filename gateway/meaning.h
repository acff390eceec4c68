/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether two long answers mean the same, which nobody can tell by comparing letters: a model is
 * asked, in one word. Here is what it is asked and how its word is read; where in doubt, answers
 * differ. Pure.
 */
#ifndef MOA_GATEWAY_MEANING_H
#define MOA_GATEWAY_MEANING_H

#include "completion.h"

#define MEANING_QUESTION_BYTES 2048 /* of what the user asked; more is left out */
#define MEANING_ANSWER_BYTES 4096   /* of an answer; who says more is not compared */
#define MEANING_TOKENS 4            /* that the model may say */

enum meaning {
    MEANING_SAME,
    MEANING_OTHER,
    MEANING_UNCLEAR, /* neither yes nor no, or no answer at all */
};

/** Whether a model could tell of these two, which are not equal: one of them at least is in words,
 * more than three, the other is neither JSON nor a tool call, and both are whole. */
bool meaning_is_a_question(const struct completion *one, const struct completion *other);

/** What the model is asked, to be freed with free(): both answers and the question quoted, so that
 * none of them can end where it does not. NULL if out of memory. */
char *meaning_prompt(const char *question, struct moa_bytes one, struct moa_bytes other);

/** What it says, of a whole chat completion. */
enum meaning meaning_read(struct moa_bytes completion);

#endif
