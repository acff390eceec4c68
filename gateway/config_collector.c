/* SPDX-License-Identifier: Apache-2.0
 *
 * Where traces go, and with which headers; see config_private.h.
 */
#include "config_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define HEADERS_MAX 16
#define TOKEN                                                                                      \
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" /* RFC 9110 */

/* ---- the URL ---- */

static bool has(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return found;
}

static int set_page(CURLU *url)
{
    char *path = NULL;
    if (curl_url_get(url, CURLUPART_PATH, &path, 0))
        return -1;
    const bool names_none = strcmp(path, "/") == 0;
    curl_free(path);
    return names_none && curl_url_set(url, CURLUPART_PATH, "/v1/traces", 0) ? -1 : 0;
}

static int read_url(CURLU *url, const char *text, char **ret_url, char *ret_why, size_t n)
{
    char *whole = NULL;
    const CURLUcode wrong = curl_url_set(url, CURLUPART_URL, text, 0);
    if (wrong)
        snprintf(ret_why, n, "cannot be %.100s: %s", text, curl_url_strerror(wrong));
    else if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD))
        snprintf(ret_why, n, "has a password, which belongs into traces.headers_env");
    else if (has(url, CURLUPART_FRAGMENT))
        snprintf(ret_why, n, "has a fragment, which no collector gets");
    else if (set_page(url) || curl_url_get(url, CURLUPART_URL, &whole, 0))
        snprintf(ret_why, n, "cannot be read: out of memory");
    else
        *ret_url = strdup(whole);
    const bool is_read = whole && *ret_url;
    curl_free(whole);
    return is_read ? 0 : -1;
}

int config_read_collector(const char *text, char **ret_url, char *ret_why, size_t n)
{
    *ret_url = NULL;
    if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) {
        snprintf(ret_why, n, "must start with http:// or https://");
        return -1;
    }
    CURLU *url = curl_url();
    snprintf(ret_why, n, "cannot be read: out of memory");
    const int result = url ? read_url(url, text, ret_url, ret_why, n) : -1;
    curl_url_cleanup(url);
    return result;
}

/* ---- headers ---- */

static int digit_of(char c)
{
    const char *const digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* `n` bytes without what is around them and with their escapes resolved, to be freed with free().
 */
static char *resolve(const char *text, size_t n)
{
    for (; n > 0 && (*text == ' ' || *text == '\t'); n--)
        text++;
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    char *plain = malloc(n + 1);
    size_t k = 0;
    for (size_t i = 0; plain && i < n; i++) {
        const int high = text[i] == '%' && i + 2 < n ? digit_of(text[i + 1]) : -1;
        const int low = high >= 0 ? digit_of(text[i + 2]) : -1;
        plain[k] = text[i];
        if (low >= 0) {
            plain[k] = (char)(16 * high + low);
            i += 2;
        }
        k++;
    }
    if (plain)
        plain[k] = '\0';
    return plain;
}

static bool is_value(const char *text)
{
    while (*text >= 0x20 && *text <= 0x7e)
        text++;
    return *text == '\0';
}

static int add(struct text_list *list, const char *name, size_t n_name, const char *value,
               size_t n_value)
{
    char **longer = realloc(list->items, (list->n + 2) * sizeof(*longer));
    if (!longer)
        return -1;
    list->items = longer;
    longer[list->n] = resolve(name, n_name);
    longer[list->n + 1] = resolve(value, n_value);
    list->n += 2;
    return longer[list->n - 2] && longer[list->n - 1] ? 0 : -1;
}

/* What is wrong with the header that was added last; NULL: nothing. */
static const char *fault_of(const struct text_list *list)
{
    const char *name = list->items[list->n - 2], *value = list->items[list->n - 1];
    if (!name[0] || name[strspn(name, TOKEN)])
        return "has a name that is none of a header";
    return is_value(value) ? NULL : "has a value with a byte that no header may have";
}

static const char *read_headers(const char *text, struct text_list *list)
{
    const char *fault = NULL;
    for (; *text && !fault; text += *text == ',') {
        const size_t n = strcspn(text, ",");
        const size_t n_name = strcspn(text, "=,");
        if (n_name < n && list->n / 2 == HEADERS_MAX)
            fault = "has more than 16 headers";
        else if (n_name < n)
            fault = add(list, text, n_name, text + n_name + 1, n - n_name - 1) ? "is out of memory"
                                                                               : fault_of(list);
        else if (strspn(text, " \t") < n)
            fault = "has a header without \"=\"";
        text += n;
    }
    return fault;
}

void config_clear_headers(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i])
            explicit_bzero(list->items[i], strlen(list->items[i]));
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct text_list){0};
}

int config_read_headers(const char *text, struct text_list *ret_list, char *ret_why, size_t n)
{
    struct text_list list = {0};
    const char *fault = read_headers(text, &list);
    if (!fault) {
        *ret_list = list;
        return 0;
    }
    config_clear_headers(&list);
    snprintf(ret_why, n, "%s", fault);
    return -1;
}
