/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers and errors in OpenAI's Responses; see dialect_responses.h. An answer is a list of items,
 * of which one is open at a time: thoughts, text, a refusal, a call of a tool. The last event of a
 * stream has all of them once more, so what is said is kept until then.
 */
#include "dialect_responses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES_MAX (16 << 20)

enum responses_item { ITEM_NONE, ITEM_THOUGHT, ITEM_MESSAGE, ITEM_REFUSAL, ITEM_FUNCTION };

struct responses_answer {
    enum responses_item open;
    size_t n_items;        /* the open one too */
    struct json_out call;  /* members of the open call: its id and name */
    struct json_out said;  /* in the open item, as the inside of a string */
    struct json_out items; /* that are closed, with commas */
};

/* What differs between the kinds of items. */
static const struct {
    const char *prefix; /* of its id */
    const char *type;
    const char *list, *part, *member; /* of the part that has the text */
    const char *part_event;           /* "response.PART_EVENT.added" */
    const char *text_event;           /* "response.TEXT_EVENT.delta" */
    const char *index;                /* of the part in its item */
    const char *rest;                 /* of a part, behind its text */
} kinds[] = {
    [ITEM_THOUGHT] = {"rs", "reasoning", "summary", "summary_text", "text",
                      "reasoning_summary_part", "reasoning_summary_text", ",\"summary_index\":0",
                      ""},
    [ITEM_MESSAGE] = {"msg", "message", "content", "output_text", "text", "content_part",
                      "output_text", ",\"content_index\":0", ",\"annotations\":[],\"logprobs\":[]"},
    [ITEM_REFUSAL] = {"msg", "message", "content", "refusal", "refusal", "content_part", "refusal",
                      ",\"content_index\":0", ""},
    [ITEM_FUNCTION] = {"fc", "function_call", NULL, NULL, NULL, NULL, "function_call_arguments", "",
                       ""},
};

/* ---- events ---- */

static void put_event(struct dialect_answer *a, const char *name, const char *suffix)
{
    json_print(&a->out, "event: response.%s%s\ndata: {\"type\":\"response.%s%s\"", name, suffix,
               name, suffix);
    json_print(&a->out, ",\"sequence_number\":%zu", a->n_events++);
}

static void put_event_end(struct dialect_answer *a)
{
    json_put(&a->out, "}\n\n");
}

static const char *short_id(const struct dialect_answer *a)
{
    return strncmp(a->id, "chatcmpl-", 9) == 0 ? a->id + 9 : a->id;
}

static void put_item_id(const struct dialect_answer *a, struct json_out *out)
{
    const struct responses_answer *s = a->own;
    json_print(out, "\"%s_%zu_", kinds[s->open].prefix, s->n_items - 1);
    json_put_text_inside(out, short_id(a));
    json_put(out, "\"");
}

/* Where in the answer: the item that is open, and its part. */
static void put_where(struct dialect_answer *a)
{
    const struct responses_answer *s = a->own;
    json_print(&a->out, ",\"output_index\":%zu,\"item_id\":", s->n_items - 1);
    put_item_id(a, &a->out);
    json_put(&a->out, kinds[s->open].index);
}

/* ---- the answer as an object ---- */

static void put_usage(struct dialect_answer *a)
{
    const int64_t in = a->usage.prompt_tokens, out = a->usage.completion_tokens;
    if (in < 0 && out < 0) {
        json_put(&a->out, ",\"usage\":null");
        return;
    }
    const long long n_in = in > 0 ? in : 0, n_out = out > 0 ? out : 0;
    json_print(&a->out,
               ",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":"
               "{\"cached_tokens\":0},\"output_tokens\":%lld,",
               n_in, n_out);
    json_print(&a->out, "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":%lld}",
               n_in + n_out);
}

static const char *status_of(const struct dialect_answer *a)
{
    return a->stop == STOP_LENGTH || a->stop == STOP_FILTER ? "incomplete" : "completed";
}

/* `is_whole`: with its items and usage. */
static void put_response(struct dialect_answer *a, const char *status, bool is_whole)
{
    const struct responses_answer *s = a->own;
    json_put(&a->out, "{\"id\":\"resp_");
    json_put_text_inside(&a->out, short_id(a));
    json_print(&a->out, "\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\"",
               (long long)a->created_s, status);
    json_put(&a->out, ",\"background\":false,\"error\":null,\"incomplete_details\":");
    if (strcmp(status, "incomplete") == 0)
        json_print(&a->out, "{\"reason\":\"%s\"}",
                   a->stop == STOP_LENGTH ? "max_output_tokens" : "content_filter");
    else
        json_put(&a->out, "null");
    json_put(&a->out, ",\"model\":");
    json_put_text(&a->out, a->model);
    json_put(&a->out, a->echo ? a->echo : "");
    json_put(&a->out, ",\"previous_response_id\":null,\"store\":false,\"truncation\":\"disabled\","
                      "\"output\":[");
    if (is_whole)
        json_put_bytes(&a->out, buffer_bytes(&s->items.text));
    json_put(&a->out, "]");
    if (is_whole)
        put_usage(a);
    else
        json_put(&a->out, ",\"usage\":null");
    json_put(&a->out, "}");
}

static void put_response_event(struct dialect_answer *a, const char *name, const char *status,
                               bool is_whole)
{
    put_event(a, name, "");
    json_put(&a->out, ",\"response\":");
    put_response(a, status, is_whole);
    put_event_end(a);
}

static int begin(struct dialect_answer *a)
{
    struct responses_answer *s = a->own = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    s->call = s->said = s->items = json_out_of(KEPT_BYTES_MAX);
    if (a->is_stream) {
        put_response_event(a, "created", "in_progress", false);
        put_response_event(a, "in_progress", "in_progress", false);
    }
    return 0;
}

/* ---- items ---- */

static void put_said(const struct responses_answer *s, struct json_out *out)
{
    json_put(out, "\"");
    json_put_bytes(out, buffer_bytes(&s->said.text));
    json_put(out, "\"");
}

/* The part that has the text of the open item. */
static void put_part(const struct responses_answer *s, struct json_out *out)
{
    json_print(out, "{\"type\":\"%s\",\"%s\":", kinds[s->open].part, kinds[s->open].member);
    put_said(s, out);
    json_put(out, kinds[s->open].rest);
    json_put(out, "}");
}

/* The open item, with what was said in it; as it begins it has no parts. */
static void put_item(const struct dialect_answer *a, struct json_out *out, const char *status,
                     bool with_parts)
{
    const struct responses_answer *s = a->own;
    json_put(out, "{\"id\":");
    put_item_id(a, out);
    json_print(out, ",\"type\":\"%s\",\"status\":\"%s\"", kinds[s->open].type, status);
    if (s->open == ITEM_FUNCTION) {
        json_put_bytes(out, buffer_bytes(&s->call.text));
        json_put(out, ",\"arguments\":");
        put_said(s, out);
        json_put(out, "}");
        return;
    }
    json_put(out, s->open == ITEM_THOUGHT ? "" : ",\"role\":\"assistant\"");
    json_print(out, ",\"%s\":[", kinds[s->open].list);
    if (with_parts)
        put_part(s, out);
    json_put(out, "]}");
}

static void put_part_event(struct dialect_answer *a, const char *suffix)
{
    const struct responses_answer *s = a->own;
    put_event(a, kinds[s->open].part_event, suffix);
    put_where(a);
    json_put(&a->out, ",\"part\":");
    put_part(s, &a->out);
    put_event_end(a);
}

static void put_item_event(struct dialect_answer *a, const char *suffix, const char *status,
                           bool with_parts)
{
    const struct responses_answer *s = a->own;
    put_event(a, "output_item", suffix);
    json_print(&a->out, ",\"output_index\":%zu,\"item\":", s->n_items - 1);
    put_item(a, &a->out, status, with_parts);
    put_event_end(a);
}

/* Its text is complete. */
static void put_done_event(struct dialect_answer *a)
{
    const struct responses_answer *s = a->own;
    put_event(a, kinds[s->open].text_event, ".done");
    put_where(a);
    if (s->open == ITEM_FUNCTION)
        json_put_bytes(&a->out, buffer_bytes(&s->call.text));
    json_print(&a->out, ",\"%s\":", s->open == ITEM_FUNCTION ? "arguments" : kinds[s->open].member);
    put_said(s, &a->out);
    json_put(&a->out, s->open == ITEM_MESSAGE ? ",\"logprobs\":[]" : "");
    put_event_end(a);
}

static void close_item(struct dialect_answer *a, const char *status)
{
    struct responses_answer *s = a->own;
    if (s->open == ITEM_NONE)
        return;
    if (a->is_stream) {
        put_done_event(a);
        if (s->open != ITEM_FUNCTION)
            put_part_event(a, ".done");
        put_item_event(a, ".done", status, true);
    }
    json_put(&s->items, s->n_items > 1 ? "," : "");
    put_item(a, &s->items, status, true);
    s->said.text.n = 0;
    s->call.text.n = 0;
    s->open = ITEM_NONE;
}

static void open_item(struct dialect_answer *a, enum responses_item kind)
{
    struct responses_answer *s = a->own;
    if (s->open == kind && kind != ITEM_FUNCTION)
        return;
    close_item(a, "completed");
    s->open = kind;
    s->n_items++;
}

/* What clients see of an item that has begun. */
static void announce(struct dialect_answer *a)
{
    const struct responses_answer *s = a->own;
    if (!a->is_stream)
        return;
    put_item_event(a, ".added", "in_progress", false);
    if (s->open != ITEM_FUNCTION)
        put_part_event(a, ".added");
}

static void say_words(struct dialect_answer *a, struct moa_bytes text)
{
    struct responses_answer *s = a->own;
    json_put_inside(&s->said, text);
    if (!a->is_stream)
        return;
    put_event(a, kinds[s->open].text_event, ".delta");
    put_where(a);
    json_put(&a->out, ",\"delta\":");
    json_put_string(&a->out, text);
    json_put(&a->out, s->open == ITEM_MESSAGE ? ",\"logprobs\":[]" : "");
    put_event_end(a);
}

static void say_call(struct dialect_answer *a, const struct dialect_piece *piece)
{
    struct responses_answer *s = a->own;
    open_item(a, ITEM_FUNCTION);
    json_put(&s->call, ",\"call_id\":\"");
    if (piece->id.n > 0)
        json_put_inside(&s->call, piece->id);
    else
        json_print(&s->call, "call_%zu", s->n_items - 1);
    json_put(&s->call, "\",\"name\":");
    json_put_string(&s->call, piece->text);
    announce(a);
}

static int say(struct dialect_answer *a, const struct dialect_piece *piece)
{
    static const enum responses_item items[] = {[SAID_THOUGHT] = ITEM_THOUGHT,
                                                [SAID_TEXT] = ITEM_MESSAGE,
                                                [SAID_REFUSAL] = ITEM_REFUSAL,
                                                [SAID_CALL] = ITEM_FUNCTION,
                                                [SAID_ARGUMENTS] = ITEM_FUNCTION};
    struct responses_answer *s = a->own;
    const enum responses_item kind = items[piece->kind];
    if (piece->kind == SAID_CALL) {
        say_call(a, piece);
    } else if (kind == s->open) {
        say_words(a, piece->text);
    } else if (kind != ITEM_FUNCTION) { /* else of a call that nobody has named */
        open_item(a, kind);
        announce(a);
        say_words(a, piece->text);
    }
    return s->said.failed || s->call.failed || s->items.failed ? -1 : 0;
}

static int end(struct dialect_answer *a)
{
    struct responses_answer *s = a->own;
    const char *status = status_of(a);
    if (s->n_items == 0) { /* an empty answer is one, too */
        open_item(a, ITEM_MESSAGE);
        announce(a);
    }
    close_item(a, status);
    if (a->is_stream)
        put_response_event(a, status, status, true);
    else
        put_response(a, status, true);
    return s->items.failed ? -1 : 0;
}

static void done(struct dialect_answer *a)
{
    struct responses_answer *s = a->own;
    if (s) {
        buffer_done(&s->call.text);
        buffer_done(&s->said.text);
        buffer_done(&s->items.text);
    }
    free(s);
    a->own = NULL;
}

/* ---- errors ---- */

/* As the event "error" has it, and as an error object, for which clients look as well. */
static char *error_event(const struct http_error *error, size_t n_events, size_t *ret_n)
{
    struct json_out out = json_out_of(16384);
    size_t n;
    char *object = http_error_json(error, &n);
    json_print(&out, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":%zu,\"code\":",
               n_events);
    json_put_text(&out, error->code);
    json_put(&out, ",\"message\":");
    json_put_text(&out, error->message);
    json_put(&out, ",\"param\":null,");
    if (object && n > 1)
        json_put_bytes(&out, (struct moa_bytes){object + 1, n - 1}); /* without its brace */
    json_put(&out, "\n\n");
    free(object);
    out.failed = out.failed || !object;
    return json_take(&out, ret_n);
}

static const char *const paths[] = {"/v1/responses", "/responses", NULL};

static const struct chat_spelling spelling = {.text = "{\"type\":\"input_text\",\"text\":"};

const struct dialect dialect_responses = {
    .name = "responses",
    .paths = paths,
    .stream_type = "text/event-stream",
    .keep_alive = ": keep-alive\n\n",
    .speaks = SPEAKS_RESPONSES,
    .form = &answer_form_responses,
    .spelling = &spelling,
    .read = responses_read,
    .begin = begin,
    .say = say,
    .end = end,
    .done = done,
    .error = http_error_json,
    .error_event = error_event,
};
