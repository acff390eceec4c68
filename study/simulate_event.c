/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap; see simulate_event.h.
 */
#include "simulate_event.h"

#include <stdlib.h>

static bool is_before(const struct event_entry *a, const struct event_entry *b)
{
    return a->at < b->at || (a->at == b->at && a->serial < b->serial);
}

bool event_push(struct event_heap *heap, double at, int kind, void *what)
{
    if (heap->n == heap->room) {
        const size_t room = heap->room ? 2 * heap->room : 256;
        struct event_entry *grown = realloc(heap->entries, room * sizeof(*grown));
        if (!grown)
            return false;
        heap->entries = grown;
        heap->room = room;
    }
    const struct event_entry entry = {at, heap->n_serials++, what, kind};
    struct event_entry *e = heap->entries;
    size_t i = heap->n++;
    for (; i > 0 && is_before(&entry, &e[(i - 1) / 2]); i = (i - 1) / 2)
        e[i] = e[(i - 1) / 2];
    e[i] = entry;
    return true;
}

const struct event_entry *event_first(const struct event_heap *heap)
{
    return &heap->entries[0];
}

struct event_entry event_pop(struct event_heap *heap)
{
    struct event_entry *e = heap->entries;
    const struct event_entry first = e[0];
    const struct event_entry last = e[--heap->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < heap->n; i = child) {
        if (child + 1 < heap->n && is_before(&e[child + 1], &e[child]))
            child++;
        if (!is_before(&e[child], &last))
            break;
        e[i] = e[child];
    }
    e[i] = last;
    return first;
}

void event_heap_done(struct event_heap *heap)
{
    free(heap->entries);
    *heap = (struct event_heap){NULL, 0, 0, 0};
}
