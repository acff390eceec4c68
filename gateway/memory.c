/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory; see memory.h.
 */
#include "memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024

uint64_t memory_left(const struct memory_budget *budget)
{
    /* The bound may have been lowered. */
    return budget->used_bytes < budget->max_bytes ? budget->max_bytes - budget->used_bytes : 0;
}

bool memory_take(struct memory_budget *budget, size_t n)
{
    if (n > memory_left(budget))
        return false;
    budget->used_bytes += n;
    return true;
}

void memory_give(struct memory_budget *budget, size_t n)
{
    assert(n <= budget->used_bytes);
    budget->used_bytes -= n;
}

/* The number in a file; UINT64_MAX if there is none, such as "max". */
static uint64_t read_limit(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    const char *got = fgets(text, sizeof(text), file);
    fclose(file);
    return got && text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* The least limit of a group and of those around it. */
static uint64_t limit_of_group(const char *mount, const char *folder, const char *group,
                               const char *name)
{
    char path[PATH_BYTES];
    uint64_t least = UINT64_MAX;
    for (size_t n = strlen(group);;) {
        snprintf(path, sizeof(path), "%s%s%.*s/%s", mount, folder, (int)n, group, name);
        const uint64_t limit = read_limit(path);
        least = limit < least ? limit : least;
        if (n == 0)
            return least;
        while (n > 0 && group[n - 1] != '/')
            n--;
        n -= n > 0;
    }
}

uint64_t memory_of_groups(const char *groups, const char *mount)
{
    uint64_t least = UINT64_MAX;
    while (*groups) {
        char line[PATH_BYTES];
        const size_t n = strcspn(groups, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
                 groups);
        groups += n + (groups[n] == '\n');
        const char *group = strrchr(line, ':');
        uint64_t limit = UINT64_MAX;
        if (group && strncmp(line, "0::", 3) == 0)
            limit = limit_of_group(mount, "", group + 1, "memory.max");
        else if (group && strstr(line, ":memory:"))
            limit = limit_of_group(mount, "/memory", group + 1, "memory.limit_in_bytes");
        least = limit < least ? limit : least;
    }
    return least;
}

uint64_t memory_available(void)
{
    char groups[4096] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file) {
        groups[fread(groups, 1, sizeof(groups) - 1, file)] = '\0';
        fclose(file);
    }
    const uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t group = memory_of_groups(groups, "/sys/fs/cgroup");
    return group < machine ? group : machine;
}
