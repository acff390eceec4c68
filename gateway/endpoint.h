/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoints of one tier: which of them takes the next call, and which are down. Each has a
 * circuit breaker. Knows no sockets and no clock: the time is passed in, outcomes are reported.
 *
 * A breaker opens on real failures only. An endpoint that cannot be reached is down at once; one
 * that fails otherwise (5xx, a timeout, a cut answer) after several failures with no complete
 * answer between, and a failure does not count if the endpoint has answered another call since the
 * failed one was sent. An answer of any other status is a sign of life; 429 and 503 say busy, which
 * is not dead, but nothing but 503 for a while is.
 *
 *     closed --failures--> open --reachable again, after a while--> half-open --one call--> closed
 *                           ^                                           |
 *                           +-------------------failure-----------------+
 */
#ifndef MOA_GATEWAY_ENDPOINT_H
#define MOA_GATEWAY_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"
#include "speaks.h"

#define ENDPOINTS_MAX 16

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

struct breaker_options {
    int64_t failures;         /* that open it, with no complete answer between */
    int64_t retry_us;         /* from opening to the next try */
    int64_t unavailable_us;   /* after nothing but 503 for this long it has failed; 0: never */
    int64_t busy_us;          /* how long a busy endpoint is spared if another is not busy */
    int64_t misconfigured_us; /* from opening to the next try, if our key, model or URL is wrong */
};

struct breaker {
    enum breaker_state state;
    bool trial;             /* half-open, and its one call is under way */
    int64_t failures;       /* since the last complete answer */
    int64_t alive_us;       /* the last sign of life */
    int64_t retry_us;       /* when to try again; open only */
    int64_t busy_us;        /* when it last said that it is busy */
    int64_t busy_until_us;  /* and how long it is spared */
    int64_t n_unavailable;  /* 503s since the last answer, */
    int64_t unavailable_us; /* the first of them */
};

/** How a call to an endpoint went. */
enum endpoint_outcome {
    ENDPOINT_COMPLETE,    /* the whole of an answer whose head was reported before */
    ENDPOINT_ANSWERED,    /* the head of an answer below 500, but not 429 */
    ENDPOINT_SERVED,      /* a page that is no chat; how its chats are is not known by that */
    ENDPOINT_BUSY,        /* 429 */
    ENDPOINT_UNAVAILABLE, /* 503: busy, or a balancer with nothing behind it */
    ENDPOINT_FAILED,      /* another 5xx, a timeout, a cut answer, something that is no engine's */
    ENDPOINT_UNREACHABLE, /* no connection, or its link is dead */
    ENDPOINT_MISCONFIGURED, /* it does not take our key, model or URL: somebody must change it */
    ENDPOINT_FORBIDDEN,     /* 403: the same, or what was asked; several of them open the breaker */
};

struct endpoint {
    char *base_url;           /* as configured */
    char *chat_url;           /* of chat completions */
    char *urls[SPEAKS_KINDS]; /* of the other dialects */
    char *name;               /* the base URL without a password, for people */
    struct breaker breaker;
    struct probe probe;     /* of its load page */
    bool misconfigured;     /* its last word was that our key, model or URL is wrong */
    bool no_stream_options; /* it refuses the field with which usage is asked for */
    int64_t looked_us;      /* whether it can be reached, at the start and until it can; 0: never */
    bool unreachable;       /* it could not, and no call has shown otherwise */
    struct probe_takes takes; /* as far as it has said */
    struct probe_takes said;  /* the same, while it is being asked again */
    int64_t asked_us;         /* when it was asked for that; 0: never */
    unsigned speaks;          /* what it has shown when it was asked for that, see speaks.h, */
    bool has_spoken;          /* which it was; */
    unsigned no_dialects;     /* and what it did not know when it was a request's turn */
    bool no_logprobs;         /* and that for log-probabilities, by its usual name */
    int64_t mute_until_us;    /* it gave none when it was asked: until then it is not asked */
    unsigned in_flight;
    unsigned holders; /* calls and others that still point here */
    uint64_t n_calls;
    uint64_t n_failures; /* that counted */
    uint64_t n_opened;
};

/** One tier's. All zero is a tier without endpoints. */
struct endpoints {
    struct endpoint *list[ENDPOINTS_MAX];
    size_t n;
    struct breaker_options options;
    uint64_t random; /* state of a generator; not 0 */
};

/** A call under way. All zero: none. */
struct endpoint_call {
    struct endpoint *endpoint;
    int64_t begun_us;
    bool trial;
    bool failed; /* reported as busy or failed: what comes after does not count */
};

/**
 * Sets the endpoints, 1 to ENDPOINTS_MAX base URLs. One that was there before keeps its breaker and
 * its calls; one that is gone lives on until its last call has ended. Returns 0, or -1 if out of
 * memory, with nothing changed.
 */
int endpoints_set(struct endpoints *endpoints, char *const *base_urls, size_t n);
/** Makes `ret_endpoints` another list of the same endpoints, with the same options. */
void endpoints_share(const struct endpoints *endpoints, struct endpoints *ret_endpoints);
void endpoints_done(struct endpoints *endpoints);

/** Whether any endpoint takes a call now. */
bool endpoints_up(const struct endpoints *endpoints);
/** Whether any but `beside` does; `beside` is only compared. */
bool endpoints_up_beside(const struct endpoints *endpoints, const struct endpoint *beside);
/** Whether every endpoint that is up has just said that it is busy. */
bool endpoints_busy(const struct endpoints *endpoints, int64_t now_us);
/** Whether any endpoint can be expected to answer: it takes calls, has not just said 503, and takes
 * our key. */
bool endpoints_ready(const struct endpoints *endpoints, int64_t now_us);
/** Whether every endpoint's last word was that our key, model or URL is wrong. */
bool endpoints_misconfigured(const struct endpoints *endpoints);
/** Whether an endpoint has refused to be asked for the usage of a stream. */
bool endpoints_refuse_options(const struct endpoints *endpoints);
/** Whether none could be reached when last looked at. */
bool endpoints_unreachable(const struct endpoints *endpoints);
/** Whether an endpoint has refused to be asked for log-probabilities by the usual name. */
bool endpoints_refuse_logprobs(const struct endpoints *endpoints);
/** Whether no endpoint that is up can be expected to give log-probabilities. */
bool endpoints_mute(const struct endpoints *endpoints, int64_t now_us);
/** The configuration was read again: what was wrong with it may be right now. */
void endpoints_reconsider(struct endpoints *endpoints, int64_t now_us);
/** What at least one of them takes: every kind, and no bound, if one of them has not said. */
struct probe_takes endpoints_takes(const struct endpoints *endpoints);
/** In which dialects all of them can be asked; `set` is what the configuration says. */
unsigned endpoints_speak(const struct endpoints *endpoints, unsigned set);
unsigned endpoints_in_flight(const struct endpoints *endpoints);

/**
 * Begins a call: the endpoint with fewer calls in flight of two taken at random, among those that
 * are up and not busy; if there is none, among those that are up; if there is none, among all.
 * `avoid` (NULL: none; only compared) is taken for busy.
 */
void endpoint_begin(struct endpoints *endpoints, int64_t now_us, const struct endpoint *avoid,
                    struct endpoint_call *ret_call);

/**
 * May be reported more than once: a call that was answered can still be cut. Returns whether the
 * breaker has changed its state.
 */
bool endpoint_report(const struct endpoints *endpoints, struct endpoint_call *call,
                     enum endpoint_outcome outcome, int64_t now_us);

/** Its busy endpoint has said until when it wants to be spared; reported as busy before. */
void endpoint_spare(struct endpoint_call *call, int64_t until_us);

/** Ends the call, whether or not anything was reported. Does nothing to one that has ended. */
void endpoint_end(struct endpoint_call *call);

/** Keeps an endpoint from being freed. */
void endpoint_hold(struct endpoint *endpoint);
void endpoint_release(struct endpoint *endpoint);

/** Open, and it is time to see whether it can be reached. */
bool endpoint_due(const struct endpoint *endpoint, int64_t now_us);
/** What came out of it: half-open, or open for another while. */
void endpoint_tried(const struct endpoints *endpoints, struct endpoint *endpoint, bool reachable,
                    int64_t now_us);

/** It is new, or could not be reached at the last look: time for another, of which
 * endpoint_looked() is told. Breakers learn nothing from it: they judge by calls. */
bool endpoint_look_due(const struct endpoints *endpoints, const struct endpoint *endpoint,
                       int64_t now_us);
void endpoint_looked(struct endpoint *endpoint, bool reachable);

/** Another process of its engine is there now, and answers: what was known of the former is void.
 */
void endpoint_renew(struct endpoint *endpoint, int64_t now_us);

/** The URL of a page at the engine's root, beside "/v1", to be freed with free(); NULL if out of
 * memory. */
char *endpoint_page(const struct endpoint *endpoint, const char *path);

/** "closed", "half-open", "open". */
const char *breaker_state_name(enum breaker_state state);

#endif
