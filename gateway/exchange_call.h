/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of an engine on behalf of an exchange: sent, followed, judged, ended. The same for
 * answers, for descriptions of images and for whatever else engines are to be asked. It tells its
 * owner two things: that bytes of a good answer may be passed on, and that it is over.
 *
 *     engine_call_init -> (body) -> engine_call_send -> on_bytes ... -> on_over -> engine_call_done
 */
#ifndef MOA_GATEWAY_EXCHANGE_CALL_H
#define MOA_GATEWAY_EXCHANGE_CALL_H

#include "buffer.h"
#include "chat.h"
#include "completion.h"
#include "dialect.h"
#include "endpoint.h"
#include "logprobs.h"
#include "upstream.h"
#include "verdict.h"

#define CALL_HELD_BYTES_MAX (8 << 20) /* of an answer; what is longer is passed on as it comes */
#define CALL_EVIDENCE_BYTES_MAX (1 << 20) /* of a description, which is not passed on */

struct exchange;
struct engine_call;

enum call_kind {
    CALL_ANSWER,     /* of the request itself */
    CALL_PERCEPTION, /* of one of its parts, by the tier that the part was given to */
    CALL_SHADOW,     /* of the request, for an audit: no client gets it */
    CALL_SMALL,      /* the same once more, with smaller pictures, for an audit of those */
    CALL_JUDGE,      /* whether two answers of an audit mean the same */
};

/** Nobody waits for it: it is counted as an audit's. */
static inline bool call_is_shadow(enum call_kind kind)
{
    return kind == CALL_SHADOW || kind == CALL_SMALL || kind == CALL_JUDGE;
}

/* What becomes of an answer that is held until it is known how sure its engine is. */
enum call_hold {
    HOLD_ON,
    HOLD_KEEP,
    HOLD_DROP,
    HOLD_ASIDE, /* nobody gets it, but it goes on; only while more may come */
};

struct engine_call_events {
    /** The answer is good so far, and the first `n_ready` held bytes may be taken. */
    enum upstream_flow (*on_bytes)(struct engine_call *call);
    /** `opinion` is final. The call is not under way any more, and may be sent again. */
    void (*on_over)(struct engine_call *call);
    /** Of a call that is held: more log-probabilities are known, all of them if it is `whole`. What
     * is kept is passed on; what is dropped is over, unsure. */
    enum call_hold (*on_held)(struct engine_call *call, bool is_whole);
    /** It was set aside; the call may be ended, and the exchange too. */
    void (*on_aside)(struct engine_call *call);
};

struct engine_call {
    struct exchange *exchange;
    const struct engine_call_events *events;
    enum call_kind kind;
    enum moa_tier tier;
    size_t part;                   /* of a perception */
    const struct dialect *dialect; /* in which it is asked: the client's, or chat completions */
    struct chat_body body;
    struct logprobs *logprobs;     /* takes them in; NULL: they were not asked for */
    struct completion *completion; /* takes in what is said; NULL: it is only passed on */
    bool cuts_logprobs;            /* they were asked for on our account */
    bool asks_usage;     /* a stream's usage is asked for on our account: it is not passed on */
    bool tells_question; /* to the cloud, of a text that stays otherwise */
    bool is_held;        /* nothing is passed on; see on_held */

    struct upstream_call *upstream; /* NULL: not under way */
    struct endpoint_call at;        /* where it goes */
    uint64_t span;                  /* its own, of a trace that is sampled */
    int64_t sent_us, answered_us;   /* when it went out, and when an answer had begun; 0: not yet */
    bool is_queued;                 /* the tier had as many calls as it takes when it went out */
    int status;                     /* of the answer's head; 0: none has come */
    char content_type[128];
    struct buffer held; /* of the answer, not taken yet */
    size_t n_ready;     /* of a stream: whole events */
    size_t n_searched;  /* no event ends before here */
    struct sse sse;
    struct engine_opinion opinion;
    enum upstream_end end; /* of a call that is over */
    bool unreachable;
    bool is_stream; /* its content type says so */
    bool is_noted;  /* among the exchange's calls, from `noted_at` on */
    size_t noted_at;
    char why[96]; /* it did not end well; "" if it did */
};

/** Nothing is sent yet; the body is the caller's to fill, and the call's from then on. */
void engine_call_init(struct engine_call *call, struct exchange *exchange, enum call_kind kind,
                      enum moa_tier tier, const struct engine_call_events *events);

/** Sends the body. -1 if out of memory, or if something of it is pinned to another tier. */
int engine_call_send(struct engine_call *call);

/** Ends it at once, if it is under way; nothing is told any more. */
void engine_call_cancel(struct engine_call *call);

/** Cancels, and frees what it holds. May be called at any time after engine_call_init(), and on
 * zeroed memory. */
void engine_call_done(struct engine_call *call);

/** The first `n` held bytes have been taken. */
void engine_call_take(struct engine_call *call, size_t n);

/** Whether the whole body is sent. If so it is freed: nothing of the request is needed any more. */
bool engine_call_release_body(struct engine_call *call);

/** Whether it is asked in the dialect that the client asked in, which is not chat completions. */
bool engine_call_passes(const struct engine_call *call);

/** Whether what the engine has refused is that dialect: its path is not there. */
bool engine_call_refuses_dialect(const struct engine_call *call);

/** Whether what the engine has refused is the log-probabilities that we asked for. */
bool engine_call_refuses_logprobs(const struct engine_call *call);

/** The owner finds the answer worthless although it is one: it counts as failed. */
void engine_call_reject(struct engine_call *call, const char *why);

/** An engine has answered the request: those that could not before are broken. */
void engine_calls_blame(struct exchange *exchange);
/** Forgets those that could not. */
void engine_calls_forgive(struct exchange *exchange);

#endif
