/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded questions whose answers by two real models are known, for bench-certificates and
 * bench-routing; bench/certificates makes them.
 */
#ifndef MOA_BENCH_RECORDED_H
#define MOA_BENCH_RECORDED_H

#include <stdio.h>

#include <moaoff/policy.h>

struct recorded_row {
    struct moa_answer answer; /* of the edge */
    bool differs, edge_right, cloud_right;
};

struct recorded {
    struct recorded_row *rows;
    size_t n;
};

/* Lines "p p_top5 differs edge_right cloud_right"; others are passed over. */
void recorded_read(FILE *in, struct recorded *ret_recorded);

/* xorshift64*; the seed is not 0. */
uint64_t recorded_random(uint64_t *seed);
double recorded_uniform(uint64_t *seed); /* in [0, 1) */

#endif
