/* SPDX-License-Identifier: Apache-2.0
 *
 * Deciding the rows of a journal again; see hindsight.h.
 */
#include "hindsight.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/policy_words.h"

#include "hindsight_private.h"

#define ORIGINS_MAX 4096 /* reloads of a gateway with other parameters, times policies */

struct hindsight *hindsight_new(const struct budget_terms *prices)
{
    struct hindsight *h = calloc(1, sizeof(*h));
    if (h)
        h->prices = *prices;
    return h;
}

void hindsight_free(struct hindsight *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n_views; i++) {
        free(h->views[i].name);
        free(h->views[i].label);
        moa_policy_free(h->views[i].policy);
        free(h->views[i].choices);
    }
    for (size_t i = 0; i < h->n_origins; i++) {
        free(h->origins[i].name);
        free(h->origins[i].words);
        moa_policy_free(h->origins[i].policy);
    }
    free(h->origins);
    free(h->past);
    free(h);
}

/* `more` behind `settings`: the last of a key counts. */
static void join(const struct moa_policy_setting *settings, const struct moa_policy_setting *more,
                 struct moa_policy_setting ret_all[2 * POLICY_WORDS_ROOM])
{
    size_t n = 0;
    for (const struct moa_policy_setting *s = settings; s && s->key && n < POLICY_WORDS_ROOM; s++)
        ret_all[n++] = *s;
    for (const struct moa_policy_setting *s = more; s->key; s++)
        ret_all[n++] = *s;
    ret_all[n].key = NULL;
}

static int make_policy(const char *name, const char *words,
                       const struct moa_policy_setting *settings, struct moa_policy **ret_policy,
                       char *why, size_t n)
{
    struct moa_policy_setting more[POLICY_WORDS_ROOM], all[2 * POLICY_WORDS_ROOM];
    if (!moa_policy_summary(name)) {
        snprintf(why, n, "there is no policy \"%s\"; see `moaoff policies`", name);
        return -1;
    }
    if (policy_words_read(name, words, more, why, n))
        return -1;
    join(settings, more, all);
    if (moa_policy_new(name, all, ret_policy) == MOA_OK)
        return 0;
    snprintf(why, n, "out of memory");
    return -1;
}

int hindsight_ask(struct hindsight *h, const char *name, const char *words,
                  const struct moa_policy_setting *settings, char *why, size_t n)
{
    struct hindsight_view view = {.label = NULL};
    if (h->n_views == HINDSIGHT_POLICIES_MAX) {
        snprintf(why, n, "more than %d policies", HINDSIGHT_POLICIES_MAX);
        return -1;
    }
    if (make_policy(name, words, settings, &view.policy, why, n))
        return -1;
    view.name = strdup(name);
    if (!view.name || asprintf(&view.label, "%s%s%s", name, words[0] ? ":" : "", words) < 0) {
        moa_policy_free(view.policy);
        free(view.name);
        snprintf(why, n, "out of memory");
        return -1;
    }
    h->views[h->n_views++] = view;
    return 0;
}

/* ---- what was ---- */

static enum hindsight_path path_of_plan(enum moa_plan plan)
{
    switch (plan) {
    case MOA_PLAN_CLOUD:
        return HINDSIGHT_CLOUD;
    case MOA_PLAN_PERCEIVE_CLOUD:
    case MOA_PLAN_PERCEIVE_EDGE:
        return HINDSIGHT_SPLIT;
    default:
        return HINDSIGHT_KEPT;
    }
}

static enum hindsight_path path_done(const struct hindsight_row *row)
{
    if (path_of_plan(row->done) == HINDSIGHT_SPLIT)
        return HINDSIGHT_SPLIT;
    if (row->tier == MOA_EDGE)
        return HINDSIGHT_KEPT;
    return row->docket->decision.plan == MOA_PLAN_EDGE_FIRST ? HINDSIGHT_ESCALATED
                                                             : HINDSIGHT_CLOUD;
}

static enum hindsight_phase phase_of(const struct moa_decision *d)
{
    if (!d->is_routed)
        return PHASE_OTHER;
    switch (d->routing.why) {
    case MOA_WHY_SHADOW:
        return PHASE_SHADOW;
    case MOA_WHY_UNCERTIFIED:
        return PHASE_UNCERTIFIED;
    case MOA_WHY_CERTIFIED:
    case MOA_WHY_QUICKER: /* of what is certified, for the most part */
        return PHASE_CERTIFIED;
    default:
        return PHASE_OTHER; /* pinned, or a tier was down: never audited */
    }
}

static struct hindsight_past past_of(const struct hindsight_row *row)
{
    const struct moa_docket *d = row->docket;
    const struct moa_question *q = d->request.question;
    const struct moa_routing *r = &d->decision.routing;
    struct hindsight_past p = {
        .total_ms = (float)row->total_ms,
        .predicted_ms = {NAN, NAN},
        .cloud_prompt_tokens = (float)row->cloud_prompt_tokens,
        .cloud_completion_tokens = (float)row->cloud_completion_tokens,
        .cloud_bytes = (float)row->cloud_bytes,
        .path = (uint8_t)path_done(row),
        .phase = (uint8_t)phase_of(&d->decision),
        .has_audit = row->audit,
        .lost = row->audit && row->audit->lost,
    };
    for (size_t i = 0; i < d->request.n; i++) {
        const struct moa_modality *m = &d->request.modalities[i];
        p.request_bytes += (float)m->bytes;
        p.prompt_tokens += (float)m->tokens;
        p.n_pictures = (uint16_t)(p.n_pictures + (m->kind == MOA_IMAGE));
    }
    if (q && !isnan(q->load[MOA_CLOUD].prompt_tokens))
        p.prompt_tokens = (float)q->load[MOA_CLOUD].prompt_tokens;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD && d->decision.is_routed; tier++)
        p.predicted_ms[tier] = (float)r->predicted_ms[tier];
    return p;
}

/* ---- by their own policies ---- */

static bool is_same_double(double a, double b)
{
    uint64_t bits_a, bits_b;
    memcpy(&bits_a, &a, sizeof(a));
    memcpy(&bits_b, &b, sizeof(b));
    return bits_a == bits_b;
}

/* Where each part goes, and what the edge's answer must reach. */
static bool is_same_way(const struct moa_decision *a, const struct moa_decision *b)
{
    bool same = a->plan == b->plan && a->n == b->n && is_same_double(a->threshold, b->threshold);
    for (size_t i = 0; i < a->n && same; i++)
        same = a->choices[i].tier == b->choices[i].tier;
    return same;
}

static bool is_same(const struct moa_decision *a, const struct moa_decision *b)
{
    bool same = is_same_way(a, b);
    for (size_t i = 0; i < a->n && same; i++)
        same = a->choices[i].reason == b->choices[i].reason;
    return same;
}

static bool has_learned(struct moa_policy *policy)
{
    return moa_policy_learns(policy) || moa_policy_adaptive(policy);
}

static bool is_origin(const struct hindsight_origin *o, const struct hindsight_row *row)
{
    return strcmp(o->name, row->policy) == 0 && strcmp(o->words, row->words) == 0;
}

static struct hindsight_origin *add_origin(struct hindsight *h, const struct hindsight_row *row)
{
    if (h->n_origins == ORIGINS_MAX)
        return NULL;
    struct hindsight_origin *origins =
        realloc(h->origins, (h->n_origins + 1) * sizeof(*h->origins));
    if (!origins)
        return NULL;
    h->origins = origins;
    struct hindsight_origin *o = &origins[h->n_origins];
    char why[256];
    *o = (struct hindsight_origin){strdup(row->policy), strdup(row->words), NULL};
    if (!o->name || !o->words) {
        free(o->name);
        free(o->words);
        return NULL;
    }
    h->last_origin = h->n_origins++;
    struct moa_policy *policy = NULL;
    if (make_policy(o->name, o->words, NULL, &policy, why, sizeof(why)))
        return o;
    if (has_learned(policy))
        moa_policy_free(policy);
    else
        o->policy = policy;
    return o;
}

static struct hindsight_origin *find_origin(struct hindsight *h, const struct hindsight_row *row)
{
    if (h->n_origins > 0 && is_origin(&h->origins[h->last_origin], row))
        return &h->origins[h->last_origin];
    for (size_t i = 0; i < h->n_origins; i++) {
        if (is_origin(&h->origins[i], row)) {
            h->last_origin = i;
            return &h->origins[i];
        }
    }
    return add_origin(h, row);
}

static int decide_again(struct hindsight *h, const struct hindsight_row *row,
                        struct moa_choice *choices)
{
    const struct hindsight_origin *o = find_origin(h, row);
    const struct moa_docket *d = row->docket;
    struct moa_decision decision = {.n = MOA_MODALITIES_MAX, .choices = choices};
    if (!o)
        return -1;
    if (!o->policy) {
        h->again.n_learning++;
        return 0;
    }
    h->again.n++;
    h->again.n_differ += moa_decide(o->policy, &d->request, &d->state, &decision) != MOA_OK ||
                         !is_same(&decision, &d->decision);
    return 0;
}

/* ---- by the policies that were asked ---- */

/* Of the edge, as it was served or as an audit had it. */
static const struct moa_answer *answer_of(const struct hindsight_row *row)
{
    return row->docket->answer ? row->docket->answer : row->audit ? &row->audit->answer : NULL;
}

static double score_of(struct moa_policy *policy, const struct moa_answer *answer)
{
    const struct moa_adaptive *adaptive = moa_policy_adaptive(policy);
    if (adaptive)
        return moa_adaptive_score(adaptive, answer);
    return answer->n_tokens > 0 ? answer->p_min : 0.0;
}

static struct hindsight_choice choose(const struct hindsight_view *v,
                                      const struct hindsight_row *row, const struct moa_decision *d)
{
    const struct moa_answer *answer = answer_of(row);
    struct hindsight_choice c = {.path = (uint8_t)path_of_plan(d->plan),
                                 .otherwise = !is_same_way(d, &row->docket->decision)};
    for (size_t i = 0; i < d->n; i++) {
        if (d->choices[i].tier == MOA_CLOUD)
            c.split_bytes += (float)row->docket->request.modalities[i].bytes;
    }
    c.is_first = d->plan == MOA_PLAN_EDGE_FIRST;
    if (!c.otherwise && strcmp(v->name, row->policy) == 0) { /* then so is what came of it */
        c.path = (uint8_t)path_done(row);
        return c;
    }
    if (!c.is_first)
        return c;
    c.is_blind = !answer;
    if (answer && score_of(v->policy, answer) < d->threshold)
        c.path = HINDSIGHT_ESCALATED;
    return c;
}

/* Of a request that this policy would have audited, too. */
static void tell_audit(struct moa_adaptive *adaptive, const struct hindsight_audit *found,
                       const struct moa_question *q, const struct moa_decision *d)
{
    struct moa_adaptive_outcome again = {
        .kind = q ? q->kind : 0, .is_again = true, .n_ahead = {NAN, NAN}};
    memcpy(again.called, found->called, sizeof(again.called));
    memcpy(again.times, found->times, sizeof(again.times));
    if (again.called[MOA_EDGE] || again.called[MOA_CLOUD])
        (void)!moa_adaptive_observe(adaptive, &again);
    if (!q || !d->is_routed)
        return;
    struct moa_audit audit = {.scene = q->scene,
                              .text = q->text,
                              .answer = found->answer,
                              .lost = found->lost,
                              .has_small = found->has_small,
                              .small_lost = found->small_lost};
    memcpy(audit.audit_of, d->routing.audit_of, sizeof(audit.audit_of));
    moa_adaptive_audit(adaptive, &audit);
}

/* What was measured, told to a policy that goes another way: the times of calls that were made. */
static void tell_adaptive(struct moa_adaptive *adaptive, const struct hindsight_row *row,
                          const struct moa_decision *d, const struct hindsight_choice *c)
{
    const struct moa_docket *docket = row->docket;
    const struct moa_question *q = docket->request.question;
    struct moa_adaptive_outcome o = {
        .kind = q ? q->kind : 0, .n_ahead = {NAN, NAN}, .busy = {NAN, NAN}};
    if (docket->outcome)
        o = *docket->outcome;
    if (!docket->outcome || c->otherwise) {
        o.edge_first = c->is_first && !c->is_blind;
        o.escalated = c->path == HINDSIGHT_ESCALATED;
        o.cloud = c->path == HINDSIGHT_ESCALATED || c->path == HINDSIGHT_CLOUD;
    }
    if (docket->outcome || !docket->decision.is_routed) /* else it was not told at the time */
        (void)!moa_adaptive_observe(adaptive, &o);
    if (row->audit)
        tell_audit(adaptive, row->audit, q, d);
    moa_adaptive_tend(adaptive);
}

/* One that goes another way cannot be told how that would have ended. */
static void tell_bandit(struct moa_policy *policy, const struct hindsight_row *row,
                        const struct moa_decision *d)
{
    const struct moa_docket *docket = row->docket;
    const double total_s = row->total_ms / 1000;
    if (d->choices[0].tier != docket->decision.choices[0].tier || docket->request.pinned)
        return;
    const bool uploads = d->choices[0].tier == MOA_CLOUD && docket->state.uplink_mbps > 0;
    double bits = 0.0;
    for (size_t i = 0; i < docket->request.n; i++)
        bits += 8.0 * (double)docket->request.modalities[i].bytes;
    const double transfer_s = uploads ? bits / (1e6 * docket->state.uplink_mbps) : 0.0;
    const struct moa_outcome outcome = {
        .request = &docket->request,
        .state = docket->state,
        .choice = d->choices[0],
        .transfer_s = transfer_s,
        .infer_s = total_s > transfer_s ? total_s - transfer_s : 0.0,
        .failed = isnan(row->total_ms) || path_done(row) != path_of_plan(docket->decision.plan),
        .correct = NAN,
    };
    (void)!moa_observe(policy, &outcome);
}

static struct hindsight_choice decide_otherwise(struct hindsight_view *v,
                                                const struct hindsight_row *row,
                                                struct moa_choice *choices)
{
    const struct moa_docket *docket = row->docket;
    struct moa_decision d = {.n = MOA_MODALITIES_MAX, .choices = choices};
    if (moa_decide(v->policy, &docket->request, &docket->state, &d) != MOA_OK)
        return (struct hindsight_choice){.is_first = true, .is_blind = true, .otherwise = true};
    const struct hindsight_choice c = choose(v, row, &d);
    struct moa_adaptive *adaptive = moa_policy_adaptive(v->policy);
    if (adaptive)
        tell_adaptive(adaptive, row, &d, &c);
    else if (moa_policy_learns(v->policy))
        tell_bandit(v->policy, row, &d);
    return c;
}

static int make_room(struct hindsight *h)
{
    if (h->n < h->room)
        return 0;
    const size_t room = h->room > 0 ? 2 * h->room : 1024;
    struct hindsight_past *past =
        h->n < HINDSIGHT_ROWS_MAX ? realloc(h->past, room * sizeof(*past)) : NULL;
    if (!past)
        return -1;
    h->past = past;
    for (size_t i = 0; i < h->n_views; i++) {
        struct hindsight_choice *choices = realloc(h->views[i].choices, room * sizeof(*choices));
        if (!choices)
            return -1;
        h->views[i].choices = choices;
    }
    h->room = room;
    return 0;
}

int hindsight_take(struct hindsight *h, const struct hindsight_row *row)
{
    struct moa_choice choices[MOA_MODALITIES_MAX];
    if (make_room(h) || decide_again(h, row, choices))
        return -1;
    h->past[h->n] = past_of(row);
    for (size_t i = 0; i < h->n_views; i++)
        h->views[i].choices[h->n] = decide_otherwise(&h->views[i], row, choices);
    h->n++;
    return 0;
}

void hindsight_again(const struct hindsight *h, struct hindsight_again *ret_again)
{
    *ret_again = h->again;
}
