/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exchange asks of the cloud, and whether it may: claims on the budget before anything is
 * sent, bills for what was, and whether an answer that the edge is not sure of may be replaced by
 * the cloud's. See exchange_private.h and budget.h.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exchange_private.h"
#include "keys.h"

#define SECOND_US INT64_C(1000000)
#define BYTES_A_TOKEN 4.0 /* of words, about */

static const struct budget_terms *terms_of(const struct exchange *x)
{
    return &x->settings->config->budget;
}

/* ---- before anything is sent ---- */

/* What a decision will take of the cloud, about; `everything`: if all of it is sent there. */
static struct budget_bill estimate(const struct exchange *x, bool everything)
{
    const struct moa_decision *d = &x->perceived.decision;
    const bool answers = everything || d->choices[0].tier == MOA_CLOUD;
    struct budget_bill bill = {.bytes = 0};
    double stays_bytes = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct moa_modality *m = &x->perceived.modalities[i];
        if (!everything && d->choices[i].tier != MOA_CLOUD) {
            stays_bytes += i > 0 ? (double)m->bytes : 0.0;
            continue;
        }
        bill.bytes += (double)m->bytes;
        bill.calls += 1.0;
        bill.pictures += m->kind == MOA_IMAGE;
        bill.prompt_tokens +=
            perceive_tokens_of(&x->perceived, i, &x->settings->config->tier[MOA_CLOUD]);
    }
    bill.completion_tokens = bill.calls * (double)x->settings->config->perceive_max_tokens;
    if (answers) {
        bill.calls = 1.0;
        bill.bytes = (double)x->request_bytes - stays_bytes;
        bill.completion_tokens = x->gateway->budget.completion_tokens;
    }
    return bill;
}

static void release(struct exchange *x)
{
    if (x->has_claim)
        budget_release(&x->gateway->budget, &x->claim);
    x->has_claim = false;
}

/* In the place of what was claimed before. */
static bool claim_bill(struct exchange *x, struct budget_bill bill, enum budget_purpose purpose)
{
    struct budget *budget = &x->gateway->budget;
    const double share = purpose == BUDGET_AUDIT ? BUDGET_AUDIT_SHARE : 1.0;
    const struct budget_amount amount = budget_price(terms_of(x), &bill);
    release(x);
    x->over_budget = bill.calls > 0.0 && !budget_allows(budget, terms_of(x), &amount, share,
                                                        server_now_us(), &x->refusal);
    if (x->over_budget)
        return false;
    x->estimate = bill;
    x->purpose = purpose;
    if (x->dry_run || bill.calls == 0.0)
        return true;
    x->has_claim = true;
    x->claim = amount;
    budget_reserve(budget, &amount);
    return true;
}

static bool claim(struct exchange *x, bool everything, enum budget_purpose purpose)
{
    return claim_bill(x, estimate(x, everything), purpose);
}

bool exchange_claim_page(struct exchange *x)
{
    const struct budget_bill bill = {.bytes = (double)x->request_bytes, .calls = 1.0};
    return claim_bill(x, bill, BUDGET_ANSWER);
}

bool exchange_claim_decided(struct exchange *x)
{
    const struct moa_decision *d = &x->perceived.decision;
    return claim(x, false, d->choices[0].tier == MOA_CLOUD ? BUDGET_ANSWER : BUDGET_DESCRIPTION);
}

bool exchange_claim_everything(struct exchange *x)
{
    return claim(x, true, BUDGET_ANSWER);
}

/* ---- what is refused ---- */

static size_t first_at_cloud(const struct moa_decision *d)
{
    size_t i = 0;
    while (i < d->n && d->choices[i].tier != MOA_CLOUD)
        i++;
    return i;
}

/* "1000000 bytes per hour", "2.5 EUR per day" */
static void write_limit(const struct exchange *x, char *text, size_t n)
{
    const struct budget_refusal *r = &x->refusal;
    const char *currency = x->settings->config->currency;
    const bool is_money = r->quantity == BUDGET_MONEY && currency[0];
    snprintf(text, n, "%.15g %.16s per %s", terms_of(x)->limit[r->window][r->quantity],
             is_money ? currency : budget_quantity_name(r->quantity),
             budget_window_name(r->window));
}

int exchange_refuse_page(struct exchange *x, const char *what, struct http_error *ret_error)
{
    char limit[96];
    write_limit(x, limit, sizeof(limit));
    if (x->refusal.wait_us < 0) {
        http_fail(ret_error, 402, "over_budget",
                  "%s could be taken by the cloud alone, and is more than its budget of %s allows.",
                  what, limit);
    } else {
        x->retry_after_s = (unsigned)((x->refusal.wait_us + SECOND_US - 1) / SECOND_US);
        http_fail(ret_error, 429, "over_budget",
                  "%s could be taken by the cloud alone, whose budget of %s is spent; it has room "
                  "again in %u s.",
                  what, limit, x->retry_after_s);
    }
    return -1;
}

int exchange_refuse_over_budget(struct exchange *x, struct http_error *ret_error)
{
    const size_t at = first_at_cloud(&x->perceived.decision);
    char name[sizeof(ret_error->param)] = "";
    if (at == x->perceived.decision.n)
        return 0;
    if (at > 0)
        chat_part_name(&x->chat, at - 1, name, sizeof(name));
    exchange_refuse_page(x, at > 0 ? name : "The request", ret_error);
    return http_fail_at(ret_error, "%s", name);
}

/* ---- instead of an answer that is not sure ---- */

/* It has just said so, or as many calls wait there as may; how many it works on may not be known.
 */
static bool cloud_is_busy(const struct exchange *x)
{
    struct moa_tier_load load;
    sense_tier(&x->gateway->sense, MOA_CLOUD, server_now_us(), &load);
    return endpoints_busy(&x->settings->endpoints[MOA_CLOUD], server_now_us()) ||
           load.n_in_flight >= load.slots * (1.0 + x->settings->config->cloud_queue);
}

/* Clients without a key count as one. */
static int64_t *escalated_us(struct exchange *x)
{
    return x->key ? key_escalated_us(x->key) : &x->gateway->budget.escalated_us;
}

static bool is_too_soon(struct exchange *x)
{
    const int64_t own_s = x->key ? key_escalation_gap_s(x->key) : 0;
    const int64_t gap_s = own_s > 0 ? own_s : x->settings->config->escalation_gap_s;
    const int64_t last_us = *escalated_us(x);
    return last_us > 0 && server_now_us() - last_us < gap_s * SECOND_US;
}

bool exchange_may_escalate(struct exchange *x)
{
    struct moa_decision *d = &x->perceived.decision;
    const bool is_busy = cloud_is_busy(x);
    if (!is_busy && !is_too_soon(x) && claim(x, true, BUDGET_ESCALATION)) {
        *escalated_us(x) = server_now_us();
        return true;
    }
    const enum moa_reason reason = is_busy ? MOA_REASON_CLOUD_BUSY : MOA_REASON_OVER_BUDGET;
    for (size_t i = 0; i < d->n; i++)
        d->choices[i] = (struct moa_choice){MOA_EDGE, reason};
    x->gateway->metrics.escalations_held_total[is_busy]++;
    return false;
}

bool exchange_may_audit(struct exchange *x)
{
    const bool may = x->perceived.decision.plan == MOA_PLAN_CLOUD || claim(x, true, BUDGET_AUDIT);
    x->over_budget = false; /* the request itself may have what is left */
    return may;
}

/* One more call for an audit. What was asked before is over, and paid here. */
static bool claim_more(struct exchange *x, struct budget_bill bill)
{
    struct budget_bill both = x->estimate;
    exchange_pay(x, true);
    const bool may = claim_bill(x, bill, BUDGET_AUDIT);
    both.prompt_tokens += bill.prompt_tokens;
    both.completion_tokens += bill.completion_tokens;
    x->estimate = both; /* of all that may be billed */
    x->over_budget = false;
    return may;
}

bool exchange_may_judge(struct exchange *x, uint64_t bytes, double tokens)
{
    return claim_more(x, (struct budget_bill){.bytes = (double)bytes,
                                              .calls = 1.0,
                                              .prompt_tokens = (double)bytes / BYTES_A_TOKEN,
                                              .completion_tokens = tokens});
}

bool exchange_may_ask_small(struct exchange *x)
{
    const struct moa_question *q = &x->perceived.question;
    struct budget_bill bill = estimate(x, true);
    bill.bytes = fmin(bill.bytes, q->small_upload_bytes);
    bill.prompt_tokens = fmin(bill.prompt_tokens, q->small_prompt_tokens);
    return claim_more(x, bill);
}

void exchange_aim(struct exchange *x)
{
    const double share = budget_share(&x->gateway->budget, terms_of(x), server_now_us());
    const enum moa_err err = moa_adaptive_aim(moa_policy_adaptive(x->policy), share);
    assert(!err); /* a share */
    (void)err;
}

/* ---- what was sent ---- */

void exchange_bill_call(struct exchange *x, const struct engine_call *c, uint64_t bytes)
{
    const struct moa_decision *d = &x->perceived.decision;
    if (c->tier != MOA_CLOUD || bytes == 0)
        return;
    x->bill.bytes += (double)bytes;
    x->bill.calls += 1.0;
    if (c->kind == CALL_JUDGE)
        return;
    if (c->kind == CALL_PERCEPTION) {
        x->bill.pictures += x->chat.parts[c->part].kind == MOA_IMAGE;
        return;
    }
    for (size_t i = 0; i < x->chat.n_parts; i++) {
        const bool as_text = d->choices[0].tier == MOA_CLOUD && d->choices[1 + i].tier == MOA_EDGE;
        x->bill.pictures += x->chat.parts[i].kind == MOA_IMAGE && !as_text;
    }
}

/* Engines that do not say what an answer took, and clients that leave before it is said, cost what
 * was estimated; a call that failed costs no tokens. */
static void bill_tokens(struct exchange *x)
{
    const struct usage *said = &x->usage[MOA_CLOUD];
    const bool has_failed = strncmp(x->fallback, "cloud", 5) == 0 || x->status >= 300;
    x->bill.prompt_tokens = (double)said->prompt_tokens;
    x->bill.completion_tokens = (double)said->completion_tokens;
    if (x->bill.calls == 0.0 || has_failed)
        return;
    if (said->prompt_tokens < 0)
        x->bill.prompt_tokens = x->estimate.prompt_tokens;
    if (said->completion_tokens < 0)
        x->bill.completion_tokens = x->estimate.completion_tokens;
}

void exchange_pay(struct exchange *x, bool is_audit)
{
    struct budget *budget = &x->gateway->budget;
    const enum budget_purpose purpose = is_audit ? BUDGET_AUDIT : x->purpose;
    bill_tokens(x);
    const struct budget_amount sum = budget_price(terms_of(x), &x->bill);
    struct budget_amount more = sum;
    bool is_any = false;
    for (size_t q = 0; q < BUDGET_QUANTITIES; q++) {
        more.of[q] = fmax(0.0, sum.of[q] - x->paid.of[q]);
        is_any |= more.of[q] > 0.0;
    }
    if (!is_any)
        return;
    budget_spend(budget, purpose, &more, server_now_us());
    x->paid = sum;
}

void exchange_pay_all(struct exchange *x)
{
    struct budget *budget = &x->gateway->budget;
    const double completion = (double)x->usage[MOA_CLOUD].completion_tokens;
    if (x->dry_run)
        return;
    exchange_pay(x, true);
    release(x);
    budget_count(budget, x->bill.calls > 0.0, server_now_us());
    if (completion >= 0)
        budget_see_completion(budget, completion);
}
