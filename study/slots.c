/* SPDX-License-Identifier: Apache-2.0
 *
 * The timeline of an engine; see slots.h.
 */
#include "slots.h"

#include <math.h>
#include <stdlib.h>

enum action { ACTION_NONE, ACTION_PROMPT, ACTION_STEP };

struct slots {
    const struct profile *profile;
    TAILQ_HEAD(slots_jobs, slots_job) running, waiting; /* in the order in which they came */
    size_t n_running, n_waiting, n_fresh;
    enum action action;       /* what the accelerator does until due_us */
    struct slots_job *prompt; /* whose; NULL if it was removed meanwhile */
    int64_t due_us, done_us;  /* done_us: when the last action ended */
    int64_t begun_us, busy_us;
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
    TAILQ_INIT(&s->running);
    TAILQ_INIT(&s->waiting);
    return s;
}

void slots_free(struct slots *s)
{
    free(s);
}

static void give_slots(struct slots *s)
{
    while (s->n_waiting > 0 && s->n_running < s->profile->slots) {
        struct slots_job *job = TAILQ_FIRST(&s->waiting);
        TAILQ_REMOVE(&s->waiting, job, jobs);
        TAILQ_INSERT_TAIL(&s->running, job, jobs);
        job->has_slot = true;
        s->n_waiting--;
        s->n_running++;
    }
}

static double step_ms(const struct slots *s)
{
    double context = 0.0;
    const struct slots_job *job;
    TAILQ_FOREACH(job, &s->running, jobs)
    context += job->work.prompt_tokens + (double)job->n_ready;
    return profile_decode_ms(s->profile, s->n_running, context / (double)s->n_running);
}

static struct slots_job *first_without_token(struct slots *s)
{
    struct slots_job *job;
    TAILQ_FOREACH(job, &s->running, jobs)
    {
        if (job->n_ready == 0)
            return job;
    }
    return NULL;
}

/* Begins what comes next at `from_us`. */
static void begin(struct slots *s, int64_t from_us)
{
    double ms = 0.0;
    give_slots(s);
    s->prompt = first_without_token(s);
    if (s->prompt) {
        s->action = ACTION_PROMPT;
        s->prompt->begun_us = from_us;
        ms = s->prompt->work.first_ms;
    } else if (s->n_running > 0) {
        s->action = ACTION_STEP;
        ms = step_ms(s);
    }
    s->begun_us = from_us;
    s->due_us = from_us + (int64_t)llround(1000.0 * ms);
}

static void add_token(struct slots *s, struct slots_job *job)
{
    job->n_ready++;
    if (job->n_ready == 1)
        job->first_us = s->due_us;
    job->fresh = !job->work.whole || job->n_ready == job->work.n_tokens;
    s->n_fresh += job->fresh;
}

/* What the accelerator did is done: tokens are ready. */
static void end(struct slots *s)
{
    struct slots_job *job;
    if (s->action == ACTION_PROMPT && s->prompt)
        add_token(s, s->prompt);
    TAILQ_FOREACH(job, &s->running, jobs)
    {
        if (s->action == ACTION_STEP && job->n_ready > 0)
            add_token(s, job);
    }
    s->action = ACTION_NONE;
    s->prompt = NULL;
    s->done_us = s->due_us;
    s->busy_us += s->due_us - s->begun_us;
}

void slots_add(struct slots *s, struct slots_job *job, const struct slots_work *work, void *owner,
               int64_t now_us)
{
    *job = (struct slots_job){.work = *work, .owner = owner};
    TAILQ_INSERT_TAIL(&s->waiting, job, jobs);
    s->n_waiting++;
    if (s->action == ACTION_NONE && s->n_running == 0)
        begin(s, now_us);
}

void slots_remove(struct slots *s, struct slots_job *job)
{
    if (job->has_slot) {
        TAILQ_REMOVE(&s->running, job, jobs);
        s->n_running--;
    } else {
        TAILQ_REMOVE(&s->waiting, job, jobs);
        s->n_waiting--;
    }
    s->n_fresh -= job->fresh;
    if (s->prompt == job)
        s->prompt = NULL;
}

int64_t slots_due_us(const struct slots *s)
{
    if (s->n_fresh > 0)
        return s->done_us;
    return s->action == ACTION_NONE ? SLOTS_NEVER : s->due_us;
}

/* A token that is ready and was not told. */
static bool tell(struct slots *s, struct slots_token *ret_token)
{
    struct slots_job *job;
    if (s->n_fresh == 0)
        return false;
    TAILQ_FOREACH(job, &s->running, jobs)
    {
        if (job->fresh)
            break;
    }
    job->fresh = false;
    s->n_fresh--;
    *ret_token = (struct slots_token){.owner = job->owner,
                                      .n_tokens = job->n_ready,
                                      .last = job->n_ready == job->work.n_tokens,
                                      .due_us = s->done_us,
                                      .begun_us = job->begun_us,
                                      .first_us = job->first_us};
    if (ret_token->last)
        slots_remove(s, job);
    return true;
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

int64_t slots_busy_us(const struct slots *s)
{
    return s->busy_us;
}
