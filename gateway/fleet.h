/* SPDX-License-Identifier: Apache-2.0
 *
 * The box in its fleet: a thread that sends the journal's rows to JetStream, in order, each until
 * it is acknowledged, and the box's last word about itself. Requests know nothing of it, and the
 * loop never waits for it: what cannot be sent stays in the journal. Every function is the loop's.
 */
#ifndef MOA_GATEWAY_FLEET_H
#define MOA_GATEWAY_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct fleet;
struct journal;

/** What it does, for people. */
struct fleet_view {
    char box[CONFIG_FLEET_NAME_BYTES], group[CONFIG_FLEET_NAME_BYTES];
    char journal[17]; /* the file's name by chance; see struct journal_outbox */
    bool is_connected;
    uint64_t published;      /* rows acknowledged since the start */
    uint64_t refused;        /* answers that were no acknowledgement */
    uint64_t connects;       /* connections made */
    uint64_t sent_bytes;     /* of rows, with what is around them */
    int64_t waiting;         /* rows that are not acknowledged */
    int64_t acknowledged_us; /* when one was last; 0: none yet */
    char error[160];         /* what is wrong now; "": nothing */
};

/** Starts the thread. 0, or -1 with `why` (of `n` bytes) filled. */
int fleet_open(const struct config *config, struct journal *journal, struct fleet **ret_fleet,
               char *why, size_t n);

/** Ends it; what was not sent is sent after the next start. NULL is allowed, here and below. */
void fleet_close(struct fleet *fleet);

/** A rate that holds from now on. */
void fleet_set_rate(struct fleet *fleet, int64_t bytes_per_s);

/** The gateway uploads to the cloud (or has just ended to), and the fleet is to wait. */
void fleet_note_upload(struct fleet *fleet, bool is_over);

/** The box's last word, a JSON object, to be freed with free(): takes ownership. */
void fleet_tell(struct fleet *fleet, char *words);

void fleet_look(struct fleet *fleet, struct fleet_view *ret_view);

#endif
