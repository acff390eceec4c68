/* SPDX-License-Identifier: Apache-2.0
 *
 * The fleet's share of the uplink; see fleet_pace.h.
 */
#include "fleet_pace.h"

#include <math.h>
#include <stdbool.h>

static bool must_yield(struct fleet_pace *p, int64_t upload_us, int64_t now_us)
{
    if (upload_us == 0 || now_us - upload_us >= FLEET_UPLOAD_US) {
        p->yields_us = 0;
        return false;
    }
    if (p->yields_us == 0 || now_us - p->yields_us >= FLEET_YIELD_US + FLEET_INSIST_US)
        p->yields_us = now_us;
    return now_us - p->yields_us < FLEET_YIELD_US;
}

int64_t fleet_pace_wait_us(struct fleet_pace *p, int64_t bytes_per_s, size_t n, int64_t upload_us,
                           int64_t now_us)
{
    const double rate = (double)bytes_per_s, wanted = (double)n;
    const double most = fmax(rate, wanted); /* a second's worth, or one that is longer */
    const double elapsed_s = p->filled_us ? (double)(now_us - p->filled_us) / 1e6 : 1.0;
    p->bytes = fmin(most, p->bytes + rate * fmax(elapsed_s, 0));
    p->filled_us = now_us;
    if (must_yield(p, upload_us, now_us))
        return FLEET_LOOK_AGAIN_US;
    if (p->bytes < wanted)
        return (int64_t)ceil((wanted - p->bytes) / rate * 1e6);
    p->bytes -= wanted;
    return 0;
}
