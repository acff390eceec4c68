/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the NATS servers of a configuration are there and take what a box has to say, for `moaoff
 * doctor`. Blocks.
 */
#ifndef MOA_GATEWAY_FLEET_DOCTOR_H
#define MOA_GATEWAY_FLEET_DOCTOR_H

#include <stdio.h>

#include "config.h"

/** Writes what was found; nothing if no fleet is configured. No secret is written. Returns how many
 * things are wrong. */
unsigned fleet_doctor(const struct config *config, FILE *out);

#endif
