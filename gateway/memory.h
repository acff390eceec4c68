/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory there is, and a bound over what is held of one kind.
 */
#ifndef MOA_GATEWAY_MEMORY_H
#define MOA_GATEWAY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/** Bytes that this process may use: the least of what its control groups and the machine have. */
uint64_t memory_available(void);

/** The same as memory_available() of a control group of version 2 or 1, by the text of
 * /proc/self/cgroup and the folder where groups are mounted; UINT64_MAX: no limit. */
uint64_t memory_of_groups(const char *groups, const char *mount);

#endif
