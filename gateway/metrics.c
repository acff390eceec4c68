/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus text; see metrics.h.
 */
#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define LABELS_MAX 3

static const double quick[METRICS_BUCKETS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                              0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                              1,      2.5,     10,     60};
static const double slow[METRICS_BUCKETS] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,  1.5,
                                             2.5,  5,     10,   20,  30,   60,  90, 120};

/* ---- statuses ---- */

/* Those that the gateway sends by itself; an engine's own that is none of them is "other". */
static const int codes[METRICS_CODES] = {0,   200, 400, 401, 402, 403, 404, 405, 408, 409,
                                         413, 415, 422, 429, 500, 501, 502, 503, 504, -1};

size_t metrics_code(int status)
{
    size_t i = 0;
    while (codes[i] != status && codes[i] >= 0)
        i++;
    return i;
}

const char *metrics_code_name(size_t i)
{
    static const char *const names[METRICS_CODES] = {
        "gone", "200", "400", "401", "402", "403", "404", "405", "408", "409",
        "413",  "415", "422", "429", "500", "501", "502", "503", "504", "other"};
    return names[i];
}

/* ---- what the rows mean here ---- */

#define ONE_OF(...) ((const char *const[]){__VA_ARGS__})[i]
#define LABEL(id, name, n_values, value)                                                           \
    static const char *name_of_##id(size_t i)                                                      \
    {                                                                                              \
        return value;                                                                              \
    }
#include "metrics_rows.h"

struct metric_label {
    const char *name;
    size_t n;
    const char *(*value)(size_t i);
};

enum {
#define LABEL(id, name, n_values, value) BY_##id,
#include "metrics_rows.h"
};

static const struct metric_label labels[] = {
#define LABEL(id, name, n_values, value) {name, n_values, name_of_##id},
#include "metrics_rows.h"
};

enum type { COUNTER, SPARSE, TOTAL, GAUGE, QUICK, SLOW };

static const char *const type_names[] = {"counter", "counter",   "counter",
                                         "gauge",   "histogram", "histogram"};

struct metric_row {
    const char *name, *help;
    size_t offset; /* of the field */
    enum type type;
    unsigned char n_labels, by[LABELS_MAX];
};

#define FIELD(field, kind, text)                                                                   \
    .name = "moaoff_" #field, .help = (text), .type = (kind),                                      \
    .offset = offsetof(struct metrics, field)

static const struct metric_row rows[] = {
#define ROW(name, type, help) {FIELD(name, type, help)},
#define ROW1(name, type, help, a) {FIELD(name, type, help), .n_labels = 1, .by = {BY_##a}},
#define ROW2(name, type, help, a, b)                                                               \
    {FIELD(name, type, help), .n_labels = 2, .by = {BY_##a, BY_##b}},
#define ROW3(name, type, help, a, b, c)                                                            \
    {FIELD(name, type, help), .n_labels = 3, .by = {BY_##a, BY_##b, BY_##c}},
#include "metrics_rows.h"
};

/* ---- counting ---- */

static void observe(struct metrics_histogram *histogram, const double *bounds, double seconds)
{
    size_t i = 0;
    while (i < METRICS_BUCKETS && seconds > bounds[i])
        i++;
    histogram->count[i]++;
    histogram->sum += seconds;
}

void metrics_observe(struct metrics_histogram *histogram, double seconds)
{
    observe(histogram, slow, seconds);
}

void metrics_observe_quick(struct metrics_histogram *histogram, double seconds)
{
    observe(histogram, quick, seconds);
}

void metrics_decision(struct metrics *metrics, const struct moa_request *request,
                      const struct moa_decision *decision)
{
    for (size_t i = 0; i < decision->n; i++) {
        const struct moa_choice *choice = &decision->choices[i];
        metrics->decisions_total[request->modalities[i].kind][choice->tier][choice->reason]++;
    }
}

void metrics_tokens(uint64_t tokens[METRICS_N_TOKEN], int64_t prompt, int64_t completion)
{
    tokens[METRICS_TOKEN_PROMPT] += prompt > 0 ? (uint64_t)prompt : 0;
    tokens[METRICS_TOKEN_COMPLETION] += completion > 0 ? (uint64_t)completion : 0;
}

/* ---- writing ---- */

void metrics_write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The labels of a cell, as {tier="edge",kind="prompt"}; those of a bucket have `le` last. */
static void write_labels(FILE *out, const struct metric_row *row, size_t cell, const char *le)
{
    size_t values[LABELS_MAX] = {0};
    for (size_t i = row->n_labels; i-- > 0;) {
        values[i] = cell % labels[row->by[i]].n;
        cell /= labels[row->by[i]].n;
    }
    const char *before = "{";
    for (size_t i = 0; i < row->n_labels; i++) {
        const struct metric_label *label = &labels[row->by[i]];
        fprintf(out, "%s%s=\"%s\"", before, label->name, label->value(values[i]));
        before = ",";
    }
    if (le)
        fprintf(out, "%sle=\"%s\"", before, le);
    if (le || row->n_labels > 0)
        fputc('}', out);
}

static void write_histogram(FILE *out, const struct metric_row *row, size_t cell,
                            const struct metrics_histogram *h)
{
    const double *bounds = row->type == QUICK ? quick : slow;
    uint64_t below = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        char le[32] = "+Inf";
        if (i < METRICS_BUCKETS)
            snprintf(le, sizeof(le), "%g", bounds[i]);
        below += h->count[i];
        fprintf(out, "%s_bucket", row->name);
        write_labels(out, row, cell, le);
        fprintf(out, " %" PRIu64 "\n", below);
    }
    fprintf(out, "%s_sum", row->name);
    write_labels(out, row, cell, NULL);
    fprintf(out, " %.9g\n%s_count", h->sum, row->name);
    write_labels(out, row, cell, NULL);
    fprintf(out, " %" PRIu64 "\n", below);
}

static bool is_empty(const struct metrics_histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        n += h->count[i];
    return n == 0;
}

static bool has_line(const struct metric_row *row, const void *field, size_t cell)
{
    switch (row->type) {
    case SPARSE:
        return ((const uint64_t *)field)[cell] > 0;
    case TOTAL:
    case GAUGE:
        return !isnan(((const double *)field)[cell]);
    case QUICK:
    case SLOW:
        return row->n_labels == 0 || !is_empty((const struct metrics_histogram *)field + cell);
    default:
        return true;
    }
}

static void write_cell(FILE *out, const struct metric_row *row, const void *field, size_t cell)
{
    if (row->type == QUICK || row->type == SLOW) {
        write_histogram(out, row, cell, (const struct metrics_histogram *)field + cell);
        return;
    }
    fputs(row->name, out);
    write_labels(out, row, cell, NULL);
    if (row->type == COUNTER || row->type == SPARSE)
        fprintf(out, " %" PRIu64 "\n", ((const uint64_t *)field)[cell]);
    else
        fprintf(out, " %.15g\n", ((const double *)field)[cell]);
}

void metrics_write(const struct metrics *metrics, FILE *out)
{
    for (const struct metric_row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        const void *field = (const char *)metrics + row->offset;
        size_t n_cells = 1;
        for (size_t i = 0; i < row->n_labels; i++)
            n_cells *= labels[row->by[i]].n;
        bool headed = false;
        for (size_t cell = 0; cell < n_cells; cell++) {
            if (!has_line(row, field, cell))
                continue;
            if (!headed)
                metrics_write_head(out, row->name, type_names[row->type], row->help);
            headed = true;
            write_cell(out, row, field, cell);
        }
    }
}

void metrics_write_escaped(FILE *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
}

void metrics_write_of_endpoint(FILE *out, const char *name, enum moa_tier tier,
                               const char *endpoint, double value)
{
    fprintf(out, "%s{tier=\"%s\",endpoint=\"", name, moa_tier_name(tier));
    metrics_write_escaped(out, endpoint);
    fprintf(out, "\"} %.15g\n", value);
}
