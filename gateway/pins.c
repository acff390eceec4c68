/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of kinds; see pins.h.
 */
#include "pins.h"

#include <string.h>

#include "word_list.h"

static bool add_word(const char *word, size_t n, unsigned *pins)
{
    unsigned more = n == 4 && memcmp(word, "edge", n) == 0 ? PINS_ALL : PINS_NONE;
    for (int kind = MOA_TEXT; kind < MOA_KINDS; kind++) {
        const char *name = moa_kind_name((enum moa_kind)kind);
        if (strlen(name) == n && memcmp(word, name, n) == 0)
            more = 1u << kind;
    }
    *pins |= more;
    return more != PINS_NONE;
}

int pins_parse(const char *list, unsigned *ret_pins)
{
    *ret_pins = PINS_ALL;
    return word_list_read(list, add_word, ret_pins);
}
