/* SPDX-License-Identifier: Apache-2.0
 *
 * Words between commas; see word_list.h.
 */
#include "word_list.h"

#include <string.h>

#define BLANKS " \t"

int word_list_read(const char *list, word_list_add_fn *add, unsigned *ret_bits)
{
    unsigned bits = 0;
    for (const char *at = list;; at++) {
        at += strspn(at, BLANKS);
        const size_t n = strcspn(at, BLANKS ",");
        if (!add(at, n, &bits))
            return -1;
        at += n + strspn(at + n, BLANKS);
        if (!*at)
            break;
        if (*at != ',')
            return -1;
    }
    *ret_bits = bits;
    return 0;
}
