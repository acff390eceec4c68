/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans on their way to a collector, in batches, as OTLP over HTTP in JSON. What waits is bounded
 * in number and bytes: while the collector is away or slow, what is new is dropped and counted, and
 * nobody waits. Loop thread only.
 */
#ifndef MOA_GATEWAY_EXPORTER_H
#define MOA_GATEWAY_EXPORTER_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct exporter;
struct upstream;

struct exporter_options {
    const char *url; /* "": spans are dropped, as nobody wants them */
    const char *ca_file;
    char *const *headers; /* name, value, name, value, ... */
    size_t n_headers;     /* texts, twice the headers */
};

/** What became of spans. */
struct exporter_counts {
    uint64_t sent;
    uint64_t dropped;  /* no room, or nobody took them before the end */
    uint64_t rejected; /* the collector does not want them */
    size_t waiting;
};

/** Without a collector. NULL if out of memory. */
struct exporter *exporter_new(struct event_base *base, struct upstream *upstream);

/** Drops what waits. NULL is allowed. */
void exporter_free(struct exporter *exporter);

/** From now on to this collector. Its texts are borrowed until the next call of this function. */
void exporter_configure(struct exporter *exporter, const struct exporter_options *options);

/** Takes ownership of `json`, which is `n_spans` spans with commas between; NULL: there was no
 * memory for them. */
void exporter_add(struct exporter *exporter, char *json, size_t n, size_t n_spans);

/** Spans that could not be written down. */
void exporter_drop(struct exporter *exporter, size_t n_spans);

/** Sends what waits, without a second try. `on_flushed` is called once that is over, from the loop,
 * in any case after five seconds. */
void exporter_flush(struct exporter *exporter, void (*on_flushed)(void *arg), void *arg);

struct exporter_counts exporter_counts(const struct exporter *exporter);

#endif
