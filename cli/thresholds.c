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

struct seen {
    const struct thresholds_terms *terms;
    struct moa_docket_room *room;
    struct buffer values[MOA_KINDS]; /* complexities */
    size_t n_requests, n_others;
    bool out_of_memory;
};

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
    return s->out_of_memory;
}

static double *values_of(const struct seen *s, int kind, size_t *ret_n)
{
    *ret_n = s->values[kind].n / sizeof(double);
    return (double *)(void *)s->values[kind].p;
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
    }
}

static bool read_journal(struct seen *s)
{
    char why[512];
    struct journal_filter filter = journal_filter_all((size_t)1 << 40);
    filter.since_ms = s->terms->since_ms;
    s->room = malloc(sizeof(*s->room));
    s->out_of_memory = !s->room;
    const int result =
        s->room ? journal_read(s->terms->journal_path, &filter, take_row, s, why, sizeof(why)) : 0;
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
    struct seen s = {.terms = terms};
    for (int kind = 0; kind < MOA_KINDS; kind++)
        s.values[kind] = buffer_of(VALUES_BYTES_MAX);
    const bool ok = read_journal(&s) && thresholds_save(terms->output, on_write, &s);
    for (int kind = 0; kind < MOA_KINDS; kind++)
        buffer_done(&s.values[kind]);
    free(s.room);
    return ok;
}
