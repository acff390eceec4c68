/* SPDX-License-Identifier: Apache-2.0
 *
 * What a completion says; see completion.h.
 */
#include "completion.h"

#include <ctype.h>
#include <string.h>

#include <moaoff/adaptive.h>
#include <yyjson.h>

#define DEPTH_MAX 64 /* of values that are compared, since that recurses */

void completion_init(struct completion *ret_completion)
{
    *ret_completion = (struct completion){.text = buffer_of(COMPLETION_BYTES_MAX)};
}

void completion_done(struct completion *c)
{
    buffer_done(&c->text);
    for (size_t i = 0; i < c->n_calls; i++) {
        buffer_done(&c->calls[i].name);
        buffer_done(&c->calls[i].arguments);
    }
    *c = (struct completion){.n_calls = 0};
}

/* ---- gathering ---- */

static void keep(struct completion *c, struct buffer *to, yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    const size_t n = text ? yyjson_get_len(value) : 0;
    if (n > COMPLETION_BYTES_MAX - c->n_bytes || buffer_add(to, text, n))
        c->is_beyond = true;
    else
        c->n_bytes += n;
}

static void keep_call(struct completion *c, yyjson_val *function, uint64_t index)
{
    if (index > c->n_calls || index >= COMPLETION_CALLS_MAX) {
        c->is_beyond = true;
        return;
    }
    struct completion_call *call = &c->calls[index];
    if (index == c->n_calls) {
        call->name = call->arguments = buffer_of(COMPLETION_BYTES_MAX);
        c->n_calls++;
    }
    keep(c, &call->name, yyjson_obj_get(function, "name"));
    keep(c, &call->arguments, yyjson_obj_get(function, "arguments"));
}

static void read_calls(struct completion *c, yyjson_val *message)
{
    size_t i, n;
    yyjson_val *call;
    yyjson_arr_foreach(yyjson_obj_get(message, "tool_calls"), i, n, call)
    {
        yyjson_val *index = yyjson_obj_get(call, "index");
        keep_call(c, yyjson_obj_get(call, "function"), index ? yyjson_get_uint(index) : i);
    }
    yyjson_val *function = yyjson_obj_get(message, "function_call");
    if (yyjson_is_obj(function))
        keep_call(c, function, 0);
}

static void read_choice(struct completion *c, yyjson_val *choice, const char *part)
{
    yyjson_val *message = yyjson_obj_get(choice, part);
    yyjson_val *refusal = yyjson_obj_get(message, "refusal");
    yyjson_val *reason = yyjson_obj_get(choice, "finish_reason");
    c->is_beyond |= yyjson_get_uint(yyjson_obj_get(choice, "index")) > 0;
    c->is_refused |= yyjson_get_len(refusal) > 0;
    c->is_cut |= yyjson_equals_str(reason, "length") || yyjson_equals_str(reason, "content_filter");
    yyjson_val *content = yyjson_obj_get(message, "content");
    if (yyjson_is_ctn(content)) /* parts, which no engine that is known answers with */
        c->is_beyond = true;
    keep(c, &c->text, content);
    read_calls(c, message);
}

static void read_choices(struct completion *c, yyjson_val *json, const char *part)
{
    yyjson_val *choices = yyjson_obj_get(json, "choices");
    size_t i, n;
    yyjson_val *choice;
    yyjson_arr_foreach(choices, i, n, choice)
    {
        read_choice(c, choice, part);
    }
    c->is_beyond |= yyjson_arr_size(choices) > 1;
}

void completion_read(struct completion *completion, yyjson_val *json)
{
    read_choices(completion, json, "message");
}

void completion_read_event(struct completion *completion, yyjson_val *data)
{
    read_choices(completion, data, "delta");
}

/* ---- comparing ---- */

static bool is_whole(const struct completion *c)
{
    return !c->is_cut && !c->is_beyond && !c->is_refused && c->n_bytes > 0;
}

/* Whether brackets in it are nested deeper than may be compared; those in strings are none. */
static bool is_deep(struct moa_bytes json)
{
    const char *p = json.p;
    size_t depth = 0, deepest = 0;
    for (size_t i = 0; i < json.n; i++) {
        if (p[i] == '"') {
            for (i++; i < json.n && p[i] != '"'; i++)
                i += p[i] == '\\';
        } else if (p[i] == '{' || p[i] == '[') {
            depth++;
        } else if (p[i] == '}' || p[i] == ']') {
            depth -= depth > 0;
        }
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest > DEPTH_MAX;
}

static bool are_same_values(struct moa_bytes one, struct moa_bytes other)
{
    if (is_deep(one) || is_deep(other))
        return false;
    yyjson_doc *a = yyjson_read(one.p, one.n, YYJSON_READ_NOFLAG);
    yyjson_doc *b = yyjson_read(other.p, other.n, YYJSON_READ_NOFLAG);
    /* Both ways round: a key that appears twice is looked up once. */
    const bool same = yyjson_equals(yyjson_doc_get_root(a), yyjson_doc_get_root(b)) &&
                      yyjson_equals(yyjson_doc_get_root(b), yyjson_doc_get_root(a));
    yyjson_doc_free(a);
    yyjson_doc_free(b);
    return same;
}

static bool are_same_bytes(struct moa_bytes one, struct moa_bytes other)
{
    return one.n == other.n && (one.n == 0 || memcmp(one.p, other.p, one.n) == 0);
}

static struct moa_bytes trimmed(const struct buffer *text)
{
    const char *p = text->p;
    size_t n = text->n;
    while (n > 0 && isspace((unsigned char)*p))
        p++, n--;
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        n--;
    return (struct moa_bytes){p, n};
}

static bool is_json(struct moa_bytes text)
{
    return text.n > 0 && (*(const char *)text.p == '{' || *(const char *)text.p == '[');
}

static bool do_texts_agree(const struct buffer *one, const struct buffer *other)
{
    const struct moa_bytes a = trimmed(one), b = trimmed(other);
    if (is_json(a) && is_json(b))
        return are_same_bytes(a, b) || are_same_values(a, b);
    return moa_answers_agree(a, b);
}

static bool do_calls_agree(const struct completion_call *one, const struct completion_call *other)
{
    const struct moa_bytes a = trimmed(&one->arguments), b = trimmed(&other->arguments);
    return are_same_bytes(buffer_bytes(&one->name), buffer_bytes(&other->name)) &&
           (are_same_bytes(a, b) || are_same_values(a, b));
}

bool completions_agree(const struct completion *one, const struct completion *other)
{
    if (!is_whole(one) || !is_whole(other) || one->n_calls != other->n_calls)
        return false;
    for (size_t i = 0; i < one->n_calls; i++) {
        if (!do_calls_agree(&one->calls[i], &other->calls[i]))
            return false;
    }
    const bool are_silent = trimmed(&one->text).n == 0 && trimmed(&other->text).n == 0;
    return (one->n_calls > 0 && are_silent) || do_texts_agree(&one->text, &other->text);
}

struct moa_bytes completion_text(const struct completion *c)
{
    if (!is_whole(c) || c->n_calls > 0)
        return (struct moa_bytes){NULL, 0};
    return trimmed(&c->text);
}
