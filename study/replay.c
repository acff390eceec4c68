/* SPDX-License-Identifier: Apache-2.0
 *
 * The replaying engine; see replay.h. HTTP is the gateway's server, the timeline is slots.c's, the
 * words are replay_render.c's; here tokens are sent when they are due. One thread.
 */
#include "replay.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "gateway/server.h"
#include "replay_read.h"
#include "slots.h"

#define BODY_BYTES_MAX (64 << 20)
#define BODIES_BYTES_MAX ((uint64_t)1 << 30) /* of all requests at once */

struct replay {
    const struct replay_options *options;
    const char *model;
    struct answers answers;
    struct profile profile;
    struct slots *slots;
    struct event_base *base;
    struct event *due, *interrupt, *terminate;
    struct server *server;
    struct memory_budget bodies;
    uint64_t n_requests, n_prompt_tokens, n_answer_tokens;
};

/* A request that waits for its tokens; its slot's job owns it. */
struct replay_call {
    struct replay *replay;
    struct server_request *request;
    struct slots_job job;
    struct replay_reply reply;
    bool stream;
};

/* ---- sending ---- */

/* Sends and frees an event; without memory for it the client sees a broken stream. */
static bool send_event(struct replay_call *call, char *event)
{
    if (!event) {
        server_reply_cut(call->request);
        return false;
    }
    if (event[0])
        server_reply_write(call->request, (struct moa_bytes){event, strlen(event)});
    free(event);
    return true;
}

static bool send_token(struct replay_call *call, size_t n_ready)
{
    static const struct server_head head = {.status = 200, .content_type = "text/event-stream"};
    if (n_ready == 1) {
        server_reply_begin(call->request, &head);
        if (!send_event(call, replay_render_begin(&call->reply)))
            return false;
    }
    return send_event(call, replay_render_token(&call->reply, n_ready - 1));
}

static void send_whole(struct replay_call *call)
{
    static const struct server_head head = {.status = 200, .content_type = "application/json"};
    char *json = replay_render_whole(&call->reply);
    if (!json) {
        server_reply_cut(call->request);
        return;
    }
    server_reply(call->request, &head, (struct moa_bytes){json, strlen(json)});
    free(json);
}

static void on_token(struct replay_call *call, const struct slots_token *token)
{
    /* As llama-server tells them: from when the prompt was begun, without the wait before. */
    const double ms = (double)(token->due_us - token->begun_us) / 1e3;
    if (token->n_tokens == 1)
        call->reply.first_ms = ms;
    call->reply.total_ms = ms;
    bool sent = !call->stream || send_token(call, token->n_tokens);
    if (sent && !token->last)
        return;
    if (token->last) {
        call->replay->n_prompt_tokens += (uint64_t)llround(call->reply.prompt_tokens);
        call->replay->n_answer_tokens += call->reply.n_tokens;
    } else {
        slots_remove(call->replay->slots, &call->job);
    }
    if (sent && !call->stream)
        send_whole(call);
    else if (sent && send_event(call, replay_render_end(&call->reply)))
        server_reply_end(call->request);
    free(call);
}

static void wait_for_next(struct replay *r)
{
    int64_t due_us = slots_due_us(r->slots);
    if (due_us == SLOTS_NEVER) {
        event_del(r->due);
        return;
    }
    int64_t wait_us = due_us - server_now_us();
    if (wait_us < 0)
        wait_us = 0;
    const struct timeval wait = {wait_us / 1000000, wait_us % 1000000};
    event_add(r->due, &wait);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct replay *r = arg;
    struct slots_token token;
    while (slots_next(r->slots, server_now_us(), &token))
        on_token(token.owner, &token);
    wait_for_next(r);
}

static void on_gone(void *arg)
{
    struct replay_call *call = arg;
    slots_remove(call->replay->slots, &call->job);
    wait_for_next(call->replay);
    free(call);
}

static void on_drained(void *arg)
{
    (void)arg;
}

/* ---- requests ---- */

static int find_answer(const struct replay *r, const struct replay_asked *asked,
                       const struct answer **ret_answer, struct http_error *error)
{
    switch (answers_find(&r->answers, asked->item, asked->prompt, ret_answer)) {
    case ANSWERS_ONE:
        return 0;
    case ANSWERS_SEVERAL:
        return http_fail(error, 404, "several_records",
                         "Several records have this prompt: name one by \"user\": \"item:ID\".");
    case ANSWERS_OTHER_PROMPT:
        return http_fail(error, 404, "other_prompt",
                         "Item \"%.100s\" was recorded with another prompt.", asked->item);
    case ANSWERS_NONE:
        break;
    }
    return http_fail(error, 404, "no_record", "No record has this prompt.");
}

/* A server without memory says so; nothing was added then. */
static void start(struct replay *r, struct server_request *request,
                  const struct replay_asked *asked, const struct answer *answer)
{
    static const struct server_watch watch = {.on_gone = on_gone, .on_drained = on_drained};
    struct replay_call *call = calloc(1, sizeof(*call));
    size_t n_tokens = replay_n_tokens(answer);
    bool cut = asked->max_tokens > 0 && asked->max_tokens < n_tokens;
    double text_tokens = ceil((double)asked->n_text_bytes / r->profile.text_bytes_per_token);
    const struct slots_work work = slots_work_of(&r->profile, asked->image_tokens, asked->n_images,
                                                 text_tokens, cut ? asked->max_tokens : n_tokens);
    if (call) {
        *call = (struct replay_call){.replay = r, .request = request, .stream = asked->stream};
        call->reply = (struct replay_reply){.dialect = r->options->dialect,
                                            .model = r->model,
                                            .answer = answer,
                                            .created_s = time(NULL),
                                            .with_usage = asked->with_usage,
                                            .with_logprobs = asked->with_logprobs,
                                            .n_top = asked->n_top,
                                            .n_tokens = work.n_tokens,
                                            .cut = cut,
                                            .prompt_tokens = work.prompt_tokens};
        snprintf(call->reply.id, sizeof(call->reply.id), "chatcmpl-replay-%llu",
                 (unsigned long long)++r->n_requests);
        slots_add(r->slots, &call->job, &work, call, server_now_us());
    } else {
        struct http_error error;
        http_fail(&error, 503, "out_of_memory", "Out of memory.");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    server_request_watch(request, &watch, call);
    wait_for_next(r);
}

static void on_chat(struct server_request *request, void *arg)
{
    struct replay *r = arg;
    struct replay_asked asked;
    struct http_error error;
    const struct answer *answer;
    if (replay_read(server_request_body(request), &r->profile, &asked, &error)) {
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    if (find_answer(r, &asked, &answer, &error))
        server_reply_error(request, &error, NULL, 0);
    else
        start(r, request, &asked, answer);
    replay_asked_done(&asked);
}

/* ---- what else engines answer ---- */

static void reply_text(struct server_request *request, const char *type, const char *text, size_t n)
{
    const struct server_head head = {.status = 200, .content_type = type};
    server_reply(request, &head, (struct moa_bytes){text, n});
}

static void on_health(struct server_request *request, void *arg)
{
    (void)arg;
    static const char ok[] = "{\"status\":\"ok\"}";
    reply_text(request, "application/json", ok, sizeof(ok) - 1);
}

static void on_models(struct server_request *request, void *arg)
{
    const struct replay *r = arg;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "object", "list");
    yyjson_mut_val *model = yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "data"));
    yyjson_mut_obj_add_str(doc, model, "id", r->model);
    yyjson_mut_obj_add_str(doc, model, "object", "model");
    yyjson_mut_obj_add_str(doc, model, "owned_by", "moaoff-engine");
    size_t n = 0;
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &n);
    reply_text(request, "application/json", json ? json : "{}", json ? n : 2);
    free(json);
    yyjson_mut_doc_free(doc);
}

/* llama-server's alone, which tells how many slots there are. */
static void on_slots(struct server_request *request, void *arg)
{
    const struct replay *r = arg;
    if (r->options->dialect != REPLAY_LLAMA) {
        struct http_error error;
        http_fail(&error, 404, "unknown_url", "Not Found");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    for (size_t i = 0; out && i < r->profile.slots; i++)
        fprintf(out, "%s{\"id\":%zu,\"is_processing\":%s}", i > 0 ? "," : "[", i,
                i < slots_n_running(r->slots) ? "true" : "false");
    if (out && fputs("]", out) >= 0 && fclose(out) == 0)
        reply_text(request, "application/json", text, n);
    else
        server_reply_cut(request);
    free(text);
}

static void on_metrics(struct server_request *request, void *arg)
{
    const struct replay *r = arg;
    static const struct {
        const char *running, *waiting, *prompt_tokens, *answer_tokens;
    } names[] = {{"llamacpp:requests_processing", "llamacpp:requests_deferred",
                  "llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total"},
                 {"vllm:num_requests_running", "vllm:num_requests_waiting",
                  "vllm:prompt_tokens_total", "vllm:generation_tokens_total"},
                 {"sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:prompt_tokens_total",
                  "sglang:generation_tokens_total"}};
    const size_t k = (size_t)r->options->dialect;
    char text[512];
    int n = snprintf(text, sizeof(text), "%s %zu\n%s %zu\n%s %llu\n%s %llu\n", names[k].running,
                     slots_n_running(r->slots), names[k].waiting, slots_n_waiting(r->slots),
                     names[k].prompt_tokens, (unsigned long long)r->n_prompt_tokens,
                     names[k].answer_tokens, (unsigned long long)r->n_answer_tokens);
    reply_text(request, "text/plain; version=0.0.4", text, (size_t)n);
}

/* ---- life ---- */

static const struct server_route routes[] = {
    {.method = "POST",
     .path = "/v1/chat/completions",
     .handle = on_chat,
     .max_body_bytes = SERVER_BODY_ANY},
    {.method = "GET", .path = "/health", .handle = on_health},
    {.method = "GET", .path = "/v1/models", .handle = on_models},
    {.method = "GET", .path = "/metrics", .handle = on_metrics},
    {.method = "GET", .path = "/slots", .handle = on_slots},
    {.method = NULL},
};
static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

/* An engine without a profile answers at once, as many as ask. */
static const struct profile at_once = {.slots = 512,
                                       .patch_px = 28.0,
                                       .min_image_tokens = 4.0,
                                       .max_image_tokens = 16384.0,
                                       .text_bytes_per_token = 4.0};

static int read_files(struct replay *r, char *why, size_t n)
{
    const struct replay_options *o = r->options;
    r->profile = at_once;
    if (o->profile && profile_read(o->profile, &r->profile, why, n))
        return -1;
    if (answers_read(o->records, &r->answers, why, n))
        return -1;
    r->model = o->model ? o->model : r->answers.p[0].model;
    return 0;
}

static char *error_json(const char *path, const struct http_error *error, size_t *ret_n)
{
    (void)path;
    return http_error_json(error, ret_n);
}

static int listen_on(struct replay *r, char *why, size_t n)
{
    const struct replay_options *o = r->options;
    const struct server_options options = {.host = o->host,
                                           .port = o->port,
                                           .limits = {.max_connections = 4096,
                                                      .max_header_bytes = 16384,
                                                      .max_body_bytes = BODY_BYTES_MAX,
                                                      .header_timeout_ms = 10000,
                                                      .keepalive_timeout_ms = 75000,
                                                      .send_timeout_ms = 30000,
                                                      .body_timeout_ms = 30000,
                                                      .body_total_ms = 300000},
                                           .bodies = &r->bodies,
                                           .routes = routes,
                                           .error_json = error_json,
                                           .arg = r};
    snprintf(why, n, "out of memory");
    r->base = event_base_new();
    r->slots = slots_new(&r->profile);
    if (!r->base || !r->slots)
        return -1;
    r->due = evtimer_new(r->base, on_due, r);
    r->interrupt = evsignal_new(r->base, SIGINT, on_stop, r->base);
    r->terminate = evsignal_new(r->base, SIGTERM, on_stop, r->base);
    if (!r->due || !r->interrupt || !r->terminate || event_add(r->interrupt, NULL) ||
        event_add(r->terminate, NULL))
        return -1;
    return server_new(r->base, &options, &r->server, why, n);
}

/* Calls that are left are told that their client is gone. */
static void close_all(struct replay *r)
{
    server_free(r->server);
    struct event *const events[] = {r->due, r->interrupt, r->terminate};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    slots_free(r->slots);
    if (r->base)
        event_base_free(r->base);
    answers_done(&r->answers);
}

int replay_run(const struct replay_options *options)
{
    struct replay r = {.options = options, .bodies = {.max_bytes = BODIES_BYTES_MAX}};
    char why[512];
    int failed = read_files(&r, why, sizeof(why)) || listen_on(&r, why, sizeof(why)) ? -1 : 0;
    if (failed) {
        fprintf(stderr, "moaoff engine: %s\n", why);
    } else {
        puts(server_url(r.server));
        fflush(stdout);
        event_base_dispatch(r.base);
    }
    close_all(&r);
    return failed;
}
