/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetch, score, re-encode; see images.h. The functions stand in this order. A job touches its
 * picture and nothing else; the loop does not touch what a job uses of the picture while a job has
 * it. A picture that is being worked on already, for this request or another, is not worked on
 * again: the second waits for what comes of the first.
 */
#include "images_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/recode.h>

#include "cache.h"
#include "fetch.h"
#include "gateway.h"
#include "server.h"
#include "worker.h"

struct images *images_new(struct gateway *gateway, const struct config *config,
                          const struct chat *chat, unsigned client, void *arg)
{
    struct images *images =
        calloc(1, sizeof(*images) + chat->n_parts * sizeof(images->pictures[0]));
    if (!images)
        return NULL;
    images->gateway = gateway;
    images->config = config;
    images->chat = chat;
    images->arg = arg;
    images->working.client = images->fetching.client = client % WORKER_CLIENTS;
    images->n = chat->n_parts;
    images->scores = calloc(images->n, sizeof(*images->scores));
    images->urls = calloc(images->n, sizeof(*images->urls));
    if (!images->scores || !images->urls) {
        images_free(images);
        return NULL;
    }
    for (size_t i = 0; i < images->n; i++) {
        images->pictures[i].images = images;
        chat_part_name(chat, i, images->pictures[i].name, NAME_BYTES);
    }
    return images;
}

void images_free(struct images *images)
{
    if (!images)
        return;
    assert(images->n_working == 0);
    images_release(images);
    for (size_t i = 0; i < images->n; i++) {
        images_drop_kept(&images->pictures[i]);
        free(images->pictures[i].remote);
        free(images->pictures[i].file);
    }
    free(images->scores);
    free(images->urls);
    free(images);
}

/* ---- under way ---- */

static void begin(struct images *images, images_done_fn *done)
{
    images->done = done;
    images->n_working = 1; /* of whoever begins, so that nothing ends too early */
}

/* One of the things under way has ended. After the last `images` may be gone. */
void images_end_one(struct images *images)
{
    if (--images->n_working > 0)
        return;
    const struct http_error *error = NULL;
    for (size_t i = 0; i < images->n && !error; i++) {
        if (images->pictures[i].error.status)
            error = &images->pictures[i].error;
    }
    images->done(images->arg, error);
}

void images_submit(struct picture *p, void (*run)(struct worker_job *),
                   void (*done)(struct worker_job *))
{
    struct images *images = p->images;
    p->job = (struct worker_job){.run = run, .done = done};
    images->n_working++;
    worker_submit(images->gateway->workers, &images->working, &p->job);
}

struct picture *images_picture_of(struct worker_job *job)
{
    return (struct picture *)job;
}

bool images_is_cancelled(struct picture *p)
{
    if (!atomic_load(&p->images->cancelled))
        return false;
    perceive_fail(&p->error, p->name, 503, "cancelled", "nobody waits for it any more");
    return true;
}

/* ---- the same picture more than once at the same time ---- */

/* If the same is being made of the same content already, `p` waits for it. */
static bool join(struct picture *p, enum metrics_cache what, uint64_t variant)
{
    struct gateway *g = p->images->gateway;
    struct picture *other;
    p->key.variant = variant;
    LIST_FOREACH(other, &g->pictures, leading)
    {
        if (other->images->config == p->images->config &&
            memcmp(&other->key, &p->key, sizeof(p->key)) == 0)
            break;
    }
    if (!other)
        return false;
    p->next_waiter = other->waiters;
    other->waiters = p;
    p->images->n_working++;
    g->metrics.cache_lookups_total[what][METRICS_LOOKUP_HIT]++;
    return true;
}

static void lead(struct picture *p)
{
    p->leads = true;
    LIST_INSERT_HEAD(&p->images->gateway->pictures, p, leading);
}

/* Returns who has waited. */
static struct picture *end_lead(struct picture *p)
{
    struct picture *waiters = p->waiters;
    if (p->leads)
        LIST_REMOVE(p, leading);
    p->leads = false;
    p->waiters = NULL;
    return waiters;
}

static bool was_cancelled(const struct picture *p)
{
    return p->error.status && strcmp(p->error.code, "cancelled") == 0;
}

/* The same fault, under the name of the picture that waited. */
static void take_error(struct picture *p, const struct picture *from)
{
    const size_t n = strlen(from->name);
    const char *what = from->error.message;
    p->error = from->error;
    if (strncmp(what, from->name, n) == 0)
        snprintf(p->error.message, sizeof(p->error.message), "%s%s", p->name, what + n);
    http_fail_at(&p->error, "%s", p->name);
}

/* ---- the cache ---- */

/* Looks for what was made of the picture before. */
struct cache_value *images_recall(struct picture *p, enum metrics_cache what, uint64_t variant)
{
    struct gateway *g = p->images->gateway;
    p->key.variant = variant;
    struct cache_value *value = cache_get(g->cache, &p->key);
    g->metrics.cache_lookups_total[what][value ? METRICS_LOOKUP_HIT : METRICS_LOOKUP_MISS]++;
    return value;
}

void images_remember(struct picture *p, uint64_t variant, struct cache_value *value)
{
    struct gateway *g = p->images->gateway;
    p->key.variant = variant;
    cache_put(g->cache, &p->key, value);
}

/* ---- 1. fetch, on threads that may wait ---- */

static void run_fetch(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    const struct config *config = p->images->config;
    struct fetch_options options = {
        .allow = &config->fetch_allowed,
        .max_bytes = (size_t)config->fetch_max_bytes,
        .timeout_ms = (p->deadline_us - server_now_us()) / 1000,
        .max_redirects = (long)config->fetch_max_redirects,
    };
    struct http_error why;
    if (images_is_cancelled(p))
        return;
    if (options.timeout_ms <= 0)
        perceive_fail(&p->error, p->name, 503, "image_fetch_failed",
                      "too many remote images are being fetched");
    else if (fetch_get(p->remote, &options, &p->images->cancelled, &p->file, &p->file_n, &why))
        perceive_fail(&p->error, p->name, why.status, why.code, why.message);
}

static void score(struct picture *p);

static void on_fetched(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    struct metrics *m = &p->images->gateway->metrics;
    m->image_fetches_total[!p->error.status ? METRICS_FETCH_OK
                           : strcmp(p->error.code, "image_url_forbidden") == 0
                               ? METRICS_FETCH_REFUSED
                               : METRICS_FETCH_FAILED]++;
    m->image_fetched_bytes_total += p->file_n;
    if (!p->error.status) {
        p->key = cache_key_of(p->images->gateway->cache, (struct moa_bytes){p->file, p->file_n});
        p->key.space = SPACE_FILES;
        score(p);
    }
    images_end_one(p->images);
}

/* ---- 2. score ---- */

/* The media type is what the bytes are, whatever was said of them. */
static const char *mime_of(const struct image_facts *facts)
{
    return moa_image_format_mime(facts->info.format);
}

/* A fetched file is turned into a data URI at the same time: both tiers get the same bytes. */
static void wrap(struct picture *p)
{
    size_t n;
    char *uri = data_uri_encode((struct moa_bytes){p->file, p->file_n}, mime_of(&p->facts), &n);
    p->fetched = uri ? cache_value_new(uri, n) : NULL;
    free(p->file);
    p->file = NULL;
    if (p->fetched)
        p->url = (struct moa_bytes){uri, n};
    else
        perceive_fail(&p->error, p->name, 503, "out_of_memory", "out of memory");
}

/* A picture costs the request of its pixels and the workers of their memory, before it is decoded.
 * What is wrong with its header is not said here. */
static int pay(struct picture *p, struct moa_bytes file)
{
    const struct config *config = p->images->config;
    struct moa_image_header header;
    if (moa_image_header(file, &header, NULL))
        return 0;
    const uint64_t px = (uint64_t)header.info.width_px * header.info.height_px;
    if (px > (uint64_t)config->max_image_px)
        return 0;
    if (atomic_fetch_add(&p->images->px, px) + px > (uint64_t)config->max_request_px) {
        char what[96];
        snprintf(what, sizeof(what), "the request's images have more than %lld pixels in all",
                 (long long)config->max_request_px);
        return perceive_fail(&p->error, p->name, 413, "too_many_pixels", what);
    }
    worker_hold(&p->job, header.decode_bytes + images_kept_room(p, &header.info));
    return 0;
}

static int measure(struct picture *p, struct moa_bytes file)
{
    if (pay(p, file))
        return -1;
    const struct perceive_look look = {
        .mode = p->images->mode,
        .max_px = (uint64_t)p->images->config->max_image_px,
        .target = p->max_kept_bytes > 0 ? &p->keep_for : NULL,
        .max_kept_bytes = p->max_kept_bytes,
    };
    return perceive_measure(file, &look, p->name, &p->facts, &p->kept, &p->error);
}

static void score_uri(struct picture *p)
{
    struct data_uri uri;
    if (perceive_decode(p->head, p->url, p->name, &uri, &p->error))
        return;
    if (measure(p, (struct moa_bytes){uri.p, uri.n}) == 0) {
        const struct moa_bytes spelling = p->head.n > 0 ? p->head : p->url;
        p->facts.is_respelt = !data_uri_is_canonical(&uri, spelling, mime_of(&p->facts));
    }
    free(uri.p);
}

static void run_score(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    if (images_is_cancelled(p))
        return;
    if (!p->file)
        score_uri(p);
    else if (p->is_known || measure(p, (struct moa_bytes){p->file, p->file_n}) == 0)
        wrap(p);
}

/* The same picture is the same to each policy, whatever another one has asked before. */
static uint64_t variant_of_score(const struct picture *p)
{
    return p->images->mode == MOA_IMAGE_FAST ? VARIANT_FAST : 0;
}

static void keep_score(struct picture *p)
{
    struct images *images = p->images;
    struct image_score *to = &images->scores[p - images->pictures];
    to->facts = p->facts;
    moa_image_complexity(&images->config->image, &p->facts.features, &to->complexity);
}

/* `p` has waited for `from`, which is scored or has failed. */
static void take_score(struct picture *p, const struct picture *from)
{
    if (from->error.status) {
        take_error(p, from);
    } else {
        p->facts = from->facts;
        p->is_known = true;
        keep_score(p);
    }
}

/* Who has waited goes on when whoever was waited for has: that one may have kept pixels of the
 * picture, and so is to lead when it is re-encoded. If its client has left, it is scored again. */
static void end_scoring(struct picture *p, struct picture *waiter)
{
    const bool again = was_cancelled(p);
    for (struct picture *w = waiter; w && !again; w = w->next_waiter)
        take_score(w, p);
    images_end_one(p->images); /* of which nothing is there any more, perhaps */
    for (struct picture *next; waiter; waiter = next) {
        next = waiter->next_waiter;
        if (again)
            score(waiter);
        images_end_one(waiter->images);
    }
}

static void on_scored(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    struct picture *waiter = end_lead(p);
    images_pay_kept(p);
    if (!p->error.status) {
        keep_score(p);
        struct image_facts *copy = p->is_known ? NULL : malloc(sizeof(*copy));
        if (copy) {
            *copy = p->facts;
            struct cache_value *value = cache_value_new(copy, sizeof(*copy));
            if (value)
                images_remember(p, variant_of_score(p), value);
            cache_value_drop(value);
        }
    }
    end_scoring(p, waiter);
}

/* From the cache, from the same picture beside it, or on a worker. */
static void score(struct picture *p)
{
    const uint64_t variant = variant_of_score(p);
    if (!p->file && join(p, METRICS_CACHE_SCORE, variant))
        return;
    struct cache_value *known = images_recall(p, METRICS_CACHE_SCORE, variant);
    if (known) {
        memcpy(&p->facts, known->p, sizeof(p->facts));
        cache_value_drop(known);
        /* A limit may have been lowered since. */
        p->is_known = (uint64_t)p->facts.info.width_px * p->facts.info.height_px <=
                      (uint64_t)p->images->config->max_image_px;
    }
    if (p->is_known && !p->file)
        keep_score(p);
    else {
        if (!p->file)
            lead(p);
        if (!p->is_known)
            images_plan_kept(p);
        images_submit(p, run_score, on_scored);
    }
}

#define LEAVES "it is pinned to the edge, and fetching it would leave the device; send a data URI"

static int allow_fetch(struct picture *p)
{
    if (!p->images->config->fetch_enabled)
        return perceive_fail(&p->error, p->name, 400, "image_url_forbidden",
                             "remote images are not fetched here (fetch.enabled is false); send a "
                             "data URI");
    if (pins_has(p->images->chat->pins, MOA_IMAGE))
        return perceive_fail(&p->error, p->name, 400, "image_url_forbidden", LEAVES);
    p->remote = chat_part_url(p->images->chat, (size_t)(p - p->images->pictures));
    if (!p->remote)
        return perceive_fail(&p->error, p->name, 503, "out_of_memory", "out of memory");
    return 0;
}

static void perceive_image_part(struct picture *p)
{
    struct images *images = p->images;
    if (!data_uri_is_remote(p->url)) {
        p->key = cache_key_of_both(images->gateway->cache, p->head, p->url);
        score(p);
        return;
    }
    if (allow_fetch(p)) {
        images->gateway->metrics.image_fetches_total[METRICS_FETCH_REFUSED]++;
        return;
    }
    if (images->dry_run) { /* nothing goes out: what nobody has seen counts as complex */
        images->scores[p - images->pictures].complexity = (struct moa_image_complexity){.score = 1};
        return;
    }
    p->deadline_us = server_now_us() + images->config->fetch_timeout_ms * 1000;
    p->job = (struct worker_job){.run = run_fetch, .done = on_fetched};
    images->n_working++;
    worker_submit(images->gateway->fetchers, &images->fetching, &p->job);
}

static void perceive_one(struct picture *p)
{
    const struct chat *chat = p->images->chat;
    const size_t i = (size_t)(p - p->images->pictures);
    const struct chat_part *part = &chat->parts[i];
    if (!part->has_data)
        return;
    const struct chat_data data = chat_part_data(chat, i);
    p->head = data.head;
    p->url = data.bytes;
    if (part->kind == MOA_IMAGE)
        perceive_image_part(p);
    else if (data_uri_is_remote(p->url) && pins_has(chat->pins, part->kind))
        perceive_fail(&p->error, p->name, 400, "url_forbidden", LEAVES);
    else if (part->kind != MOA_FILE && !data_uri_is_remote(p->url))
        images_look_at_media(p);
}

void images_perceive(struct images *images, enum moa_image_mode mode, bool dry_run,
                     images_done_fn *done)
{
    images->mode = mode;
    images->dry_run = dry_run;
    begin(images, done);
    for (size_t i = 0; i < images->n; i++)
        perceive_one(&images->pictures[i]);
    images_end_one(images);
}

const struct image_score *images_scores(const struct images *images)
{
    return images->scores;
}

/* ---- 3. prepare for a tier ---- */

/* A client that asks for little detail means what OpenAI's API does: 512 x 512 px. */
#define LOW_DETAIL_TOKENS 361

struct moa_recode_target images_target_of(const struct picture *p)
{
    const struct images *images = p->images;
    const struct tier_config *tier = &images->config->tier[p->tier];
    const struct chat_part *part = &images->chat->parts[p - images->pictures];
    struct moa_recode_target target = tier->image_target;
    target.max_tokens = perceive_most_tokens(tier, p->n_set);
    const uint32_t small =
        p->is_small ? perceive_small_tokens(part, &p->facts.info, target.max_tokens) : 0;
    if (part->is_low_detail && target.max_tokens > LOW_DETAIL_TOKENS)
        target.max_tokens = LOW_DETAIL_TOKENS;
    else if (small > 0)
        target.max_tokens = small;
    return target;
}

/* The target in a number: equal for targets that make the same of an image, and neither 0 nor
 * VARIANT_SPELT. */
static uint64_t variant_of_target(const struct moa_recode_target *target)
{
    return (uint64_t)1 << 63 | (uint64_t)target->flatten << 62 |
           (uint64_t)target->max_tokens << 24 | (uint64_t)(target->formats & 0xff) << 16 |
           (uint64_t)(target->min_side_px & 0xff) << 8 | (uint64_t)target->upright << 7 |
           (uint64_t)(target->jpeg_quality & 0x7f);
}

/* What is to be made of the picture for its tier, as the cache has it; 0: nothing. */
static uint64_t variant_of(const struct picture *p)
{
    const struct moa_recode_target target = images_target_of(p);
    if (moa_recode_needed(&p->facts.info, p->facts.orientation, p->facts.features.notes, &target))
        return variant_of_target(&target);
    return p->facts.is_respelt ? VARIANT_SPELT : 0;
}

static void take_recoded(struct picture *p, struct cache_value *value)
{
    struct metrics *m = &p->images->gateway->metrics;
    p->recoded = value;
    if (p->key.variant == VARIANT_SPELT)
        return;
    m->images_recoded_total[p->tier]++;
    m->images_recoded_came_bytes_total[p->tier] += p->url.n;
    m->images_recoded_went_bytes_total[p->tier] += value->n;
}

static enum moa_err spell(struct picture *p, struct moa_bytes file, const char *mime,
                          struct moa_error *ret_why)
{
    p->made = data_uri_encode(file, mime, &p->made_n);
    if (p->made)
        return MOA_OK;
    *ret_why = (struct moa_error){.code = MOA_ERR_MEMORY, .message = "out of memory"};
    return MOA_ERR_MEMORY;
}

static enum moa_err spell_recoded(struct picture *p, struct moa_recoded *made,
                                  struct moa_error *ret_why)
{
    const struct moa_bytes file = {made->p, made->n};
    const enum moa_err err = spell(p, file, moa_image_format_mime(made->format), ret_why);
    free(made->p);
    return err;
}

/* What the decoder takes, and the pixels that it makes. */
static void hold(struct picture *p, struct moa_bytes file, const struct moa_recode_target *target)
{
    struct moa_image_header header;
    if (moa_image_header(file, &header, NULL) == 0)
        worker_hold(&p->job, header.decode_bytes + images_pixel_bytes(&header.info, target));
}

static enum moa_err recode(struct picture *p, struct moa_bytes file, struct moa_error *ret_why)
{
    struct moa_recoded made;
    const struct moa_recode_target target = images_target_of(p);
    hold(p, file, &target);
    enum moa_err err =
        moa_recode(file, &p->facts.info, p->facts.orientation, &target, &made, ret_why);
    return err ? err : spell_recoded(p, &made, ret_why);
}

/* By the pixels of the decoding that scored it. */
static enum moa_err recode_kept(struct picture *p, struct moa_error *ret_why)
{
    struct moa_recoded made;
    const struct moa_recode_target target = images_target_of(p);
    struct moa_kept *kept = p->kept;
    p->kept = NULL;
    p->was_kept = true;
    enum moa_err err = moa_recode_kept(kept, &target, &made, ret_why);
    return err ? err : spell_recoded(p, &made, ret_why);
}

static enum moa_err recode_uri(struct picture *p, const struct data_uri *uri,
                               struct moa_error *ret_why)
{
    const struct moa_bytes file = {uri->p, uri->n};
    return p->key.variant == VARIANT_SPELT ? spell(p, file, mime_of(&p->facts), ret_why)
                                           : recode(p, file, ret_why);
}

static void run_recode(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    const struct moa_recode_target target = images_target_of(p);
    struct data_uri uri = {.p = NULL};
    struct moa_error why;
    enum moa_err err;
    if (images_is_cancelled(p))
        return;
    if (p->key.variant != VARIANT_SPELT && moa_kept_suits(p->kept, &target))
        err = recode_kept(p, &why);
    else if (perceive_decode(p->head, p->url, p->name, &uri, &p->error))
        return;
    else
        err = recode_uri(p, &uri, &why);
    if (err)
        perceive_fail(&p->error, p->name, http_status_of(err), http_code_of(err), why.message);
    free(uri.p);
}

static void prepare_one(struct picture *p, enum moa_tier tier, bool small);

static void take_other(struct picture *p, const struct picture *from)
{
    if (was_cancelled(from))
        prepare_one(p, p->tier, p->is_small);
    else if (from->error.status)
        take_error(p, from);
    else
        take_recoded(p, cache_value_share(from->recoded));
    images_end_one(p->images);
}

static void on_recoded(struct worker_job *job)
{
    struct picture *p = images_picture_of(job);
    struct picture *waiter = end_lead(p);
    images_drop_kept(p);
    p->images->gateway->metrics.images_decoded_once_total += p->was_kept;
    p->was_kept = false;
    if (!p->error.status) {
        struct cache_value *value = cache_value_new(p->made, p->made_n);
        p->made = NULL;
        if (value) {
            images_remember(p, p->key.variant, value);
            take_recoded(p, value);
        } else {
            perceive_fail(&p->error, p->name, 503, "out_of_memory", "out of memory");
        }
    }
    for (struct picture *next; waiter; waiter = next) {
        next = waiter->next_waiter;
        take_other(waiter, p);
    }
    images_end_one(p->images);
}

static void prepare_one(struct picture *p, enum moa_tier tier, bool small)
{
    cache_value_drop(p->recoded);
    p->recoded = NULL;
    p->tier = tier;
    p->is_small = small && tier == MOA_CLOUD;
    const uint64_t variant = variant_of(p);
    if (!variant || join(p, METRICS_CACHE_RECODED, variant)) {
        images_drop_kept(p);
        return;
    }
    struct cache_value *value = images_recall(p, METRICS_CACHE_RECODED, variant);
    if (value) {
        images_drop_kept(p);
        take_recoded(p, value);
        return;
    }
    lead(p);
    images_submit(p, run_recode, on_recoded);
}

void images_prepare(struct images *images, const struct perceived *perceived, images_done_fn *done)
{
    begin(images, done);
    for (size_t i = 0; i < images->n; i++) {
        if (images->chat->parts[i].kind != MOA_IMAGE)
            continue;
        if (!images->was_prepared)
            images->gateway->pictures_tier = perceived->decision.choices[1 + i].tier;
        images->pictures[i].n_set = perceived->n_set[1 + i];
        prepare_one(&images->pictures[i], perceived->decision.choices[1 + i].tier,
                    perceived->decision.routing.small);
    }
    images->was_prepared = true;
    images_end_one(images);
}

const struct moa_bytes *images_urls(const struct images *images)
{
    for (size_t i = 0; i < images->n; i++) {
        const struct picture *p = &images->pictures[i];
        const struct cache_value *value = p->recoded ? p->recoded : p->fetched;
        images->urls[i] = value ? (struct moa_bytes){value->p, value->n} : (struct moa_bytes){0};
    }
    return images->urls;
}

/* ---- 4. over ---- */

void images_cancel(struct images *images)
{
    atomic_store(&images->cancelled, true);
}

bool images_busy(const struct images *images)
{
    return images->n_working > 0;
}

void images_release(struct images *images)
{
    for (size_t i = 0; i < images->n; i++) {
        cache_value_drop(images->pictures[i].recoded);
        cache_value_drop(images->pictures[i].fetched);
        images->pictures[i].recoded = images->pictures[i].fetched = NULL;
    }
}
