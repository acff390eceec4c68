/* SPDX-License-Identifier: Apache-2.0
 *
 * src/group_bytes.c: counts and plans are written and read back bit for bit, and nothing else is.
 */
#include "group_boxes.h"

static struct moa_group_counts full_counts(const struct moa_group_plan *plan)
{
    uint64_t seed = 77;
    struct moa_group_counts c = box_of(plan, 12);
    for (int i = 0; i < 2400; i++) {
        const double score = uniform(&seed);
        see(&c, plan, score);
        audit(&c, plan, score, uniform(&seed) < 0.1);
    }
    for (int row = 0, at = 0; row < MOA_GROUP_WEIGHTS; row++) {
        c.gradient[row] = uniform(&seed) - 0.5;
        for (int column = 0; column <= row; column++)
            c.curvature[at++] = column == row ? 3.0 : 0.1 * uniform(&seed);
    }
    c.times[1] = (struct moa_group_times){20, 1.5, 80.25, 400, 90, 7};
    return c;
}

static void counts_come_back_as_they_were(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(4);
    unsigned char bytes[MOA_GROUP_COUNTS_BYTES_MAX], again[MOA_GROUP_COUNTS_BYTES_MAX];
    struct moa_group_counts all[] = {box_of(&plan, 0), full_counts(&plan), full_counts(&plan)};
    memset(all[2].box, 'a', MOA_GROUP_NAME_BYTES - 1); /* and the most of everything */
    for (size_t t = 0; t < MOA_THRESHOLDS; t++)
        all[2].lost[t] = all[2].kept[t] = all[2].n_audits = UINT32_MAX;
    for (size_t i = 0; i < N_TESTS(all); i++) {
        struct moa_group_counts read;
        const size_t n = moa_group_counts_write(&all[i], bytes, sizeof(bytes));
        assert_true(n > 0);
        assert_int_equal(moa_group_counts_read((struct moa_bytes){bytes, n}, &read, NULL), MOA_OK);
        assert_memory_equal(&read, &all[i], sizeof(read));
        assert_int_equal(moa_group_counts_write(&read, again, sizeof(again)), n);
        assert_memory_equal(again, bytes, n);
        assert_int_equal(moa_group_counts_write(&all[i], bytes, n - 1), 0);
        assert_int_equal(moa_group_counts_write(&all[i], again, n), n);
    }
    assert_int_equal(moa_group_counts_write(&all[0], bytes, 11), 0);
    all[0].n_audits = 1; /* nothing that could be read again */
    assert_int_equal(moa_group_counts_write(&all[0], bytes, sizeof(bytes)), 0);
    assert_int_equal(moa_group_counts_write(NULL, bytes, sizeof(bytes)), 0);
}

static void plans_come_back_as_they_were(void **unused)
{
    (void)unused;
    unsigned char bytes[MOA_GROUP_PLAN_BYTES_MAX];
    struct moa_group_plan plan = plan_of(9), read;
    for (int i = 0; i < 2; i++) {
        const size_t n = moa_group_plan_write(&plan, bytes, sizeof(bytes));
        assert_true(n > 0);
        assert_int_equal(moa_group_plan_read((struct moa_bytes){bytes, n}, &read, NULL), MOA_OK);
        assert_memory_equal(&read, &plan, sizeof(read));
        plan.judge = true;
        plan.n_left_out = MOA_GROUP_LEFT_OUT_MAX;
        for (size_t k = 0; k < plan.n_left_out; k++)
            memset(plan.left_out[k], 'z', MOA_GROUP_NAME_BYTES - 1);
    }
    plan.threshold[20] = 1.0;
    assert_int_equal(moa_group_plan_write(&plan, bytes, sizeof(bytes)), 0);
}

/* Little-endian on every machine: these bytes were made by a program of its own. */
static void the_layout_is_the_same_everywhere(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    unsigned char bytes[MOA_GROUP_COUNTS_BYTES_MAX];
    struct moa_group_counts c = box_of(&plan, 3);
    c.instance = 0x0102030405060708;
    c.plan = 0x1112131415161718;
    for (int i = 0; i < 300; i++)
        audit(&c, &plan, 1.0, i < 2);
    c.gradient[1] = -2.5;
    const size_t n = moa_group_counts_write(&c, bytes, sizeof(bytes));
    static const unsigned char head[] = {
        'M', 'G', 1, 'c', 0xfa, 0,    0,    0,    5,    'b',  'o',  'x',  '-',  '3',  8, 7,    6,
        5,   4,   3, 2,   1,    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0xac, 2, 0xac, 2};
    assert_int_equal(n, bytes[4] | bytes[5] << 8);
    assert_memory_equal(bytes + 8, head + 8, sizeof(head) - 8);
    assert_memory_equal(bytes, head, 4);
    const size_t losses = sizeof(head) + 49; /* the kept ones do not rise any more */
    assert_int_equal(bytes[losses], 2);
    const size_t equations = losses + 50 + 11;
    assert_int_equal(bytes[equations], 2); /* the second of eight */
    static const unsigned char gradient[] = {0, 0, 0, 0, 0, 0, 4, 0xc0};
    assert_memory_equal(bytes + equations + 1, gradient, 8);
}

static void an_identity_is_of_all_that_is_planned(void **unused)
{
    (void)unused;
    struct moa_group_plan plan = plan_of(1);
    const uint64_t id = moa_group_plan_id(&plan);
    assert_int_not_equal(id, 0);
    assert_true(moa_group_plan_id(&plan) == id);
    plan.weights[13] = 1e-9;
    assert_true(moa_group_plan_id(&plan) != id);
    plan = plan_of(1);
    plan.n_left_out = 1;
    strcpy(plan.left_out[0], "a");
    assert_true(moa_group_plan_id(&plan) != id);
    plan.left_out[0][0] = '\n';
    assert_true(moa_group_plan_id(&plan) == 0);
}

static enum moa_err read_of(const unsigned char *bytes, size_t n, struct moa_error *ret_error)
{
    struct moa_group_counts read;
    memset(&read, 0x5a, sizeof(read));
    const enum moa_err err = moa_group_counts_read((struct moa_bytes){bytes, n}, &read, ret_error);
    for (size_t i = 0; err && i < sizeof(read); i++)
        assert_int_equal(((const unsigned char *)&read)[i], 0x5a);
    return err;
}

static void anything_else_is_refused(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(4);
    unsigned char bytes[MOA_GROUP_COUNTS_BYTES_MAX + 8];
    const struct moa_group_counts c = full_counts(&plan);
    struct moa_error error;
    const size_t n = moa_group_counts_write(&c, bytes, sizeof(bytes));
    for (size_t less = 0; less < n; less++)
        assert_int_not_equal(read_of(bytes, less, &error), MOA_OK);
    assert_int_equal(read_of(bytes, n - 1, &error), MOA_ERR_TRUNCATED);
    bytes[n] = 0;
    assert_int_equal(read_of(bytes, n + 1, &error), MOA_ERR_CORRUPT);
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= 0x10;
        const enum moa_err err = read_of(bytes, n, &error);
        assert_int_not_equal(err, MOA_OK);
        assert_int_equal(error.code, err);
        assert_non_null(error.message);
        assert_true(error.offset <= n);
        bytes[at] ^= 0x10;
    }
    bytes[2] = 2;
    assert_int_equal(read_of(bytes, n, &error), MOA_ERR_UNSUPPORTED);
    bytes[2] = 1;
    struct moa_group_plan other;
    assert_int_equal(moa_group_plan_read((struct moa_bytes){bytes, n}, &other, &error),
                     MOA_ERR_FORMAT);
    assert_int_equal(moa_group_counts_read((struct moa_bytes){NULL, 0}, NULL, NULL),
                     MOA_ERR_ARGUMENT);
    assert_int_equal(read_of(NULL, 0, &error), MOA_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_come_back_as_they_were),
        cmocka_unit_test(plans_come_back_as_they_were),
        cmocka_unit_test(the_layout_is_the_same_everywhere),
        cmocka_unit_test(an_identity_is_of_all_that_is_planned),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
