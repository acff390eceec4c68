/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of questions about images: VQAv2, MMBench, or lines of JSON. Read once, then immutable but
 * for what is measured of each item. What is malformed is said on standard error with its place,
 * counted, and left out.
 */
#ifndef MOA_STUDY_DATASET_H
#define MOA_STUDY_DATASET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <moaoff/base.h>

#include "choice.h"
#include "vqa.h"

#define ITEM_IMAGES_MAX 16
#define ITEM_ANSWERS_MAX 16

enum item_scoring {
    ITEM_UNSCORED, /**< no answer is known */
    ITEM_VQA,      /**< vqa_accuracy() against several answers */
    ITEM_EXACT,    /**< equal to one answer, both normalised */
    ITEM_CHOICE,   /**< choice_read() names the right option */
};

/** Of the most complex image of an item, and its text; with the default parameters. */
struct item_features {
    bool known;
    double pixels, file_bytes;
    double resolution, edge, entropy, sharpness, image; /* complexities */
    double edge_fraction, bits_per_pixel, bits_per_pixel_normal, laplacian_variance;
    double text_length, text_entity, text; /* complexities */
};

/** Texts are the set's. */
struct item {
    const char *id;       /* unique in its set; "12#1" is a rotation of "12" */
    const char *group;    /* items about the same image share it: it splits and draws */
    const char *prompt;   /* what is asked */
    const char *category; /* "" if there is none */

    const char **paths;      /* files, or */
    struct moa_bytes base64; /* text inside of the set's own file; p == NULL: none */
    size_t n_images;

    enum item_scoring scoring;
    const char *answers; /* one behind the other, each with its '\0'; see item_answers() */
    size_t n_answers;
    const char **options;
    size_t n_options;
    int right; /* option */

    bool left_out; /* by a fault found after it was added; dataset_open() takes it out */
    struct item_features features;
    char *fault; /* why its images cannot be used; NULL if they can or nobody has looked */
};

struct text_block;

struct dataset {
    char *name;
    struct item *items;
    size_t n, room;
    size_t n_faults; /* entries that were left out */
    char *file;      /* mapped bytes that items borrow from, or NULL */
    size_t file_bytes;
    enum vqa_scorer scorer;   /* of items with several answers */
    struct text_block *texts; /* what the items point to */
};

enum dataset_split { SPLIT_ALL, SPLIT_CALIBRATION, SPLIT_TEST };

struct dataset_options {
    enum dataset_split split; /* by a hash of the image: a fifth calibrates, the rest tests */
    size_t images;            /* all questions about this many images drawn at random; 0: all */
    size_t limit;         /* this many questions drawn at random, with their rotations; 0: all */
    uint64_t seed;        /* of the order, and of what is drawn */
    int scorer;           /* enum vqa_scorer of several answers; -1: the kind's own */
    bool circular;        /* every choice item in each rotation of its options */
    const char *suffix;   /* goes behind every question that is no choice */
    const char *log_name; /* before every fault on standard error */
};

/**
 * Reads "vqav2:QUESTIONS:ANNOTATIONS:IMAGE_DIR", "mmbench:FILE" or "jsonl:FILE". Returns 0 and a
 * set to be freed with dataset_free(), or -1 after saying on standard error why there is none.
 */
int dataset_open(const char *spec, const struct dataset_options *options,
                 struct dataset **ret_dataset);
void dataset_free(struct dataset *dataset); /* NULL is allowed */

/** The bytes of an image file, to be freed; p == NULL with the reason in `why`. */
struct moa_bytes dataset_read_image(const struct item *item, size_t i, char *why, size_t n);

/** The answers of an item as strings. */
void item_answers(const struct item *item, const char *ret_answers[ITEM_ANSWERS_MAX]);

/** Fills item->features, or item->fault. */
void dataset_measure(struct item *item);

/* ---- for the readers of each format ---- */

/** Each reads into `set`; -1 after saying why nothing could be read. */
int dataset_read_vqa(struct dataset *set, const char *arguments,
                     const struct dataset_options *options);
int dataset_read_mmbench(struct dataset *set, const char *arguments,
                         const struct dataset_options *options);
int dataset_read_jsonl(struct dataset *set, const char *arguments,
                       const struct dataset_options *options);

/** Memory that lives as long as the set, zeroed; NULL if there is none. */
void *dataset_alloc(struct dataset *set, size_t n);
/** A copy of n bytes and a '\0', and of a printed text, for as long as the set lives. */
const char *dataset_text(struct dataset *set, const char *p, size_t n);
__attribute__((format(printf, 2, 3))) const char *dataset_print(struct dataset *set,
                                                                const char *format, ...);

/** Maps a file to be read to set->file; -1 after saying why not. */
int dataset_map(struct dataset *set, const char *path, const struct dataset_options *options);

/** A new item at the end, all zero but right == -1; NULL if out of memory. */
struct item *dataset_add(struct dataset *set);
/** Takes the last item out again. */
void dataset_drop(struct dataset *set);

/** Length of the UTF-8 byte order mark that n bytes begin with: 3 or 0. */
size_t dataset_bom(const char *p, size_t n);

/** Says "NAME: PATH:LINE: ..." on standard error and counts it. Line 0: no line. */
__attribute__((format(printf, 5, 6))) void dataset_fault(struct dataset *set,
                                                         const struct dataset_options *options,
                                                         const char *path, size_t line,
                                                         const char *format, ...);

/**
 * Makes `item` a choice among its n_options options with `right` the right one (-1: unknown), and
 * writes its prompt. -1 if out of memory.
 */
int dataset_make_choice(struct dataset *set, size_t item, const char *question, const char *hint);

/** Adds the rotations of a choice at the end. -1 if out of memory. */
int dataset_add_rotations(struct dataset *set, size_t item, const char *question, const char *hint);

/**
 * For dataset_open(): takes out repeats of an id, the other side of a split, and what the options
 * do not draw; the rest in random order, rotations of one question together. -1 if out of memory.
 */
int dataset_pick(struct dataset *set, const char *path, const struct dataset_options *options);

#endif
