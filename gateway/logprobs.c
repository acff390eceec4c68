/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-probabilities of an answer; see logprobs.h.
 */
#include "logprobs.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#define TOP 5
#define LOWEST (-100.0) /* some engines say -9999 or null for what has no probability */

void logprobs_init(struct logprobs *ret_logprobs, uint32_t letters, bool wants_json)
{
    *ret_logprobs = (struct logprobs){.letters = letters, .wants_json = wants_json};
}

/* ---- tokens ---- */

static double logprob_of(yyjson_val *token)
{
    yyjson_val *value = yyjson_obj_get(token, "logprob");
    const double logprob = yyjson_is_num(value) ? yyjson_get_num(value) : LOWEST;
    return logprob > LOWEST ? fmin(logprob, 0) : LOWEST; /* NaN too is the lowest */
}

/* The offered letter that a token is, as a bit; 0 if it is none. */
static uint32_t letter_of(const struct logprobs *l, yyjson_val *token)
{
    const char *p = yyjson_get_str(yyjson_obj_get(token, "token"));
    if (!p)
        return 0;
    while (isspace((unsigned char)*p) || *p == '(')
        p++;
    if (*p < 'A' || *p > 'Z' || isalnum((unsigned char)p[1]))
        return 0;
    return l->letters & 1u << (*p - 'A');
}

/* Among the letters offered, as far as the engine names them. Several tokens may be one letter. */
static double among_letters(const struct logprobs *l, yyjson_val *token, uint32_t letter)
{
    double same = 0, all = 0;
    size_t i, n;
    yyjson_val *other;
    yyjson_arr_foreach(yyjson_obj_get(token, "top_logprobs"), i, n, other)
    {
        const uint32_t what = letter_of(l, other);
        const double p = exp(logprob_of(other));
        all += what ? p : 0;
        same += what == letter ? p : 0;
    }
    return same > 0 ? log(same / all) : logprob_of(token);
}

static double top5_of(yyjson_val *token)
{
    double sum = 0;
    size_t i, n;
    yyjson_val *other;
    yyjson_arr_foreach(yyjson_obj_get(token, "top_logprobs"), i, n, other)
    {
        if (i < TOP)
            sum += exp(logprob_of(other));
    }
    return fmin(sum, 1);
}

static bool says_something(yyjson_val *token)
{
    const char *p = yyjson_get_str(yyjson_obj_get(token, "token"));
    while (p && isspace((unsigned char)*p))
        p++;
    return p && *p;
}

static void read_token(struct logprobs *l, yyjson_val *token)
{
    const double logprob = logprob_of(token);
    const bool begins = !l->has_said && says_something(token);
    const uint32_t letter = begins ? letter_of(l, token) : 0;
    const double renormalised = letter ? among_letters(l, token, letter) : logprob;
    if (l->n_tokens == 0) {
        l->first = logprob;
        l->top5 = top5_of(token);
        l->min = logprob;
        l->min_among_letters = renormalised;
    }
    l->min = fmin(l->min, logprob);
    l->min_among_letters = fmin(l->min_among_letters, renormalised);
    l->has_said |= begins;
    l->n_tokens++;
}

/* ---- choices ---- */

static void read_text(struct logprobs *l, yyjson_val *content)
{
    const char *text = yyjson_get_str(content);
    const size_t n = text ? yyjson_get_len(content) : 0;
    if (n > 0 && l->n_text < sizeof(l->text)) {
        const size_t room = sizeof(l->text) - l->n_text;
        memcpy(l->text + l->n_text, text, n < room ? n : room);
    }
    l->n_text += n;
}

static void read_choice(struct logprobs *l, yyjson_val *choice, const char *part)
{
    yyjson_val *message = yyjson_obj_get(choice, part);
    if (yyjson_get_uint(yyjson_obj_get(choice, "index")) == 0)
        read_text(l, yyjson_obj_get(message, "content"));
    if (yyjson_arr_size(yyjson_obj_get(message, "tool_calls")) > 0 ||
        yyjson_is_obj(yyjson_obj_get(message, "function_call")))
        l->calls_tool = true;
    size_t i, n;
    yyjson_val *token;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(choice, "logprobs"), "content"), i, n, token)
    {
        read_token(l, token);
    }
    const char *reason = yyjson_get_str(yyjson_obj_get(choice, "finish_reason"));
    l->ended |= reason != NULL;
    l->is_cut |= reason && (strcmp(reason, "length") == 0 || strcmp(reason, "content_filter") == 0);
}

static bool read_choices(struct logprobs *l, yyjson_val *json, const char *part)
{
    yyjson_val *choices = yyjson_obj_get(json, "choices");
    size_t i, n;
    yyjson_val *choice;
    yyjson_arr_foreach(choices, i, n, choice)
    {
        read_choice(l, choice, part);
    }
    return yyjson_arr_size(choices) > 0;
}

bool logprobs_read(struct logprobs *logprobs, yyjson_val *completion)
{
    const bool is_one = read_choices(logprobs, completion, "message");
    logprobs->ended |= is_one;
    return is_one;
}

void logprobs_read_event(struct logprobs *logprobs, yyjson_val *data)
{
    read_choices(logprobs, data, "delta");
}

/* ---- the form of the answer ---- */

/* `text` without white space and full stops around it. */
static struct moa_bytes trimmed(const char *text, size_t n)
{
    while (n > 0 && isspace((unsigned char)*text))
        text++, n--;
    while (n > 0 && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '.'))
        n--;
    return (struct moa_bytes){text, n};
}

static bool is_any_of(struct moa_bytes text, const char *const *words, size_t n_words)
{
    const int begin = text.n > 0 ? tolower(*(const unsigned char *)text.p) : 0;
    for (size_t i = 0; i < n_words; i++) {
        if (*words[i] == begin && strlen(words[i]) == text.n &&
            strncasecmp(words[i], text.p, text.n) == 0)
            return true;
    }
    return false;
}

static bool is_yes_no(struct moa_bytes text)
{
    static const char *const words[] = {"yes", "no", "ja", "nein", "oui", "non", "true", "false"};
    return is_any_of(text, words, sizeof(words) / sizeof(words[0]));
}

static bool is_number(struct moa_bytes text)
{
    static const char *const words[] = {"none", "zero", "one",   "two",   "three", "four",
                                        "five", "six",  "seven", "eight", "nine",  "ten"};
    const char *p = text.p;
    bool digit = false;
    for (size_t i = 0; i < text.n; i++) {
        digit |= isdigit((unsigned char)p[i]) != 0;
        if (!isdigit((unsigned char)p[i]) && !strchr("+-.,:%$ ", p[i]))
            return is_any_of(text, words, sizeof(words) / sizeof(words[0]));
    }
    return digit;
}

/* "B", "B) blue", "(B)", "B. blue" where B is offered. */
static bool is_letter(const struct logprobs *l, struct moa_bytes text)
{
    const char *p = text.p, *end = p + text.n;
    if (p < end && *p == '(')
        p++;
    return p < end && *p >= 'A' && *p <= 'Z' && (l->letters & 1u << (*p - 'A')) &&
           (p + 1 == end || (!isalnum((unsigned char)p[1]) && p[1] != '\''));
}

static size_t words_in(struct moa_bytes text)
{
    const char *p = text.p;
    size_t words = 0;
    for (size_t i = 0; i < text.n; i++)
        words += !isspace((unsigned char)p[i]) && (i == 0 || isspace((unsigned char)p[i - 1]));
    return words;
}

static enum moa_answer_form form_of(const struct logprobs *l)
{
    const bool is_whole = l->n_text <= sizeof(l->text);
    const struct moa_bytes text = trimmed(l->text, is_whole ? l->n_text : sizeof(l->text));
    const int begin = text.n > 0 ? *(const char *)text.p : 0;
    if (l->calls_tool)
        return MOA_ANSWER_TOOL;
    if (l->wants_json || begin == '{' || begin == '[')
        return MOA_ANSWER_JSON;
    if (is_letter(l, text))
        return MOA_ANSWER_LETTER;
    if (!l->ended || !is_whole) /* more may follow */
        return MOA_ANSWER_LONG;
    if (is_yes_no(text))
        return MOA_ANSWER_YES_NO;
    if (is_number(text))
        return MOA_ANSWER_NUMBER;
    return words_in(text) <= 3 ? MOA_ANSWER_SHORT : MOA_ANSWER_LONG;
}

void logprobs_answer(const struct logprobs *logprobs, bool sampled, struct moa_answer *ret_answer)
{
    const struct logprobs *l = logprobs;
    const enum moa_answer_form form = form_of(l);
    *ret_answer = (struct moa_answer){
        .form = form, .streamed = !l->ended, .sampled = sampled, .n_tokens = l->n_tokens};
    if (l->n_tokens == 0)
        return;
    ret_answer->p_min = exp(form == MOA_ANSWER_LETTER ? l->min_among_letters : l->min);
    ret_answer->p_first = exp(l->first);
    ret_answer->p_top5 = l->top5 > 0 ? l->top5 : 1;
}

/* ---- cutting ---- */

/* JSON that was parsed once need not be searched again: yyjson leaves every string at its offset in
 * the copy that it parsed, so that keys tell where their values stand. */
struct source_text {
    const char *p, *end;
    const char *copy; /* what a string of the parsed value less this is its offset in `p` */
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\';
    return p < end ? p + 1 : end;
}

/* Behind a value of which `p` is inside, `depth` brackets deep; or which begins at `p`. */
static const char *skip_value(const char *p, const char *end, size_t depth)
{
    while (p < end) {
        if (*p == '"')
            p = skip_string(p, end) - 1;
        else if (*p == '{' || *p == '[')
            depth++;
        else if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
            return p;
        else if (*p == '}' || *p == ']')
            depth--;
        p++;
        if (depth == 0 && (p[-1] == '"' || p[-1] == '}' || p[-1] == ']'))
            return p;
    }
    return end;
}

/* The opening quote of a string. */
static const char *quote_of(const struct source_text *t, yyjson_val *string)
{
    return t->p + (yyjson_get_str(string) - t->copy) - 1;
}

static yyjson_val *last_key(yyjson_val *object)
{
    yyjson_val *last = NULL;
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members));)
        last = key;
    return last;
}

/* Behind the value of `key`: only what follows the last key in it is gone through. */
static const char *value_end(const struct source_text *t, yyjson_val *key)
{
    yyjson_val *last = key, *value = yyjson_obj_iter_get_val(key);
    size_t depth = 0, deep = 0;
    for (; yyjson_arr_size(value) + yyjson_obj_size(value) > 0; deep++) {
        if (yyjson_is_arr(value)) {
            value = yyjson_arr_get_last(value);
        } else {
            last = last_key(value);
            value = yyjson_obj_iter_get_val(last);
            depth = deep + 1;
        }
    }
    const char *p = skip_string(quote_of(t, last), t->end);
    p = skip_space(skip_space(p, t->end) + 1, t->end); /* the colon */
    return skip_space(skip_value(p, t->end, depth), t->end);
}

/* A member of an object, with the comma that would be too many without it. */
struct cut {
    const char *begin, *end;
};

static struct cut member_of(const struct source_text *t, yyjson_val *key, bool is_first)
{
    const char *end = value_end(t, key), *begin = quote_of(t, key);
    if (is_first)
        return (struct cut){begin, end < t->end && *end == ',' ? end + 1 : end};
    while (*begin != ',')
        begin--;
    return (struct cut){begin, end};
}

/* Of the choice; of length 0 at `from` if it has none. */
static struct cut find_logprobs(const struct source_text *t, yyjson_val *choice, const char *from)
{
    bool is_first = true;
    yyjson_obj_iter members = yyjson_obj_iter_with(choice);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)); is_first = false) {
        if (yyjson_equals_str(key, "logprobs"))
            return member_of(t, key, is_first);
    }
    return (struct cut){from, from};
}

size_t logprobs_cut(yyjson_val *root, char *json, size_t n)
{
    yyjson_obj_iter members = yyjson_obj_iter_with(root);
    yyjson_val *first = yyjson_obj_iter_next(&members);
    if (!first)
        return n;
    const char *quote = memchr(json, '"', n);
    const struct source_text t = {json, json + n, yyjson_get_str(first) - (quote + 1 - json)};
    char *to = json;
    const char *from = json;
    size_t i, count;
    yyjson_val *choice;
    yyjson_arr_foreach(yyjson_obj_get(root, "choices"), i, count, choice)
    {
        const struct cut cut = find_logprobs(&t, choice, from);
        memmove(to, from, (size_t)(cut.begin - from));
        to += cut.begin - from;
        from = cut.end;
    }
    memmove(to, from, (size_t)(t.end - from));
    return (size_t)(to - json) + (size_t)(t.end - from);
}
