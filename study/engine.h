/* SPDX-License-Identifier: Apache-2.0
 *
 * What an evaluation sees of the machine: CPU time and peak memory of local engines, and counters
 * that gateway and engines report as Prometheus text.
 */
#ifndef MOA_STUDY_ENGINE_H
#define MOA_STUDY_ENGINE_H

#include <stdint.h>
#include <sys/types.h>

/** CPU seconds so far of process `pid` and all its descendants; NaN if it is not there. */
double engine_cpu_s(pid_t pid);

/** The sum of the peak resident memory of the same since engine_reset_peak(); NaN if not there. */
double engine_peak_bytes(pid_t pid);

/** Forgets the peak so far, where the kernel allows it. */
void engine_reset_peak(pid_t pid);

/**
 * GET of a text, to be freed; NULL if there is none. Waits 5 s at most. `api_key` (NULL: none) is
 * sent as a bearer token.
 */
char *engine_get(const char *url, const char *api_key);

/** The value of the series that begins with `series` in Prometheus text; NaN if there is none. */
double engine_series(const char *text, const char *series);

/** The number of parameters an engine at base URL `url` names in /v1/models; NaN if it does not. */
double engine_n_params(const char *url);

#endif
