/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the engines of a configuration do what the gateway needs of them, asked with the
 * configured keys and models: for `moaoff doctor` and `moaoff serve --check --online`. Blocks.
 */
#ifndef MOA_GATEWAY_DOCTOR_H
#define MOA_GATEWAY_DOCTOR_H

#include <stdio.h>

#include "config.h"

/**
 * Asks every endpoint of both tiers and writes to `out` what was found and what it means. Each
 * costs a few tokens. Returns how many things are wrong. No secret is written.
 */
unsigned doctor_run(const struct config *config, FILE *out);

#endif
