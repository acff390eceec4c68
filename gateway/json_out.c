/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON piece by piece; see json_out.h.
 */
#include "json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void json_put_bytes(struct json_out *out, struct moa_bytes json)
{
    out->failed = out->failed || buffer_add(&out->text, json.p, json.n);
}

void json_put(struct json_out *out, const char *json)
{
    json_put_bytes(out, (struct moa_bytes){json, strlen(json)});
}

void json_print(struct json_out *out, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text))
        out->failed = true; /* it is for numbers and short names */
    else
        json_put_bytes(out, (struct moa_bytes){text, (size_t)n});
}

/* What stands for a byte that a string may not have as it is. */
static void put_escape(struct json_out *out, unsigned char byte)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = byte ? strchr(special, byte) : NULL;
    const char escape[2] = {'\\', letters[at ? at - special : 0]};
    if (at)
        json_put_bytes(out, (struct moa_bytes){escape, 2});
    else
        json_print(out, "\\u%04x", byte);
}

void json_put_inside(struct json_out *out, struct moa_bytes text)
{
    const unsigned char *p = text.p;
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
            continue;
        json_put_bytes(out, (struct moa_bytes){p + from, i - from});
        put_escape(out, p[i]);
        from = i + 1;
    }
    if (text.n > from)
        json_put_bytes(out, (struct moa_bytes){p + from, text.n - from});
}

void json_put_string(struct json_out *out, struct moa_bytes text)
{
    json_put(out, "\"");
    json_put_inside(out, text);
    json_put(out, "\"");
}

void json_put_text_inside(struct json_out *out, const char *text)
{
    json_put_inside(out, (struct moa_bytes){text, strlen(text)});
}

void json_put_text(struct json_out *out, const char *text)
{
    json_put_string(out, (struct moa_bytes){text, strlen(text)});
}

char *json_take(struct json_out *out, size_t *ret_n)
{
    if (out->failed)
        buffer_done(&out->text);
    return buffer_take(&out->text, ret_n);
}
