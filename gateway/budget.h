/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cloud may take in an hour and in a day, and what it has taken: bytes sent there, calls,
 * and money. Windows slide, in sixty slices each, so that nothing is refilled at a stroke, and what
 * is spent counts for the whole window and at most a slice longer. What is under way is reserved by
 * its estimate. Pure: the time is passed in, microseconds of the monotonic clock, so a wall clock
 * that jumps neither refills nor exhausts anything.
 */
#ifndef MOA_GATEWAY_BUDGET_H
#define MOA_GATEWAY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SLICES 60
/** Of each limit; what is left above is not for audits, which nobody waits for. */
#define BUDGET_AUDIT_SHARE 0.9

enum budget_quantity { BUDGET_BYTES, BUDGET_REQUESTS, BUDGET_MONEY };
#define BUDGET_QUANTITIES 3

enum budget_window { BUDGET_HOUR, BUDGET_DAY };
#define BUDGET_WINDOWS 2

/** For what the cloud was asked. */
enum budget_purpose { BUDGET_ANSWER, BUDGET_DESCRIPTION, BUDGET_ESCALATION, BUDGET_AUDIT };
#define BUDGET_PURPOSES 4

const char *budget_quantity_name(enum budget_quantity quantity); /* "bytes", ... */
const char *budget_window_name(enum budget_window window);       /* "hour", "day" */
const char *budget_purpose_name(enum budget_purpose purpose);    /* "answer", ... */

/** What an owner allows; 0: no limit. Prices in the unit of the money. */
struct budget_terms {
    double limit[BUDGET_WINDOWS][BUDGET_QUANTITIES];
    double per_million_prompt_tokens, per_million_completion_tokens, per_picture;
};

struct budget_amount {
    double of[BUDGET_QUANTITIES];
};

/** What calls took; tokens below 0 are unknown and cost nothing. */
struct budget_bill {
    double bytes, calls, pictures;
    double prompt_tokens, completion_tokens;
};

struct budget_amount budget_price(const struct budget_terms *terms, const struct budget_bill *bill);
bool budget_has_prices(const struct budget_terms *terms);

struct budget_slice {
    struct budget_amount spent[BUDGET_PURPOSES];
    double n_requests; /* that came, wherever they went, */
    double n_cloud;    /* and that asked the cloud */
};

/** A window: the slices that lie in it wholly, and the one that has begun. */
struct budget_slices {
    int64_t newest; /* the number of the slice that has begun, since time 0 */
    struct budget_slice slice[BUDGET_SLICES + 1], sum;
};

struct budget {
    int64_t began_us;
    struct budget_slices window[BUDGET_WINDOWS];
    struct budget_amount reserved;
    struct budget_amount ever[BUDGET_PURPOSES]; /* spent since budget_init(), */
    struct budget_amount news[BUDGET_PURPOSES]; /* and since budget_take_news() */
    double completion_tokens;                   /* of a call to the cloud, about */
    int64_t escalated_us;                       /* of clients without a key; 0: never */
};

void budget_init(struct budget *budget, int64_t now_us);

/** Why something is not allowed. */
struct budget_refusal {
    enum budget_window window;
    enum budget_quantity quantity;
    int64_t
        wait_us; /* until it will be, if nothing else is spent; below 0: never, it is too much */
};

/**
 * Whether `amount` more stays within `share` of each limit, what is reserved counted in. If not,
 * `ret_refusal` (NULL: not asked for) has the limit that stands in the way longest.
 */
bool budget_allows(struct budget *budget, const struct budget_terms *terms,
                   const struct budget_amount *amount, double share, int64_t now_us,
                   struct budget_refusal *ret_refusal);

/** What is about to be spent, and that it is spent or will not be. */
void budget_reserve(struct budget *budget, const struct budget_amount *amount);
void budget_release(struct budget *budget, const struct budget_amount *amount);

void budget_spend(struct budget *budget, enum budget_purpose purpose,
                  const struct budget_amount *amount, int64_t now_us);
/** What `n_requests` spent `age_us` ago, as a journal tells it. An age below 0 is that of a wall
 * clock that has jumped, and counts as 0. */
void budget_restore(struct budget *budget, enum budget_purpose purpose,
                    const struct budget_amount *amount, double n_requests, int64_t age_us,
                    int64_t now_us);

/** What was spent for `purpose` since the last time; false: nothing. */
bool budget_take_news(struct budget *budget, enum budget_purpose purpose,
                      struct budget_amount *ret_amount);

/** A request has ended, and whether the cloud was asked for it. */
void budget_count(struct budget *budget, bool cloud, int64_t now_us);
/** What an answer of the cloud was long, for the next estimate. */
void budget_see_completion(struct budget *budget, double tokens);

/** What was spent within the window; `purpose` BUDGET_PURPOSES: all together. */
double budget_spent(struct budget *budget, enum budget_window window, enum budget_purpose purpose,
                    enum budget_quantity quantity, int64_t now_us);
/** What is left of a limit, what is reserved not counted; NaN: there is none. */
double budget_left(struct budget *budget, const struct budget_terms *terms,
                   enum budget_window window, enum budget_quantity quantity, int64_t now_us);

/**
 * The share of requests that may ask the cloud, in [0, 1], if the budget is to be spent evenly: by
 * how many requests come and what one that asks the cloud costs in the mean. 1 while that is not
 * known, or without a budget.
 */
double budget_share(struct budget *budget, const struct budget_terms *terms, int64_t now_us);

#endif
