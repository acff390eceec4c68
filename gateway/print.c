/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of text; see print.h.
 */
#include "print.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void print_bytes(struct print *p, const char *bytes, size_t n)
{
    const size_t left = p->room - 1 - p->n;
    n = n < left ? n : left;
    memcpy(p->s + p->n, bytes, n);
    p->n += n;
    p->s[p->n] = '\0';
}

/* Decimal digits of `value`, at least `least` of them, that end at `end`. */
static char *digits_before(char *end, uint64_t value, unsigned least)
{
    char *at = end;
    while (value > 0 || end - at < (ptrdiff_t)least) {
        *--at = (char)('0' + value % 10);
        value /= 10;
    }
    return at;
}

void print_int(struct print *p, int64_t value)
{
    char digits[24];
    char *const end = digits + sizeof(digits);
    char *at = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
    if (value < 0)
        *--at = '-';
    print_bytes(p, at, (size_t)(end - at));
}

void print_fixed(struct print *p, double value, unsigned decimals)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    assert(decimals < sizeof(powers) / sizeof(powers[0]));
    const double scaled = value * powers[decimals];
    const double whole = nearbyint(scaled);
    char digits[340];
    /* The product is rounded itself: near the middle between two results printf() knows better. */
    if (!(scaled >= 0 && scaled < 1e9) || fabs(scaled - whole) > 0.4999 || signbit(value)) {
        snprintf(digits, sizeof(digits), "%.*f", (int)decimals, value);
        print_text(p, digits);
        return;
    }
    char *const end = digits + sizeof(digits);
    char *at = end;
    const uint64_t number = (uint64_t)whole, power = (uint64_t)powers[decimals];
    if (decimals > 0) {
        at = digits_before(at, number % power, decimals);
        *--at = '.';
    }
    at = digits_before(at, number / power, 1);
    print_bytes(p, at, (size_t)(end - at));
}

void print_copy(char *s, size_t room, const char *text)
{
    struct print p = print_into(s, room);
    print_text(&p, text);
}
