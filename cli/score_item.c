/* SPDX-License-Identifier: Apache-2.0
 *
 * Scoring one item and writing its line; see score_item.h.
 */
#include "score_item.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include <moaoff/moaoff.h>

#include "input.h"

static const char out_of_memory[] = "out of memory";

const char *item_heading(enum item_kind kind, const struct item_options *options)
{
    if (kind == ITEM_IMAGE && options->header_only)
        return "  bpp  bpp-n  quant    res   width  height format  image";
    if (kind == ITEM_IMAGE)
        return "score    res   edge    ent  sharp   width  height format  image";
    if (kind == ITEM_SOUND)
        return "score    len    lev    act   flat   rate   seconds   rate  format  sound";
    if (kind == ITEM_FILM)
        return "score    len  frame   seconds   width  height format  film";
    return "score    len    ent     tokens sentences entities  text";
}

static struct item_result failed(const char *why)
{
    return (struct item_result){.failure = why};
}

__attribute__((format(printf, 1, 2))) static struct item_result row(const char *format, ...)
{
    char *line;
    va_list arguments;
    va_start(arguments, format);
    const int n = vasprintf(&line, format, arguments);
    va_end(arguments);
    return n < 0 ? failed(out_of_memory) : (struct item_result){.line = line};
}

/* A name on the terminal: control characters could rewrite the screen. */
static char *printable(const char *name)
{
    char *copy = strdup(name);
    for (char *c = copy; c && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return copy;
}

/* Serialises and frees `doc`. Fails only when memory ran out while it was built or written. */
static struct item_result object(yyjson_mut_doc *doc, bool ok)
{
    char *line = ok ? yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    return line ? (struct item_result){.line = line} : failed(out_of_memory);
}

/* "notes": ["truncated"], if there are any. */
static bool add_notes(yyjson_mut_doc *doc, yyjson_mut_val *features, uint32_t notes)
{
    if (!notes)
        return true;
    yyjson_mut_val *names = yyjson_mut_obj_add_arr(doc, features, "notes");
    bool ok = names != NULL;
    for (uint32_t note = 1; ok && note <= notes; note <<= 1) {
        if (notes & note)
            ok = yyjson_mut_arr_add_str(doc, names, moa_image_note_name((enum moa_image_note)note));
    }
    return ok;
}

static struct item_result image_json(const char *path, const struct moa_image_info *info,
                                     const struct moa_image_features *f,
                                     const struct moa_image_complexity *c)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return failed(out_of_memory);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    bool ok = yyjson_mut_obj_add_str(doc, root, "path", path) &&
              yyjson_mut_obj_add_uint(doc, root, "width", info->width_px) &&
              yyjson_mut_obj_add_uint(doc, root, "height", info->height_px) &&
              yyjson_mut_obj_add_str(doc, root, "format", moa_image_format_name(info->format));
    yyjson_mut_val *features = yyjson_mut_obj_add_obj(doc, root, "features");
    ok =
        ok && yyjson_mut_obj_add_real(doc, features, "gradient_mean", f->gradient_mean) &&
        yyjson_mut_obj_add_real(doc, features, "gradient_p5", f->gradient_p5) &&
        yyjson_mut_obj_add_real(doc, features, "gradient_p95", f->gradient_p95) &&
        yyjson_mut_obj_add_real(doc, features, "entropy_nats", f->entropy_nats) &&
        yyjson_mut_obj_add_real(doc, features, "laplacian_variance", f->laplacian_variance) &&
        yyjson_mut_obj_add_real(doc, features, "edge_fraction", f->edge_fraction) &&
        yyjson_mut_obj_add_real(doc, features, "bits_per_pixel", f->bits_per_pixel) &&
        yyjson_mut_obj_add_real(doc, features, "bits_per_pixel_normal", f->bits_per_pixel_normal) &&
        (f->mode == MOA_IMAGE_EXACT ||
         yyjson_mut_obj_add_str(doc, features, "mode", moa_image_mode_name(f->mode))) &&
        add_notes(doc, features, f->notes);
    yyjson_mut_val *complexity = yyjson_mut_obj_add_obj(doc, root, "complexity");
    ok = ok && yyjson_mut_obj_add_real(doc, complexity, "resolution", c->resolution) &&
         yyjson_mut_obj_add_real(doc, complexity, "edge", c->edge) &&
         yyjson_mut_obj_add_real(doc, complexity, "entropy", c->entropy) &&
         yyjson_mut_obj_add_real(doc, complexity, "sharpness", c->sharpness) &&
         yyjson_mut_obj_add_real(doc, complexity, "score", c->score);
    return object(doc, ok);
}

static struct item_result image_row(const char *path, const struct moa_image_info *info,
                                    const struct moa_image_complexity *c)
{
    char *name = printable(path);
    if (!name)
        return failed(out_of_memory);
    struct item_result result =
        row("%.3f  %.3f  %.3f  %.3f  %.3f %7u %7u %-6s  %s", c->score, c->resolution, c->edge,
            c->entropy, c->sharpness, info->width_px, info->height_px,
            moa_image_format_name(info->format), name);
    free(name);
    return result;
}

static struct item_result header_json(const char *path, const struct moa_image_header *h,
                                      double resolution)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return failed(out_of_memory);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    bool ok = yyjson_mut_obj_add_str(doc, root, "path", path) &&
              yyjson_mut_obj_add_uint(doc, root, "width", h->info.width_px) &&
              yyjson_mut_obj_add_uint(doc, root, "height", h->info.height_px) &&
              yyjson_mut_obj_add_str(doc, root, "format", moa_image_format_name(h->info.format));
    yyjson_mut_val *features = yyjson_mut_obj_add_obj(doc, root, "features");
    ok =
        ok && yyjson_mut_obj_add_real(doc, features, "bits_per_pixel", h->bits_per_pixel) &&
        yyjson_mut_obj_add_real(doc, features, "bits_per_pixel_normal", h->bits_per_pixel_normal) &&
        yyjson_mut_obj_add_real(doc, features, "quantiser", h->quantiser);
    yyjson_mut_val *complexity = yyjson_mut_obj_add_obj(doc, root, "complexity");
    ok = ok && yyjson_mut_obj_add_real(doc, complexity, "resolution", resolution);
    return object(doc, ok);
}

static struct item_result score_header(const char *path, struct moa_bytes file, bool json)
{
    struct moa_image_header h;
    struct moa_error error;
    if (moa_image_header(file, &h, &error))
        return failed(error.message);
    const struct moa_image_features features = {
        .width_px = h.info.width_px,
        .height_px = h.info.height_px,
    };
    struct moa_image_complexity complexity;
    moa_image_complexity(NULL, &features, &complexity);
    if (json)
        return header_json(path, &h, complexity.resolution);
    char *name = printable(path);
    if (!name)
        return failed(out_of_memory);
    struct item_result result =
        row("%5.2f  %5.2f  %5.1f  %.3f %7u %7u %-6s  %s", h.bits_per_pixel, h.bits_per_pixel_normal,
            h.quantiser, complexity.resolution, h.info.width_px, h.info.height_px,
            moa_image_format_name(h.info.format), name);
    free(name);
    return result;
}

/* ---- sounds and films ---- */

static yyjson_mut_doc *media_begin(const char *path, const struct moa_media *media)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "path", path);
    yyjson_mut_obj_add_str(doc, root, "format", moa_media_format_name(media->format));
    yyjson_mut_obj_add_real(doc, root, "duration_s", media->duration_s);
    yyjson_mut_obj_add_uint(doc, root, "sample_rate_hz", media->sample_rate_hz);
    yyjson_mut_obj_add_uint(doc, root, "channels", media->n_channels);
    return doc;
}

static struct item_result sound_json(const char *path, const struct moa_media *media,
                                     const struct moa_sound_features *f,
                                     const struct moa_sound_complexity *c)
{
    yyjson_mut_doc *doc = media_begin(path, media);
    if (!doc)
        return failed(out_of_memory);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_val *features = yyjson_mut_obj_add_obj(doc, root, "features");
    bool ok = yyjson_mut_obj_add_uint(doc, features, "blocks", f->n_blocks);
    if (f->n_blocks > 0)
        ok = ok && yyjson_mut_obj_add_real(doc, features, "silence_share", f->silence_share) &&
             yyjson_mut_obj_add_real(doc, features, "level_dbfs", f->level_dbfs) &&
             yyjson_mut_obj_add_real(doc, features, "flatness_db", f->flatness_db);
    yyjson_mut_val *complexity = yyjson_mut_obj_add_obj(doc, root, "complexity");
    ok = ok && yyjson_mut_obj_add_real(doc, complexity, "length", c->length) &&
         yyjson_mut_obj_add_real(doc, complexity, "level", c->level) &&
         yyjson_mut_obj_add_real(doc, complexity, "activity", c->activity) &&
         yyjson_mut_obj_add_real(doc, complexity, "flatness", c->flatness) &&
         yyjson_mut_obj_add_real(doc, complexity, "rate", c->rate) &&
         yyjson_mut_obj_add_real(doc, complexity, "score", c->score);
    return object(doc, ok);
}

static struct item_result score_sound(const char *path, struct moa_bytes file,
                                      const struct moa_media *media, bool json)
{
    struct moa_sound_features f;
    struct moa_sound_complexity c;
    const enum moa_err err = moa_sound_measure(file, &f);
    if (err)
        return failed(moa_strerror(err));
    moa_sound_complexity(NULL, &f, &c);
    char *name = json ? NULL : printable(path);
    struct item_result result =
        json    ? sound_json(path, media, &f, &c)
        : !name ? failed(out_of_memory)
                : row("%.3f  %.3f  %.3f  %.3f  %.3f  %.3f %9.2f %6u  %-6s  %s", c.score, c.length,
                      c.level, c.activity, c.flatness, c.rate, media->duration_s,
                      media->sample_rate_hz, moa_media_format_name(media->format), name);
    free(name);
    result.kind = ITEM_SOUND;
    return result;
}

static struct item_result film_json(const char *path, const struct moa_media *media,
                                    const struct moa_film_complexity *c)
{
    yyjson_mut_doc *doc = media_begin(path, media);
    if (!doc)
        return failed(out_of_memory);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    bool ok = yyjson_mut_obj_add_uint(doc, root, "width", media->width_px) &&
              yyjson_mut_obj_add_uint(doc, root, "height", media->height_px);
    yyjson_mut_val *complexity = yyjson_mut_obj_add_obj(doc, root, "complexity");
    ok = ok && yyjson_mut_obj_add_real(doc, complexity, "length", c->length) &&
         yyjson_mut_obj_add_real(doc, complexity, "frame", c->frame) &&
         yyjson_mut_obj_add_real(doc, complexity, "score", c->score);
    return object(doc, ok);
}

static struct item_result score_film(const char *path, struct moa_bytes file,
                                     const struct moa_media *media, bool json)
{
    struct moa_film_complexity c;
    moa_film_complexity(NULL, media, file.n, &c);
    char *name = json ? NULL : printable(path);
    struct item_result result =
        json    ? film_json(path, media, &c)
        : !name ? failed(out_of_memory)
                : row("%.3f  %.3f  %.3f %9.2f %7u %7u %-6s  %s", c.score, c.length, c.frame,
                      media->duration_s, media->width_px, media->height_px,
                      moa_media_format_name(media->format), name);
    free(name);
    result.kind = ITEM_FILM;
    return result;
}

/* What is no picture. */
static struct item_result score_media(const char *path, struct moa_bytes file, const char *why,
                                      bool json)
{
    struct moa_media media;
    moa_media_probe(file, &media);
    if (!media.format || !(media.duration_s > 0 || media.width_px > 0))
        return failed(why);
    return media.width_px > 0 ? score_film(path, file, &media, json)
                              : score_sound(path, file, &media, json);
}

static struct item_result score_image(const char *path, struct moa_bytes file,
                                      const struct item_options *options)
{
    const struct moa_image_options image_options = {
        .mode = options->fast ? MOA_IMAGE_FAST : MOA_IMAGE_EXACT,
    };
    struct moa_image_info info;
    struct moa_image_features features;
    struct moa_image_complexity complexity;
    struct moa_error error;
    if (options->header_only)
        return score_header(path, file, options->json);
    const enum moa_err err =
        moa_image_measure_with(file, &image_options, NULL, &info, &features, &error);
    if (err == MOA_ERR_FORMAT)
        return score_media(path, file, error.message, options->json);
    if (err)
        return failed(error.message);
    moa_image_complexity(NULL, &features, &complexity);
    return options->json ? image_json(path, &info, &features, &complexity)
                         : image_row(path, &info, &complexity);
}

static struct item_result text_json(const char *path, const struct moa_text_features *f,
                                    const struct moa_text_complexity *c)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return failed(out_of_memory);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    bool ok = (path ? yyjson_mut_obj_add_str(doc, root, "path", path)
                    : yyjson_mut_obj_add_null(doc, root, "path")) &&
              yyjson_mut_obj_add_uint(doc, root, "bytes", f->bytes);
    yyjson_mut_val *features = yyjson_mut_obj_add_obj(doc, root, "features");
    ok = ok && yyjson_mut_obj_add_real(doc, features, "tokens", f->tokens) &&
         yyjson_mut_obj_add_uint(doc, features, "sentences", f->sentences) &&
         yyjson_mut_obj_add_uint(doc, features, "entities", f->entities);
    yyjson_mut_val *complexity = yyjson_mut_obj_add_obj(doc, root, "complexity");
    ok = ok && yyjson_mut_obj_add_real(doc, complexity, "length", c->length) &&
         yyjson_mut_obj_add_real(doc, complexity, "entity", c->entity) &&
         yyjson_mut_obj_add_real(doc, complexity, "score", c->score);
    return object(doc, ok);
}

static struct item_result score_text(const char *path, struct moa_bytes text, bool json)
{
    struct moa_text_features f;
    struct moa_text_complexity c;
    moa_text_measure(text, &f);
    moa_text_complexity(NULL, &f, &f, &c);
    if (json)
        return text_json(path, &f, &c);
    char *name = printable(path ? path : "(argument)");
    if (!name)
        return failed(out_of_memory);
    struct item_result result =
        row("%.3f  %.3f  %.3f %10.1f %9llu %8llu  %s", c.score, c.length, c.entity, f.tokens,
            (unsigned long long)f.sentences, (unsigned long long)f.entities, name);
    free(name);
    return result;
}

static struct item_result of_kind(enum item_kind kind, struct item_result result)
{
    result.kind = kind;
    return result;
}

struct item_result item_score(const struct score_item *item, const struct item_options *options)
{
    if (item->kind == ITEM_TEXT)
        return of_kind(
            ITEM_TEXT,
            score_text(NULL, (struct moa_bytes){item->name, strlen(item->name)}, options->json));
    struct moa_bytes file;
    const char *failure = input_read(item->name, &file);
    if (failure)
        return failed(failure);
    struct item_result result =
        item->kind == ITEM_IMAGE
            ? score_image(item->name, file, options)
            : of_kind(ITEM_TEXT_FILE, score_text(item->name, file, options->json));
    free((void *)file.p);
    return result;
}

void item_result_done(struct item_result *result)
{
    free(result->line);
    *result = (struct item_result){0};
}
