/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass of one policy over a set: when each request is sent, and what is written down of it.
 */
#ifndef MOA_STUDY_RUN_H
#define MOA_STUDY_RUN_H

#include "plan.h"
#include "record.h"

struct run {
    const struct eval_options *options;
    struct dataset *set;
    const bool *done; /* by item: an earlier run has it */
    double begun_s; /* when the latest request of earlier runs was due; this one's come after it */
    struct condition condition;
    const char *policy; /* to ask for; the condition has its label */
    FILE *requests;     /* DIR/requests.jsonl */
    FILE *answers;      /* for engines that replay; NULL: none are kept */
    bool show_progress;
};

/**
 * Sends what is not done. Fills the counts and the wall time of `pass`. Returns 0, or -1 if the
 * records could not be written or there was no memory (said on standard error).
 */
int run_policy(const struct run *run, struct pass *pass);

#endif
