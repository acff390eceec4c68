/* SPDX-License-Identifier: Apache-2.0
 *
 * VQAv2 (https://visualqa.org/vqa_v2.html): a file of questions, one of annotations with ten
 * answers to each, and a folder of images COCO_<subtype>_<image id>.jpg.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yyjson.h>

#include "dataset.h"

static yyjson_doc *read_json(const char *path, const struct dataset_options *options)
{
    yyjson_read_err error;
    yyjson_doc *doc = yyjson_read_file(path, YYJSON_READ_NOFLAG, NULL, &error);
    if (!doc)
        fprintf(stderr, "%s: %s: %s (at byte %zu)\n", options->log_name, path, error.msg,
                error.pos);
    return doc;
}

struct annotation {
    int64_t question_id;
    yyjson_val *answers;
};

static int compare_annotations(const void *a, const void *b)
{
    int64_t x = ((const struct annotation *)a)->question_id;
    int64_t y = ((const struct annotation *)b)->question_id;
    return (x > y) - (x < y);
}

/* Sorted by question; those that are malformed are faults. */
static struct annotation *read_annotations(struct dataset *set, yyjson_doc *doc, const char *path,
                                           const struct dataset_options *options, size_t *ret_n)
{
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "annotations");
    struct annotation *annotations =
        malloc((yyjson_arr_size(list) + 1) * sizeof(struct annotation));
    size_t n = 0;
    size_t i;
    size_t max;
    yyjson_val *entry;
    if (!annotations)
        return NULL;
    yyjson_arr_foreach(list, i, max, entry)
    {
        yyjson_val *id = yyjson_obj_get(entry, "question_id");
        yyjson_val *answers = yyjson_obj_get(entry, "answers");
        if (yyjson_is_int(id) && yyjson_arr_size(answers) > 0)
            annotations[n++] = (struct annotation){yyjson_get_sint(id), answers};
        else
            dataset_fault(set, options, path, 0,
                          "annotation %zu has no integer \"question_id\" or no \"answers\"", i);
    }
    qsort(annotations, n, sizeof(*annotations), compare_annotations);
    *ret_n = n;
    return annotations;
}

/* DIR/COCO_... or, as the archives unpack, DIR/<subtype>/COCO_...; "" if neither is there. */
static char *image_path(const char *folder, const char *subtype, int64_t image_id)
{
    char *path;
    if (asprintf(&path, "%s/COCO_%s_%012lld.jpg", folder, subtype, (long long)image_id) < 0)
        return NULL;
    if (access(path, R_OK) == 0)
        return path;
    char *nested;
    if (asprintf(&nested, "%s/%s/COCO_%s_%012lld.jpg", folder, subtype, subtype,
                 (long long)image_id) < 0) {
        free(path);
        return NULL;
    }
    if (access(nested, R_OK) == 0) {
        free(path);
        return nested;
    }
    free(nested);
    return path; /* missing: it is said when the image is wanted */
}

static int add_answers(struct item *item, yyjson_val *answers)
{
    size_t i;
    size_t max;
    yyjson_val *entry;
    yyjson_arr_foreach(answers, i, max, entry)
    {
        const char *answer = yyjson_get_str(yyjson_obj_get(entry, "answer"));
        if (!answer || item->n_answers == ITEM_ANSWERS_MAX)
            return -1;
        item->answers[item->n_answers] = strdup(answer);
        if (!item->answers[item->n_answers++])
            return -1;
    }
    return 0;
}

/* NULL, or what is wrong with the question. */
static const char *add_question(struct dataset *set, yyjson_val *question, yyjson_val *answers,
                                const char *folder, const char *subtype, const char *suffix)
{
    yyjson_val *image_id = yyjson_obj_get(question, "image_id");
    const char *text = yyjson_get_str(yyjson_obj_get(question, "question"));
    if (!yyjson_is_int(image_id) || !text)
        return "has no integer \"image_id\" or no \"question\"";
    struct item *item = dataset_add(set);
    if (!item)
        return "finds no memory";
    long long id = yyjson_get_sint(yyjson_obj_get(question, "question_id"));
    long long image = yyjson_get_sint(image_id);
    item->scoring = ITEM_VQA;
    item->n_images = 1;
    item->paths[0] = image_path(folder, subtype, image);
    item->category = strdup("");
    if (asprintf(&item->id, "%lld", id) > 0 && asprintf(&item->group, "%lld", image) > 0 &&
        asprintf(&item->prompt, "%s%s", text, suffix) > 0 && item->paths[0] && item->category &&
        add_answers(item, answers) == 0)
        return NULL;
    dataset_drop(set);
    return "has answers that are none";
}

static void read_questions(struct dataset *set, yyjson_doc *doc, const char *path,
                           const struct annotation *annotations, size_t n_annotations,
                           const char *folder, const struct dataset_options *options)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *subtype = yyjson_get_str(yyjson_obj_get(root, "data_subtype"));
    size_t i;
    size_t max;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(root, "questions"), i, max, entry)
    {
        yyjson_val *id = yyjson_obj_get(entry, "question_id");
        struct annotation wanted = {.question_id = yyjson_get_sint(id)};
        const struct annotation *found =
            yyjson_is_int(id)
                ? bsearch(&wanted, annotations, n_annotations, sizeof(wanted), compare_annotations)
                : NULL;
        if (!found) {
            dataset_fault(set, options, path, 0, "question %zu has no annotation", i);
            continue;
        }
        const char *why = add_question(set, entry, found->answers, folder,
                                       subtype ? subtype : "val2014", options->suffix);
        if (why)
            dataset_fault(set, options, path, 0, "question %lld %s", (long long)wanted.question_id,
                          why);
    }
}

static int read_all(struct dataset *set, const char *questions, const char *annotations,
                    const char *folder, const struct dataset_options *options)
{
    yyjson_doc *question_doc = read_json(questions, options);
    yyjson_doc *annotation_doc = question_doc ? read_json(annotations, options) : NULL;
    size_t n = 0;
    struct annotation *sorted =
        annotation_doc ? read_annotations(set, annotation_doc, annotations, options, &n) : NULL;
    if (sorted)
        read_questions(set, question_doc, questions, sorted, n, folder, options);
    free(sorted);
    yyjson_doc_free(question_doc);
    yyjson_doc_free(annotation_doc);
    return sorted ? 0 : -1;
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
