/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files into memory; see input.h.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room for the file as its size is now, and one byte more so that a read sees the end. */
static size_t first_capacity(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uintmax_t)st.st_size < INPUT_MAX_BYTES)
        return (size_t)st.st_size + 1;
    return 65536;
}

static const char *read_all(int fd, struct moa_bytes *ret_bytes)
{
    size_t capacity = first_capacity(fd);
    size_t n = 0;
    uint8_t *p = malloc(capacity);
    while (p) {
        const ssize_t got = read(fd, p + n, capacity - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            const int error = errno;
            free(p);
            return strerror(error);
        }
        if (got == 0) {
            *ret_bytes = (struct moa_bytes){p, n};
            return NULL;
        }
        n += (size_t)got;
        if (n < capacity)
            continue;
        if (n > INPUT_MAX_BYTES) {
            free(p);
            return "larger than 256 MiB";
        }
        capacity *= 2;
        uint8_t *larger = realloc(p, capacity);
        if (!larger)
            free(p);
        p = larger;
    }
    return "out of memory";
}

const char *input_read(const char *path, struct moa_bytes *ret_bytes)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, ret_bytes);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerror(errno);
    const char *failure = read_all(fd, ret_bytes);
    close(fd);
    return failure;
}
