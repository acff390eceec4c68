/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the URL of a part: what is refused is refused with a reason; what is taken is
 * written in the canonical spelling, which is read again as the same bytes, is said to be canonical
 * and is written as itself. A strict spelling is the canonical one but for its head. The same bytes
 * as a file are written and read back, also through spellings made from the canonical one.
 */
#include <string.h>

#include "gateway/data_uri.h"

#include "fuzz.h"

static const char mime[] = "image/x-fuzz";
static const char head[] = "data:image/x-fuzz;base64,";

static struct data_uri read_again(struct moa_bytes url)
{
    struct data_uri uri;
    struct http_error error;
    FUZZ_ASSERT(data_uri_decode(url, &uri, &error) == 0);
    return uri;
}

static bool same(const struct data_uri *uri, struct moa_bytes file)
{
    return uri->n == file.n && memcmp(uri->p, file.p, file.n) == 0;
}

/* Returns the canonical URI of `file`. */
static char *check_fixed_point(struct moa_bytes file, size_t *ret_n)
{
    char *text = data_uri_encode(file, mime, ret_n);
    FUZZ_ASSERT(text && *ret_n > sizeof(head) - 1 && memcmp(text, head, sizeof(head) - 1) == 0);
    struct data_uri uri = read_again((struct moa_bytes){text, *ret_n});
    FUZZ_ASSERT(same(&uri, file));
    FUZZ_ASSERT(data_uri_is_canonical(&uri, (struct moa_bytes){text, *ret_n}, mime));
    FUZZ_ASSERT(!data_uri_is_canonical(&uri, (struct moa_bytes){text, *ret_n}, "image/png"));
    free(uri.p);
    return text;
}

/* The canonical URI in another spelling: each base64 character as `seed` says. */
static void check_respelt(const char *text, size_t n, struct moa_bytes file, unsigned seed)
{
    char *other = malloc(12 * n + 1), *to = other;
    FUZZ_ASSERT(other);
    if (seed % 5)
        to += sprintf(to, "%s", seed % 2 ? " Data:;x=\\\"a,b\\\";BASE64, " : head);
    for (size_t i = sizeof(head) - 1; i < n; i++) {
        const char c = text[i];
        seed = seed * 1103515245 + 12345;
        const unsigned way = seed >> 16 & 15;
        if (way == 0)
            to += sprintf(to, "\\r\\n%c", c);
        else if (way == 1)
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)c);
        else if (way == 2)
            to += sprintf(to, "\\u00%02x", (unsigned)(unsigned char)c);
        else if (way < 8 && (c == '+' || c == '/'))
            *to++ = c == '+' ? '-' : '_';
        else if (way < 10 && c == '/')
            to += sprintf(to, "\\/");
        else if (c != '=' || way & 1)
            *to++ = c;
    }
    struct data_uri uri = read_again((struct moa_bytes){other, (size_t)(to - other)});
    FUZZ_ASSERT(same(&uri, file));
    free(uri.p);
    free(other);
}

static void check_url(struct moa_bytes url)
{
    struct data_uri uri;
    struct http_error error = {0};
    (void)data_uri_is_remote(url);
    if (data_uri_decode(url, &uri, &error)) {
        FUZZ_ASSERT(error.status == 400 && error.code && error.message[0]);
        return;
    }
    FUZZ_ASSERT(uri.n > 0 && uri.n <= url.n);
    size_t n;
    char *text = check_fixed_point((struct moa_bytes){uri.p, uri.n}, &n);
    if (uri.is_strict) {
        const char *base64 = (const char *)url.p + uri.head_n;
        FUZZ_ASSERT(url.n - uri.head_n == n - (sizeof(head) - 1));
        FUZZ_ASSERT(memcmp(base64, text + sizeof(head) - 1, url.n - uri.head_n) == 0);
    }
    free(text);
    free(uri.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_url((struct moa_bytes){data, size});
    if (size == 0)
        return 0;
    const struct moa_bytes file = {data, size};
    size_t n;
    char *text = check_fixed_point(file, &n);
    check_respelt(text, n, file, data[0] + 256u * data[size - 1]);
    free(text);
    return 0;
}
