/* SPDX-License-Identifier: Apache-2.0
 *
 * study/dataset.h: what the three readers make of files, and what is drawn of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/dataset.h"

#include "test.h"

static char folder[] = "unit-dataset-XXXXXX";

/* The path of a file of this text, until the next call. */
static const char *file(const char *name, const char *text)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return path;
}

static struct dataset_options plain(void)
{
    return (struct dataset_options){
        .seed = 1, .suffix = "\nShort.", .scorer = -1, .log_name = "test"};
}

static struct dataset *open_set(const char *kind, const char *path,
                                const struct dataset_options *options)
{
    char spec[512];
    struct dataset *set = NULL;
    snprintf(spec, sizeof(spec), "%s:%s", kind, path);
    assert_int_equal(dataset_open(spec, options, &set), 0);
    return set;
}

static const struct item *find(const struct dataset *set, const char *id)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->items[i].id, id) == 0)
            return &set->items[i];
    }
    fail_msg("no item \"%s\"", id);
    return NULL;
}

static void assert_begins(const char *text, const char *begin)
{
    if (strncmp(text, begin, strlen(begin)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, begin);
}

/* Ids in order, with blanks between them. */
static const char *ids(const struct dataset *set)
{
    static char text[4096];
    text[0] = '\0';
    for (size_t i = 0; i < set->n; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, set->items[i].id);
    }
    return text;
}

/* ---- JSONL ---- */

static void lines_become_items(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    struct dataset *set = open_set(
        "jsonl",
        file(
            "a.jsonl",
            "{\"id\":\"a\",\"image\":\"x.png\",\"question\":\"Q?\",\"answer\":\"cup\"}\n"
            "{\"id\":7,\"images\":[\"y.png\",\"/z.png\"],\"question\":\"R?\","
            "\"answers\":[\"one\",\"two\",3,\"\"],\"category\":\"c\"}\n\n"
            "{\"question\":\"S?\",\"options\":[\"red\",\"blue\"],\"answer\":\"B\",\"hint\":\"H\"}\n"
            "{\"id\":\"none\",\"question\":\"T?\"}\n"),
        &options);
    char path[160];
    assert_int_equal(set->n, 4);
    assert_int_equal(set->n_faults, 0);
    assert_int_equal(set->scorer, VQA_NORMALIZED);
    const struct item *a = find(set, "a");
    snprintf(path, sizeof(path), "%s/x.png", folder);
    assert_true(a->scoring == ITEM_EXACT && a->n_images == 1);
    assert_string_equal(a->paths[0], path);
    assert_string_equal(a->prompt, "Q?\nShort.");
    assert_string_equal(a->group, "x.png");
    assert_string_equal(a->category, "");
    const struct item *b = find(set, "7");
    const char *answers[ITEM_ANSWERS_MAX];
    item_answers(b, answers);
    assert_true(b->scoring == ITEM_VQA && b->n_answers == 4 && b->n_images == 2);
    assert_string_equal(answers[0], "one");
    assert_string_equal(answers[2], "3");
    assert_string_equal(answers[3], "");
    assert_string_equal(b->paths[1], "/z.png");
    const struct item *c = find(set, "4");
    assert_true(c->scoring == ITEM_CHOICE && c->right == 1 && c->n_options == 2);
    assert_begins(c->prompt, "Hint: H\nS?\nA. red\nB. blue\n");
    assert_true(find(set, "none")->scoring == ITEM_UNSCORED);
    dataset_free(set);
}

static void rotations_of_a_line_stay_together(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    options.circular = true;
    options.limit = 1;
    struct dataset *set = open_set(
        "jsonl",
        file("a.jsonl",
             "{\"id\":\"a\",\"question\":\"S?\",\"options\":[\"x\",\"y\",\"z\"],\"answer\":\"A\"}\n"
             "{\"id\":\"b\",\"question\":\"S?\",\"options\":[\"x\",\"y\",\"z\"],\"answer\":\"A\"}"
             "\n"),
        &options);
    assert_int_equal(set->n, 3);
    assert_string_equal(set->items[1].id + 1, "#1");
    assert_string_equal(set->items[1].options[0], "y");
    assert_int_equal(set->items[1].right, 2);
    assert_int_equal(set->items[2].right, 1);
    dataset_free(set);
}

/* ---- what is drawn ---- */

static const char *forty_lines(void)
{
    static char text[8192];
    text[0] = '\0';
    for (int i = 0; i < 40; i++)
        sprintf(text + strlen(text),
                "{\"id\":\"%d\",\"image\":\"%d.png\",\"question\":\"Q?\",\"answer\":\"x\"}\n", i,
                i % 10);
    return file("forty.jsonl", text);
}

static void images_are_drawn_with_all_their_questions(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    char first[256] = "";
    bool differs = false;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        options.seed = seed;
        options.images = 3;
        struct dataset *set = open_set("jsonl", forty_lines(), &options);
        size_t per_image[10] = {0};
        assert_int_equal(set->n, 12);
        for (size_t i = 0; i < set->n; i++)
            per_image[set->items[i].group[0] - '0']++;
        for (size_t i = 0; i < 10; i++)
            assert_true(per_image[i] == 0 || per_image[i] == 4);
        struct dataset *again = open_set("jsonl", forty_lines(), &options);
        char kept[256];
        strcpy(kept, ids(set));
        assert_string_equal(kept, ids(again));
        differs = differs || (seed > 1 && strcmp(kept, first) != 0);
        strcpy(first, kept);
        dataset_free(again);
        dataset_free(set);
    }
    assert_true(differs);
    options.images = 100; /* more than there are */
    struct dataset *all = open_set("jsonl", forty_lines(), &options);
    assert_int_equal(all->n, 40);
    dataset_free(all);
    options.images = 2;
    options.limit = 5;
    struct dataset *few = open_set("jsonl", forty_lines(), &options);
    assert_int_equal(few->n, 5);
    dataset_free(few);
}

static void splits_are_by_image_and_complete(void **unused)
{
    (void)unused;
    size_t n[3];
    for (int split = SPLIT_ALL; split <= SPLIT_TEST; split++) {
        struct dataset_options options = plain();
        options.split = (enum dataset_split)split;
        struct dataset *set = open_set("jsonl", forty_lines(), &options);
        n[split] = set->n;
        assert_int_equal(set->n % 4, 0);
        dataset_free(set);
    }
    assert_int_equal(n[SPLIT_CALIBRATION] + n[SPLIT_TEST], n[SPLIT_ALL]);
}

/* ---- MMBench ---- */

#define HEAD "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\n"

/* As VLMEvalKit's files: all questions, then all first rotations, and so on. */
static const char *circular_table(void)
{
    return file("m.tsv", HEAD "5\tFive?\t\tred\tblue\tgreen\t\tB\tcolour\taGVsbG8=\n"
                              "7\tSeven?\t\tyes\tno\t\t\tA\tother\taGFsbG8=\n"
                              "9\t\"Nine \"\"9\"\"?\"\thint\tleft\tright\t\t\tA\tother\t7\n"
                              "1000005\tFive?\t\tblue\tgreen\tred\t\tA\tcolour\t5\n"
                              "1000007\tSeven?\t\tno\tyes\t\t\tB\tother\t7\n"
                              "2000005\tFive?\t\tgreen\tred\tblue\t\tC\tcolour\t5\n"
                              "3000008\tOrphan?\t\tno\tyes\t\t\tB\tother\t7\n"
                              "11\tBorrowed?\t\tno\tyes\t\t\tB\tother\t12\n");
}

static void rotations_that_are_rows_join_their_question(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    struct dataset *set = open_set("mmbench", circular_table(), &options);
    assert_int_equal(set->n, 6);
    assert_int_equal(set->n_faults, 2); /* no question 8, no image 12 */
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->items[i].id, "5") != 0)
            continue;
        assert_string_equal(set->items[i + 1].id, "5#1");
        assert_string_equal(set->items[i + 2].id, "5#2");
    }
    const struct item *rotated = find(set, "5#2");
    assert_true(rotated->right == 2 && rotated->n_options == 3);
    assert_string_equal(rotated->options[0], "green");
    assert_string_equal(rotated->group, "5");
    assert_memory_equal(rotated->base64.p, "aGVsbG8=", 8);
    const struct item *borrowed = find(set, "9");
    assert_string_equal(borrowed->group, "7");
    assert_begins(borrowed->prompt, "Hint: hint\nNine \"9\"?\nA. left\n");
    char why[64];
    struct moa_bytes image = dataset_read_image(borrowed, 0, why, sizeof(why));
    assert_true(image.n == 5 && memcmp(image.p, "hallo", 5) == 0);
    free((void *)(uintptr_t)image.p);
    dataset_free(set);
}

static void circular_rotates_only_what_no_row_rotates(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    options.circular = true;
    struct dataset *set = open_set("mmbench", circular_table(), &options);
    assert_int_equal(set->n, 7);
    assert_int_equal(find(set, "9#1")->right, 1);
    assert_string_equal(find(set, "9#1")->options[0], "right");
    assert_begins(find(set, "9#1")->prompt, "Hint: hint\nNine \"9\"?\nA. right\n");
    dataset_free(set);
    for (size_t limit = 1; limit <= 3; limit++) {
        options.limit = limit;
        set = open_set("mmbench", circular_table(), &options);
        size_t n_questions = 0;
        size_t n_wanted = 0;
        for (size_t i = 0; i < set->n; i++) {
            if (strchr(set->items[i].id, '#'))
                continue;
            n_questions++;
            n_wanted += set->items[i].n_options;
        }
        assert_int_equal(n_questions, limit);
        assert_int_equal(set->n, n_wanted);
        dataset_free(set);
    }
}

static void groups_may_have_a_column_of_their_own(void **unused)
{
    (void)unused;
    struct dataset_options options = plain();
    struct dataset *set =
        open_set("mmbench",
                 file("g.tsv", "index\tg_index\tquestion\tA\tB\tanswer\timage\n"
                               "1\t1\tOne?\tx\ty\tA\taGVsbG8=\n2\t1\tOne?\ty\tx\tB\t1\n"
                               "1000003\t1000003\tThree?\tx\ty\tA\t1\nname\t\tFour?\tx\ty\tA\t1\n"),
                 &options);
    assert_int_equal(set->n, 4);
    assert_string_equal(find(set, "1#2")->options[0], "y");
    assert_string_equal(find(set, "1000003")->group, "1");
    assert_string_equal(find(set, "name")->prompt, "Four?\nA. x\nB. y\nAnswer with the option's "
                                                   "letter from the given choices directly.");
    dataset_free(set);
}

/* ---- VQAv2 ---- */

static struct dataset *open_vqa(const char *questions, const char *annotations, int *ret_failed)
{
    char spec[512];
    struct dataset *set = NULL;
    struct dataset_options options = plain();
    file("q.json", questions);
    file("a.json", annotations);
    snprintf(spec, sizeof(spec), "vqav2:%s/q.json:%s/a.json:%s", folder, folder, folder);
    *ret_failed = dataset_open(spec, &options, &set);
    return set;
}

static void questions_find_their_annotations(void **unused)
{
    (void)unused;
    int failed;
    struct dataset *set = open_vqa(
        "{\"info\":{\"questions\":[]},\"questions\":["
        "{\"image_id\":9,\"question\":\"Q?\",\"question_id\":90},"
        "{\"image_id\":9,\"question\":\"R?\",\"question_id\":91},"
        "{\"image_id\":8,\"question\":\"none?\",\"question_id\":80},"
        "{\"image_id\":\"8\",\"question\":\"S?\",\"question_id\":81}],\"data_subtype\":\"test15\"}",
        "{\"annotations\":[{\"question_id\":91,\"answers\":[{\"answer\":\"b\"},{\"answer\":\"c\"}]}"
        ","
        "{\"question_id\":90,\"answers\":[{\"answer\":\"a\"}]},{\"question_id\":81,\"answers\":[{"
        "\"answer\":\"d\"}]},{\"question_id\":82,\"answers\":[]},{\"question_id\":83,\"answers\":["
        "7]}]}",
        &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(set->n, 2);
    assert_int_equal(set->n_faults, 4);
    assert_int_equal(set->scorer, VQA_2021);
    char path[160];
    const char *answers[ITEM_ANSWERS_MAX];
    item_answers(find(set, "91"), answers);
    snprintf(path, sizeof(path), "%s/COCO_test15_000000000009.jpg", folder);
    assert_string_equal(find(set, "91")->paths[0], path);
    assert_string_equal(find(set, "90")->group, "9");
    assert_string_equal(find(set, "90")->prompt, "Q?\nShort.");
    assert_string_equal(answers[1], "c");
    dataset_free(set);
}

static void broken_files_are_refused(void **unused)
{
    (void)unused;
    static const char questions[] = "{\"questions\":[]}";
    static const char *const annotations[] = {"[]", "{\"annotations\":{}}", "{\"annotations\":[{]}",
                                              "{\"annotations\":[{\"question_id\":1}", "{"};
    int failed;
    for (size_t i = 0; i < N_TESTS(annotations); i++) {
        assert_null(open_vqa(questions, annotations[i], &failed));
        assert_int_equal(failed, -1);
    }
}

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
    (void)unused;
    static const char *const names[] = {"a.jsonl", "forty.jsonl", "m.tsv",
                                        "g.tsv",   "q.json",      "a.json"};
    char path[128];
    for (size_t i = 0; i < N_TESTS(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_items),
        cmocka_unit_test(rotations_of_a_line_stay_together),
        cmocka_unit_test(images_are_drawn_with_all_their_questions),
        cmocka_unit_test(splits_are_by_image_and_complete),
        cmocka_unit_test(rotations_that_are_rows_join_their_question),
        cmocka_unit_test(circular_rotates_only_what_no_row_rotates),
        cmocka_unit_test(groups_may_have_a_column_of_their_own),
        cmocka_unit_test(questions_find_their_annotations),
        cmocka_unit_test(broken_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
