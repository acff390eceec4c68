/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that runs below the gateway: started without a shell in a session of its own, heard
 * line by line, and never left behind. Knows nothing of engines; keeper.c does. Loop thread only:
 * the program is killed when the thread that started it ends, by whatever way.
 */
#ifndef MOA_GATEWAY_CHILD_H
#define MOA_GATEWAY_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct child;

#define CHILD_LINE_BYTES 200 /* of a line of output; the rest of it is dropped */

struct child_program {
    const char *path;         /* of the file */
    char *const *arguments;   /* as execve() takes them, the name first */
    char *const *environment; /* all of it */
};

struct child_events {
    /** What it writes to standard output or error; control characters are in it. */
    void (*on_line)(const char *line, void *arg);
    /** It has ended, with the status of waitpid(); the struct child is freed after this. What is
     * left of its process group is killed. */
    void (*on_end)(int status, void *arg);
};

/** NULL with errno. A file that cannot be executed is an early end, with status 126 or 127. */
struct child *child_start(struct event_base *base, const struct child_program *program,
                          const struct child_events *events, void *arg);
/** Kills it with all of its process group, without on_end. NULL is allowed. */
void child_free(struct child *child);

pid_t child_pid(const struct child *child);
/** To all of its process group. */
void child_signal(const struct child *child, int number);

/** Memory of all processes of its session that could not be had back without them: anonymous,
 * shared and swapped out. Pages of files, such as weights that are mapped, are not in it. */
uint64_t child_memory_bytes(const struct child *child);
/** The same of itself alone, which does not read all of /proc. */
uint64_t child_own_memory_bytes(const struct child *child);

/** "exit status 1", "signal 11 (Segmentation fault)". */
void child_describe(int status, char *ret_text, size_t n);

#endif
