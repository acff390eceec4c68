/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame that was asked about a moment ago: answered from memory (recall.h), and what an engine
 * answers is remembered. Off unless `memory.seconds` says how long.
 *
 * A scene and a question are audited at their first sight or never, and what is answered here is
 * never a first sight: both tiers are asked whenever a request is an audit, and a frame of another
 * scene is not the same frame. So the claim of the policy `adaptive` is not touched by it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#include "exchange_private.h"
#include "keys.h"
#include "recall.h"

/* What is to be remembered of an exchange. */
struct remembered {
    struct recall_key key;
    struct completion said;
};

/* ---- what may be remembered ---- */

static bool is_audit(const struct exchange *x)
{
    const struct moa_decision *d = &x->perceived.decision;
    return d->is_routed && (d->routing.audit_of[0] != 0 || d->routing.audit_of[1] != 0);
}

/* Pictures alone, all of them looked at, and an answer that may be given twice. */
static bool may_remember(const struct exchange *x)
{
    const struct chat *chat = &x->chat;
    if (x->settings->config->memory_seconds == 0 || !chat->is_repeatable || chat->is_opaque ||
        x->pins || x->pinned || is_audit(x) || chat->n_parts == 0 ||
        chat->n_parts > RECALL_FRAMES_MAX)
        return false;
    for (size_t i = 0; i < chat->n_parts; i++) {
        if (chat->parts[i].kind != MOA_IMAGE || !chat->parts[i].has_data ||
            exchange_scores(x)[i].facts.info.width_px == 0)
            return false;
    }
    return true;
}

/* All of the body but its pictures, for the same client. Parts stand in the order of the body. */
static struct recall_key key_of(const struct exchange *x)
{
    struct moa_bytes pieces[RECALL_FRAMES_MAX + 2];
    const char *name = x->key ? key_name(x->key) : "";
    size_t n = 0, at = 0;
    pieces[n++] = (struct moa_bytes){name, strlen(name)};
    for (size_t i = 0; i < x->chat.n_parts; i++) {
        const struct span *data = &x->chat.parts[i].data;
        pieces[n++] = chat_piece(&x->chat, at, data->begin);
        at = data->end;
    }
    pieces[n++] = chat_piece(&x->chat, at, (size_t)chat_size(&x->chat));
    return recall_key_of(x->gateway->recall, pieces, n);
}

static size_t frames_of(const struct exchange *x, struct recall_frame ret_frames[])
{
    const struct image_score *scores = exchange_scores(x);
    for (size_t i = 0; i < x->chat.n_parts; i++)
        ret_frames[i] =
            (struct recall_frame){scores[i].facts.orientation, &scores[i].facts.features};
    return x->chat.n_parts;
}

/* ---- an answer from memory, as an engine would have written it ---- */

static yyjson_mut_val *add_choice(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *member,
                                  const struct moa_bytes *text, const char *finish_reason)
{
    yyjson_mut_val *choice =
        yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_add_arr(doc, root, "choices"));
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_val *said = yyjson_mut_obj_add_obj(doc, choice, member);
    if (text) {
        yyjson_mut_obj_add_str(doc, said, "role", "assistant");
        yyjson_mut_obj_add_strn(doc, said, "content", text->p, text->n);
    }
    if (finish_reason)
        yyjson_mut_obj_add_str(doc, choice, "finish_reason", finish_reason);
    else
        yyjson_mut_obj_add_null(doc, choice, "finish_reason");
    return choice;
}

static void add_usage(yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *usage = yyjson_mut_obj_add_obj(doc, root, "usage");
    yyjson_mut_obj_add_int(doc, usage, "prompt_tokens", 0);
    yyjson_mut_obj_add_int(doc, usage, "completion_tokens", 0);
    yyjson_mut_obj_add_int(doc, usage, "total_tokens", 0);
}

static yyjson_mut_val *begin_object(const struct exchange *x, enum moa_tier tier,
                                    yyjson_mut_doc *doc)
{
    const char *model = x->settings->config->tier[tier].model;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "id", x->trace.id);
    yyjson_mut_obj_add_str(doc, root, "object",
                           x->chat.stream ? "chat.completion.chunk" : "chat.completion");
    yyjson_mut_obj_add_int(doc, root, "created", (int64_t)time(NULL));
    yyjson_mut_obj_add_str(doc, root, "model", model[0] ? model : x->chat.model_name);
    return root;
}

/* Takes ownership of `doc`. */
static int write_json(struct buffer *to, yyjson_mut_doc *doc, bool as_event)
{
    size_t n = 0;
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &n);
    int err = !json || (as_event && buffer_add(to, "data: ", 6)) || buffer_add(to, json, n) ||
              (as_event && buffer_add(to, "\n\n", 2));
    free(json);
    yyjson_mut_doc_free(doc);
    return err ? -1 : 0;
}

enum piece { PIECE_WHOLE, PIECE_TEXT, PIECE_END, PIECE_USAGE };

static int write_piece(const struct exchange *x, const struct recall_answer *answer,
                       enum piece piece, struct buffer *to)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return -1;
    yyjson_mut_val *root = begin_object(x, answer->tier, doc);
    if (piece == PIECE_USAGE)
        yyjson_mut_obj_add_arr(doc, root, "choices");
    else
        add_choice(doc, root, piece == PIECE_WHOLE ? "message" : "delta",
                   piece == PIECE_END ? NULL : &answer->text, piece == PIECE_TEXT ? NULL : "stop");
    if (piece == PIECE_WHOLE || piece == PIECE_USAGE)
        add_usage(doc, root);
    return write_json(to, doc, piece != PIECE_WHOLE);
}

static int write_answer(const struct exchange *x, const struct recall_answer *answer,
                        struct buffer *to)
{
    if (!x->chat.stream)
        return write_piece(x, answer, PIECE_WHOLE, to);
    const bool asks_usage = !x->chat.usage_options;
    return write_piece(x, answer, PIECE_TEXT, to) || write_piece(x, answer, PIECE_END, to) ||
                   (asks_usage && write_piece(x, answer, PIECE_USAGE, to)) ||
                   buffer_add(to, "data: [DONE]\n\n", 14)
               ? -1
               : 0;
}

static void reply(struct exchange *x, struct moa_bytes body)
{
    struct exchange_headers headers;
    exchange_write_headers(x, &headers);
    const struct server_head head = {
        .status = 200,
        .content_type = x->chat.stream ? x->dialect->stream_type : "application/json",
        .headers = headers.list,
        .n_headers = headers.n,
    };
    if (exchange_translate(x, body, &body)) {
        exchange_fail_memory(x);
        return;
    }
    struct server_request *request = x->request;
    x->request = NULL;
    x->status = 200;
    x->first_byte_us = server_now_us();
    server_reply(request, &head, body);
    exchange_finish(x);
}

/* Room for the text with every byte escaped, and for what stands around it. */
#define BODY_BYTES_MAX (6 * COMPLETION_BYTES_MAX + 4096)

/* Without memory for it nothing is remembered. */
static void expect_answer(struct exchange *x, const struct recall_key *key)
{
    x->remembered = calloc(1, sizeof(*x->remembered));
    if (!x->remembered)
        return;
    x->remembered->key = *key;
    completion_init(&x->remembered->said);
}

bool exchange_recall(struct exchange *x)
{
    struct gateway *g = x->gateway;
    if (!may_remember(x))
        return false;
    const struct recall_key key = key_of(x);
    struct recall_frame frames[RECALL_FRAMES_MAX];
    const size_t n = frames_of(x, frames);
    const int64_t now_us = server_now_us();
    const int64_t since_us = now_us - x->settings->config->memory_seconds * 1000000;
    struct recall_answer answer;
    struct buffer body = buffer_of(BODY_BYTES_MAX);
    const bool hit = recall_find(g->recall, &key, frames, n, since_us, &answer) &&
                     write_answer(x, &answer, &body) == 0;
    g->metrics.memory_lookups_total[hit ? METRICS_LOOKUP_HIT : METRICS_LOOKUP_MISS]++;
    if (hit) {
        x->memory_age_us = now_us - answer.given_us;
        perceive_send_all(&x->perceived.decision, answer.tier, MOA_REASON_MEMORY);
        metrics_decision(&g->metrics, &x->perceived.request, &x->perceived.decision);
        reply(x, buffer_bytes(&body));
    } else {
        expect_answer(x, &key);
    }
    buffer_done(&body);
    return hit;
}

/* ---- an answer to be remembered ---- */

void exchange_listen(struct exchange *x, struct engine_call *c)
{
    if (!x->remembered || c->completion || perceive_is_split(&x->perceived.decision))
        return;
    completion_done(&x->remembered->said);
    completion_init(&x->remembered->said);
    c->completion = &x->remembered->said;
}

/* What was answered in need is not to be repeated when the need is over. */
static bool was_in_need(const struct exchange *x)
{
    switch (x->perceived.decision.choices[0].reason) {
    case MOA_REASON_EDGE_DOWN:
    case MOA_REASON_CLOUD_DOWN:
    case MOA_REASON_OVER_BUDGET:
    case MOA_REASON_CLOUD_BUSY:
        return true;
    default:
        return x->fallback[0] != '\0';
    }
}

void exchange_remember(struct exchange *x, const struct engine_call *c)
{
    if (!x->remembered || was_in_need(x) || c->completion != &x->remembered->said ||
        (c->is_stream && (!c->sse.ended || c->sse.failed)) || c->why[0])
        return;
    struct recall_frame frames[RECALL_FRAMES_MAX];
    const size_t n = frames_of(x, frames);
    const struct recall_answer answer = {.tier = c->tier,
                                         .given_us = server_now_us(),
                                         .text = completion_text(&x->remembered->said)};
    if (answer.text.p)
        recall_keep(x->gateway->recall, &x->remembered->key, frames, n, &answer);
}

void exchange_remember_done(struct exchange *x)
{
    if (!x->remembered)
        return;
    completion_done(&x->remembered->said);
    free(x->remembered);
    x->remembered = NULL;
}
