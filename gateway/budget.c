/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger of the cloud; see budget.h. Sums are made anew when a slice begins, so that no
 * difference of large numbers is left over.
 */
#include "budget.h"

#include <math.h>
#include <string.h>

#define MINUTE_US INT64_C(60000000)
#define RING (BUDGET_SLICES + 1)
#define N_LIMITS ((size_t)BUDGET_WINDOWS * BUDGET_QUANTITIES)
#define COMPLETION_TOKENS 256.0 /* of an answer, until some have been seen, */
#define COMPLETION_WEIGHT 0.05  /* and what each of those counts */
#define SHARE_REQUESTS_MIN 20.0 /* fewer say nothing of how many come */
#define ROUNDING 1e-9           /* sums of money are not exact */

static const int64_t slice_us[BUDGET_WINDOWS] = {
    [BUDGET_HOUR] = MINUTE_US, [BUDGET_DAY] = 24 * MINUTE_US};

const char *budget_quantity_name(enum budget_quantity quantity)
{
    static const char *const names[BUDGET_QUANTITIES] = {"bytes", "requests", "money"};
    return names[quantity];
}

const char *budget_window_name(enum budget_window window)
{
    static const char *const names[BUDGET_WINDOWS] = {"hour", "day"};
    return names[window];
}

const char *budget_purpose_name(enum budget_purpose purpose)
{
    static const char *const names[BUDGET_PURPOSES] = {"answer", "description", "escalation",
                                                       "audit"};
    return names[purpose];
}

/* ---- what things cost ---- */

bool budget_has_prices(const struct budget_terms *terms)
{
    return terms->per_million_prompt_tokens > 0 || terms->per_million_completion_tokens > 0 ||
           terms->per_picture > 0;
}

struct budget_amount budget_price(const struct budget_terms *terms, const struct budget_bill *bill)
{
    const double prompt = fmax(bill->prompt_tokens, 0.0);
    const double completion = fmax(bill->completion_tokens, 0.0);
    return (struct budget_amount){{
        [BUDGET_BYTES] = bill->bytes,
        [BUDGET_REQUESTS] = bill->calls,
        [BUDGET_MONEY] = prompt * 1e-6 * terms->per_million_prompt_tokens +
                         completion * 1e-6 * terms->per_million_completion_tokens +
                         bill->pictures * terms->per_picture,
    }};
}

static void add(struct budget_amount *sum, const struct budget_amount *amount)
{
    for (size_t q = 0; q < BUDGET_QUANTITIES; q++)
        sum->of[q] += amount->of[q];
}

static void add_slice(struct budget_slice *sum, const struct budget_slice *slice)
{
    for (size_t p = 0; p < BUDGET_PURPOSES; p++)
        add(&sum->spent[p], &slice->spent[p]);
    sum->n_requests += slice->n_requests;
    sum->n_cloud += slice->n_cloud;
}

static double total(const struct budget_slice *slice, enum budget_quantity quantity)
{
    double sum = 0.0;
    for (size_t p = 0; p < BUDGET_PURPOSES; p++)
        sum += slice->spent[p].of[quantity];
    return sum;
}

/* ---- slices ---- */

static struct budget_slice *slice_at(struct budget_slices *w, int64_t number)
{
    return &w->slice[number % RING];
}

/* Slices that have left the window are emptied. A time before the newest slice changes nothing. */
static struct budget_slices *advance(struct budget *b, enum budget_window window, int64_t now_us)
{
    struct budget_slices *w = &b->window[window];
    const int64_t now = now_us / slice_us[window];
    if (now <= w->newest)
        return w;
    const int64_t first = now - w->newest > RING ? now - RING : w->newest;
    for (int64_t i = first + 1; i <= now; i++)
        *slice_at(w, i) = (struct budget_slice){.n_cloud = 0};
    w->newest = now;
    w->sum = (struct budget_slice){.n_cloud = 0};
    for (size_t i = 0; i < RING; i++)
        add_slice(&w->sum, &w->slice[i]);
    return w;
}

void budget_init(struct budget *budget, int64_t now_us)
{
    *budget = (struct budget){.began_us = now_us, .completion_tokens = COMPLETION_TOKENS};
    for (size_t w = 0; w < BUDGET_WINDOWS; w++)
        budget->window[w].newest = now_us / slice_us[w];
}

void budget_restore(struct budget *budget, enum budget_purpose purpose,
                    const struct budget_amount *amount, double n_requests, int64_t age_us,
                    int64_t now_us)
{
    struct budget_slice more = {.n_cloud = n_requests};
    more.spent[purpose] = *amount;
    for (size_t i = 0; i < BUDGET_WINDOWS; i++) {
        struct budget_slices *w = advance(budget, (enum budget_window)i, now_us);
        const int64_t age = age_us > 0 ? age_us / slice_us[i] : 0;
        if (age > BUDGET_SLICES)
            continue;
        /* + RING: a slice from before the clock began is one at the end of the ring. */
        add_slice(slice_at(w, w->newest - age + RING), &more);
        add_slice(&w->sum, &more);
    }
}

void budget_spend(struct budget *budget, enum budget_purpose purpose,
                  const struct budget_amount *amount, int64_t now_us)
{
    add(&budget->ever[purpose], amount);
    add(&budget->news[purpose], amount);
    budget_restore(budget, purpose, amount, 0.0, 0, now_us);
}

bool budget_take_news(struct budget *budget, enum budget_purpose purpose,
                      struct budget_amount *ret_amount)
{
    const struct budget_amount news = budget->news[purpose];
    budget->news[purpose] = (struct budget_amount){{0}};
    for (size_t q = 0; q < BUDGET_QUANTITIES; q++) {
        if (news.of[q] <= 0.0)
            continue;
        *ret_amount = news;
        return true;
    }
    return false;
}

void budget_count(struct budget *budget, bool cloud, int64_t now_us)
{
    const struct budget_slice one = {.n_requests = 1.0, .n_cloud = cloud};
    for (size_t i = 0; i < BUDGET_WINDOWS; i++) {
        struct budget_slices *w = advance(budget, (enum budget_window)i, now_us);
        add_slice(slice_at(w, w->newest), &one);
        add_slice(&w->sum, &one);
    }
}

void budget_see_completion(struct budget *budget, double tokens)
{
    budget->completion_tokens += COMPLETION_WEIGHT * (tokens - budget->completion_tokens);
}

/* ---- limits ---- */

void budget_reserve(struct budget *budget, const struct budget_amount *amount)
{
    add(&budget->reserved, amount);
}

void budget_release(struct budget *budget, const struct budget_amount *amount)
{
    for (size_t q = 0; q < BUDGET_QUANTITIES; q++)
        budget->reserved.of[q] = fmax(0.0, budget->reserved.of[q] - amount->of[q]);
}

/* When the oldest slices have left that stand in the way of `excess`. */
static int64_t wait_for(struct budget_slices *w, enum budget_window window,
                        enum budget_quantity quantity, double excess, int64_t now_us)
{
    int64_t until_us = now_us;
    for (int64_t i = w->newest - BUDGET_SLICES; i <= w->newest && excess > 0.0; i++) {
        excess -= total(slice_at(w, i + RING), quantity);
        until_us = (i + RING) * slice_us[window];
    }
    return until_us > now_us ? until_us - now_us : 1;
}

bool budget_allows(struct budget *budget, const struct budget_terms *terms,
                   const struct budget_amount *amount, double share, int64_t now_us,
                   struct budget_refusal *ret_refusal)
{
    bool allowed = true;
    struct budget_refusal longest = {.wait_us = 0};
    for (size_t i = 0; i < N_LIMITS; i++) {
        const enum budget_window window = (enum budget_window)(i / BUDGET_QUANTITIES);
        const enum budget_quantity q = (enum budget_quantity)(i % BUDGET_QUANTITIES);
        const double limit = share * terms->limit[window][q];
        if (terms->limit[window][q] <= 0.0 || amount->of[q] <= 0.0)
            continue;
        struct budget_slices *w = advance(budget, window, now_us);
        const double excess = total(&w->sum, q) + budget->reserved.of[q] + amount->of[q] - limit;
        if (excess <= ROUNDING * limit)
            continue;
        const int64_t wait_us = amount->of[q] > limit ? -1 : wait_for(w, window, q, excess, now_us);
        if (allowed || wait_us < 0 || (longest.wait_us >= 0 && wait_us > longest.wait_us))
            longest = (struct budget_refusal){window, q, wait_us};
        allowed = false;
    }
    if (!allowed && ret_refusal)
        *ret_refusal = longest;
    return allowed;
}

double budget_spent(struct budget *budget, enum budget_window window, enum budget_purpose purpose,
                    enum budget_quantity quantity, int64_t now_us)
{
    const struct budget_slices *w = advance(budget, window, now_us);
    return (size_t)purpose < BUDGET_PURPOSES ? w->sum.spent[purpose].of[quantity]
                                             : total(&w->sum, quantity);
}

double budget_left(struct budget *budget, const struct budget_terms *terms,
                   enum budget_window window, enum budget_quantity quantity, int64_t now_us)
{
    const double limit = terms->limit[window][quantity];
    if (limit <= 0.0)
        return NAN;
    return fmax(0.0, limit - total(&advance(budget, window, now_us)->sum, quantity));
}

/* Requests that come within `window` at the rate of the last hour; 0: not known. */
static double requests_of(struct budget *b, enum budget_window window, int64_t now_us)
{
    const struct budget_slices *w = advance(b, BUDGET_HOUR, now_us);
    const double hour_us = (double)(BUDGET_SLICES * slice_us[BUDGET_HOUR]);
    const double begun_us = (double)(now_us % slice_us[BUDGET_HOUR]);
    const double seen_us = fmin((double)(now_us - b->began_us), hour_us + begun_us);
    if (w->sum.n_requests < SHARE_REQUESTS_MIN || seen_us <= 0.0)
        return 0.0;
    return w->sum.n_requests / seen_us * (double)(BUDGET_SLICES * slice_us[window]);
}

double budget_share(struct budget *budget, const struct budget_terms *terms, int64_t now_us)
{
    const struct budget_slice *day = &advance(budget, BUDGET_DAY, now_us)->sum;
    double share = 1.0;
    if (day->n_cloud < 1.0)
        return share;
    for (size_t i = 0; i < N_LIMITS; i++) {
        const enum budget_window window = (enum budget_window)(i / BUDGET_QUANTITIES);
        const enum budget_quantity q = (enum budget_quantity)(i % BUDGET_QUANTITIES);
        const double mean = total(day, q) / day->n_cloud;
        const double n = requests_of(budget, window, now_us);
        if (terms->limit[window][q] > 0.0 && mean * n > 0.0)
            share = fmin(share, terms->limit[window][q] / (mean * n));
    }
    return share;
}
