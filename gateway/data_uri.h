/* SPDX-License-Identifier: Apache-2.0
 *
 * Files inside of URLs (RFC 2397): the one place that reads what clients send, in any spelling that
 * an engine takes, and that writes what goes to an engine, in the one spelling that all engines
 * take. It knows no file format: whoever has looked at the bytes says what their media type is.
 * Pure; any thread.
 */
#ifndef MOA_GATEWAY_DATA_URI_H
#define MOA_GATEWAY_DATA_URI_H

#include <stdbool.h>
#include <stddef.h>

#include <moaoff/base.h>

#include "error.h"

struct data_uri {
    void *p; /* the file, to be freed with free(); at least one byte */
    size_t n;
    bool is_strict; /* what stands behind the head is base64 as RFC 4648 section 4 has it */
    size_t head_n;  /* if it is strict: the bytes before that, "data:image/png;base64," or none */
};

/**
 * Reads `url`, what stands between the quotes of a JSON string, its escapes included. Taken are
 * data URIs and bare base64 in any case, with any media type or none, with parameters, white space
 * and line breaks anywhere, the URL-safe alphabet, without padding, percent-encoded, and data URIs
 * that are not base64 but percent-encoded bytes. 0, or -1 and `ret_error`, whose message is a
 * clause such as "it is not valid base64". A strict spelling is decoded from where it stands, any
 * other from a copy that is freed again.
 */
int data_uri_decode(struct moa_bytes url, struct data_uri *ret_uri, struct http_error *ret_error);

/** Whether what was read as `uri` is spelt as data_uri_encode() would: `url` is all that was read,
 * or the head before it if that was bare base64. */
bool data_uri_is_canonical(const struct data_uri *uri, struct moa_bytes url, const char *mime);

/** "data:MIME;base64,..." of `file`, to be freed with free(); NULL if out of memory. It needs no
 * escapes in JSON if `mime` does not. */
char *data_uri_encode(struct moa_bytes file, const char *mime, size_t *ret_n);

/** Whether `url`, from JSON as above, is to be fetched: http or https. */
bool data_uri_is_remote(struct moa_bytes url);

#endif
