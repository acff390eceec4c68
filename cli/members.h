/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of JSON objects that somebody else has written, for commands that show them.
 */
#ifndef MOAOFF_CLI_MEMBERS_H
#define MOAOFF_CLI_MEMBERS_H

#include <math.h>

#include <yyjson.h>

/** "" where there is none, or no text. As long-lived as the object. */
static inline const char *member_text(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text ? text : "";
}

/** NaN where there is none, or no number. */
static inline double member_number(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_num(value) ? yyjson_get_num(value) : (double)NAN;
}

#endif
