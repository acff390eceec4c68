/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal's clock; see journal_clock.h.
 */
#include "journal_clock.h"

#include <stdlib.h>

bool journal_clock_due(struct journal_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
    if (clock->has_looked && boot_ms - clock->looked_ms < JOURNAL_SWEEP_MS)
        return false;
    const int64_t ahead_ms = wall_ms - boot_ms;
    const bool jumped = clock->has_looked && llabs(ahead_ms - clock->ahead_ms) > JOURNAL_JUMP_MS;
    *clock = (struct journal_clock){ahead_ms, boot_ms, true};
    return !jumped;
}
