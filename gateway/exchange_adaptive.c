/* SPDX-License-Identifier: Apache-2.0
 *
 * What the policy `adaptive` has to do with an exchange once it is decided: it scores what the edge
 * says, and is told how long calls took and how the request ended. With another policy that tries
 * the edge first the score is the probability of the least probable token. See exchange_private.h.
 */
#include <math.h>
#include <time.h>

#include "exchange_private.h"
#include "log.h"

#define TOKENS_MAX ((size_t)1 << 20) /* of an answer that is no stream */

/* ---- how sure the edge is ---- */

static const struct moa_adaptive *adaptive_of(const struct exchange *x)
{
    return x->perceived.decision.is_routed ? moa_policy_adaptive(x->policy) : NULL;
}

double exchange_score(const struct exchange *x)
{
    const struct moa_adaptive *adaptive = adaptive_of(x);
    struct moa_answer answer;
    logprobs_answer(&x->logprobs, x->chat.is_sampled, &answer);
    if (answer.n_tokens == 0)
        return 0.0;
    return adaptive ? moa_adaptive_score(adaptive, &answer) : answer.p_min;
}

static double hold_tokens(const struct exchange *x)
{
    return moa_policy_value(x->policy,
                            adaptive_of(x) ? "adaptive.hold_tokens" : "edge_first.hold_tokens");
}

bool exchange_has_held(const struct exchange *x, bool is_whole)
{
    const struct logprobs *l = &x->logprobs;
    return is_whole || l->ended || (double)l->n_tokens >= hold_tokens(x);
}

/* More tokens never raise the least probability, but for a letter's: among those that were offered
 * it is more probable than among all. */
bool exchange_is_hopeless(const struct exchange *x)
{
    const struct moa_adaptive *adaptive = adaptive_of(x);
    const double threshold = x->perceived.decision.threshold;
    struct moa_answer so_far;
    logprobs_answer(&x->logprobs, x->chat.is_sampled, &so_far);
    if (x->logprobs.letters)
        return false;
    if (!adaptive)
        return (so_far.n_tokens > 0 ? so_far.p_min : 0.0) < threshold;
    const size_t n_max = x->chat.stream ? (size_t)hold_tokens(x) : TOKENS_MAX;
    return moa_adaptive_hopeless(adaptive, &so_far, n_max, threshold);
}

/* ---- what calls took ---- */

static double ms_between(int64_t from_us, int64_t to_us)
{
    return fmax(0.0, (double)(to_us - from_us) / 1e3);
}

static double known(int64_t tokens)
{
    return tokens >= 0 ? (double)tokens : (double)NAN;
}

/* What goes to the cloud as it is now: of the whole request, or with smaller pictures. */
static struct moa_question as_sent(const struct exchange *x)
{
    struct moa_question q = x->perceived.question;
    if (x->perceived.decision.routing.small) {
        q.upload_bytes = q.small_upload_bytes;
        q.load[MOA_CLOUD].prompt_tokens = q.small_prompt_tokens;
    }
    return q;
}

/* Whoever had to wait for a slot knows only what the engine tells. An engine that tells does so at
 * the end: of a stream that was cut off before, nothing is learned, as the time to its first byte
 * is not the time to read. */
static void read_times(const struct exchange *x, const struct engine_call *c,
                       const struct usage *usage, struct moa_call_times *ret_times)
{
    const struct moa_question question = as_sent(x);
    const struct moa_question *q = &question;
    const double sending_ms = c->tier == MOA_CLOUD ? moa_adaptive_sending_ms(q) : 0.0;
    const double all_ms = ms_between(c->sent_us, server_now_us()) - sending_ms;
    const double begin_ms = ms_between(c->sent_us, c->answered_us) - sending_ms;
    const bool has_end = c->is_stream ? c->sse.ended : true;
    struct moa_call_times *t = ret_times;
    *t = (struct moa_call_times){NAN, NAN, q->load[c->tier].prompt_tokens, NAN, NAN};
    if (usage->prompt_ms > 0) {
        t->prompt_ms = usage->prompt_ms;
        t->answer_ms = usage->completion_ms;
        if (!c->is_queued)
            t->fixed_ms = fmax(0.0, all_ms - t->prompt_ms - t->answer_ms);
    } else if (!c->is_queued && c->is_stream && (has_end || !x->gateway->tells_times[c->tier])) {
        t->prompt_ms = fmax(0.0, begin_ms);
        t->answer_ms = has_end ? all_ms - begin_ms : NAN;
    } else if (!c->is_queued && !c->is_stream) {
        t->answer_ms = fmax(0.0, all_ms);
    }
    if (has_end)
        t->answer_tokens = known(usage->completion_tokens);
}

/* What makes no sense is not learned. */
static void tell(const struct exchange *x, const struct moa_adaptive_outcome *outcome)
{
    const enum moa_err err = moa_adaptive_observe(moa_policy_adaptive(x->policy), outcome);
    if (err)
        log_event(LOG_LEVEL_DEBUG, "outcome-refused", "id=%s error=%s", x->trace.id,
                  moa_strerror(err));
}

void exchange_note_times(struct exchange *x, const struct engine_call *c, const struct usage *usage)
{
    struct moa_adaptive_outcome again = {
        .kind = x->perceived.question.kind, .is_again = true, .n_ahead = {NAN, NAN}};
    struct moa_adaptive_outcome *o = call_is_shadow(c->kind) ? &again : &x->outcome;
    struct moa_call_times *t = &o->times[c->tier];
    if (!x->perceived.decision.is_routed || c->kind == CALL_PERCEPTION || c->kind == CALL_JUDGE ||
        c->answered_us == 0)
        return;
    x->gateway->tells_times[c->tier] |= usage->prompt_ms > 0;
    read_times(x, c, usage, t);
    o->called[c->tier] = !isnan(t->prompt_ms) || !isnan(t->answer_ms);
    if (!call_is_shadow(c->kind))
        return;
    tell(x, &again);
    if (c->kind == CALL_SMALL) /* no time of the request as it stands */
        return;
    x->shadow.called[c->tier] = again.called[c->tier];
    x->shadow.times[c->tier] = again.times[c->tier];
}

/* ---- how it ended ---- */

static bool is_outside(const struct exchange *x)
{
    const enum moa_why why = x->perceived.decision.routing.why;
    return x->pinned || x->memory_age_us >= 0 || why == MOA_WHY_CLOUD_DOWN ||
           why == MOA_WHY_EDGE_DOWN;
}

/* Also of an answer that was not kept. */
static void see_score(const struct exchange *x)
{
    const struct moa_routing *r = &x->perceived.decision.routing;
    const struct moa_question *q = x->perceived.request.question;
    if (!q || isnan(x->score) || r->route != MOA_ROUTE_EDGE_FIRST || r->why != MOA_WHY_CERTIFIED)
        return;
    const struct moa_sighting sighting = {
        .scene = q->scene, .text = q->text, .score = x->score, .hour = (int64_t)time(NULL) / 3600};
    moa_adaptive_see(moa_policy_adaptive(x->policy), &sighting);
}

void exchange_tell_adaptive(struct exchange *x)
{
    const struct moa_decision *d = &x->perceived.decision;
    struct moa_adaptive_outcome *o = &x->outcome;
    if (!x->has_decision || !d->is_routed || x->dry_run || x->status == 0 || is_outside(x))
        return;
    o->kind = x->perceived.question.kind;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        o->n_ahead[tier] = moa_load_ahead(&x->perceived.question.load[tier]);
        o->busy[tier] = moa_load_busy(&x->perceived.question.load[tier]);
    }
    o->edge_first = !isnan(x->score);
    o->escalated = x->score < d->routing.threshold;
    exchange_aim(x);
    o->cloud = x->bytes_up[MOA_CLOUD] > 0 || d->routing.audit_of[0] || d->routing.audit_of[1];
    tell(x, o);
    x->has_told = true;
    see_score(x);
}
