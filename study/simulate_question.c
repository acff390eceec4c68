/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions of a simulation; see simulate_question.h. An answer is read as the gateway reads one:
 * the record is put into the words of an engine and goes through logprobs.c.
 */
#include "simulate_question.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/logprobs.h"
#include "gateway/question.h"

#include "answers.h"
#include "replay_render.h"

/* JSON around texts and pictures. */
#define ENVELOPE_BYTES 400.0

/* ---- what a request weighs ---- */

static struct slots_work work_of(const struct scenario *s, enum moa_tier tier, double n_text_bytes,
                                 double n_tokens)
{
    const struct scenario_tier *t = &s->tier[tier];
    double images[64];
    const size_t n = (size_t)s->request.images;
    if (!t->profile_path[0])
        return (struct slots_work){.n_tokens = (size_t)n_tokens,
                                   .prompt_tokens = ceil(n_text_bytes / 4.0)};
    for (size_t i = 0; i < n; i++)
        images[i] = profile_image_tokens(&t->profile, (uint32_t)s->request.image_width_px,
                                         (uint32_t)s->request.image_height_px);
    return slots_work_of(&t->profile, images, n,
                         ceil(n_text_bytes / t->profile.text_bytes_per_token), (size_t)n_tokens);
}

/* Everything that does not depend on who answers what. */
static void weigh(const struct scenario *s, struct rng *rng, struct question *q)
{
    const double range = s->request.image_complexity_max - s->request.image_complexity_min;
    q->image_complexity = s->request.image_complexity_min + range * rng_uniform(rng);
    q->n_upload_bytes = ENVELOPE_BYTES + q->n_text_bytes +
                        s->request.images * ceil(s->request.image_bytes / 3.0) * 4.0;
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++) {
        q->work[t] = work_of(s, (enum moa_tier)t, q->n_text_bytes, q->n_tokens[t]);
        q->prompt_tokens[t] = q->work[t].prompt_tokens;
    }
}

/* ---- from records ---- */

/* What an engine would have sent; to be freed. */
static char *completion_of(const struct answer *answer)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *choice =
        yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "choices"));
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_obj_add_str(doc, choice, "finish_reason",
                           answer->finish[0] ? answer->finish : "stop");
    yyjson_mut_val *message = yyjson_mut_obj_add_obj(doc, choice, "message");
    yyjson_mut_obj_add_str(doc, message, "content", answer->text);
    if (answer->tokens)
        yyjson_mut_obj_add_val(doc, yyjson_mut_obj_add_obj(doc, choice, "logprobs"), "content",
                               yyjson_val_mut_copy(doc, answer->tokens));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    yyjson_mut_doc_free(doc);
    return json;
}

/* False if out of memory. */
static bool read_answer(const struct answer *answer, struct moa_answer *ret_answer)
{
    struct logprobs logprobs;
    char *json = completion_of(answer);
    if (!json)
        return false;
    logprobs_init(&logprobs, question_letters(answer->prompt), false);
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    logprobs_read(&logprobs, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    logprobs_answer(&logprobs, false, ret_answer);
    free(json);
    return true;
}

/* One event of a stream; to be freed. */
static char *event_of(yyjson_val *token, bool last)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *choice =
        yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "choices"));
    yyjson_mut_val *delta = yyjson_mut_obj_add_obj(doc, choice, "delta");
    yyjson_mut_obj_add_val(doc, delta, "content",
                           yyjson_val_mut_copy(doc, yyjson_obj_get(token, "token")));
    yyjson_mut_val *logprobs = yyjson_mut_obj_add_obj(doc, choice, "logprobs");
    yyjson_mut_arr_append(yyjson_mut_obj_add_arr(doc, logprobs, "content"),
                          yyjson_val_mut_copy(doc, token));
    if (last)
        yyjson_mut_obj_add_str(doc, choice, "finish_reason", "stop");
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    yyjson_mut_doc_free(doc);
    return json;
}

/* The answer as it begins. False if out of memory. */
static bool read_begin(const struct answer *answer, struct question *q)
{
    struct logprobs logprobs;
    size_t i;
    size_t n;
    yyjson_val *token;
    logprobs_init(&logprobs, question_letters(answer->prompt), false);
    yyjson_arr_foreach(answer->tokens, i, n, token)
    {
        if (q->n_held == QUESTION_HELD_MAX)
            break;
        char *json = event_of(token, i + 1 == n);
        if (!json)
            return false;
        yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
        logprobs_read_event(&logprobs, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        logprobs_answer(&logprobs, false, &q->held[q->n_held++]);
        free(json);
    }
    return true;
}

static bool is_cut(const struct answer *answer)
{
    return strcmp(answer->finish, "length") == 0;
}

static bool take_pair(const struct scenario *s, const struct answer *const pair[2], struct rng *rng,
                      struct question *q)
{
    const struct moa_bytes texts[2] = {{pair[0]->text, strlen(pair[0]->text)},
                                       {pair[1]->text, strlen(pair[1]->text)}};
    const struct moa_bytes prompt = {pair[0]->prompt, strlen(pair[0]->prompt)};
    struct moa_text_features features;
    struct moa_text_complexity complexity;
    moa_text_measure(prompt, &features);
    moa_text_complexity(NULL, &features, &features, &complexity);
    *q = (struct question){
        .differs = is_cut(pair[0]) || is_cut(pair[1]) || !moa_answers_agree(texts[0], texts[1]),
        .right = {pair[0]->correct, pair[1]->correct},
        .n_tokens = {(double)replay_n_tokens(pair[0]), (double)replay_n_tokens(pair[1])},
        .n_text_bytes = (double)prompt.n,
        .text_complexity = complexity.score,
        .has_letters = question_letters(pair[0]->prompt) != 0,
        .kind = question_kind(pair[0]->prompt)};
    snprintf(q->item, sizeof(q->item), "%s", pair[0]->item);
    weigh(s, rng, q);
    return read_answer(pair[0], &q->answer) && read_begin(pair[0], q);
}

/* Questions that both have answered. -1 if out of memory. */
static int take_pairs(const struct scenario *s, const struct answers *edge,
                      const struct answers *cloud, struct questions *qs)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)s->seed ^ 0x71);
    qs->p = calloc(edge->n, sizeof(*qs->p));
    if (!qs->p)
        return -1;
    for (size_t i = 0; i < edge->n; i++) {
        const struct answer *pair[2] = {&edge->p[i], NULL};
        if (!pair[0]->prompt[0] || answers_find(cloud, pair[0]->item[0] ? pair[0]->item : NULL,
                                                pair[0]->prompt, &pair[1]) != ANSWERS_ONE)
            continue;
        if (!take_pair(s, pair, &rng, &qs->p[qs->n]))
            return -1;
        qs->n++;
    }
    return 0;
}

static double harm_of(const struct questions *qs)
{
    double sum = 0.0;
    for (size_t i = 0; i < qs->n; i++)
        sum += fmax(0.0, qs->p[i].right[MOA_CLOUD] - qs->p[i].right[MOA_EDGE]);
    for (size_t i = 0; i < qs->n; i++) {
        if (isnan(qs->p[i].right[MOA_EDGE]) || isnan(qs->p[i].right[MOA_CLOUD]))
            return NAN;
    }
    return sum / (double)qs->n;
}

static int from_records(const struct scenario *s, struct questions *qs, char *why, size_t n)
{
    struct answers answers[2] = {{.n = 0}, {.n = 0}};
    int failed = 0;
    for (int t = MOA_EDGE; !failed && t <= MOA_CLOUD; t++)
        failed = answers_read(s->records.path[t], &answers[t], why, n);
    if (!failed && take_pairs(s, &answers[MOA_EDGE], &answers[MOA_CLOUD], qs)) {
        snprintf(why, n, "out of memory");
        failed = -1;
    } else if (!failed && qs->n == 0) {
        snprintf(why, n, "%s and %s answer no prompt in common", s->records.path[MOA_EDGE],
                 s->records.path[MOA_CLOUD]);
        failed = -1;
    }
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++)
        answers_done(&answers[t]);
    qs->have_answers = true;
    return failed;
}

/* ---- without them ---- */

#define N_MADE 1024 /* so that c_img is drawn often enough */

static int without_records(const struct scenario *s, struct questions *qs, char *why, size_t n)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)s->seed ^ 0x71);
    qs->p = calloc(N_MADE, sizeof(*qs->p));
    if (!qs->p) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    for (qs->n = 0; qs->n < N_MADE; qs->n++) {
        struct question *q = &qs->p[qs->n];
        *q = (struct question){.right = {NAN, NAN},
                               .n_tokens = {s->request.answer_tokens, s->request.answer_tokens},
                               .n_text_bytes = s->request.text_bytes,
                               .text_complexity = s->request.text_complexity};
        weigh(s, &rng, q);
    }
    return 0;
}

/* ---- when they are asked ---- */

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct question *)a)->item, ((const struct question *)b)->item);
}

/* Records are sorted by their items. */
static void find_items(struct questions *qs)
{
    for (size_t i = 0; i < qs->times.n; i++) {
        struct simulate_time *t = &qs->times.p[i];
        struct question wanted = {.n_text_bytes = 0};
        snprintf(wanted.item, sizeof(wanted.item), "%s", t->item);
        const struct question *found =
            t->item[0] ? bsearch(&wanted, qs->p, qs->n, sizeof(*qs->p), compare_items) : NULL;
        if (found)
            t->question = (size_t)(found - qs->p);
    }
}

int questions_make(const struct scenario *scenario, struct questions *ret_questions, char *why,
                   size_t n)
{
    struct questions qs = {.n = 0};
    int failed = scenario->records.path[0][0] ? from_records(scenario, &qs, why, n)
                                              : without_records(scenario, &qs, why, n);
    if (!failed && scenario->arrivals.path[0])
        failed = simulate_times_read(scenario->arrivals.path, &qs.times, why, n);
    if (failed) {
        questions_done(&qs);
        return -1;
    }
    find_items(&qs);
    qs.h = harm_of(&qs);
    *ret_questions = qs;
    return 0;
}

void questions_done(struct questions *questions)
{
    free(questions->p);
    simulate_times_done(&questions->times);
    *questions = (struct questions){.p = NULL};
}
