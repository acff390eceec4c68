/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/policy_words.h: what is written is read as the same, and faults are said.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/policy_words.h"

#include "test.h"

static void only_what_is_not_the_default_is_written(void **state)
{
    (void)state;
    char *words = policy_words_write(NULL);
    assert_string_equal(words, "");
    free(words);
    const struct moa_policy_setting settings[] = {{"paper.tau_image", 0.41},
                                                  {"paper.tau_text", 0.5},
                                                  {"split", 1},
                                                  {"edge_first.threshold", 0.3},
                                                  {NULL, 0}};
    words = policy_words_write(settings);
    assert_string_equal(words, "split=fuse,paper.tau_image=0.41,edge_first.threshold=0.3");
    free(words);
}

static void numbers_come_back_bit_for_bit(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 5000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const double tau = (double)(seed >> 11) * 0x1p-53;
        const struct moa_policy_setting settings[] = {{"paper.tau_text", tau}, {NULL, 0}};
        struct moa_policy_setting read[POLICY_WORDS_ROOM];
        char why[200];
        char *words = policy_words_write(settings);
        assert_int_equal(policy_words_read("paper", words, read, why, sizeof(why)), 0);
        assert_string_equal(read[0].key, "paper.tau_text");
        assert_true(read[0].value == tau && !read[1].key);
        free(words);
    }
}

static void words_are_read(void **state)
{
    (void)state;
    struct moa_policy_setting read[POLICY_WORDS_ROOM];
    char why[200];
    assert_int_equal(policy_words_read("paper", "", read, why, sizeof(why)), 0);
    assert_null(read[0].key);
    const char words[] = "tau_image=0.3,paper.tau_text=1,split=evidence";
    assert_int_equal(policy_words_read("paper", words, read, why, sizeof(why)), 0);
    assert_string_equal(read[0].key, "paper.tau_image");
    assert_true(read[0].value == 0.3 && read[1].value == 1 && read[2].value == 0);
    assert_null(read[3].key);
}

static void faults_are_said(void **state)
{
    (void)state;
    static const struct {
        const char *name, *words, *why;
    } faults[] = {
        {"paper", "tau=1", "neither"},
        {"paper", "tau_text", "KEY=VALUE"},
        {"paper", "tau_text=", "from 0 to 1"},
        {"paper", "tau_text=2", "from 0 to 1"},
        {"paper", "tau_text=nan", "from 0 to 1"},
        {"paper", "tau_text=0.5x", "from 0 to 1"},
        {"paper", "split=both", "evidence fuse"},
        {"edge", "tau_text=1", "neither"},
        {"paper", "tau_text=1,,", "neither"},
    };
    for (size_t i = 0; i < N_TESTS(faults); i++) {
        struct moa_policy_setting read[POLICY_WORDS_ROOM];
        char why[200] = "";
        assert_int_equal(policy_words_read(faults[i].name, faults[i].words, read, why, sizeof(why)),
                         -1);
        if (!strstr(why, faults[i].why))
            fail_msg("%s: %s", faults[i].words, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_not_the_default_is_written),
        cmocka_unit_test(numbers_come_back_bit_for_bit),
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(faults_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
