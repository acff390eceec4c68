/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded answers; see answers.h.
 */
#include "answers.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static const char *text_at(yyjson_val *root, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(root, key));
    return text ? text : "";
}

static double number_at(yyjson_val *root, const char *key)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

/* A token needs its text and a logarithm; alternatives the same. */
static bool are_tokens(yyjson_val *tokens)
{
    size_t i;
    size_t max;
    yyjson_val *token;
    yyjson_arr_foreach(tokens, i, max, token)
    {
        yyjson_val *top = yyjson_obj_get(token, "top_logprobs");
        if (!yyjson_is_str(yyjson_obj_get(token, "token")) ||
            !yyjson_is_num(yyjson_obj_get(token, "logprob")) || (top && !yyjson_is_arr(top)))
            return false;
    }
    return true;
}

/* NULL, or what is wrong with the line. */
static const char *take_line(struct answers *a, yyjson_doc *doc)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *tokens = yyjson_obj_get(root, "logprobs");
    if (!yyjson_is_str(yyjson_obj_get(root, "answer")))
        return "no \"answer\"";
    if (!yyjson_is_str(yyjson_obj_get(root, "item")) &&
        !yyjson_is_str(yyjson_obj_get(root, "prompt")))
        return "neither \"item\" nor \"prompt\"";
    if (yyjson_is_null(tokens))
        tokens = NULL;
    if (tokens && (!yyjson_is_arr(tokens) || !are_tokens(tokens)))
        return "\"logprobs\" is no array of tokens with their logarithms";
    if (a->n == a->room) {
        size_t room = a->room + a->room / 2 + 64;
        struct answer *p = realloc(a->p, room * sizeof(*p));
        if (p)
            a->p = p;
        yyjson_doc **docs = p ? realloc(a->docs, room * sizeof(yyjson_doc *)) : NULL;
        if (!docs)
            return "out of memory";
        a->docs = docs;
        a->room = room;
    }
    a->docs[a->n] = doc;
    a->p[a->n++] = (struct answer){.set = text_at(root, "set"),
                                   .item = text_at(root, "item"),
                                   .model = text_at(root, "model"),
                                   .prompt = text_at(root, "prompt"),
                                   .text = text_at(root, "answer"),
                                   .finish = text_at(root, "finish"),
                                   .logprobs = "",
                                   .tokens = tokens,
                                   .prompt_tokens = number_at(root, "prompt_tokens"),
                                   .completion_tokens = number_at(root, "completion_tokens"),
                                   .correct = number_at(root, "correct")};
    return NULL;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct answer *)a)->item, ((const struct answer *)b)->item);
}

/* An entry of by_prompt is a pointer. NOLINTNEXTLINE(bugprone-sizeof-expression) */
static const size_t by_prompt_bytes = sizeof(struct answer *);

static int compare_prompts(const void *a, const void *b)
{
    const struct answer *x = *(struct answer *const *)a;
    const struct answer *y = *(struct answer *const *)b;
    return strcmp(x->prompt, y->prompt);
}

static int make_index(struct answers *a)
{
    a->by_prompt = malloc((a->n + 1) * by_prompt_bytes);
    if (!a->by_prompt)
        return -1;
    if (a->n > 0)
        qsort(a->p, a->n, sizeof(*a->p), compare_items);
    for (size_t i = 0; i < a->n; i++)
        a->by_prompt[i] = &a->p[i];
    if (a->n > 0)
        qsort(a->by_prompt, a->n, by_prompt_bytes, compare_prompts);
    return 0;
}

static int read_lines(FILE *in, const char *path, struct answers *a, char *why, size_t n)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int failed = 0;
    for (size_t number = 1; !failed && (length = getline(&line, &room, in)) > 0; number++) {
        yyjson_read_err error;
        if (line[strspn(line, " \t\r\n")] == '\0')
            continue;
        yyjson_doc *doc =
            yyjson_read_opts(line, (size_t)length, YYJSON_READ_ALLOW_INVALID_UNICODE, NULL, &error);
        const char *wrong = doc ? take_line(a, doc) : error.msg;
        if (!wrong)
            continue;
        snprintf(why, n, "%s:%zu: %s", path, number, wrong);
        yyjson_doc_free(doc);
        failed = -1;
    }
    free(line);
    return failed;
}

int answers_read(const char *path, struct answers *ret_answers, char *why, size_t n)
{
    struct answers a = {NULL, NULL, 0, 0, NULL};
    FILE *in = fopen(path, "re");
    if (!in) {
        snprintf(why, n, "%s: %s", path, strerror(errno));
        return -1;
    }
    int failed = read_lines(in, path, &a, why, n);
    fclose(in);
    if (!failed && a.n == 0) {
        snprintf(why, n, "%s: holds no answer", path);
        failed = -1;
    }
    if (!failed && make_index(&a)) {
        snprintf(why, n, "out of memory");
        failed = -1;
    }
    if (failed)
        answers_done(&a);
    else
        *ret_answers = a;
    return failed;
}

void answers_done(struct answers *a)
{
    for (size_t i = 0; i < a->n; i++)
        yyjson_doc_free(a->docs[i]);
    free(a->docs);
    free(a->by_prompt);
    free(a->p);
    *a = (struct answers){NULL, NULL, 0, 0, NULL};
}

/* ---- finding ---- */

static enum answers_found find_item(const struct answers *a, const char *item, const char *prompt,
                                    const struct answer **ret_answer)
{
    const struct answer wanted = {.item = item};
    const struct answer *found = bsearch(&wanted, a->p, a->n, sizeof(*a->p), compare_items);
    if (!found)
        return ANSWERS_NONE;
    while (found > a->p && compare_items(found - 1, found) == 0)
        found--;
    size_t n = 1;
    while (found + n < a->p + a->n && compare_items(found, found + n) == 0)
        n++;
    /* Items of several sets may have one id. */
    for (size_t i = 0; i < n; i++) {
        if (found[i].prompt[0] && strcmp(found[i].prompt, prompt) != 0)
            continue;
        *ret_answer = &found[i];
        return ANSWERS_ONE;
    }
    return ANSWERS_OTHER_PROMPT;
}

static bool same_answer(const struct answer *a, const struct answer *b)
{
    return strcmp(a->text, b->text) == 0;
}

enum answers_found answers_find(const struct answers *a, const char *item, const char *prompt,
                                const struct answer **ret_answer)
{
    const struct answer wanted = {.prompt = prompt};
    const struct answer *key = &wanted;
    enum answers_found by_item = item ? find_item(a, item, prompt, ret_answer) : ANSWERS_NONE;
    if (by_item != ANSWERS_NONE)
        return by_item;
    struct answer **found = bsearch(&key, a->by_prompt, a->n, by_prompt_bytes, compare_prompts);
    if (!found || !prompt[0])
        return find_item(a, ANSWERS_ANY, prompt, ret_answer);
    while (found > a->by_prompt && compare_prompts(found - 1, found) == 0)
        found--;
    for (size_t i = 1; found + i < a->by_prompt + a->n; i++) {
        if (compare_prompts(found, found + i) != 0)
            break;
        if (!same_answer(found[0], found[i]))
            return ANSWERS_SEVERAL;
    }
    *ret_answer = found[0];
    return ANSWERS_ONE;
}

/* ---- writing ---- */

static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *key, double number)
{
    if (isnan(number))
        return;
    if (number == floor(number))
        yyjson_mut_obj_add_sint(doc, root, key, (int64_t)number);
    else
        yyjson_mut_obj_add_real(doc, root, key, round(number * 1e6) / 1e6);
}

int answers_write(FILE *out, const struct answer *answer)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    char *tokens = NULL;
    int failed = -1;
    yyjson_mut_doc_set_root(doc, root);
    const struct {
        const char *key, *text;
    } texts[] = {{"set", answer->set},       {"item", answer->item},   {"model", answer->model},
                 {"prompt", answer->prompt}, {"answer", answer->text}, {"finish", answer->finish}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        yyjson_mut_obj_add_str(doc, root, texts[i].key, texts[i].text);
    add_number(doc, root, "correct", answer->correct);
    add_number(doc, root, "prompt_tokens", answer->prompt_tokens);
    add_number(doc, root, "completion_tokens", answer->completion_tokens);
    if (asprintf(&tokens, "[%s]", answer->logprobs) > 0)
        yyjson_mut_obj_add_val(doc, root, "logprobs", yyjson_mut_raw(doc, tokens));
    char *line = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    if (line && tokens && fprintf(out, "%s\n", line) > 0 && fflush(out) == 0)
        failed = 0;
    free(line);
    free(tokens);
    yyjson_mut_doc_free(doc);
    return failed;
}

static yyjson_mut_val *copy_token(yyjson_mut_doc *doc, yyjson_val *token)
{
    yyjson_mut_val *copy = yyjson_mut_obj(doc);
    yyjson_val *text = yyjson_obj_get(token, "token");
    yyjson_val *logprob = yyjson_obj_get(token, "logprob");
    yyjson_mut_obj_add_val(doc, copy, "token", yyjson_val_mut_copy(doc, text));
    yyjson_mut_obj_add_val(doc, copy, "logprob", yyjson_val_mut_copy(doc, logprob));
    return yyjson_is_str(text) && yyjson_is_num(logprob) ? copy : NULL;
}

char *answers_logprobs(yyjson_val *logprobs)
{
    yyjson_val *content = yyjson_obj_get(logprobs, "content");
    yyjson_mut_doc *doc = yyjson_arr_size(content) > 0 ? yyjson_mut_doc_new(NULL) : NULL;
    yyjson_mut_val *entries = yyjson_mut_arr(doc);
    size_t i;
    size_t max;
    size_t k;
    size_t n_top;
    yyjson_val *token;
    yyjson_val *other;
    yyjson_arr_foreach(content, i, max, token)
    {
        yyjson_mut_val *copy = copy_token(doc, token);
        yyjson_mut_val *top = yyjson_mut_obj_add_arr(doc, copy, "top_logprobs");
        yyjson_arr_foreach(yyjson_obj_get(token, "top_logprobs"), k, n_top, other)
            yyjson_mut_arr_append(top, copy_token(doc, other));
        yyjson_mut_arr_append(entries, copy);
    }
    size_t n = 0;
    char *text = doc ? yyjson_mut_val_write(entries, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &n) : NULL;
    yyjson_mut_doc_free(doc);
    if (text && n > 2) { /* without its brackets */
        memmove(text, text + 1, n - 2);
        text[n - 2] = '\0';
        return text;
    }
    free(text);
    return NULL;
}
