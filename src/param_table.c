/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of parameters; see param_table.h.
 */
#include "param_table.h"

#include <math.h>
#include <string.h>

const struct policy_param *moa_policy_params_find(const struct policy_params *table,
                                                  const char *key)
{
    for (size_t i = 0; i < table->n; i++) {
        if (strcmp(table->rows[i].row.key, key) == 0)
            return &table->rows[i];
    }
    return NULL;
}

/* Written so that NaN is outside every range. */
bool moa_policy_param_takes(const struct policy_param *param, double value)
{
    return value >= param->row.min && value <= param->row.max &&
           (!param->row.choices || value == floor(value));
}

static void store(const struct policy_param *param, double value, void *params)
{
    void *at = (unsigned char *)params + param->offset;
    if (param->row.choices)
        *(int *)at = (int)value;
    else
        *(double *)at = value;
}

void moa_policy_params_store(const struct policy_params *table,
                             const struct moa_policy_setting *settings, void *ret_params)
{
    for (size_t i = 0; i < table->n; i++)
        store(&table->rows[i], table->rows[i].row.fallback, ret_params);
    for (const struct moa_policy_setting *s = settings; s && s->key; s++) {
        const struct policy_param *param = moa_policy_params_find(table, s->key);
        if (param)
            store(param, s->value, ret_params);
    }
}

double moa_policy_params_value(const struct policy_param *param, const void *params)
{
    const void *at = (const unsigned char *)params + param->offset;
    return param->row.choices ? (double)*(const int *)at : *(const double *)at;
}
