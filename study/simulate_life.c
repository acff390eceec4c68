/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a request in a simulation, as the gateway leads it: decided, asked of a tier, held
 * and scored where the edge is first, answered, and, on an audit, asked of the other tier in the
 * shadow. See simulate.h.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate_private.h"

#define EDGE_WAIT_US 10000000 /* as in the gateway: for an edge that is busy */

static void call(struct sim_world *w, struct sim_request *r, enum moa_tier tier);

/* ---- deciding ---- */

/* Tokens by which times grow; plain servers know none. */
static double prompt_tokens(const struct sim_world *w, const struct sim_request *r,
                            enum moa_tier tier)
{
    return w->plan[tier].profile ? r->question->prompt_tokens[tier] : (double)NAN;
}

static struct moa_question ask(const struct sim_world *w, const struct sim_request *r)
{
    const struct scenario *s = w->scenario;
    const struct sim_box *box = r->box;
    struct moa_question q = {.scene = r->scene,
                             .text = (uint64_t)(r->question - w->questions->p),
                             .kind = r->question->kind,
                             .edge_up = r->state.edge_up,
                             .cloud_up = r->state.cloud_up,
                             .upload_bytes = r->upload_bytes,
                             .uplink_mbps = w->flow_mbps,
                             .rtt_ms =
                                 s->link.seen_rtt_ms < 0 ? s->link.rtt_ms : s->link.seen_rtt_ms};
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++)
        q.load[t] = (struct moa_tier_load){.n_in_flight = box->n_calls[t],
                                           .slots = s->tier[t].slots * s->tier[t].engines,
                                           .prompt_tokens = prompt_tokens(w, r, (enum moa_tier)t)};
    moa_adaptive_coins(box->adaptive, q.scene, q.text, q.coins);
    return q;
}

static struct moa_request request_of(const struct sim_world *w, const struct sim_request *r)
{
    const struct question *q = r->question;
    w->modalities[0] = (struct moa_modality){
        .kind = MOA_TEXT, .complexity = r->text_complexity, .bytes = (uint64_t)q->n_text_bytes};
    for (size_t i = 1; i < w->n_modalities; i++)
        w->modalities[i].complexity = r->image_complexity;
    return (struct moa_request){.n = w->n_modalities,
                                .modalities = w->modalities,
                                .deadline_s = w->scenario->request.deadline_s};
}

static void decide(struct sim_world *w, struct sim_request *r)
{
    const struct scenario *s = w->scenario;
    const double slots = s->tier[MOA_EDGE].slots * s->tier[MOA_EDGE].engines;
    r->state = (struct moa_state){.edge_load = fmin(1.0, r->box->n_calls[MOA_EDGE] / slots),
                                  .uplink_mbps = w->flow_mbps,
                                  .edge_up = true,
                                  .cloud_up = r->box->outage != OUTAGE_NOTICED};
    struct moa_request request = request_of(w, r);
    struct moa_question question;
    struct moa_decision d = {.n = w->n_modalities, .choices = w->choices};
    if (r->box->adaptive) {
        question = ask(w, r);
        request.question = &question;
    }
    if (moa_decide(r->box->policy, &request, &r->state, &d))
        abort(); /* what is asked here is in range */
    r->plan = d.plan;
    r->threshold = d.threshold;
    r->choice = d.choices[0];
    if (!d.is_routed)
        return;
    r->routing = d.routing;
    r->sending_ms = moa_adaptive_sending_ms(&question);
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++) {
        r->n_ahead[t] = moa_load_ahead(&question.load[t]);
        r->busy[t] = moa_load_busy(&question.load[t]);
    }
}

/* ---- how sure the edge is ---- */

static double score_of(const struct sim_request *r)
{
    const struct moa_answer *a = r->scored;
    if (r->box->adaptive)
        return moa_adaptive_score(r->box->adaptive, a);
    return a->n_tokens > 0 ? a->p_min : 0.0;
}

/* No token that follows can make it sure; an audit is answered to the end. */
static bool is_hopeless(const struct sim_request *r)
{
    if (r->audited || r->question->has_letters)
        return false;
    return r->box->adaptive ? moa_adaptive_hopeless(r->box->adaptive, r->scored,
                                                    (size_t)r->box->hold_tokens, r->threshold)
                            : score_of(r) < r->threshold;
}

/* What will be scored: all of the answer, or the first tokens of a stream. */
static void hold(const struct sim_world *w, struct sim_request *r)
{
    const struct question *q = r->question;
    r->scored = &q->answer;
    r->n_scored = (size_t)q->n_tokens[MOA_EDGE];
    if (!w->scenario->request.stream)
        return;
    const size_t n = (size_t)fmin((double)q->n_held, r->box->hold_tokens);
    for (size_t k = 0; k < n; k++) {
        r->scored = &q->held[k];
        r->n_scored = k + 1;
        if (is_hopeless(r))
            return;
    }
}

/* The answer of a stream that is not kept is broken off, unless it is an audit's. */
static struct slots_work edge_work(const struct sim_request *r)
{
    struct slots_work work = r->question->work[MOA_EDGE];
    if (r->plan == MOA_PLAN_EDGE_FIRST && !r->answered && !r->audited &&
        r->n_scored < work.n_tokens && score_of(r) < r->threshold)
        work.n_tokens = r->n_scored;
    return work;
}

/* ---- audits ---- */

static bool is_lost(const struct sim_world *w, const struct question *q)
{
    if (w->scenario->records.labels && !isnan(q->right[0]) && !isnan(q->right[1]))
        return q->right[MOA_CLOUD] > q->right[MOA_EDGE];
    return q->differs;
}

static void count_audit(struct sim_world *w, const struct sim_request *r)
{
    struct moa_audit audit = {.scene = r->scene,
                              .text = (uint64_t)(r->question - w->questions->p),
                              .answer = *r->scored,
                              .lost = is_lost(w, r->question)};
    for (size_t i = 0; i < MOA_GENERATIONS; i++)
        audit.audit_of[i] = r->routing.audit_of[i];
    const unsigned what = moa_adaptive_audit(r->box->adaptive, &audit);
    moa_adaptive_tend(r->box->adaptive);
    w->result->audits += (what & MOA_AUDIT_COUNTED) != 0;
    if ((what & MOA_AUDIT_CERTIFIED) && r->box == w->boxes && isnan(w->result->first_certified))
        w->result->first_certified = r->box->n_arrived;
}

/* An audit takes its place before any tier is asked, or none. */
static void begin_audit(struct sim_world *w, struct sim_request *r)
{
    if (!r->routing.audit_of[0] && !r->routing.audit_of[1])
        return;
    r->audited = r->box->n_audits < r->box->audits_max;
    if (r->audited)
        r->box->n_audits++;
    else
        w->result->audits_dropped++;
}

static void end_audit(struct sim_world *w, struct sim_request *r, bool failed)
{
    if (r->audited)
        r->box->n_audits--;
    if (r->audited && failed)
        w->result->audits_dropped++;
    else if (r->audited)
        count_audit(w, r);
    sim_request_free(w, r);
}

/* Calls for audits alone have one of the edge's slots, if one is free or they have waited long. */
static void shadow_edge(struct sim_world *w, struct sim_box *box)
{
    const struct scenario *s = w->scenario;
    const double slots = s->tier[MOA_EDGE].slots * s->tier[MOA_EDGE].engines;
    struct sim_request *r = box->shadows_first;
    if (!r || box->edge_shadow ||
        (box->n_calls[MOA_EDGE] >= slots && w->now_us - r->since_us <= EDGE_WAIT_US))
        return;
    box->shadows_first = r->next;
    box->edge_shadow = r;
    call(w, r, MOA_EDGE);
}

static void shadow(struct sim_world *w, struct sim_request *r)
{
    struct sim_box *box = r->box;
    if (r->got[MOA_EDGE]) {
        sim_figures_audited(w, r);
        call(w, r, MOA_CLOUD);
        return;
    }
    r->since_us = w->now_us;
    r->next = NULL;
    if (box->shadows_first)
        box->shadows_last->next = r;
    else
        box->shadows_first = r;
    box->shadows_last = r;
    shadow_edge(w, box);
}

/* ---- begin ---- */

void sim_begin(struct sim_world *w, struct sim_request *r)
{
    decide(w, r);
    begin_audit(w, r);
    hold(w, r);
    call(w, r, r->plan == MOA_PLAN_EDGE || r->plan == MOA_PLAN_EDGE_FIRST ? MOA_EDGE : MOA_CLOUD);
}

/* ---- a call ---- */

static struct sim_engine *least_busy(struct sim_engine *engines, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (tier_n(&engines[i].tier) < tier_n(&engines[best].tier))
            best = i;
    }
    return &engines[best];
}

static void reach(struct sim_world *w, struct sim_request *r, enum moa_tier tier)
{
    r->engine = tier == MOA_EDGE ? least_busy(r->box->edges, w->n_edges)
                                 : least_busy(w->clouds, w->n_clouds);
    const struct slots_work work = tier == MOA_EDGE ? edge_work(r) : r->question->work[MOA_CLOUD];
    tier_add(&r->engine->tier, &r->job, &work, r, w->now_us);
    sim_schedule_engine(w, r->engine);
}

static void call(struct sim_world *w, struct sim_request *r, enum moa_tier tier)
{
    const struct scenario *s = w->scenario;
    r->called[tier] = true;
    r->box->n_calls[tier]++;
    w->result->calls[tier]++;
    r->sent_us[tier] = w->now_us;
    r->queued[tier] = r->box->n_calls[tier] > s->tier[tier].slots * s->tier[tier].engines;
    if (tier == MOA_EDGE) {
        reach(w, r, MOA_EDGE);
        return;
    }
    const double n_bytes = r->upload_bytes;
    w->result->upload_bytes += n_bytes;
    const double wait_ms =
        s->link.slow_start ? link_slow_start_ms(n_bytes, w->flow_mbps, s->link.rtt_ms) : 0.0;
    if (wait_ms > 0.0)
        sim_schedule(w, (double)w->now_us + round(1e3 * wait_ms), SIM_SEND, r);
    else
        sim_send(w, r);
}

void sim_send(struct sim_world *w, struct sim_request *r)
{
    if (r->box->outage == OUTAGE_NOTICED) {
        sim_failed(w, r);
        return;
    }
    if (!link_add(&r->box->link, r->upload_bytes, r, w->now_us))
        w->out_of_memory = true;
    sim_schedule_link(w, r->box);
}

static double half_rtt_us(const struct sim_world *w)
{
    return round(500.0 * w->scenario->link.rtt_ms);
}

void sim_sent(struct sim_world *w, struct sim_request *r)
{
    sim_schedule(w, (double)w->now_us + half_rtt_us(w), SIM_REACHED, r);
}

void sim_reached(struct sim_world *w, struct sim_request *r)
{
    reach(w, r, MOA_CLOUD);
}

/* As an engine tells it: the prompt, then the answer. What was before that, but for sending as it
 * was expected and for the wait for a slot, is the fixed time. */
static struct moa_call_times times_of(const struct sim_world *w, const struct sim_request *r,
                                      enum moa_tier tier)
{
    const struct tier_job *j = &r->job;
    const double back_us = tier == MOA_CLOUD ? half_rtt_us(w) : 0.0;
    const double sending_ms = tier == MOA_CLOUD ? r->sending_ms : 0.0;
    const double before_ms =
        ((double)(j->begun_us - r->sent_us[tier]) + back_us) / 1e3 - sending_ms;
    return (struct moa_call_times){.fixed_ms = r->queued[tier] ? (double)NAN : fmax(0.0, before_ms),
                                   .prompt_ms = (double)(j->first_us - j->begun_us) / 1e3,
                                   .prompt_tokens = prompt_tokens(w, r, tier),
                                   .answer_ms = (double)(j->ended_us - j->first_us) / 1e3,
                                   .answer_tokens = r->question->n_tokens[tier]};
}

static void on_answer(struct sim_world *w, struct sim_request *r, enum moa_tier tier);

void sim_engine_ended(struct sim_world *w, struct sim_request *r)
{
    const bool is_cloud = r->engine >= w->clouds && r->engine < w->clouds + w->n_clouds;
    const enum moa_tier tier = is_cloud ? MOA_CLOUD : MOA_EDGE;
    r->times[tier] = times_of(w, r, tier);
    if (is_cloud)
        sim_schedule(w, (double)w->now_us + half_rtt_us(w), SIM_BACK, r);
    else
        on_answer(w, r, MOA_EDGE);
}

void sim_back(struct sim_world *w, struct sim_request *r)
{
    const struct sim_box *box = r->box;
    if (box->outage == OUTAGE_NOTICED)
        sim_failed(w, r);
    else if (box->outage == OUTAGE_NONE)
        on_answer(w, r, MOA_CLOUD);
    else if (box->outage_end_us < box->outage_noticed_us)
        sim_schedule(w, (double)box->outage_end_us, SIM_BACK, r);
    else
        sim_schedule(w, (double)box->outage_noticed_us, SIM_FAILED, r);
}

/* ---- an answer ---- */

/* To policies that learn, as the gateway tells them: sending is not timed apart. */
static void tell(struct sim_world *w, struct sim_request *r, bool failed)
{
    const double total_s = (double)(w->now_us - r->arrived_us) / 1e6;
    const bool uploads = r->choice.tier == MOA_CLOUD;
    const double transfer_s =
        uploads ? fmin(8e-6 * r->upload_bytes / r->state.uplink_mbps, total_s) : 0.0;
    if (!moa_policy_learns(r->box->policy))
        return;
    const struct moa_request request = request_of(w, r);
    struct moa_outcome o = {.request = &request,
                            .state = r->state,
                            .choice = r->choice,
                            .transfer_s = transfer_s,
                            .infer_s = total_s - transfer_s,
                            .failed = failed,
                            .correct = NAN};
    if (moa_observe(r->box->policy, &o))
        abort();
    o.correct = r->question->right[r->choice.tier];
    if (!failed && !isnan(o.correct) && moa_observe(r->box->policy, &o))
        abort();
}

/* What a call for an audit alone took. */
static void tell_again(const struct sim_request *r, enum moa_tier tier)
{
    struct moa_adaptive_outcome o = {
        .kind = r->question->kind, .is_again = true, .n_ahead = {NAN, NAN}};
    o.called[tier] = true;
    o.times[tier] = r->times[tier];
    if (moa_adaptive_observe(r->box->adaptive, &o))
        abort();
}

static void tell_adaptive(const struct sim_request *r)
{
    if (!r->box->adaptive)
        return;
    const struct moa_adaptive_outcome o = {.kind = r->question->kind,
                                           .edge_first = r->plan == MOA_PLAN_EDGE_FIRST,
                                           .escalated = r->escalated,
                                           .cloud = r->called[MOA_CLOUD] || r->audited,
                                           .called = {r->got[MOA_EDGE], r->got[MOA_CLOUD]},
                                           .times = {r->times[0], r->times[1]},
                                           .n_ahead = {r->n_ahead[0], r->n_ahead[1]},
                                           .busy = {r->busy[0], r->busy[1]}};
    if (moa_adaptive_observe(r->box->adaptive, &o))
        abort();
}

/* The client has its answer. */
static void answer(struct sim_world *w, struct sim_request *r, enum moa_tier by)
{
    r->answered = true;
    sim_figures_answered(w, r, by);
    if (!r->failed_over) /* a failed call was told when it failed */
        tell(w, r, false);
    tell_adaptive(r);
    const enum moa_tier other = by == MOA_EDGE ? MOA_CLOUD : MOA_EDGE;
    if (!r->audited || r->called[other]) /* and was heard, or has failed */
        end_audit(w, r, !r->got[other]);
    else
        shadow(w, r);
}

/* As many of our calls are there as may wait. */
static bool cloud_is_busy(const struct sim_world *w, const struct sim_box *box)
{
    const struct scenario *s = w->scenario;
    const double slots = s->tier[MOA_CLOUD].slots * s->tier[MOA_CLOUD].engines;
    return box->n_calls[MOA_CLOUD] >= slots * (1.0 + s->cloud_queue);
}

static void on_answer(struct sim_world *w, struct sim_request *r, enum moa_tier tier)
{
    r->box->n_calls[tier]--;
    r->got[tier] = true;
    if (r->box->edge_shadow == r)
        r->box->edge_shadow = NULL;
    if (tier == MOA_EDGE)
        shadow_edge(w, r->box);
    if (r->answered) {
        tell_again(r, tier);
        end_audit(w, r, false);
        return;
    }
    const bool unsure = tier == MOA_EDGE && r->plan == MOA_PLAN_EDGE_FIRST && !r->failed_over &&
                        score_of(r) < r->threshold;
    if (unsure && cloud_is_busy(w, r->box)) {
        w->result->kept_busy++;
        answer(w, r, tier);
    } else if (unsure && r->box->outage != OUTAGE_NOTICED) {
        r->escalated = true;
        w->result->escalated++;
        call(w, r, MOA_CLOUD);
    } else {
        answer(w, r, tier);
    }
}

/* The cloud was not reached: the edge's answer is taken, or the edge is asked. */
void sim_failed(struct sim_world *w, struct sim_request *r)
{
    r->box->n_calls[MOA_CLOUD]--;
    if (r->answered) {
        end_audit(w, r, true);
        return;
    }
    w->result->failed_over++;
    r->failed_over = true;
    tell(w, r, true);
    if (r->got[MOA_EDGE])
        answer(w, r, MOA_EDGE);
    else
        call(w, r, MOA_EDGE);
}
