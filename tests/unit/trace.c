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
    trace_begin("req-1_a.B:2", PARENT, "vendor=1,other=2", TRACE_OFF, &trace);
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
        trace_begin(NULL, PARENT, states[i], 1, &trace);
        assert_string_equal(trace.parent, PARENT);
        assert_string_equal(trace.state, "");
    }
}

static const char *const malformed[] = {
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

static void what_is_malformed_is_made_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TESTS(malformed); i++) {
        for (int ratio = 0; ratio <= 1; ratio++) {
            struct trace trace, other;
            char span[17], out[TRACE_PARENT_BYTES];
            trace_begin(NULL, malformed[i], "vendor=1", ratio, &trace);
            trace_begin(NULL, malformed[i], "vendor=1", ratio, &other);
            assert_int_equal(strlen(trace.parent), 55);
            assert_memory_equal(trace.parent, "00-", 3);
            assert_string_equal(trace.parent + 52, ratio ? "-01" : "-00");
            assert_int_equal(trace.is_sampled, ratio);
            assert_true(trace.is_ours);
            assert_string_equal(trace.state, ""); /* belongs to the trace that was refused */
            assert_string_not_equal(trace.parent, other.parent);
            trace_span_id(trace.span, span);
            assert_memory_equal(trace.parent + 36, span, 16);
            trace_parent(&trace, trace.span + 2, out);
            assert_memory_equal(out, trace.parent, 36);
            assert_string_equal(out + 52, trace.parent + 52);
            assert_int_equal(strcmp(out, trace.parent) != 0, ratio);
        }
    }
}

static void without_traces_none_is_begun(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TESTS(malformed); i++) {
        struct trace trace;
        char id[33], out[TRACE_PARENT_BYTES];
        trace_begin(NULL, malformed[i], "vendor=1", TRACE_OFF, &trace);
        trace_id(&trace, id);
        trace_parent(&trace, trace.span + 1, out);
        assert_string_equal(id, "");
        assert_string_equal(out, "");
        assert_string_equal(trace.state, "");
        assert_false(trace.is_sampled);
    }
}

static void what_goes_out_with_a_call(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        double ratio;
        bool is_sampled;
    } cases[] = {{"01", 0, true},         {"00", 1, false}, {"03", 0.5, true},
                 {"02", 1, false},        {"ff", 0, true},  {"01", TRACE_OFF, false},
                 {"00", TRACE_OFF, false}};
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct trace trace;
        char parent[TRACE_PARENT_BYTES] = PARENT, out[TRACE_PARENT_BYTES], wanted[17];
        memcpy(parent + 53, cases[i].flags, 2);
        trace_begin(NULL, parent, NULL, cases[i].ratio, &trace);
        assert_int_equal(trace.is_sampled, cases[i].is_sampled);
        assert_false(trace.is_ours);
        trace_parent(&trace, trace.span + 1, out);
        if (!cases[i].is_sampled) {
            assert_string_equal(out, parent); /* as it came */
            continue;
        }
        trace_span_id(trace.span + 1, wanted);
        assert_memory_equal(out, parent, 36);
        assert_memory_equal(out + 36, wanted, 16);
        assert_string_equal(out + 52, parent + 52);
    }
}

static void a_share_is_drawn(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < 4000; i++) {
        struct trace trace;
        trace_begin(NULL, NULL, NULL, 0.25, &trace);
        n += trace.is_sampled;
    }
    assert_in_range(n, 800, 1200); /* seven standard deviations */
}

static void ids_that_are_malformed_are_made_anew(void **state)
{
    (void)state;
    static const char *const ids[] = {
        NULL,         "",   "with space",
        "semi;colon", "\"", "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < N_TESTS(ids); i++) {
        struct trace trace;
        trace_begin(ids[i], NULL, NULL, TRACE_OFF, &trace);
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
        cmocka_unit_test(without_traces_none_is_begun),
        cmocka_unit_test(what_goes_out_with_a_call),
        cmocka_unit_test(a_share_is_drawn),
        cmocka_unit_test(ids_that_are_malformed_are_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
