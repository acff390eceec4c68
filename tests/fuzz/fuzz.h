/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput(); linked with
 * libFuzzer it searches, linked with replay.c it runs the committed corpus in every `make test`.
 */
#ifndef MOA_TESTS_FUZZ_H
#define MOA_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Not assert(): must hold in every kind of build. */
#define FUZZ_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
