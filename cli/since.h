/* SPDX-License-Identifier: Apache-2.0
 *
 * What commands that show rows are asked for: --since, a moment as people say it, and --status.
 */
#ifndef MOAOFF_CLI_SINCE_H
#define MOAOFF_CLI_SINCE_H

#include <stdint.h>

/** "2h" before now, or Unix seconds, as Unix time in ms. NULL, or what is wrong with it. */
const char *since_read(const char *text, int64_t *ret_ms);

/** "200", or "5xx" for all of a class, as the least and the largest. NULL, or what is wrong. */
const char *status_read(const char *text, int64_t *ret_min, int64_t *ret_max);

#endif
