/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff eval`: asks a gateway every question of a set, once with every policy, and writes down
 * what came back. See docs/evaluate.md.
 */
#ifndef MOA_STUDY_EVAL_H
#define MOA_STUDY_EVAL_H

#include "plan.h"

/** 0 if every request was answered, 1 if some failed or it was interrupted. */
int eval_run(const struct eval_options *options);

/** Writes the images of the set into the folder options->out instead; same result. */
int eval_export_images(const struct eval_options *options);

#endif
