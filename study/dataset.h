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

struct item {
    char *id;       /* unique in its set */
    char *group;    /* items about the same image share it, and are on the same side of a split */
    char *prompt;   /* what is asked */
    char *category; /* "" if there is none */

    char *paths[ITEM_IMAGES_MAX]; /* files, or */
    struct moa_bytes base64;      /* text inside of the set's own file; p == NULL: none */
    size_t n_images;

    enum item_scoring scoring;
    char *answers[ITEM_ANSWERS_MAX];
    size_t n_answers;
    char *options[CHOICE_OPTIONS_MAX];
    size_t n_options;
    int right; /* option */

    bool left_out; /* by a fault found after it was added; dataset_open() takes it out */
    struct item_features features;
    char *fault; /* why its images cannot be used; NULL if they can or nobody has looked */
};

struct dataset {
    char *name;
    struct item *items;
    size_t n, room;
    size_t n_faults; /* entries that were left out */
    char *file;      /* bytes that items borrow from, or NULL */
    size_t file_bytes;
    bool mapped; /* the file is mmap'ed, not allocated */
};

enum dataset_split { SPLIT_ALL, SPLIT_CALIBRATION, SPLIT_TEST };

struct dataset_options {
    enum dataset_split split; /* by a hash of the image: a fifth calibrates, the rest tests */
    size_t limit;             /* 0: all */
    uint64_t seed;            /* of the order, and of which ones a limit keeps */
    bool circular;            /* every choice item in each rotation of its options */
    const char *suffix;       /* goes behind every question that is no choice */
    const char *log_name;     /* before every fault on standard error */
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
 * writes its prompt; with options->circular its rotations are added behind it. -1 if out of memory.
 */
int dataset_make_choice(struct dataset *set, size_t item, const char *question, const char *hint,
                        const struct dataset_options *options);

#endif
