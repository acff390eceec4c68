/* SPDX-License-Identifier: Apache-2.0
 *
 * The struct exchange, for the three files of the hub: exchange.c carries a request out,
 * exchange_call.c calls engines for it, exchange_record.c says what was done, to the client and to
 * everybody who keeps count.
 */
#ifndef MOA_GATEWAY_EXCHANGE_PRIVATE_H
#define MOA_GATEWAY_EXCHANGE_PRIVATE_H

#include <moaoff/moaoff.h>

#include "chat.h"
#include "gateway.h"
#include "images.h"
#include "perceive.h"
#include "server.h"
#include "trace.h"
#include "upstream.h"
#include "usage.h"

enum stage { STAGE_PERCEIVE, STAGE_PREPARE, STAGE_EVIDENCE, STAGE_ANSWER, STAGE_OVER };

/* Bytes of an answer, gathered. */
struct gathered {
    char *p;
    size_t n, room;
};

/* One call that turns an image into text. */
struct perception {
    struct exchange *exchange;
    size_t part;
    struct upstream_call *call;
    struct endpoint_call at; /* where `call` goes */
    struct chat_body body;
    int status;
    struct gathered answer;
};

/* An answer of 5xx that is not 503: the engine may be broken, or the request beyond it. */
struct refusal {
    enum moa_tier tier;
    struct endpoint_call at; /* a copy that has ended; its endpoint is held */
};

struct exchange {
    struct gateway *gateway;
    struct settings *settings;      /* those it began with, whatever is reloaded meanwhile */
    struct server_request *request; /* NULL once it is answered or the client has left */
    struct key *key;                /* NULL: none is asked for, or shown */
    enum stage stage;
    unsigned retry_after_s; /* with a 429 or 503; 0: not known */
    bool dry_run;
    bool pinned;
    bool entered; /* the request counts among those of its key */
    struct trace trace;
    int64_t arrived_us;
    struct moa_policy *policy;

    char *request_body;
    struct chat chat;           /* spans of the body */
    struct images *images;      /* NULL: there are none */
    struct perceived perceived; /* the decision is in it */
    struct moa_state state;
    struct moa_choice wish; /* of the text, before any fallback */
    bool has_decision;

    struct perception *perceptions; /* one per part; those without a call are unused */
    size_t n_perceiving;
    char **evidence; /* one per part */

    struct upstream_call *call;       /* of the answer */
    struct endpoint_call at;          /* where it goes */
    const struct endpoint *failed_at; /* the last that failed; only compared */
    struct refusal refusals[4];       /* not yet held against anybody */
    size_t n_refusals;
    struct chat_body body;
    bool retried;      /* at another endpoint of the same tier */
    bool answering;    /* the head of the answer is with the client */
    bool event_stream; /* it is one */
    int engine_status;
    char content_type[128];
    struct gathered held;   /* of the answer, not yet passed on; see on_answer_body() */
    struct usage_tail tail; /* of an answer that is a stream */
    struct usage usage[2];  /* by tier */
    uint64_t bytes_up[2];   /* by tier */
    int64_t overhead_us;
    int64_t first_byte_us;
    int status;        /* what the client got; 0: it left before it had all */
    char fallback[48]; /* "cloud timeout"; "" if there was none */
};

/* Calls an engine of the tier; `ret_at` is where it goes. NULL if out of memory, or if the request
 * is pinned to another tier. */
struct upstream_call *exchange_send(struct exchange *x, enum moa_tier tier,
                                    const struct chat_body *body,
                                    const struct upstream_callbacks *callbacks, void *arg,
                                    struct endpoint_call *ret_at);
/* Whether a chat completion can come as that. Anything else is some other server's page. */
bool exchange_is_answer(const char *content_type);
/* The head of an engine's answer has come. */
void exchange_call_answered(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                            const struct upstream_head *head);
/* The call is over, whichever way; its `on_done` has come. */
void exchange_call_ended(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                         const struct upstream_result *result);
/* Ends the call, if there is one, and sets it to NULL. */
void exchange_cancel(struct exchange *x, enum moa_tier tier, struct upstream_call **call,
                     struct endpoint_call *at);
/* Tells the endpoint's breaker. */
void exchange_report(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                     enum endpoint_outcome outcome);
/* An engine has answered the request: those that could not before are broken. */
void exchange_blame(struct exchange *x);
/* Forgets the refusals. */
void exchange_forgive(struct exchange *x);

/* The scores, one per part of the chat; NULL if there are none. */
const struct image_score *exchange_scores(const struct exchange *x);

#define EXCHANGE_LISTED_MAX                                                                        \
    64 /* modalities beside the text; how many more there are, in a number */
#define EXCHANGE_LIST_BYTES (EXCHANGE_LISTED_MAX * 24 + 64)
#define EXCHANGE_HEADERS 8

/* The headers that an answer gets, and the memory of their values. */
struct exchange_headers {
    struct server_header list[EXCHANGE_HEADERS];
    size_t n;
    char decision[EXCHANGE_LIST_BYTES], scores[EXCHANGE_LIST_BYTES], reasons[EXCHANGE_LIST_BYTES];
    char state[64];
    char overhead[24];
};

/* The exchange has a decision. */
void exchange_write_headers(const struct exchange *x, struct exchange_headers *ret_headers);

/* The exchange is over: counts it, logs it, journals it, and tells a policy that learns. */
void exchange_record(struct exchange *x);

#endif
