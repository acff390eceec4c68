/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls of an exchange to engines: where they go, what their ends say of an endpoint, what they
 * cost; see exchange_private.h.
 */
#include "exchange_private.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "gateway.h"
#include "log.h"
#include "settings.h"

struct upstream_call *exchange_send(struct exchange *x, enum moa_tier tier,
                                    const struct chat_body *body,
                                    const struct upstream_callbacks *callbacks, void *arg,
                                    struct endpoint_call *ret_at)
{
    /* The last gate before anything leaves: a pinned request goes to the edge or nowhere. */
    assert(!x->pinned || tier == MOA_EDGE);
    if (x->pinned && tier != MOA_EDGE)
        return NULL;
    struct gateway *g = x->gateway;
    const struct tier_config *t = &x->settings->config->tier[tier];
    const struct upstream_header headers[] = {{"x-request-id", x->trace.id},
                                              {"traceparent", x->trace.parent},
                                              {"tracestate", x->trace.state}};
    struct endpoint_call at;
    endpoint_begin(&x->settings->endpoints[tier], server_now_us(), x->failed_at, &at);
    struct upstream_request request = {
        .url = at.endpoint->chat_url,
        .api_key = t->api_key,
        .ca_file = t->ca_file,
        .headers = headers,
        .n_headers = sizeof(headers) / sizeof(headers[0]),
        .direct = tier == MOA_EDGE,
        .metered = tier == MOA_CLOUD,
        .segments = body->segments,
        .n_segments = body->n_segments,
        .total_bytes = body->total_bytes,
        .connect_timeout_ms = t->connect_timeout_ms,
        .first_byte_timeout_ms = t->first_byte_timeout_ms,
        .idle_timeout_ms = t->idle_timeout_ms,
        .dead_link_ms = t->dead_link_ms,
    };
    struct upstream_call *call = upstream_send(g->upstream, &request, callbacks, arg);
    if (!call) {
        endpoint_end(&at);
        return NULL;
    }
    sense_enter(&g->sense, tier);
    *ret_at = at;
    if (!x->overhead_us)
        x->overhead_us = server_now_us() - x->arrived_us;
    return call;
}

static void count_sent(struct exchange *x, enum moa_tier tier, uint64_t bytes)
{
    x->bytes_up[tier] += bytes;
    x->gateway->metrics.sent_bytes_total[tier] += bytes;
}

void exchange_report(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                     enum endpoint_outcome outcome)
{
    const struct endpoint *e = at->endpoint;
    if (outcome != ENDPOINT_ANSWERED && outcome != ENDPOINT_COMPLETE)
        x->failed_at = e;
    if (endpoint_report(&x->settings->endpoints[tier], at, outcome, server_now_us()))
        log_event(LOG_LEVEL_WARN, "breaker", "tier=%s endpoint=%s state=%s", moa_tier_name(tier),
                  log_quote(e->name).s, breaker_state_name(e->breaker.state));
}

bool exchange_is_answer(const char *content_type)
{
    static const char *const types[] = {"application/json", "text/event-stream"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(types[i]);
        if (strncasecmp(content_type, types[i], n) == 0 && strcspn(content_type + n, "; ") == 0)
            return true;
    }
    return false;
}

/* Engines answer 500 to requests they cannot make sense of, too. Which it was shows when another
 * engine answers the same request, or none does. */
static void suspect(struct exchange *x, enum moa_tier tier, struct endpoint_call *at)
{
    x->failed_at = at->endpoint;
    if (x->n_refusals < sizeof(x->refusals) / sizeof(x->refusals[0])) {
        x->refusals[x->n_refusals++] = (struct refusal){tier, *at};
        endpoint_hold(at->endpoint);
    }
    at->failed = true; /* how the rest of the answer comes says nothing */
}

/* Whatever says 4xx is alive and has understood. */
void exchange_call_answered(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                            const struct upstream_head *head)
{
    bool nonsense = head->status < 400 && !exchange_is_answer(head->content_type);
    if (head->status >= 500 && head->status != 503)
        suspect(x, tier, at);
    else
        exchange_report(x, tier, at,
                        head->status == 429   ? ENDPOINT_BUSY
                        : head->status == 503 ? ENDPOINT_UNAVAILABLE
                        : nonsense            ? ENDPOINT_FAILED
                                              : ENDPOINT_ANSWERED);
    x->retry_after_s = head->retry_after_s;
    if (x->retry_after_s > 0)
        endpoint_spare(at, server_now_us() + (int64_t)x->retry_after_s * 1000000);
}

void exchange_call_ended(struct exchange *x, enum moa_tier tier, struct endpoint_call *at,
                         const struct upstream_result *result)
{
    struct gateway *g = x->gateway;
    exchange_report(x, tier, at,
                    result->end == UPSTREAM_COMPLETE ? ENDPOINT_COMPLETE
                    : result->unreachable            ? ENDPOINT_UNREACHABLE
                                                     : ENDPOINT_FAILED);
    endpoint_end(at);
    sense_leave(&g->sense, tier);
    sense_rtt(&g->sense, result->rtt_us, server_now_us());
    count_sent(x, tier, result->bytes_up);
    g->metrics.received_bytes_total[tier] += result->bytes_down;
}

void exchange_cancel(struct exchange *x, enum moa_tier tier, struct upstream_call **call,
                     struct endpoint_call *at)
{
    if (!*call)
        return;
    count_sent(x, tier, upstream_cancel(*call));
    *call = NULL;
    endpoint_end(at);
    sense_leave(&x->gateway->sense, tier);
}

void exchange_blame(struct exchange *x)
{
    for (size_t i = 0; i < x->n_refusals; i++)
        exchange_report(x, x->refusals[i].tier, &x->refusals[i].at, ENDPOINT_FAILED);
    exchange_forgive(x);
}

void exchange_forgive(struct exchange *x)
{
    while (x->n_refusals > 0)
        endpoint_release(x->refusals[--x->n_refusals].at.endpoint);
}
