/* SPDX-License-Identifier: Apache-2.0
 *
 * Chat to scores to request to decision JSON; see perceive.h.
 */
#include "perceive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define SMALL_LEAST_TOKENS 128 /* below about 320 x 320 px there is nothing to be saved */

int perceive_fail(struct http_error *error, const char *name, int status, const char *code,
                  const char *what)
{
    http_fail(error, status, code, "%s: %s.", name, what);
    return http_fail_at(error, "%s", name);
}

int perceive_decode(struct moa_bytes head, struct moa_bytes url, const char *name,
                    struct data_uri *ret_uri, struct http_error *ret_error)
{
    struct http_error why;
    if (data_uri_decode(url, ret_uri, &why) == 0)
        return 0;
    if (head.n > 0 && why.status == 400) /* not that it had to be a data URI: with its head it is */
        return perceive_fail(ret_error, name, 400, "invalid_base64", "it is not valid base64");
    return perceive_fail(ret_error, name, why.status, why.code, why.message);
}

/* ---- bytes to a score ---- */

int perceive_measure(struct moa_bytes file, const struct perceive_look *look, const char *name,
                     struct image_facts *ret_facts, struct moa_kept **ret_kept,
                     struct http_error *ret_error)
{
    const struct moa_image_options options = {.size = sizeof(options), .mode = look->mode};
    struct moa_image_limits limits;
    moa_image_limits_default(&limits);
    limits.max_px = look->max_px;
    struct image_facts facts = {.orientation = 1};
    struct moa_error why = {0};
    struct moa_kept *kept = NULL;
    enum moa_err err =
        look->target
            ? moa_recode_measure(file, &options, &limits, look->target, look->max_kept_bytes,
                                 &facts.info, &facts.features, &kept, &why)
            : moa_image_measure_with(file, &options, &limits, &facts.info, &facts.features, &why);
    if (err) {
        char what[160];
        const char *message = why.message ? why.message : moa_strerror(err);
        if (err == MOA_ERR_LIMIT && facts.info.width_px > 0)
            snprintf(what, sizeof(what), "%s (%u x %u; at most %llu pixels)", message,
                     facts.info.width_px, facts.info.height_px, (unsigned long long)look->max_px);
        else
            snprintf(what, sizeof(what), "%s", message);
        return perceive_fail(ret_error, name, http_status_of(err), http_code_of(err), what);
    }
    facts.orientation = moa_image_orientation(file, facts.info.format);
    *ret_facts = facts;
    *ret_kept = kept;
    return 0;
}

void perceive_image(const struct chat *chat, size_t i, const struct config *config,
                    enum moa_image_mode mode, struct image_score *ret_score)
{
    *ret_score = (struct image_score){0};
    const struct chat_data data = chat_part_data(chat, i);
    char name[sizeof(ret_score->error.param)];
    chat_part_name(chat, i, name, sizeof(name));
    const struct perceive_look look = {.mode = mode, .max_px = (uint64_t)config->max_image_px};
    struct moa_kept *none;
    struct data_uri uri;
    if (perceive_decode(data.head, data.bytes, name, &uri, &ret_score->error))
        return;
    if (perceive_measure((struct moa_bytes){uri.p, uri.n}, &look, name, &ret_score->facts, &none,
                         &ret_score->error) == 0)
        moa_image_complexity(&config->image, &ret_score->facts.features, &ret_score->complexity);
    free(uri.p);
}

void perceive_media(struct moa_bytes url, struct heard *ret_heard)
{
    struct data_uri uri;
    struct http_error why;
    *ret_heard = (struct heard){.media = {.format = MOA_MEDIA_UNKNOWN}};
    if (data_uri_is_remote(url) || data_uri_decode(url, &uri, &why))
        return; /* that is the engine's to say */
    const struct moa_bytes file = {uri.p, uri.n};
    moa_media_probe(file, &ret_heard->media);
    if (moa_sound_measure(file, &ret_heard->sound))
        ret_heard->sound = (struct moa_sound_features){.duration_s = ret_heard->media.duration_s};
    free(uri.p);
}

/* ---- request ---- */

static double share(double value, double reference)
{
    return value < reference ? value / reference : 1.0;
}

/* Engines make about 25 tokens of a second of sound, and of two frames of film what they make of a
 * picture, but not more than 768. */
static double tokens_of(const struct moa_modality *m, const struct moa_media *media)
{
    if (m->kind == MOA_AUDIO)
        return 25.0 * m->duration_s;
    const double frame = (double)moa_image_tokens(media->width_px, media->height_px);
    return m->kind == MOA_VIDEO ? m->duration_s * (frame > 768 ? 768 : frame) : 0;
}

static double sound_score(const struct heard *heard, uint64_t bytes, const struct config *config)
{
    struct moa_sound_features f = heard->sound;
    struct moa_sound_complexity c;
    if (f.bytes == 0)
        f.bytes = bytes;
    moa_sound_complexity(&config->sound, &f, &c);
    return c.score;
}

static double film_score(const struct heard *heard, uint64_t bytes, const struct config *config)
{
    struct moa_film_complexity c;
    moa_film_complexity(&config->film, &heard->media, bytes, &c);
    return c.score;
}

static void measure_media(struct moa_modality *m, const struct heard *heard,
                          const struct config *config)
{
    const uint64_t bytes = m->bytes - m->bytes / 4; /* of base64 */
    m->duration_s = heard->media.duration_s;
    m->tokens = tokens_of(m, &heard->media);
    m->complexity = m->kind == MOA_AUDIO   ? sound_score(heard, bytes, config)
                    : m->kind == MOA_VIDEO ? film_score(heard, bytes, config)
                                           : share((double)m->bytes, config->file_bytes);
}

static struct moa_modality modality_of(const struct chat_part *part,
                                       const struct image_score *score, const struct config *config)
{
    const struct moa_image_info *info = &score->facts.info;
    struct moa_modality m = {.kind = part->kind, .bytes = part->span.end - part->span.begin};
    if (part->kind == MOA_IMAGE) {
        m.complexity = score->complexity.score;
        m.tokens = (double)moa_image_tokens(info->width_px, info->height_px);
    } else {
        measure_media(&m, &score->heard, config);
    }
    return m;
}

static bool is_one_set(const struct chat *chat, const struct image_score *scores, size_t a,
                       size_t b)
{
    const struct moa_image_info *x = &scores[a].facts.info, *y = &scores[b].facts.info;
    return chat->parts[b].kind == MOA_IMAGE && x->width_px == y->width_px &&
           x->height_px == y->height_px;
}

/* Frames of one camera are of one size. Those of one message only: what a later turn brings would
 * change what the turns before it are, and an engine would read all of them again. */
static void count_sets(const struct chat *chat, const struct image_score *scores, unsigned *ret_n)
{
    size_t end = 0;
    for (size_t i = 0; i < chat->n_parts; i++) {
        const size_t begin = i;
        for (end = end > i ? end : i; end < chat->n_parts; end++) {
            if (chat->parts[end].message != chat->parts[i].message)
                break;
        }
        if (chat->parts[i].kind != MOA_IMAGE || scores[i].facts.info.width_px == 0 || ret_n[i])
            continue;
        unsigned n = 0;
        for (size_t k = begin; k < end; k++)
            n += is_one_set(chat, scores, i, k);
        for (size_t k = begin; k < end; k++)
            ret_n[k] = is_one_set(chat, scores, i, k) ? n : ret_n[k];
    }
}

int perceive_request(const struct chat *chat, const struct image_score *scores,
                     const struct config *config, struct perceived *ret_perceived)
{
    const size_t n = 1 + chat->n_parts;
    struct perceived p = {.modalities = calloc(n, sizeof(*p.modalities)),
                          .n_set = calloc(n, sizeof(*p.n_set)),
                          .decision = {.n = n, .choices = calloc(n, sizeof(*p.decision.choices))}};
    if (!p.modalities || !p.n_set || !p.decision.choices) {
        perceive_done(&p);
        return -1;
    }
    moa_text_complexity(&config->text, &chat->text_all, &chat->text_last_turn, &p.text);
    p.modalities[0] = (struct moa_modality){.kind = MOA_TEXT,
                                            .complexity = p.text.score,
                                            .bytes = chat->text_all.bytes,
                                            .tokens = chat->text_all.tokens};
    for (size_t i = 0; i < chat->n_parts; i++)
        p.modalities[1 + i] = modality_of(&chat->parts[i], &scores[i], config);
    count_sets(chat, scores, p.n_set + 1);
    for (size_t i = 0; i < n; i++)
        p.modalities[i].pinned = pins_has(chat->pins, p.modalities[i].kind);
    p.request =
        (struct moa_request){.n = n, .modalities = p.modalities, .pinned = chat->pins == PINS_ALL};
    *ret_perceived = p;
    return 0;
}

void perceive_done(struct perceived *perceived)
{
    free(perceived->modalities);
    free(perceived->n_set);
    free(perceived->decision.choices);
    *perceived = (struct perceived){0};
}

/* A thumbnail of 224 x 224 px: less than that shows nothing. */
#define SET_TOKENS_MIN 64

uint32_t perceive_most_tokens(const struct tier_config *tier, unsigned n_set)
{
    const uint32_t most = (uint32_t)tier->image_tokens;
    if (tier->image_set_tokens == 0 || n_set < 2)
        return most;
    uint32_t each = (uint32_t)tier->image_set_tokens / n_set;
    if (each < SET_TOKENS_MIN)
        each = SET_TOKENS_MIN;
    return most == 0 || each < most ? each : most;
}

double perceive_tokens_of(const struct perceived *perceived, size_t i,
                          const struct tier_config *tier)
{
    const struct moa_modality *m = &perceived->modalities[i];
    const double most = perceive_most_tokens(tier, perceived->n_set[i]);
    return m->kind == MOA_IMAGE && most > 0 && m->tokens > most ? most : m->tokens;
}

uint32_t perceive_small_tokens(const struct chat_part *part, const struct moa_image_info *info,
                               uint32_t most)
{
    uint32_t width_px, height_px;
    if (part->kind != MOA_IMAGE || part->is_low_detail || part->is_high_detail)
        return 0;
    moa_recode_size(info->width_px, info->height_px, most, &width_px, &height_px);
    const uint64_t tokens = moa_image_tokens(width_px, height_px);
    return tokens >= SMALL_LEAST_TOKENS ? (uint32_t)(tokens / 2) : 0;
}

void perceive_smaller(const struct chat *chat, const struct image_score *scores,
                      const struct tier_config *cloud, struct perceived *perceived)
{
    struct moa_question *q = &perceived->question;
    q->small_upload_bytes = q->upload_bytes;
    q->small_prompt_tokens = q->load[MOA_CLOUD].prompt_tokens;
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct chat_part *part = &chat->parts[i];
        const struct moa_image_info *info = &scores[i].facts.info;
        const uint32_t most = perceive_most_tokens(cloud, perceived->n_set[1 + i]);
        const double fewer = perceive_small_tokens(part, info, most);
        if (fewer <= 0)
            continue;
        const double came = (double)moa_image_tokens(info->width_px, info->height_px);
        q->has_small = true;
        q->small_upload_bytes -= fewer / came * (double)(part->span.end - part->span.begin);
        q->small_prompt_tokens -= fewer;
    }
    q->small_upload_bytes = fmax(q->small_upload_bytes, 0.0);
    q->small_prompt_tokens = fmax(q->small_prompt_tokens, 0.0);
}

double perceive_tokens(const struct perceived *perceived, const struct tier_config *tier)
{
    double tokens = 0;
    for (size_t i = 0; i < perceived->request.n; i++)
        tokens += perceive_tokens_of(perceived, i, tier);
    return tokens;
}

void perceive_limit(struct perceived *perceived, const struct probe_takes takes[2],
                    const struct config *config)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        for (size_t i = 0; i < perceived->request.n; i++) {
            struct moa_modality *m = &perceived->modalities[i];
            m->refused[tier] = !pins_has(takes[tier].kinds, m->kind);
        }
        if (takes[tier].context_tokens > 0)
            perceived->modalities[0].refused[tier] =
                perceive_tokens(perceived, &config->tier[tier]) >
                (double)takes[tier].context_tokens;
    }
}

int perceive_refuse(const struct chat *chat, const struct perceived *perceived,
                    struct http_error *ret_error)
{
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct moa_modality *m = &perceived->modalities[1 + i];
        const bool pinned = m->pinned || perceived->request.pinned;
        if (!m->refused[MOA_EDGE] || (!pinned && !m->refused[MOA_CLOUD]))
            continue;
        char name[sizeof(ret_error->param)], what[120];
        chat_part_name(chat, i, name, sizeof(name));
        snprintf(what, sizeof(what),
                 pinned ? "it is pinned to the edge, whose engine takes no %s"
                        : "no engine here takes a part of this kind (%s)",
                 moa_kind_name(m->kind));
        return perceive_fail(ret_error, name, 400, "unsupported_modality", what);
    }
    return 0;
}

/* ---- a part as text ---- */

/* Shown without a word of the text. */
static bool is_alone(const struct chat *chat, enum moa_tier tier)
{
    return tier != MOA_EDGE && pins_has(chat->pins, MOA_TEXT);
}

bool perceive_tells_question(const struct chat *chat, size_t i, const struct config *config)
{
    return !is_alone(chat, MOA_CLOUD) && chat->parts[i].question[0] &&
           strstr(config->perceive_prompt, "{question}");
}

bool perceive_question_leaves(const struct chat *chat, const struct moa_decision *d,
                              const struct config *config)
{
    for (size_t i = 0; i < chat->n_parts && d->plan == MOA_PLAN_PERCEIVE_CLOUD; i++) {
        if (d->choices[1 + i].tier == MOA_CLOUD && perceive_tells_question(chat, i, config))
            return true;
    }
    return false;
}

char *perceive_prompt(const struct chat *chat, size_t i, enum moa_tier tier,
                      const struct config *config)
{
    const bool alone = is_alone(chat, tier);
    const char *const names[] = {"question", "kind"};
    const char *const values[] = {alone ? "" : chat->parts[i].question,
                                  moa_kind_name(chat->parts[i].kind)};
    return chat_fill(alone ? config->perceive_prompt_alone : config->perceive_prompt, names, values,
                     2);
}

/* "Image" */
static void write_title(enum moa_kind kind, char *text, size_t n)
{
    snprintf(text, n, "%s", moa_kind_name(kind));
    text[0] = (char)(text[0] - 'a' + 'A');
}

char *perceive_evidence(const struct chat *chat, size_t i, const char *words,
                        const struct config *config)
{
    char number[24], title[16];
    size_t place = 1;
    for (size_t k = 0; k < i; k++)
        place += chat->parts[k].kind == chat->parts[i].kind;
    snprintf(number, sizeof(number), "%zu", place);
    write_title(chat->parts[i].kind, title, sizeof(title));
    const char *const names[] = {"index", "evidence", "Kind"};
    const char *const values[] = {number, words, title};
    return chat_fill(config->perceive_evidence, names, values, 3);
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

/* Of a picture that was not fetched nothing is known, and every figure is null. */
static yyjson_mut_val *image_json(yyjson_mut_doc *doc, const struct image_score *score)
{
    const struct moa_image_info *info = &score->facts.info;
    const struct moa_image_complexity *c = &score->complexity;
    const bool is_known = info->format != MOA_IMAGE_UNKNOWN;
    const struct {
        const char *name;
        double value;
    } scores[] = {{"resolution", c->resolution},
                  {"edge", c->edge},
                  {"entropy", c->entropy},
                  {"sharpness", c->sharpness},
                  {"score", c->score}};
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, object, "format", moa_image_format_name(info->format));
    yyjson_mut_obj_add_val(doc, object, "width",
                           is_known ? yyjson_mut_uint(doc, info->width_px) : yyjson_mut_null(doc));
    yyjson_mut_obj_add_val(doc, object, "height",
                           is_known ? yyjson_mut_uint(doc, info->height_px) : yyjson_mut_null(doc));
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++)
        add_known(doc, object, scores[i].name, is_known ? scores[i].value : NAN);
    if (is_known)
        yyjson_mut_obj_add_str(doc, object, "mode",
                               moa_image_mode_name(score->facts.features.mode));
    return object;
}

static void add_count(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint32_t count)
{
    if (count > 0)
        yyjson_mut_obj_add_uint(doc, object, key, count);
}

/* What is not known is left out. */
static yyjson_mut_val *media_json(yyjson_mut_doc *doc, const struct moa_modality *m,
                                  const struct heard *heard)
{
    const struct moa_media *media = &heard->media;
    const struct moa_sound_features *sound = &heard->sound;
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    if (media->format)
        yyjson_mut_obj_add_str(doc, object, "format", moa_media_format_name(media->format));
    yyjson_mut_obj_add_uint(doc, object, "bytes", m->bytes);
    if (m->duration_s > 0)
        add_score(doc, object, "duration_s", m->duration_s);
    add_count(doc, object, "sample_rate_hz", media->sample_rate_hz);
    add_count(doc, object, "width", media->width_px);
    add_count(doc, object, "height", media->height_px);
    if (sound->n_blocks > 0) {
        add_score(doc, object, "silence_share", sound->silence_share);
        add_score(doc, object, "level_dbfs", sound->level_dbfs);
        add_score(doc, object, "flatness_db", sound->flatness_db);
    }
    add_score(doc, object, "score", m->complexity);
    return object;
}

/* The list of a kind in `object`, made if it is not there. */
static yyjson_mut_val *add_list(yyjson_mut_doc *doc, yyjson_mut_val *object, enum moa_kind kind)
{
    static const char *const names[MOA_KINDS] = {NULL, "images", "audio", "video", "files"};
    yyjson_mut_val *list = yyjson_mut_obj_get(object, names[kind]);
    return list ? list : yyjson_mut_obj_add_arr(doc, object, names[kind]);
}

void perceive_send_all(struct moa_decision *d, enum moa_tier tier, enum moa_reason reason)
{
    d->plan = tier == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD;
    d->threshold = NAN;
    for (size_t i = 0; i < d->n; i++)
        d->choices[i] = (struct moa_choice){tier, reason};
}

bool perceive_is_split(const struct moa_decision *d)
{
    return d->plan == MOA_PLAN_PERCEIVE_CLOUD || d->plan == MOA_PLAN_PERCEIVE_EDGE;
}

/* What the policy `adaptive` went by. */
static yyjson_mut_val *routing_json(yyjson_mut_doc *doc, const struct moa_routing *r)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, object, "route", moa_route_name(r->route));
    yyjson_mut_obj_add_str(doc, object, "why", moa_why_name(r->why));
    yyjson_mut_obj_add_bool(doc, object, "audit", r->audit_of[0] || r->audit_of[1]);
    add_known(doc, object, "rate", r->rate);
    add_known(doc, object, "edge_ms", r->predicted_ms[MOA_EDGE]);
    add_known(doc, object, "cloud_ms", r->predicted_ms[MOA_CLOUD]);
    add_known(doc, object, "edge_first_cost_ms", r->cost_edge_first);
    add_known(doc, object, "cloud_cost_ms", r->cost_cloud);
    yyjson_mut_obj_add_bool(doc, object, "small", r->small);
    return object;
}

char *perceive_decision_json(const struct perceived *perceived, const struct image_score *scores,
                             const struct moa_state *state, size_t *ret_n)
{
    const struct moa_decision *decision = &perceived->decision;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "plan", moa_plan_name(decision->plan));
    if (decision->plan == MOA_PLAN_EDGE_FIRST)
        add_score(doc, root, "threshold", decision->threshold);
    if (decision->is_routed)
        yyjson_mut_obj_add_val(doc, root, "routing", routing_json(doc, &decision->routing));

    yyjson_mut_val *choices = yyjson_mut_obj_add_obj(doc, root, "decision");
    yyjson_mut_obj_add_val(doc, choices, "text", choice_json(doc, &decision->choices[0]));
    yyjson_mut_val *all = yyjson_mut_obj_add_obj(doc, root, "scores");
    yyjson_mut_val *text = yyjson_mut_obj_add_obj(doc, all, "text");
    add_score(doc, text, "length", perceived->text.length);
    add_score(doc, text, "entity", perceived->text.entity);
    add_score(doc, text, "score", perceived->text.score);
    add_list(doc, choices, MOA_IMAGE); /* also if there are none */
    add_list(doc, all, MOA_IMAGE);
    for (size_t i = 1; i < decision->n; i++) {
        const struct moa_modality *m = &perceived->modalities[i];
        yyjson_mut_arr_append(add_list(doc, choices, m->kind),
                              choice_json(doc, &decision->choices[i]));
        yyjson_mut_arr_append(add_list(doc, all, m->kind),
                              m->kind == MOA_IMAGE ? image_json(doc, &scores[i - 1])
                                                   : media_json(doc, m, &scores[i - 1].heard));
    }
    if (perceived->question_leaves) {
        yyjson_mut_val *question = yyjson_mut_obj_add_obj(doc, choices, "question");
        yyjson_mut_obj_add_str(doc, question, "tier", moa_tier_name(MOA_CLOUD));
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
