/* SPDX-License-Identifier: Apache-2.0
 *
 * When requests came somewhere: lines of JSON from `moaoff log --json` or an evaluation's
 * requests.jsonl.
 */
#ifndef MOA_STUDY_SIMULATE_TIMES_H
#define MOA_STUDY_SIMULATE_TIMES_H

#include <stddef.h>
#include <stdint.h>

struct simulate_time {
    double at_us;                             /* since the first */
    char item[64];                            /* "" if the line has none */
    double text_complexity, image_complexity; /* NaN if the line has none */
    double upload_bytes;                      /* the same */
    size_t question;                          /* for who knows the item; SIZE_MAX: any */
};

struct simulate_times {
    struct simulate_time *p; /* ascending; the first is at 0 */
    size_t n;
    double period_us; /* until they begin again: a mean gap behind the last */
};

/** -1 with "PATH:LINE: what is wrong" in `why` of n bytes. */
int simulate_times_read(const char *path, struct simulate_times *ret_times, char *why, size_t n);
void simulate_times_done(struct simulate_times *times);

#endif
