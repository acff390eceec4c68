/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of kinds; see pins.h.
 */
#include "pins.h"

#include <string.h>

#define BLANKS " \t"

/* The pins of a word of `n` bytes; none if it is no such word. */
static unsigned pins_of(const char *word, size_t n)
{
    if (n == 4 && memcmp(word, "edge", n) == 0)
        return PINS_ALL;
    for (int kind = MOA_TEXT; kind < MOA_KINDS; kind++) {
        const char *name = moa_kind_name((enum moa_kind)kind);
        if (strlen(name) == n && memcmp(word, name, n) == 0)
            return 1u << kind;
    }
    return PINS_NONE;
}

int pins_parse(const char *list, unsigned *ret_pins)
{
    unsigned pins = PINS_NONE;
    *ret_pins = PINS_ALL;
    for (const char *at = list;; at++) {
        at += strspn(at, BLANKS);
        const size_t n = strcspn(at, BLANKS ",");
        const unsigned more = pins_of(at, n);
        if (!more)
            return -1;
        pins |= more;
        at += n + strspn(at + n, BLANKS);
        if (!*at)
            break;
        if (*at != ',')
            return -1;
    }
    *ret_pins = pins;
    return 0;
}
