/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a policy as words: "paper.tau_image=0.41,split=fuse". The journal has them so that
 * a decision can be made again, and `moaoff replay --policy` takes them. Pure.
 */
#ifndef MOA_GATEWAY_POLICY_WORDS_H
#define MOA_GATEWAY_POLICY_WORDS_H

#include <stddef.h>

#include <moaoff/policy.h>

/**
 * Those of all policies that `settings` (as for moa_policy_new()) set otherwise than the default;
 * numbers in the fewest digits that are read as the same. To be freed; NULL if out of memory.
 */
char *policy_words_write(const struct moa_policy_setting *settings);

/** Room for all parameters that there are, and the end of the list. */
#define POLICY_WORDS_ROOM (MOA_POLICY_PARAMS_MAX + 1)

/**
 * Reads words into `ret_settings`; of a key of the policy `name` the part before its last dot may
 * be left out. Keys point to constants. 0, or -1 with `why` (of `n` bytes) filled.
 */
int policy_words_read(const char *name, const char *words,
                      struct moa_policy_setting ret_settings[POLICY_WORDS_ROOM], char *why,
                      size_t n);

#endif
