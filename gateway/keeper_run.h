/* SPDX-License-Identifier: Apache-2.0
 *
 * For keeper.c: starts what `edge.command` says, with what it may know.
 */
#ifndef MOA_GATEWAY_KEEPER_RUN_H
#define MOA_GATEWAY_KEEPER_RUN_H

#include "child.h"

struct gateway;

/** NULL with what is wrong in `ret_why`, of `n` bytes. */
struct child *keeper_run(const struct gateway *gateway, const struct child_events *events,
                         void *arg, char *ret_why, size_t n);

#endif
