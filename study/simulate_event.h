/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to happen, by when: a binary heap. Equal times come out in the order in which they went
 * in, so a simulation is the same every time. It allocates only when it grows. Pure.
 */
#ifndef MOA_STUDY_SIMULATE_EVENT_H
#define MOA_STUDY_SIMULATE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_entry {
    double at; /* what it is sorted by: microseconds, or another quantity that only grows */
    uint64_t serial;
    void *what;
    int kind; /* the caller's */
};

/** Zeroed memory is empty. */
struct event_heap {
    struct event_entry *entries;
    size_t n, room;
    uint64_t n_serials;
};

/** False if out of memory; nothing has changed then. */
bool event_push(struct event_heap *heap, double at, int kind, void *what);
/** The first one; `heap` is not empty. */
const struct event_entry *event_first(const struct event_heap *heap);
/** Takes the first one out; `heap` is not empty. */
struct event_entry event_pop(struct event_heap *heap);
void event_heap_done(struct event_heap *heap);

#endif
