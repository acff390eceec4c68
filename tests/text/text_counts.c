/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what text_scan.c counts, one line a file: the counts of enum moa_text_count, then the
 * estimated tokens. With --entities the spans of entities of one file instead, "begin end" a line,
 * and then the number of sentences. For tests/text/tokens.py and tests/text/entities.py.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/text.h>

#include "text_scan.h"

static void on_entity(void *user, size_t begin, size_t end)
{
    (void)user;
    printf("%zu %zu\n", begin, end);
}

static void print(struct moa_bytes text, int entities)
{
    struct moa_text_scan scan;
    struct moa_text_features f;
    moa_text_scan(text, entities ? on_entity : NULL, NULL, &scan);
    if (entities) {
        printf("%" PRIu64 "\n", scan.sentences);
        return;
    }
    for (size_t i = 0; i < MOA_N_COUNTS; i++)
        printf("%" PRIu64 " ", scan.counts[i]);
    moa_text_measure(text, &f);
    printf("%.6f\n", f.tokens);
}

int main(int argc, char **argv)
{
    const int entities = argc > 1 && strcmp(argv[1], "--entities") == 0;
    for (int i = 1 + entities; i < argc; i++) {
        enum { MAX_BYTES = 1 << 24 };
        char *p = malloc(MAX_BYTES);
        FILE *in = fopen(argv[i], "rb");
        if (!p || !in) {
            perror(argv[i]);
            free(p);
            return 1;
        }
        print((struct moa_bytes){p, fread(p, 1, MAX_BYTES, in)}, entities);
        fclose(in);
        free(p);
    }
    return 0;
}
