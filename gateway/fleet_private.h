/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of fleet.c, for it and fleet_outbox.c.
 */
#ifndef MOA_GATEWAY_FLEET_PRIVATE_H
#define MOA_GATEWAY_FLEET_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fleet.h"
#include "fleet_pace.h"
#include "fleet_stream.h"

#define FLEET_BATCH_ROWS 64
#define FLEET_WHY_BYTES 256

/** A row on its way. */
struct fleet_parcel {
    int64_t sequence;
    char *text;
    size_t n;
    bool is_stored;
};

struct fleet {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, and of is_ending */
    pthread_cond_t wake;
    char *words; /* to be told; NULL: nothing new */
    int64_t bytes_per_s;
    struct fleet_view view;
    struct journal *journal; /* NULL: it is closed */

    _Atomic int64_t upload_us; /* when an upload was seen last; 0: there is none */

    /* The thread's. */
    char *path; /* of the journal */
    char *access_texts[7];
    struct fleet_access access;
    struct fleet_names names;
    struct fleet_wire *wire;
    struct fleet_pace pace;
    struct fleet_parcel parcels[FLEET_BATCH_ROWS];
    size_t n_parcels;
    int64_t acknowledged;  /* sequence */
    uint64_t seen_written; /* rows of the journal when it was read last */
    int64_t pause_ms;      /* after a failure, growing */
    char name[16 + CONFIG_FLEET_NAME_BYTES];
    bool has_more;   /* the journal had more rows than a batch */
    bool is_made;    /* the streams are there */
    bool is_failing; /* said once */
    bool is_ending;
};

int64_t fleet_now_us(void);

/** Waits so long, or until the end. True: it ends. */
bool fleet_pause(struct fleet *fleet, int64_t us);

enum fleet_step {
    FLEET_IDLE, /* nothing to send */
    FLEET_SENT, /* a batch is through */
    FLEET_FAILED,
    FLEET_DOWN, /* the connection is, or is as good as */
};

/** Sends a batch of rows and waits for its answers; `why` is filled if it does not succeed. */
enum fleet_step fleet_outbox_step(struct fleet *fleet, char *why, size_t n);

/** Looks how many rows wait while none can be sent. */
void fleet_outbox_look(struct fleet *fleet);

void fleet_outbox_done(struct fleet *fleet);

#endif
