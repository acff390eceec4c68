/* SPDX-License-Identifier: Apache-2.0
 *
 * When an engine with a profile would have each token ready: slots, a queue, one accelerator that
 * does one thing at a time. Pure: the caller has the clock. docs/profiles.md tells the rules.
 */
#ifndef MOA_STUDY_SLOTS_H
#define MOA_STUDY_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "profile.h"

#define SLOTS_NEVER INT64_MAX

struct slots;

/** What a request asks of the accelerator. */
struct slots_work {
    double first_ms;      /* until its first token, from the start of its turn */
    double prompt_tokens; /* of which its context consists at first */
    size_t n_tokens;      /* of the answer, its end among them; at least 1 */
    bool whole;           /* only the last token is told */
};

/** A request in the memory of its owner, who looks at none of it. */
struct slots_job {
    TAILQ_ENTRY(slots_job) jobs;
    struct slots_work work;
    void *owner;
    int64_t begun_us, first_us;
    size_t n_ready;
    bool has_slot;
    bool fresh; /* a token is ready that slots_next() has not told */
};

/** Work of a prompt with images: overhead, tower and prefill of the profile. */
struct slots_work slots_work_of(const struct profile *profile, const double *image_tokens,
                                size_t n_images, double text_tokens, size_t n_tokens);

/** A token is ready, at due_us. A job whose last it was is out. */
struct slots_token {
    void *owner;
    size_t n_tokens; /* that are ready now */
    bool last;
    int64_t due_us;
    int64_t begun_us, first_us; /* when the prompt was begun, and the first token was ready */
};

/** `profile` is borrowed. NULL: no memory. */
struct slots *slots_new(const struct profile *profile);
void slots_free(struct slots *slots); /* NULL is allowed; jobs that are left stay their owners' */

/** `job` must not move until it is out. `owner` is handed back with every token. */
void slots_add(struct slots *slots, struct slots_job *job, const struct slots_work *work,
               void *owner, int64_t now_us);
/** Takes a job out that has not had its last token. */
void slots_remove(struct slots *slots, struct slots_job *job);

/** When the next token is ready; SLOTS_NEVER if there is nothing to do. */
int64_t slots_due_us(const struct slots *slots);

/** The next token that is ready at now_us, one a call; false if there is none. */
bool slots_next(struct slots *slots, int64_t now_us, struct slots_token *ret_token);

size_t slots_n_running(const struct slots *slots); /* with a slot */
size_t slots_n_waiting(const struct slots *slots); /* behind them */
/** How long the accelerator has worked, as far as slots_next() has come. */
int64_t slots_busy_us(const struct slots *slots);

#endif
