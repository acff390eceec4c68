/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of chat completions; see replay_read.h.
 */
#include "replay_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include <moaoff/moaoff.h>

#include "answers.h"
#include "gateway/data_uri.h"

/* Of an image only its size matters. */
static int take_image(struct replay_asked *asked, yyjson_val *part, const struct profile *profile,
                      struct http_error *error)
{
    yyjson_val *url = yyjson_obj_get(yyjson_obj_get(part, "image_url"), "url");
    const struct moa_bytes text = {yyjson_get_str(url), yyjson_get_len(url)};
    struct data_uri uri;
    struct moa_image_info info;
    struct moa_error why = {0};
    if (asked->n_images == REPLAY_IMAGES_MAX)
        return http_fail(error, 400, "too_many_images", "More than %d images.", REPLAY_IMAGES_MAX);
    if (!text.p || data_uri_is_remote(text))
        return http_fail(error, 400, "invalid_image_url", "Images must be data URIs.");
    if (data_uri_decode(text, &uri, error))
        return -1;
    enum moa_err err = moa_image_probe((struct moa_bytes){uri.p, uri.n}, &info, &why);
    free(uri.p);
    if (err)
        return http_fail(error, 400, "invalid_image", "Failed to load image: %s.",
                         why.message ? why.message : moa_strerror(err));
    asked->image_tokens[asked->n_images++] =
        profile_image_tokens(profile, info.width_px, info.height_px);
    return 0;
}

/* Appends the text of a message to `out`. */
static int take_content(struct replay_asked *asked, yyjson_val *content,
                        const struct profile *profile, FILE *out, struct http_error *error)
{
    size_t i;
    size_t max;
    yyjson_val *part;
    if (yyjson_is_str(content)) {
        asked->n_text_bytes += yyjson_get_len(content);
        fputs(yyjson_get_str(content), out);
        return 0;
    }
    yyjson_arr_foreach(content, i, max, part)
    {
        const char *text = yyjson_get_str(yyjson_obj_get(part, "text"));
        if (text) {
            asked->n_text_bytes += strlen(text);
            fputs(text, out);
        } else if (yyjson_obj_get(part, "image_url") && take_image(asked, part, profile, error)) {
            return -1;
        }
    }
    return 0;
}

/* The prompt is the text of the last message that a user wrote. */
static int take_messages(struct replay_asked *asked, yyjson_val *messages,
                         const struct profile *profile, struct http_error *error)
{
    size_t i;
    size_t max;
    yyjson_val *message;
    if (yyjson_arr_size(messages) == 0)
        return http_fail(error, 400, "invalid_request", "\"messages\" is no array of messages.");
    yyjson_arr_foreach(messages, i, max, message)
    {
        const char *role = yyjson_get_str(yyjson_obj_get(message, "role"));
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);
        int failed = -1;
        if (out) {
            failed = take_content(asked, yyjson_obj_get(message, "content"), profile, out, error);
            if (fclose(out) != 0 && !failed)
                failed = http_fail(error, 503, "out_of_memory", "Out of memory.");
        } else {
            http_fail(error, 503, "out_of_memory", "Out of memory.");
        }
        if (!failed && role && strcmp(role, "user") == 0) {
            free(asked->prompt);
            asked->prompt = text;
            text = NULL;
        }
        free(text);
        if (failed)
            return -1;
    }
    return asked->prompt ? 0 : http_fail(error, 400, "invalid_request", "No message of a user.");
}

static size_t count_at(yyjson_val *root, const char *key)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    return yyjson_is_int(value) && yyjson_get_sint(value) > 0 ? (size_t)yyjson_get_uint(value) : 0;
}

static int take_root(struct replay_asked *asked, yyjson_val *root, const struct profile *profile,
                     struct http_error *error)
{
    static const char user[] = ANSWERS_USER;
    const char *item = yyjson_get_str(yyjson_obj_get(root, "user"));
    yyjson_val *stream_options = yyjson_obj_get(root, "stream_options");
    if (item && strncmp(item, user, sizeof(user) - 1) == 0)
        asked->item = strdup(item + sizeof(user) - 1);
    asked->stream = yyjson_is_true(yyjson_obj_get(root, "stream"));
    asked->with_usage = yyjson_is_true(yyjson_obj_get(stream_options, "include_usage"));
    asked->with_logprobs = yyjson_is_true(yyjson_obj_get(root, "logprobs"));
    asked->n_top = count_at(root, "top_logprobs");
    if (asked->n_top > REPLAY_TOP_MAX)
        return http_fail(error, 400, "invalid_request", "At most %d top_logprobs.", REPLAY_TOP_MAX);
    asked->max_tokens = count_at(root, "max_completion_tokens");
    if (asked->max_tokens == 0)
        asked->max_tokens = count_at(root, "max_tokens");
    return take_messages(asked, yyjson_obj_get(root, "messages"), profile, error);
}

int replay_read(struct moa_bytes body, const struct profile *profile,
                struct replay_asked *ret_asked, struct http_error *ret_error)
{
    struct replay_asked asked = {.prompt = NULL};
    yyjson_doc *doc = yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG);
    int failed = -1;
    if (doc)
        failed = take_root(&asked, yyjson_doc_get_root(doc), profile, ret_error);
    else
        http_fail(ret_error, 400, "invalid_json", "The body is no JSON.");
    yyjson_doc_free(doc);
    if (failed)
        replay_asked_done(&asked);
    else
        *ret_asked = asked;
    return failed;
}

void replay_asked_done(struct replay_asked *asked)
{
    free(asked->prompt);
    free(asked->item);
    asked->prompt = asked->item = NULL;
}
