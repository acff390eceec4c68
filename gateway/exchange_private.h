/* SPDX-License-Identifier: Apache-2.0
 *
 * The struct exchange, for the files of the hub: exchange.c leads a request from stage to stage,
 * exchange_answer.c has engines describe and answer, exchange_reply.c passes that on in the
 * client's dialect, exchange_fallback.c looks for another way when they do not, exchange_forward.c
 * passes on what is no chat, exchange_stage.c is the door between stages, exchange_record.c,
 * exchange_journal.c and exchange_trace.c say what was done, to the client and to everybody who
 * keeps count.
 * exchange_call.c knows the exchange that it calls engines for.
 */
#ifndef MOA_GATEWAY_EXCHANGE_PRIVATE_H
#define MOA_GATEWAY_EXCHANGE_PRIVATE_H

#include <event2/event_struct.h>
#include <moaoff/moaoff.h>

#include "chat.h"
#include "dialect.h"
#include "exchange_call.h"
#include "gateway.h"
#include "images.h"
#include "json_out.h"
#include "perceive.h"
#include "server.h"
#include "trace.h"
#include "upstream.h"
#include "usage.h"

enum stage {
    STAGE_READ,
    STAGE_PERCEIVE, /* images on the workers */
    STAGE_PREPARE,  /* images as their tier takes them */
    STAGE_EVIDENCE, /* parts become text */
    STAGE_ANSWER,   /* until the first byte for the client */
    STAGE_WAIT,     /* for an edge that is loading */
    STAGE_RELAY,    /* until the last */
    STAGE_OVER,
    STAGE_SHADOW, /* the client has its answer, and the other tier is asked */
    STAGES
};

/* An answer that is none: the engine may be broken, or the request beyond it. */
struct refusal {
    enum moa_tier tier;
    struct endpoint_call at; /* a copy that has ended; its endpoint is held */
};

/* Spans of an exchange that is sampled; see exchange_trace.c. */
struct tracing {
    char path[64];       /* that was asked for */
    int64_t ahead_us;    /* of the wall clock, against the one that everything is timed by */
    int64_t deciding_us; /* when it began to be decided; 0: it was not */
    int64_t audit_us;    /* when the first call for an audit went out; 0: none has */
    uint64_t n_ids;      /* given out, besides those of the request and of its audit */
    size_t n_spans;      /* in `spans`, which have not been handed over */
    size_t n_lost;       /* for which there was no room */
    struct json_out spans;
};

#define EXCHANGE_CALLS_BYTES 256
#define EXCHANGE_LIMITS_BYTES 512

struct exchange {
    struct gateway *gateway;
    struct settings *settings;      /* those it began with, whatever is reloaded meanwhile */
    struct server_request *request; /* NULL once it is answered or the client has left */
    struct key *key;                /* NULL: none is asked for, or shown */
    LIST_ENTRY(exchange) others;    /* that are in flight */
    enum stage stage;
    unsigned retry_after_s; /* with a 429 or 503; 0: not known */
    int64_t stage_began_us;
    int64_t stage_us[STAGES]; /* spent in each; a stage may come twice */
    unsigned pins;            /* see pins.h */
    bool pinned;              /* something of it is */
    bool dry_run;
    bool only_counts;              /* a dry run that is answered with its tokens */
    struct forwarding *forwarding; /* a page of an engine's that is no chat; NULL: a chat */
    bool entered;                  /* the request counts among those of its key */
    bool model_is_ours;            /* what it names is no engine's */
    struct trace trace;
    struct tracing tracing; /* unused if the trace is not sampled */
    int64_t arrived_us;
    struct moa_policy *policy;
    struct event patience; /* STAGE_WAIT ends */
    struct event silence;  /* a client that streams has had nothing for a while */

    const struct dialect *dialect;  /* of the client */
    struct dialect_body translated; /* from it; unused if it is chat completions */
    struct dialect_answer told;     /* to the client, in the same case */
    struct reading *reading;        /* a worker parses it; NULL: none does */
    char *request_body;
    size_t request_bytes;       /* of it, charged to the gateway's bodies */
    char *came_body;            /* that it was translated from, for engines that speak that */
    size_t came_bytes;          /* of it, charged likewise */
    struct chat chat;           /* spans of the body */
    struct images *images;      /* NULL: there are none */
    struct perceived perceived; /* the decision is in it */
    struct moa_state state;
    struct moa_choice wish; /* of the text, before any fallback */
    bool has_decision;
    struct moa_decision decided; /* whatever was done; its choices are there if it is journalled */
    int64_t journal_ms;          /* the time in its row, once that is written */
    struct audit *audit;         /* NULL: it is none */
    struct remembered *remembered; /* what is to be remembered of its answer; NULL: nothing */
    int64_t memory_age_us;         /* of an answer from memory; -1: it is none */

    bool question_left; /* with a part, in a call that is over */
    bool retried;       /* at another endpoint of the same tier */
    bool begun;         /* the head of a stream is with the client, */
    bool answering;     /* and a byte of an answer */
    int status;         /* what the client got; 0: it left before it had all */

    struct engine_call *perceptions; /* one per part; those that are not needed are unused */
    size_t n_perceiving;
    char **evidence; /* one per part */

    struct engine_call answers[2]; /* by tier; one after the other, if more than one is asked */
    struct logprobs logprobs;      /* of an answer of the edge that may not be kept */
    double score;                  /* of that answer; NaN: there was none */
    struct moa_adaptive_outcome outcome; /* what the policy `adaptive` is told, */
    bool has_told;                       /* once it was; */
    struct moa_adaptive_outcome shadow;  /* and of calls that no client waited for */
    const struct endpoint *failed_at;    /* the last that failed; only compared */
    struct refusal refusals[4];          /* not yet held against anybody */
    size_t n_refusals;
    struct usage usage[2];              /* by tier */
    uint64_t bytes_up[2];               /* by tier */
    bool has_claim;                     /* on the budget of the cloud: */
    struct budget_amount claim;         /* what is reserved there, */
    struct budget_bill estimate;        /* and from what it was made */
    enum budget_purpose purpose;        /* of what the cloud was asked */
    bool over_budget;                   /* the last claim was refused: */
    struct budget_refusal refusal;      /* why */
    struct budget_bill bill;            /* of the cloud, so far */
    struct budget_amount paid;          /* of it */
    char limits[EXCHANGE_LIMITS_BYTES]; /* an engine's own: "name\0value\0" ... */
    size_t n_limit_bytes;
    int64_t overhead_us;
    int64_t first_byte_us;
    int64_t last_byte_us;             /* to the client */
    const char *error_code;           /* NULL: there was no error of ours */
    char fallback[48];                /* "cloud timeout"; "" if there was none */
    char calls[EXCHANGE_CALLS_BYTES]; /* "edge=unfit, cloud=answered" */
    size_t n_call_bytes;
};

/* ---- exchange.c ---- */

/* An error, which ends the exchange. */
void exchange_fail(struct exchange *x, const struct http_error *error);
void exchange_fail_memory(struct exchange *x);
/* Pictures as their tiers take them, then engines are asked; or engines at once. */
void exchange_prepare(struct exchange *x);
void exchange_execute(struct exchange *x);
/* Nothing happens any more but a reply: an error is in the log before the client has it. */
void exchange_close_books(struct exchange *x);
/* The only way out for what has a client. Frees it, unless it is audited. */
void exchange_finish(struct exchange *x);
/* Frees it. It is in no list any more. */
void exchange_free(struct exchange *x);
void exchange_free_request_body(struct exchange *x);

static inline enum moa_tier answering_tier(const struct exchange *x)
{
    return x->has_decision ? x->perceived.decision.choices[0].tier : MOA_EDGE;
}

static inline enum moa_tier other_tier(enum moa_tier tier)
{
    return tier == MOA_EDGE ? MOA_CLOUD : MOA_EDGE;
}

/* ---- exchange_fallback.c ---- */

/* A call is over and no answer: another endpoint, the other tier, patience, or an error. */
void exchange_call_failed(struct exchange *x, struct engine_call *call);
/* Something of the decision is the edge's, whose engine the gateway runs and which is not up: that
 * is started, and everything goes to the cloud or, if it may not, waits. */
bool exchange_lacks_edge(const struct exchange *x);
void exchange_without_edge(struct exchange *x);
/* The same of a page that is no chat, which has no other tier. */
void exchange_forward_again(struct exchange *x);
/* Waits for the engine up to edge.patience_ms; false if that is over, or it will not come. */
bool exchange_await_edge(struct exchange *x);
void exchange_fail_without_edge(struct exchange *x);
/* The edge is to answer first, and nothing would say how sure it is. */
bool exchange_is_unscorable(const struct exchange *x);
/* So the cloud answers or, if that may not be, the edge does without a score. */
void exchange_answer_unscored(struct exchange *x);
/* Whether it was something of ours that the engine does not take, and that it will not get again:
 * endpoints_refuse_options(), endpoints_refuse_logprobs(). */
bool exchange_refuses_addition(const struct engine_call *call);
/* Whether the tier takes all of it. */
bool exchange_fits(const struct exchange *x, enum moa_tier tier);
/* The edge's answer is not kept: everything to the cloud. */
void exchange_escalate(struct exchange *x);
/* Ends every call that is for the client. */
void exchange_cancel_calls(struct exchange *x);
/* The same, and what was gathered or sent so far is of no use. */
void exchange_drop_calls(struct exchange *x);

/* ---- exchange_budget.c ---- */

/* Reserves what the decision takes of the cloud; false if the budget does not allow it. */
bool exchange_claim_decided(struct exchange *x);
/* The same, for all of the request. */
bool exchange_claim_everything(struct exchange *x);
/* The budget has refused a claim: -1 with the error if something of the decision needs the cloud.
 */
int exchange_refuse_over_budget(struct exchange *x, struct http_error *ret_error);
/* The same for a page that is passed on: bytes and a call; and the error. */
bool exchange_claim_page(struct exchange *x);
int exchange_refuse_page(struct exchange *x, const char *what, struct http_error *ret_error);
/* Whether the cloud may be asked instead of keeping an answer that is not sure: its budget is
 * claimed then. If not, the decision says why. */
bool exchange_may_escalate(struct exchange *x);
/* A call is off the wire, and `bytes` of its body had been sent. */
void exchange_bill_call(struct exchange *x, const struct engine_call *call, uint64_t bytes);
/* Whether the budget has room for an audit, and if the cloud would not be asked otherwise, claims
 * it.
 */
bool exchange_may_audit(struct exchange *x);
/* Whether the budget has room to ask the cloud once more, with smaller pictures, and if so, claims
 * it. */
bool exchange_may_ask_small(struct exchange *x);
/* Whether the budget has room to ask the cloud whether two answers of an audit mean the same, and
 * if so, claims it. */
bool exchange_may_judge(struct exchange *x, uint64_t bytes, double tokens);
/* Tells the policy `adaptive` what share of requests the budget allows the cloud. */
void exchange_aim(struct exchange *x);
/* What was billed and is not paid yet, as what it was claimed for, or as an audit. */
void exchange_pay(struct exchange *x, bool is_audit);
/* The exchange ends: what is left of it, and the claim is given back. */
void exchange_pay_all(struct exchange *x);

/* ---- exchange_answer.c ---- */

/* Parts of the other tier become text; then the answer. */
void exchange_gather(struct exchange *x);
void exchange_answer(struct exchange *x);
/* Whether engines of the tier can be asked in the client's dialect, if that is another one. */
bool exchange_speaks(const struct exchange *x, enum moa_tier tier);
/* Fills in and sends the call of a tier for an answer, at temperature 0 if it is to be `cold`. -1
 * if out of memory. */
int exchange_ask(struct exchange *x, struct engine_call *call, bool cold);
/* The edge's answer is scored, and waits for that: see on_held. */
void exchange_hold(struct exchange *x, struct engine_call *call);

/* ---- exchange_reply.c ---- */

/* The head of an answer; with `whole`, which is what the engine has answered, all of it. */
void exchange_reply_begin(struct exchange *x, int status, const char *content_type,
                          const struct moa_bytes *whole);
/* Whole events of an engine's answer. Returns how many bytes now wait for the client. */
size_t exchange_reply_events(struct exchange *x, struct moa_bytes events);
/* The end of a stream, of which `usage` was told. */
void exchange_reply_end(struct exchange *x, const struct usage *usage);
/* An error for a client whose stream has begun. False if there is no memory for it. */
bool exchange_reply_error(struct exchange *x, const struct http_error *error);
/* Whether what the engine says is not yet in the client's dialect. */
bool exchange_translates(const struct exchange *x);
/* A completion or, for who asked for a stream, all its events, in the client's dialect. -1 if out
 * of memory. */
int exchange_translate(struct exchange *x, struct moa_bytes bytes, struct moa_bytes *ret_bytes);
/* The client streams: from here on silence is filled with what says nothing. */
void exchange_watch_silence(struct exchange *x);

/* ---- exchange_audit.c ---- */

/* It is decided. If both tiers are to answer, that begins: without room for it, it is dropped. */
void exchange_audit_begin(struct exchange *x);
/* The tier is about to be asked for the client: what was set aside there is of no use any more. */
void exchange_audit_reclaim(struct exchange *x, enum moa_tier tier);
/* What the call's answer says is kept. */
void exchange_audit_listen(struct exchange *x, struct engine_call *call);
/* As much of the edge's answer has come as is scored. */
void exchange_audit_score(struct exchange *x);
/* A call for an answer is over. */
void exchange_audit_note(struct exchange *x, struct engine_call *call);
/* Whether an answer that is not kept can go on all the same; if so, it is set aside: it is heard to
 * its end while the cloud is asked. */
bool exchange_audit_may_go_on(struct engine_call *call);
void exchange_audit_set_aside(struct engine_call *call);
/* The client has its answer, or has left. True: both tiers' are wanted, and the exchange goes on
 * without it. */
bool exchange_audit_goes_on(struct exchange *x);
/* The exchange is freed. */
void exchange_audit_done(struct exchange *x);

/* ---- exchange_memory.c ---- */

/* It is decided. True: it was answered from memory, and is freed. */
bool exchange_recall(struct exchange *x);
/* What the call's answer says will be remembered, */
void exchange_listen(struct exchange *x, struct engine_call *call);
/* since it is the client's. */
void exchange_remember(struct exchange *x, const struct engine_call *call);
/* The exchange is freed. */
void exchange_remember_done(struct exchange *x);

/* ---- exchange_forward.c ---- */

/* A page of an engine's that is no chat. */
void exchange_forward_begin(struct exchange *x);
/* The client has taken what it was sent. */
void exchange_forward_resume(struct exchange *x);
/* Ends the call, if one is under way. */
void exchange_forward_cancel(struct exchange *x);
/* The same, and frees what there is. */
void exchange_forward_done(struct exchange *x);
/* Where it went, and its line of the log. */
enum moa_tier exchange_forward_tier(const struct exchange *x);
void exchange_forward_log(const struct exchange *x);

/* ---- exchange_adaptive.c ---- */

/* How sure the edge is of the answer that has come so far; 0 if it tells nothing. */
double exchange_score(const struct exchange *x);
/* Whether as much of it has come as is scored: the first tokens of a stream, or all of an answer
 * that is shorter or comes whole. */
bool exchange_has_held(const struct exchange *x, bool is_whole);
/* Whether it will not be kept, whatever follows. */
bool exchange_is_hopeless(const struct exchange *x);
/* What a call that was answered took, as its engine tells or as it was seen. */
void exchange_note_times(struct exchange *x, const struct engine_call *call,
                         const struct usage *usage);
/* The exchange is over. */
void exchange_tell_adaptive(struct exchange *x);

/* ---- exchange_stage.c ---- */

/* The one door between stages. */
void enter(struct exchange *x, enum stage stage);
const char *stage_name(enum stage stage);

/* ---- exchange_record.c ---- */

/* The scores, one per part of the chat; NULL if there are none. */
const struct image_score *exchange_scores(const struct exchange *x);

/* The answer has begun, and its head for the client is about to be written. */
void exchange_note_answered(struct exchange *x, struct engine_call *call);
/* The engine gives no log-probabilities: it is not asked for a while. */
void exchange_note_mute(struct engine_call *call);
/* Its answer was not sure enough, but it goes on. */
void exchange_note_aside(struct exchange *x, struct engine_call *call);
/* A call is over. */
void exchange_note_call(struct exchange *x, const struct engine_call *call);
/* What an engine says of its own limits. */
void exchange_keep_limits(struct exchange *x, const struct upstream_head *head);
/* As headers for the client. Returns how many. */
size_t exchange_write_limits(const struct exchange *x, struct server_header *list, size_t room);
/* The tokens and times of a call that was answered. Those of one that nobody gets count apart. */
void exchange_count_call(struct exchange *x, const struct engine_call *call);

#define EXCHANGE_LISTED_MAX 64 /* modalities; how many more there are, in a number */
#define EXCHANGE_LIST_BYTES (EXCHANGE_LISTED_MAX * 24 + 64)
#define EXCHANGE_HEADERS (13 + UPSTREAM_LIMITS_MAX)

/* The headers that an answer gets, and the memory of their values. */
struct exchange_headers {
    struct server_header list[EXCHANGE_HEADERS];
    size_t n;
    char decision[EXCHANGE_LIST_BYTES], scores[EXCHANGE_LIST_BYTES], reasons[EXCHANGE_LIST_BYTES];
    char state[64];
    char overhead[24];
    char memory[40];
    char confidence[64];
};

/* The cloud answers, and its pictures have half their pixels. */
bool exchange_is_small(const struct exchange *x);

/* The exchange has a decision. */
void exchange_write_headers(const struct exchange *x, struct exchange_headers *ret_headers);

/* The exchange is over: counts it, logs it, journals it, and tells a policy that learns. */
void exchange_record(struct exchange *x);

/* ---- exchange_trace.c ---- */

/* Its request has come: takes its trace context, or begins one. */
void exchange_trace_begin(struct exchange *x);
/* The id of a further span. */
uint64_t exchange_trace_next(struct exchange *x);
/* A call is over, or was cancelled. */
void exchange_trace_call(const struct engine_call *call, bool is_cancelled);
/* The same, of a page that is no chat. */
struct traced_page {
    uint64_t span;
    enum moa_tier tier;
    const struct endpoint *endpoint;
    int64_t sent_us;
    const char *error; /* NULL: there was an answer, of whatever status */
};
void exchange_trace_page(struct exchange *x, const struct traced_page *page);
/* The exchange is over: its spans are handed over. The lists are there if there is a decision. */
void exchange_trace_end(struct exchange *x, const struct exchange_headers *lists);
/* Its audit is over, and this is what it found; NULL: it was dropped. */
void exchange_trace_audit(struct exchange *x, const struct moa_audit *found);
/* The exchange is freed. */
void exchange_trace_done(struct exchange *x);

/* ---- exchange_journal.c ---- */

/* Which policy decided, in the order of moa_policy_name(). */
size_t exchange_policy_index(const struct exchange *x);
const char *exchange_policy_name(const struct exchange *x);
/* It is decided: remembers how, since what is done may differ. */
void exchange_note_decision(struct exchange *x);
/* The row of the journal, if there is one; the lists are there if there is a decision. */
void exchange_write_journal(struct exchange *x, const struct exchange_headers *lists,
                            const char *stages);
/* Behind its row: what an audit found, by what both tiers said. Times are NaN if unknown. */
void exchange_journal_audit(const struct exchange *x, const struct moa_audit *audit, double score,
                            double edge_ms, double cloud_ms);

#endif
