/* SPDX-License-Identifier: Apache-2.0
 *
 * When the age of the journal's rows may be judged. The wall clock of a device may be wrong at its
 * start and for a while in between, and what is deleted does not come back when it is right again:
 * so not while it has jumped against the clock that runs since the boot.
 */
#ifndef MOA_GATEWAY_JOURNAL_CLOCK_H
#define MOA_GATEWAY_JOURNAL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_SWEEP_MS INT64_C(3600000) /* between two looks */
#define JOURNAL_JUMP_MS INT64_C(600000)   /* what the clocks may drift apart between two looks */

/** Zero at first. */
struct journal_clock {
    int64_t ahead_ms; /* of the wall clock, at the last look */
    int64_t looked_ms;
    bool has_looked;
};

/** Whether it is time to judge ages, and the wall clock may be believed. */
bool journal_clock_due(struct journal_clock *clock, int64_t wall_ms, int64_t boot_ms);

#endif
