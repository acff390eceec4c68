/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory there is, and a bound over what is held of one kind.
 */
#ifndef MOA_GATEWAY_MEMORY_H
#define MOA_GATEWAY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A bound over what is held of one kind. */
struct memory_budget {
    uint64_t max_bytes, used_bytes;
};

uint64_t memory_left(const struct memory_budget *budget);
/** Takes `n` bytes; false if there are not as many left. */
bool memory_take(struct memory_budget *budget, size_t n);
/** Gives back what was taken. */
void memory_give(struct memory_budget *budget, size_t n);

/** Bytes that this process may use: the least of what its control groups and the machine have. */
uint64_t memory_available(void);

/** The same as memory_available() of a control group of version 2 or 1, by the text of
 * /proc/self/cgroup and the folder where groups are mounted; UINT64_MAX: no limit. */
uint64_t memory_of_groups(const char *groups, const char *mount);

#endif
