/* SPDX-License-Identifier: Apache-2.0
 *
 * What every part of libmoaoff shares: error codes, borrowed byte ranges, the version.
 * The library does no input or output, keeps no global state and never logs; every function may be
 * called from any number of threads at once as long as no two of them share an output.
 *
 * A wrong argument never ends the program. Where a function can fail it is MOA_ERR_ARGUMENT: a NULL
 * that is not said to be allowed, a value of an enum that does not exist, a number out of its
 * range. Where it cannot, NULL outputs are left out, NULL inputs are empty, and results stay within
 * their documented ranges; names of what does not exist are "unknown".
 *
 * Structs of parameters grow: each begins with the size of the struct that the caller was compiled
 * with, which its _default() function sets. 0 stands for the size that it had in version 0.1, so
 * that all zero is valid where that is said to be. Members behind are only ever appended.
 */
#ifndef MOAOFF_BASE_H
#define MOAOFF_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MOA_API __attribute__((visibility("default")))
#define MOA_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define MOA_API
#define MOA_WARN_UNUSED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Why a call failed. MOA_OK is 0; the other values are stable and never reused. */
enum moa_err {
    MOA_OK = 0,
    MOA_ERR_ARGUMENT = 1,    /**< an argument is out of its documented range */
    MOA_ERR_MEMORY = 2,      /**< out of memory */
    MOA_ERR_FORMAT = 3,      /**< the bytes are no image this library knows */
    MOA_ERR_CORRUPT = 4,     /**< a known format, but damaged */
    MOA_ERR_TRUNCATED = 5,   /**< a known format that ends too early */
    MOA_ERR_UNSUPPORTED = 6, /**< a known format with a feature this library refuses */
    MOA_ERR_LIMIT = 7,       /**< larger than the caller allows */
};

/** A borrowed range of bytes: `n` bytes at `p`. `p` may be NULL if and only if `n` is 0. */
struct moa_bytes {
    const void *p;
    size_t n;
};

/**
 * What was wrong with an input, and where. Filled only when the call returns an error.
 * `message` is a constant string that needs no freeing and carries no trailing newline.
 */
struct moa_error {
    enum moa_err code;
    size_t offset; /**< bytes into the input at which the fault was seen; 0 if unknown */
    const char *message;
};

/** One short English phrase for `err`, without a trailing full stop. Never NULL. */
MOA_API const char *moa_strerror(enum moa_err err);

/** The version of the library at run time, "major.minor.patch". */
MOA_API const char *moa_version(void);

#ifdef __cplusplus
}
#endif
#endif
