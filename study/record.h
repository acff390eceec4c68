/* SPDX-License-Identifier: Apache-2.0
 *
 * What an evaluation writes and a report reads: one line of JSON for every request in
 * DIR/requests.jsonl, and one for every pass of a policy over a set in DIR/passes.jsonl.
 */
#ifndef MOA_STUDY_RECORD_H
#define MOA_STUDY_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataset.h"

/** Under which a request was made. Requests of equal conditions and policies are one sample. */
struct condition {
    const char *dataset;
    const char *policy;
    const char *load; /* "rate=2" (a second) or "concurrency=1" */
    double link_mbps; /* NaN: not said */
    uint64_t seed;
};

/** One request. Strings are borrowed, by a reader from the record's own document. */
struct record {
    struct condition condition;
    const char *item, *category;
    const char *scorer; /* "vqa2021": of several answers; "" for other items */
    bool ok;
    const char *error; /* "" if ok */
    int64_t status;
    const char *plan, *decision, *scores, *reason, *state, *fallback;
    const char *answer;
    double correct;                                              /* in [0, 1]; NaN: not scored */
    double scheduled_s, late_ms, ttft_ms, total_ms, overhead_us; /* NaN: unknown */
    double bytes_up, bytes_down;
    double prompt_tokens, completion_tokens;
    double cpu_s[2], peak_bytes[2]; /* by enum moa_tier, from start to end of this request */
    struct item_features features;
};

/** What one pass of a policy over a set took in all. */
struct pass {
    struct condition condition;
    double wall_s;
    uint64_t n_done, n_failed, n_before; /* n_before: done by earlier runs */
    uint64_t dataset_faults;
    bool interrupted;
    double cpu_s[2], peak_bytes[2], prompt_tokens[2], completion_tokens[2], n_params[2];
    double sent_bytes[2], received_bytes[2];
    const char *asked_for;       /* the policy's name, whatever its label */
    const char *settings;        /* "paper.tau_image=0.41": of policies, not at their defaults */
    const char *begun, *version; /* "2026-11-27T12:00:00Z"; of moaoff */
    const char *machine;         /* "Intel Xeon, 2 cores, Linux 6.1" */
    double n_wanted;             /* requests, those of earlier runs too; NaN: not written down */
};

/** Appends a line and flushes it. 0, or -1 with errno. */
int record_write(FILE *out, const struct record *record);
int pass_write(FILE *out, const struct pass *pass);

/** Everything that was read; strings live as long as it does. */
struct records {
    struct record *records;
    size_t n, room;
    struct pass *passes;
    size_t n_passes, passes_room;
    void **docs;
    size_t n_docs, docs_room;
    size_t n_bad; /* lines that are none: the last one of a run that was killed */
};

/**
 * Adds DIR/requests.jsonl and DIR/passes.jsonl. Of several records of the same item under the same
 * condition the last one counts, a later failure not over an earlier success. 0; 1 if DIR has no
 * requests.jsonl; -1 if out of memory.
 */
int records_read(const char *folder, struct records *records);
void records_done(struct records *records);

/** By question, then by rotation: "12", "12#1", "12 b". */
int record_compare_items(const char *a, const char *b);
/** Rotations of one question, asked in one pass; or the same request. */
bool record_same_question(const struct record *a, const struct record *b);

bool condition_equal(const struct condition *a, const struct condition *b);

#endif
