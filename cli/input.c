/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files into memory; see input.h.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/buffer.h"

/* Room for the file as its size is now, and one byte more so that a read sees the end. */
static size_t first_room(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uintmax_t)st.st_size < INPUT_MAX_BYTES)
        return (size_t)st.st_size + 1;
    return 65536;
}

static const char *fill(int fd, struct buffer *b)
{
    enum moa_err err = buffer_reserve(b, first_room(fd));
    while (!err) {
        const ssize_t n = read(fd, b->p + b->n, b->room - b->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerror(errno);
        if (n == 0)
            return NULL;
        buffer_added(b, (size_t)n);
        err = buffer_grow(b, 1);
    }
    return err == MOA_ERR_LIMIT ? "larger than 256 MiB" : "out of memory";
}

static const char *read_all(int fd, struct moa_bytes *ret_bytes)
{
    struct buffer b = buffer_of(INPUT_MAX_BYTES + 1);
    const char *failure = fill(fd, &b);
    if (failure)
        buffer_done(&b);
    else
        ret_bytes->p = buffer_take(&b, &ret_bytes->n);
    return failure;
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
