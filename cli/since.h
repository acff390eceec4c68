/* SPDX-License-Identifier: Apache-2.0
 *
 * --since: a moment, as people say it.
 */
#ifndef MOAOFF_CLI_SINCE_H
#define MOAOFF_CLI_SINCE_H

#include <stdint.h>

/** "2h" before now, or Unix seconds, as Unix time in ms. NULL, or what is wrong with it. */
const char *since_read(const char *text, int64_t *ret_ms);

#endif
