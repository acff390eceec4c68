/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in the words of engines; see replay_render.h. Of llama-server, answers of build 11669
 * were looked at; of vLLM and SGLang, their types and what their users published. Keys come in
 * their order.
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

/* llama-server sorts these keys by their names, the others have a total before its last part. */
static yyjson_mut_val *usage_of(yyjson_mut_doc *doc, const struct replay_reply *reply)
{
    int64_t prompt = llround(reply->prompt_tokens);
    int64_t completion = (int64_t)reply->n_tokens;
    yyjson_mut_val *usage = yyjson_mut_obj(doc);
    if (reply->dialect == REPLAY_LLAMA) {
        yyjson_mut_obj_add_int(doc, usage, "completion_tokens", completion);
        yyjson_mut_obj_add_int(doc, usage, "prompt_tokens", prompt);
        yyjson_mut_obj_add_int(doc, usage, "total_tokens", prompt + completion);
        yyjson_mut_val *details = yyjson_mut_obj_add_obj(doc, usage, "prompt_tokens_details");
        yyjson_mut_obj_add_int(doc, details, "cached_tokens", 0);
        return usage;
    }
    yyjson_mut_obj_add_int(doc, usage, "prompt_tokens", prompt);
    yyjson_mut_obj_add_int(doc, usage, "total_tokens", prompt + completion);
    yyjson_mut_obj_add_int(doc, usage, "completion_tokens", completion);
    yyjson_mut_obj_add_null(doc, usage, "prompt_tokens_details");
    return usage;
}

static void add_timing(yyjson_mut_doc *doc, yyjson_mut_val *timings, const char *what, int64_t n,
                       double ms)
{
    static const char *const suffixes[] = {"_n", "_ms", "_per_token_ms", "_per_second"};
    const double values[] = {(double)n, ms, ms / (double)n, ms > 0.0 ? 1e3 * (double)n / ms : 0.0};
    for (size_t i = 0; i < 4; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s%s", what, suffixes[i]);
        yyjson_mut_val *key = yyjson_mut_strcpy(doc, name);
        yyjson_mut_obj_add(timings, key,
                           i == 0 ? yyjson_mut_int(doc, n) : yyjson_mut_real(doc, values[i]));
    }
}

static yyjson_mut_val *timings_of(yyjson_mut_doc *doc, const struct replay_reply *reply)
{
    yyjson_mut_val *timings = yyjson_mut_obj(doc);
    int64_t n_prompt = llround(fmax(1.0, reply->prompt_tokens));
    yyjson_mut_obj_add_int(doc, timings, "cache_n", 0);
    add_timing(doc, timings, "prompt", n_prompt, reply->first_ms);
    add_timing(doc, timings, "predicted", (int64_t)reply->n_tokens,
               reply->total_ms - reply->first_ms);
    return timings;
}

/* Makes it the document's root. `usage` NULL: it is not told now; nor then are llama-server's
 * timings, unless `timed`. */
static yyjson_mut_val *add_root(yyjson_mut_doc *doc, const struct replay_reply *reply, bool chunk,
                                yyjson_mut_val *choices, yyjson_mut_val *usage, bool timed)
{
    const char *object = chunk ? "chat.completion.chunk" : "chat.completion";
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    bool is_llama = reply->dialect == REPLAY_LLAMA;
    if (is_llama)
        yyjson_mut_obj_add_val(doc, root, "choices", choices);
    else
        yyjson_mut_obj_add_str(doc, root, "id", reply->id);
    if (!is_llama)
        yyjson_mut_obj_add_str(doc, root, "object", object);
    yyjson_mut_obj_add_int(doc, root, "created", reply->created_s);
    if (is_llama && chunk)
        yyjson_mut_obj_add_str(doc, root, "id", reply->id);
    yyjson_mut_obj_add_str(doc, root, "model", reply->model);
    if (is_llama) {
        yyjson_mut_obj_add_str(doc, root, "system_fingerprint", "moaoff-replay");
        yyjson_mut_obj_add_str(doc, root, "object", object);
    } else {
        yyjson_mut_obj_add_val(doc, root, "choices", choices);
    }
    if (usage)
        yyjson_mut_obj_add_val(doc, root, "usage", usage);
    if (is_llama && !chunk)
        yyjson_mut_obj_add_str(doc, root, "id", reply->id);
    if (is_llama && timed)
        yyjson_mut_obj_add_val(doc, root, "timings", timings_of(doc, reply));
    return root;
}

/* An array of the one choice. `what` is its "message" or "delta"; finish NULL: it goes on. */
static yyjson_mut_val *choices_of(yyjson_mut_doc *doc, const struct replay_reply *reply,
                                  const char *name, yyjson_mut_val *what, yyjson_mut_val *logprobs,
                                  const char *finish)
{
    yyjson_mut_val *choices = yyjson_mut_arr(doc);
    yyjson_mut_val *choice = yyjson_mut_arr_add_obj(doc, choices);
    yyjson_mut_val *finished = finish ? yyjson_mut_str(doc, finish) : yyjson_mut_null(doc);
    bool is_llama = reply->dialect == REPLAY_LLAMA;
    if (is_llama)
        yyjson_mut_obj_add_val(doc, choice, "finish_reason", finished);
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_obj_add(choice, yyjson_mut_str(doc, name), what);
    if (!is_llama || !yyjson_mut_is_null(logprobs))
        yyjson_mut_obj_add_val(doc, choice, "logprobs", logprobs);
    if (!is_llama)
        yyjson_mut_obj_add_val(doc, choice, "finish_reason", finished);
    if (reply->dialect == REPLAY_VLLM && finish)
        yyjson_mut_obj_add_null(doc, choice, "stop_reason");
    if (reply->dialect == REPLAY_SGLANG)
        yyjson_mut_obj_add_null(doc, choice, "matched_stop");
    return choices;
}

char *replay_render_whole(const struct replay_reply *reply)
{
    char *text = text_until(reply->answer, reply->n_tokens);
    yyjson_mut_doc *doc = text ? yyjson_mut_doc_new(NULL) : NULL;
    yyjson_mut_val *message = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, message, "role", "assistant");
    yyjson_mut_obj_add_str(doc, message, "content", text ? text : "");
    if (reply->dialect != REPLAY_LLAMA)
        yyjson_mut_obj_add_null(doc, message, "reasoning_content");
    if (reply->dialect == REPLAY_VLLM)
        yyjson_mut_obj_add_arr(doc, message, "tool_calls");
    else if (reply->dialect == REPLAY_SGLANG)
        yyjson_mut_obj_add_null(doc, message, "tool_calls");
    yyjson_mut_val *logprobs = logprobs_of(doc, reply, 0, reply->n_tokens);
    yyjson_mut_val *choices =
        choices_of(doc, reply, "message", message, logprobs, finish_of(reply));
    yyjson_mut_val *root = add_root(doc, reply, false, choices, usage_of(doc, reply), true);
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

static yyjson_mut_val *delta_of(yyjson_mut_doc *doc, const struct replay_reply *reply,
                                enum chunk kind, size_t i)
{
    yyjson_mut_val *delta = yyjson_mut_obj(doc);
    bool is_llama = reply->dialect == REPLAY_LLAMA;
    if (reply->dialect == REPLAY_SGLANG)
        yyjson_mut_obj_add_null(doc, delta, "reasoning_content");
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
    return delta;
}

/* i is of a token. The end's token is told by vLLM and SGLang only, with the finish. */
static char *chunk_of(const struct replay_reply *reply, enum chunk kind, size_t i, bool timed)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t last = reply->n_tokens - 1;
    bool is_llama = reply->dialect == REPLAY_LLAMA;
    yyjson_mut_val *logprobs = yyjson_mut_null(doc);
    if (kind == CHUNK_TOKEN)
        logprobs = logprobs_of(doc, reply, i, i + 1);
    else if (kind == CHUNK_FINISH && !is_llama && is_end(reply->answer, last))
        logprobs = logprobs_of(doc, reply, last, last + 1);
    const char *finish = kind == CHUNK_FINISH ? finish_of(reply) : NULL;
    yyjson_mut_val *delta = delta_of(doc, reply, kind, i);
    yyjson_mut_val *choices = choices_of(doc, reply, "delta", delta, logprobs, finish);
    add_root(doc, reply, true, choices, NULL, timed);
    return event_of(doc);
}

char *replay_render_begin(const struct replay_reply *reply)
{
    return chunk_of(reply, CHUNK_ROLE, 0, false);
}

char *replay_render_token(const struct replay_reply *reply, size_t i)
{
    if (is_end(reply->answer, i))
        return strdup("");
    return chunk_of(reply, CHUNK_TOKEN, i, false);
}

static char *usage_event(const struct replay_reply *reply)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    add_root(doc, reply, true, yyjson_mut_arr(doc), usage_of(doc, reply), true);
    return event_of(doc);
}

/* llama-server has its timings in the last event, whichever that is. */
char *replay_render_end(const struct replay_reply *reply)
{
    char *finish = chunk_of(reply, CHUNK_FINISH, 0, !reply->with_usage);
    char *usage = reply->with_usage ? usage_event(reply) : strdup("");
    char *end = NULL;
    if (!finish || !usage || asprintf(&end, "%s%sdata: [DONE]\n\n", finish, usage) < 0)
        end = NULL;
    free(finish);
    free(usage);
    return end;
}
