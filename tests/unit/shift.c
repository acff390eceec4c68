/* SPDX-License-Identifier: Apache-2.0
 *
 * src/shift.c: day and night are no shift, another world is, and the clock may jump.
 */
#include <math.h>
#include <string.h>

#include "shift.h"

#include "test.h"

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

static double uniform(uint64_t *seed)
{
    return (double)(next(seed) >> 11) / 9007199254740992.0;
}

/* How light it is at a moment, 0 to 1: an hour of dusk, which comes two minutes later each day. */
static double light(double hours)
{
    const double at = fmod(hours, 24.0), late = hours / 24.0 * 2.0 / 60.0;
    const double dawn = fmin(1.0, fmax(0.0, at - 6.0)),
                 dusk = fmin(1.0, fmax(0.0, at - 18.0 - late));
    return dawn - dusk;
}

/* A score by day, or a much lower one at night; `worse` moves all. */
static double score_at(double hours, double worse, uint64_t *seed)
{
    const double u = uniform(seed);
    return (0.4 + 0.6 * (1.0 - u * u)) * (0.7 + 0.3 * light(hours)) * worse;
}

static bool see(struct score_shift *s, uint64_t mark, double score, int64_t hour)
{
    moa_shift_see(s, mark, score, hour);
    return s->is_found;
}

/* Days until a shift was found; `n` scenes in an hour, a third as many at night. From the day
 * `until` on scores are `worse`. */
static double days_until_found(int n_days, int n, int until, double worse, uint64_t seed)
{
    static struct score_shift s;
    moa_shift_begin(&s, 0.6, 0.8);
    for (int hour = 15; hour < 24 * n_days; hour++) {
        const int n_now = hour % 24 < 6 ? n / 3 : n;
        for (int i = 0; i < n_now; i++) {
            const double at = hour + (double)i / n_now;
            const double score = score_at(at, hour / 24 >= until ? worse : 1.0, &seed);
            if (see(&s, next(&seed), score, 400000 * 24 + hour))
                return at / 24.0;
        }
    }
    return INFINITY;
}

static void day_and_night_are_no_shift(void **state)
{
    (void)state;
    int n_found = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const int n = seed % 3 == 0 ? 20 : seed % 3 == 1 ? 100 : 2000;
        n_found += isfinite(days_until_found(20, n, 99, 1.0, seed));
    }
    assert_true(n_found <= 1);
}

/* The share kept falls by a quarter: found with the next window, within 1,000 scenes and an hour.
 */
static void another_world_is(void **state)
{
    (void)state;
    static const int rates[] = {20, 100, 2000};
    for (size_t r = 0; r < N_TESTS(rates); r++) {
        for (uint64_t seed = 1; seed <= 10; seed++) {
            const double found = days_until_found(20, rates[r], 8, 0.8, 100 + seed);
            const double most =
                8.0 + (1000.0 / rates[r] + 1.0) / 24.0 * (rates[r] < 100 ? 1.5 : 1.0);
            if (!(found >= 8.0 && found <= most + 6.0 / 24.0))
                fail_msg("%d an hour: %f of %f", rates[r], found, most);
        }
    }
}

/* A night that comes at other hours each day is no night: it is the hours that make the
 * difference. */
static void days_of_eighteen_hours_are(void **state)
{
    (void)state;
    static struct score_shift s;
    uint64_t seed = 7;
    bool found = false;
    moa_shift_begin(&s, 0.6, 0.8);
    for (int hour = 0; hour < 24 * 4 && !found; hour++) {
        for (int i = 0; i < 200 && !found; i++)
            found = see(&s, next(&seed), score_at(hour % 18 * 24 / 18, 1.0, &seed), hour);
    }
    assert_true(found);
}

static double n_counted(const struct score_shift *s)
{
    double n = s->n_scenes;
    for (int h = 0; h < SHIFT_HOURS; h++) {
        for (int c = 0; c < SHIFT_CELLS; c++)
            n += s->reference[h][c];
    }
    return n;
}

static void a_scene_counts_once_a_day_and_days_are_whole(void **state)
{
    (void)state;
    static struct score_shift s;
    uint64_t seed = 9;
    moa_shift_begin(&s, 0.6, 0.8);
    for (int i = 0; i < 50; i++)
        assert_false(see(&s, next(&seed), 0.9, 23)); /* the day had begun */
    assert_true(n_counted(&s) == 0);
    const uint64_t wall = next(&seed);
    for (int hour = 24; hour < 72; hour++)
        assert_false(see(&s, wall, 0.9, hour));
    assert_true(n_counted(&s) == 2);
    assert_false(see(&s, next(&seed), 0.9, 60)); /* the clock goes back: till tomorrow */
    assert_false(see(&s, next(&seed), 0.9, 71));
    assert_true(n_counted(&s) == 0);
    assert_false(see(&s, next(&seed), 0.9, 72));
    assert_true(n_counted(&s) == 1);
    assert_false(see(&s, next(&seed), 0.9, -1));
    assert_true(n_counted(&s) == 1);
}

/* What never came before is no reason for an alarm as long as it is rare. */
static void few_scenes_of_a_new_kind_are_none(void **state)
{
    (void)state;
    for (int n_new = 0; n_new <= 80; n_new += 10) {
        static struct score_shift s;
        uint64_t seed = 11;
        bool found = false;
        moa_shift_begin(&s, 0.6, 0.8);
        for (int hour = 0; hour < 24 * 5 && !found; hour++) {
            for (int i = 0; i < 500 && !found; i++)
                found = see(&s, next(&seed), hour >= 96 && i < n_new ? 0.1 : 0.7, hour);
        }
        if (found != (n_new >= 30))
            fail_msg("%d new ones: %d", n_new, found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(day_and_night_are_no_shift),
        cmocka_unit_test(another_world_is),
        cmocka_unit_test(days_of_eighteen_hours_are),
        cmocka_unit_test(a_scene_counts_once_a_day_and_days_are_whole),
        cmocka_unit_test(few_scenes_of_a_new_kind_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
