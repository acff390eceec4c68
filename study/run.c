/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass of one policy: libcurl's multi interface in one thread. In an open loop requests are
 * sent at Poisson times whatever has come back, and latency counts from the scheduled time, so that
 * a slow answer cannot hide behind requests that were never sent.
 */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moaoff/policy.h>

#include "answers.h"
#include "call.h"
#include "engine.h"
#include "stats.h"
#include "vqa.h"

#define PROGRESS_US 200000
#define WAIT_MS_MAX 100
#define FEEDBACK_MAX 256

struct cpu_sample {
    double cpu_s[2];
};

struct loop {
    const struct run *run;
    struct pass *pass;
    struct call_options call_options;
    char url[512], feedback_url[512], model[128];
    struct curl_slist *feedback_headers;
    CURLM *multi;
    size_t *todo;
    size_t n_todo, next;
    struct call *ahead; /* the next one, ready before it is due */
    struct call **active;
    struct cpu_sample *samples; /* at the start of active[i] */
    size_t n_active, active_room;
    CURL *feedback[FEEDBACK_MAX]; /* under way */
    size_t n_feedback;
    struct rng rng;
    int64_t begun_us, due_us, shown_us;
    bool broken; /* nothing can be written any more */
};

/* ---- what is written down ---- */

static double score(enum vqa_scorer scorer, const struct item *item, const char *answer)
{
    const char *answers[ITEM_ANSWERS_MAX];
    switch (item->scoring) {
    case ITEM_VQA:
        item_answers(item, answers);
        return vqa_accuracy(scorer, answer, answers, item->n_answers);
    case ITEM_CHOICE:
        return choice_read(answer, item->options, item->n_options) == item->right ? 1.0 : 0.0;
    case ITEM_EXACT:
        return vqa_exact(answer, item->answers);
    case ITEM_UNSCORED:
        break;
    }
    return NAN;
}

static struct cpu_sample sample_now(const struct eval_options *options)
{
    struct cpu_sample sample = {{NAN, NAN}};
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (options->pids[tier])
            sample.cpu_s[tier] = engine_cpu_s(options->pids[tier]);
    }
    return sample;
}

static struct record blank_record(const struct loop *l, const struct item *item)
{
    return (struct record){
        .condition = l->run->condition,
        .item = item->id,
        .category = item->category,
        .scorer = item->scoring == ITEM_VQA ? vqa_scorer_name(l->run->set->scorer) : "",
        .correct = NAN,
        .scheduled_s = NAN,
        .late_ms = NAN,
        .ttft_ms = NAN,
        .total_ms = NAN,
        .overhead_us = NAN,
        .bytes_up = NAN,
        .bytes_down = NAN,
        .prompt_tokens = NAN,
        .completion_tokens = NAN,
        .cpu_s = {NAN, NAN},
        .peak_bytes = {NAN, NAN},
        .features = item->features,
    };
}

static void write_record(struct loop *l, const struct record *record)
{
    l->pass->n_done += record->ok;
    l->pass->n_failed += !record->ok;
    if (!record->ok)
        fprintf(stderr, "%s%s: %s \"%s\" under %s: %s\n", l->run->show_progress ? "\r\033[K" : "",
                l->run->options->dataset.log_name, record->condition.dataset, record->item,
                record->condition.policy, record->error);
    if (!l->broken && record_write(l->run->requests, record)) {
        fprintf(stderr, "%s: %s/requests.jsonl: %s\n", l->run->options->dataset.log_name,
                l->run->options->out, strerror(errno));
        l->broken = true;
    }
}

static void write_fault(struct loop *l, const struct item *item, const char *why)
{
    struct record record = blank_record(l, item);
    record.error = why;
    write_record(l, &record);
}

static size_t on_ignored(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes, (void)arg;
    return size * n;
}

/* Tells a learning policy how right the answer was. Nobody waits for it. */
static void send_feedback(struct loop *l, const char *id, double correct)
{
    char body[160];
    CURL *easy = l->n_feedback < FEEDBACK_MAX ? curl_easy_init() : NULL;
    if (!easy)
        return;
    snprintf(body, sizeof(body), "{\"id\":\"%s\",\"score\":%.6f}", id, correct);
    curl_easy_setopt(easy, CURLOPT_URL, l->feedback_url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, l->feedback_headers);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_ignored);
    l->feedback[l->n_feedback++] = easy;
    curl_multi_add_handle(l->multi, easy);
}

static void end_feedback(struct loop *l, size_t i)
{
    curl_multi_remove_handle(l->multi, l->feedback[i]);
    curl_easy_cleanup(l->feedback[i]);
    l->feedback[i] = l->feedback[--l->n_feedback];
}

static bool was_learning(const struct call *call)
{
    return strstr(call->headers.reason, "untried") || strstr(call->headers.reason, "best-index") ||
           strstr(call->headers.reason, "infeasible");
}

/* What `moaoff engine` can answer from. */
static void keep_answer(struct loop *l, const struct call *call, double correct)
{
    const struct item *item = &l->run->set->items[call->item];
    const struct answer answer = {
        .set = l->run->condition.dataset,
        .item = item->id,
        .model = call->model,
        .prompt = item->prompt,
        .text = call->answer,
        .finish = call->finish,
        .logprobs = call->logprobs ? call->logprobs : "",
        .prompt_tokens = call->prompt_tokens >= 0 ? (double)call->prompt_tokens : NAN,
        .completion_tokens = call->completion_tokens >= 0 ? (double)call->completion_tokens : NAN,
        .correct = correct};
    if (l->broken || answers_write(l->run->answers, &answer) == 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", l->run->options->dataset.log_name,
            l->run->options->answers_path, strerror(errno));
    l->broken = true;
}

static void record_call(struct loop *l, struct call *call, const struct cpu_sample *before, bool ok)
{
    const struct eval_options *options = l->run->options;
    const struct item *item = &l->run->set->items[call->item];
    const int64_t now_us = call_now_us();
    struct record r = blank_record(l, item);
    r.ok = ok;
    r.error = call->error;
    r.status = call->status;
    r.plan = call->headers.plan;
    r.decision = call->headers.decision;
    r.scores = call->headers.scores;
    r.reason = call->headers.reason;
    r.state = call->headers.state;
    r.fallback = call->headers.fallback;
    r.answer = call->answer;
    r.correct = ok ? score(l->run->set->scorer, item, call->answer) : NAN;
    r.scheduled_s = l->run->begun_s + (double)(call->scheduled_us - l->begun_us) / 1e6;
    r.late_ms = (double)(call->started_us - call->scheduled_us) / 1e3;
    r.total_ms = (double)(now_us - call->scheduled_us) / 1e3;
    if (call->first_token_us)
        r.ttft_ms = (double)(call->first_token_us - call->scheduled_us) / 1e3;
    if (call->headers.overhead_us[0])
        r.overhead_us = strtod(call->headers.overhead_us, NULL);
    r.bytes_up = (double)call->body_bytes;
    r.bytes_down = (double)call->bytes_down;
    if (call->prompt_tokens >= 0)
        r.prompt_tokens = (double)call->prompt_tokens;
    if (call->completion_tokens >= 0)
        r.completion_tokens = (double)call->completion_tokens;
    const struct cpu_sample after = sample_now(options);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        r.cpu_s[tier] = after.cpu_s[tier] - before->cpu_s[tier];
        if (options->pids[tier])
            r.peak_bytes[tier] = engine_peak_bytes(options->pids[tier]);
    }
    write_record(l, &r);
    if (ok && l->run->answers)
        keep_answer(l, call, r.correct);
    if (ok && !isnan(r.correct) && was_learning(call) && call->headers.id[0])
        send_feedback(l, call->headers.id, r.correct);
}

/* ---- sending ---- */

/* Makes the next call ready; items that cannot be sent are written down and passed over. */
static void prepare_next(struct loop *l)
{
    while (!l->ahead && l->next < l->n_todo && !l->broken) {
        size_t i = l->todo[l->next++];
        const struct item *item = &l->run->set->items[i];
        char why[512];
        l->ahead = item->fault ? NULL : call_new(item, &l->call_options, why, sizeof(why));
        if (l->ahead)
            l->ahead->item = i;
        else
            write_fault(l, item, item->fault ? item->fault : why);
    }
}

static int make_room(struct loop *l)
{
    if (l->n_active < l->active_room)
        return 0;
    size_t room = 2 * l->active_room + 16;
    struct call **active = realloc(l->active, room * sizeof(struct call *));
    if (active)
        l->active = active;
    struct cpu_sample *samples = active ? realloc(l->samples, room * sizeof(*samples)) : NULL;
    if (!samples)
        return -1;
    l->samples = samples;
    l->active_room = room;
    return 0;
}

static void send_ahead(struct loop *l, int64_t scheduled_us)
{
    struct call *call = l->ahead;
    l->ahead = NULL;
    if (make_room(l)) {
        write_fault(l, &l->run->set->items[call->item], "out of memory");
        call_free(call);
        return;
    }
    l->samples[l->n_active] = sample_now(l->run->options);
    l->active[l->n_active++] = call;
    call->scheduled_us = scheduled_us;
    call->started_us = call_now_us();
    curl_multi_add_handle(l->multi, call->easy);
}

static void send_due(struct loop *l)
{
    const struct eval_options *options = l->run->options;
    prepare_next(l);
    while (l->ahead && !*options->stop) {
        int64_t now_us = call_now_us();
        if (options->rate > 0.0) {
            if (now_us < l->due_us)
                return;
            send_ahead(l, l->due_us);
            l->due_us += (int64_t)(1e6 * rng_exponential(&l->rng, 1.0 / options->rate));
        } else {
            if (l->n_active >= options->concurrency)
                return;
            send_ahead(l, now_us);
        }
        prepare_next(l);
    }
}

/* ---- receiving ---- */

static void end_call(struct loop *l, CURL *easy, CURLcode result)
{
    for (size_t i = 0; i < l->n_active; i++) {
        struct call *call = l->active[i];
        if (call->easy != easy)
            continue;
        struct cpu_sample before = l->samples[i];
        l->n_active--;
        l->active[i] = l->active[l->n_active];
        l->samples[i] = l->samples[l->n_active];
        curl_multi_remove_handle(l->multi, easy);
        bool ok = call_ended(call, result);
        record_call(l, call, &before, ok);
        call_free(call);
        return;
    }
    for (size_t i = 0; i < l->n_feedback; i++) {
        if (l->feedback[i] == easy) {
            end_feedback(l, i);
            return;
        }
    }
}

static void collect(struct loop *l)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(l->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            end_call(l, message->easy_handle, message->data.result);
    }
}

static void show_progress(struct loop *l, bool last)
{
    static const char bar[] = "==============================";
    int64_t now_us = call_now_us();
    if (!l->run->show_progress || (!last && now_us - l->shown_us < PROGRESS_US))
        return;
    l->shown_us = now_us;
    size_t done = (size_t)(l->pass->n_done + l->pass->n_failed);
    size_t share = l->n_todo ? done * (sizeof(bar) - 1) / l->n_todo : sizeof(bar) - 1;
    double elapsed_s = (double)(now_us - l->begun_us) / 1e6;
    fprintf(stderr, "\r\033[K%s %s [%-30.*s] %zu/%zu  %.1f/s  %zu open  %llu failed%s",
            l->run->condition.dataset, l->run->condition.policy, (int)share, bar, done, l->n_todo,
            elapsed_s > 0 ? (double)done / elapsed_s : 0.0, l->n_active,
            (unsigned long long)l->pass->n_failed, last ? "\n" : "");
    fflush(stderr);
}

static int wait_ms(const struct loop *l)
{
    if (!l->ahead)
        return WAIT_MS_MAX;
    if (l->run->options->rate <= 0.0)
        return l->n_active < l->run->options->concurrency ? 0 : WAIT_MS_MAX;
    int64_t left_ms = (l->due_us - call_now_us()) / 1000;
    if (left_ms < 0)
        return 0;
    return left_ms < WAIT_MS_MAX ? (int)left_ms : WAIT_MS_MAX;
}

static void spin(struct loop *l)
{
    int running = 0;
    l->begun_us = l->due_us = call_now_us();
    for (;;) {
        send_due(l);
        curl_multi_perform(l->multi, &running);
        collect(l);
        show_progress(l, false);
        bool all_sent = !l->ahead && l->next == l->n_todo;
        if ((all_sent && l->n_active == 0 && running == 0) || *l->run->options->stop || l->broken)
            break;
        curl_multi_poll(l->multi, NULL, 0, wait_ms(l), NULL);
    }
    l->pass->wall_s = (double)(call_now_us() - l->begun_us) / 1e6;
    show_progress(l, true);
}

/* ---- one pass ---- */

static int list_todo(struct loop *l)
{
    const struct dataset *set = l->run->set;
    l->todo = malloc((set->n + 1) * sizeof(*l->todo));
    if (!l->todo)
        return -1;
    for (size_t i = 0; i < set->n; i++) {
        if (!l->run->done[i])
            l->todo[l->n_todo++] = i;
    }
    l->pass->n_before = set->n - l->n_todo;
    return 0;
}

static int make(struct loop *l)
{
    const struct eval_options *options = l->run->options;
    snprintf(l->url, sizeof(l->url), "%s/v1/chat/completions", options->url);
    snprintf(l->feedback_url, sizeof(l->feedback_url), "%s/v1/feedback", options->url);
    snprintf(l->model, sizeof(l->model), "moaoff/%s", l->run->policy);
    l->call_options = (struct call_options){.url = l->url,
                                            .model = l->model,
                                            .api_key = options->api_key,
                                            .max_tokens = options->max_tokens,
                                            .keep_prompt_cache = options->keep_prompt_cache,
                                            .with_logprobs = l->run->answers != NULL,
                                            .timeout_ms = options->timeout_ms};
    /* Every policy sees the same arrivals. */
    rng_init(&l->rng, options->dataset.seed ^ 0x61727269766573);
    l->feedback_headers = call_headers_new(options->api_key);
    l->multi = curl_multi_init();
    return l->multi && l->feedback_headers ? list_todo(l) : -1;
}

static void unmake(struct loop *l)
{
    for (size_t i = 0; i < l->n_active; i++) {
        curl_multi_remove_handle(l->multi, l->active[i]->easy);
        call_free(l->active[i]);
    }
    while (l->n_feedback > 0)
        end_feedback(l, 0);
    call_free(l->ahead);
    curl_multi_cleanup(l->multi);
    curl_slist_free_all(l->feedback_headers);
    free(l->active);
    free(l->samples);
    free(l->todo);
}

int run_policy(const struct run *run, struct pass *pass)
{
    struct loop l = {.run = run, .pass = pass};
    int failed = make(&l);
    if (failed)
        fprintf(stderr, "%s: out of memory\n", run->options->dataset.log_name);
    else
        spin(&l);
    pass->interrupted = *run->options->stop;
    unmake(&l);
    return failed || l.broken ? -1 : 0;
}
