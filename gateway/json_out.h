/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON as it is written piece by piece into a buffer. What fails (out of memory, beyond the
 * maximum) is remembered, and nothing is added from then on: who writes asks once, at the end.
 */
#ifndef MOA_GATEWAY_JSON_OUT_H
#define MOA_GATEWAY_JSON_OUT_H

#include <stdbool.h>

#include <moaoff/base.h>

#include "buffer.h"

struct json_out {
    struct buffer text;
    bool failed;
};

static inline struct json_out json_out_of(size_t max)
{
    return (struct json_out){.text = buffer_of(max)};
}

/** JSON as it is. */
void json_put(struct json_out *out, const char *json);
void json_put_bytes(struct json_out *out, struct moa_bytes json);
__attribute__((format(printf, 2, 3))) void json_print(struct json_out *out, const char *format,
                                                      ...);

/** A text as a string, with its quotes; and without them, so that more of the string may follow.
 * What is no valid UTF-8 stays as it is. */
void json_put_string(struct json_out *out, struct moa_bytes text);
void json_put_inside(struct json_out *out, struct moa_bytes text);

/** The same of a text that ends with NUL. */
void json_put_text(struct json_out *out, const char *text);
void json_put_text_inside(struct json_out *out, const char *text);

/** What was written, to be freed with free(); NULL, and nothing is left, if anything failed. */
char *json_take(struct json_out *out, size_t *ret_n);

#endif
