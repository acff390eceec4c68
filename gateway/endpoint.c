/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints and their breakers; see endpoint.h.
 */
#include "endpoint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- breaker ---- */

static bool admits(const struct breaker *b)
{
    return b->state == BREAKER_CLOSED || (b->state == BREAKER_HALF_OPEN && !b->trial);
}

static void open_until(struct breaker *b, int64_t retry_us)
{
    b->state = BREAKER_OPEN;
    b->trial = false;
    b->retry_us = retry_us;
}

static void alive(struct breaker *b, int64_t now_us)
{
    b->state = BREAKER_CLOSED;
    b->trial = false;
    b->alive_us = now_us;
}

/* Whether this failure opens the breaker. */
static bool failed(struct breaker *b, const struct breaker_options *options, bool unreachable,
                   int64_t now_us)
{
    b->failures++;
    bool opens = b->state == BREAKER_HALF_OPEN ||
                 (b->state == BREAKER_CLOSED && (unreachable || b->failures >= options->failures));
    if (opens)
        open_until(b, now_us + options->retry_us);
    return opens;
}

static void busy(struct breaker *b, const struct breaker_options *options, int64_t now_us)
{
    b->failures = 0;
    b->busy_us = now_us;
    b->busy_until_us = now_us + options->busy_us;
}

/* Whether this 503 opens the breaker. */
static bool unavailable(struct breaker *b, const struct breaker_options *options, int64_t now_us)
{
    if (b->n_unavailable++ == 0)
        b->unavailable_us = now_us;
    busy(b, options, now_us);
    bool lasting = options->unavailable_us > 0 && b->n_unavailable >= options->failures &&
                   now_us - b->unavailable_us >= options->unavailable_us;
    bool opens = lasting && b->state != BREAKER_OPEN;
    if (opens)
        open_until(b, now_us + options->retry_us);
    else if (!lasting)
        alive(b, now_us);
    return opens;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "half-open", "open"};
    return names[state];
}

/* ---- one endpoint ---- */

static void endpoint_free(struct endpoint *e)
{
    if (!e)
        return;
    free(e->base_url);
    free(e->chat_url);
    for (unsigned i = 0; i < SPEAKS_KINDS; i++)
        free(e->urls[i]);
    free(e->name);
    free(e);
}

/* "https://user:password@host/v1" without what stands before the "@". */
static char *name_of(const char *url)
{
    char *name = strdup(url);
    char *host = name ? strstr(name, "://") : NULL;
    if (!host)
        return name;
    host += 3;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    if (at)
        memmove(host, at + 1, strlen(at + 1) + 1);
    return name;
}

static char *joined(const char *base_url, const char *path)
{
    char *url;
    return asprintf(&url, "%s%s", base_url, path) < 0 ? NULL : url;
}

static struct endpoint *endpoint_new(const char *base_url)
{
    struct endpoint *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->holders = 1; /* the list */
    e->base_url = strdup(base_url);
    e->name = name_of(base_url);
    e->chat_url = joined(base_url, "/chat/completions");
    bool has_all = e->base_url && e->name && e->chat_url;
    for (unsigned i = 0; i < SPEAKS_KINDS; i++)
        has_all = (e->urls[i] = joined(base_url, speaks_path(i))) && has_all;
    if (has_all)
        return e;
    endpoint_free(e);
    return NULL;
}

void endpoint_hold(struct endpoint *e)
{
    e->holders++;
}

void endpoint_release(struct endpoint *e)
{
    assert(e->holders > 0);
    if (--e->holders == 0)
        endpoint_free(e);
}

bool endpoint_due(const struct endpoint *e, int64_t now_us)
{
    return e->breaker.state == BREAKER_OPEN && now_us >= e->breaker.retry_us;
}

/* What comes back may be another engine than what went. */
static void forget_dialects(struct endpoint *e)
{
    e->has_spoken = false;
    e->no_dialects = 0;
}

static void note_reachable(struct endpoint *e, bool reachable)
{
    if (!reachable)
        forget_dialects(e);
    e->unreachable = !reachable;
}

void endpoint_tried(const struct endpoints *es, struct endpoint *e, bool reachable, int64_t now_us)
{
    if (e->breaker.state != BREAKER_OPEN)
        return; /* an answer has come meanwhile */
    note_reachable(e, reachable);
    if (reachable)
        e->breaker.state = BREAKER_HALF_OPEN;
    else
        e->breaker.retry_us = now_us + es->options.retry_us;
}

bool endpoint_look_due(const struct endpoints *es, const struct endpoint *e, int64_t now_us)
{
    const bool is_new = e->looked_us == 0 && e->n_calls == 0;
    return is_new || (e->unreachable && e->breaker.state != BREAKER_OPEN &&
                      now_us - e->looked_us >= es->options.retry_us);
}

void endpoint_looked(struct endpoint *e, bool reachable)
{
    note_reachable(e, reachable);
}

void endpoint_renew(struct endpoint *e, int64_t now_us)
{
    forget_dialects(e);
    e->breaker = (struct breaker){.alive_us = now_us};
    e->misconfigured = e->unreachable = false;
    e->no_stream_options = e->no_logprobs = false;
    e->mute_until_us = 0;
    e->asked_us = 0;
    e->looked_us = now_us;
}

char *endpoint_page(const struct endpoint *e, const char *path)
{
    size_t n = strlen(e->base_url);
    if (n >= 3 && strcmp(e->base_url + n - 3, "/v1") == 0)
        n -= 3;
    char *url;
    return asprintf(&url, "%.*s%s", (int)n, e->base_url, path) < 0 ? NULL : url;
}

/* ---- all of a tier ---- */

static struct endpoint *find(const struct endpoints *es, const char *base_url)
{
    for (size_t i = 0; i < es->n; i++) {
        if (strcmp(es->list[i]->base_url, base_url) == 0)
            return es->list[i];
    }
    return NULL;
}

int endpoints_set(struct endpoints *es, char *const *base_urls, size_t n)
{
    assert(n > 0 && n <= ENDPOINTS_MAX);
    struct endpoints next = *es;
    memset(next.list, 0, sizeof(next.list));
    for (next.n = 0; next.n < n; next.n++) {
        struct endpoint *e = find(es, base_urls[next.n]);
        if (e)
            endpoint_hold(e);
        else
            e = endpoint_new(base_urls[next.n]);
        if (!e) {
            endpoints_done(&next);
            return -1;
        }
        next.list[next.n] = e;
    }
    endpoints_done(es);
    *es = next;
    return 0;
}

void endpoints_share(const struct endpoints *es, struct endpoints *ret_endpoints)
{
    *ret_endpoints = *es;
    for (size_t i = 0; i < es->n; i++)
        endpoint_hold(es->list[i]);
}

void endpoints_done(struct endpoints *es)
{
    while (es->n > 0)
        endpoint_release(es->list[--es->n]);
}

bool endpoints_up_beside(const struct endpoints *es, const struct endpoint *beside)
{
    for (size_t i = 0; i < es->n; i++) {
        if (es->list[i] != beside && admits(&es->list[i]->breaker))
            return true;
    }
    return false;
}

bool endpoints_up(const struct endpoints *es)
{
    return endpoints_up_beside(es, NULL);
}

bool endpoints_busy(const struct endpoints *es, int64_t now_us)
{
    bool busy = false;
    for (size_t i = 0; i < es->n; i++) {
        const struct breaker *b = &es->list[i]->breaker;
        if (admits(b) && now_us >= b->busy_until_us)
            return false;
        busy |= admits(b);
    }
    return busy;
}

bool endpoints_ready(const struct endpoints *es, int64_t now_us)
{
    for (size_t i = 0; i < es->n; i++) {
        const struct endpoint *e = es->list[i];
        const bool loading = e->breaker.n_unavailable > 0 && now_us < e->breaker.busy_until_us;
        if (admits(&e->breaker) && !e->misconfigured && !e->unreachable && !loading)
            return true;
    }
    return false;
}

bool endpoints_misconfigured(const struct endpoints *es)
{
    for (size_t i = 0; i < es->n; i++) {
        if (!es->list[i]->misconfigured)
            return false;
    }
    return es->n > 0;
}

bool endpoints_unreachable(const struct endpoints *es)
{
    for (size_t i = 0; i < es->n; i++) {
        if (!es->list[i]->unreachable)
            return false;
    }
    return es->n > 0;
}

bool endpoints_refuse_options(const struct endpoints *es)
{
    for (size_t i = 0; i < es->n; i++) {
        if (es->list[i]->no_stream_options)
            return true;
    }
    return false;
}

bool endpoints_refuse_logprobs(const struct endpoints *es)
{
    for (size_t i = 0; i < es->n; i++) {
        if (es->list[i]->no_logprobs)
            return true;
    }
    return false;
}

bool endpoints_mute(const struct endpoints *es, int64_t now_us)
{
    for (size_t i = 0; i < es->n; i++) {
        if (es->list[i]->breaker.state != BREAKER_OPEN && es->list[i]->mute_until_us <= now_us)
            return false;
    }
    return true;
}

void endpoints_reconsider(struct endpoints *es, int64_t now_us)
{
    for (size_t i = 0; i < es->n; i++) {
        forget_dialects(es->list[i]);
        if (es->list[i]->misconfigured && es->list[i]->breaker.retry_us > now_us)
            es->list[i]->breaker.retry_us = now_us;
    }
}

struct probe_takes endpoints_takes(const struct endpoints *endpoints)
{
    struct probe_takes all = {0};
    bool kinds_known = endpoints->n > 0, context_known = endpoints->n > 0;
    for (size_t i = 0; i < endpoints->n; i++) {
        const struct probe_takes *one = &endpoints->list[i]->takes;
        all.kinds |= one->kinds;
        if (one->context_tokens > all.context_tokens)
            all.context_tokens = one->context_tokens;
        kinds_known = kinds_known && one->kinds;
        context_known = context_known && one->context_tokens;
    }
    if (!kinds_known)
        all.kinds = (1u << MOA_KINDS) - 1;
    if (!context_known)
        all.context_tokens = 0;
    return all;
}

unsigned endpoints_speak(const struct endpoints *endpoints, unsigned set)
{
    unsigned all = endpoints->n > 0 ? ~SPEAKS_AUTO : 0;
    for (size_t i = 0; i < endpoints->n; i++) {
        const struct endpoint *one = endpoints->list[i];
        all &= (set & SPEAKS_AUTO ? one->speaks : set) & ~one->no_dialects;
    }
    return all;
}

unsigned endpoints_in_flight(const struct endpoints *es)
{
    unsigned n = 0;
    for (size_t i = 0; i < es->n; i++)
        n += es->list[i]->in_flight;
    return n;
}

/* ---- choosing ---- */

/* xorshift64: the choice needs no better one. */
static size_t below(struct endpoints *es, size_t n)
{
    es->random ^= es->random << 13;
    es->random ^= es->random >> 7;
    es->random ^= es->random << 17;
    return (size_t)(es->random >> 32) % n;
}

/* The lower, the better a choice. */
static int class_of(const struct endpoint *e, int64_t now_us, const struct endpoint *avoid)
{
    if (!admits(&e->breaker))
        return 2;
    return e == avoid || now_us < e->breaker.busy_until_us ? 1 : 0;
}

static struct endpoint *choose(struct endpoints *es, int64_t now_us, const struct endpoint *avoid)
{
    assert(es->n > 0);
    struct endpoint *best[ENDPOINTS_MAX];
    size_t n = 0;
    for (int class = 0; n == 0; class ++) {
        for (size_t i = 0; i < es->n; i++) {
            if (class_of(es->list[i], now_us, avoid) == class)
                best[n++] = es->list[i];
        }
    }
    if (n == 1)
        return best[0];
    size_t one = below(es, n), other = below(es, n - 1);
    other += other >= one; /* two different ones */
    return best[one]->in_flight <= best[other]->in_flight ? best[one] : best[other];
}

void endpoint_begin(struct endpoints *es, int64_t now_us, const struct endpoint *avoid,
                    struct endpoint_call *ret_call)
{
    struct endpoint *e = choose(es, now_us, avoid);
    bool trial = e->breaker.state == BREAKER_HALF_OPEN && !e->breaker.trial;
    if (trial)
        e->breaker.trial = true;
    e->in_flight++;
    e->n_calls++;
    endpoint_hold(e);
    *ret_call = (struct endpoint_call){.endpoint = e, .begun_us = now_us, .trial = trial};
}

/* Trying again soon would change nothing. */
static void misconfigured(struct endpoint *e, const struct breaker_options *options, bool for_sure,
                          const struct endpoint_call *call, int64_t now_us)
{
    e->misconfigured = true;
    if (e->breaker.alive_us > call->begun_us)
        return;
    e->n_failures++;
    if (!failed(&e->breaker, options, for_sure, now_us))
        return;
    e->n_opened++;
    if (for_sure)
        e->breaker.retry_us = now_us + options->misconfigured_us;
}

bool endpoint_report(const struct endpoints *es, struct endpoint_call *call,
                     enum endpoint_outcome outcome, int64_t now_us)
{
    struct endpoint *e = call->endpoint;
    struct breaker *b = &e->breaker;
    enum breaker_state before = b->state;
    if (call->failed)
        return false;
    e->unreachable = e->unreachable && outcome == ENDPOINT_UNREACHABLE;
    call->failed = outcome > ENDPOINT_SERVED;
    switch (outcome) {
    case ENDPOINT_COMPLETE:
        b->failures = 0;
        break;
    case ENDPOINT_ANSWERED:
        alive(b, now_us);
        e->misconfigured = false;
        if (call->begun_us >= b->busy_us) /* else it was let in before there were too many */
            b->busy_until_us = 0;
        b->n_unavailable = 0;
        call->begun_us = now_us; /* what comes now is judged from here */
        break;
    case ENDPOINT_SERVED:
        /* Failures of chats stay counted: the next one opens it again. */
        if (b->state == BREAKER_HALF_OPEN && !e->misconfigured) {
            b->state = BREAKER_CLOSED;
            b->trial = false;
        }
        break;
    case ENDPOINT_BUSY:
        alive(b, now_us);
        busy(b, &es->options, now_us);
        break;
    case ENDPOINT_UNAVAILABLE:
        if (unavailable(b, &es->options, now_us)) {
            e->n_failures++;
            e->n_opened++;
        }
        break;
    case ENDPOINT_FAILED:
    case ENDPOINT_UNREACHABLE:
        if (b->alive_us > call->begun_us)
            break; /* it has answered others since */
        e->n_failures++;
        if (failed(b, &es->options, outcome == ENDPOINT_UNREACHABLE, now_us))
            e->n_opened++;
        break;
    case ENDPOINT_MISCONFIGURED:
    case ENDPOINT_FORBIDDEN:
        misconfigured(e, &es->options, outcome == ENDPOINT_MISCONFIGURED, call, now_us);
        break;
    }
    return b->state != before;
}

void endpoint_spare(struct endpoint_call *call, int64_t until_us)
{
    struct breaker *b = &call->endpoint->breaker;
    if (until_us > b->busy_until_us)
        b->busy_until_us = until_us;
}

void endpoint_end(struct endpoint_call *call)
{
    struct endpoint *e = call->endpoint;
    if (!e)
        return;
    if (call->trial && e->breaker.state == BREAKER_HALF_OPEN)
        e->breaker.trial = false; /* it told nothing: the next call is the trial */
    assert(e->in_flight > 0);
    e->in_flight--;
    *call = (struct endpoint_call){0};
    endpoint_release(e);
}
