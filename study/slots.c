/* SPDX-License-Identifier: Apache-2.0
 *
 * The timeline of an engine; see slots.h.
 */
#include "slots.h"

#include <math.h>
#include <stdlib.h>
#include <sys/queue.h>

struct slots_job {
    TAILQ_ENTRY(slots_job) jobs;
    struct slots_work work;
    void *owner;
    size_t n_ready;
    bool has_slot;
    bool fresh; /* a token is ready that slots_next() has not told */
};

enum action { ACTION_NONE, ACTION_PROMPT, ACTION_STEP };

struct slots {
    const struct profile *profile;
    TAILQ_HEAD(slots_jobs, slots_job) jobs; /* in the order in which they came */
    size_t n_running, n_waiting;
    enum action action;       /* what the accelerator does until due_us */
    struct slots_job *prompt; /* whose; NULL if it was removed meanwhile */
    int64_t due_us, done_us;  /* done_us: when the last action ended */
};

struct slots_work slots_work_of(const struct profile *p, const double *image_tokens,
                                size_t n_images, double text_tokens, size_t n_tokens)
{
    double prompt = text_tokens;
    double vision_ms = 0.0;
    for (size_t i = 0; i < n_images; i++) {
        prompt += image_tokens[i];
        vision_ms += profile_vision_ms(p, image_tokens[i]);
    }
    return (struct slots_work){.first_ms =
                                   p->overhead_ms + vision_ms + profile_prefill_ms(p, prompt),
                               .prompt_tokens = prompt,
                               .n_tokens = n_tokens > 0 ? n_tokens : 1};
}

struct slots *slots_new(const struct profile *profile)
{
    struct slots *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->profile = profile;
    TAILQ_INIT(&s->jobs);
    return s;
}

void slots_free(struct slots *s)
{
    struct slots_job *job;
    while (s && (job = TAILQ_FIRST(&s->jobs)) != NULL) {
        TAILQ_REMOVE(&s->jobs, job, jobs);
        free(job);
    }
    free(s);
}

static void give_slots(struct slots *s)
{
    struct slots_job *job;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        if (s->n_waiting == 0 || s->n_running == s->profile->slots)
            return;
        if (job->has_slot)
            continue;
        job->has_slot = true;
        s->n_waiting--;
        s->n_running++;
    }
}

static double step_ms(const struct slots *s)
{
    double context = 0.0;
    const struct slots_job *job;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        if (job->has_slot)
            context += job->work.prompt_tokens + (double)job->n_ready;
    }
    return profile_decode_ms(s->profile, s->n_running, context / (double)s->n_running);
}

/* Begins what comes next at `from_us`. */
static void begin(struct slots *s, int64_t from_us)
{
    double ms = 0.0;
    struct slots_job *job;
    give_slots(s);
    s->action = s->n_running > 0 ? ACTION_STEP : ACTION_NONE;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        if (!job->has_slot || job->n_ready > 0)
            continue;
        s->action = ACTION_PROMPT;
        s->prompt = job;
        ms = job->work.first_ms;
        break;
    }
    if (s->action == ACTION_STEP)
        ms = step_ms(s);
    s->due_us = from_us + (int64_t)llround(1000.0 * ms);
}

/* What the accelerator did is done: tokens are ready. */
static void end(struct slots *s)
{
    struct slots_job *job;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        bool gets_one =
            s->action == ACTION_STEP ? job->has_slot && job->n_ready > 0 : job == s->prompt;
        if (!gets_one)
            continue;
        job->n_ready++;
        job->fresh = true;
    }
    s->action = ACTION_NONE;
    s->prompt = NULL;
    s->done_us = s->due_us;
}

struct slots_job *slots_add(struct slots *s, const struct slots_work *work, void *owner,
                            int64_t now_us)
{
    struct slots_job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    job->work = *work;
    job->owner = owner;
    TAILQ_INSERT_TAIL(&s->jobs, job, jobs);
    s->n_waiting++;
    bool idle = s->action == ACTION_NONE && s->n_running == 0;
    if (idle)
        begin(s, now_us);
    return job;
}

void slots_remove(struct slots *s, struct slots_job *job)
{
    TAILQ_REMOVE(&s->jobs, job, jobs);
    if (job->has_slot)
        s->n_running--;
    else
        s->n_waiting--;
    if (s->prompt == job)
        s->prompt = NULL;
    free(job);
}

int64_t slots_due_us(const struct slots *s)
{
    const struct slots_job *job;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        if (job->fresh)
            return s->done_us;
    }
    return s->action == ACTION_NONE ? SLOTS_NEVER : s->due_us;
}

/* A token that is ready and was not told. */
static bool tell(struct slots *s, struct slots_token *ret_token)
{
    struct slots_job *job;
    TAILQ_FOREACH(job, &s->jobs, jobs)
    {
        if (!job->fresh)
            continue;
        job->fresh = false;
        *ret_token = (struct slots_token){.owner = job->owner,
                                          .n_tokens = job->n_ready,
                                          .last = job->n_ready == job->work.n_tokens,
                                          .due_us = s->done_us};
        if (ret_token->last)
            slots_remove(s, job);
        return true;
    }
    return false;
}

bool slots_next(struct slots *s, int64_t now_us, struct slots_token *ret_token)
{
    while (!tell(s, ret_token)) {
        if (s->action == ACTION_NONE && (s->n_running > 0 || s->n_waiting > 0))
            begin(s, s->done_us);
        if (s->action == ACTION_NONE || s->due_us > now_us)
            return false;
        end(s);
    }
    return true;
}

size_t slots_n_running(const struct slots *s)
{
    return s->n_running;
}

size_t slots_n_waiting(const struct slots *s)
{
    return s->n_waiting;
}
