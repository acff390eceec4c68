/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over the files of the folders given, without a fuzzing engine. TAP: one case
 * for each folder.
 */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static int run_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        return -1;
    }
    enum { MAX_BYTES = 1 << 22 };
    uint8_t *buffer = malloc(MAX_BYTES);
    size_t n = buffer ? fread(buffer, 1, MAX_BYTES, in) : 0;
    fclose(in);
    /* A copy of the exact size, so that a read behind it is seen. */
    uint8_t *data = malloc(n ? n : 1);
    if (buffer && data) {
        memcpy(data, buffer, n);
        LLVMFuzzerTestOneInput(data, n);
    }
    free(buffer);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    printf("1..%d\n", argc - 1);
    int n_failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        unsigned n = 0;
        int failed = folder == NULL;
        const struct dirent *entry;
        while (folder && (entry = readdir(folder)) != NULL) {
            if (entry->d_name[0] == '.')
                continue;
            failed |= run_file(argv[i], entry->d_name) != 0;
            n++;
        }
        if (folder)
            closedir(folder);
        failed |= n == 0;
        printf("%s %d - %u files of %s\n", failed ? "not ok" : "ok", i, n, argv[i]);
        n_failed += failed;
    }
    return n_failed ? 1 : 0;
}
