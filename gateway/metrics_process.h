/* SPDX-License-Identifier: Apache-2.0
 *
 * What every program tells Prometheus of itself, and which build it is.
 */
#ifndef MOA_GATEWAY_METRICS_PROCESS_H
#define MOA_GATEWAY_METRICS_PROCESS_H

#include <stdio.h>

/** The lines of moaoff_build_info and process_*, as far as /proc tells. */
void process_write(FILE *out);

/** How far the wall clock stands before the clock since the boot, seconds. */
double process_clock_ahead_s(void);

#endif
