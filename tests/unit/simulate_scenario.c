/* SPDX-License-Identifier: Apache-2.0
 *
 * study/simulate_scenario.h: keys, ranges, and where what is wrong stands.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moaoff/policy.h>

#include "study/simulate_scenario.h"

#include "test.h"

static char path[64];

static void write_file(const char *text)
{
    snprintf(path, sizeof(path), "unit-scenario-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void file_is_refused(const char *text, const char *line, const char *said)
{
    struct scenario s;
    char why[1200];
    char place[128];
    scenario_init(&s);
    write_file(text);
    assert_int_equal(scenario_read(path, &s, why, sizeof(why)), -1);
    unlink(path);
    snprintf(place, sizeof(place), "%s:%s: ", path, line);
    assert_ptr_equal(strstr(why, place), why);
    assert_non_null(strstr(why, said));
}

static void what_is_wrong_is_said_with_its_line(void **unused)
{
    (void)unused;
    file_is_refused("requests: 10\nlink:\n  mbps: 0\n", "3", "from 0.001 to 1000000, not \"0\"");
    file_is_refused("requests: 10.5\n", "1", "whole number");
    file_is_refused("requests: nan\n", "1", "whole number");
    file_is_refused("\n\nlonk: 1\n", "3", "no key \"lonk\"");
    file_is_refused("link: {mpbs: 1}\n", "1", "no key \"link.mpbs\"");
    file_is_refused("arrivals:\n  process: tidal\n", "2", "poisson or regular or bursts");
    file_is_refused("link:\n  mbps: [1]\n", "2", "link.mbps must be a value");
    file_is_refused("link: [1]\n", "1", "a value or a section");
    file_is_refused("- 1\n", "1", "keys and values");
    file_is_refused("a: [\n", "2", "");
}

static void files_lie_beside_the_scenario(void **unused)
{
    (void)unused;
    struct scenario s;
    char why[1200];
    scenario_init(&s);
    write_file("edge: {profile: p.yaml, slots: 3}\ncloud:\n  profile: /q.yaml\nlink: {mbps: 5}\n");
    assert_int_equal(scenario_read(path, &s, why, sizeof(why)), 0);
    unlink(path);
    assert_string_equal(s.tier[MOA_EDGE].profile_path, "p.yaml");
    assert_string_equal(s.tier[MOA_CLOUD].profile_path, "/q.yaml");
    assert_true(s.tier[MOA_EDGE].slots == 3 && s.link.mbps == 5 && s.link.rtt_ms == 40);
    assert_int_equal(scenario_finish(&s, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "p.yaml"));
}

static void settings_go_over_the_file(void **unused)
{
    (void)unused;
    struct scenario s;
    char why[1200];
    scenario_init(&s);
    assert_int_equal(scenario_set(&s, "link.mbps=2.5", why, sizeof(why)), 0);
    assert_true(s.link.mbps == 2.5);
    assert_int_equal(scenario_set(&s, "edge.service=exponential", why, sizeof(why)), 0);
    assert_int_equal(s.tier[MOA_EDGE].service, TIER_EXPONENTIAL);
    assert_int_equal(scenario_set(&s, "link.mbps", why, sizeof(why)), -1);
    assert_string_equal(why, "\"link.mbps\" is not KEY=VALUE");
    assert_int_equal(scenario_set(&s, "warmup=100000", why, sizeof(why)), 0);
    assert_int_equal(scenario_finish(&s, why, sizeof(why)), -1);
    assert_int_equal(scenario_set(&s, "warmup=0", why, sizeof(why)), 0);
    assert_int_equal(scenario_set(&s, "records.edge=x", why, sizeof(why)), 0);
    assert_int_equal(scenario_finish(&s, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "go together"));
}

/* What is printed can be read, and is the same then. */
static void what_is_shown_is_a_scenario(void **unused)
{
    (void)unused;
    char *text[2] = {NULL, NULL};
    struct scenario s;
    char why[1200];
    scenario_init(&s);
    assert_int_equal(scenario_set(&s, "link.loss=0.015625", why, sizeof(why)), 0);
    for (int i = 0; i < 2; i++) {
        size_t n;
        FILE *out = open_memstream(&text[i], &n);
        scenario_print(&s, out);
        fclose(out);
        write_file(text[i]);
        scenario_init(&s);
        assert_int_equal(scenario_read(path, &s, why, sizeof(why)), 0);
        unlink(path);
    }
    assert_string_equal(text[0], text[1]);
    assert_non_null(
        strstr(text[0], "link:\n  mbps: 20\n  rtt_ms: 40\n  seen_rtt_ms: -1\n  loss: 0.015625\n"));
    free(text[0]);
    free(text[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(files_lie_beside_the_scenario),
        cmocka_unit_test(settings_go_over_the_file),
        cmocka_unit_test(what_is_shown_is_a_scenario),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
