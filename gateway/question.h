/* SPDX-License-Identifier: Apache-2.0
 *
 * What a question asks for, as far as its words tell without a model: the kind of question, and the
 * letters of the options it offers. Pure. The kinds only sort: nothing depends on one being right.
 */
#ifndef MOA_GATEWAY_QUESTION_H
#define MOA_GATEWAY_QUESTION_H

#include <stdint.h>

/** By the form of the question; below MOA_QUESTION_KINDS. */
enum question_kind {
    QUESTION_OTHER,
    QUESTION_HOW_MANY,
    QUESTION_WHERE,
    QUESTION_WHO,
    QUESTION_WHY,
    QUESTION_COLOUR,
    QUESTION_READS, /* text in the picture */
    QUESTION_WHICH,
    QUESTION_WHAT,
    QUESTION_YES_NO,
    QUESTION_OPTIONS, /* choose one of those listed */
    QUESTION_DESCRIBE,
};

/** The options that `text` lists: bit 0 for A, ... bit 25 for Z. Two at least, from A on without a
 * gap, each at the begin of a line or all on one ("A. red B. blue", "(A) red", "A: red"); else 0.
 */
uint32_t question_letters(const char *text);

enum question_kind question_kind(const char *text);

/** Equal for texts that differ in case, white space and punctuation only. */
uint64_t question_hash(const char *text);

#endif
