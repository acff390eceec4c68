/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files into memory.
 */
#ifndef MOAOFF_CLI_INPUT_H
#define MOAOFF_CLI_INPUT_H

#include <moaoff/base.h>

/** The largest file that is read. */
#define INPUT_MAX_BYTES ((size_t)256 << 20)

/**
 * Reads the file `path`, or standard input if it is "-". Returns NULL and fills `ret_bytes`, whose
 * memory the caller frees, or returns why it failed.
 */
const char *input_read(const char *path, struct moa_bytes *ret_bytes);

#endif
