/* SPDX-License-Identifier: Apache-2.0
 *
 * What the journal keeps of an exchange: its row, with all that the decision was made from, so that
 * it can be made again; and what an audit of it found.
 */
#include "exchange_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/docket.h>

#include "journal.h"
#include "keys.h"

size_t exchange_policy_index(const struct exchange *x)
{
    size_t i = 0;
    while (x->settings->policies[i]->policy != x->policy)
        i++;
    return i;
}

const char *exchange_policy_name(const struct exchange *x)
{
    return moa_policy_name(exchange_policy_index(x));
}

/* The Unix time, in ms, of a moment of the monotonic clock. */
static int64_t unix_ms(int64_t moment_us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
           (server_now_us() - moment_us) / 1000;
}

void exchange_note_decision(struct exchange *x)
{
    x->decided = x->perceived.decision;
    const size_t n_bytes = x->decided.n * sizeof(*x->decided.choices);
    x->decided.choices = x->gateway->journal ? malloc(n_bytes) : NULL;
    if (x->decided.choices) /* without memory the row has no docket */
        memcpy(x->decided.choices, x->perceived.decision.choices, n_bytes);
}

/* All that decided, as bytes to be freed with free(). */
static struct moa_bytes docket_of(const struct exchange *x)
{
    const size_t room = MOA_DOCKET_BYTES(x->decided.n);
    void *bytes = x->decided.choices ? malloc(room) : NULL;
    if (!bytes)
        return (struct moa_bytes){NULL, 0};
    struct moa_answer answer;
    if (!isnan(x->score))
        logprobs_answer(&x->logprobs, x->chat.is_sampled, &answer);
    const struct moa_docket docket = {
        .request = x->perceived.request,
        .state = x->state,
        .decision = x->decided,
        .answer = isnan(x->score) ? NULL : &answer,
        .outcome = x->has_told ? &x->outcome : NULL,
    };
    return (struct moa_bytes){bytes, moa_docket_write(&docket, bytes, room)};
}

static int64_t known(bool known, int64_t value)
{
    return known ? value : JOURNAL_UNKNOWN;
}

/* A request in which any picture was scored fast was. */
static const char *image_mode_of(const struct exchange *x)
{
    const struct image_score *scores = exchange_scores(x);
    const char *name = "";
    for (size_t i = 0; i < x->chat.n_parts && scores && x->has_decision; i++) {
        const enum moa_image_mode mode = scores[i].facts.features.mode;
        if (scores[i].facts.info.format && (!name[0] || mode == MOA_IMAGE_FAST))
            name = moa_image_mode_name(mode);
    }
    return name;
}

void exchange_write_journal(struct exchange *x, const struct exchange_headers *lists,
                            const char *stages)
{
    char trace[33];
    if (!x->gateway->journal)
        return;
    trace_id(&x->trace, trace);
    x->journal_ms = unix_ms(x->arrived_us);
    struct journal_row row = {
        .time_ms = x->journal_ms,
        .id = x->trace.id,
        .trace = trace,
        .key = x->key ? key_name(x->key) : "",
        .policy = x->has_decision ? exchange_policy_name(x) : "",
        .settings = x->has_decision ? x->settings->policy_words : "",
        .plan = x->has_decision ? moa_plan_name(x->perceived.decision.plan)
                : x->forwarding ? moa_tier_name(exchange_forward_tier(x)) /* all of it */
                                : "",
        .decision = lists->decision,
        .reasons = lists->reasons,
        .scores = lists->scores,
        .fallback = x->fallback,
        .error = x->error_code ? x->error_code : "",
        .calls = x->calls,
        .dialect = x->forwarding ? "" : x->dialect->name,
        .stages = stages,
        .status = x->status,
        .pinned = x->pinned,
        .stream = x->chat.stream,
        .images = (int64_t)x->chat.n_of[MOA_IMAGE],
        .image_mode = image_mode_of(x),
        .edge_load = x->has_decision ? x->state.edge_load : (double)NAN,
        .uplink_mbps = x->has_decision ? x->state.uplink_mbps : (double)NAN,
        .confidence = x->score,
        .threshold = x->has_decision ? x->perceived.decision.threshold : (double)NAN,
        .edge_up = known(x->has_decision, x->state.edge_up),
        .cloud_up = known(x->has_decision, x->state.cloud_up),
        .edge_bytes_up = (int64_t)x->bytes_up[MOA_EDGE],
        .cloud_bytes_up = (int64_t)x->bytes_up[MOA_CLOUD],
        .edge_prompt_tokens = x->usage[MOA_EDGE].prompt_tokens,
        .edge_completion_tokens = x->usage[MOA_EDGE].completion_tokens,
        .cloud_prompt_tokens = x->usage[MOA_CLOUD].prompt_tokens,
        .cloud_completion_tokens = x->usage[MOA_CLOUD].completion_tokens,
        .cost = budget_has_prices(&x->settings->config->budget) ? x->paid.of[BUDGET_MONEY]
                                                                : (double)NAN,
        .overhead_us = known(x->overhead_us, x->overhead_us),
        .first_byte_us = known(x->first_byte_us, x->first_byte_us - x->arrived_us),
        .total_us = server_now_us() - x->arrived_us,
        .docket = docket_of(x),
    };
    journal_add(x->gateway->journal, &row);
    free((void *)(uintptr_t)row.docket.p);
}

/* Of a call that no client waited for. */
static struct moa_call_times times_of(const struct exchange *x, enum moa_tier tier)
{
    static const struct moa_call_times unknown = {NAN, NAN, NAN, NAN, NAN};
    return x->shadow.called[tier] ? x->shadow.times[tier] : unknown;
}

void exchange_journal_audit(const struct exchange *x, const struct moa_audit *audit, double score,
                            double edge_ms, double cloud_ms)
{
    if (!x->gateway->journal)
        return;
    const struct journal_audit row = {
        .time_ms = x->journal_ms,
        .id = x->trace.id,
        .lost = audit->lost,
        .small_lost = known(audit->has_small, audit->small_lost),
        .generation = (int64_t)audit->audit_of[0],
        .generation2 = (int64_t)audit->audit_of[1],
        .score = score,
        .form = (int64_t)audit->answer.form,
        .streamed = audit->answer.streamed,
        .sampled = audit->answer.sampled,
        .tokens = (int64_t)audit->answer.n_tokens,
        .p_min = audit->answer.p_min,
        .p_first = audit->answer.p_first,
        .p_top5 = audit->answer.p_top5,
        .edge_ms = edge_ms,
        .cloud_ms = cloud_ms,
        .edge_times = times_of(x, MOA_EDGE),
        .cloud_times = times_of(x, MOA_CLOUD),
    };
    journal_add_audit(x->gateway->journal, &row);
}
