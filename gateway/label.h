/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits that wait for somebody to say what the right answer was. Each leaves once, in the order in
 * which they came: one that was counted earlier because edge and cloud agreed would make the rest
 * look better than it is. Loop thread only; the time is passed in.
 */
#ifndef MOA_GATEWAY_LABEL_H
#define MOA_GATEWAY_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <moaoff/policy.h>

#define LABELS_MAX 1024
#define LABEL_TEXT_BYTES 4096 /* of an answer; a longer one is equal to no truth */

/** An audit, as it is found; all is borrowed. */
struct label_audit {
    const char *id;           /* x-request-id */
    const char *key;          /* the name of who asked; "" if no key is asked for */
    struct moa_audit audit;   /* `lost`: edge and cloud differ */
    struct moa_bytes text[2]; /* of the answers, by enum moa_tier; p NULL: an error, a tool call */
    bool kept;                /* the client got the edge's answer */
    int64_t time_ms;          /* of its row in the journal */
    bool is_open;             /* they differ as texts; label_judged() says whether in meaning too */
};

/** The same, when it leaves. */
struct label_found {
    char id[65];
    int64_t time_ms;
    struct moa_audit audit;
    bool has_label, kept;
};

struct label_entry;

/** Zeroed memory: none wait. */
struct labels {
    struct label_entry *entries; /* a ring of LABELS_MAX, made with the first audit */
    size_t first, n;
};

/** False if there is no room or no memory: count it now, after all that wait. */
bool label_wait(struct labels *labels, const struct label_audit *audit, int64_t now_us);

/** Whether an audit of this scene and question waits. */
bool label_waits(const struct labels *labels, uint64_t scene, uint64_t text);

/**
 * The right answer to a request of `key`. False if no audit of it waits. The audit is lost then if
 * the cloud is right and the edge is wrong; where that cannot be told, it stays what it is.
 */
bool label_tell(struct labels *labels, const char *id, const char *key, const char *truth);

/** What was said of one that is open: not lost if both mean the same. Nothing if none waits. */
void label_judged(struct labels *labels, uint64_t scene, uint64_t text, bool same);

/** Takes the oldest if it is not open, and has its label or has come before `due_us`; LABEL_ANY:
 * whatever it waits for. False: there is none such. */
#define LABEL_ANY INT64_MAX
bool label_next(struct labels *labels, int64_t due_us, struct label_found *ret_found);

void labels_done(struct labels *labels);

#endif
