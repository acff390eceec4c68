/* SPDX-License-Identifier: Apache-2.0
 *
 * The accuracy of VQA. An answer is compared with all human answers but one, for each of them in
 * turn; it is worth min(1, matches / 3) against those, and the mean over the turns is its accuracy.
 * Scorers differ by what is compared. Those with a year are, figure for figure, the public tool for
 * VQAv2 (https://github.com/GT-Vision-Lab/VQA), run by Python 3, with all its oddities, because its
 * figures are what others compare with. Pure.
 */
#ifndef MOA_STUDY_VQA_H
#define MOA_STUDY_VQA_H

#include <stddef.h>

enum vqa_scorer {
    /** The tool's commit a013f00 (2021): both sides normalised, unless all people said the same:
     * then both as they stand, so that "Red" is wrong where ten people said "red". */
    VQA_2021,
    /** Its commit a4f1afd (2017): the answer normalised; of human answers that differ only the
     * punctuation taken out, so that "a dog" and "two" never match what two people said. */
    VQA_2017,
    /** Both sides normalised, always; see vqa_exact(). For sets of one's own. */
    VQA_NORMALIZED,
};
#define VQA_SCORERS 3

/** "vqa2021", "vqa2017", "normalized". */
const char *vqa_scorer_name(enum vqa_scorer scorer);
/** -1: no such scorer. */
int vqa_scorer_from_name(const char *name);

/**
 * Without punctuation and articles, number words as digits, contractions with their apostrophe,
 * lower case, as the public tool does it; to be freed with free(), NULL if out of memory. Bytes
 * that are no UTF-8 stay as they are.
 */
char *vqa_normalize(const char *answer);

/** Accuracy in [0, 1] of `answer` against n human answers; NaN if out of memory or n is 0. */
double vqa_accuracy(enum vqa_scorer scorer, const char *answer, const char *const *truths,
                    size_t n);

/**
 * 1 if `answer` is `truth`, both normalised, else 0; NaN if out of memory. A truth of which nothing
 * would be left ("A", "the") is compared as it stands, but for case and surrounding white space.
 */
double vqa_exact(const char *answer, const char *truth);

#endif
