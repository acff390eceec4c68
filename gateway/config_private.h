/* SPDX-License-Identifier: Apache-2.0
 *
 * Between config.c, which reads keys, and config_check.c, which knows what they mean together.
 */
#ifndef MOA_GATEWAY_CONFIG_PRIVATE_H
#define MOA_GATEWAY_CONFIG_PRIVATE_H

#include "config.h"

struct config_fault {
    const char *path; /* of the key at fault; NULL: none is */
    char what[200];   /* behind the key's name: "cannot be ..." */
};

/**
 * Checks a configuration whose keys are in range, and fills what follows from several of them.
 * Returns 0, or -1 with `ret_fault`.
 */
int config_check(struct config *config, enum config_use use, struct config_fault *ret_fault);

#endif
