/* SPDX-License-Identifier: Apache-2.0
 *
 * VQAv2 (https://visualqa.org/vqa_v2.html): a file of questions, one of annotations with ten
 * answers to each, and a folder of images COCO_<subtype>_<image id>.jpg. Files are read element by
 * element: as trees, those of val2014 took 700 MB.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <yyjson.h>

#include "dataset.h"
#include "json_list.h"

#define DROP_BYTES (4 << 20)

/* ---- a file, read element by element ---- */

struct json_file {
    struct dataset set; /* only its file */
    const char *path;
    struct moa_bytes text;
    const char *dropped; /* before it no page is kept */
    struct json_list list;
};

/* The array that is member `key`; -1 after saying what is wrong. */
static int open_list(struct json_file *f, const char *path, const char *key,
                     const struct dataset_options *options)
{
    f->path = path;
    if (dataset_map(&f->set, path, options))
        return -1;
    size_t mark = dataset_bom(f->set.file, f->set.file_bytes);
    f->text = (struct moa_bytes){f->set.file + mark, f->set.file_bytes - mark};
    f->dropped = f->set.file;
    if (json_list_open(f->text, key, &f->list) == 0)
        return 0;
    fprintf(stderr, "%s: %s: no array \"%s\" in a JSON object (at byte %zu)\n", options->log_name,
            path, key, (size_t)(f->list.at - f->set.file));
    return -1;
}

static void close_list(struct json_file *f)
{
    if (f->set.file)
        munmap(f->set.file, f->set.file_bytes);
}

/* The next element, to be freed; NULL at the end, with *ret_failed if that is no end. */
static yyjson_doc *next_element(struct json_file *f, const struct dataset_options *options,
                                int *ret_failed)
{
    struct moa_bytes element;
    yyjson_read_err error = {.msg = "malformed array"};
    const char *at = f->list.at;
    int got = json_list_next(&f->list, &element);
    if (got == 0)
        return NULL;
    /* A whole file would stay in memory otherwise. */
    if (at - f->dropped > DROP_BYTES) {
        madvise((void *)(uintptr_t)f->dropped, DROP_BYTES, MADV_DONTNEED);
        f->dropped += DROP_BYTES;
    }
    yyjson_doc *doc = NULL;
    if (got > 0)
        doc = yyjson_read_opts((char *)(uintptr_t)element.p, element.n, YYJSON_READ_NOFLAG, NULL,
                               &error);
    if (!doc) {
        size_t begin = (size_t)((got > 0 ? (const char *)element.p : f->list.at) - f->set.file);
        fprintf(stderr, "%s: %s: %s (at byte %zu)\n", options->log_name, f->path, error.msg,
                begin + error.pos);
        *ret_failed = -1;
    }
    return doc;
}

/* ---- annotations ---- */

struct annotation {
    int64_t question_id;
    const char *answers; /* as in struct item */
    size_t n_answers;
};

struct annotations {
    struct annotation *p;
    size_t n, room;
};

static int compare_annotations(const void *a, const void *b)
{
    int64_t x = ((const struct annotation *)a)->question_id;
    int64_t y = ((const struct annotation *)b)->question_id;
    return (x > y) - (x < y);
}

/* NULL if there are none, too many, or one is no string. */
static const char *join_answers(struct dataset *set, yyjson_val *answers)
{
    size_t length = 0;
    size_t i;
    size_t max;
    yyjson_val *entry;
    if (yyjson_arr_size(answers) == 0 || yyjson_arr_size(answers) > ITEM_ANSWERS_MAX)
        return NULL;
    yyjson_arr_foreach(answers, i, max, entry)
    {
        yyjson_val *answer = yyjson_obj_get(entry, "answer");
        if (!yyjson_is_str(answer))
            return NULL;
        length += strlen(yyjson_get_str(answer)) + 1;
    }
    char *joined = dataset_alloc(set, length);
    char *end = joined;
    yyjson_arr_foreach(answers, i, max, entry)
    {
        if (end)
            end = stpcpy(end, yyjson_get_str(yyjson_obj_get(entry, "answer"))) + 1;
    }
    return joined;
}

static int add_annotation(struct dataset *set, struct annotations *a, yyjson_val *entry)
{
    yyjson_val *id = yyjson_obj_get(entry, "question_id");
    yyjson_val *answers = yyjson_obj_get(entry, "answers");
    if (a->n == a->room) {
        size_t room = a->room + a->room / 2 + 256;
        struct annotation *grown = realloc(a->p, room * sizeof(*grown));
        if (!grown)
            return -1;
        a->p = grown;
        a->room = room;
    }
    struct annotation made = {yyjson_get_sint(id), join_answers(set, answers),
                              yyjson_arr_size(answers)};
    if (!yyjson_is_int(id) || !made.answers)
        return -1;
    a->p[a->n++] = made;
    return 0;
}

/* Sorted by question; those that are malformed are faults. */
static int read_annotations(struct dataset *set, const char *path,
                            const struct dataset_options *options, struct annotations *a)
{
    struct json_file file = {.path = NULL};
    int failed = open_list(&file, path, "annotations", options);
    yyjson_doc *doc;
    for (size_t i = 0; !failed && (doc = next_element(&file, options, &failed)) != NULL; i++) {
        if (add_annotation(set, a, yyjson_doc_get_root(doc)))
            dataset_fault(set, options, path, 0,
                          "annotation %zu has no integer \"question_id\" or no \"answers\", 1 to "
                          "16 strings",
                          i);
        yyjson_doc_free(doc);
    }
    close_list(&file);
    if (a->n > 0)
        qsort(a->p, a->n, sizeof(*a->p), compare_annotations);
    return failed;
}

static const struct annotation *find_annotation(const struct annotations *a, yyjson_val *id)
{
    struct annotation wanted = {.question_id = yyjson_get_sint(id)};
    return yyjson_is_int(id) && a->n > 0
               ? bsearch(&wanted, a->p, a->n, sizeof(wanted), compare_annotations)
               : NULL;
}

/* ---- questions ---- */

struct vqa_reading {
    struct dataset *set;
    const char *folder, *suffix;
    char subtype[64];
    int64_t image_id; /* of the item before */
};

/* DIR/COCO_... or, as the archives unpack, DIR/<subtype>/COCO_... */
static const char *image_path(const struct vqa_reading *r, int64_t image_id)
{
    const char *path =
        dataset_print(r->set, "%s/COCO_%s_%012lld.jpg", r->folder, r->subtype, (long long)image_id);
    if (!path || access(path, R_OK) == 0)
        return path;
    const char *nested = dataset_print(r->set, "%s/%s/COCO_%s_%012lld.jpg", r->folder, r->subtype,
                                       r->subtype, (long long)image_id);
    return nested && access(nested, R_OK) == 0
               ? nested
               : path; /* missing: it is said when the image is wanted */
}

/* Questions about one image follow each other, and share what is known of it. */
static int take_image(struct vqa_reading *r, struct item *item, int64_t image_id)
{
    const struct item *last = r->set->n > 1 ? item - 1 : NULL;
    if (last && image_id == r->image_id) {
        item->paths = last->paths;
        item->group = last->group;
    } else {
        item->paths = dataset_alloc(r->set, sizeof(*item->paths));
        item->group = dataset_print(r->set, "%lld", (long long)image_id);
        if (item->paths)
            item->paths[0] = image_path(r, image_id);
    }
    item->n_images = 1;
    r->image_id = image_id;
    return item->paths && item->paths[0] && item->group ? 0 : -1;
}

/* NULL, or what is wrong with the question. */
static const char *add_question(struct vqa_reading *r, yyjson_val *question,
                                const struct annotation *annotation)
{
    yyjson_val *image_id = yyjson_obj_get(question, "image_id");
    const char *text = yyjson_get_str(yyjson_obj_get(question, "question"));
    if (!yyjson_is_int(image_id) || !text)
        return "has no integer \"image_id\" or no \"question\"";
    struct item *item = dataset_add(r->set);
    if (!item)
        return "finds no memory";
    item->scoring = ITEM_VQA;
    item->answers = annotation->answers;
    item->n_answers = annotation->n_answers;
    item->id = dataset_print(r->set, "%lld", (long long)annotation->question_id);
    item->prompt = dataset_print(r->set, "%s%s", text, r->suffix);
    if (item->id && item->prompt && take_image(r, item, yyjson_get_sint(image_id)) == 0)
        return NULL;
    dataset_drop(r->set);
    return "finds no memory";
}

/* "val2014" of val2014's files; that, too, if they do not say. */
static void read_subtype(struct vqa_reading *r, struct moa_bytes text)
{
    struct moa_bytes raw = json_member(text, "data_subtype");
    const char *p = raw.p;
    bool plain =
        p && raw.n > 2 && raw.n - 2 < sizeof(r->subtype) && p[0] == '"' && !memchr(p, '\\', raw.n);
    if (plain)
        snprintf(r->subtype, sizeof(r->subtype), "%.*s", (int)raw.n - 2, p + 1);
    else
        snprintf(r->subtype, sizeof(r->subtype), "val2014");
}

static int read_questions(struct vqa_reading *r, const char *path, const struct annotations *a,
                          const struct dataset_options *options)
{
    struct json_file file = {.path = NULL};
    int failed = open_list(&file, path, "questions", options);
    yyjson_doc *doc;
    if (!failed)
        read_subtype(r, file.text);
    for (size_t i = 0; !failed && (doc = next_element(&file, options, &failed)) != NULL; i++) {
        yyjson_val *question = yyjson_doc_get_root(doc);
        const struct annotation *found =
            find_annotation(a, yyjson_obj_get(question, "question_id"));
        const char *why = found ? add_question(r, question, found) : NULL;
        if (!found)
            dataset_fault(r->set, options, path, 0, "question %zu has no annotation", i);
        else if (why)
            dataset_fault(r->set, options, path, 0, "question %lld %s",
                          (long long)found->question_id, why);
        yyjson_doc_free(doc);
    }
    close_list(&file);
    return failed;
}

static int read_all(struct dataset *set, const char *questions, const char *annotations,
                    const char *folder, const struct dataset_options *options)
{
    struct annotations a = {NULL, 0, 0};
    struct vqa_reading r = {.set = set, .folder = folder, .suffix = options->suffix};
    int failed = read_annotations(set, annotations, options, &a);
    if (!failed)
        failed = read_questions(&r, questions, &a, options);
    free(a.p);
    return failed;
}

int dataset_read_vqa(struct dataset *set, const char *arguments,
                     const struct dataset_options *options)
{
    char *copy = strdup(arguments);
    char *rest = copy;
    const char *questions = copy ? strsep(&rest, ":") : NULL;
    const char *annotations = rest ? strsep(&rest, ":") : NULL;
    int failed = -1;
    if (annotations && rest)
        failed = read_all(set, questions, annotations, rest, options);
    else
        fprintf(stderr, "%s: vqav2 needs QUESTIONS:ANNOTATIONS:IMAGE_DIR\n", options->log_name);
    free(copy);
    return failed;
}
