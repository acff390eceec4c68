/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of errors and the version; see moaoff/base.h.
 */
#include <moaoff/base.h>

const char *moa_strerror(enum moa_err err)
{
    switch (err) {
    case MOA_OK:
        return "no error";
    case MOA_ERR_ARGUMENT:
        return "argument out of range";
    case MOA_ERR_MEMORY:
        return "out of memory";
    case MOA_ERR_FORMAT:
        return "not an image format this program knows";
    case MOA_ERR_CORRUPT:
        return "image data is damaged";
    case MOA_ERR_TRUNCATED:
        return "image data ends too early";
    case MOA_ERR_UNSUPPORTED:
        return "image uses an unsupported feature";
    case MOA_ERR_LIMIT:
        return "image is larger than allowed";
    }
    return "unknown error";
}

const char *moa_version(void)
{
    return MOA_VERSION;
}
