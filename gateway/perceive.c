/* SPDX-License-Identifier: Apache-2.0
 *
 * Chat to scores to request to decision JSON; see perceive.h.
 */
#include "perceive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <modp_b64.h>
#include <yyjson.h>

#include "exif.h"
#include "recode.h"

/* ---- data URI to bytes ---- */

/* The character that "\u002B" stands for; -1 if it is no such escape, or of no ASCII character. */
static int escaped_ascii(const char *p, size_t n)
{
    if (n < 6 || p[1] != 'u' || p[2] != '0' || p[3] != '0')
        return -1;
    int value = 0;
    for (size_t i = 4; i < 6; i++) {
        const char c = p[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
        if (digit < 0 || digit > 15)
            return -1;
        value = 16 * value + digit;
    }
    return value < 0x80 ? value : -1;
}

/* Some encoders write "/" as "\/" inside of base64, others "+" as "\u002B"; JSON allows both. */
static char *unescape(const char *p, size_t n, size_t *ret_n)
{
    char *out = malloc(n + 1);
    if (!out)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const int ascii = p[i] == '\\' ? escaped_ascii(p + i, n - i) : -1;
        if (ascii >= 0) {
            out[kept++] = (char)ascii;
            i += 5;
        } else if (p[i] != '\\' || i + 1 == n || p[i + 1] != '/') {
            out[kept++] = p[i];
        }
    }
    *ret_n = kept;
    return out;
}

int perceive_fail(struct http_error *error, const char *name, int status, const char *code,
                  const char *what)
{
    http_fail(error, status, code, "%s: %s.", name, what);
    return http_fail_at(error, "%s", name);
}

/* Splits "data:image/jpeg;base64,AAAA": the base64 text, or p == NULL. */
static struct moa_bytes base64_of(const char *url, size_t n)
{
    static const char marker[] = ";base64,";
    const struct moa_bytes none = {NULL, 0};
    if (n < 5 || strncasecmp(url, "data:", 5) != 0)
        return none;
    const char *comma = memchr(url, ',', n < 256 ? n : 256);
    size_t head = comma ? (size_t)(comma - url) + 1 : 0;
    if (head < sizeof(marker) - 1 ||
        strncasecmp(url + head - (sizeof(marker) - 1), marker, sizeof(marker) - 1) != 0)
        return none;
    return (struct moa_bytes){url + head, n - head};
}

void *perceive_decode(struct moa_bytes url, const char *name, size_t *ret_n,
                      struct http_error *ret_error)
{
    struct moa_bytes base64 = base64_of(url.p, url.n);
    if (!base64.p) {
        perceive_fail(ret_error, name, 400, "invalid_image_url",
                      "the URL must be a data URI of the form data:image/jpeg;base64,...");
        return NULL;
    }
    char *clean = NULL;
    if (memchr(base64.p, '\\', base64.n)) {
        clean = unescape(base64.p, base64.n, &base64.n);
        base64.p = clean;
    }
    char *bytes = base64.p ? malloc(modp_b64_decode_len(base64.n)) : NULL;
    if (!bytes) {
        free(clean);
        perceive_fail(ret_error, name, 503, "out_of_memory", "out of memory");
        return NULL;
    }
    size_t n = modp_b64_decode(bytes, base64.p, base64.n);
    free(clean);
    if (n == (size_t)-1 || n == 0) {
        free(bytes);
        perceive_fail(ret_error, name, 400, "invalid_base64",
                      n == 0 ? "the image is empty" : "the image is not valid base64");
        return NULL;
    }
    *ret_n = n;
    return bytes;
}

/* ---- bytes to a score ---- */

int perceive_measure(struct moa_bytes file, uint64_t max_px, const char *name,
                     struct image_facts *ret_facts, struct http_error *ret_error)
{
    struct moa_image_limits limits;
    moa_image_limits_default(&limits);
    limits.max_px = max_px;
    struct image_facts facts = {.orientation = 1};
    struct moa_error why = {0};
    enum moa_err err = moa_image_measure(file, &limits, &facts.info, &facts.features, &why);
    if (err) {
        char what[160];
        const char *message = why.message ? why.message : moa_strerror(err);
        if (err == MOA_ERR_LIMIT && facts.info.width_px > 0)
            snprintf(what, sizeof(what), "%s (%u x %u; at most %llu pixels)", message,
                     facts.info.width_px, facts.info.height_px, (unsigned long long)max_px);
        else
            snprintf(what, sizeof(what), "%s", message);
        return perceive_fail(ret_error, name, http_status_of(err), http_code_of(err), what);
    }
    facts.orientation = exif_orientation(file, facts.info.format);
    *ret_facts = facts;
    return 0;
}

void perceive_image(const struct chat *chat, size_t i, const struct config *config,
                    struct image_score *ret_score)
{
    *ret_score = (struct image_score){0};
    const struct span *span = &chat->images[i].url;
    char name[sizeof(ret_score->error.param)];
    chat_image_name(chat, i, name, sizeof(name));
    struct moa_bytes url = {(const char *)chat->body.p + span->begin, span->end - span->begin};
    struct moa_bytes file;
    void *bytes = perceive_decode(url, name, &file.n, &ret_score->error);
    if (!bytes)
        return;
    file.p = bytes;
    if (perceive_measure(file, (uint64_t)config->max_image_px, name, &ret_score->facts,
                         &ret_score->error) == 0)
        moa_image_complexity(&config->image, &ret_score->facts.features, &ret_score->complexity);
    free(bytes);
}

/* ---- request ---- */

void perceive_request(const struct chat *chat, const struct image_score *scores,
                      const struct config *config, bool pinned, struct perceived *ret_perceived)
{
    struct perceived *p = ret_perceived;
    moa_text_complexity(&config->text, &chat->text_all, &chat->text_last_turn, &p->text);
    p->request = (struct moa_request){
        .text = {.complexity = p->text.score,
                 .bytes = chat->text_all.bytes,
                 .tokens = chat->text_all.tokens},
        .n_images = chat->n_images,
        .images = p->images,
        .pinned = pinned,
    };
    for (size_t i = 0; i < chat->n_images; i++) {
        const struct span *part = &chat->images[i].part;
        const struct moa_image_info *info = &scores[i].facts.info;
        p->images[i] = (struct moa_modality){
            .complexity = scores[i].complexity.score,
            .bytes = part->end - part->begin,
            .tokens = (double)recode_tokens(info->width_px, info->height_px),
        };
    }
}

/* ---- JSON ---- */

/* Six decimals: enough to tell scores apart, short enough to read. */
static void add_score(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double score)
{
    yyjson_mut_obj_add_real(doc, object, key, round(score * 1e6) / 1e6);
}

static void add_known(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    if (isnan(value))
        yyjson_mut_obj_add_null(doc, object, key);
    else
        add_score(doc, object, key, value);
}

static yyjson_mut_val *choice_json(yyjson_mut_doc *doc, const struct moa_choice *choice)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, object, "tier", moa_tier_name(choice->tier));
    yyjson_mut_obj_add_str(doc, object, "reason", moa_reason_name(choice->reason));
    return object;
}

static yyjson_mut_val *image_json(yyjson_mut_doc *doc, const struct image_score *score)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, object, "format", moa_image_format_name(score->facts.info.format));
    yyjson_mut_obj_add_uint(doc, object, "width", score->facts.info.width_px);
    yyjson_mut_obj_add_uint(doc, object, "height", score->facts.info.height_px);
    add_score(doc, object, "resolution", score->complexity.resolution);
    add_score(doc, object, "edge", score->complexity.edge);
    add_score(doc, object, "entropy", score->complexity.entropy);
    add_score(doc, object, "sharpness", score->complexity.sharpness);
    add_score(doc, object, "score", score->complexity.score);
    return object;
}

void perceive_send_all(struct moa_decision *d, enum moa_tier tier, enum moa_reason reason)
{
    d->plan = tier == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD;
    d->text = (struct moa_choice){tier, reason};
    for (size_t i = 0; i < d->n_images; i++)
        d->images[i] = (struct moa_choice){tier, reason};
}

bool perceive_is_split(const struct moa_decision *d)
{
    return d->plan == MOA_PLAN_PERCEIVE_CLOUD || d->plan == MOA_PLAN_PERCEIVE_EDGE;
}

void perceive_fuse(const struct config *config, struct moa_decision *d)
{
    if (config->split == SPLIT_FUSE && perceive_is_split(d))
        perceive_send_all(d, MOA_CLOUD, MOA_REASON_FIXED);
}

char *perceive_decision_json(const struct perceived *perceived, const struct image_score *scores,
                             const struct moa_state *state, const struct moa_decision *decision,
                             size_t *ret_n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "plan", moa_plan_name(decision->plan));

    yyjson_mut_val *choices = yyjson_mut_obj_add_obj(doc, root, "decision");
    yyjson_mut_obj_add_val(doc, choices, "text", choice_json(doc, &decision->text));
    yyjson_mut_val *image_choices = yyjson_mut_obj_add_arr(doc, choices, "images");
    yyjson_mut_val *all = yyjson_mut_obj_add_obj(doc, root, "scores");
    yyjson_mut_val *text = yyjson_mut_obj_add_obj(doc, all, "text");
    add_score(doc, text, "length", perceived->text.length);
    add_score(doc, text, "entity", perceived->text.entity);
    add_score(doc, text, "score", perceived->text.score);
    yyjson_mut_val *images = yyjson_mut_obj_add_arr(doc, all, "images");
    for (size_t i = 0; i < decision->n_images; i++) {
        yyjson_mut_arr_append(image_choices, choice_json(doc, &decision->images[i]));
        yyjson_mut_arr_append(images, image_json(doc, &scores[i]));
    }

    yyjson_mut_val *now = yyjson_mut_obj_add_obj(doc, root, "state");
    add_known(doc, now, "edge_load", state->edge_load);
    add_known(doc, now, "uplink_mbps", state->uplink_mbps);
    yyjson_mut_obj_add_bool(doc, now, "edge_up", state->edge_up);
    yyjson_mut_obj_add_bool(doc, now, "cloud_up", state->cloud_up);
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return json;
}
