/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows from the journal's file to the stream, a batch at a time; see fleet_private.h. A row is in
 * one of three places: in the file alone, in the batch (sent, perhaps more than once, under one
 * id), or acknowledged. The next batch begins when all of the last is acknowledged, so that a row
 * that comes twice is at most a few batches behind the newest.
 */
#include "fleet_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define ANSWER_US INT64_C(10000000) /* without any answer: the connection is as good as down */
#define HEAR_MS 200

/* ---- from the file ---- */

static int take_row(const struct journal_row *row, void *arg)
{
    struct fleet *f = arg;
    struct fleet_parcel *parcel = &f->parcels[f->n_parcels];
    *parcel = (struct fleet_parcel){.sequence = row->sequence};
    FILE *out = open_memstream(&parcel->text, &parcel->n);
    if (!out)
        return -1;
    journal_print_told(row, f->view.box, f->view.journal, out);
    if (fclose(out)) {
        free(parcel->text);
        return -1;
    }
    f->n_parcels++;
    return f->n_parcels == FLEET_BATCH_ROWS;
}

void fleet_outbox_done(struct fleet *f)
{
    for (size_t i = 0; i < f->n_parcels; i++)
        free(f->parcels[i].text);
    f->n_parcels = 0;
}

static void note_waiting(struct fleet *f, const struct journal_outbox *outbox)
{
    const int64_t gone = outbox->first > 0 ? outbox->first - 1 : outbox->last;
    const int64_t from = f->acknowledged > gone ? f->acknowledged : gone;
    pthread_mutex_lock(&f->lock);
    f->view.waiting = outbox->last > from ? outbox->last - from : 0;
    pthread_mutex_unlock(&f->lock);
}

void fleet_outbox_look(struct fleet *f)
{
    char why[FLEET_WHY_BYTES];
    struct journal_outbox outbox;
    if (!journal_read_outbox(f->path, &outbox, why, sizeof(why)))
        note_waiting(f, &outbox);
}

/* The journal is gone if the end could not wait for this thread. */
static uint64_t n_written(struct fleet *f)
{
    struct journal_counts counts = {.written = f->seen_written};
    pthread_mutex_lock(&f->lock);
    if (f->journal)
        journal_count(f->journal, &counts);
    pthread_mutex_unlock(&f->lock);
    return counts.written;
}

/* The next rows, which are on the disk before they are told. */
static int fill(struct fleet *f, char *why, size_t n)
{
    struct journal_outbox outbox;
    const uint64_t written = n_written(f);
    if (!f->has_more && written == f->seen_written)
        return 0;
    struct journal_filter filter = journal_filter_all(FLEET_BATCH_ROWS);
    filter.after_sequence = f->acknowledged;
    filter.takes_oldest = true;
    if (journal_read(f->path, &filter, take_row, f, why, n) ||
        journal_read_outbox(f->path, &outbox, why, n) || journal_make_durable(f->path, why, n)) {
        fleet_outbox_done(f);
        return -1;
    }
    f->seen_written = written;
    f->has_more = f->n_parcels == FLEET_BATCH_ROWS;
    note_waiting(f, &outbox);
    return 0;
}

/* ---- to the stream ---- */

static int64_t rate_of(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    const int64_t rate = f->bytes_per_s;
    pthread_mutex_unlock(&f->lock);
    return rate;
}

/* True: it ends. */
static bool wait_for_room(struct fleet *f, size_t n)
{
    for (;;) {
        const int64_t wait_us =
            fleet_pace_wait_us(&f->pace, rate_of(f), n, atomic_load(&f->upload_us), fleet_now_us());
        if (wait_us == 0)
            return false;
        if (fleet_pause(f, wait_us))
            return true;
    }
}

static int send_parcel(struct fleet *f, const struct fleet_parcel *parcel)
{
    char id[CONFIG_FLEET_NAME_BYTES + 48];
    size_t n_bytes = 0;
    snprintf(id, sizeof(id), "%s-%s-%lld", f->view.box, f->view.journal,
             (long long)parcel->sequence);
    const struct moa_bytes data = {parcel->text, parcel->n};
    if (fleet_wire_publish(f->wire, f->names.rows, id, parcel->sequence, data, &n_bytes))
        return -1;
    pthread_mutex_lock(&f->lock);
    f->view.sent_bytes += n_bytes;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

#define AROUND_BYTES 320 /* subjects, id and header of a row, about */

/* How many were sent; -1: the connection is down. */
static int send_all(struct fleet *f)
{
    int n_sent = 0;
    for (size_t i = 0; i < f->n_parcels; i++) {
        if (f->parcels[i].is_stored)
            continue;
        if (wait_for_room(f, f->parcels[i].n + AROUND_BYTES))
            break;
        if (send_parcel(f, &f->parcels[i]))
            return -1;
        n_sent++;
    }
    return n_sent;
}

/* Whether it answers one of the batch. */
static bool take_answer(struct fleet *f, const struct fleet_heard *heard, char *why, size_t n)
{
    struct fleet_ack ack;
    fleet_ack_read(heard, &ack);
    for (size_t i = 0; i < f->n_parcels && ack.is_stored; i++)
        f->parcels[i].is_stored |= f->parcels[i].sequence == heard->tag;
    if (ack.is_stored)
        return heard->tag > 0;
    snprintf(why, n, "%s", ack.words);
    pthread_mutex_lock(&f->lock);
    f->view.refused++;
    pthread_mutex_unlock(&f->lock);
    if (heard->status == 503)
        f->is_made = false;
    return heard->tag > 0 || heard->status == 503;
}

/* 0: every answer is here; -1: the connection is as good as down. */
static int hear_all(struct fleet *f, int n_sent, char *why, size_t n)
{
    int64_t heard_us = fleet_now_us();
    while (n_sent > 0) {
        struct fleet_heard heard;
        const int result = fleet_wire_hear(f->wire, HEAR_MS, &heard);
        if (result < 0 || fleet_pause(f, 0) || fleet_now_us() - heard_us > ANSWER_US) {
            const char *complaint = fleet_wire_complaint(f->wire);
            snprintf(why, n, "%s", complaint[0] ? complaint : "no answer");
            return -1;
        }
        if (result > 0 && take_answer(f, &heard, why, n)) {
            n_sent--;
            heard_us = fleet_now_us();
        }
    }
    return 0;
}

/* Tells the journal up to where all are there. Returns how many of the batch are not. */
static size_t settle(struct fleet *f)
{
    size_t n_first = 0, n_left = 0;
    while (n_first < f->n_parcels && f->parcels[n_first].is_stored)
        n_first++;
    for (size_t i = n_first; i < f->n_parcels; i++)
        n_left += !f->parcels[i].is_stored;
    if (n_first == 0)
        return n_left;
    f->acknowledged = f->parcels[n_first - 1].sequence;
    for (size_t i = 0; i < n_first; i++)
        free(f->parcels[i].text);
    memmove(f->parcels, f->parcels + n_first, (f->n_parcels - n_first) * sizeof(f->parcels[0]));
    f->n_parcels -= n_first;
    pthread_mutex_lock(&f->lock);
    if (f->journal)
        journal_acknowledge(f->journal, f->acknowledged);
    f->view.published += n_first;
    f->view.waiting -= f->view.waiting > (int64_t)n_first ? (int64_t)n_first : f->view.waiting;
    f->view.acknowledged_us = fleet_now_us();
    pthread_mutex_unlock(&f->lock);
    return n_left;
}

enum fleet_step fleet_outbox_step(struct fleet *f, char *why, size_t n)
{
    if (f->n_parcels == 0 && fill(f, why, n))
        return FLEET_FAILED;
    if (f->n_parcels == 0)
        return FLEET_IDLE;
    snprintf(why, n, "the connection is down");
    const int n_sent = send_all(f);
    const int result = n_sent < 0 ? -1 : hear_all(f, n_sent, why, n);
    const size_t n_left = settle(f);
    return result ? FLEET_DOWN : n_left > 0 ? FLEET_FAILED : FLEET_SENT;
}
