/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers and errors in Ollama's API; see dialect_ollama.h. An answer is objects of one form, a
 * line each in a stream: what is new, then one that is done. A call of a tool is told whole.
 */
#include "dialect_ollama.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#define KEPT_BYTES_MAX (16 << 20)

struct ollama_answer {
    bool has_call; /* one is open */
    size_t n_calls;
    struct json_out name, arguments; /* of it: as JSON; as they come */
    /* Of an answer that is no stream: the insides of strings, entries of a list. */
    struct json_out thoughts, text, calls;
};

static bool is_chat(const struct dialect_answer *a)
{
    return a->dialect == &dialect_ollama_chat;
}

static int begin(struct dialect_answer *a)
{
    struct ollama_answer *o = a->own = calloc(1, sizeof(*o));
    if (!o)
        return -1;
    o->name = o->arguments = o->thoughts = o->text = o->calls = json_out_of(KEPT_BYTES_MAX);
    return 0;
}

/* ---- objects ---- */

/* {"model":"...","created_at":"..." */
static void put_head(struct dialect_answer *a)
{
    char at[32];
    const time_t created = (time_t)a->created_s;
    struct tm tm;
    if (!gmtime_r(&created, &tm) || strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        memcpy(at, "1970-01-01T00:00:00Z", 21);
    json_put(&a->out, "{\"model\":");
    json_put_text(&a->out, a->model);
    json_print(&a->out, ",\"created_at\":\"%s\"", at);
}

/* What was said, of which each may be empty: the insides of strings, and calls. */
static void put_said(struct dialect_answer *a, struct moa_bytes text, struct moa_bytes thoughts,
                     struct moa_bytes calls)
{
    json_put(&a->out, is_chat(a) ? ",\"message\":{\"role\":\"assistant\",\"content\":\""
                                 : ",\"response\":\"");
    json_put_bytes(&a->out, text);
    json_put(&a->out, "\"");
    if (thoughts.n > 0) {
        json_put(&a->out, ",\"thinking\":\"");
        json_put_bytes(&a->out, thoughts);
        json_put(&a->out, "\"");
    }
    if (calls.n > 0) {
        json_put(&a->out, ",\"tool_calls\":[");
        json_put_bytes(&a->out, calls);
        json_put(&a->out, "]");
    }
    json_put(&a->out, is_chat(a) ? "}" : "");
}

static void put_end(struct dialect_answer *a)
{
    const int64_t in = a->usage.prompt_tokens, out = a->usage.completion_tokens;
    json_print(&a->out, ",\"done\":true,\"done_reason\":\"%s\"",
               a->stop == STOP_LENGTH ? "length" : "stop");
    if (in >= 0)
        json_print(&a->out, ",\"prompt_eval_count\":%lld", (long long)in);
    if (a->usage.prompt_ms > 0)
        json_print(&a->out, ",\"prompt_eval_duration\":%.0f", a->usage.prompt_ms * 1e6);
    if (out >= 0)
        json_print(&a->out, ",\"eval_count\":%lld", (long long)out);
    if (a->usage.completion_ms > 0)
        json_print(&a->out, ",\"eval_duration\":%.0f", a->usage.completion_ms * 1e6);
    json_put(&a->out, a->is_stream ? "}\n" : "}");
}

static const struct moa_bytes nothing = {NULL, 0};

/* ---- pieces ---- */

static void close_call(struct dialect_answer *a)
{
    struct ollama_answer *o = a->own;
    if (!o->has_call)
        return;
    json_put(&o->calls, o->calls.text.n > 0 ? "," : "");
    json_put(&o->calls, "{\"function\":{\"name\":");
    json_put_bytes(&o->calls, buffer_bytes(&o->name.text));
    json_put(&o->calls, ",\"arguments\":");
    dialect_put_arguments(&o->calls, buffer_bytes(&o->arguments.text));
    json_put(&o->calls, "}}");
    o->has_call = false;
    o->name.text.n = o->arguments.text.n = 0;
    if (!a->is_stream)
        return;
    put_head(a);
    put_said(a, nothing, nothing, buffer_bytes(&o->calls.text));
    json_put(&a->out, ",\"done\":false}\n");
    o->calls.text.n = 0;
}

static void say_words(struct dialect_answer *a, bool is_thought, struct moa_bytes text)
{
    struct ollama_answer *o = a->own;
    struct json_out *to = is_thought ? &o->thoughts : &o->text;
    json_put_inside(to, text);
    if (!a->is_stream)
        return;
    put_head(a);
    put_said(a, is_thought ? nothing : buffer_bytes(&to->text),
             is_thought ? buffer_bytes(&to->text) : nothing, nothing);
    json_put(&a->out, ",\"done\":false}\n");
    to->text.n = 0;
}

static int say(struct dialect_answer *a, const struct dialect_piece *piece)
{
    struct ollama_answer *o = a->own;
    switch (piece->kind) {
    case SAID_THOUGHT:
    case SAID_TEXT:
    case SAID_REFUSAL:
        close_call(a);
        say_words(a, piece->kind == SAID_THOUGHT, piece->text);
        break;
    case SAID_CALL:
        close_call(a);
        o->has_call = true;
        json_put_string(&o->name, piece->text);
        break;
    case SAID_ARGUMENTS:
        if (o->has_call) /* else of one that nobody has named */
            json_put_bytes(&o->arguments, piece->text);
        break;
    }
    return o->name.failed || o->arguments.failed || o->thoughts.failed || o->text.failed ||
                   o->calls.failed
               ? -1
               : 0;
}

static int end(struct dialect_answer *a)
{
    struct ollama_answer *o = a->own;
    close_call(a);
    put_head(a);
    put_said(a, buffer_bytes(&o->text.text), buffer_bytes(&o->thoughts.text),
             buffer_bytes(&o->calls.text));
    put_end(a);
    return o->calls.failed ? -1 : 0;
}

static void done(struct dialect_answer *a)
{
    struct ollama_answer *o = a->own;
    if (o) {
        buffer_done(&o->name.text);
        buffer_done(&o->arguments.text);
        buffer_done(&o->thoughts.text);
        buffer_done(&o->text.text);
        buffer_done(&o->calls.text);
    }
    free(o);
    a->own = NULL;
}

/* ---- errors ---- */

static char *write_error(const struct http_error *error, const char *after, size_t *ret_n)
{
    struct json_out out = json_out_of(8192);
    json_put(&out, "{\"error\":");
    json_put_text(&out, error->message);
    json_put(&out, ",\"code\":");
    json_put_text(&out, error->code);
    json_put(&out, after);
    return json_take(&out, ret_n);
}

static char *error_text(const struct http_error *error, size_t *ret_n)
{
    return write_error(error, "}", ret_n);
}

static char *error_event(const struct http_error *error, size_t n_events, size_t *ret_n)
{
    (void)n_events;
    return write_error(error, "}\n", ret_n);
}

/* And errors of all there is below. */
static const char *const chat_paths[] = {"/api", NULL};
static const char *const generate_paths[] = {"/api/generate", NULL};

/* A line of a stream has no place for a comment: what says nothing is an empty piece. */
const struct dialect dialect_ollama_chat = {
    .name = "ollama-chat",
    .paths = chat_paths,
    .stream_type = "application/x-ndjson",
    .keep_alive = "{\"model\":\"\",\"created_at\":\"1970-01-01T00:00:00Z\",\"message\":"
                  "{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n",
    .read = ollama_read_chat,
    .begin = begin,
    .say = say,
    .end = end,
    .done = done,
    .error = error_text,
    .error_event = error_event,
};

const struct dialect dialect_ollama_generate = {
    .name = "ollama-generate",
    .paths = generate_paths,
    .stream_type = "application/x-ndjson",
    .keep_alive = "{\"model\":\"\",\"created_at\":\"1970-01-01T00:00:00Z\",\"response\":\"\","
                  "\"done\":false}\n",
    .read = ollama_read_generate,
    .begin = begin,
    .say = say,
    .end = end,
    .done = done,
    .error = error_text,
    .error_event = error_event,
};
