/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/cpu.h: forcing a level, and going back.
 */
#include <string.h>

#include <moaoff/cpu.h>

#include "test.h"

static void every_supported_level_can_be_forced(void **state)
{
    (void)state;
    const char *best = moa_cpu_name();
    const char *level;
    for (size_t i = 0; (level = moa_cpu_level(i)) != NULL; i++) {
        const enum moa_err err = moa_cpu_force(level);
        assert_int_equal(err, moa_cpu_level_supported(i) ? MOA_OK : MOA_ERR_UNSUPPORTED);
        if (err == MOA_OK)
            assert_string_equal(moa_cpu_name(), level);
    }
    assert_int_equal(moa_cpu_force(NULL), MOA_OK);
    assert_string_equal(moa_cpu_name(), best);
}

static void unknown_level_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(moa_cpu_force("c"), MOA_OK);
    assert_int_equal(moa_cpu_force("mmx"), MOA_ERR_ARGUMENT);
    assert_string_equal(moa_cpu_name(), "c");
    assert_int_equal(moa_cpu_force(NULL), MOA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_supported_level_can_be_forced),
        cmocka_unit_test(unknown_level_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
