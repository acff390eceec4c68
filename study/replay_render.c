/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in the words of engines; see replay_render.h. Of llama-server, answers of build 11669
 * were looked at; of vLLM and SGLang, those that their users published. Keys come in their order.
 */
#include "replay_render.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tokens of an answer ---- */

/* Whether the recorded tokens are the text, so that they can be sent one by one. */
static bool spells(const struct answer *answer)
{
    size_t i;
    size_t max;
    yyjson_val *token;
    const char *left = answer->text;
    yyjson_arr_foreach(answer->tokens, i, max, token)
    {
        const char *text = yyjson_get_str(yyjson_obj_get(token, "token"));
        size_t n = strlen(text);
        if (strncmp(left, text, n) != 0)
            return false;
        left += n;
    }
    return answer->tokens && *left == '\0';
}

static size_t n_words(const char *text)
{
    size_t n = 0;
    for (; *text; text += strcspn(text, " ")) {
        text += strspn(text, " ");
        n++;
    }
    return n;
}

size_t replay_n_tokens(const struct answer *answer)
{
    size_t n = spells(answer) ? yyjson_arr_size(answer->tokens) : n_words(answer->text);
    if (answer->completion_tokens > (double)n)
        n = (size_t)fmin(answer->completion_tokens, 1e6);
    return n > 0 ? n : 1;
}

/* The i-th of them; past the last it is empty. Not spelt by tokens: words with the blanks before
 * them. */
static void token_text(const struct answer *answer, size_t i, const char **ret_text, size_t *ret_n)
{
    if (spells(answer)) {
        const char *text =
            yyjson_get_str(yyjson_obj_get(yyjson_arr_get(answer->tokens, i), "token"));
        *ret_text = text ? text : "";
        *ret_n = strlen(*ret_text);
        return;
    }
    const char *text = answer->text;
    for (size_t k = 0;; k++) {
        size_t n = strspn(text, " ");
        n += strcspn(text + n, " ");
        if (k == i || !*text) {
            *ret_text = text;
            *ret_n = n;
            return;
        }
        text += n;
    }
}

/* The end of an answer is recorded as a token without text, and is no event of a stream. */
static bool is_end(const struct answer *answer, size_t i)
{
    const char *text;
    size_t n;
    token_text(answer, i, &text, &n);
    return n == 0;
}

/* The text of the first n tokens. */
static char *text_until(const struct answer *answer, size_t n)
{
    char *joined = calloc(1, strlen(answer->text) + 1);
    size_t length = 0;
    for (size_t i = 0; joined && i < n; i++) {
        const char *text;
        size_t n_text;
        token_text(answer, i, &text, &n_text);
        memcpy(joined + length, text, n_text);
        length += n_text;
    }
    return joined;
}

/* ---- log-probabilities ---- */

static void add_bytes(yyjson_mut_doc *doc, yyjson_mut_val *entry, const char *text)
{
    yyjson_mut_val *bytes = yyjson_mut_obj_add_arr(doc, entry, "bytes");
    for (; *text; text++)
        yyjson_mut_arr_add_uint(doc, bytes, (unsigned char)*text);
}

/* vLLM has the bytes last. */
static yyjson_mut_val *token_entry(yyjson_mut_doc *doc, const struct replay_reply *reply,
                                   yyjson_val *token)
{
    yyjson_mut_val *entry = yyjson_mut_obj(doc);
    const char *text = yyjson_get_str(yyjson_obj_get(token, "token"));
    bool bytes_last = reply->dialect == REPLAY_VLLM;
    yyjson_mut_obj_add_str(doc, entry, "token", text ? text : "");
    if (!bytes_last)
        add_bytes(doc, entry, text ? text : "");
    yyjson_mut_obj_add_real(doc, entry, "logprob",
                            yyjson_get_num(yyjson_obj_get(token, "logprob")));
    if (bytes_last)
        add_bytes(doc, entry, text ? text : "");
    return entry;
}

/* {"content": [...]} of tokens [first, end); null if there are none. */
static yyjson_mut_val *logprobs_of(yyjson_mut_doc *doc, const struct replay_reply *reply,
                                   size_t first, size_t end)
{
    yyjson_val *tokens = reply->answer->tokens;
    if (!reply->with_logprobs || first >= yyjson_arr_size(tokens) || !spells(reply->answer))
        return yyjson_mut_null(doc);
    yyjson_mut_val *logprobs = yyjson_mut_obj(doc);
    yyjson_mut_val *content = yyjson_mut_obj_add_arr(doc, logprobs, "content");
    for (size_t i = first; i < end && i < yyjson_arr_size(tokens); i++) {
        yyjson_val *token = yyjson_arr_get(tokens, i);
        yyjson_val *others = yyjson_obj_get(token, "top_logprobs");
        yyjson_mut_val *entry = token_entry(doc, reply, token);
        yyjson_mut_val *top = yyjson_mut_obj_add_arr(doc, entry, "top_logprobs");
        for (size_t k = 0; k < reply->n_top && k < yyjson_arr_size(others); k++)
            yyjson_mut_arr_append(top, token_entry(doc, reply, yyjson_arr_get(others, k)));
        yyjson_mut_arr_append(content, entry);
    }
    return logprobs;
}

/* ---- the objects around them ---- */

static const char *finish_of(const struct replay_reply *reply)
{
    if (reply->cut)
        return "length";
    return reply->answer->finish[0] ? reply->answer->finish : "stop";
}

static yyjson_mut_val *usage_of(yyjson_mut_doc *doc, const struct replay_reply *reply)
{
    int64_t prompt = llround(reply->prompt_tokens);
    int64_t completion = (int64_t)reply->n_tokens;
    yyjson_mut_val *usage = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_int(doc, usage, "prompt_tokens", prompt);
    yyjson_mut_obj_add_int(doc, usage, "completion_tokens", completion);
    yyjson_mut_obj_add_int(doc, usage, "total_tokens", prompt + completion);
    if (reply->dialect != REPLAY_LLAMA) {
        yyjson_mut_obj_add_null(doc, usage, "prompt_tokens_details");
        return usage;
    }
    yyjson_mut_val *details = yyjson_mut_obj_add_obj(doc, usage, "prompt_tokens_details");
    yyjson_mut_obj_add_int(doc, details, "cached_tokens", 0);
    return usage;
}

static void add_timings(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct replay_reply *reply)
{
    yyjson_mut_val *timings = yyjson_mut_obj_add_obj(doc, root, "timings");
    yyjson_mut_obj_add_int(doc, timings, "cache_n", 0);
    yyjson_mut_obj_add_int(doc, timings, "prompt_n", llround(reply->prompt_tokens));
    yyjson_mut_obj_add_real(doc, timings, "prompt_ms", reply->first_ms);
    yyjson_mut_obj_add_int(doc, timings, "predicted_n", (int64_t)reply->n_tokens);
    yyjson_mut_obj_add_real(doc, timings, "predicted_ms", reply->total_ms - reply->first_ms);
}

static yyjson_mut_val *root_of(yyjson_mut_doc *doc, const struct replay_reply *reply,
                               const char *object)
{
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "id", reply->id);
    yyjson_mut_obj_add_str(doc, root, "object", object);
    yyjson_mut_obj_add_int(doc, root, "created", reply->created_s);
    yyjson_mut_obj_add_str(doc, root, "model", reply->model);
    if (reply->dialect == REPLAY_LLAMA)
        yyjson_mut_obj_add_str(doc, root, "system_fingerprint", "moaoff-replay");
    return root;
}

/* What only one engine's choices have. */
static void add_choice_extras(yyjson_mut_doc *doc, yyjson_mut_val *choice,
                              const struct replay_reply *reply, bool last)
{
    if (reply->dialect == REPLAY_VLLM && last)
        yyjson_mut_obj_add_null(doc, choice, "stop_reason");
    if (reply->dialect == REPLAY_SGLANG)
        yyjson_mut_obj_add_null(doc, choice, "matched_stop");
}

static void add_message_extras(yyjson_mut_doc *doc, yyjson_mut_val *message,
                               const struct replay_reply *reply)
{
    if (reply->dialect == REPLAY_LLAMA)
        return;
    yyjson_mut_obj_add_null(doc, message, "reasoning_content");
    if (reply->dialect == REPLAY_VLLM)
        yyjson_mut_obj_add_arr(doc, message, "tool_calls");
    else
        yyjson_mut_obj_add_null(doc, message, "tool_calls");
}

char *replay_render_whole(const struct replay_reply *reply)
{
    char *text = text_until(reply->answer, reply->n_tokens);
    yyjson_mut_doc *doc = text ? yyjson_mut_doc_new(NULL) : NULL;
    yyjson_mut_val *root = root_of(doc, reply, "chat.completion");
    yyjson_mut_val *choice =
        yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "choices"));
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_val *message = yyjson_mut_obj_add_obj(doc, choice, "message");
    yyjson_mut_obj_add_str(doc, message, "role", "assistant");
    yyjson_mut_obj_add_str(doc, message, "content", text ? text : "");
    add_message_extras(doc, message, reply);
    yyjson_mut_val *logprobs = logprobs_of(doc, reply, 0, reply->n_tokens);
    if (reply->dialect != REPLAY_LLAMA || !yyjson_mut_is_null(logprobs))
        yyjson_mut_obj_add_val(doc, choice, "logprobs", logprobs);
    yyjson_mut_obj_add_str(doc, choice, "finish_reason", finish_of(reply));
    add_choice_extras(doc, choice, reply, true);
    yyjson_mut_obj_add_val(doc, root, "usage", usage_of(doc, reply));
    if (reply->dialect == REPLAY_LLAMA)
        add_timings(doc, root, reply);
    if (reply->dialect == REPLAY_VLLM)
        yyjson_mut_obj_add_null(doc, root, "prompt_logprobs");
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    yyjson_mut_doc_free(doc);
    free(text);
    return json;
}

/* ---- streams ---- */

/* The document as an event; frees it. */
static char *event_of(yyjson_mut_doc *doc)
{
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    char *event = NULL;
    if (json && asprintf(&event, "data: %s\n\n", json) < 0)
        event = NULL;
    free(json);
    yyjson_mut_doc_free(doc);
    return event;
}

enum chunk { CHUNK_ROLE, CHUNK_TOKEN, CHUNK_FINISH };

/* One choice with its delta; text is of a token. */
static yyjson_mut_doc *chunk_of(const struct replay_reply *reply, enum chunk kind, size_t i)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = root_of(doc, reply, "chat.completion.chunk");
    yyjson_mut_val *choice =
        yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "choices"));
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_val *delta = yyjson_mut_obj_add_obj(doc, choice, "delta");
    bool is_llama = reply->dialect == REPLAY_LLAMA;
    if (kind == CHUNK_ROLE)
        yyjson_mut_obj_add_str(doc, delta, "role", "assistant");
    if (kind == CHUNK_TOKEN) {
        const char *text;
        size_t n;
        token_text(reply->answer, i, &text, &n);
        yyjson_mut_obj_add_strncpy(doc, delta, "content", text, n);
    } else if (kind == CHUNK_ROLE && is_llama) {
        yyjson_mut_obj_add_null(doc, delta, "content");
    } else if (!is_llama) {
        yyjson_mut_obj_add_str(doc, delta, "content", "");
    }
    if (reply->dialect == REPLAY_SGLANG)
        add_message_extras(doc, delta, reply);
    /* The end token of a stream is told by vLLM and SGLang only, with the finish. */
    size_t last = reply->n_tokens - 1;
    yyjson_mut_val *logprobs = yyjson_mut_null(doc);
    if (kind == CHUNK_TOKEN)
        logprobs = logprobs_of(doc, reply, i, i + 1);
    else if (kind == CHUNK_FINISH && !is_llama && is_end(reply->answer, last))
        logprobs = logprobs_of(doc, reply, last, last + 1);
    if (!is_llama || !yyjson_mut_is_null(logprobs))
        yyjson_mut_obj_add_val(doc, choice, "logprobs", logprobs);
    if (kind == CHUNK_FINISH)
        yyjson_mut_obj_add_str(doc, choice, "finish_reason", finish_of(reply));
    else
        yyjson_mut_obj_add_null(doc, choice, "finish_reason");
    add_choice_extras(doc, choice, reply, kind == CHUNK_FINISH);
    return doc;
}

char *replay_render_begin(const struct replay_reply *reply)
{
    return event_of(chunk_of(reply, CHUNK_ROLE, 0));
}

char *replay_render_token(const struct replay_reply *reply, size_t i)
{
    if (is_end(reply->answer, i))
        return strdup("");
    return event_of(chunk_of(reply, CHUNK_TOKEN, i));
}

static char *usage_event(const struct replay_reply *reply)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = root_of(doc, reply, "chat.completion.chunk");
    yyjson_mut_obj_add_arr(doc, root, "choices");
    yyjson_mut_obj_add_val(doc, root, "usage", usage_of(doc, reply));
    if (reply->dialect == REPLAY_LLAMA)
        add_timings(doc, root, reply);
    return event_of(doc);
}

char *replay_render_end(const struct replay_reply *reply)
{
    yyjson_mut_doc *finish = chunk_of(reply, CHUNK_FINISH, 0);
    if (reply->dialect == REPLAY_LLAMA && !reply->with_usage)
        add_timings(finish, yyjson_mut_doc_get_root(finish), reply);
    char *first = event_of(finish);
    char *usage = reply->with_usage ? usage_event(reply) : strdup("");
    char *end = NULL;
    if (!first || !usage || asprintf(&end, "%s%sdata: [DONE]\n\n", first, usage) < 0)
        end = NULL;
    free(first);
    free(usage);
    return end;
}
