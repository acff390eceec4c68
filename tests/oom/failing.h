/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocator in the place of glibc's, for the program that links it and for its libraries, that
 * fails when told. One thread only.
 */
#ifndef MOA_TESTS_FAILING_H
#define MOA_TESTS_FAILING_H

#include <stdbool.h>

/** From now on `n` allocations succeed and the next one fails; with `keeps`, all after it too. */
void failing_begin(long n, bool keeps);

/** No more failures. Returns whether there was one. */
bool failing_end(void);

/** Blocks that are not freed. */
long failing_live(void);

#endif
