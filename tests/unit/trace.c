/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/trace.h: ids and trace context that are kept, and those that are made anew.
 */
#include <string.h>

#include "gateway/trace.h"

#include "test.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void the_client_s_are_kept(void **state)
{
    (void)state;
    struct trace trace;
    char id[33];
    trace_begin("req-1_a.B:2", PARENT, "vendor=1,other=2", &trace);
    assert_string_equal(trace.id, "req-1_a.B:2");
    assert_string_equal(trace.parent, PARENT);
    assert_string_equal(trace.state, "vendor=1,other=2");
    trace_id(&trace, id);
    assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
}

static void a_state_that_is_malformed_is_dropped(void **state)
{
    (void)state;
    char long_one[TRACE_STATE_BYTES + 2];
    memset(long_one, 'a', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    const char *const states[] = {"a=\x01", "a=\r\nx: y", "a=\x7f", "a=\xc3\xa9", long_one};
    for (size_t i = 0; i < N_TESTS(states); i++) {
        struct trace trace;
        trace_begin(NULL, PARENT, states[i], &trace);
        assert_string_equal(trace.parent, PARENT);
        assert_string_equal(trace.state, "");
    }
}

static void what_is_malformed_is_made_anew(void **state)
{
    (void)state;
    static const char *const parents[] = {
        NULL,
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        PARENT "-more",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    static const char *const ids[] = {
        NULL,         "",   "with space",
        "semi;colon", "\"", "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < N_TESTS(parents); i++) {
        struct trace trace, other;
        trace_begin(NULL, parents[i], "vendor=1", &trace);
        trace_begin(NULL, parents[i], "vendor=1", &other);
        assert_int_equal(strlen(trace.parent), 55);
        assert_memory_equal(trace.parent, "00-", 3);
        assert_string_equal(trace.parent + 52, "-00"); /* not sampled */
        assert_string_equal(trace.state, "");          /* belongs to the trace that was refused */
        assert_string_not_equal(trace.parent, other.parent);
    }
    for (size_t i = 0; i < N_TESTS(ids); i++) {
        struct trace trace;
        trace_begin(ids[i], NULL, NULL, &trace);
        assert_int_equal(strlen(trace.id), 24);
        assert_int_equal(strspn(trace.id, "0123456789abcdef"), 24);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_s_are_kept),
        cmocka_unit_test(a_state_that_is_malformed_is_dropped),
        cmocka_unit_test(what_is_malformed_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
