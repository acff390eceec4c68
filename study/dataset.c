/* SPDX-License-Identifier: Apache-2.0
 *
 * What all sets share: items, splits, order, images; see dataset.h.
 */
#include "dataset.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <modp_b64.h>

#include <moaoff/moaoff.h>

#include "stats.h"

#define IMAGE_BYTES_MAX (64 << 20)
#define CALIBRATION_PER_CENT 20

/* ---- items ---- */

static void item_done(struct item *item)
{
    free(item->id);
    free(item->group);
    free(item->prompt);
    free(item->category);
    free(item->fault);
    for (size_t i = 0; i < ITEM_IMAGES_MAX; i++)
        free(item->paths[i]);
    for (size_t i = 0; i < ITEM_ANSWERS_MAX; i++)
        free(item->answers[i]);
    for (size_t i = 0; i < CHOICE_OPTIONS_MAX; i++)
        free(item->options[i]);
}

struct item *dataset_add(struct dataset *set)
{
    if (set->n == set->room) {
        size_t room = set->room ? 2 * set->room : 256;
        struct item *grown = realloc(set->items, room * sizeof(*grown));
        if (!grown)
            return NULL;
        set->items = grown;
        set->room = room;
    }
    set->items[set->n] = (struct item){.right = -1};
    return &set->items[set->n++];
}

void dataset_drop(struct dataset *set)
{
    item_done(&set->items[--set->n]);
}

size_t dataset_bom(const char *p, size_t n)
{
    return n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void dataset_fault(struct dataset *set, const struct dataset_options *options, const char *path,
                   size_t line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: %s:", options->log_name, path);
    if (line > 0)
        fprintf(stderr, "%zu:", line);
    fputc(' ', stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    set->n_faults++;
}

/* ---- choices and their rotations ---- */

/* Fills the item at `to` as the one at `from` with its options moved `by` places to the front. */
static int rotate(struct dataset *set, size_t from, size_t to, size_t by, const char *question,
                  const char *hint)
{
    const struct item *a = &set->items[from];
    struct item *b = &set->items[to];
    size_t n = a->n_options;
    b->group = strdup(a->group);
    b->category = strdup(a->category);
    b->base64 = a->base64;
    b->n_images = a->n_images;
    b->scoring = a->scoring;
    b->right = a->right < 0 ? -1 : (int)(((size_t)a->right + n - by) % n);
    bool fine = b->group && b->category && asprintf(&b->id, "%s#%zu", a->id, by) > 0;
    for (size_t i = 0; i < a->n_images && a->paths[i] && fine; i++) {
        b->paths[i] = strdup(a->paths[i]);
        fine = b->paths[i];
    }
    for (; b->n_options < n && fine; b->n_options++) {
        b->options[b->n_options] = strdup(a->options[(b->n_options + by) % n]);
        fine = b->options[b->n_options];
    }
    b->prompt = fine ? choice_prompt(question, hint, (const char *const *)b->options, n) : NULL;
    return b->prompt ? 0 : -1;
}

int dataset_make_choice(struct dataset *set, size_t item, const char *question, const char *hint,
                        const struct dataset_options *options)
{
    struct item *first = &set->items[item];
    size_t n = first->n_options;
    first->scoring = first->right < 0 ? ITEM_UNSCORED : ITEM_CHOICE;
    first->prompt = choice_prompt(question, hint, (const char *const *)first->options, n);
    if (!first->prompt)
        return -1;
    for (size_t by = 1; by < n && options->circular; by++) {
        if (!dataset_add(set) || rotate(set, item, set->n - 1, by, question, hint))
            return -1;
    }
    return 0;
}

/* ---- repeats, split, order, limit ---- */

/* By id; those of one id in the order in which they were read. */
static int compare_ids(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

/* Of two answers to one id only the later would count. */
static int find_repeats(struct dataset *set, const char *path,
                        const struct dataset_options *options)
{
    struct item **sorted = malloc((set->n + 1) * sizeof(struct item *));
    if (!sorted)
        return -1;
    for (size_t i = 0; i < set->n; i++)
        sorted[i] = &set->items[i];
    qsort(sorted, set->n, sizeof(struct item *), compare_ids);
    for (size_t i = 1; i < set->n; i++) {
        if (strcmp(sorted[i]->id, sorted[i - 1]->id) != 0)
            continue;
        sorted[i]->left_out = true;
        if (!strchr(sorted[i]->id, '#')) /* rotations go with their question */
            dataset_fault(set, options, path, 0, "\"%s\" is there more than once: kept the first",
                          sorted[i]->id);
    }
    free(sorted);
    return 0;
}

static bool is_calibration(const struct item *item)
{
    /* The high bits of FNV-1a mix better than the low ones. */
    return (stats_hash(item->group) >> 32) % 100 < CALIBRATION_PER_CENT;
}

/* Takes out the other side, and what is left out. */
static void keep_split(struct dataset *set, enum dataset_split split)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct item *item = &set->items[i];
        if (!item->left_out &&
            (split == SPLIT_ALL || is_calibration(item) == (split == SPLIT_CALIBRATION)))
            set->items[n++] = set->items[i];
        else
            item_done(&set->items[i]);
    }
    set->n = n;
}

/* An item's length without the "#1" of a rotation. */
static size_t base_length(const struct item *item)
{
    return strcspn(item->id, "#");
}

static bool same_base(const struct item *a, const struct item *b)
{
    size_t n = base_length(a);
    return n == base_length(b) && strncmp(a->id, b->id, n) == 0;
}

struct run_of_items {
    size_t first, end;
};

/* Runs of rotations of one question; returns how many. */
static size_t find_runs(const struct dataset *set, struct run_of_items *runs)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (i == 0 || !same_base(&set->items[i], &set->items[i - 1]))
            runs[n++].first = i;
        runs[n - 1].end = i + 1;
    }
    return n;
}

static void shuffle_runs(struct run_of_items *runs, size_t n, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = n; i > 1; i--) {
        size_t k = rng_below(&rng, i);
        struct run_of_items swapped = runs[i - 1];
        runs[i - 1] = runs[k];
        runs[k] = swapped;
    }
}

/* Rotations stay together, so that a limit keeps or drops a question with all of them. */
static int shuffle(struct dataset *set, const struct dataset_options *options)
{
    struct run_of_items *runs = malloc((set->n + 1) * sizeof(*runs));
    struct item *shuffled = malloc((set->n + 1) * sizeof(*shuffled));
    if (!runs || !shuffled) {
        free(runs);
        free(shuffled);
        return -1;
    }
    size_t n_runs = find_runs(set, runs);
    shuffle_runs(runs, n_runs, options->seed);
    size_t n = 0;
    for (size_t r = 0; r < n_runs; r++) {
        bool kept = options->limit == 0 || r < options->limit;
        for (size_t i = runs[r].first; i < runs[r].end; i++) {
            if (kept)
                shuffled[n++] = set->items[i];
            else
                item_done(&set->items[i]);
        }
    }
    free(runs);
    free(set->items);
    set->items = shuffled;
    set->room = set->n;
    set->n = n;
    return 0;
}

/* ---- entry ---- */

int dataset_open(const char *spec, const struct dataset_options *options,
                 struct dataset **ret_dataset)
{
    static const struct {
        const char *name;
        int (*read)(struct dataset *set, const char *arguments,
                    const struct dataset_options *options);
    } kinds[] = {{"vqav2", dataset_read_vqa},
                 {"mmbench", dataset_read_mmbench},
                 {"jsonl", dataset_read_jsonl}};
    size_t n = strcspn(spec, ":");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) != n || strncmp(kinds[i].name, spec, n) != 0 || !spec[n])
            continue;
        struct dataset *set = calloc(1, sizeof(*set));
        if (set)
            set->name = strdup(kinds[i].name);
        if (!set || !set->name || kinds[i].read(set, spec + n + 1, options) ||
            find_repeats(set, spec + n + 1, options)) {
            dataset_free(set);
            return -1;
        }
        keep_split(set, options->split);
        if (shuffle(set, options)) {
            dataset_free(set);
            return -1;
        }
        *ret_dataset = set;
        return 0;
    }
    fprintf(stderr,
            "%s: --dataset must be vqav2:QUESTIONS:ANNOTATIONS:IMAGE_DIR, mmbench:FILE or "
            "jsonl:FILE, not \"%s\"\n",
            options->log_name, spec);
    return -1;
}

void dataset_free(struct dataset *dataset)
{
    if (!dataset)
        return;
    for (size_t i = 0; i < dataset->n; i++)
        item_done(&dataset->items[i]);
    free(dataset->items);
    if (dataset->mapped)
        munmap(dataset->file, dataset->file_bytes);
    else
        free(dataset->file);
    free(dataset->name);
    free(dataset);
}

/* ---- images ---- */

static struct moa_bytes read_file(const char *path, char *why, size_t n)
{
    struct moa_bytes bytes = {NULL, 0};
    FILE *in = fopen(path, "re");
    char *p = in ? malloc(IMAGE_BYTES_MAX) : NULL;
    if (!p) {
        snprintf(why, n, "%s: %s", path, strerror(errno));
        if (in)
            fclose(in);
        return bytes;
    }
    size_t got = fread(p, 1, IMAGE_BYTES_MAX, in);
    if (ferror(in) || got == 0 || got == IMAGE_BYTES_MAX) {
        snprintf(why, n, "%s: %s", path,
                 got == 0 ? "is empty or cannot be read" : "is too large for an image");
        free(p);
    } else {
        char *fitted = realloc(p, got);
        bytes = (struct moa_bytes){fitted ? fitted : p, got};
    }
    fclose(in);
    return bytes;
}

struct moa_bytes dataset_read_image(const struct item *item, size_t i, char *why, size_t n)
{
    struct moa_bytes bytes = {NULL, 0};
    if (item->paths[i])
        return read_file(item->paths[i], why, n);
    char *p = malloc(modp_b64_decode_len(item->base64.n));
    size_t got = p ? modp_b64_decode(p, item->base64.p, item->base64.n) : (size_t)-1;
    if (got == (size_t)-1 || got == 0) {
        snprintf(why, n, "the image of \"%s\" is not valid base64", item->id);
        free(p);
        return bytes;
    }
    return (struct moa_bytes){p, got};
}

static void take_features(struct item_features *f, const struct moa_image_features *features,
                          size_t file_bytes)
{
    struct moa_image_complexity c;
    moa_image_complexity(NULL, features, &c);
    f->file_bytes += (double)file_bytes;
    f->pixels += (double)features->width_px * features->height_px;
    if (c.score < f->image)
        return;
    f->resolution = c.resolution;
    f->edge = c.edge;
    f->entropy = c.entropy;
    f->sharpness = c.sharpness;
    f->image = c.score;
    f->edge_fraction = features->edge_fraction;
    f->bits_per_pixel = features->bits_per_pixel;
    f->bits_per_pixel_normal = features->bits_per_pixel_normal;
    f->laplacian_variance = features->laplacian_variance;
}

static void set_fault(struct item *item, const char *why)
{
    if (!item->fault)
        item->fault = strdup(why);
}

void dataset_measure(struct item *item)
{
    struct item_features f = {.known = true};
    char why[512];
    for (size_t i = 0; i < item->n_images; i++) {
        struct moa_bytes file = dataset_read_image(item, i, why, sizeof(why));
        struct moa_image_features features;
        struct moa_error error = {0};
        if (!file.p) {
            set_fault(item, why);
            return;
        }
        enum moa_err err = moa_image_measure(file, NULL, NULL, &features, &error);
        if (!err)
            take_features(&f, &features, file.n);
        free((void *)(uintptr_t)file.p);
        if (err) {
            snprintf(why, sizeof(why), "%s: %s", item->paths[i] ? item->paths[i] : item->id,
                     error.message ? error.message : moa_strerror(err));
            set_fault(item, why);
            return;
        }
    }
    struct moa_text_features text;
    struct moa_text_complexity c;
    moa_text_measure((struct moa_bytes){item->prompt, strlen(item->prompt)}, &text);
    moa_text_complexity(NULL, &text, &text, &c);
    f.text_length = c.length;
    f.text_entity = c.entity;
    f.text = c.score;
    item->features = f;
}
