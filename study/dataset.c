/* SPDX-License-Identifier: Apache-2.0
 *
 * What all sets share: texts, items, choices, images; see dataset.h.
 */
#include "dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <modp_b64.h>

#include <moaoff/moaoff.h>

#define IMAGE_BYTES_MAX (64 << 20)
#define TEXT_BLOCK_BYTES (256 << 10)

/* ---- texts and items ---- */

struct text_block {
    struct text_block *next;
    size_t n, room;
    max_align_t bytes[];
};

void *dataset_alloc(struct dataset *set, size_t n)
{
    struct text_block *block = set->texts;
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    if (!block || n > block->room - block->n) {
        size_t room = n > TEXT_BLOCK_BYTES ? n : TEXT_BLOCK_BYTES;
        block = calloc(1, sizeof(*block) + room);
        if (!block)
            return NULL;
        block->next = set->texts;
        block->room = room;
        set->texts = block;
    }
    char *p = (char *)block->bytes + block->n;
    block->n += n;
    return p;
}

const char *dataset_text(struct dataset *set, const char *p, size_t n)
{
    char *text = dataset_alloc(set, n + 1);
    if (text)
        memcpy(text, p, n);
    return text;
}

const char *dataset_print(struct dataset *set, const char *format, ...)
{
    va_list args;
    char *made;
    va_start(args, format);
    int n = vasprintf(&made, format, args);
    va_end(args);
    if (n < 0)
        return NULL;
    const char *text = dataset_text(set, made, (size_t)n);
    free(made);
    return text;
}

int dataset_map(struct dataset *set, const char *path, const struct dataset_options *options)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *file = MAP_FAILED;
    bool empty = false;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        empty = st.st_size == 0;
        if (!empty)
            file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (file == MAP_FAILED)
        fprintf(stderr, "%s: %s: %s\n", options->log_name, path,
                empty ? "is empty" : strerror(errno));
    if (fd >= 0)
        close(fd);
    if (file == MAP_FAILED)
        return -1;
    set->file = file;
    set->file_bytes = (size_t)st.st_size;
    return 0;
}

struct item *dataset_add(struct dataset *set)
{
    if (set->n == set->room) {
        size_t room = set->room + set->room / 2 + 256;
        struct item *grown = realloc(set->items, room * sizeof(*grown));
        if (!grown)
            return NULL;
        set->items = grown;
        set->room = room;
    }
    set->items[set->n] = (struct item){.right = -1, .category = ""};
    return &set->items[set->n++];
}

void dataset_drop(struct dataset *set)
{
    set->n--;
}

void item_answers(const struct item *item, const char *ret_answers[ITEM_ANSWERS_MAX])
{
    const char *answer = item->answers;
    for (size_t i = 0; i < item->n_answers; i++) {
        ret_answers[i] = answer;
        answer += strlen(answer) + 1;
    }
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

static const char *prompt_of(struct dataset *set, const struct item *item, const char *question,
                             const char *hint)
{
    char *made = choice_prompt(question, hint, item->options, item->n_options);
    const char *prompt = made ? dataset_text(set, made, strlen(made)) : NULL;
    free(made);
    return prompt;
}

int dataset_make_choice(struct dataset *set, size_t item, const char *question, const char *hint)
{
    struct item *choice = &set->items[item];
    choice->scoring = choice->right < 0 ? ITEM_UNSCORED : ITEM_CHOICE;
    choice->prompt = prompt_of(set, choice, question, hint);
    return choice->prompt ? 0 : -1;
}

/* Adds the item at `from` with its options moved `by` places to the front. */
static int rotate(struct dataset *set, size_t from, size_t by, const char *question,
                  const char *hint)
{
    struct item *b = dataset_add(set);
    if (!b)
        return -1;
    const struct item *a = &set->items[from];
    size_t n = a->n_options;
    *b = *a;
    b->right = a->right < 0 ? -1 : (int)(((size_t)a->right + n - by) % n);
    b->id = dataset_print(set, "%s#%zu", a->id, by);
    b->options = dataset_alloc(set, n * sizeof(*b->options));
    for (size_t i = 0; b->options && i < n; i++)
        b->options[i] = a->options[(i + by) % n];
    b->prompt = b->options ? prompt_of(set, b, question, hint) : NULL;
    return b->id && b->prompt ? 0 : -1;
}

int dataset_add_rotations(struct dataset *set, size_t item, const char *question, const char *hint)
{
    for (size_t by = 1; by < set->items[item].n_options; by++) {
        if (rotate(set, item, by, question, hint))
            return -1;
    }
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
        enum vqa_scorer scorer;
    } kinds[] = {{"vqav2", dataset_read_vqa, VQA_2021},
                 {"mmbench", dataset_read_mmbench, VQA_NORMALIZED},
                 {"jsonl", dataset_read_jsonl, VQA_NORMALIZED}};
    size_t n = strcspn(spec, ":");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) != n || strncmp(kinds[i].name, spec, n) != 0 || !spec[n])
            continue;
        struct dataset *set = calloc(1, sizeof(*set));
        if (set)
            set->name = strdup(kinds[i].name);
        if (!set || !set->name || kinds[i].read(set, spec + n + 1, options) ||
            dataset_pick(set, spec + n + 1, options)) {
            dataset_free(set);
            return -1;
        }
        set->scorer = options->scorer < 0 ? kinds[i].scorer : (enum vqa_scorer)options->scorer;
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
        free(dataset->items[i].fault);
    free(dataset->items);
    if (dataset->file)
        munmap(dataset->file, dataset->file_bytes);
    while (dataset->texts) {
        struct text_block *next = dataset->texts->next;
        free(dataset->texts);
        dataset->texts = next;
    }
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
    if (item->paths)
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
            snprintf(why, sizeof(why), "%s: %s", item->paths ? item->paths[i] : item->id,
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
