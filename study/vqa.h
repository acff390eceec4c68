/* SPDX-License-Identifier: Apache-2.0
 *
 * The accuracy of VQA, figure for figure that of the public evaluation tool for VQAv2
 * (https://visualqa.org/evaluation.html). Pure.
 *
 * An answer is compared with all human answers but one, for each of them in turn; it is worth
 * min(1, matches / 3) against those, and the mean over the turns is its accuracy. Before that the
 * answer is normalised: punctuation, number words, articles, contractions. The human answers get
 * the punctuation step only, and only if they are not all the same: so does the public tool, and
 * what it returns is what others compare with.
 */
#ifndef MOA_STUDY_VQA_H
#define MOA_STUDY_VQA_H

#include <stddef.h>

/**
 * The answer as it is compared, to be freed with free(); NULL if out of memory. Bytes that are no
 * UTF-8 stay as they are.
 */
char *vqa_normalize(const char *answer);

/** The punctuation step alone. */
char *vqa_strip_punctuation(const char *answer);

/** Accuracy in [0, 1] of `answer` against n human answers; NaN if out of memory or n is 0. */
double vqa_accuracy(const char *answer, const char *const *truths, size_t n);

/**
 * 1 if `answer` is `truth`, both normalised, else 0; NaN if out of memory. A truth of which nothing
 * would be left ("A", "the") is compared as it stands, but for case and surrounding white space.
 */
double vqa_exact(const char *answer, const char *truth);

#endif
