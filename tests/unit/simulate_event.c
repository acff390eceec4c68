/* SPDX-License-Identifier: Apache-2.0
 *
 * study/simulate_event.h: events come out by their times, equal ones in the order they went in.
 */
#include "study/simulate_event.h"
#include "study/stats.h"

#include "test.h"

static void events_come_out_in_order(void **unused)
{
    (void)unused;
    struct event_heap heap = {.n = 0};
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        assert_true(event_push(&heap, (double)rng_below(&rng, 100), i, NULL));
        if (i % 3 == 2) { /* in between too */
            const double first = event_first(&heap)->at;
            assert_true(event_pop(&heap).at == first);
        }
    }
    assert_int_equal(heap.n, 2000);
    struct event_entry last = {.at = -1};
    for (size_t n = heap.n; n > 0; n--) {
        const struct event_entry e = event_pop(&heap);
        assert_true(e.at > last.at || (e.at == last.at && e.kind > last.kind));
        assert_int_equal(heap.n, n - 1);
        last = e;
    }
    event_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(events_come_out_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
