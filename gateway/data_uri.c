/* SPDX-License-Identifier: Apache-2.0
 *
 * Data URIs in all spellings; see data_uri.h. What is spelt as it should be is decoded from where
 * it stands. All else is brought into that form in a buffer, step by step, each in place: JSON's
 * escapes, the head, what may stand in base64, padding.
 */
#include "data_uri.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <modp_b64.h>

#define HEAD_MAX 1024 /* bytes; more is no head */

static const char scheme[] = "data:";

static int fail_url(struct http_error *error)
{
    return http_fail(error, 400, "invalid_image_url",
                     "the URL must be a data URI of the form data:image/jpeg;base64,...");
}

static bool starts_with(struct moa_bytes text, const char *prefix)
{
    const size_t n = strlen(prefix);
    return text.n >= n && strncasecmp(text.p, prefix, n) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The number that `n` hexadecimal digits stand for, or -1. */
static int hex(const char *p, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return -1;
        value = 16 * value + (p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return value;
}

/* ---- as it should be ---- */

/* Where the base64 begins if the head is of the plain kind: "data:image/png;base64,". */
static size_t plain_head(struct moa_bytes url)
{
    static const char marker[] = ";base64";
    const char *text = url.p;
    const char *comma = memchr(text, ',', url.n < HEAD_MAX ? url.n : HEAD_MAX);
    const size_t n = comma ? (size_t)(comma - text) : 0;
    if (n < sizeof(scheme) - 1 + sizeof(marker) - 1 || !starts_with(url, scheme) ||
        strncasecmp(comma - (sizeof(marker) - 1), marker, sizeof(marker) - 1) != 0)
        return 0;
    return n + 1;
}

static unsigned value_of(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = memchr(alphabet, c, sizeof(alphabet) - 1);
    return at ? (unsigned)(at - alphabet) : 0;
}

/* Bits of the last character that stand for nothing are 0 in what an encoder writes. */
static bool has_stray_bits(const char *base64, size_t n)
{
    if (base64[n - 1] != '=')
        return false;
    return base64[n - 2] == '=' ? value_of(base64[n - 3]) & 15 : value_of(base64[n - 2]) & 3;
}

/* Padded base64 of the standard alphabet to a new buffer. 1, 0 if it is none, -1 without memory. */
static int decode_padded(const char *base64, size_t n, struct data_uri *ret_uri)
{
    if (n == 0 || n % 4 != 0)
        return 0;
    char *file = malloc(modp_b64_decode_len(n));
    if (!file)
        return -1;
    const size_t file_n = modp_b64_decode(file, base64, n);
    if (file_n == (size_t)-1 || file_n == 0) {
        free(file);
        return 0;
    }
    *ret_uri = (struct data_uri){.p = file, .n = file_n};
    return 1;
}

static int decode_strict(struct moa_bytes url, struct data_uri *ret_uri)
{
    const size_t head = plain_head(url);
    const char *base64 = (const char *)url.p + head;
    const int decoded = decode_padded(base64, url.n - head, ret_uri);
    if (decoded == 1) {
        ret_uri->head_n = head;
        ret_uri->is_strict = !has_stray_bits(base64, url.n - head);
    }
    return decoded;
}

/* ---- any other way: a buffer that becomes what it should be ---- */

/* The character behind a backslash, whose letter is `c`; 0x7f, which has no place here, for those
 * that are no ASCII. */
static char escaped(const char *p, size_t n, size_t *ret_used)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *letter = memchr(letters, p[1], sizeof(letters) - 1);
    *ret_used = 2;
    if (letter)
        return meant[letter - letters];
    if (p[1] != 'u')
        return p[1];
    const int code = n >= 6 ? hex(p + 2, 4) : -1;
    *ret_used = n >= 6 ? 6 : n;
    return (char)(code >= 0 && code < 0x7f ? code : 0x7f);
}

/* JSON string to characters. Some encoders write "/" as "\/", others "+" as "\u002B". */
static size_t unescape(char *text, size_t n)
{
    size_t kept = 0, used;
    for (size_t i = 0; i < n; i += used) {
        used = 1;
        const bool is_escape = text[i] == '\\' && i + 1 < n;
        text[kept++] = (char)(is_escape ? escaped(text + i, n - i, &used) : text[i]);
    }
    return kept;
}

static size_t unescape_percent(char *text, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const int code = text[i] == '%' && n - i > 2 ? hex(text + i + 1, 2) : -1;
        text[kept++] = (char)(code >= 0 ? code : text[i]);
        i += code >= 0 ? 2 : 0;
    }
    return kept;
}

/* Whether one of the parameters of a head is "base64"; `ret_n` is the head with its comma. A comma
 * in quotes does not end it. 0, or -1 if it has no end. */
static int read_head(const char *text, size_t n, bool *ret_base64, size_t *ret_n)
{
    bool quoted = false;
    char word[8] = "";
    size_t word_n = 0;
    *ret_base64 = false;
    for (size_t i = 0; i < n && i < HEAD_MAX; i++) {
        const char c = text[i];
        quoted ^= c == '"';
        if (!quoted && (c == ';' || c == ',')) {
            *ret_base64 |= word_n == 6 && strncasecmp(word, "base64", 6) == 0;
            *ret_n = i + 1;
            word_n = 0;
            if (c == ',')
                return 0;
        } else if (!is_space(c)) {
            if (word_n < sizeof(word))
                word[word_n] = c;
            word_n++;
        }
    }
    return -1;
}

/* Base64 of any kind to the standard one, but for the padding. White space says nothing. */
static size_t standardise(char *text, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (!is_space(c))
            text[kept++] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (kept > 0 && text[kept - 1] == '=')
        kept--;
    return kept;
}

/* `text` has room for two more bytes. */
static int decode_base64(char *text, size_t n, struct data_uri *ret_uri,
                         struct http_error *ret_error)
{
    n = standardise(text, unescape_percent(text, n));
    if (n == 0)
        return http_fail(ret_error, 400, "invalid_base64", "it is empty");
    while (n % 4 == 2 || n % 4 == 3)
        text[n++] = '=';
    const int decoded = decode_padded(text, n, ret_uri);
    if (decoded < 0)
        return http_fail(ret_error, 503, "out_of_memory", "out of memory");
    return decoded ? 0 : http_fail(ret_error, 400, "invalid_base64", "it is not valid base64");
}

/* Bytes as they are, RFC 2397's way without base64. */
static int take_plain(char *text, size_t n, struct data_uri *ret_uri, struct http_error *ret_error)
{
    n = unescape_percent(text, n);
    if (n == 0)
        return http_fail(ret_error, 400, "invalid_image_url", "it is empty");
    char *file = malloc(n);
    if (!file)
        return http_fail(ret_error, 503, "out_of_memory", "out of memory");
    memcpy(file, text, n);
    *ret_uri = (struct data_uri){.p = file, .n = n};
    return 0;
}

static int decode_buffer(char *text, size_t n, struct data_uri *ret_uri,
                         struct http_error *ret_error)
{
    n = unescape(text, n);
    while (n > 0 && is_space(*text))
        text++, n--;
    if (starts_with((struct moa_bytes){text, n}, "data%3a"))
        n = unescape_percent(text, n);
    if (!starts_with((struct moa_bytes){text, n}, scheme)) {
        const int result = decode_base64(text, n, ret_uri, ret_error);
        return result && ret_error->status == 400 ? fail_url(ret_error) : result;
    }
    bool base64;
    size_t head_n;
    text += sizeof(scheme) - 1;
    n -= sizeof(scheme) - 1;
    if (read_head(text, n, &base64, &head_n))
        return fail_url(ret_error);
    return base64 ? decode_base64(text + head_n, n - head_n, ret_uri, ret_error)
                  : take_plain(text + head_n, n - head_n, ret_uri, ret_error);
}

int data_uri_decode(struct moa_bytes url, struct data_uri *ret_uri, struct http_error *ret_error)
{
    const int decoded = url.n > 0 ? decode_strict(url, ret_uri) : 0;
    if (decoded == 1)
        return 0;
    char *buffer = decoded == 0 ? malloc(url.n + 2) : NULL;
    if (!buffer)
        return http_fail(ret_error, 503, "out_of_memory", "out of memory");
    memcpy(buffer, url.p, url.n);
    const int result = decode_buffer(buffer, url.n, ret_uri, ret_error);
    free(buffer);
    return result;
}

/* ---- the canonical one ---- */

static int write_head(char *to, size_t room, const char *mime)
{
    return snprintf(to, room, "data:%s;base64,", mime);
}

bool data_uri_is_canonical(const struct data_uri *uri, struct moa_bytes url, const char *mime)
{
    char head[HEAD_MAX];
    const int n = write_head(head, sizeof(head), mime);
    const size_t head_n = uri->head_n > 0 ? uri->head_n : url.n;
    return uri->is_strict && head_n == (size_t)n && memcmp(url.p, head, head_n) == 0;
}

char *data_uri_encode(struct moa_bytes file, const char *mime, size_t *ret_n)
{
    const size_t head = (size_t)write_head(NULL, 0, mime);
    char *uri = malloc(head + modp_b64_encode_len(file.n));
    if (!uri)
        return NULL;
    write_head(uri, head + 1, mime);
    *ret_n = head + modp_b64_encode(uri + head, file.p, file.n);
    return uri;
}

bool data_uri_is_remote(struct moa_bytes url)
{
    char start[64];
    const size_t n = url.n < sizeof(start) ? url.n : sizeof(start);
    memcpy(start, url.p, n);
    struct moa_bytes text = {start, unescape(start, n)};
    while (text.n > 0 && is_space(*(const char *)text.p))
        text = (struct moa_bytes){(const char *)text.p + 1, text.n - 1};
    return starts_with(text, "http:") || starts_with(text, "https:");
}
