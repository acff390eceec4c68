/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction set the image kernels use. The best one the CPU has is chosen at the first use;
 * results are bit-equal whichever is in use, so this is for tests, benchmarks and bug reports.
 */
#ifndef MOAOFF_CPU_H
#define MOAOFF_CPU_H

#include <stdbool.h>

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The name of the i-th level built into this library, slowest first ("c"), or NULL past the last.
 */
MOA_API const char *moa_cpu_level(size_t i);

/** Whether this CPU can run the i-th level. */
MOA_API bool moa_cpu_level_supported(size_t i);

/** The name of the level in use. */
MOA_API const char *moa_cpu_name(void);

/**
 * Uses the level called `name` from now on, in every thread; NULL goes back to the best one. It is
 * the only setting the library keeps between calls, and programs make it from the environment
 * variable MOA_CPU. Errors: MOA_ERR_ARGUMENT (no such level), MOA_ERR_UNSUPPORTED (not on this
 * CPU).
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_cpu_force(const char *name);

#ifdef __cplusplus
}
#endif
#endif
