/* SPDX-License-Identifier: Apache-2.0
 *
 * To be preloaded: a wall clock that is an hour ahead from when the file named by MOAOFF_CLOCK_JUMP
 * is there. All other clocks go on.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma GCC visibility push(default)

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const long result = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("MOAOFF_CLOCK_JUMP");
    if (result == 0 && clock == CLOCK_REALTIME && path && access(path, F_OK) == 0)
        now->tv_sec += 3600;
    return (int)result;
}

#pragma GCC visibility pop
