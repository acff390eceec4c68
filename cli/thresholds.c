/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds; see thresholds.h.
 */
#include "thresholds.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/docket.h>

#include "gateway/buffer.h"
#include "gateway/journal.h"
#include "study/stats.h"

#define VALUES_BYTES_MAX ((size_t)1 << 30)

void thresholds_write_quantiles(FILE *out, const char *name, double *values, size_t n)
{
    static const double at[] = {0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0};
    stats_sort(values, n);
    fprintf(out, "#   %-10s", name);
    for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++)
        fprintf(out, "  %.4f", stats_quantile(values, n, at[k]));
    fputc('\n', out);
}

double thresholds_of(const double *sorted, size_t n, double share)
{
    return fmin(1.0, ceil(1e6 * stats_quantile(sorted, n, 1.0 - share) - 1e-9) / 1e6);
}

double thresholds_percent_above(const double *values, size_t n, double threshold)
{
    size_t above = 0;
    for (size_t i = 0; i < n; i++)
        above += values[i] > threshold;
    return 100.0 * (double)above / (double)n;
}

bool thresholds_save(const char *path, void (*write)(FILE *out, void *user), void *user)
{
    char *temporary = NULL;
    if (path && asprintf(&temporary, "%s.part", path) < 0)
        temporary = NULL;
    FILE *out = path ? temporary ? fopen(temporary, "w") : NULL : stdout;
    bool ok = out;
    if (out) {
        write(out, user);
        ok = fflush(out) == 0 && !ferror(out);
    }
    if (out && out != stdout)
        ok = fclose(out) == 0 && ok;
    if (ok && path)
        ok = rename(temporary, path) == 0;
    if (!ok)
        fprintf(stderr, "moaoff calibrate: %s: %s\n", path ? path : "standard output",
                strerror(errno));
    free(temporary);
    return ok;
}

/* ---- from a journal ---- */

/* A request of which somebody said what was right. */
struct told {
    char id[65];
    int64_t time_ms;
    bool lost; /* the cloud was right and the edge wrong */
};

struct seen {
    const struct thresholds_terms *terms;
    struct moa_docket_room *room;
    struct buffer values[MOA_KINDS]; /* complexities */
    struct buffer told;              /* struct told, sorted */
    /* Of requests that were told about: the largest complexity of the kind, and whether the edge's
     * answer was a loss. */
    struct buffer told_values[MOA_KINDS], told_lost[MOA_KINDS];
    size_t n_requests, n_others;
    bool out_of_memory;
};

static int compare_told(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    return x->time_ms != y->time_ms ? (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms)
                                    : strcmp(x->id, y->id);
}

static int take_audit(const struct journal_audit *row, void *arg)
{
    struct seen *s = arg;
    struct told told = {.time_ms = row->time_ms, .lost = row->lost == 1};
    if (row->labelled != 1)
        return 0;
    snprintf(told.id, sizeof(told.id), "%s", row->id);
    return s->out_of_memory = buffer_add(&s->told, &told, sizeof(told)) != 0;
}

static const struct told *told_of(const struct seen *s, const struct journal_row *row)
{
    struct told key = {.time_ms = row->time_ms};
    snprintf(key.id, sizeof(key.id), "%s", row->id);
    const size_t n = s->told.n / sizeof(key);
    return n > 0 ? bsearch(&key, s->told.p, n, sizeof(key), compare_told) : NULL;
}

/* What decides whether anything of a kind goes to the cloud is the largest complexity. */
static void add_told(struct seen *s, const struct moa_request *request, const struct told *told)
{
    double largest[MOA_KINDS];
    for (int kind = 0; kind < MOA_KINDS; kind++)
        largest[kind] = -1.0;
    for (size_t i = 0; i < request->n; i++) {
        const struct moa_modality *m = &request->modalities[i];
        largest[m->kind] = fmax(largest[m->kind], m->complexity);
    }
    for (int kind = 0; kind < MOA_KINDS; kind++) {
        const unsigned char lost = told->lost;
        if (largest[kind] >= 0.0 &&
            (buffer_add(&s->told_values[kind], &largest[kind], sizeof(largest[kind])) ||
             buffer_add(&s->told_lost[kind], &lost, 1)))
            s->out_of_memory = true;
    }
}

static int take_row(const struct journal_row *row, void *arg)
{
    struct seen *s = arg;
    struct moa_docket docket;
    if (moa_docket_read(row->docket, s->room, &docket, NULL)) {
        s->n_others++;
        return 0;
    }
    s->n_requests++;
    for (size_t i = 0; i < docket.request.n && !s->out_of_memory; i++) {
        const struct moa_modality *m = &docket.request.modalities[i];
        s->out_of_memory =
            buffer_add(&s->values[m->kind], &m->complexity, sizeof(m->complexity)) != 0;
    }
    const struct told *told = told_of(s, row);
    if (told)
        add_told(s, &docket.request, told);
    return s->out_of_memory;
}

static double *values_of(const struct seen *s, int kind, size_t *ret_n)
{
    *ret_n = s->values[kind].n / sizeof(double);
    return (double *)(void *)s->values[kind].p;
}

/* Whether a threshold on this kind's complexity sends the requests up that gain by it. */
static void write_told(FILE *out, const struct seen *s, int kind, double tau)
{
    const size_t n = s->told_lost[kind].n;
    const double *values = (const double *)(const void *)s->told_values[kind].p;
    const unsigned char *lost = (const unsigned char *)s->told_lost[kind].p;
    size_t n_lost = 0, n_above = 0, n_found = 0;
    for (size_t i = 0; i < n; i++) {
        n_lost += lost[i];
        n_above += values[i] > tau;
        n_found += lost[i] && values[i] > tau;
    }
    if (n == 0)
        return;
    fprintf(out, "  # of %zu labelled requests the cloud is right and the edge wrong on %zu: ", n,
            n_lost);
    fprintf(out, "%zu are above, %.1f of a blind draw of as many", n_found,
            (double)n_above * (double)n_lost / (double)n);
    if (n_lost > 0 && n_lost < n) {
        const struct estimate auc = stats_auc(values, lost, n, 1);
        fprintf(out, "; area under the ROC curve %.2f (%.2f to %.2f)", auc.value, auc.low,
                auc.high);
    }
    fputc('\n', out);
}

static void on_write(FILE *out, void *user)
{
    struct seen *s = user;
    size_t n;
    fprintf(out, "# moaoff calibrate: %zu requests of a journal, %zu rows without a decision\n",
            s->n_requests, s->n_others);
    fputs("# quantiles of the complexities as they were scored then:\n"
          "#              min     5 %    25 %    50 %    75 %    95 %     max\n",
          out);
    for (int kind = 0; kind < MOA_KINDS; kind++) {
        double *values = values_of(s, kind, &n);
        if (n > 0)
            thresholds_write_quantiles(out, moa_kind_name((enum moa_kind)kind), values, n);
    }
    fputs("paper:\n", out);
    for (int kind = 0; kind < MOA_KINDS; kind++) {
        const double *values = values_of(s, kind, &n);
        if (n == 0)
            continue;
        const double tau = thresholds_of(values, n, s->terms->offload_share);
        fprintf(out, "  tau_%s: %.6f  # %.0f %% of %zu are above\n",
                moa_kind_name((enum moa_kind)kind), tau, thresholds_percent_above(values, n, tau),
                n);
        write_told(out, s, kind, tau);
    }
}

static int read_rows(struct seen *s, char *why, size_t n)
{
    struct journal_filter filter = journal_filter_all((size_t)1 << 40);
    const char *path = s->terms->journal_path;
    struct journal_span span = {.n = 0};
    filter.since_ms = s->terms->since_ms;
    if (journal_read_span(path, &filter, &span, why, n) ||
        journal_read_audits(path, span.first_ms, span.last_ms, take_audit, s, why, n))
        return -1;
    if (s->told.n > 0)
        qsort(s->told.p, s->told.n / sizeof(struct told), sizeof(struct told), compare_told);
    return journal_read(path, &filter, take_row, s, why, n);
}

static bool read_journal(struct seen *s)
{
    char why[512];
    s->room = malloc(sizeof(*s->room));
    s->out_of_memory = !s->room;
    const int result = s->room ? read_rows(s, why, sizeof(why)) : 0;
    if (result)
        fprintf(stderr, "moaoff calibrate: %s\n", why);
    else if (s->out_of_memory)
        fputs("moaoff calibrate: out of memory\n", stderr);
    else if (s->n_requests == 0)
        fputs("moaoff calibrate: no request in the journal has what it was decided from\n", stderr);
    return !result && !s->out_of_memory && s->n_requests > 0;
}

bool thresholds_from_journal(const struct thresholds_terms *terms)
{
    struct seen s = {.terms = terms, .told = buffer_of(VALUES_BYTES_MAX)};
    for (int kind = 0; kind < MOA_KINDS; kind++)
        s.values[kind] = s.told_values[kind] = s.told_lost[kind] = buffer_of(VALUES_BYTES_MAX);
    const bool ok = read_journal(&s) && thresholds_save(terms->output, on_write, &s);
    for (int kind = 0; kind < MOA_KINDS; kind++) {
        buffer_done(&s.values[kind]);
        buffer_done(&s.told_values[kind]);
        buffer_done(&s.told_lost[kind]);
    }
    buffer_done(&s.told);
    free(s.room);
    return ok;
}
