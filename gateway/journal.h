/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal: one row for every chat request that has ended, in a SQLite file. It has numbers,
 * names and reasons, never what was asked or answered. Rows are queued by the loop and written by a
 * thread of the journal's own; when the disk cannot follow, rows are dropped and counted, and the
 * loop never waits. Reading is for any thread and any process. Beside the rows of requests stand
 * those of audits, which are known later: each names its request by id and time.
 */
#ifndef MOA_GATEWAY_JOURNAL_H
#define MOA_GATEWAY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <moaoff/adaptive.h>
#include <moaoff/base.h>

/** A whole number that is not known. */
#define JOURNAL_UNKNOWN (-1)

/**
 * One row. Texts are "" and numbers JOURNAL_UNKNOWN or NaN where there is nothing to say. Every
 * number is of one of two types, so that one table in journal.c describes all columns.
 */
struct journal_row {
    int64_t sequence; /* 1, 2, ...; given by the journal */
    int64_t time_ms;  /* Unix time at which the request had arrived */
    const char *id;   /* x-request-id */
    const char *trace;
    const char *key;
    const char *policy;
    const char *settings; /* parameters that were not the defaults; see policy_words.h */
    const char *plan;
    const char *decision, *reasons, *scores; /* as in the headers of the answer */
    const char *fallback;
    const char *error;   /* its code, if the gateway answered with one */
    const char *calls;   /* the verdict on each: "edge=unfit, cloud.messages=answered" */
    const char *dialect; /* in which it came: "chat", "messages", ...; "": it is no chat */
    const char *stages;  /* microseconds in each: "perceive=812, answer=10233" */
    int64_t status;      /* of HTTP; 0: the client left before it had the whole answer */
    int64_t pinned, stream, images;
    const char *image_mode; /* how they were scored: "exact" or "fast"; "": none was */
    double edge_load, uplink_mbps;
    double confidence, threshold; /* of an answer of the edge that was scored; NaN: none was */
    int64_t edge_up, cloud_up;
    int64_t edge_bytes_up, cloud_bytes_up;
    int64_t edge_prompt_tokens, edge_completion_tokens;
    int64_t cloud_prompt_tokens, cloud_completion_tokens;
    double cost; /* of the cloud, by the prices of cloud.budget; NaN: there are none */
    int64_t overhead_us, first_byte_us, total_us;
    struct moa_bytes docket; /* see moaoff/docket.h; none: there was no decision */
};

/** What an audit of a request found: both tiers answered, and the answers were compared. */
struct journal_audit {
    int64_t sequence;                /* given by the journal */
    int64_t time_ms;                 /* of the request's row */
    const char *id;                  /* the same */
    int64_t lost;                    /* keeping the edge's answer would have been a loss */
    int64_t labelled;                /* somebody said what was right, and that counted */
    int64_t generation, generation2; /* serial numbers, as moa_routing.audit_of; 0: of none */
    double score;                    /* of the edge's answer when it was counted */
    int64_t form, streamed, sampled, tokens; /* that answer, as struct moa_answer has it */
    double p_min, p_first, p_top5;
    int64_t small_lost; /* the cloud was asked with smaller pictures too, and said another thing */
    double edge_ms, cloud_ms; /* from asked to the end; NaN: unknown */
    /* What the calls took that no client waited for; all NaN: there was none to that tier. */
    struct moa_call_times edge_times, cloud_times;
};

/** What somebody said was right for an audit: what its row says of `lost` from then on. */
struct journal_label {
    int64_t sequence; /* unused */
    int64_t time_ms;  /* of the audit's row */
    const char *id;   /* the same */
    int64_t lost;
};

/** What the cloud took in a minute for one purpose, all requests together, so that a budget goes on
 * after a restart. */
struct journal_spending {
    int64_t sequence; /* given by the journal */
    int64_t time_ms;  /* of when the minute began */
    const char *purpose;
    int64_t bytes, calls;
    double money;
};
#define JOURNAL_MINUTE_MS INT64_C(60000)
#define JOURNAL_SPENDING_MS (INT64_C(26) * 60 * JOURNAL_MINUTE_MS) /* how long it is kept */

/* ---- writing ---- */

struct journal;

struct journal_options {
    const char *path;
    int64_t max_age_ms;
    int64_t max_bytes;
    bool is_outbox; /* rows are also sent elsewhere, and it counts which of them are there */
};

struct journal_counts {
    uint64_t written;
    uint64_t dropped; /* the queue was full */
    uint64_t failed;  /* SQLite refused them: a full disk, say */
    uint64_t lost;    /* of an outbox: deleted by its bounds before they were acknowledged */
};

/** Opens or makes the file and starts the thread. 0, or -1 with `why` (of `n` bytes) filled. */
int journal_open(const struct journal_options *options, struct journal **ret_journal, char *why,
                 size_t n);

/** Writes what is queued, then closes. NULL is allowed. */
void journal_close(struct journal *journal);

/** Copies `row` into the queue. Never waits. */
void journal_add(struct journal *journal, const struct journal_row *row);

/** The same for what an audit found, in any order with the rows of requests. */
void journal_add_audit(struct journal *journal, const struct journal_audit *audit);

/** Changes the row of an audit that was added before. */
void journal_add_label(struct journal *journal, const struct journal_label *label);

/** Adds to what was spent in its minute, which is that of `time_ms`. */
void journal_add_spending(struct journal *journal, const struct journal_spending *spending);

/** Bounds that hold from now on; the path stays. */
void journal_set_bounds(struct journal *journal, const struct journal_options *options);

void journal_count(struct journal *journal, struct journal_counts *ret_counts);

/** All rows of requests up to `sequence` are elsewhere, too: has it written. Never waits. */
void journal_acknowledge(struct journal *journal, int64_t sequence);

/** What outlives the program beside the rows; all zero: nothing. */
struct journal_kept {
    void *state; /* what a policy has learned */
    size_t n_state;
    char *page; /* what it promises, as JSON */
};

/** Has it written in place of what was kept before; the newest is what counts. Takes ownership of
 * what is in it. Never waits. */
void journal_keep(struct journal *journal, const struct journal_kept *kept);
void journal_kept_done(struct journal_kept *kept);

/* ---- reading ---- */

struct journal_filter {
    int64_t after_sequence;  /* 0: from the first */
    int64_t before_sequence; /* 0: to the last */
    int64_t since_ms;
    const char *key, *plan; /* NULL: any */
    int64_t status_min, status_max;
    bool fallback_only;
    size_t limit; /* the newest, at most this many */
    bool newest_first;
    bool takes_oldest; /* the oldest, at most `limit`, instead, and those first */
};

/** Everything, oldest first, the newest `limit` rows of it. */
struct journal_filter journal_filter_all(size_t limit);

/**
 * Calls `take` with every row that passes; it is valid during the call, and a `take` that returns
 * not 0 ends the reading. 0, or -1 with `why` filled. Opens and closes the file itself.
 */
int journal_read(const char *path, const struct journal_filter *filter,
                 int (*take)(const struct journal_row *row, void *arg), void *arg, char *why,
                 size_t n);

/** What is kept in the file, for journal_kept_done(); all zero if nothing is. Else as above. */
int journal_read_kept(const char *path, struct journal_kept *ret_kept, char *why, size_t n);

struct journal_span {
    size_t n;                  /* rows */
    int64_t first_ms, last_ms; /* the earliest time among them, and the latest */
};

/** When those rows are of that journal_read() would read; the rest as above. */
int journal_read_span(const char *path, const struct journal_filter *filter,
                      struct journal_span *ret_span, char *why, size_t n);

/** The audits of requests from `since_ms` until `until_ms`, both of them in, by time; the rest as
 * above. None in a file of a version that had no audits. */
int journal_read_audits(const char *path, int64_t since_ms, int64_t until_ms,
                        int (*take)(const struct journal_audit *audit, void *arg), void *arg,
                        char *why, size_t n);

/** What was spent from `since_ms` on, as the audits. */
int journal_read_spending(const char *path, int64_t since_ms,
                          int (*take)(const struct journal_spending *spending, void *arg),
                          void *arg, char *why, size_t n);

/** Which rows of an outbox are acknowledged, and which there are. */
struct journal_outbox {
    char file[17];        /* a name by chance, of this file and no other */
    int64_t acknowledged; /* the sequence up to which all are; 0: none */
    int64_t first, last;  /* sequences in the file; 0: there are none */
};

/** The rest as journal_read_kept(); -1 also if the file is no outbox. */
int journal_read_outbox(const char *path, struct journal_outbox *ret_outbox, char *why, size_t n);

/** Has what was read of the file survive a power failure: what was told elsewhere must not be
 * forgotten here, or its sequence would be given twice. 0, or -1 with `why`. */
int journal_make_durable(const char *path, char *why, size_t n);

/** What of a row may leave the box, as one JSON object without a newline: nothing that a client
 * wrote, and no key, id, trace or hash. `box` and `file` say whose row it is. */
void journal_print_told(const struct journal_row *row, const char *box, const char *file,
                        FILE *out);
/** The columns that it has, in their order; NULL at the end. */
const char *journal_told_name(size_t i);

/** One JSON object, without a newline; the docket, taken apart, only if asked for. */
void journal_print_json(const struct journal_row *row, bool with_docket, FILE *out);
/** One line of comma-separated values, RFC 4180; `row` NULL: the names of the columns. Without the
 * docket. */
void journal_print_csv(const struct journal_row *row, FILE *out);

#endif
