/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff engine`: an OpenAI-compatible server that gives recorded answers in the time that a
 * profile says. See docs/records.md.
 */
#ifndef MOA_STUDY_REPLAY_H
#define MOA_STUDY_REPLAY_H

#include <stdint.h>

#include "replay_render.h"

struct replay_options {
    const char *records, *profile; /* files; profile NULL: at once */
    const char *model;             /* NULL: that of the first record */
    enum replay_dialect dialect;
    const char *host;
    uint16_t port; /* 0: any free one */
};

/** Serves until SIGINT or SIGTERM; prints its URL once it listens. 0, or -1 after saying why not.
 */
int replay_run(const struct replay_options *options);

#endif
