/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of parameters: each policy owns one. Checking settings by them and storing values.
 */
#ifndef MOA_SRC_PARAM_TABLE_H
#define MOA_SRC_PARAM_TABLE_H

#include <stddef.h>

#include <moaoff/policy.h>

/** A parameter, and where in the policy's parameters its value lies: an int if it has choices, else
 * a double. */
struct policy_param {
    struct moa_policy_param row;
    size_t offset;
};

/** Several policies may own one table. */
struct policy_params {
    const struct policy_param *rows;
    size_t n;
    size_t n_bytes; /* of the struct that the offsets are in */
};

/** NULL if the table has none of this key. */
const struct policy_param *moa_policy_params_find(const struct policy_params *table,
                                                  const char *key);

bool moa_policy_param_takes(const struct policy_param *param, double value);

/** Defaults, and over them the settings that the table knows (NULL: none). They were checked. */
void moa_policy_params_store(const struct policy_params *table,
                             const struct moa_policy_setting *settings, void *ret_params);

double moa_policy_params_value(const struct policy_param *param, const void *params);

#endif
