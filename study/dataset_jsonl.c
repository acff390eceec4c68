/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of JSON, one question a line:
 *
 *     {"id": "7", "image": "a.jpg", "question": "What is it?", "answer": "cup"}
 *
 * "image" (or "images", an array) is relative to the file's folder and may be missing; "answer" is
 * the only right one, "answers" are those of at least four people; "options", an array, makes it a
 * choice and "answer" the letter; "category" and "hint" are free. Whole numbers are taken as text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "dataset.h"

/* An answer is worth its matches / 3 with all but one: of fewer, none would ever be wholly right.
 */
#define ANSWERS_MIN 4

static const char *string_of(yyjson_val *root, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(root, key));
}

/* A string or a whole number as text, to be freed; NULL for anything else. */
static char *text_of(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return strdup(yyjson_get_str(value));
    return yyjson_is_int(value) ? yyjson_val_write(value, YYJSON_WRITE_NOFLAG, NULL) : NULL;
}

/* The same for as long as the set lives. */
static const char *copy_of(struct dataset *set, yyjson_val *value)
{
    char *text = text_of(value);
    const char *copy = text ? dataset_text(set, text, strlen(text)) : NULL;
    free(text);
    return copy;
}

static int add_path(struct dataset *set, struct item *item, const char *path, const char *folder)
{
    if (!path || item->n_images == ITEM_IMAGES_MAX)
        return -1;
    if (!item->paths)
        item->paths = dataset_alloc(set, ITEM_IMAGES_MAX * sizeof(*item->paths));
    const char *whole =
        path[0] == '/' ? dataset_print(set, "%s", path) : dataset_print(set, "%s/%s", folder, path);
    if (!item->paths || !whole)
        return -1;
    item->paths[item->n_images++] = whole;
    return 0;
}

static const char *take_images(struct dataset *set, struct item *item, yyjson_val *root,
                               const char *folder)
{
    yyjson_val *one = yyjson_obj_get(root, "image");
    yyjson_val *many = yyjson_obj_get(root, "images");
    size_t i;
    size_t max;
    yyjson_val *entry;
    if (one && add_path(set, item, yyjson_get_str(one), folder))
        return "\"image\" is not a string";
    if (many && !yyjson_is_arr(many))
        return "\"images\" is not an array";
    yyjson_arr_foreach(many, i, max, entry)
    {
        if (add_path(set, item, yyjson_get_str(entry), folder))
            return "\"images\" holds something that is not a string, or too many";
    }
    return NULL;
}

/* The texts of an array, one behind the other; NULL if it is none or too long. */
static const char *take_texts(struct dataset *set, yyjson_val *array, size_t max_n, size_t *ret_n)
{
    char *joined = NULL;
    size_t n_joined = 0;
    FILE *out = NULL;
    size_t i;
    size_t max;
    yyjson_val *entry;
    bool fine = yyjson_is_arr(array) && yyjson_arr_size(array) <= max_n;
    if (fine)
        out = open_memstream(&joined, &n_joined);
    if (!out)
        return NULL;
    yyjson_arr_foreach(array, i, max, entry)
    {
        char *text = text_of(entry);
        fine = fine && text && fwrite(text, 1, strlen(text) + 1, out) > 0;
        free(text);
    }
    fine = fclose(out) == 0 && fine;
    const char *texts = fine ? dataset_text(set, joined, n_joined) : NULL;
    free(joined);
    *ret_n = yyjson_arr_size(array);
    return texts;
}

static const char *take_answers(struct dataset *set, struct item *item, yyjson_val *root)
{
    yyjson_val *answers = yyjson_obj_get(root, "answers");
    yyjson_val *answer = yyjson_obj_get(root, "answer");
    if (answers) {
        item->scoring = ITEM_VQA;
        item->answers = take_texts(set, answers, ITEM_ANSWERS_MAX, &item->n_answers);
        if (!item->answers || item->n_answers < ANSWERS_MIN)
            return "\"answers\" is not an array of 4 to 16 strings (a single one is an \"answer\")";
    } else if (answer && !yyjson_is_null(answer)) {
        item->scoring = ITEM_EXACT;
        item->answers = copy_of(set, answer);
        item->n_answers = 1;
        if (!item->answers)
            return "\"answer\" is neither a string nor a whole number";
    }
    return NULL;
}

static const char *take_options(struct dataset *set, struct item *item, yyjson_val *root,
                                yyjson_val *options)
{
    const char *text = take_texts(set, options, CHOICE_OPTIONS_MAX, &item->n_options);
    if (!text || item->n_options < 2)
        return "\"options\" is not an array of 2 to 8 strings";
    item->options = dataset_alloc(set, item->n_options * sizeof(*item->options));
    if (!item->options)
        return "out of memory";
    for (size_t i = 0; i < item->n_options; i++) {
        item->options[i] = text;
        text += strlen(text) + 1;
    }
    yyjson_val *known = yyjson_obj_get(root, "answer");
    if (!known || yyjson_is_null(known))
        return NULL;
    const char *answer = yyjson_get_str(known);
    int right = answer && answer[0] && !answer[1] ? answer[0] - 'A' : -1;
    if (right < 0 || (size_t)right >= item->n_options)
        return "\"answer\" is not the letter of an option";
    item->right = right;
    return NULL;
}

/* As the images are named in the line, wherever the file lies. */
static const char *group_of(struct dataset *set, const struct item *item, yyjson_val *root)
{
    const char *image = string_of(root, "image");
    if (!image)
        image = yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(root, "images")));
    if (!image)
        image = item->id;
    return image ? dataset_text(set, image, strlen(image)) : NULL;
}

static const char *take_id(struct dataset *set, struct item *item, yyjson_val *id, size_t line)
{
    item->id = id ? copy_of(set, id) : dataset_print(set, "%zu", line);
    if (id && !item->id)
        return "\"id\" is neither a string nor a whole number";
    return item->id && strchr(item->id, '#') ? "\"id\" holds a #, which marks rotated options"
                                             : NULL;
}

static int make_choice(struct dataset *set, size_t at, const char *question, const char *hint,
                       const struct dataset_options *options)
{
    if (dataset_make_choice(set, at, question, hint))
        return -1;
    return options->circular ? dataset_add_rotations(set, at, question, hint) : 0;
}

static const char *add_line(struct dataset *set, yyjson_val *root, const char *folder, size_t line,
                            const struct dataset_options *options)
{
    const char *question = string_of(root, "question");
    const char *category = string_of(root, "category");
    const char *hint = string_of(root, "hint");
    yyjson_val *choices = yyjson_obj_get(root, "options");
    if (!question)
        return "no \"question\"";
    struct item *item = dataset_add(set);
    if (!item)
        return "out of memory";
    size_t at = set->n - 1;
    const char *why = take_id(set, item, yyjson_obj_get(root, "id"), line);
    if (!why)
        why = take_images(set, item, root, folder);
    item->category = dataset_print(set, "%s", category ? category : "");
    item->group = group_of(set, item, root);
    if (!why && (!item->id || !item->category || !item->group))
        why = "out of memory";
    if (!why)
        why = choices ? take_options(set, item, root, choices) : take_answers(set, item, root);
    if (!why && choices && make_choice(set, at, question, hint ? hint : "", options))
        why = "out of memory";
    if (!why && !choices)
        item->prompt = dataset_print(set, "%s%s", question, options->suffix);
    if (!why && !set->items[at].prompt)
        why = "out of memory";
    while (why && set->n > at)
        dataset_drop(set);
    return why;
}

static void read_lines(struct dataset *set, FILE *in, const char *path, const char *folder,
                       const struct dataset_options *options)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    for (size_t number = 1; (n = getline(&line, &room, in)) > 0; number++) {
        if (line[strspn(line, " \t\r\n")] == '\0')
            continue;
        yyjson_read_err error;
        size_t mark = number == 1 ? dataset_bom(line, (size_t)n) : 0;
        yyjson_doc *doc =
            yyjson_read_opts(line + mark, (size_t)n - mark, YYJSON_READ_NOFLAG, NULL, &error);
        if (!doc) {
            dataset_fault(set, options, path, number, "%s (at byte %zu)", error.msg, error.pos);
            continue;
        }
        const char *why = add_line(set, yyjson_doc_get_root(doc), folder, number, options);
        if (why)
            dataset_fault(set, options, path, number, "%s", why);
        yyjson_doc_free(doc);
    }
    free(line);
}

int dataset_read_jsonl(struct dataset *set, const char *path, const struct dataset_options *options)
{
    FILE *in = fopen(path, "re");
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (in && folder)
        read_lines(set, in, path, folder, options);
    else
        fprintf(stderr, "%s: %s: %s\n", options->log_name, path, strerror(errno));
    int failed = in && folder ? 0 : -1;
    if (in)
        fclose(in);
    free(folder);
    return failed;
}
