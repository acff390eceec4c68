/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scripts of all shells have in common; see complete.h.
 */
#include "complete.h"

#include <string.h>

enum complete_value complete_value_of(const struct option_row *row)
{
    static const char *const files[] = {"FILE", "IMAGE", "JOURNAL"};
    if (row->choices)
        return COMPLETE_CHOICES;
    if (!row->argument)
        return COMPLETE_NOTHING;
    if (strcmp(row->argument, "DIR") == 0)
        return COMPLETE_FOLDERS;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(row->argument, files[i]) == 0)
            return COMPLETE_FILES;
    }
    return COMPLETE_NOTHING;
}

bool complete_repeats(const struct option_row *row)
{
    return row->list || row->read;
}

void complete_print(const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}
