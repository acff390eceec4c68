/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events; see sse.h. Lines end with LF, CR LF or CR (WHATWG HTML, 9.2.5).
 */
#include "sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

void sse_init(struct sse *ret_sse, const struct answer_form *form)
{
    *ret_sse = (struct sse){.form = form, .usage = {USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0}};
}

/* The length of the end of a line at `p`, of `n` bytes: 0 if there is none. A CR that comes last is
 * one, and an LF that follows later is an empty line of the next event: that does no harm. */
static size_t line_end(const char *p, size_t n)
{
    if (n == 0 || (*p != '\n' && *p != '\r'))
        return 0;
    return *p == '\r' && n > 1 && p[1] == '\n' ? 2 : 1;
}

/* The first end of a line in `n` bytes, or NULL. */
static const char *find_end(const char *p, size_t n)
{
    const char *lf = memchr(p, '\n', n);
    const char *cr = memchr(p, '\r', lf ? (size_t)(lf - p) : n);
    return cr ? cr : lf;
}

size_t sse_next(struct moa_bytes bytes)
{
    const char *p = bytes.p, *end = p + bytes.n;
    for (const char *at = p; at < end;) {
        at = find_end(at, (size_t)(end - at));
        if (!at)
            return 0;
        at += line_end(at, (size_t)(end - at));
        size_t blank = line_end(at, (size_t)(end - at));
        if (blank > 0)
            return (size_t)(at - p) + blank;
    }
    return 0;
}

struct moa_bytes sse_data(struct moa_bytes event)
{
    const char *p = event.p, *end = p + event.n;
    while (p < end) {
        const char *stop = find_end(p, (size_t)(end - p));
        size_t n = (size_t)((stop ? stop : end) - p);
        if (n >= 5 && memcmp(p, "data:", 5) == 0) {
            size_t skip = n > 5 && p[5] == ' ' ? 6 : 5;
            return (struct moa_bytes){p + skip, n - skip};
        }
        p += n + line_end(p + n, (size_t)(end - p) - n);
    }
    return (struct moa_bytes){NULL, 0};
}

/* Whether a delta says anything: more than a role, and not only empty texts. */
static bool says_anything(yyjson_val *delta)
{
    size_t i, n;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(delta)) /* yyjson_obj_foreach() adds to NULL */
        return false;
    yyjson_obj_foreach(delta, i, n, key, value)
    {
        bool empty = yyjson_is_null(value) ||
                     (yyjson_is_str(value) && yyjson_get_len(value) == 0) ||
                     (yyjson_is_ctn(value) && unsafe_yyjson_get_len(value) == 0);
        if (!yyjson_equals_str(key, "role") && !empty)
            return true;
    }
    return false;
}

static enum sse_kind read_choices(struct sse *sse, yyjson_val *choices)
{
    enum sse_kind kind = SSE_NOTHING;
    size_t i, n;
    yyjson_val *choice;
    yyjson_arr_foreach(choices, i, n, choice)
    {
        yyjson_val *reason = yyjson_obj_get(choice, "finish_reason");
        const bool ends = reason && !yyjson_is_null(reason);
        const char *text = yyjson_get_str(yyjson_obj_get(choice, "text"));
        if (ends || says_anything(yyjson_obj_get(choice, "delta")) || (text && text[0]))
            kind = SSE_CONTENT;
        sse->ended |= ends;
    }
    return kind;
}

static enum sse_kind read_object(struct sse *sse, yyjson_val *root)
{
    yyjson_val *error = yyjson_obj_get(root, "error");
    yyjson_val *choices = yyjson_obj_get(root, "choices");
    struct usage usage;
    const bool counted = usage_of_object(yyjson_obj_get(root, "usage"), &usage);
    usage.prompt_ms = sse->usage.prompt_ms;
    usage.completion_ms = sse->usage.completion_ms;
    if (counted)
        sse->usage = usage;
    usage_read_times(root, &sse->usage);
    if (error && !yyjson_is_null(error))
        return SSE_ERROR;
    enum sse_kind kind = read_choices(sse, choices);
    if (!sse->begun)
        identity_sign(root, &sse->signature);
    return counted && yyjson_is_arr(choices) && yyjson_arr_size(choices) == 0 ? SSE_USAGE : kind;
}

static bool read_whole(yyjson_val *root, struct usage *ret_usage)
{
    if (!yyjson_is_obj(yyjson_arr_get_first(yyjson_obj_get(root, "choices"))))
        return false;
    usage_read(root, ret_usage);
    return true;
}

const struct answer_form answer_form_chat = {.read_event = read_object,
                                             .read_whole = read_whole,
                                             .key = "\"choices\"",
                                             .missing = "choices"};

static enum sse_kind kind_of(struct sse *sse, struct moa_bytes data, yyjson_doc **ret_doc)
{
    *ret_doc = NULL;
    if (!data.p || data.n == 0)
        return SSE_NOTHING;
    if (data.n >= 6 && memcmp(data.p, "[DONE]", 6) == 0)
        return SSE_DONE;
    *ret_doc = yyjson_read(data.p, data.n, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(*ret_doc);
    return yyjson_is_obj(root) ? sse->form->read_event(sse, root) : SSE_OTHER;
}

enum sse_kind sse_read(struct sse *sse, struct moa_bytes event, yyjson_doc **ret_doc)
{
    struct moa_bytes data = sse_data(event);
    yyjson_doc *doc;
    enum sse_kind kind = kind_of(sse, data, &doc);
    if (ret_doc)
        *ret_doc = doc;
    else
        yyjson_doc_free(doc);
    sse->begun |= kind == SSE_CONTENT;
    sse->ended |= kind == SSE_DONE;
    if (kind == SSE_ERROR || (kind == SSE_OTHER && !sse->begun)) {
        sse->failed = true;
        sse->error = data;
    }
    return kind;
}

/* ---- a whole answer as a stream ---- */

/* What is a message in a completion is a delta in a chunk, where calls of tools are numbered. */
static void make_delta(yyjson_mut_doc *doc, yyjson_mut_val *choice)
{
    size_t i, n;
    yyjson_mut_val *call;
    yyjson_mut_obj_rename_key(doc, choice, "message", "delta");
    yyjson_mut_val *calls = yyjson_mut_obj_get(yyjson_mut_obj_get(choice, "delta"), "tool_calls");
    yyjson_mut_arr_foreach(calls, i, n, call)
    {
        if (yyjson_mut_is_obj(call) && !yyjson_mut_obj_get(call, "index"))
            yyjson_mut_obj_add_uint(doc, call, "index", i);
    }
}

static char *chunk_of(yyjson_mut_doc *doc, bool has_usage)
{
    size_t i, n;
    yyjson_mut_val *choice, *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_val *choices = yyjson_mut_obj_get(root, "choices");
    if (!yyjson_mut_is_arr(choices))
        return NULL;
    yyjson_mut_arr_foreach(choices, i, n, choice)
    {
        make_delta(doc, choice);
    }
    yyjson_mut_obj_put(root, yyjson_mut_str(doc, "object"),
                       yyjson_mut_str(doc, "chat.completion.chunk"));
    if (!has_usage)
        yyjson_mut_obj_remove_key(root, "usage");
    return yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
}

char *sse_of_completion(struct moa_bytes completion, bool has_usage)
{
    yyjson_doc *read = yyjson_read(completion.p, completion.n, YYJSON_READ_NOFLAG);
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(read, NULL);
    char *chunk = doc ? chunk_of(doc, has_usage) : NULL;
    char *events = NULL;
    if (chunk && asprintf(&events, "data: %s\n\ndata: [DONE]\n\n", chunk) < 0)
        events = NULL;
    free(chunk);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(read);
    return events;
}
