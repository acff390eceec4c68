/* SPDX-License-Identifier: Apache-2.0
 *
 * Many jobs on several threads, finished in the order they came in and with a bounded number under
 * way: a million files need no more memory than a few.
 */
#ifndef MOAOFF_CLI_BATCH_H
#define MOAOFF_CLI_BATCH_H

#include <stdbool.h>

struct batch_ops {
    /** The next job, or NULL if there is none left. Called by the thread that runs the batch. */
    void *(*next)(void *user);
    /** Does a job; called by any thread, for several jobs at once. */
    void (*work)(void *user, void *job);
    /** Takes a finished job and frees it; called like next(), in the order of the jobs. */
    void (*done)(void *user, void *job);
};

/** How many jobs `n_threads` (0: one for each core) stands for; at least 1. */
unsigned batch_threads(unsigned n_threads);

/** Runs until next() gives no more and all are done; false if out of memory or threads. */
bool batch_run(const struct batch_ops *ops, void *user, unsigned n_threads);

#endif
