/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that may be unknown, in JSON. Pure.
 */
#ifndef MOA_GATEWAY_JSON_NUMBER_H
#define MOA_GATEWAY_JSON_NUMBER_H

#include <math.h>

#include <yyjson.h>

/** Adds `value` to `object`; null if it is NaN or infinite, for which JSON has no number. `key` is
 * borrowed. */
static inline void json_add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                                   double value)
{
    if (isfinite(value))
        yyjson_mut_obj_add_real(doc, object, key, value);
    else
        yyjson_mut_obj_add_null(doc, object, key);
}

#endif
