/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of dialects, and what of them is none's own: a body read by its dialect and then as the
 * chat completion that it is, a completion taken apart into what it says; see dialect.h.
 */
#include "dialect.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define ANSWER_BYTES_MAX (64 << 20) /* of an answer in another dialect, at once */

/* ---- the table ---- */

static char *chat_error_event(const struct http_error *error, size_t n_events, size_t *ret_n)
{
    (void)n_events;
    size_t n;
    char *json = http_error_json(error, &n), *event = NULL;
    const int length = json ? asprintf(&event, "data: %s\n\n", json) : -1;
    free(json);
    *ret_n = length < 0 ? 0 : (size_t)length;
    return length < 0 ? NULL : event;
}

static const char *const chat_paths[] = {"/v1/chat/completions", "/chat/completions", NULL};

const struct dialect dialect_chat = {
    .name = "chat",
    .paths = chat_paths,
    .stream_type = "text/event-stream",
    .keep_alive = ": keep-alive\n\n",
    .form = &answer_form_chat,
    .error = http_error_json,
    .error_event = chat_error_event,
};

static const struct dialect *const dialects[] = {&dialect_chat, &dialect_messages,
                                                 &dialect_responses, &dialect_ollama_generate,
                                                 &dialect_ollama_chat};

/* Searched in this order: a path, or below it; what a client asks behind a ? is no part of it. */
static bool is_at(const char *path, const char *root)
{
    const size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (!path[n] || path[n] == '/' || path[n] == '?');
}

const struct dialect *dialect_of_path(const char *path)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        for (const char *const *root = dialects[i]->paths; *root; root++) {
            if (is_at(path, *root))
                return dialects[i];
        }
    }
    return &dialect_chat;
}

/* ---- requests ---- */

#define BODY_GROWTH 4   /* a body is at most this many times as long as a chat completion, */
#define BODY_MORE 4096  /* and this many bytes more */
#define BODY_ROOM 16384 /* room for this many is made at once */

int dialect_note_origin(struct dialect_body *body, struct chat_origin origin)
{
    if (body->n_origins > CHAT_PARTS_MAX)
        return 0; /* the chat is refused for its parts */
    if (body->n_origins == body->origins_room) {
        const size_t room = body->origins_room ? 2 * body->origins_room : 4;
        struct chat_origin *grown = realloc(body->origins, room * sizeof(*grown));
        if (!grown)
            return -1;
        body->origins = grown;
        body->origins_room = room;
    }
    body->origins[body->n_origins++] = origin;
    return 0;
}

void dialect_body_done(struct dialect_body *body)
{
    buffer_done(&body->chat.text);
    free(body->origins);
    free(body->cuts);
    free(body->echo);
    *body = (struct dialect_body){.n_origins = 0};
}

int dialect_read(const struct dialect *dialect, struct moa_bytes body,
                 const struct chat_limits *limits, struct dialect_body *ret_body,
                 struct chat *ret_chat, struct http_error *ret_error)
{
    *ret_body = (struct dialect_body){.n_origins = 0};
    if (!dialect->read)
        return chat_parse(body, limits, ret_chat, ret_error);
    ret_body->chat = json_out_of(BODY_GROWTH * body.n + BODY_MORE);
    /* Mostly it is about as long, the bulk of pictures aside. */
    const size_t room = (body.n < BODY_ROOM ? body.n : BODY_ROOM) + BODY_MORE;
    ret_body->chat.failed = buffer_reserve(&ret_body->chat.text, room) != MOA_OK;
    const int result = dialect->read(body, limits->max_json_bytes, ret_body, ret_error);
    if (result)
        return result;
    if (ret_body->chat.failed)
        return http_fail(ret_error, 503, "out_of_memory", "Out of memory.");
    struct chat_limits known = *limits;
    known.n_origins = ret_body->n_origins;
    known.origins = ret_body->origins;
    known.n_cuts = ret_body->n_cuts;
    known.cuts = ret_body->cuts;
    known.is_translated = true;
    return chat_parse(buffer_bytes(&ret_body->chat.text), &known, ret_chat, ret_error);
}

/* ---- answers ---- */

void dialect_answer_init(struct dialect_answer *answer, const struct dialect *dialect,
                         bool is_stream, const char *id, const char *echo)
{
    *answer = (struct dialect_answer){.dialect = dialect,
                                      .echo = echo,
                                      .is_stream = is_stream,
                                      .usage = USAGE_NONE,
                                      .out = json_out_of(ANSWER_BYTES_MAX)};
    snprintf(answer->id, sizeof(answer->id), "%s", id);
}

void dialect_answer_done(struct dialect_answer *a)
{
    if (a->dialect && a->dialect->done)
        a->dialect->done(a);
    buffer_done(&a->out.text);
    *a = (struct dialect_answer){.dialect = NULL};
}

static void copy_text(yyjson_val *value, char *ret_text, size_t room)
{
    if (!yyjson_is_str(value) || yyjson_get_len(value) == 0)
        return;
    snprintf(ret_text, room, "%s", yyjson_get_str(value));
    error_clean_text(ret_text);
}

static int begin(struct dialect_answer *a, yyjson_val *root)
{
    if (a->has_begun)
        return 0;
    a->has_begun = true;
    copy_text(yyjson_obj_get(root, "id"), a->id, sizeof(a->id));
    copy_text(yyjson_obj_get(root, "model"), a->model, sizeof(a->model));
    a->created_s = yyjson_get_sint(yyjson_obj_get(root, "created"));
    return a->dialect->begin(a);
}

static struct moa_bytes bytes_of(yyjson_val *string)
{
    return (struct moa_bytes){yyjson_get_str(string), yyjson_get_len(string)};
}

/* A text of a message or a delta, if there is one. */
static int say_text(struct dialect_answer *a, enum dialect_said kind, yyjson_val *value)
{
    if (!yyjson_is_str(value) || yyjson_get_len(value) == 0)
        return 0;
    const struct dialect_piece piece = {.kind = kind, .text = bytes_of(value)};
    return a->dialect->say(a, &piece);
}

/* A call is named in the first of its pieces. */
static int say_call(struct dialect_answer *a, yyjson_val *call, yyjson_val *function)
{
    yyjson_val *name = yyjson_obj_get(function, "name");
    if (yyjson_is_str(name) && yyjson_get_len(name) > 0) {
        const struct dialect_piece piece = {
            .kind = SAID_CALL, .text = bytes_of(name), .id = bytes_of(yyjson_obj_get(call, "id"))};
        if (a->dialect->say(a, &piece))
            return -1;
    }
    return say_text(a, SAID_ARGUMENTS, yyjson_obj_get(function, "arguments"));
}

static int say_calls(struct dialect_answer *a, yyjson_val *message)
{
    size_t i, n;
    yyjson_val *call;
    yyjson_arr_foreach(yyjson_obj_get(message, "tool_calls"), i, n, call)
    {
        if (say_call(a, call, yyjson_obj_get(call, "function")))
            return -1;
    }
    yyjson_val *function = yyjson_obj_get(message, "function_call");
    return yyjson_is_obj(function) ? say_call(a, NULL, function) : 0;
}

static int say_message(struct dialect_answer *a, yyjson_val *message)
{
    yyjson_val *thought = yyjson_obj_get(message, "reasoning_content");
    if (!yyjson_is_str(thought))
        thought = yyjson_obj_get(message, "reasoning");
    return say_text(a, SAID_THOUGHT, thought) ||
                   say_text(a, SAID_TEXT, yyjson_obj_get(message, "content")) ||
                   say_text(a, SAID_REFUSAL, yyjson_obj_get(message, "refusal")) ||
                   say_calls(a, message)
               ? -1
               : 0;
}

static void read_stop(struct dialect_answer *a, yyjson_val *choice)
{
    const char *reason = yyjson_get_str(yyjson_obj_get(choice, "finish_reason"));
    if (!reason)
        return;
    a->stop = strcmp(reason, "length") == 0           ? STOP_LENGTH
              : strcmp(reason, "content_filter") == 0 ? STOP_FILTER
              : strcmp(reason, "tool_calls") == 0 || strcmp(reason, "function_call") == 0
                  ? STOP_CALLS
                  : STOP_END;
    /* vLLM and SGLang tell which sequence it was. */
    copy_text(yyjson_obj_get(choice, "stop_reason"), a->stop_sequence, sizeof(a->stop_sequence));
    copy_text(yyjson_obj_get(choice, "matched_stop"), a->stop_sequence, sizeof(a->stop_sequence));
}

/* The one choice: nothing of a dialect asks for several. */
static int read_completion(struct dialect_answer *a, yyjson_val *root, const char *part)
{
    yyjson_val *choice = yyjson_arr_get_first(yyjson_obj_get(root, "choices"));
    struct usage usage;
    usage_read(root, &usage);
    if (usage.prompt_tokens >= 0 || usage.completion_tokens >= 0)
        a->usage = usage;
    if (!choice)
        return 0;
    read_stop(a, choice);
    return begin(a, root) || say_message(a, yyjson_obj_get(choice, part)) ? -1 : 0;
}

/* The words of an error in the middle of an answer. */
static const char *words_of(yyjson_val *error)
{
    yyjson_val *message = yyjson_obj_get(error, "message");
    const char *words = yyjson_get_str(message ? message : error);
    return words ? words : "an error";
}

static int say_error(struct dialect_answer *a, const char *words)
{
    struct http_error said;
    http_fail(&said, 502, "upstream_failed", "The answer of the engine broke off: %s.", words);
    size_t n;
    char *event = a->dialect->error_event(&said, a->n_events, &n);
    if (event)
        json_put(&a->out, event);
    free(event);
    a->has_failed = true;
    return event && !a->out.failed ? 0 : -1;
}

void dialect_put_arguments(struct json_out *to, struct moa_bytes arguments)
{
    yyjson_doc *doc =
        arguments.n > 0 ? yyjson_read(arguments.p, arguments.n, YYJSON_READ_NOFLAG) : NULL;
    if (arguments.n == 0) {
        json_put(to, "{}");
    } else if (yyjson_is_obj(yyjson_doc_get_root(doc))) {
        json_put_bytes(to, arguments);
    } else {
        json_put(to, "{\"arguments\":");
        json_put_string(to, arguments);
        json_put(to, "}");
    }
    yyjson_doc_free(doc);
}

static int read_data(struct dialect_answer *a, struct moa_bytes data, const char *part)
{
    yyjson_doc *doc = data.n > 0 ? yyjson_read(data.p, data.n, YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *error = yyjson_obj_get(root, "error");
    int result = 0;
    if (error && !yyjson_is_null(error))
        result = say_error(a, words_of(error));
    else if (yyjson_is_obj(root))
        result = read_completion(a, root, part);
    else if (data.n > 0) /* what is left out would be missed by nobody */
        result = say_error(a, "an event that is no JSON");
    yyjson_doc_free(doc);
    a->out.failed = a->out.failed || result;
    return a->out.failed ? -1 : 0;
}

int dialect_answer_event(struct dialect_answer *answer, struct moa_bytes data)
{
    const bool is_done = data.n >= 6 && memcmp(data.p, "[DONE]", 6) == 0;
    if (answer->has_failed || is_done)
        return 0;
    return answer->out.failed ? -1 : read_data(answer, data, "delta");
}

int dialect_answer_whole(struct dialect_answer *answer, struct moa_bytes completion)
{
    return read_data(answer, completion, "message");
}

int dialect_answer_end(struct dialect_answer *a, const struct usage *usage)
{
    if (a->has_failed)
        return 0;
    if (a->out.failed) /* what was said before is not whole */
        return -1;
    if (usage->prompt_tokens >= 0 || usage->completion_tokens >= 0)
        a->usage = *usage;
    a->out.failed = begin(a, NULL) || a->dialect->end(a) || a->out.failed;
    return a->out.failed ? -1 : 0;
}
