/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles of engines; see profile.h. YAML by libyaml's documents, checked key by key: a curve that
 * is misspelt must not become an engine that is infinitely fast.
 */
#include "profile.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

/* ---- what it says ---- */

double profile_curve_at(const struct profile_curve *curve, double x)
{
    if (curve->n == 0)
        return 0.0;
    if (curve->n == 1 || x <= curve->x[0])
        return curve->y[0];
    size_t k = 1;
    while (k + 1 < curve->n && x > curve->x[k])
        k++;
    double share = (x - curve->x[k - 1]) / (curve->x[k] - curve->x[k - 1]);
    return curve->y[k - 1] + share * (curve->y[k] - curve->y[k - 1]);
}

double profile_image_tokens(const struct profile *p, uint32_t width_px, uint32_t height_px)
{
    double across = fmax(1.0, round(width_px / p->patch_px));
    double down = fmax(1.0, round(height_px / p->patch_px));
    return fmin(fmax(across * down, p->min_image_tokens), p->max_image_tokens);
}

double profile_vision_ms(const struct profile *p, double image_tokens)
{
    return profile_curve_at(&p->vision, image_tokens);
}

double profile_prefill_ms(const struct profile *p, double prompt_tokens)
{
    return profile_curve_at(&p->prefill, prompt_tokens);
}

double profile_decode_ms(const struct profile *p, size_t n_batch, double context_tokens)
{
    struct profile_curve by_context = {.n = p->n_decode};
    for (size_t i = 0; i < p->n_decode; i++) {
        by_context.x[i] = p->decode[i].context;
        by_context.y[i] = profile_curve_at(&p->decode[i].ms, (double)n_batch);
    }
    return profile_curve_at(&by_context, context_tokens);
}

/* ---- the file ---- */

struct profile_reader {
    yaml_document_t document;
    const char *path;
    char *why;
    size_t n_why;
};

__attribute__((format(printf, 3, 4))) static int
fail(struct profile_reader *r, const yaml_node_t *node, const char *format, ...)
{
    va_list args;
    int head = snprintf(r->why, r->n_why, "%s:%zu: ", r->path,
                        node ? node->start_mark.line + 1 : (size_t)1);
    va_start(args, format);
    if (head > 0 && (size_t)head < r->n_why)
        vsnprintf(r->why + head, r->n_why - (size_t)head, format, args);
    va_end(args);
    return -1;
}

static const char *text_of(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int read_number(struct profile_reader *r, const yaml_node_t *node, double min, double max,
                       double *ret_number)
{
    const char *text = text_of(node);
    char *end = NULL;
    errno = 0;
    double number = text ? strtod(text, &end) : NAN;
    if (!text || end == text || *end || errno || !(number >= min && number <= max))
        return fail(r, node, "a number from %g to %g is wanted, not \"%s\"", min, max,
                    text ? text : "a list");
    *ret_number = number;
    return 0;
}

static size_t n_items(const yaml_node_t *list)
{
    if (list->type != YAML_SEQUENCE_NODE)
        return 0;
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

static const yaml_node_t *item_of(struct profile_reader *r, const yaml_node_t *list, size_t i)
{
    return yaml_document_get_node(&r->document, list->data.sequence.items.start[i]);
}

/* [[x, ms], [x, ms], ...], x ascending. */
static int read_curve(struct profile_reader *r, const yaml_node_t *node,
                      struct profile_curve *ret_curve)
{
    struct profile_curve curve = {.n = n_items(node)};
    if (curve.n == 0 || curve.n > PROFILE_POINTS_MAX)
        return fail(r, node, "1 to %d points [x, milliseconds] are wanted", PROFILE_POINTS_MAX);
    for (size_t i = 0; i < curve.n; i++) {
        const yaml_node_t *point = item_of(r, node, i);
        if (n_items(point) != 2)
            return fail(r, point, "a point is [x, milliseconds]");
        if (read_number(r, item_of(r, point, 0), 0.0, 1e9, &curve.x[i]) ||
            read_number(r, item_of(r, point, 1), 0.0, 1e9, &curve.y[i]))
            return -1;
        if (i > 0 && curve.x[i] <= curve.x[i - 1])
            return fail(r, point, "points must ascend");
        if (i > 0 && curve.y[i] < curve.y[i - 1] && i + 1 == curve.n)
            return fail(r, point, "the last line must not fall: it goes on beyond the points");
    }
    *ret_curve = curve;
    return 0;
}

/* The values of a mapping by `take`, which gets key and value. */
static int read_mapping(struct profile_reader *r, const yaml_node_t *node, void *to,
                        int (*take)(struct profile_reader *r, const char *key,
                                    const yaml_node_t *at, const yaml_node_t *value, void *to))
{
    if (!node || node->type != YAML_MAPPING_NODE)
        return fail(r, node, "keys and values are wanted");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
        if (!text_of(key) || take(r, text_of(key), key, value, to))
            return text_of(key) ? -1 : fail(r, key, "a key is a word");
    }
    return 0;
}

struct decode_entry {
    double context;
    struct profile_curve ms;
};

static int take_decode_key(struct profile_reader *r, const char *key, const yaml_node_t *at,
                           const yaml_node_t *value, void *to)
{
    struct decode_entry *entry = to;
    if (strcmp(key, "context") == 0)
        return read_number(r, value, 1.0, 1e9, &entry->context);
    if (strcmp(key, "ms") == 0)
        return read_curve(r, value, &entry->ms);
    return fail(r, at, "unknown key \"%s\" in decode: there are context and ms", key);
}

static int read_decode(struct profile_reader *r, const yaml_node_t *node, struct profile *p)
{
    size_t n = n_items(node);
    if (n == 0 || n > PROFILE_CONTEXTS_MAX)
        return fail(r, node, "decode is a list of 1 to %d entries with context and ms",
                    PROFILE_CONTEXTS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct decode_entry entry = {0};
        const yaml_node_t *at = item_of(r, node, i);
        if (read_mapping(r, at, &entry, take_decode_key))
            return -1;
        if (entry.ms.n == 0 || entry.context <= (i > 0 ? p->decode[i - 1].context : 0.0))
            return fail(r, at, "an entry needs ms and a context, ascending");
        p->decode[i].context = entry.context;
        p->decode[i].ms = entry.ms;
    }
    p->n_decode = n;
    return 0;
}

static bool is_about(const char *key)
{
    static const char *const about[] = {"model", "hardware", "kind", "sources", "notes"};
    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
        if (strcmp(about[i], key) == 0)
            return true;
    }
    return false;
}

static int take_key(struct profile_reader *r, const char *key, const yaml_node_t *at,
                    const yaml_node_t *value, void *to)
{
    struct profile *p = to;
    double slots = 0.0;
    const struct {
        const char *key;
        double min, max, *number;
    } numbers[] = {{"slots", 1, 4096, &slots},
                   {"patch_px", 1, 1024, &p->patch_px},
                   {"min_image_tokens", 0, 1e6, &p->min_image_tokens},
                   {"max_image_tokens", 1, 1e6, &p->max_image_tokens},
                   {"text_bytes_per_token", 0.5, 100, &p->text_bytes_per_token},
                   {"overhead_ms", 0, 1e6, &p->overhead_ms}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].key, key) != 0)
            continue;
        if (read_number(r, value, numbers[i].min, numbers[i].max, numbers[i].number))
            return -1;
        p->slots = slots > 0.0 ? (size_t)slots : p->slots;
        return 0;
    }
    if (strcmp(key, "name") == 0 && text_of(value)) {
        snprintf(p->name, sizeof(p->name), "%s", text_of(value));
        return 0;
    }
    if (strcmp(key, "vision_ms") == 0)
        return read_curve(r, value, &p->vision);
    if (strcmp(key, "prefill_ms") == 0)
        return read_curve(r, value, &p->prefill);
    if (strcmp(key, "decode") == 0)
        return read_decode(r, value, p);
    return is_about(key) ? 0 : fail(r, at, "unknown key \"%s\"", key);
}

static int read_document(struct profile_reader *r, struct profile *p)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (read_mapping(r, root, p, take_key))
        return -1;
    if (p->slots == 0 || p->prefill.n == 0 || p->n_decode == 0)
        return fail(r, root, "slots, prefill_ms and decode are wanted");
    if (p->min_image_tokens > p->max_image_tokens)
        return fail(r, root, "min_image_tokens is above max_image_tokens");
    return 0;
}

int profile_read(const char *path, struct profile *ret_profile, char *why, size_t n)
{
    struct profile_reader r = {.path = path, .why = why, .n_why = n};
    struct profile profile = {.patch_px = 28.0,
                              .min_image_tokens = 4.0,
                              .max_image_tokens = 16384.0,
                              .text_bytes_per_token = 4.0};
    yaml_parser_t parser;
    FILE *in = fopen(path, "re");
    if (!in || !yaml_parser_initialize(&parser)) {
        snprintf(why, n, "%s: %s", path, in ? "out of memory" : strerror(errno));
        if (in)
            fclose(in);
        return -1;
    }
    yaml_parser_set_input_file(&parser, in);
    int failed;
    if (!yaml_parser_load(&parser, &r.document)) {
        snprintf(why, n, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                 parser.problem ? parser.problem : "is no YAML");
        failed = -1;
    } else {
        failed = read_document(&r, &profile);
        yaml_document_delete(&r.document);
    }
    yaml_parser_delete(&parser);
    fclose(in);
    if (!failed)
        *ret_profile = profile;
    return failed;
}
