/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub; see exchange.h. Its functions stand in the order in which they happen:
 *
 *     exchange_start -> read -> perceive -> decide -> prepare images -> [gather evidence] -> answer
 *     -> exchange_finish
 *
 * One struct exchange owns everything of a request. enter() is the only door between the stages,
 * and exchange_finish() the only way out. When a tier fails before the client has seen a byte of an
 * answer, exchange_fallback.c finds another way.
 */
#include "exchange.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "exchange_private.h"
#include "judge.h"
#include "keys.h"
#include "skim.h"
#include "state.h"
#include "upstream.h"
#include "worker.h"

#define PARSE_BYTES 65536         /* more JSON is a worker's: a MB of it may take the loop 80 ms */
#define SKIM_BYTES (16 << 20)     /* bodies up to this size are skimmed on the loop, in 2 ms */
#define TRANSLATE_BYTES (1 << 20) /* the same, if it is copied besides, as other dialects are */
#define PARSE_RATIO 11            /* bytes that parsing may hold for each of a body */

static void perceive(struct exchange *x);
static void decide(struct exchange *x);

static void free_came_body(struct exchange *x)
{
    if (!x->came_body)
        return;
    memory_give(&x->gateway->bodies, x->came_bytes);
    free(x->came_body);
    x->came_body = NULL;
}

void exchange_free_request_body(struct exchange *x)
{
    free_came_body(x);
    if (!x->request_body)
        return;
    memory_give(&x->gateway->bodies, x->request_bytes);
    free(x->request_body);
    x->request_body = NULL;
    x->chat.body.p = NULL;
    x->chat.n_cuts = 0;
    x->gateway->freed_us = server_now_us();
}

/* ---- replies that end the exchange ---- */

void exchange_close_books(struct exchange *x)
{
    if (x->stage >= STAGE_OVER)
        return;
    enter(x, STAGE_OVER);
    exchange_record(x);
}

void exchange_fail(struct exchange *x, const struct http_error *error)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", x->retry_after_s ? x->retry_after_s : 1);
    struct server_header headers[5 + UPSTREAM_LIMITS_MAX] = {{"x-request-id", x->trace.id}};
    size_t n = 1;
    if (x->dialect->id_header)
        headers[n++] = (struct server_header){x->dialect->id_header, x->trace.id};
    if (error->status == 429 || (error->status == 503 && x->retry_after_s))
        headers[n++] = (struct server_header){"retry-after", seconds};
    if (x->calls[0])
        headers[n++] = (struct server_header){"x-moaoff-calls", x->calls};
    n += exchange_write_limits(x, headers + n, UPSTREAM_LIMITS_MAX);
    exchange_cancel_calls(x);
    x->error_code = error->code;
    if (!x->request || !x->begun)
        x->status = error->status;
    exchange_close_books(x);
    if (x->request && x->begun)
        exchange_reply_error(x, error);
    else if (x->request)
        server_reply_error(x->request, error, headers, n);
    x->request = NULL;
    exchange_finish(x);
}

void exchange_fail_memory(struct exchange *x)
{
    struct http_error error;
    http_fail(&error, 503, "out_of_memory", "Out of memory.");
    exchange_fail(x, &error);
}

/* ---- 1. start ---- */

static void on_gone(void *arg);
static void on_drained(void *arg);
static const struct server_watch watch = {on_gone, on_drained};

/* Who asks: the key was right when the head came, but may have been taken away since. */
static int read_key(struct exchange *x, struct http_error *error)
{
    struct keys *keys = x->gateway->keys;
    if (!keys)
        return 0;
    x->key = keys_find(keys, server_request_header(x->request, "authorization"),
                       server_request_api_key(x->request), error);
    if (!x->key || key_enter(x->key, x->arrived_us, error, &x->retry_after_s))
        return -1;
    x->entered = true;
    return 0;
}

/* What the client, its key and the configuration pin, together; all of it if that is not clear. */
static int read_pin(struct exchange *x, struct http_error *error)
{
    const char *list;
    bool wrong = false;
    x->pins = x->key ? key_pins(x->key) : PINS_NONE;
    for (size_t k = 0; (list = server_request_header_again(x->request, "x-moaoff-pin", k)); k++) {
        unsigned pins;
        wrong = pins_parse(list, &pins) || wrong;
        x->pins |= pins;
    }
    x->pinned = (x->pins | x->settings->config->pins) != PINS_NONE;
    if (!wrong)
        return 0;
    http_fail(error, 400, "invalid_value", "x-moaoff-pin " PINS_FORM ".");
    return http_fail_at(error, "x-moaoff-pin");
}

/* Who decides, and what stays on the edge. */
static int read_terms(struct exchange *x, struct http_error *error)
{
    const struct settings *s = x->settings;
    struct judge_terms terms;
    int result = judge_read(s->config, x->pins, &x->chat, &terms, error);
    x->pinned = chat_has_pinned(&x->chat);
    x->model_is_ours = terms.model_is_ours;
    size_t i = 0;
    while (terms.policy && strcmp(moa_policy_name(i), terms.policy) != 0)
        i++;
    x->policy = s->policies[i]->policy;
    return result;
}

/* ---- a body that takes long to parse is parsed by a worker ---- */

struct reading {
    struct worker_job job; /* first: a worker_job is a struct reading */
    struct worker_line line;
    struct exchange *exchange;
    struct moa_bytes body;
    struct chat_limits limits;
    const struct dialect *dialect;
    atomic_bool cancelled;
    int result;
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
};

static void run_reading(struct worker_job *job)
{
    struct reading *r = (struct reading *)job;
    worker_hold(job, r->body.n * (r->dialect->read ? PARSE_RATIO + 1 : PARSE_RATIO));
    if (!atomic_load(&r->cancelled))
        r->result =
            dialect_read(r->dialect, r->body, &r->limits, &r->translated, &r->chat, &r->error);
}

/* The chat stands on its translation, and that on the body that came: the bulk of its pictures is
 * there. */
static int keep_translation(struct exchange *x, struct http_error *error)
{
    struct memory_budget *bodies = &x->gateway->bodies;
    if (!x->dialect->read)
        return 0;
    x->came_body = x->request_body;
    x->came_bytes = x->request_bytes;
    if (x->translated.n_cuts == 0 && !exchange_speaks(x, MOA_EDGE) &&
        !exchange_speaks(x, MOA_CLOUD))
        free_came_body(x);
    x->request_body = buffer_take(&x->translated.chat.text, &x->request_bytes);
    if (memory_take(bodies, x->request_bytes))
        return 0;
    x->request_bytes = 0;
    return http_fail(error, 503, "out_of_memory", "Out of memory for the request.");
}

static void go_on(struct exchange *x, int result, struct http_error *error)
{
    if (result || keep_translation(x, error) || read_terms(x, error))
        exchange_fail(x, error);
    else
        perceive(x);
}

static void on_read(struct worker_job *job)
{
    struct reading *r = (struct reading *)job;
    struct exchange *x = r->exchange;
    assert(x->stage == STAGE_READ);
    x->chat = r->chat;
    x->translated = r->translated;
    x->reading = NULL;
    if (x->request)
        go_on(x, r->result, &r->error);
    else
        exchange_finish(x);
    free(r);
}

static void parse(struct exchange *x)
{
    const struct config *config = x->settings->config;
    struct chat_limits limits = {.max_text_bytes = (size_t)config->max_text_bytes,
                                 .max_images = (size_t)config->max_images,
                                 .max_json_bytes = PARSE_BYTES};
    struct moa_bytes body;
    body.p = x->request_body = server_request_take_body(x->request, &body.n);
    x->request_bytes = body.n;
    if (body.n <= (x->dialect->read ? TRANSLATE_BYTES : SKIM_BYTES)) {
        struct http_error error;
        const int result =
            dialect_read(x->dialect, body, &limits, &x->translated, &x->chat, &error);
        if (result <= 0) {
            go_on(x, result, &error);
            return;
        }
        dialect_body_done(&x->translated);
    }
    limits.max_json_bytes = 0;
    struct reading *r = x->reading = calloc(1, sizeof(*r));
    if (!r) {
        exchange_fail_memory(x);
        return;
    }
    r->job = (struct worker_job){.run = run_reading, .done = on_read};
    r->line.client = x->key ? key_number(x->key) % WORKER_CLIENTS : 0;
    r->exchange = x;
    r->dialect = x->dialect;
    r->body = body;
    r->limits = limits;
    worker_submit(x->gateway->workers, &r->line, &r->job);
}

static int read_head(struct exchange *x, struct http_error *error)
{
    const struct config *config = x->settings->config;
    if (x->gateway->n_exchanges > (size_t)config->max_requests)
        return http_fail(error, 429, "too_many_requests", "%lld requests are in work already.",
                         (long long)config->max_requests);
    return read_key(x, error) || read_pin(x, error) ? -1 : 0;
}

enum errand { ERRAND_CHAT, ERRAND_DECIDE, ERRAND_COUNT, ERRAND_FORWARD };

static void exchange_start(struct server_request *request, struct gateway *gateway,
                           enum errand errand)
{
    struct exchange *x = calloc(1, sizeof(*x));
    struct http_error error;
    if (!x) {
        http_fail(&error, 503, "out_of_memory", "Out of memory.");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    x->gateway = gateway;
    x->settings = settings_use(gateway->settings);
    x->request = request;
    x->dialect = dialect_of_path(server_request_path(request));
    x->only_counts = errand == ERRAND_COUNT;
    x->dry_run = errand == ERRAND_DECIDE || errand == ERRAND_COUNT;
    x->arrived_us = server_request_arrived_us(request);
    x->score = NAN;
    x->memory_age_us = -1;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        x->usage[tier] = USAGE_NONE;
    x->stage_began_us = x->arrived_us;
    LIST_INSERT_HEAD(&gateway->exchanges, x, others);
    gateway->n_exchanges++;
    server_request_watch(request, &watch, x);
    exchange_trace_begin(x);
    if (read_head(x, &error))
        exchange_fail(x, &error);
    else if (errand == ERRAND_FORWARD)
        exchange_forward_begin(x);
    else
        parse(x);
}

void exchange_chat(struct server_request *request, void *arg)
{
    exchange_start(request, arg, ERRAND_CHAT);
}

void exchange_decide(struct server_request *request, void *arg)
{
    exchange_start(request, arg, ERRAND_DECIDE);
}

void exchange_count(struct server_request *request, void *arg)
{
    exchange_start(request, arg, ERRAND_COUNT);
}

void exchange_forward(struct server_request *request, void *arg)
{
    exchange_start(request, arg, ERRAND_FORWARD);
}

/* ---- 2. perceive: images on the workers, all at once; the text was measured while read ---- */

static void on_perceived(void *arg, const struct http_error *error)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_PERCEIVE);
    if (!x->request) /* the client left meanwhile */
        exchange_finish(x);
    else if (error)
        exchange_fail(x, error);
    else
        decide(x);
}

static void perceive(struct exchange *x)
{
    size_t n = x->chat.n_parts;
    if (n == 0) {
        decide(x);
        return;
    }
    enter(x, STAGE_PERCEIVE);
    x->perceptions = calloc(n, sizeof(*x->perceptions));
    x->evidence = calloc(n, sizeof(*x->evidence));
    x->images =
        images_new(x->gateway, x->settings->config, &x->chat, x->key ? key_number(x->key) : 0, x);
    if (x->perceptions && x->evidence && x->images)
        images_perceive(x->images, judge_image_mode(x->policy), x->dry_run, on_perceived);
    else
        exchange_fail_memory(x);
}

/* ---- 3. decide ---- */

/* As the limit of a tier's context is checked: an estimate, which no engine is asked for. */
static char *count_json(const struct exchange *x, size_t *ret_n)
{
    char *json;
    const double tokens =
        perceive_tokens(&x->perceived, &x->settings->config->tier[answering_tier(x)]);
    const int n = asprintf(&json, "{\"input_tokens\":%.0f}", tokens);
    *ret_n = n < 0 ? 0 : (size_t)n;
    return n < 0 ? NULL : json;
}

static void reply_decision(struct exchange *x)
{
    size_t n;
    char *json = x->only_counts
                     ? count_json(x, &n)
                     : perceive_decision_json(&x->perceived, exchange_scores(x), &x->state, &n);
    if (!json) {
        exchange_fail_memory(x);
        return;
    }
    struct server_header id = {"x-request-id", x->trace.id};
    struct server_head head = {
        .status = 200, .content_type = "application/json", .headers = &id, .n_headers = 1};
    x->status = 200;
    server_reply(x->request, &head, (struct moa_bytes){json, n});
    x->request = NULL;
    free(json);
    exchange_finish(x);
}

static int judge(struct exchange *x, struct http_error *error)
{
    struct probe_takes takes[2];
    struct moa_question known;
    const struct judge_case asked = {.config = x->settings->config,
                                     .chat = &x->chat,
                                     .scores = exchange_scores(x),
                                     .policy = x->policy,
                                     .state = &x->state,
                                     .question = &known,
                                     .takes = takes};
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        takes[tier] = endpoints_takes(&x->settings->endpoints[tier]);
    state_question(x->gateway, server_now_us(), &known);
    return judge_decide(&asked, &x->perceived, error);
}

/* Once more if the budget of the cloud does not allow what was decided first. */
static int judge_within_budget(struct exchange *x, struct http_error *error)
{
    if (judge(x, error))
        return -1;
    if (exchange_claim_decided(x))
        return 0;
    perceive_done(&x->perceived);
    x->state.cloud_spent = true;
    return judge(x, error) || exchange_refuse_over_budget(x, error) ? -1 : 0;
}

static void decide(struct exchange *x)
{
    struct gateway *g = x->gateway;
    struct http_error error;
    x->tracing.deciding_us = server_now_us();
    g->sense.asked_us = x->tracing.deciding_us;
    state_read(g, x->tracing.deciding_us, &x->state);
    if (judge_within_budget(x, &error)) {
        exchange_fail(x, &error);
        return;
    }
    x->has_decision = true;
    x->wish = x->perceived.decision.choices[0];
    if (x->dry_run) {
        reply_decision(x);
        return;
    }
    exchange_note_decision(x);
    if (exchange_recall(x))
        return;
    metrics_decision(&g->metrics, &x->perceived.request, &x->perceived.decision);
    exchange_audit_begin(x);
    if (exchange_is_unscorable(x))
        exchange_answer_unscored(x);
    else
        exchange_prepare(x);
}

/* ---- 4. prepare: images as the tier they go to takes them ---- */

static void on_prepared(void *arg, const struct http_error *error)
{
    struct exchange *x = arg;
    assert(x->stage == STAGE_PREPARE);
    if (!x->request)
        exchange_finish(x);
    else if (error)
        exchange_fail(x, error);
    else
        exchange_execute(x);
}

void exchange_execute(struct exchange *x)
{
    exchange_watch_silence(x);
    if (exchange_lacks_edge(x))
        exchange_without_edge(x);
    else if (perceive_is_split(&x->perceived.decision))
        exchange_gather(x);
    else
        exchange_answer(x);
}

void exchange_prepare(struct exchange *x)
{
    enter(x, STAGE_PREPARE);
    if (x->images)
        images_prepare(x->images, &x->perceived, on_prepared);
    else
        exchange_execute(x);
}

/* ---- 5. evidence and 6. answer: exchange_answer.c ---- */

/* The client has taken what it was sent. */
static void on_drained(void *arg)
{
    struct exchange *x = arg;
    struct upstream_call *call = x->answers[answering_tier(x)].upstream;
    if (x->forwarding)
        exchange_forward_resume(x);
    else if (call)
        upstream_resume(call);
}

/* ---- when the client leaves ---- */

static void on_gone(void *arg)
{
    struct exchange *x = arg;
    x->request = NULL;
    x->status = 0; /* even if an answer had begun: the client has not got it */
    exchange_cancel_calls(x);
    exchange_forward_cancel(x);
    if (x->reading)
        atomic_store(&x->reading->cancelled, true); /* then on_read() finishes */
    else if (x->images && images_busy(x->images))
        images_cancel(x->images); /* then on_perceived() or on_prepared() finishes */
    else
        exchange_finish(x);
}

/* ---- 7. finish ---- */

void exchange_finish(struct exchange *x)
{
    struct gateway *gateway = x->gateway;
    assert(!x->request);
    exchange_close_books(x);
    if (event_initialized(&x->patience))
        event_del(&x->patience);
    if (event_initialized(&x->silence))
        event_del(&x->silence);
    if (x->entered)
        key_leave(x->key);
    x->key = NULL;
    LIST_REMOVE(x, others);
    gateway->n_exchanges--;
    if (!exchange_audit_goes_on(x))
        exchange_free(x);
    exchange_tend_audits(gateway);
}

void exchange_free(struct exchange *x)
{
    exchange_drop_calls(x);
    exchange_forward_done(x);
    exchange_audit_done(x);
    exchange_remember_done(x);
    exchange_trace_done(x);
    exchange_pay_all(x);
    images_free(x->images);
    settings_leave(x->settings);
    chat_done(&x->chat);
    dialect_answer_done(&x->told);
    dialect_body_done(&x->translated);
    engine_calls_forgive(x);
    exchange_free_request_body(x);
    free(x->perceptions);
    free(x->evidence);
    free(x->decided.choices);
    perceive_done(&x->perceived);
    free(x);
}
