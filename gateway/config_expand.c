/* SPDX-License-Identifier: Apache-2.0
 *
 * Environment variables in the values of a configuration; see config_private.h.
 */
#include "config_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "NAME}" or "NAME:-TEXT}" at `text`; 0 if it is something else. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    if (isdigit((unsigned char)text[0]))
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return text[n] == '}' || strncmp(text + n, ":-", 2) == 0 ? n : 0;
}

/* What stands behind "${", written to `out`. Returns what follows it; NULL with `fault`. */
static const char *expand_one(const char *text, FILE *out, struct config_fault *fault,
                              bool *ret_unset)
{
    const size_t n = name_length(text);
    const char *end = strchr(text, '}');
    char name[64];
    if (n == 0 || n >= sizeof(name) || !end) {
        snprintf(fault->what, sizeof(fault->what),
                 "has \"${\" without a name and \"}\"; \"$${\" stands for itself");
        return NULL;
    }
    snprintf(name, sizeof(name), "%.*s", (int)n, text);
    const char *value = getenv(name);
    const char *fallback = text[n] == ':' ? text + n + 2 : NULL;
    if (value && (value[0] || !fallback)) {
        fputs(value, out);
    } else if (fallback) {
        fwrite(fallback, 1, (size_t)(end - fallback), out);
    } else {
        *ret_unset = true;
        snprintf(fault->what, sizeof(fault->what), "names ${%s}, which is not set", name);
        return NULL;
    }
    return end + 1;
}

char *config_expand(const char *text, struct config_fault *ret_fault, bool *ret_unset)
{
    char *expanded = NULL;
    size_t n;
    FILE *out = open_memstream(&expanded, &n);
    *ret_unset = false;
    snprintf(ret_fault->what, sizeof(ret_fault->what), "cannot be read: out of memory");
    while (out && text && *text) {
        if (strncmp(text, "$${", 3) == 0) {
            fputs("${", out);
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            text = expand_one(text + 2, out, ret_fault, ret_unset);
        } else {
            fputc(*text++, out);
        }
    }
    if (out && fclose(out) == 0 && text)
        return expanded;
    free(expanded);
    return NULL;
}
