/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to an engine that starts; see keeper_ask.h.
 */
#include "keeper_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"

#define ANSWER_BYTES_MAX (1 << 20)
#define QUESTION_BYTES_MAX 65536
#define CONNECT_TIMEOUT_MS 2000
#define HEALTH_PATH "/health"

static void question_over(struct keeper_question *q)
{
    settings_leave(q->settings);
    free(q->url);
    free(q->json);
    q->call = NULL;
    q->settings = NULL;
    q->url = q->json = NULL;
}

void keeper_ask_cancel(struct keeper_question *q)
{
    if (!q->call)
        return;
    upstream_cancel(q->call);
    question_over(q);
}

static void on_head(const struct upstream_head *head, void *arg)
{
    struct keeper_question *q = arg;
    q->status = head->status;
}

/* What it says does not matter, but it has to end. */
static enum upstream_flow on_body(struct moa_bytes bytes, void *arg)
{
    struct keeper_question *q = arg;
    q->n_bytes += bytes.n;
    if (q->n_bytes > ANSWER_BYTES_MAX) {
        keeper_ask_cancel(q);
        q->on_answer("its answer has no end", q->arg);
    }
    return UPSTREAM_GO;
}

static bool has_no_health(const struct keeper_question *q)
{
    return !q->json && !q->asks_models && (q->status == 404 || q->status == 405);
}

static int ask_page(struct keeper_question *q, struct settings *settings, bool asks_models,
                    int64_t timeout_ms);

static void on_done(const struct upstream_result *result, void *arg)
{
    struct keeper_question *q = arg;
    const bool is_whole = result->end == UPSTREAM_COMPLETE;
    const bool asks_again = is_whole && has_no_health(q);
    char why[160];
    struct settings *settings = settings_use(q->settings);
    if (is_whole)
        snprintf(why, sizeof(why), "status %d", q->status);
    else
        snprintf(why, sizeof(why), "%s", result->message);
    const bool is_good = is_whole && q->status == 200;
    question_over(q);
    if (!asks_again || ask_page(q, settings, true, q->timeout_ms))
        q->on_answer(is_good ? NULL : why, q->arg);
    settings_leave(settings);
}

static int send_question(struct keeper_question *q, struct settings *settings, int64_t timeout_ms)
{
    const struct tier_config *tier = &settings->config->tier[MOA_EDGE];
    static const struct upstream_callbacks callbacks = {on_head, on_body, on_done};
    const struct upstream_request request = {
        .method = q->json ? UPSTREAM_POST : UPSTREAM_GET,
        .url = q->url,
        .api_key = tier->api_key,
        .ca_file = tier->ca_file,
        .direct = true,
        .segments = q->json ? &q->body : NULL,
        .n_segments = q->json ? 1 : 0,
        .total_bytes = q->json ? q->body.n : 0,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .first_byte_timeout_ms = timeout_ms,
        .idle_timeout_ms = timeout_ms,
    };
    q->timeout_ms = timeout_ms;
    q->n_bytes = 0;
    q->status = 0;
    q->settings = settings_use(settings);
    q->call = q->url ? upstream_send(q->upstream, &request, &callbacks, q) : NULL;
    if (q->call)
        return 0;
    question_over(q);
    return -1;
}

static int ask_page(struct keeper_question *q, struct settings *settings, bool asks_models,
                    int64_t timeout_ms)
{
    const struct endpoint *e = settings->endpoints[MOA_EDGE].list[0];
    q->asks_models = asks_models;
    q->url = NULL;
    if (!asks_models)
        q->url = endpoint_page(e, HEALTH_PATH);
    else if (asprintf(&q->url, "%s/models", e->base_url) < 0)
        q->url = NULL;
    return send_question(q, settings, timeout_ms);
}

int keeper_ask_health(struct keeper_question *q, struct settings *settings, int64_t timeout_ms)
{
    return ask_page(q, settings, false, timeout_ms);
}

int keeper_ask_token(struct keeper_question *q, struct settings *settings)
{
    const struct tier_config *tier = &settings->config->tier[MOA_EDGE];
    struct json_out out = json_out_of(QUESTION_BYTES_MAX);
    json_put(&out, "{\"model\":");
    json_put_text(&out, tier->model[0] ? tier->model : "moaoff");
    json_put(&out,
             ",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"Say yes.\"}]}");
    size_t n = 0;
    q->json = json_take(&out, &n);
    if (!q->json)
        return -1;
    q->body = (struct moa_bytes){q->json, n};
    q->asks_models = false;
    q->url = strdup(settings->endpoints[MOA_EDGE].list[0]->chat_url);
    return send_question(q, settings, tier->first_byte_timeout_ms);
}
