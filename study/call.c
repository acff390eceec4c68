/* SPDX-License-Identifier: Apache-2.0
 *
 * One chat completion; see call.h.
 */
#include "call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <modp_b64.h>
#include <yyjson.h>

#include "answers.h"

#define ANSWER_BYTES_MAX (1 << 20)
#define LINE_BYTES_MAX (1 << 20)
#define TOP_LOGPROBS 5

int64_t call_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- the body ---- */

static const char *media_type(const unsigned char *p, size_t n)
{
    if (n > 8 && memcmp(p, "\x89PNG", 4) == 0)
        return "image/png";
    if (n > 12 && memcmp(p + 8, "WEBP", 4) == 0)
        return "image/webp";
    if (n > 6 && memcmp(p, "GIF8", 4) == 0)
        return "image/gif";
    return "image/jpeg";
}

/* "data:image/jpeg;base64,..." of an item's i-th image, to be freed. */
static char *data_uri(const struct item *item, size_t i, char *why, size_t n_why)
{
    struct moa_bytes file = dataset_read_image(item, i, why, n_why);
    if (!file.p)
        return NULL;
    size_t room = modp_b64_encode_len(file.n) + 40;
    char *uri = malloc(room);
    if (uri) {
        int head = snprintf(uri, room, "data:%s;base64,", media_type(file.p, file.n));
        size_t n = modp_b64_encode(uri + head, file.p, file.n);
        uri[(size_t)head + n] = '\0';
    } else {
        snprintf(why, n_why, "out of memory");
    }
    free((void *)(uintptr_t)file.p);
    return uri;
}

static int add_images(yyjson_mut_doc *doc, yyjson_mut_val *parts, const struct item *item,
                      char *why, size_t n)
{
    for (size_t i = 0; i < item->n_images; i++) {
        char *uri = data_uri(item, i, why, n);
        if (!uri)
            return -1;
        yyjson_mut_val *part = yyjson_mut_arr_add_obj(doc, parts);
        yyjson_mut_obj_add_str(doc, part, "type", "image_url");
        yyjson_mut_val *url = yyjson_mut_obj_add_obj(doc, part, "image_url");
        bool added = yyjson_mut_obj_add_strcpy(doc, url, "url", uri);
        free(uri);
        if (!added) {
            snprintf(why, n, "out of memory");
            return -1;
        }
    }
    return 0;
}

static char *build_body(const struct item *item, const struct call_options *options,
                        size_t *ret_bytes, char *why, size_t n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    char user[256];
    snprintf(why, n, "out of memory");
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "model", options->model);
    yyjson_mut_obj_add_int(doc, root, "temperature", 0);
    yyjson_mut_obj_add_int(doc, root, "max_tokens", options->max_tokens);
    yyjson_mut_obj_add_bool(doc, root, "stream", true);
    /* By this an engine that replays records tells items with the same text apart. */
    if (snprintf(user, sizeof(user), ANSWERS_USER "%s", item->id) < (int)sizeof(user))
        yyjson_mut_obj_add_str(doc, root, "user", user);
    if (options->with_logprobs) {
        yyjson_mut_obj_add_bool(doc, root, "logprobs", true);
        yyjson_mut_obj_add_int(doc, root, "top_logprobs", TOP_LOGPROBS);
    }
    /* llama-server would answer the second policy's same questions from its prompt cache. */
    if (!options->keep_prompt_cache)
        yyjson_mut_obj_add_bool(doc, root, "cache_prompt", false);
    yyjson_mut_val *stream_options = yyjson_mut_obj_add_obj(doc, root, "stream_options");
    yyjson_mut_obj_add_bool(doc, stream_options, "include_usage", true);
    yyjson_mut_val *messages = yyjson_mut_obj_add_arr(doc, root, "messages");
    yyjson_mut_val *message = yyjson_mut_arr_add_obj(doc, messages);
    yyjson_mut_obj_add_str(doc, message, "role", "user");
    yyjson_mut_val *parts = yyjson_mut_obj_add_arr(doc, message, "content");
    char *body = NULL;
    if (!add_images(doc, parts, item, why, n)) {
        yyjson_mut_val *text = yyjson_mut_arr_add_obj(doc, parts);
        yyjson_mut_obj_add_str(doc, text, "type", "text");
        yyjson_mut_obj_add_str(doc, text, "text", item->prompt);
        yyjson_write_err error;
        body = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, NULL, ret_bytes, &error);
        if (!body)
            snprintf(why, n, "the question cannot be written as JSON: %s", error.msg);
    }
    yyjson_mut_doc_free(doc);
    return body;
}

/* ---- what comes back ---- */

static void append(char **p, size_t *n, size_t *room, const char *more, size_t n_more, size_t max,
                   bool *no_memory)
{
    if (n_more > max - *n)
        n_more = max - *n;
    if (*n + n_more + 1 > *room) {
        size_t wanted = 2 * (*n + n_more + 1);
        char *grown = realloc(*p, wanted);
        if (!grown) {
            *no_memory = true;
            return;
        }
        *p = grown;
        *room = wanted;
    }
    memcpy(*p + *n, more, n_more);
    *n += n_more;
    (*p)[*n] = '\0';
}

static void take_usage(struct call *call, yyjson_val *usage)
{
    yyjson_val *prompt = yyjson_obj_get(usage, "prompt_tokens");
    yyjson_val *completion = yyjson_obj_get(usage, "completion_tokens");
    if (yyjson_is_int(prompt))
        call->prompt_tokens = yyjson_get_sint(prompt);
    if (yyjson_is_int(completion))
        call->completion_tokens = yyjson_get_sint(completion);
}

static void take_logprobs(struct call *call, yyjson_val *logprobs)
{
    char *entries = answers_logprobs(logprobs);
    const char *comma = call->logprobs_n > 0 ? "," : "";
    if (entries) {
        append(&call->logprobs, &call->logprobs_n, &call->logprobs_room, comma, strlen(comma),
               ANSWER_BYTES_MAX, &call->no_memory);
        append(&call->logprobs, &call->logprobs_n, &call->logprobs_room, entries, strlen(entries),
               ANSWER_BYTES_MAX, &call->no_memory);
    }
    free(entries);
}

static void take_text(char *to, size_t n, yyjson_val *value)
{
    if (yyjson_is_str(value))
        snprintf(to, n, "%s", yyjson_get_str(value));
}

static void take_error(struct call *call, yyjson_val *root)
{
    const char *message = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "error"), "message"));
    if (message)
        snprintf(call->error, sizeof(call->error), "%s", message);
}

static void take_event(struct call *call, const char *data)
{
    if (strcmp(data, "[DONE]") == 0) {
        call->ended = true;
        return;
    }
    yyjson_doc *doc = yyjson_read(data, strlen(data), YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *choice = yyjson_arr_get_first(yyjson_obj_get(root, "choices"));
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(choice, "delta"), "content"));
    if (text && text[0]) {
        if (!call->first_token_us)
            call->first_token_us = call_now_us();
        append(&call->answer, &call->answer_n, &call->answer_room, text, strlen(text),
               ANSWER_BYTES_MAX, &call->no_memory);
    }
    take_logprobs(call, yyjson_obj_get(choice, "logprobs"));
    take_text(call->model, sizeof(call->model), yyjson_obj_get(root, "model"));
    take_text(call->finish, sizeof(call->finish), yyjson_obj_get(choice, "finish_reason"));
    take_usage(call, yyjson_obj_get(root, "usage"));
    take_error(call, root);
    yyjson_doc_free(doc);
}

/* An answer that is no stream: an error object, as a rule. */
static void take_whole(struct call *call)
{
    yyjson_doc *doc = yyjson_read(call->line, call->line_n, YYJSON_READ_NOFLAG);
    take_error(call, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    size_t total = size * n;
    call->bytes_down += total;
    for (size_t i = 0; i < total;) {
        const char *newline = memchr(bytes + i, '\n', total - i);
        size_t end = newline ? (size_t)(newline - bytes) : total;
        append(&call->line, &call->line_n, &call->line_room, bytes + i, end - i, LINE_BYTES_MAX,
               &call->no_memory);
        i = end + (newline != NULL);
        if (!newline || call->no_memory)
            break;
        size_t cut = strcspn(call->line ? call->line : "", "\r");
        if (call->line && cut >= 5 && strncmp(call->line, "data:", 5) == 0) {
            call->line[cut] = '\0';
            take_event(call, call->line + 5 + strspn(call->line + 5, " "));
        }
        call->line_n = 0;
    }
    return call->no_memory ? 0 : total;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct call_headers *h = &((struct call *)arg)->headers;
    const struct {
        const char *name;
        char *value;
        size_t room;
    } wanted[] = {{"x-moaoff-plan:", h->plan, sizeof(h->plan)},
                  {"x-moaoff-decision:", h->decision, sizeof(h->decision)},
                  {"x-moaoff-scores:", h->scores, sizeof(h->scores)},
                  {"x-moaoff-reason:", h->reason, sizeof(h->reason)},
                  {"x-moaoff-state:", h->state, sizeof(h->state)},
                  {"x-moaoff-overhead-us:", h->overhead_us, sizeof(h->overhead_us)},
                  {"x-moaoff-fallback:", h->fallback, sizeof(h->fallback)},
                  {"x-request-id:", h->id, sizeof(h->id)}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t n_name = strlen(wanted[i].name);
        if (size * n < n_name || strncasecmp(bytes, wanted[i].name, n_name) != 0)
            continue;
        const char *value = bytes + n_name;
        size_t length = size * n - n_name;
        for (; length > 0 && *value == ' '; length--)
            value++;
        while (length > 0 && (value[length - 1] == '\r' || value[length - 1] == '\n'))
            length--;
        snprintf(wanted[i].value, wanted[i].room, "%.*s", (int)length, value);
    }
    return size * n;
}

/* ---- life ---- */

struct curl_slist *call_headers_new(const char *api_key)
{
    char bearer[4200];
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", api_key ? api_key : "");
    /* Without the empty Expect a body above 1 MB waits for a "100 Continue". */
    const char *const lines[] = {"Content-Type: application/json", "Expect:", bearer};
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < (api_key ? 3 : 2); i++) {
        struct curl_slist *more = curl_slist_append(list, lines[i]);
        if (!more) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
    }
    return list;
}

static int prepare(struct call *call, const struct call_options *options)
{
    call->easy = curl_easy_init();
    call->sent_headers = call_headers_new(options->api_key);
    if (!call->easy || !call->sent_headers)
        return -1;
    CURL *e = call->easy;
    curl_easy_setopt(e, CURLOPT_URL, options->url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->sent_headers);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, options->timeout_ms);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    return 0;
}

struct call *call_new(const struct item *item, const struct call_options *options, char *why,
                      size_t n)
{
    struct call *call = calloc(1, sizeof(*call));
    if (!call) {
        snprintf(why, n, "out of memory");
        return NULL;
    }
    call->prompt_tokens = call->completion_tokens = -1;
    call->answer = strdup("");
    call->answer_room = 1;
    call->body = build_body(item, options, &call->body_bytes, why, n);
    if (!call->body || !call->answer || prepare(call, options)) {
        if (call->body)
            snprintf(why, n, "out of memory");
        call_free(call);
        return NULL;
    }
    return call;
}

bool call_ended(struct call *call, CURLcode result)
{
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
    if (!call->ended && call->line_n > 0)
        take_whole(call);
    if (result != CURLE_OK && !call->error[0])
        snprintf(call->error, sizeof(call->error), "%s",
                 call->no_memory ? "out of memory" : curl_easy_strerror(result));
    else if (call->status != 200 && !call->error[0])
        snprintf(call->error, sizeof(call->error), "HTTP %ld", call->status);
    else if (!call->ended && !call->error[0])
        snprintf(call->error, sizeof(call->error), "the stream ended early");
    return !call->error[0];
}

void call_free(struct call *call)
{
    if (!call)
        return;
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->sent_headers);
    free(call->body);
    free(call->answer);
    free(call->logprobs);
    free(call->line);
    free(call);
}
