/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of spans; see exporter.h. One batch is under way at a time. Its spans stay in the queue
 * until the collector has answered, and a collector that is away or busy gets them again, later and
 * later; what it refuses it does not get twice. That is how OTLP wants it.
 */
#include "exporter.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>

#include <moaoff/moaoff.h>

#include "buffer.h"
#include "log.h"
#include "otlp.h"
#include "upstream.h"

#define DELAY_MS 1000 /* from the first span of a batch to its departure, unless it is full */
#define BATCH_SPANS 2048
#define BATCH_BYTES (1 << 20)
#define QUEUE_SPANS 16384
#define QUEUE_BYTES (8 << 20)
#define CHUNK_COST 64 /* bytes that the heap takes beside those of a chunk */
#define RETRY_MS_MIN 1000
#define RETRY_MS_MAX 30000
#define CONNECT_TIMEOUT_MS 2000
#define ANSWER_TIMEOUT_MS 10000
#define FLUSH_MS 5000
#define ANSWER_BYTES (64 << 10)
#define HEAD_BYTES 4096
#define HEADERS_MAX 16

/* The spans of one request. */
struct chunk {
    TAILQ_ENTRY(chunk) others;
    char *json;
    size_t n, n_spans;
};

struct exporter {
    struct event_base *base;
    struct upstream *upstream;
    struct exporter_options options;
    struct json_out head;
    TAILQ_HEAD(, chunk) queue; /* the oldest first */
    size_t n_bytes, n_spans;   /* in the queue */
    struct event timer;
    int64_t retry_ms; /* 0: the last batch needs no other try */
    bool is_failing;  /* it was said that spans do not arrive */
    struct exporter_counts counts;

    struct upstream_call *call; /* NULL: no batch is under way */
    size_t n_chunks;            /* of the batch */
    struct moa_bytes *segments;
    int status;
    unsigned retry_after_s;
    struct buffer answer;

    void (*on_flushed)(void *arg); /* NULL: it is not flushed */
    void *arg;
    struct event flush_timer;
};

static void set_timer(struct event *timer, int64_t ms)
{
    const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(timer, &after);
}

/* ---- the queue ---- */

/* The oldest `n_chunks`, whatever became of them. Returns how many spans they were. */
static size_t take_out(struct exporter *e, size_t n_chunks)
{
    size_t n_spans = 0;
    for (; n_chunks > 0; n_chunks--) {
        struct chunk *c = TAILQ_FIRST(&e->queue);
        TAILQ_REMOVE(&e->queue, c, others);
        e->n_bytes -= c->n + CHUNK_COST;
        n_spans += c->n_spans;
        free(c->json);
        free(c);
    }
    e->n_spans -= n_spans;
    return n_spans;
}

static void drop_all(struct exporter *e)
{
    if (e->call)
        upstream_cancel(e->call);
    e->call = NULL;
    free(e->segments);
    e->segments = NULL;
    buffer_done(&e->answer);
    while (!TAILQ_EMPTY(&e->queue))
        e->counts.dropped += take_out(e, 1);
}

void exporter_drop(struct exporter *e, size_t n_spans)
{
    e->counts.dropped += n_spans;
}

static bool is_full(const struct exporter *e, size_t n, size_t n_spans)
{
    return e->n_spans + n_spans > QUEUE_SPANS || e->n_bytes + n + CHUNK_COST > QUEUE_BYTES;
}

void exporter_add(struct exporter *e, char *json, size_t n, size_t n_spans)
{
    struct chunk *c =
        json && e->options.url[0] && !is_full(e, n, n_spans) ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        free(json);
        exporter_drop(e, n_spans);
        return;
    }
    *c = (struct chunk){.json = json, .n = n, .n_spans = n_spans};
    TAILQ_INSERT_TAIL(&e->queue, c, others);
    e->n_bytes += n + CHUNK_COST;
    e->n_spans += n_spans;
    if (e->call || e->retry_ms > 0)
        return; /* they go with the next batch */
    if (e->n_spans >= BATCH_SPANS || e->n_bytes >= BATCH_BYTES)
        set_timer(&e->timer, 0);
    else if (!event_pending(&e->timer, EV_TIMEOUT, NULL))
        set_timer(&e->timer, DELAY_MS);
}

/* ---- the answer ---- */

static void send_batch(struct exporter *e);

static void end_flush(struct exporter *e)
{
    void (*on_flushed)(void *arg) = e->on_flushed;
    e->on_flushed = NULL;
    event_del(&e->flush_timer);
    if (on_flushed)
        on_flushed(e->arg);
}

static void on_flush_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    end_flush(arg);
}

static void on_head(const struct upstream_head *head, void *arg)
{
    struct exporter *e = arg;
    e->status = head->status;
    e->retry_after_s = head->retry_after_s;
}

/* An answer that is too long is not read: its status says enough. */
static enum upstream_flow on_body(struct moa_bytes bytes, void *arg)
{
    struct exporter *e = arg;
    if (buffer_add(&e->answer, bytes.p, bytes.n))
        buffer_done(&e->answer);
    return UPSTREAM_GO;
}

static bool may_come_right(const struct exporter *e, const struct upstream_result *result)
{
    return result->end != UPSTREAM_COMPLETE || e->status == 429 ||
           (e->status >= 502 && e->status <= 504);
}

/* What the collector asks for, or twice as long as the last time, and a little more by chance. */
static void wait_longer(struct exporter *e)
{
    uint16_t random = 0;
    const int64_t last_ms = e->retry_ms;
    const int64_t asked_ms = (int64_t)e->retry_after_s * 1000;
    e->retry_ms = last_ms == 0 ? RETRY_MS_MIN : 2 * last_ms;
    e->retry_ms = e->retry_ms > RETRY_MS_MAX ? RETRY_MS_MAX : e->retry_ms;
    evutil_secure_rng_get_bytes(&random, sizeof(random));
    set_timer(&e->timer,
              (asked_ms > e->retry_ms ? asked_ms : e->retry_ms) + e->retry_ms * random / 262144);
}

static void say_failing(struct exporter *e, const char *why)
{
    char status[32];
    if (e->is_failing)
        return;
    e->is_failing = true;
    snprintf(status, sizeof(status), "status %d", e->status);
    log_event(LOG_LEVEL_WARN, "traces-failing", "endpoint=%s error=%s", log_quote(e->options.url).s,
              log_quote(why[0] ? why : status).s);
}

static void take_answer(struct exporter *e, size_t n_spans)
{
    char why[160] = "";
    const bool is_taken = e->status >= 200 && e->status < 300;
    uint64_t rejected = n_spans;
    if (is_taken)
        rejected = otlp_rejected(buffer_bytes(&e->answer), why, sizeof(why));
    rejected = rejected > n_spans ? n_spans : rejected;
    e->counts.rejected += rejected;
    e->counts.sent += n_spans - rejected;
    e->retry_ms = 0;
    if (rejected > 0)
        say_failing(e, why);
    else if (e->is_failing)
        log_event(LOG_LEVEL_INFO, "traces-again", "endpoint=%s", log_quote(e->options.url).s);
    e->is_failing = rejected > 0;
}

static void on_done(const struct upstream_result *result, void *arg)
{
    struct exporter *e = arg;
    const bool again = may_come_right(e, result);
    e->call = NULL;
    free(e->segments);
    e->segments = NULL;
    if (again) {
        say_failing(e, result->message);
        wait_longer(e);
    } else {
        take_answer(e, take_out(e, e->n_chunks));
    }
    buffer_done(&e->answer);
    const bool is_over = again || TAILQ_EMPTY(&e->queue);
    if (e->on_flushed && is_over)
        end_flush(e);
    else if (!is_over)
        set_timer(&e->timer, e->on_flushed || e->n_spans >= BATCH_SPANS || e->n_bytes >= BATCH_BYTES
                                 ? 0
                                 : DELAY_MS);
}

/* ---- sending ---- */

static const struct upstream_callbacks callbacks = {on_head, on_body, on_done};

/* How many of the oldest chunks are a batch: at least one. */
static size_t size_batch(const struct exporter *e, uint64_t *ret_bytes)
{
    size_t n = 0, n_spans = 0;
    uint64_t bytes = 0;
    const struct chunk *c;
    TAILQ_FOREACH(c, &e->queue, others)
    {
        n_spans += c->n_spans;
        if (n > 0 && (n_spans > BATCH_SPANS || bytes + c->n > BATCH_BYTES))
            break;
        bytes += c->n + (n > 0);
        n++;
    }
    *ret_bytes = bytes + e->head.text.n + strlen(otlp_tail);
    return n;
}

/* Head, chunks with commas between, tail. Returns how many segments. */
static size_t fill(struct exporter *e)
{
    size_t n = 0, k = 0;
    const struct chunk *c = TAILQ_FIRST(&e->queue);
    e->segments[n++] = buffer_bytes(&e->head.text);
    for (; k < e->n_chunks; k++, c = TAILQ_NEXT(c, others)) {
        if (k > 0)
            e->segments[n++] = (struct moa_bytes){",", 1};
        e->segments[n++] = (struct moa_bytes){c->json, c->n};
    }
    e->segments[n++] = (struct moa_bytes){otlp_tail, strlen(otlp_tail)};
    return n;
}

static size_t list_headers(const struct exporter *e, struct upstream_header list[HEADERS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < e->options.n_headers && n < HEADERS_MAX; i += 2)
        list[n++] = (struct upstream_header){e->options.headers[i], e->options.headers[i + 1]};
    return n;
}

static void send_batch(struct exporter *e)
{
    uint64_t bytes;
    struct upstream_header headers[HEADERS_MAX];
    e->n_chunks = size_batch(e, &bytes);
    e->segments = calloc(2 * e->n_chunks + 1, sizeof(*e->segments));
    const struct upstream_request request = {
        .url = e->options.url,
        .ca_file = e->options.ca_file,
        .headers = headers,
        .n_headers = list_headers(e, headers),
        .brief = true,
        .segments = e->segments,
        .n_segments = e->segments ? fill(e) : 0,
        .total_bytes = bytes,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .first_byte_timeout_ms = ANSWER_TIMEOUT_MS,
        .idle_timeout_ms = ANSWER_TIMEOUT_MS,
    };
    e->status = 0;
    e->retry_after_s = 0;
    e->answer = buffer_of(ANSWER_BYTES);
    e->call = e->segments ? upstream_send(e->upstream, &request, &callbacks, e) : NULL;
    if (e->call)
        return;
    free(e->segments);
    e->segments = NULL;
    wait_longer(e); /* for memory */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct exporter *e = arg;
    if (!e->call && !TAILQ_EMPTY(&e->queue))
        send_batch(e);
}

void exporter_flush(struct exporter *e, void (*on_flushed)(void *arg), void *arg)
{
    e->on_flushed = on_flushed;
    e->arg = arg;
    const bool is_empty = TAILQ_EMPTY(&e->queue);
    set_timer(&e->flush_timer, is_empty ? 0 : FLUSH_MS);
    if (!is_empty && !e->call)
        set_timer(&e->timer, 0);
}

/* ---- begin and end ---- */

void exporter_configure(struct exporter *e, const struct exporter_options *options)
{
    e->options = *options;
    e->retry_ms = 0;
    if (!options->url[0])
        drop_all(e);
    else if (!e->call && !TAILQ_EMPTY(&e->queue))
        set_timer(&e->timer, DELAY_MS);
}

/* Tells the processes of one machine, and the runs of one process, apart. */
static void make_head(struct exporter *e)
{
    char host[256] = "", instance[33] = "";
    unsigned char random[16];
    evutil_secure_rng_get_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(instance + 2 * i, sizeof(instance) - 2 * i, "%02x", random[i]);
    gethostname(host, sizeof(host) - 1);
    const struct otlp_resource resource = {moa_version(), instance, host};
    e->head = json_out_of(HEAD_BYTES);
    otlp_put_head(&e->head, &resource);
}

struct exporter *exporter_new(struct event_base *base, struct upstream *upstream)
{
    struct exporter *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->base = base;
    e->upstream = upstream;
    e->options.url = "";
    TAILQ_INIT(&e->queue);
    evtimer_assign(&e->timer, base, on_timer, e);
    evtimer_assign(&e->flush_timer, base, on_flush_timeout, e);
    make_head(e);
    if (!e->head.failed)
        return e;
    exporter_free(e);
    return NULL;
}

void exporter_free(struct exporter *e)
{
    if (!e)
        return;
    if (e->n_spans > 0)
        log_event(LOG_LEVEL_WARN, "traces-dropped", "spans=%zu", e->n_spans);
    drop_all(e);
    event_del(&e->timer);
    event_del(&e->flush_timer);
    buffer_done(&e->head.text);
    free(e);
}

struct exporter_counts exporter_counts(const struct exporter *e)
{
    struct exporter_counts counts = e->counts;
    counts.waiting = e->n_spans;
    return counts;
}
