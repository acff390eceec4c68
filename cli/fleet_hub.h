/* SPDX-License-Identifier: Apache-2.0
 *
 * What `moaoff fleet` asks of a group's hub: between command_fleet.c, which connects, and the files
 * that each show one thing.
 */
#ifndef MOAOFF_CLI_FLEET_HUB_H
#define MOAOFF_CLI_FLEET_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/fleet_stream.h"

struct fleet_hub {
    struct fleet_wire *wire;
    struct fleet_names names; /* of all boxes, or of the one that was asked for */
};

struct fleet_wish {
    const char *plan; /* NULL: any */
    const char *folder;
    int64_t limit, since_ms, status_min, status_max;
    bool follow, csv, json;
};

/** Each returns the program's exit status, after it has said what was wrong. */
int fleet_status_show(struct fleet_hub *hub, const struct fleet_wish *wish);
int fleet_log_show(struct fleet_hub *hub, const struct fleet_wish *wish);
int fleet_export_write(struct fleet_hub *hub, const struct fleet_wish *wish);

#endif
