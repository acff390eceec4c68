/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the body of a chat request, with skim.c under it: what is refused as JSON is just
 * what yyjson refuses in the whole body, at the same byte; spans are inside of the body and hold
 * what they are said to hold; every edited body is JSON again, with the edits and nothing else.
 *
 * A long data URI would drown a fuzzing engine, so each input is taken twice: as it is, and with
 * every byte 0x01, which JSON has no use for, as a run of characters that skim.c cuts.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/chat.h"

#include "fuzz.h"

#define RUN_BYTES 4200
#define RUNS_MAX 66 /* more than skim.c cuts */

static const struct chat_limits limits = {.max_text_bytes = 2000, .max_images = 5};
/* What is put into a body may be more than came in. */
static const struct chat_limits after = {.max_text_bytes = 8000, .max_images = 5};

static const char model[] = "other \"model\"";
static const char evidence[] = "a \"cat\"\n";
static const struct moa_bytes new_url = {"data:,x", 7};

/* ---- what was read ---- */

static void check_error(struct moa_bytes body, const struct http_error *error)
{
    FUZZ_ASSERT(error->status == 400 || error->status == 413);
    FUZZ_ASSERT(error->message[0] && memchr(error->message, '\0', sizeof(error->message)));
    FUZZ_ASSERT(memchr(error->param, '\0', sizeof(error->param)));
    yyjson_read_err why = {0};
    const size_t n_mark = body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    char *text = body.n > 0 ? (char *)(uintptr_t)body.p : NULL; /* nothing is added to NULL */
    yyjson_doc *doc = yyjson_read_opts(n_mark > 0 ? text + n_mark : text, body.n - n_mark,
                                       YYJSON_READ_NOFLAG, NULL, &why);
    FUZZ_ASSERT((doc == NULL) == (strcmp(error->code, "invalid_json") == 0));
    yyjson_doc_free(doc);
    if (doc || body.n == n_mark)
        return;
    char place[40];
    snprintf(place, sizeof(place), " at byte %zu.", n_mark + why.pos);
    FUZZ_ASSERT(strstr(error->message, place));
}

static char at(const struct chat *chat, size_t offset)
{
    return ((const char *)chat->body.p)[offset];
}

static void check_object(const struct chat *chat, struct span span)
{
    FUZZ_ASSERT(span.begin < span.end && span.end <= chat->body.n);
    FUZZ_ASSERT(at(chat, span.begin) == '{' && at(chat, span.end - 1) == '}');
}

static yyjson_val *content_of(yyjson_val *root, unsigned message)
{
    return yyjson_obj_get(yyjson_arr_get(yyjson_obj_get(root, "messages"), message), "content");
}

/* C strings: what stands behind a NUL does not count. */
static bool is_string(yyjson_val *value, const char *text)
{
    return yyjson_is_str(value) && strcmp(yyjson_get_str(value), text) == 0;
}

/* Whether `url` is a string that the part has where its type may have one. */
static bool holds(yyjson_val *root, const struct chat_part *part, const char *url)
{
    static const char *const names[] = {"url", "data", "file_data"};
    yyjson_val *object = yyjson_arr_get(content_of(root, part->message), part->index);
    yyjson_val *member = yyjson_obj_get(object, part->type);
    bool found = is_string(member, url);
    for (size_t i = 0; i < 3 && !found; i++)
        found = is_string(yyjson_obj_get(member, names[i]), url);
    return found;
}

static void check_images(const struct chat *chat, yyjson_val *root)
{
    FUZZ_ASSERT(chat->n_parts <= CHAT_PARTS_MAX);
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct chat_part *part = &chat->parts[i];
        check_object(chat, part->span);
        FUZZ_ASSERT(i == 0 || part[-1].span.end <= part->span.begin);
        FUZZ_ASSERT(part->question && (part->has_data || part->kind != MOA_IMAGE));
        if (!part->has_data)
            continue;
        FUZZ_ASSERT(part->span.begin < part->data.begin && part->data.begin <= part->data.end &&
                    part->data.end < part->span.end);
        FUZZ_ASSERT(at(chat, part->data.begin - 1) == '"' && at(chat, part->data.end) == '"');
        char *url = chat_part_url(chat, i);
        FUZZ_ASSERT(url && holds(root, part, url));
        free(url);
    }
    for (size_t i = 0; i < chat->n_places; i++) {
        const struct chat_place *place = &chat->places[i];
        check_object(chat, place->span);
        FUZZ_ASSERT(i == 0 || place[-1].span.end <= place->span.begin);
        FUZZ_ASSERT(!place->is_part || (place->part < chat->n_parts &&
                                        chat->parts[place->part].span.begin == place->span.begin));
    }
}

static void check_chat(const struct chat *chat, yyjson_val *root)
{
    const char *name = yyjson_get_str(yyjson_obj_get(root, "model"));
    FUZZ_ASSERT((yyjson_obj_get(root, "model") != NULL) == (chat->model.end > 0));
    FUZZ_ASSERT(strcmp(chat->model_name, name ? name : "") == 0);
    FUZZ_ASSERT(chat->stream == yyjson_is_true(yyjson_obj_get(root, "stream")));
    FUZZ_ASSERT(chat->text_all.bytes <= limits.max_text_bytes);
    FUZZ_ASSERT(chat->text_last_turn.bytes <= chat->text_all.bytes);
    FUZZ_ASSERT(strlen(chat->last_turn) <= chat->body.n);
    check_images(chat, root);
}

/* ---- what is written ---- */

static char *join(const struct chat_body *body)
{
    char *text = malloc(body->total_bytes + 1);
    FUZZ_ASSERT(text);
    size_t n = 0;
    for (size_t i = 0; i < body->n_segments; i++) {
        FUZZ_ASSERT(body->segments[i].n <= body->total_bytes - n);
        memcpy(text + n, body->segments[i].p, body->segments[i].n);
        n += body->segments[i].n;
    }
    FUZZ_ASSERT(n == body->total_bytes);
    return text;
}

static void check_no_edits(const struct chat *chat)
{
    const struct chat_edits none = {.model = ""};
    struct chat_body body;
    FUZZ_ASSERT(chat_render(chat, &none, &body) == 0);
    char *text = join(&body);
    size_t n = chat->body.n;
    for (size_t i = 0; i < chat->n_fixes; i++)
        n += strlen(chat->fixes[i].text);
    FUZZ_ASSERT(body.total_bytes == n);
    FUZZ_ASSERT(chat->n_fixes || memcmp(text, chat->body.p, n) == 0);
    /* What was corrected needs no correction. */
    struct chat again;
    struct http_error error;
    FUZZ_ASSERT(chat_parse((struct moa_bytes){text, n}, &limits, &again, &error) == 0);
    FUZZ_ASSERT(again.n_fixes == 0 && again.n_parts == chat->n_parts);
    chat_done(&again);
    free(text);
    chat_body_done(&body);
}

/* Of three parts the first stays, the second becomes words, the third gets another URL. */
struct edited {
    char *words[CHAT_PARTS_MAX];
    struct moa_bytes urls[CHAT_PARTS_MAX];
    size_t n_words;
    size_t order[CHAT_PARTS_MAX]; /* the parts as they are to stand in the edited body */
};

/* With `images_first` those of a message stand before its other parts, each in their order. */
static void order_parts(const struct chat *chat, bool images_first, size_t *order)
{
    size_t n = 0;
    for (size_t i = 0, end; i < chat->n_parts; i = end) {
        for (end = i; end < chat->n_parts && chat->parts[end].message == chat->parts[i].message;)
            end++;
        for (int images = 1; images >= 0; images--) {
            for (size_t k = i; k < end; k++) {
                const bool goes_first = !images_first || chat->parts[k].kind == MOA_IMAGE;
                if (goes_first == (images == 1))
                    order[n++] = k;
            }
        }
    }
}

static void choose_edits(const struct chat *chat, bool images_first, struct edited *ret_edited)
{
    *ret_edited = (struct edited){0};
    for (size_t i = 0; i < chat->n_parts; i++) {
        if (i % 3 == 1)
            ret_edited->words[i] = (char *)(uintptr_t)evidence;
        if (i % 3 == 2 && chat->parts[i].has_data)
            ret_edited->urls[i] = new_url;
        ret_edited->n_words += i % 3 == 1;
    }
    order_parts(chat, images_first, ret_edited->order);
}

static void check_parts(const struct chat *chat, const struct edited *edited,
                        const struct chat *again)
{
    FUZZ_ASSERT(again->n_parts == chat->n_parts - edited->n_words);
    for (size_t i = 0, k = 0; i < chat->n_parts; i++) {
        const size_t part = edited->order[i];
        if (edited->words[part])
            continue;
        const size_t at = k++;
        FUZZ_ASSERT(again->parts[at].kind == chat->parts[part].kind);
        FUZZ_ASSERT(again->parts[at].has_data == chat->parts[part].has_data);
        if (!chat->parts[part].has_data)
            continue;
        const char *wanted = edited->urls[part].p;
        char *was = chat_part_url(chat, part), *is = chat_part_url(again, at);
        FUZZ_ASSERT(was && is && strcmp(is, wanted ? wanted : was) == 0);
        free(was);
        free(is);
    }
}

static void check_edits(const struct chat *chat, bool images_first)
{
    struct edited edited;
    choose_edits(chat, images_first, &edited);
    const struct chat_edits edits = {.model = model,
                                     .evidence = edited.words,
                                     .urls = edited.urls,
                                     .images_first = images_first,
                                     .ask_usage = images_first,
                                     .ask_logprobs = images_first,
                                     .cold = images_first};
    struct chat_body body;
    FUZZ_ASSERT(chat_render(chat, &edits, &body) == 0);
    char *text = join(&body);
    struct chat again;
    struct http_error error;
    FUZZ_ASSERT(chat_parse((struct moa_bytes){text, body.total_bytes}, &after, &again, &error) ==
                0);
    FUZZ_ASSERT(strcmp(again.model_name, model) == 0 && again.stream == chat->stream);
    FUZZ_ASSERT(!edits.ask_usage || !again.usage_options); /* it is asked for now */
    FUZZ_ASSERT(!edits.cold || !again.is_sampled || again.temperature.end == 0);
    FUZZ_ASSERT(again.text_all.bytes ==
                chat->text_all.bytes + edited.n_words * (sizeof(evidence) - 1));
    check_parts(chat, &edited, &again);
    chat_done(&again);
    free(text);
    chat_body_done(&body);
}

static void check_perception(const struct chat *chat, size_t i)
{
    struct chat_body body;
    const struct moa_bytes as_it_is = {0};
    const bool is_new = i % 2 && chat->parts[i].has_data;
    FUZZ_ASSERT(chat_render_perception(chat, i, is_new ? new_url : as_it_is, model, evidence, 7, "",
                                       &body) == 0);
    char *text = join(&body);
    struct chat again;
    struct http_error error;
    FUZZ_ASSERT(chat_parse((struct moa_bytes){text, body.total_bytes}, &after, &again, &error) ==
                0);
    FUZZ_ASSERT(again.n_parts == 1 && again.n_places == 0 && !again.stream);
    FUZZ_ASSERT(strcmp(again.last_turn, evidence) == 0 && strcmp(again.model_name, model) == 0);
    chat_done(&again);
    free(text);
    chat_body_done(&body);
}

static void run(struct moa_bytes body)
{
    struct chat chat;
    struct http_error error;
    if (chat_parse(body, &limits, &chat, &error)) {
        check_error(body, &error);
        return;
    }
    yyjson_doc *doc = yyjson_read(chat.body.p, chat.body.n, YYJSON_READ_NOFLAG);
    FUZZ_ASSERT(doc);
    check_chat(&chat, yyjson_doc_get_root(doc));
    check_no_edits(&chat);
    check_edits(&chat, false);
    check_edits(&chat, true);
    for (size_t i = 0; i < chat.n_parts; i++)
        check_perception(&chat, i);
    yyjson_doc_free(doc);
    chat_done(&chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run((struct moa_bytes){size ? data : NULL, size});
    size_t runs = 0;
    for (size_t i = 0; i < size; i++)
        runs += data[i] == 1;
    if (runs == 0 || runs > RUNS_MAX)
        return 0;
    const size_t n = size + runs * (RUN_BYTES - 1);
    char *body = malloc(n), *to = body;
    FUZZ_ASSERT(body);
    for (size_t i = 0; i < size; i++) {
        size_t times = data[i] == 1 ? RUN_BYTES : 1;
        memset(to, data[i] == 1 ? 'A' : data[i], times);
        to += times;
    }
    run((struct moa_bytes){body, n});
    free(body);
    return 0;
}
