/* SPDX-License-Identifier: Apache-2.0
 *
 * All of libmoaoff: measure the images and the text of a request, then decide.
 *
 *     struct moa_image_features features;
 *     struct moa_image_complexity c;
 *     struct moa_error error;
 *     if (moa_image_measure(file, NULL, NULL, &features, &error))
 *         fprintf(stderr, "%s\n", error.message);
 *     else
 *         moa_image_complexity(NULL, &features, &c);
 */
#ifndef MOAOFF_MOAOFF_H
#define MOAOFF_MOAOFF_H

#include <moaoff/adaptive.h>
#include <moaoff/base.h>
#include <moaoff/cpu.h>
#include <moaoff/docket.h>
#include <moaoff/group.h>
#include <moaoff/image.h>
#include <moaoff/media.h>
#include <moaoff/policy.h>
#include <moaoff/recode.h>
#include <moaoff/sound.h>
#include <moaoff/text.h>

#endif
