/* SPDX-License-Identifier: Apache-2.0
 *
 * When the fleet may send: so many bytes a second, and not while the gateway uploads to the cloud,
 * for half a minute at most. Pure.
 */
#ifndef MOA_GATEWAY_FLEET_PACE_H
#define MOA_GATEWAY_FLEET_PACE_H

#include <stddef.h>
#include <stdint.h>

#define FLEET_UPLOAD_US INT64_C(500000)     /* so long after its last sign an upload is over */
#define FLEET_YIELD_US INT64_C(30000000)    /* what uploads may hold the fleet up, */
#define FLEET_INSIST_US INT64_C(2000000)    /* before it sends all the same, for so long */
#define FLEET_LOOK_AGAIN_US INT64_C(100000) /* while it waits for an upload's end */

/** Zero at first. */
struct fleet_pace {
    int64_t filled_us; /* until when the rate was counted */
    double bytes;      /* that may be sent at once */
    int64_t yields_us; /* since when it waits for uploads; 0: it does not */
};

/** Microseconds until `n` bytes may be sent; 0: now, and they count as sent. `upload_us`: when an
 * upload was seen last; 0: never. */
int64_t fleet_pace_wait_us(struct fleet_pace *pace, int64_t bytes_per_s, size_t n,
                           int64_t upload_us, int64_t now_us);

#endif
