/* SPDX-License-Identifier: Apache-2.0
 *
 * What other policies would have done with the requests of a journal. Each row is decided again
 * from its docket, by the policy that decided it at the time and by each that is asked about, in
 * the order of the rows; what was measured stands for what is done again, and estimates, which are
 * counted, for what is not. Pure but for memory; `moaoff replay` reads the journal and prints.
 */
#ifndef MOA_STUDY_HINDSIGHT_H
#define MOA_STUDY_HINDSIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <moaoff/docket.h>

#include "gateway/budget.h"

#include "stats.h"

#define HINDSIGHT_POLICIES_MAX 32
#define HINDSIGHT_ROWS_MAX 10000000

/** What became of a request. */
enum hindsight_path {
    HINDSIGHT_KEPT,      /* the edge answered, */
    HINDSIGHT_ESCALATED, /* or it did, was not sure enough, and the cloud was asked */
    HINDSIGHT_CLOUD,     /* the cloud answered alone */
    HINDSIGHT_SPLIT,     /* one described for the other */
};
#define HINDSIGHT_PATHS 4

/** An audit of a row, if there was one. */
struct hindsight_audit {
    bool lost;
    bool has_small, small_lost; /* as of struct moa_audit */
    struct moa_answer answer;   /* of the edge */
    bool called[2];             /* by tier: behind the client's back, which took: */
    struct moa_call_times times[2];
};

/** A row of a journal; all is borrowed. */
struct hindsight_row {
    const char *policy, *words; /* who decided, and with which parameters (policy_words.h) */
    const struct moa_docket *docket;
    enum moa_plan done; /* how it was executed after all, */
    enum moa_tier tier; /* and which tier answered */
    double total_ms;    /* to the end of a good answer; NaN: there was none */
    double cloud_bytes, cloud_prompt_tokens, cloud_completion_tokens; /* NaN: not known */
    const struct hindsight_audit *audit;                              /* NULL: none */
};

struct hindsight;

/** `prices`: what the cloud costs; copied. NULL if out of memory. */
struct hindsight *hindsight_new(const struct budget_terms *prices);
void hindsight_free(struct hindsight *hindsight);

/**
 * One more policy to ask, before the first row: `settings` are what it begins with, `words` what is
 * set otherwise. 0, or -1 with `why` filled.
 */
int hindsight_ask(struct hindsight *hindsight, const char *name, const char *words,
                  const struct moa_policy_setting *settings, char *why, size_t n);

/** The next row. 0, or -1 if out of memory, or there are too many. */
int hindsight_take(struct hindsight *hindsight, const struct hindsight_row *row);

/** How the rows' own policies decide them now. */
struct hindsight_again {
    size_t n;          /* rows that were decided again: bit for bit the same, but for */
    size_t n_differ;   /* so many; */
    size_t n_learning; /* and those of policies that had learned, which are not */
};

struct hindsight_figures {
    const char *label; /* NULL: what was done */
    size_t n;          /* rows */
    size_t n_of[HINDSIGHT_PATHS];
    size_t n_drawn;     /* of them the edge's score is not known: by the rate of the others */
    size_t n_unknown;   /* the same, but there are no others: in none of the paths */
    size_t n_otherwise; /* decided otherwise than they were */
    double bytes_up;    /* to the cloud */
    double cost;        /* NaN: there are no prices */
    double mean_ms, p95_ms;
    size_t n_timed, n_measured; /* rows that have a time, and that took it */
    struct estimate agreement;  /* with the cloud, by audits; NaN: there were none */
    size_t n_audits;
};

void hindsight_again(const struct hindsight *hindsight, struct hindsight_again *ret_again);

/** Figures of the `i`-th policy that was asked, from 1 on, and of what was done: 0. False past the
 * last, and if out of memory. */
bool hindsight_figures(const struct hindsight *hindsight, size_t i,
                       struct hindsight_figures *ret_figures);

#endif
