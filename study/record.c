/* SPDX-License-Identifier: Apache-2.0
 *
 * Records as lines of JSON; see record.h. NaN is written as null.
 */
#include "record.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

/* ---- fields ---- */

enum field_type { STRING, NUMBER, INTEGER, FLAG };

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
};

#define IN(member) offsetof(struct record, member)
static const struct field record_fields[] = {
    {"dataset", STRING, IN(condition.dataset)},
    {"policy", STRING, IN(condition.policy)},
    {"load", STRING, IN(condition.load)},
    {"link_mbps", NUMBER, IN(condition.link_mbps)},
    {"seed", INTEGER, IN(condition.seed)},
    {"item", STRING, IN(item)},
    {"category", STRING, IN(category)},
    {"scorer", STRING, IN(scorer)},
    {"ok", FLAG, IN(ok)},
    {"error", STRING, IN(error)},
    {"status", INTEGER, IN(status)},
    {"plan", STRING, IN(plan)},
    {"decision", STRING, IN(decision)},
    {"scores", STRING, IN(scores)},
    {"reason", STRING, IN(reason)},
    {"state", STRING, IN(state)},
    {"fallback", STRING, IN(fallback)},
    {"answer", STRING, IN(answer)},
    {"correct", NUMBER, IN(correct)},
    {"scheduled_s", NUMBER, IN(scheduled_s)},
    {"late_ms", NUMBER, IN(late_ms)},
    {"ttft_ms", NUMBER, IN(ttft_ms)},
    {"total_ms", NUMBER, IN(total_ms)},
    {"overhead_us", NUMBER, IN(overhead_us)},
    {"bytes_up", NUMBER, IN(bytes_up)},
    {"bytes_down", NUMBER, IN(bytes_down)},
    {"prompt_tokens", NUMBER, IN(prompt_tokens)},
    {"completion_tokens", NUMBER, IN(completion_tokens)},
    {"edge_cpu_s", NUMBER, IN(cpu_s[0])},
    {"cloud_cpu_s", NUMBER, IN(cpu_s[1])},
    {"edge_peak_bytes", NUMBER, IN(peak_bytes[0])},
    {"cloud_peak_bytes", NUMBER, IN(peak_bytes[1])},
    {"features", FLAG, IN(features.known)},
    {"pixels", NUMBER, IN(features.pixels)},
    {"file_bytes", NUMBER, IN(features.file_bytes)},
    {"c_res", NUMBER, IN(features.resolution)},
    {"c_edge", NUMBER, IN(features.edge)},
    {"c_ent", NUMBER, IN(features.entropy)},
    {"c_lap", NUMBER, IN(features.sharpness)},
    {"c_img", NUMBER, IN(features.image)},
    {"edge_fraction", NUMBER, IN(features.edge_fraction)},
    {"bits_per_pixel", NUMBER, IN(features.bits_per_pixel)},
    {"bits_per_pixel_normal", NUMBER, IN(features.bits_per_pixel_normal)},
    {"laplacian_variance", NUMBER, IN(features.laplacian_variance)},
    {"c_len", NUMBER, IN(features.text_length)},
    {"c_ner", NUMBER, IN(features.text_entity)},
    {"c_text", NUMBER, IN(features.text)},
};
#undef IN

#define IN(member) offsetof(struct pass, member)
static const struct field pass_fields[] = {
    {"dataset", STRING, IN(condition.dataset)},
    {"policy", STRING, IN(condition.policy)},
    {"load", STRING, IN(condition.load)},
    {"link_mbps", NUMBER, IN(condition.link_mbps)},
    {"seed", INTEGER, IN(condition.seed)},
    {"wall_s", NUMBER, IN(wall_s)},
    {"done", INTEGER, IN(n_done)},
    {"failed", INTEGER, IN(n_failed)},
    {"done_before", INTEGER, IN(n_before)},
    {"dataset_faults", INTEGER, IN(dataset_faults)},
    {"interrupted", FLAG, IN(interrupted)},
    {"edge_cpu_s", NUMBER, IN(cpu_s[0])},
    {"cloud_cpu_s", NUMBER, IN(cpu_s[1])},
    {"edge_peak_bytes", NUMBER, IN(peak_bytes[0])},
    {"cloud_peak_bytes", NUMBER, IN(peak_bytes[1])},
    {"edge_prompt_tokens", NUMBER, IN(prompt_tokens[0])},
    {"cloud_prompt_tokens", NUMBER, IN(prompt_tokens[1])},
    {"edge_completion_tokens", NUMBER, IN(completion_tokens[0])},
    {"cloud_completion_tokens", NUMBER, IN(completion_tokens[1])},
    {"edge_params", NUMBER, IN(n_params[0])},
    {"cloud_params", NUMBER, IN(n_params[1])},
    {"edge_sent_bytes", NUMBER, IN(sent_bytes[0])},
    {"cloud_sent_bytes", NUMBER, IN(sent_bytes[1])},
    {"edge_received_bytes", NUMBER, IN(received_bytes[0])},
    {"cloud_received_bytes", NUMBER, IN(received_bytes[1])},
    {"asked_for", STRING, IN(asked_for)},
    {"settings", STRING, IN(settings)},
    {"begun", STRING, IN(begun)},
    {"version", STRING, IN(version)},
    {"machine", STRING, IN(machine)},
    {"wanted", NUMBER, IN(n_wanted)},
};
#undef IN

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void add_field(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct field *f,
                      const void *from)
{
    const void *at = (const char *)from + f->offset;
    double number;
    switch (f->type) {
    case STRING: {
        const char *text = *(const char *const *)at;
        yyjson_mut_obj_add_str(doc, root, f->key, text ? text : "");
        break;
    }
    case NUMBER:
        number = *(const double *)at;
        if (!isfinite(number))
            yyjson_mut_obj_add_null(doc, root, f->key);
        else if (number == floor(number) && fabs(number) < 1e15)
            yyjson_mut_obj_add_sint(doc, root, f->key, (int64_t)number);
        else
            yyjson_mut_obj_add_real(doc, root, f->key, round(number * 1e6) / 1e6);
        break;
    case INTEGER:
        yyjson_mut_obj_add_sint(doc, root, f->key, *(const int64_t *)at);
        break;
    case FLAG:
        yyjson_mut_obj_add_bool(doc, root, f->key, *(const bool *)at);
        break;
    }
}

static int write_line(FILE *out, const struct field *fields, size_t n, const void *from)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    char *line = NULL;
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        for (size_t i = 0; i < n; i++)
            add_field(doc, root, &fields[i], from);
        line = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
        yyjson_mut_doc_free(doc);
    }
    int failed = !line || fprintf(out, "%s\n", line) < 0 || fflush(out) != 0 ? -1 : 0;
    free(line);
    return failed;
}

int record_write(FILE *out, const struct record *record)
{
    return write_line(out, record_fields, N(record_fields), record);
}

int pass_write(FILE *out, const struct pass *pass)
{
    return write_line(out, pass_fields, N(pass_fields), pass);
}

/* ---- reading ---- */

static void read_field(yyjson_val *root, const struct field *f, void *to)
{
    void *at = (char *)to + f->offset;
    yyjson_val *value = yyjson_obj_get(root, f->key);
    switch (f->type) {
    case STRING:
        *(const char **)at = yyjson_is_str(value) ? yyjson_get_str(value) : "";
        break;
    case NUMBER:
        *(double *)at = yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
        break;
    case INTEGER:
        *(int64_t *)at = yyjson_get_sint(value);
        break;
    case FLAG:
        *(bool *)at = yyjson_is_true(value);
        break;
    }
}

/* Room for one more; NULL if out of memory. */
static void *grow(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return array;
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = realloc(array, wanted * size);
    if (grown)
        *room = wanted;
    return grown;
}

static int keep_doc(struct records *r, yyjson_doc *doc)
{
    void **grown = grow(r->docs, r->n_docs, &r->docs_room, sizeof(*grown));
    if (!grown)
        return -1;
    r->docs = grown;
    r->docs[r->n_docs++] = doc;
    return 0;
}

static int take_record(struct records *r, yyjson_val *root)
{
    struct record *grown = grow(r->records, r->n, &r->room, sizeof(*grown));
    if (!grown)
        return -1;
    r->records = grown;
    for (size_t i = 0; i < N(record_fields); i++)
        read_field(root, &record_fields[i], &r->records[r->n]);
    r->n++;
    return 0;
}

static int take_pass(struct records *r, yyjson_val *root)
{
    struct pass *grown = grow(r->passes, r->n_passes, &r->passes_room, sizeof(*grown));
    if (!grown)
        return -1;
    r->passes = grown;
    for (size_t i = 0; i < N(pass_fields); i++)
        read_field(root, &pass_fields[i], &r->passes[r->n_passes]);
    r->n_passes++;
    return 0;
}

static int read_lines(FILE *in, struct records *r, int (*take)(struct records *, yyjson_val *))
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int failed = 0;
    while (!failed && (n = getline(&line, &room, in)) > 0) {
        yyjson_doc *doc = yyjson_read(line, (size_t)n, YYJSON_READ_ALLOW_INVALID_UNICODE);
        if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
            r->n_bad++;
            yyjson_doc_free(doc);
            continue;
        }
        failed = keep_doc(r, doc);
        if (failed)
            yyjson_doc_free(doc);
        else
            failed = take(r, yyjson_doc_get_root(doc));
    }
    free(line);
    return failed;
}

static int read_one(const char *folder, const char *name, struct records *r,
                    int (*take)(struct records *, yyjson_val *))
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return -1;
    FILE *in = fopen(path, "re");
    free(path);
    if (!in)
        return 1;
    int failed = read_lines(in, r, take);
    fclose(in);
    return failed;
}

static int same_number(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

bool condition_equal(const struct condition *a, const struct condition *b)
{
    return a->seed == b->seed && same_number(a->link_mbps, b->link_mbps) &&
           strcmp(a->policy, b->policy) == 0 && strcmp(a->dataset, b->dataset) == 0 &&
           strcmp(a->load, b->load) == 0;
}

static int compare_numbers(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (int)isnan(b) - (int)isnan(a);
    return (a > b) - (a < b);
}

int record_compare_items(const char *a, const char *b)
{
    size_t n_a = strcspn(a, "#");
    size_t n_b = strcspn(b, "#");
    int order = strncmp(a, b, n_a < n_b ? n_a : n_b);
    if (order == 0)
        order = (n_a > n_b) - (n_a < n_b);
    return order ? order : strcmp(a + n_a, b + n_b);
}

bool record_same_question(const struct record *a, const struct record *b)
{
    size_t n = strcspn(a->item, "#");
    return a->condition.seed == b->condition.seed && strcspn(b->item, "#") == n &&
           strncmp(a->item, b->item, n) == 0;
}

/* By everything that makes a record another one; the last read last. */
static int compare_records(const void *x, const void *y)
{
    const struct record *a = x;
    const struct record *b = y;
    int order = strcmp(a->condition.dataset, b->condition.dataset);
    if (order == 0)
        order = strcmp(a->condition.load, b->condition.load);
    if (order == 0)
        order = compare_numbers(a->condition.link_mbps, b->condition.link_mbps);
    if (order == 0)
        order = strcmp(a->condition.policy, b->condition.policy);
    if (order == 0)
        order = (a->condition.seed > b->condition.seed) - (a->condition.seed < b->condition.seed);
    if (order == 0)
        order = record_compare_items(a->item, b->item);
    if (order == 0)
        order = (int)a->ok - (int)b->ok;
    return order;
}

static void drop_older(struct records *r)
{
    if (r->n > 1)
        qsort(r->records, r->n, sizeof(*r->records), compare_records);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct record *next = i + 1 < r->n ? &r->records[i + 1] : NULL;
        bool again = next && strcmp(next->item, r->records[i].item) == 0 &&
                     condition_equal(&next->condition, &r->records[i].condition);
        if (!again)
            r->records[n++] = r->records[i];
    }
    r->n = n;
}

int records_read(const char *folder, struct records *records)
{
    int failed = read_one(folder, "requests.jsonl", records, take_record);
    if (failed == 0 && read_one(folder, "passes.jsonl", records, take_pass) < 0)
        failed = -1;
    drop_older(records);
    return failed;
}

void records_done(struct records *records)
{
    for (size_t i = 0; i < records->n_docs; i++)
        yyjson_doc_free(records->docs[i]);
    free(records->docs);
    free(records->records);
    free(records->passes);
    *records = (struct records){0};
}
