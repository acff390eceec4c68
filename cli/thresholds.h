/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds that a wanted share of complexities lies above, as `moaoff calibrate` writes them.
 */
#ifndef MOAOFF_CLI_THRESHOLDS_H
#define MOAOFF_CLI_THRESHOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Of `values`, which are sorted for it: their quantiles, as one line of comment. */
void thresholds_write_quantiles(FILE *out, const char *name, double *values, size_t n);

/** Rounded up, so that scores equal to the threshold stay below it. */
double thresholds_of(const double *sorted, size_t n, double share);
double thresholds_percent_above(const double *values, size_t n, double threshold);

/** Has `write` write the file `path` (NULL: standard output), which appears whole or not at all.
 * False after it has said on standard error what is wrong. */
bool thresholds_save(const char *path, void (*write)(FILE *out, void *user), void *user);

struct thresholds_terms {
    const char *journal_path;
    int64_t since_ms;
    double offload_share;
    const char *output; /* NULL: standard output */
};

/** Those of the policy `paper` from what the requests of a journal had. False after it has said on
 * standard error what is wrong. */
bool thresholds_from_journal(const struct thresholds_terms *terms);

#endif
