/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts on engines' answers; see verdict.h. Engines agree on few statuses and on no words: the
 * lists below are what llama-server, vLLM, SGLang, Ollama and the large providers say; their bodies
 * are in tests/unit/verdict.c.
 */
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "error.h"

#define KIND_BYTES 64

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"open", "answered", "client", "unfit", "misconfigured",
                                        "busy", "failed",   "broken", "unsure"};
    return names[verdict];
}

/* ---- the engine's words ---- */

/* An error as engines write it, in whichever of their forms. */
struct complaint {
    int status;                     /* 0: it has none of its own */
    char words[ENGINE_WORDS_BYTES]; /* one line */
    char kind[KIND_BYTES];          /* its type or code, if that is a word */
    bool is_error_object;
    bool is_typed; /* {"type":"error",...} */
};

/* One line of valid UTF-8. */
static void copy_words(const char *text, size_t n, char *ret_words, size_t room)
{
    const size_t fits = n < room - 1 ? n : room - 1;
    memcpy(ret_words, text, fits);
    ret_words[fits] = '\0';
    for (char *c = ret_words; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    error_clean_text(ret_words);
    for (size_t end = strlen(ret_words); end > 0 && ret_words[end - 1] == ' ';)
        ret_words[--end] = '\0';
}

static int status_in(yyjson_val *code)
{
    const char *text = yyjson_get_str(code);
    const long status = text                  ? strtol(text, NULL, 10)
                        : yyjson_is_int(code) ? yyjson_get_int(code)
                                              : 0;
    return status >= 400 && status <= 599 ? (int)status : 0;
}

/* "message", or what stands in its place: {"detail": "..."}, {"detail": [{"msg": "..."}]}, and
 * either of them below a "message" that is an object; at most `depth` levels below. */
static yyjson_val *message_in(yyjson_val *object, int depth)
{
    static const char *const names[] = {"message", "msg", "detail", "error", "error_message"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        yyjson_val *value = yyjson_obj_get(object, names[i]);
        if (yyjson_is_arr(value))
            value = yyjson_obj_get(yyjson_arr_get_first(value), "msg");
        if (yyjson_is_obj(value) && depth > 0)
            value = message_in(value, depth - 1);
        if (yyjson_is_str(value) && yyjson_get_len(value) > 0)
            return value;
    }
    return NULL;
}

static void read_error(yyjson_val *root, struct complaint *c)
{
    yyjson_val *error = yyjson_obj_get(root, "error");
    if (!error) /* of an event that tells how all of a response has ended */
        error = yyjson_obj_get(yyjson_obj_get(root, "response"), "error");
    c->is_error_object = yyjson_is_obj(error);
    c->is_typed = yyjson_equals_str(yyjson_obj_get(root, "type"), "error");
    yyjson_val *object = c->is_error_object ? error : root;
    yyjson_val *message = message_in(object, 2);
    if (message)
        copy_words(yyjson_get_str(message), yyjson_get_len(message), c->words, sizeof(c->words));
    static const char *const names[] = {"code", "status", "type"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        yyjson_val *value = yyjson_obj_get(object, names[i]);
        if (c->status == 0)
            c->status = status_in(value);
        /* A code says more than a type; a number is no word. */
        if (yyjson_is_str(value) && !c->kind[0] && !strchr("0123456789", yyjson_get_str(value)[0]))
            copy_words(yyjson_get_str(value), yyjson_get_len(value), c->kind, sizeof(c->kind));
    }
}

static void read_complaint(struct moa_bytes body, struct complaint *ret_complaint)
{
    struct complaint *c = ret_complaint;
    *c = (struct complaint){0};
    yyjson_doc *doc = yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (yyjson_is_arr(root)) { /* Gemini's, as a list of one */
        read_error(yyjson_arr_get_first(root), c);
        c->is_error_object = false;
    } else if (yyjson_is_obj(root)) {
        read_error(root, c);
    } else if (yyjson_is_str(root)) {
        copy_words(yyjson_get_str(root), yyjson_get_len(root), c->words, sizeof(c->words));
    } else if (!doc && body.n > 0 && *(const char *)body.p != '<') { /* no page for browsers */
        copy_words(body.p, body.n, c->words, sizeof(c->words));
    }
    yyjson_doc_free(doc);
}

/* ---- whose fault ---- */

static bool has_any(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasestr(text, words[i]))
            return true;
    }
    return false;
}

#define HAS_ANY(text, words) has_any(text, words, sizeof(words) / sizeof((words)[0]))

/* It, or what it asks for, is more than this engine takes. */
static bool is_too_large(const struct complaint *c)
{
    static const char *const kinds[] = {"exceed_context_size", "context_length_exceeded",
                                        "string_above_max_length", "request_too_large"};
    static const char *const words[] = {
        "context size",
        "context length",
        "context window",
        "contextwindowexceeded",
        "maximum context",
        "context_length",
        "maximum model length",
        "max_model_len",
        "max_num_tokens",
        "max_seq_len",
        "maximum input length",
        "longer than the model",
        "too many tokens",
        "too many input tokens",
        "maximum number of tokens",
        "max_new_tokens` must be",
        "inputs` must have less",
        "prompt is too long",
        "prompt too long",
        "input is too long",
        "input too long",
        "too large to process",
        "too many images",
        "images may be provided",
        "image(s) may be provided",
        "image count",
        "image is too large",
        "image too large",
        "image size",
        "larger than factor",
        "aspect ratio must be",
        "too many pixels",
        "request too large",
        "larger than the maximum",
        "audio is too long",
        "exceeds the maximum allowed",
    };
    return HAS_ANY(c->kind, kinds) || HAS_ANY(c->words, words);
}

static bool is_unsupported(const struct complaint *c)
{
    static const char *const words[] = {
        "not supported",
        "unsupported",
        "not support",
        "mmproj",
        "not multimodal",
        "not a multimodal",
        "not a vision",
        "no vision",
        "vision add-on",
        "required for image input",
        "unknown part",
        "unknown content",
        "unknown format",
        "format not recognised",
        "invalid content type",
        "invalid image input",
        "not implemented",
        "load image",
        "decode image",
        "cannot identify image",
        "load audio",
        "decode audio",
        "requires --jinja",
        "tool choice requires",
        "no endpoints found that",
    };
    return HAS_ANY(c->words, words) || HAS_ANY(c->kind, words);
}

/* "CUDA error: operation not supported" says nothing of the request. */
static bool is_about_hardware(const struct complaint *c)
{
    static const char *const words[] = {"cuda", "ggml", "vulkan", "metal", "driver", "device"};
    return HAS_ANY(c->words, words);
}

/* What a 404 is about, which may be a path. */
static bool names_no_model(const struct complaint *c)
{
    static const char *const words[] = {"not found", "not exist", "no such",   "unknown",
                                        "invalid",   "not have",  "not served"};
    return strcasestr(c->kind, "model_not_found") ||
           (strcasestr(c->words, "model") && HAS_ANY(c->words, words));
}

/* What a 400 is about, which speaks of models in many ways. */
static bool says_no_model(const struct complaint *c)
{
    static const char *const kinds[] = {"model_not_found", "invalid_model"};
    static const char *const words[] = {"model not exist", "model does not exist",
                                        "model not found", "not a valid model", "no such model"};
    return HAS_ANY(c->kind, kinds) || HAS_ANY(c->words, words);
}

/* Providers that have another status than 401 or 402 for it. */
static bool is_about_our_key(const struct complaint *c)
{
    static const char *const kinds[] = {"invalid_api_key", "insufficient_quota", "billing_"};
    static const char *const words[] = {"api key not valid", "invalid api key", "incorrect api key",
                                        "api key expired", "exceeded your current quota"};
    return HAS_ANY(c->kind, kinds) || HAS_ANY(c->words, words);
}

static enum verdict verdict_of_model(bool model_is_ours)
{
    return model_is_ours ? VERDICT_MISCONFIGURED : VERDICT_UNFIT;
}

static enum verdict verdict_of_4xx(int status, const struct complaint *c, bool model_is_ours)
{
    switch (status) {
    case 401:
    case 402:
    case 403:
    case 405:
    case 407:
    case 421:
        return VERDICT_MISCONFIGURED;
    case 404:
    case 410:
        if (strcasestr(c->words, "no endpoints found that")) /* OpenRouter, of what is asked for */
            return VERDICT_UNFIT;
        return names_no_model(c) ? verdict_of_model(model_is_ours) : VERDICT_MISCONFIGURED;
    case 408:
    case 425:
    case 499:
        return VERDICT_FAILED;
    case 413:
        return VERDICT_UNFIT;
    case 429:
        return is_about_our_key(c) ? VERDICT_MISCONFIGURED : VERDICT_BUSY;
    default:
        if (is_about_our_key(c))
            return VERDICT_MISCONFIGURED;
        if (is_too_large(c) || is_unsupported(c))
            return VERDICT_UNFIT;
        return says_no_model(c) ? verdict_of_model(model_is_ours) : VERDICT_CLIENT;
    }
}

static enum verdict verdict_of_status(int status, const struct complaint *c, bool model_is_ours)
{
    if (status < 400)
        return VERDICT_MISCONFIGURED; /* a redirect: our URL is not the engine's */
    if (status < 500)
        return verdict_of_4xx(status, c, model_is_ours);
    if (status == 503 || status == 529)
        return VERDICT_BUSY;
    const bool unfit = is_too_large(c) || (is_unsupported(c) && !is_about_hardware(c));
    return unfit ? VERDICT_UNFIT : VERDICT_FAILED;
}

/* ---- what came ---- */

static enum verdict refuse(struct engine_opinion *o, enum verdict verdict, const char *what)
{
    snprintf(o->what, sizeof(o->what), "%s", what);
    error_clean_text(o->what);
    o->verdict = verdict;
    return verdict;
}

static const struct answer_form *form_of(const struct engine_answer *a)
{
    return a->form ? a->form : &answer_form_chat;
}

/* An error, with the status of the answer or its own; in a 200 it may have none. */
static enum verdict judge_error(const struct engine_answer *a, struct moa_bytes body,
                                struct engine_opinion *o)
{
    struct complaint c;
    char what[sizeof(o->what)];
    read_complaint(body, &c);
    const bool hidden = a->status < 300;
    o->status = hidden ? c.status : a->status;
    o->is_error_object = c.is_error_object && (c.is_typed || !form_of(a)->types_its_errors);
    o->is_too_large = is_too_large(&c) || o->status == 413;
    snprintf(o->words, sizeof(o->words), "%s", c.words);
    if (!hidden)
        snprintf(what, sizeof(what), "status %d", a->status);
    else if (c.status > 0)
        snprintf(what, sizeof(what), "error %d in an answer of status 200", c.status);
    else
        snprintf(what, sizeof(what), "an error in an answer of status 200");
    return refuse(o, verdict_of_status(o->status ? o->status : 502, &c, a->model_is_ours), what);
}

static enum verdict judge_stream(const struct engine_answer *a, struct engine_opinion *o)
{
    if (a->sse->begun)
        return VERDICT_ANSWERED;
    if (a->sse->failed)
        return judge_error(a, a->sse->error, o);
    if (a->sse->ended || a->extent == ANSWER_WHOLE)
        return refuse(o, VERDICT_FAILED, "a stream without content");
    if (a->extent == ANSWER_COMING)
        return VERDICT_OPEN;
    return refuse(o, VERDICT_FAILED,
                  a->extent == ANSWER_LONG ? "a stream without content"
                                           : "a stream that broke off");
}

/* Only completions are made streams here, for who asked for one. */
static const char not_streamed[] = "no stream, though one was asked for";

static bool is_of_use(const struct engine_answer *a)
{
    return !a->asks_stream || form_of(a) == &answer_form_chat;
}

static enum verdict judge_whole(const struct engine_answer *a, struct engine_opinion *o)
{
    char what[sizeof(o->what)];
    yyjson_doc *doc = a->json ? NULL : yyjson_read(a->body.p, a->body.n, YYJSON_READ_NOFLAG);
    yyjson_val *root = a->json ? a->json : yyjson_doc_get_root(doc);
    yyjson_val *error = yyjson_obj_get(root, "error");
    const bool complains = error && !yyjson_is_null(error);
    const bool answers = !complains && form_of(a)->read_whole(root, &o->usage);
    const bool is_json = root != NULL;
    if (answers)
        identity_sign(root, &o->signature);
    yyjson_doc_free(doc);
    if (answers)
        return is_of_use(a) ? VERDICT_ANSWERED : refuse(o, VERDICT_FAILED, not_streamed);
    if (complains)
        return judge_error(a, a->body, o);
    snprintf(what, sizeof(what), "an answer without %s", form_of(a)->missing);
    return refuse(o, VERDICT_FAILED, is_json ? what : "an answer that is no JSON");
}

/* Of an answer that is longer than what can be kept there is only its beginning to go by. */
static bool looks_like_an_answer(struct moa_bytes body, const char *key)
{
    const char *p = body.p;
    size_t at = 0;
    while (at < body.n && (p[at] == ' ' || p[at] == '\n' || p[at] == '\r' || p[at] == '\t'))
        at++;
    return at < body.n && p[at] == '{' && memmem(p, body.n, key, strlen(key));
}

static enum verdict judge_body(const struct engine_answer *a, struct engine_opinion *o)
{
    switch (a->extent) {
    case ANSWER_COMING:
        return VERDICT_OPEN;
    case ANSWER_LONG:
        if (!is_of_use(a))
            return refuse(o, VERDICT_FAILED, not_streamed);
        return looks_like_an_answer(a->body, form_of(a)->key)
                   ? VERDICT_ANSWERED
                   : refuse(o, VERDICT_FAILED, "an answer without end");
    case ANSWER_WHOLE:
        return judge_whole(a, o);
    default:
        return refuse(o, VERDICT_FAILED, "an answer that broke off");
    }
}

/* Whether a chat completion can come as that. Anything else is some other server's page. */
static bool is_answer_type(const char *content_type)
{
    static const char *const types[] = {"application/json", "text/event-stream"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(types[i]);
        if (strncasecmp(content_type, types[i], n) == 0 && strcspn(content_type + n, "; ") == 0)
            return true;
    }
    return false;
}

static enum verdict judge(const struct engine_answer *a, struct engine_opinion *o)
{
    char what[sizeof(o->what)];
    if (a->status == 0)
        return a->extent == ANSWER_COMING ? VERDICT_OPEN : refuse(o, VERDICT_FAILED, "no answer");
    if (a->status >= 300)
        return a->extent == ANSWER_COMING ? VERDICT_OPEN : judge_error(a, a->body, o);
    if (a->status != 200) {
        snprintf(what, sizeof(what), "status %d", a->status);
        return refuse(o, VERDICT_FAILED, what);
    }
    if (!is_answer_type(a->content_type)) {
        snprintf(what, sizeof(what), "content type %.60s",
                 a->content_type[0] ? a->content_type : "not named");
        return refuse(o, VERDICT_FAILED, what);
    }
    if (a->sse && !a->asks_stream)
        return refuse(o, VERDICT_FAILED, "a stream that nobody asked for");
    return a->sse ? judge_stream(a, o) : judge_body(a, o);
}

enum verdict engine_verdict(const struct engine_answer *answer, struct engine_opinion *ret_opinion)
{
    *ret_opinion = (struct engine_opinion){.usage = USAGE_NONE};
    ret_opinion->verdict = judge(answer, ret_opinion);
    return ret_opinion->verdict;
}
