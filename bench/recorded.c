/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded answers; see recorded.h.
 */
#include "recorded.h"

#include <stdlib.h>

static bool read_row(const char *line, struct recorded_row *row)
{
    double x[5];
    const char *at = line;
    for (int i = 0; i < 5; i++) {
        char *end;
        x[i] = strtod(at, &end);
        if (end == at)
            return false;
        at = end;
    }
    *row = (struct recorded_row){.answer = {.form = MOA_ANSWER_LETTER,
                                            .n_tokens = 1,
                                            .p_min = x[0],
                                            .p_first = x[0],
                                            .p_top5 = x[1]},
                                 .differs = x[2] != 0,
                                 .edge_right = x[3] != 0,
                                 .cloud_right = x[4] != 0};
    return true;
}

void recorded_read(FILE *in, struct recorded *ret_recorded)
{
    struct recorded a = {.n = 0};
    char line[256];
    size_t room = 0;
    while (fgets(line, sizeof(line), in)) {
        if (a.n == room) {
            room = room ? 2 * room : 4096;
            a.rows = realloc(a.rows, room * sizeof(*a.rows));
            if (!a.rows)
                abort();
        }
        a.n += read_row(line, &a.rows[a.n]);
    }
    *ret_recorded = a;
}

uint64_t recorded_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

double recorded_uniform(uint64_t *seed)
{
    return (double)(recorded_random(seed) >> 11) * 0x1p-53;
}
