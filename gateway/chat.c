/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI body to modalities; see chat.h. Content parts are read in chat_part.c, the edited body out
 * is in chat_render.c.
 *
 * The parsed document (json_text.h) lives only inside of chat_parse().
 */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "chat_private.h"

#define SHORT_BYTES 64 /* of a member beside the messages: no file is so short */
#define WORD_BYTES 32  /* of a word, on average, at most */
#define NAME_BYTES 512 /* of one that says who asks: Anthropic's clients send 200 and more */

/* ---- reading ---- */

static void add_text_features(struct moa_text_features *sum, const struct moa_text_features *f)
{
    sum->bytes += f->bytes;
    sum->invalid_bytes += f->invalid_bytes;
    sum->tokens += f->tokens;
    sum->sentences += f->sentences;
    sum->entities += f->entities;
}

void *chat_room(void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return list;
    const size_t wanted = *room ? 2 * *room : 4;
    void *grown = realloc(list, wanted * size);
    if (grown)
        *room = wanted;
    return grown;
}

int chat_fail_memory(struct chat_reader *r)
{
    return http_fail(r->error, 503, "out_of_memory", "Out of memory.");
}

static int turn_append(struct chat_turn *turn, const char *text, size_t n)
{
    const size_t gap = turn->text.n > 0 ? 1 : 0;
    return buffer_add(&turn->text, "\n", gap) || buffer_add(&turn->text, text, n) ? -1 : 0;
}

int chat_read_text(struct chat_reader *r, yyjson_val *string, struct chat_turn *turn)
{
    struct moa_bytes text = json_string_value(&r->text, string);
    r->text_bytes += text.n;
    if (r->text_bytes > r->limits->max_text_bytes)
        return http_fail(r->error, 413, "text_too_large",
                         "The text of the request is longer than %zu bytes.",
                         r->limits->max_text_bytes);
    chat_asked_text(r, text);
    struct moa_text_features features;
    moa_text_measure(text, &features);
    add_text_features(&r->chat->text_all, &features);
    if (!turn)
        return 0;
    add_text_features(&turn->features, &features);
    if (turn_append(turn, text.p, text.n))
        return chat_fail_memory(r);
    return 0;
}

static int fail_message(struct chat_reader *r, unsigned message, const char *field,
                        const char *what)
{
    http_fail(r->error, 400, "invalid_value", "messages[%u]%s %s.", message, field, what);
    return http_fail_at(r->error, "messages[%u]%s", message, field);
}

/* What a message may have besides parts that are no text: members that hold nothing else. */
static bool is_known(yyjson_val *key)
{
    static const char *const names[] = {
        "role",    "content",           "name",      "tool_calls",        "tool_call_id",
        "refusal", "reasoning_content", "reasoning", "reasoning_details", "function_call"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_is(key, names[i]))
            return true;
    }
    return false;
}

static void look_for_unknown(struct chat_reader *r, yyjson_val *message)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(message, i, n, key, value)
    {
        r->chat->is_opaque = r->chat->is_opaque || !is_known(key);
    }
}

/* A turn of the user is over: what it said is what is asked of the parts before, unless that is
 * known. */
static int end_turn(struct chat_reader *r, struct chat_turn *turn)
{
    struct chat *chat = r->chat;
    if (r->n_asked < chat->n_parts && turn->text.n > 0) {
        char **grown =
            chat_room(chat->questions, chat->n_questions, &chat->questions_room, sizeof(*grown));
        if (!grown)
            return chat_fail_memory(r);
        chat->questions = grown;
        size_t n;
        char *question = chat->questions[chat->n_questions++] = buffer_take(&turn->text, &n);
        while (r->n_asked < chat->n_parts)
            chat->parts[r->n_asked++].question = question;
    }
    buffer_done(&turn->text);
    turn->features = (struct moa_text_features){0};
    return 0;
}

static int read_message(struct chat_reader *r, yyjson_val *message, unsigned index,
                        struct chat_turn *turn)
{
    static const char *const names[] = {"role", "content", NULL};
    if (!yyjson_is_obj(message))
        return fail_message(r, index, "", "must be an object");
    const char *twice = json_find_twice(message, names);
    if (twice) {
        char field[16];
        snprintf(field, sizeof(field), ".%s", twice);
        return fail_message(r, index, field, "appears twice");
    }
    yyjson_val *role = yyjson_obj_get(message, "role");
    if (!yyjson_is_str(role))
        return fail_message(r, index, ".role", "must be a string");

    struct chat_turn *user_turn = yyjson_equals_str(role, "user") ? turn : NULL;
    if (user_turn && end_turn(r, turn))
        return -1;
    if (yyjson_equals_str(role, "assistant"))
        r->new_from = r->chat->n_parts;
    look_for_unknown(r, message);
    chat_asked_word(r, "message");
    if (chat_asked_members(r, message, "content"))
        return -1;
    yyjson_val *content = yyjson_obj_get(message, "content");
    if (yyjson_is_str(content))
        return chat_read_text(r, content, user_turn);
    if (yyjson_is_arr(content))
        return chat_read_parts(r, content, index, user_turn);
    if (!content || yyjson_is_null(content))
        return 0; /* an assistant turn that only calls tools */
    return fail_message(r, index, ".content", "must be a string or an array");
}

int chat_fail_at_part(struct chat_reader *r, const struct chat_part *part, size_t i)
{
    if (i < r->chat->n_origins)
        return http_fail_at(r->error, "%s", r->chat->origins[i].name);
    return http_fail_at(r->error, "messages[%u].content[%u]", part->message, part->index);
}

/* The limit is for what came since the last answer: an interface without memory gets the whole
 * conversation with every turn. */
static int check_images(struct chat_reader *r)
{
    size_t n_new = 0;
    for (size_t i = r->new_from; i < r->chat->n_parts; i++) {
        const struct chat_part *part = &r->chat->parts[i];
        if (part->kind != MOA_IMAGE || ++n_new <= r->limits->max_images)
            continue;
        http_fail(r->error, 413, "too_many_images", "The request has more than %zu new images.",
                  r->limits->max_images);
        return chat_fail_at_part(r, part, i);
    }
    return 0;
}

static int end_messages(struct chat_reader *r, struct chat_turn *turn)
{
    struct chat *chat = r->chat;
    size_t n;
    if (!turn->text.p && turn_append(turn, "", 0))
        return chat_fail_memory(r);
    chat->text_last_turn = turn->features;
    chat->last_turn = buffer_take(&turn->text, &n);
    while (r->n_asked < chat->n_parts)
        chat->parts[r->n_asked++].question = chat->last_turn;
    return check_images(r);
}

static int read_messages(struct chat_reader *r, yyjson_val *messages)
{
    if (!messages || !yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0) {
        http_fail(r->error, 400, messages ? "invalid_value" : "missing_required_parameter",
                  messages ? "messages must be an array with at least one message."
                           : "messages is missing.");
        return http_fail_at(r->error, "messages");
    }
    /* No text is longer than the body that it stands in. */
    struct chat_turn turn = {.text = buffer_of(r->chat->body.n)};
    size_t i, n;
    yyjson_val *message;
    int result = 0;
    yyjson_arr_foreach(messages, i, n, message)
    {
        result = read_message(r, message, (unsigned)i, &turn);
        if (result)
            break;
    }
    if (!result)
        result = end_messages(r, &turn);
    buffer_done(&turn.text);
    return result;
}

/* The key of the member of `root` that is called `name`. */
static yyjson_val *key_of(yyjson_val *root, const char *name)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        if (json_is(key, name))
            return key;
    }
    return NULL;
}

/* Clients send null for what is not set. */
static int read_model(struct chat_reader *r, yyjson_val *root)
{
    struct chat *chat = r->chat;
    yyjson_val *model = yyjson_obj_get(root, "model");
    if (model && !yyjson_is_str(model) && !yyjson_is_null(model)) {
        http_fail(r->error, 400, "invalid_value", "model must be a string.");
        return http_fail_at(r->error, "model");
    }
    const bool is_named = yyjson_is_str(model);
    struct moa_bytes name =
        is_named ? json_string_value(&r->text, model) : (struct moa_bytes){"", 0};
    chat->model_name = strndup(name.p, name.n);
    if (!chat->model_name)
        return chat_fail_memory(r);
    if (is_named) {
        struct span inner = json_string_span(&r->text, model);
        chat->model = (struct span){inner.begin - 1, inner.end + 1};
    } else if (model) {
        chat->model = json_word_span(&r->text, key_of(root, "model"));
    }
    return 0;
}

/* A client that streams and does not ask for usage: what would ask for it. Whatever else than an
 * object stands there is left as it is. */
static int read_stream_options(struct chat_reader *r, yyjson_val *root)
{
    yyjson_val *options = yyjson_obj_get(root, "stream_options");
    const bool is_set = options && !yyjson_is_null(options);
    if (is_set && (!yyjson_is_obj(options) || yyjson_obj_size(options) == 0 ||
                   yyjson_is_true(yyjson_obj_get(options, "include_usage"))))
        return 0;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *wanted = !doc      ? NULL
                             : !is_set ? yyjson_mut_obj(doc)
                                       : yyjson_val_mut_copy(doc, options);
    if (wanted) {
        yyjson_mut_obj_put(wanted, yyjson_mut_str(doc, "include_usage"),
                           yyjson_mut_bool(doc, true));
        r->chat->usage_options = yyjson_mut_val_write(wanted, YYJSON_WRITE_NOFLAG, NULL);
    }
    yyjson_mut_doc_free(doc);
    if (is_set)
        r->chat->stream_options = json_object_span(&r->text, options);
    else if (options)
        r->chat->stream_options = json_word_span(&r->text, key_of(root, "stream_options"));
    return r->chat->usage_options ? 0 : chat_fail_memory(r);
}

/* A data URI, or a long string of long words: prose has some six bytes a word, base64 76 or more.
 */
static bool is_like_file(struct chat_reader *r, yyjson_val *string)
{
    const struct moa_bytes raw = json_string_value(&r->text, string);
    const char *begin = yyjson_get_str(string);
    if (strncasecmp(begin + strspn(begin, " \t\r\n"), "data:", 5) == 0)
        return true;
    const unsigned char *at = raw.p;
    size_t n_words = 1;
    for (size_t i = 0; raw.n > NAME_BYTES && i < raw.n; i++)
        n_words += at[i] == ' ' || at[i] >= 0x80;
    return raw.n > NAME_BYTES && raw.n / n_words > WORD_BYTES;
}

static bool holds_file(struct chat_reader *r, yyjson_val *list)
{
    const yyjson_val *end = unsafe_yyjson_get_next(list);
    for (yyjson_val *at = unsafe_yyjson_get_first(list); at < end; at++) { /* all below it */
        if (yyjson_is_str(at) && is_like_file(r, at))
            return true;
    }
    return false;
}

/* Objects and lists beside the messages that hold no modality, as far as their names tell. */
static bool is_known_list(yyjson_val *key)
{
    static const char *const names[] = {"tools",
                                        "tool_choice",
                                        "functions",
                                        "function_call",
                                        "stop",
                                        "response_format",
                                        "stream_options",
                                        "logit_bias",
                                        "metadata",
                                        "modalities",
                                        "chat_template_kwargs",
                                        "mm_processor_kwargs",
                                        "json_schema",
                                        "guided_json",
                                        "guided_choice",
                                        "structured_outputs",
                                        "samplers",
                                        "stop_token_ids",
                                        "dry_sequence_breakers",
                                        "reasoning",
                                        "thinking",
                                        "web_search_options",
                                        "grammar_triggers",
                                        "preserved_tokens",
                                        "lora",
                                        "bad_words",
                                        "allowed_token_ids"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_is(key, names[i]))
            return true;
    }
    return false;
}

/* The bytes that a string beside the messages may have and be no file. */
static size_t most_bytes(yyjson_val *key)
{
    static const struct {
        const char *name;
        size_t most;
    } known[] = {{"model", SIZE_MAX},
                 {"grammar", SIZE_MAX},
                 {"guided_regex", SIZE_MAX},
                 {"guided_grammar", SIZE_MAX},
                 {"chat_template", SIZE_MAX},
                 {"user", NAME_BYTES},
                 {"safety_identifier", NAME_BYTES},
                 {"prompt_cache_key", NAME_BYTES}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (yyjson_equals_str(key, known[i].name))
            return known[i].most;
    }
    return SHORT_BYTES;
}

/* A file could be in any list, object or long string that this gateway does not know. */
static void look_beside_messages(struct chat_reader *r, yyjson_val *root)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        const bool known = yyjson_is_str(value)
                               ? json_string_value(&r->text, value).n <= most_bytes(key)
                               : !yyjson_is_ctn(value) || json_is(key, "messages") ||
                                     (is_known_list(key) && !holds_file(r, value));
        r->chat->is_opaque = r->chat->is_opaque || !known;
    }
}

/* Neither several answers, nor tools, nor a temperature above 0, nor more than text. */
static bool is_repeatable(yyjson_val *root)
{
    static const char *const others[] = {"tools", "functions", "audio", "logprobs", "n_probs"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        yyjson_val *value = yyjson_obj_get(root, others[i]);
        if (value && !yyjson_is_null(value) && !yyjson_is_false(value))
            return false;
    }
    yyjson_val *n = yyjson_obj_get(root, "n");
    const bool is_single = !n || yyjson_is_null(n) || yyjson_get_num(n) == 1.0;
    return is_single && !(yyjson_get_num(yyjson_obj_get(root, "temperature")) > 0.0);
}

/* What decides how sure of its answer an engine can be said to be. */
static void read_sampling(struct chat_reader *r, yyjson_val *root)
{
    struct chat *chat = r->chat;
    yyjson_val *logprobs = yyjson_obj_get(root, "logprobs");
    yyjson_val *temperature = yyjson_obj_get(root, "temperature");
    const char *format =
        yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "response_format"), "type"));
    const bool is_off = yyjson_is_null(logprobs) || yyjson_is_false(logprobs);
    chat->asks_logprobs = logprobs && !is_off;
    if (is_off)
        chat->logprobs = json_word_span(&r->text, key_of(root, "logprobs"));
    chat->has_top_logprobs = yyjson_obj_get(root, "top_logprobs") != NULL;
    chat->wants_json = format && strncmp(format, "json", 4) == 0;
    chat->is_repeatable = is_repeatable(root);
    chat->is_sampled = !yyjson_is_num(temperature) || yyjson_get_num(temperature) != 0;
    chat->has_temperature = temperature != NULL;
    if (yyjson_is_num(temperature) || yyjson_is_null(temperature))
        chat->temperature = json_word_span(&r->text, key_of(root, "temperature"));
}

static int read_root(struct chat_reader *r, yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return http_fail(r->error, 400, "invalid_value", "The body must be a JSON object.");
    static const char *const names[] = {"messages", "model",       "stream", "stream_options",
                                        "logprobs", "temperature", NULL};
    const char *twice = json_find_twice(root, names);
    if (twice) {
        http_fail(r->error, 400, "invalid_value", "%s appears twice.", twice);
        return http_fail_at(r->error, "%s", twice);
    }
    yyjson_val *stream = yyjson_obj_get(root, "stream");
    if (stream && !yyjson_is_bool(stream) && !yyjson_is_null(stream)) {
        http_fail(r->error, 400, "invalid_value", "stream must be true or false.");
        return http_fail_at(r->error, "stream");
    }
    r->chat->stream = yyjson_is_true(stream);
    if (r->chat->stream && read_stream_options(r, root))
        return -1;
    look_beside_messages(r, root);
    read_sampling(r, root);
    if (read_model(r, root))
        return -1;
    chat_asked_begin(r);
    return read_messages(r, yyjson_obj_get(root, "messages")) || chat_asked_end(r, root) ? -1 : 0;
}

int chat_parse(struct moa_bytes body, const struct chat_limits *limits, struct chat *ret_chat,
               struct http_error *ret_error)
{
    *ret_chat = (struct chat){.n_cuts = limits->n_cuts,
                              .cuts = limits->cuts,
                              .n_origins = limits->n_origins,
                              .origins = limits->origins};
    struct chat_reader r = {.limits = limits, .chat = ret_chat, .error = ret_error};
    const struct skim_way way = {limits->is_translated ? SKIM_KNOWN : SKIM_URIS, limits->n_cuts,
                                 limits->cuts};
    int result = json_text_read(body, way, limits->max_json_bytes, &r.text, ret_error);
    ret_chat->body = r.text.body;
    if (!result)
        result = read_root(&r, yyjson_doc_get_root(r.text.doc));
    json_text_done(&r.text);
    explicit_bzero(&r.asked, sizeof(r.asked)); /* the end of a text is in it */
    if (result)
        chat_done(ret_chat);
    return result;
}

void chat_done(struct chat *chat)
{
    free(chat->usage_options);
    free(chat->model_name);
    free(chat->last_turn);
    for (size_t i = 0; i < chat->n_questions; i++)
        free(chat->questions[i]);
    free(chat->questions);
    free(chat->fixes);
    free(chat->parts);
    free(chat->places);
    *chat = (struct chat){0};
}

/* ---- bytes of the body ---- */

uint64_t chat_size(const struct chat *chat)
{
    uint64_t n = chat->body.n;
    for (size_t i = 0; i < chat->n_cuts; i++)
        n += chat->cuts[i].n;
    return n;
}

struct moa_bytes chat_piece(const struct chat *chat, size_t begin, size_t end)
{
    size_t elsewhere = 0;
    for (size_t i = 0; i < chat->n_cuts; i++) {
        const struct skim_cut *cut = &chat->cuts[i];
        const size_t behind = cut->begin + cut->n;
        if (begin >= cut->begin && begin < behind)
            return (struct moa_bytes){cut->p + (begin - cut->begin),
                                      (end < behind ? end : behind) - begin};
        if (begin < cut->begin) {
            end = end < cut->begin ? end : cut->begin;
            break;
        }
        elsewhere += cut->n;
    }
    return (struct moa_bytes){(const char *)chat->body.p + (begin - elsewhere), end - begin};
}

char *chat_copy(const struct chat *chat, size_t begin, size_t end)
{
    char *copy = malloc(end - begin + 1);
    if (!copy)
        return NULL;
    for (size_t at = begin; at < end;) {
        const struct moa_bytes piece = chat_piece(chat, at, end);
        memcpy(copy + (at - begin), piece.p, piece.n);
        at += piece.n;
    }
    copy[end - begin] = '\0';
    return copy;
}

struct chat_data chat_part_data(const struct chat *chat, size_t i)
{
    const struct span *span = &chat->parts[i].data;
    const struct moa_bytes all = chat_piece(chat, span->begin, span->end);
    if (all.n == span->end - span->begin)
        return (struct chat_data){.bytes = all};
    /* Up to where the cut begins. */
    const struct moa_bytes bulk = chat_piece(chat, span->begin + all.n, span->end);
    size_t k = 0;
    while (chat->cuts[k].p != bulk.p)
        k++;
    const size_t n_before = chat->cuts[k].n_before;
    return (struct chat_data){
        .head = {all.p, all.n - n_before},
        .bytes = {(const char *)bulk.p - n_before, n_before + bulk.n},
    };
}

void chat_pin(struct chat *chat, unsigned pins)
{
    chat->pins = pins && chat->is_opaque ? PINS_ALL : pins;
}

bool chat_has_pinned(const struct chat *chat)
{
    bool has = pins_has(chat->pins, MOA_TEXT);
    for (size_t i = 0; i < chat->n_parts && !has; i++)
        has = pins_has(chat->pins, chat->parts[i].kind);
    return has;
}

char *chat_part_url(const struct chat *chat, size_t i)
{
    const struct span *span = &chat->parts[i].data;
    /* With its quotes it is a JSON document. */
    char *json = chat_copy(chat, span->begin - 1, span->end + 1);
    yyjson_doc *doc =
        json ? yyjson_read(json, span->end - span->begin + 2, YYJSON_READ_NOFLAG) : NULL;
    const char *url = yyjson_get_str(yyjson_doc_get_root(doc));
    char *copy = url ? strdup(url) : NULL;
    yyjson_doc_free(doc);
    free(json);
    return copy;
}

void chat_part_name(const struct chat *chat, size_t i, char *ret_name, size_t n)
{
    const struct chat_part *part = &chat->parts[i];
    if (i < chat->n_origins)
        snprintf(ret_name, n, "%s", chat->origins[i].name);
    else
        snprintf(ret_name, n, "messages[%u].content[%u].%s", part->message, part->index,
                 part->type);
}
