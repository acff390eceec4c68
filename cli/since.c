/* SPDX-License-Identifier: Apache-2.0
 *
 * --since and --status; see since.h.
 */
#include "since.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *since_read(const char *text, int64_t *ret_ms)
{
    static const char wrong[] = "must be 30s, 15m, 2h, 7d or Unix seconds";
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || n < 0 || n > 100000000000LL)
        return wrong;
    if (!*end) {
        *ret_ms = n * 1000;
        return NULL;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end[0] == units[i].unit && !end[1]) {
            *ret_ms = (int64_t)time(NULL) * 1000 - n * units[i].ms;
            return NULL;
        }
    }
    return wrong;
}

const char *status_read(const char *text, int64_t *ret_min, int64_t *ret_max)
{
    const size_t n = strlen(text);
    if (n == 3 && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
        *ret_min = (text[0] - '0') * INT64_C(100);
        *ret_max = *ret_min + 99;
        return NULL;
    }
    if (n < 1 || n > 3 || strspn(text, "0123456789") != n)
        return "must be a status such as 200, or a class such as 5xx";
    *ret_min = *ret_max = strtol(text, NULL, 10);
    return NULL;
}
