/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of a journal decided again: hindsight.h fed from the file. For `moaoff replay`, and for
 * GET /v1/replay of a gateway that serves.
 */
#ifndef MOA_STUDY_REDECIDE_H
#define MOA_STUDY_REDECIDE_H

#include "gateway/config.h"
#include "gateway/journal.h"
#include "gateway/rerun.h"

#include "hindsight.h"

struct redecision {
    struct hindsight *hindsight;
    struct moa_docket_room *room;
    struct named_audit *audits;
    size_t n_audits, audits_room;
    size_t n_rows, n_without, n_unreadable; /* dockets */
    char unreadable[120];                   /* why, of the last */
    int64_t first_ms, last_ms;
    bool failed;
};

/** -1 if out of memory; redecision_done() in any case. */
int redecision_init(struct redecision *redecision, const struct budget_terms *prices);
void redecision_done(struct redecision *redecision);

/** One more policy, before the rows are read: "NAME" or "NAME:KEY=VALUE,...", beginning with what
 * `config` says. 0, or -1 with `why` filled. */
int redecision_ask(struct redecision *redecision, const char *policy, const struct config *config,
                   char *why, size_t n);

/** 0, or -1 with `why` filled. */
int redecision_read(struct redecision *redecision, const char *path,
                    const struct journal_filter *filter, char *why, size_t n);

/** To be freed with free(); NULL if out of memory. */
char *redecision_json(const struct redecision *redecision, bool is_pretty, size_t *ret_n);

/** All of it at once: a rerun_function. */
int redecide(const struct rerun_question *question, char **ret_json, size_t *ret_n, char *why,
             size_t n);

#endif
