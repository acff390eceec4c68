/* SPDX-License-Identifier: Apache-2.0
 *
 * cmocka with what it needs before it.
 */
#ifndef MOA_TESTS_UNIT_TEST_H
#define MOA_TESTS_UNIT_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#define N_TESTS(tests) (sizeof(tests) / sizeof((tests)[0]))

#endif
