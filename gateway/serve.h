/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the gateway: assembly, the loop, signals. Called by `moaoff serve`.
 */
#ifndef MOA_GATEWAY_SERVE_H
#define MOA_GATEWAY_SERVE_H

#include <stddef.h>

#include "rerun.h"

struct config;
struct config_override;

/**
 * Serves until SIGTERM or SIGINT; SIGHUP reads `path` again, with `overrides` over it. `config` is
 * what has been read from them; takes ownership. `rerun` does what GET /v1/replay asks for. Returns
 * the program's exit status.
 */
int serve_run(const char *path, const struct config_override *overrides, struct config *config,
              rerun_function *rerun);

/**
 * Whether the files that `config` names (keys, certificates) are in order: 0, or -1 with `why` (of
 * `n` bytes) filled. Takes ownership of `config`.
 */
int serve_check(struct config *config, char *why, size_t n);

#endif
