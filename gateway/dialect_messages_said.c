/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers and errors in Anthropic's Messages; see dialect.h. An answer is a list of blocks, of
 * which one is open at a time: thoughts, text, calls of tools.
 */
#include "dialect_messages.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define ARGUMENTS_BYTES_MAX (8 << 20)

enum block { BLOCK_NONE, BLOCK_THOUGHT, BLOCK_TEXT, BLOCK_CALL };

struct messages_answer {
    enum block open;
    size_t n_blocks;
    size_t n_calls;
    bool is_refused;
    struct buffer arguments; /* of the open call, of an answer that is no stream */
};

/* ---- events ---- */

/* {"type":"NAME", as the event NAME; what follows is put by the caller, and put_end(). */
static void put_event(struct dialect_answer *a, const char *name)
{
    json_print(&a->out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static void put_end(struct dialect_answer *a)
{
    json_put(&a->out, "}\n\n");
}

static void put_usage(struct dialect_answer *a, bool has_both)
{
    const int64_t in = a->usage.prompt_tokens, out = a->usage.completion_tokens;
    json_print(&a->out, "\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld}",
               in > 0 ? (long long)in : 0, has_both && out > 0 ? (long long)out : 0);
}

/* What stands around the content. */
static void put_head(struct dialect_answer *a)
{
    const char *id = strncmp(a->id, "chatcmpl-", 9) == 0 ? a->id + 9 : a->id;
    json_put(&a->out, "{\"id\":\"msg_");
    json_put_text_inside(&a->out, id);
    json_put(&a->out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json_put_text(&a->out, a->model);
    json_put(&a->out, ",\"content\":[");
}

static int begin(struct dialect_answer *a)
{
    struct messages_answer *m = a->own = calloc(1, sizeof(*m));
    if (!m)
        return -1;
    m->arguments = buffer_of(ARGUMENTS_BYTES_MAX);
    if (!a->is_stream) {
        put_head(a);
        return 0;
    }
    put_event(a, "message_start");
    json_put(&a->out, ",\"message\":");
    put_head(a);
    json_put(&a->out, "],\"stop_reason\":null,\"stop_sequence\":null,");
    put_usage(a, false);
    json_put(&a->out, "}");
    put_end(a);
    return 0;
}

/* ---- blocks ---- */

static void close_block(struct dialect_answer *a)
{
    struct messages_answer *m = a->own;
    if (m->open == BLOCK_NONE)
        return;
    if (a->is_stream) {
        put_event(a, "content_block_stop");
        json_print(&a->out, ",\"index\":%zu", m->n_blocks - 1);
        put_end(a);
    } else if (m->open == BLOCK_CALL) {
        dialect_put_arguments(&a->out, buffer_bytes(&m->arguments));
        buffer_done(&m->arguments);
        json_put(&a->out, "}");
    } else {
        json_put(&a->out, m->open == BLOCK_THOUGHT ? "\",\"signature\":\"\"}" : "\"}");
    }
    m->open = BLOCK_NONE;
}

/* The block as it begins; of an answer that is no stream, up to what is said in it. */
static void put_block(struct dialect_answer *a, enum block kind, const struct dialect_piece *piece)
{
    const struct messages_answer *m = a->own;
    const bool is_stream = a->is_stream;
    switch (kind) {
    case BLOCK_THOUGHT:
        json_put(&a->out, is_stream ? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"
                                    : "{\"type\":\"thinking\",\"thinking\":\"");
        break;
    case BLOCK_CALL:
        json_put(&a->out, "{\"type\":\"tool_use\",\"id\":\"");
        if (piece->id.n > 0)
            json_put_inside(&a->out, piece->id);
        else
            json_print(&a->out, "toolu_%zu", m->n_calls);
        json_put(&a->out, "\",\"name\":");
        json_put_string(&a->out, piece->text);
        json_put(&a->out, is_stream ? ",\"input\":{}}" : ",\"input\":");
        break;
    default:
        json_put(&a->out, is_stream ? "{\"type\":\"text\",\"text\":\"\"}"
                                    : "{\"type\":\"text\",\"text\":\"");
    }
}

static void open_block(struct dialect_answer *a, enum block kind, const struct dialect_piece *piece)
{
    struct messages_answer *m = a->own;
    close_block(a);
    if (a->is_stream) {
        put_event(a, "content_block_start");
        json_print(&a->out, ",\"index\":%zu,\"content_block\":", m->n_blocks);
        put_block(a, kind, piece);
        put_end(a);
    } else {
        json_put(&a->out, m->n_blocks > 0 ? "," : "");
        put_block(a, kind, piece);
    }
    m->open = kind;
    m->n_blocks++;
    m->n_calls += kind == BLOCK_CALL;
}

/* More of the block that is open. */
static void put_delta(struct dialect_answer *a, const char *type, const char *member,
                      struct moa_bytes text)
{
    const struct messages_answer *m = a->own;
    if (!a->is_stream) {
        json_put_inside(&a->out, text);
        return;
    }
    put_event(a, "content_block_delta");
    json_print(&a->out, ",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":", m->n_blocks - 1, type,
               member);
    json_put_string(&a->out, text);
    json_put(&a->out, "}");
    put_end(a);
}

static int say_arguments(struct dialect_answer *a, struct moa_bytes text)
{
    struct messages_answer *m = a->own;
    if (m->open != BLOCK_CALL) /* of a call that nobody has named */
        return 0;
    if (!a->is_stream)
        return buffer_add(&m->arguments, text.p, text.n) ? -1 : 0;
    put_delta(a, "input_json_delta", "partial_json", text);
    return 0;
}

static int say(struct dialect_answer *a, const struct dialect_piece *piece)
{
    struct messages_answer *m = a->own;
    switch (piece->kind) {
    case SAID_THOUGHT:
        if (m->open != BLOCK_THOUGHT)
            open_block(a, BLOCK_THOUGHT, piece);
        put_delta(a, "thinking_delta", "thinking", piece->text);
        break;
    case SAID_REFUSAL:
        m->is_refused = true;
        /* fall through */
    case SAID_TEXT:
        if (m->open != BLOCK_TEXT)
            open_block(a, BLOCK_TEXT, piece);
        put_delta(a, "text_delta", "text", piece->text);
        break;
    case SAID_CALL:
        open_block(a, BLOCK_CALL, piece);
        break;
    case SAID_ARGUMENTS:
        return say_arguments(a, piece->text);
    }
    return 0;
}

/* ---- end ---- */

/* Whether the engine's sequence is one of those that the client has named. */
static bool is_named(const struct dialect_answer *a)
{
    yyjson_doc *doc = a->echo && a->stop_sequence[0]
                          ? yyjson_read(a->echo, strlen(a->echo), YYJSON_READ_NOFLAG)
                          : NULL;
    bool found = false;
    size_t i, n;
    yyjson_val *stop;
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, stop)
    {
        found |= yyjson_equals_str(stop, a->stop_sequence);
    }
    yyjson_doc_free(doc);
    return found;
}

static const char *reason_of(const struct dialect_answer *a, bool is_at_sequence)
{
    const struct messages_answer *m = a->own;
    switch (a->stop) {
    case STOP_LENGTH:
        return "max_tokens";
    case STOP_FILTER:
        return "refusal";
    default:
        return m->is_refused    ? "refusal"
               : m->n_calls > 0 ? "tool_use"
               : is_at_sequence ? "stop_sequence"
                                : "end_turn";
    }
}

static void put_stop(struct dialect_answer *a)
{
    const bool is_at_sequence = a->stop == STOP_END && is_named(a);
    json_print(&a->out, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason_of(a, is_at_sequence));
    if (is_at_sequence)
        json_put_text(&a->out, a->stop_sequence);
    else
        json_put(&a->out, "null");
}

static int end(struct dialect_answer *a)
{
    close_block(a);
    if (!a->is_stream) {
        json_put(&a->out, "],");
        put_stop(a);
        json_put(&a->out, ",");
        put_usage(a, true);
        json_put(&a->out, "}");
        return 0;
    }
    put_event(a, "message_delta");
    json_put(&a->out, ",\"delta\":{");
    put_stop(a);
    json_put(&a->out, "},");
    put_usage(a, true);
    put_end(a);
    put_event(a, "message_stop");
    put_end(a);
    return 0;
}

static void done(struct dialect_answer *a)
{
    struct messages_answer *m = a->own;
    if (m)
        buffer_done(&m->arguments);
    free(m);
    a->own = NULL;
}

/* ---- errors ---- */

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

static char *write_error(const struct http_error *error, const char *before, const char *after,
                         size_t *ret_n)
{
    struct json_out out = json_out_of(16384);
    json_put(&out, before);
    json_print(&out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
               type_of(error->status));
    json_put_text(&out, error->message);
    json_put(&out, ",\"code\":");
    json_put_text(&out, error->code);
    if (error->param[0]) {
        json_put(&out, ",\"param\":");
        json_put_text(&out, error->param);
    }
    json_put(&out, "}}");
    json_put(&out, after);
    return json_take(&out, ret_n);
}

static char *error_text(const struct http_error *error, size_t *ret_n)
{
    return write_error(error, "", "", ret_n);
}

static char *error_event(const struct http_error *error, size_t n_events, size_t *ret_n)
{
    (void)n_events;
    return write_error(error, "event: error\ndata: ", "\n\n", ret_n);
}

static const char *const paths[] = {"/v1/messages", NULL};

static const char *const headers[] = {"anthropic-version", "anthropic-beta", NULL};
static const struct chat_spelling spelling = {.text = "{\"type\":\"text\",\"text\":",
                                              .has_sources = true};

const struct dialect dialect_messages = {
    .name = "messages",
    .paths = paths,
    .stream_type = "text/event-stream",
    .keep_alive = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    .id_header = "request-id",
    .speaks = SPEAKS_MESSAGES,
    .form = &answer_form_messages,
    .spelling = &spelling,
    .headers = headers,
    .read = messages_read,
    .begin = begin,
    .say = say,
    .end = end,
    .done = done,
    .error = error_text,
    .error_event = error_event,
};
