/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/memory.h: limits of control groups, over folders that look like theirs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/memory.h"

#include "test.h"

static char mount[64];

static void make(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof(full), "%s%s", mount, path);
    for (char *slash = strchr(full + strlen(mount) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(mount, sizeof(mount), "%s", "unit-memory-XXXXXX");
    return mkdtemp(mount) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", mount);
    FILE *rm = popen(command, "r");
    return rm ? pclose(rm) : -1;
}

static void least_of_a_group_and_those_around_it(void **state)
{
    (void)state;
    make("/system.slice/memory.max", "1000\n");
    make("/system.slice/moaoff.service/memory.max", "max\n");
    assert_int_equal(memory_of_groups("0::/system.slice/moaoff.service\n", mount), 1000);
    make("/system.slice/moaoff.service/memory.max", "500\n");
    assert_int_equal(memory_of_groups("0::/system.slice/moaoff.service\n", mount), 500);
}

static void version_1(void **state)
{
    (void)state;
    make("/memory/a/memory.limit_in_bytes", "700\n");
    make("/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_of_groups("5:cpu:/a\n4:memory:/a\n0::/\n", mount), 700);
}

static void no_limit(void **state)
{
    (void)state;
    assert_true(memory_of_groups("", mount) == UINT64_MAX);
    assert_true(memory_of_groups("0::/\nnonsense\n", mount) == UINT64_MAX);
    assert_true(memory_available() > 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(least_of_a_group_and_those_around_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
