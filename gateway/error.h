/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP error as an OpenAI error object: {"error":{"message","type","param","code"}}. Any file of
 * the gateway may fill one; only the hub and the server send one.
 */
#ifndef MOA_GATEWAY_ERROR_H
#define MOA_GATEWAY_ERROR_H

#include <stddef.h>

#include <moaoff/base.h>

struct http_error {
    int status;        /* HTTP status, 400..599 */
    const char *code;  /* machine-readable, constant */
    char param[64];    /* the part at fault, such as "messages[0].content[1].image_url"; or "" */
    char message[384]; /* for people: what was wrong and where */
};

/** Fills `error` and leaves `param` empty. Returns -1, so that readers can `return http_fail(…)`.
 */
__attribute__((format(printf, 4, 5))) int http_fail(struct http_error *error, int status,
                                                    const char *code, const char *message, ...);

/** Names the part at fault. Returns -1. */
__attribute__((format(printf, 2, 3))) int http_fail_at(struct http_error *error, const char *param,
                                                       ...);

/** Takes out of `text` what is no valid UTF-8: names are cut to fit, and not between characters. */
void error_clean_text(char *text);

/** HTTP status and code of an error of libmoaoff. */
int http_status_of(enum moa_err err);
const char *http_code_of(enum moa_err err);

/** What stands for the JSON text of any error if there is no memory for it. */
extern const char http_error_no_memory[];

/** The JSON text, to be freed with free(); NULL if out of memory. `ret_n` is its length. */
char *http_error_json(const struct http_error *error, size_t *ret_n);

#endif
