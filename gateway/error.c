/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI error objects, and the one table from libmoaoff errors to HTTP; see error.h.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

static const struct {
    int status;
    const char *code;
} http_of[] = {
    [MOA_OK] = {200, ""},
    [MOA_ERR_ARGUMENT] = {400, "invalid_value"},
    [MOA_ERR_MEMORY] = {503, "out_of_memory"},
    [MOA_ERR_FORMAT] = {400, "invalid_image_format"},
    [MOA_ERR_CORRUPT] = {400, "corrupt_image"},
    [MOA_ERR_TRUNCATED] = {400, "truncated_image"},
    [MOA_ERR_UNSUPPORTED] = {400, "unsupported_image"},
    [MOA_ERR_LIMIT] = {413, "image_too_large"},
};

int http_status_of(enum moa_err err)
{
    return http_of[err].status;
}

const char *http_code_of(enum moa_err err)
{
    return http_of[err].code;
}

/* The length of the character at `c`, at most 4; 0 if none begins there (RFC 3629). */
static size_t character_at(const unsigned char *c)
{
    const unsigned char lead = *c;
    const size_t n = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead > 0xf4 || (lead == 0xe0 && c[1] < 0xa0) || (lead == 0xed && c[1] > 0x9f) ||
        (lead == 0xf0 && c[1] < 0x90) || (lead == 0xf4 && c[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

void error_clean_text(char *text)
{
    char *out = text;
    for (const char *c = text; *c;) {
        size_t n = character_at((const unsigned char *)c);
        memmove(out, c, n);
        out += n;
        c += n > 0 ? n : 1;
    }
    *out = '\0';
}

int http_fail(struct http_error *error, int status, const char *code, const char *message, ...)
{
    error->status = status;
    error->code = code;
    error->param[0] = '\0';
    va_list args;
    va_start(args, message);
    vsnprintf(error->message, sizeof(error->message), message, args);
    va_end(args);
    error_clean_text(error->message);
    return -1;
}

int http_fail_at(struct http_error *error, const char *param, ...)
{
    va_list args;
    va_start(args, param);
    vsnprintf(error->param, sizeof(error->param), param, args);
    va_end(args);
    error_clean_text(error->param);
    return -1;
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

const char http_error_no_memory[] =
    "{\"error\":{\"message\":\"Out of memory.\",\"type\":\"server_error\",\"param\":null,"
    "\"code\":\"out_of_memory\"}}";

char *http_error_json(const struct http_error *error, size_t *ret_n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *body = yyjson_mut_obj_add_obj(doc, root, "error");
    yyjson_mut_obj_add_str(doc, body, "message", error->message);
    yyjson_mut_obj_add_str(doc, body, "type", type_of(error->status));
    if (error->param[0])
        yyjson_mut_obj_add_str(doc, body, "param", error->param);
    else
        yyjson_mut_obj_add_null(doc, body, "param");
    yyjson_mut_obj_add_str(doc, body, "code", error->code);
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return json;
}
