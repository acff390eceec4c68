/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulation on a page: what is supposed, and a row for each policy; see simulate.h.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "simulate.h"

/* ---- the page ---- */

static void print_tier(const struct scenario *s, enum moa_tier t, FILE *out)
{
    const struct scenario_tier *tier = &s->tier[t];
    fprintf(out, "%-6s ", moa_tier_name(t));
    if (tier->engines > 1)
        fprintf(out, "%.0f engines, ", tier->engines);
    fprintf(out, "%.0f slot%s, ", tier->slots, tier->slots > 1 ? "s" : "");
    if (tier->profile_path[0])
        fprintf(out, "%s\n", tier->profile.name);
    else
        fprintf(out, "%s service of %g ms\n",
                tier->service == TIER_EXPONENTIAL ? "exponential" : "constant", tier->service_ms);
}

static void print_scenario(const struct scenario *s, const struct questions *qs, FILE *out)
{
    static const char *const processes[] = {"Poisson", "regular", "in bursts"};
    fprintf(out, "%.0f requests, %.0f of them to warm up; ", s->requests, s->warmup);
    fprintf(out, "%.0f box%s, %g a second each, %s; seed %.0f\n", s->boxes,
            s->boxes > 1 ? "es" : "", s->arrivals.rate, processes[s->arrivals.process], s->seed);
    print_tier(s, MOA_EDGE, out);
    print_tier(s, MOA_CLOUD, out);
    fprintf(out, "link   %g Mbit/s, round trip %g ms, loss %g %%", s->link.mbps, s->link.rtt_ms,
            100 * s->link.loss);
    if (s->link.outage_every_s > 0)
        fprintf(out, ", every %g s down for %g s", s->link.outage_every_s, s->link.outage_s);
    double bytes = 0;
    for (size_t i = 0; i < qs->n; i++)
        bytes += qs->p[i].n_upload_bytes / (double)qs->n;
    fprintf(out, "; an upload is %.0f bytes\n", bytes);
    if (qs->have_answers)
        fprintf(out, "asked  %zu questions with records", qs->n);
    if (!isnan(qs->h))
        fprintf(out, "; h = %.1f %%: the edge is wrong and the cloud right", 100 * qs->h);
    fputs(qs->have_answers ? "\n" : "", out);
}

/* "-" where it is not known. */
static const char *figure(char *text, size_t n, const char *format, double value)
{
    if (isnan(value))
        return "-";
    snprintf(text, n, format, value);
    return text;
}

static void print_latency(const struct simulate_result *r, FILE *out)
{
    if (r->behind) {
        fprintf(out, " %8s %7s %8s %8s %8s", "behind", "", "", "", "");
        return;
    }
    fprintf(out, " %8.1f %7.1f %8.1f %8.1f %8.1f", r->mean_ms, r->half_width_ms, r->p50_ms,
            r->p95_ms, r->p99_ms);
}

static void print_row(const struct simulate_result *r, FILE *out)
{
    char text[32];
    const struct simulate_sums *a = &r->all;
    fprintf(out, "%-24s %6.1f%%", r->policy->label, 100 * a->to_cloud / a->n);
    fprintf(out, " %6s", figure(text, sizeof(text), "%.1f%%", 100 * a->right / a->n));
    fprintf(out, " %7s", figure(text, sizeof(text), "%.1f%%", 100 * a->right / a->right_cloud));
    fprintf(out, " %7s", figure(text, sizeof(text), "%.1f%%", 100 * a->differs / a->n));
    print_latency(r, out);
    fprintf(out, " %9.1f %8.3g %5.0f%% %5.0f%%\n", r->upload_bytes / r->arrived / 1e3,
            1000 * r->cost / r->arrived, 100 * r->busy[MOA_EDGE], 100 * r->busy[MOA_CLOUD]);
}

static void print_more(const struct simulate_result *r, FILE *out)
{
    if (r->behind)
        fprintf(out, "%s fell behind: %.0f of %.0f requests were open when the last one came.\n",
                r->policy->label, r->open_at_end, r->arrived);
    if (r->failed_over > 0)
        fprintf(out, "%s: %.0f calls to the cloud failed, and the edge answered.\n",
                r->policy->label, r->failed_over);
    if (r->kept_busy > 0)
        fprintf(
            out,
            "%s: %.0f answers of which the edge was not sure were kept, the cloud being busy.\n",
            r->policy->label, r->kept_busy);
    if (r->audits > 0 || r->audits_dropped > 0) {
        fprintf(out, "%s: %.0f audits counted, %.0f dropped; ", r->policy->label, r->audits,
                r->audits_dropped);
        if (!r->certified)
            fputs("nothing is certified.\n", out);
        else
            fprintf(
                out,
                "threshold %.3f certified (first box), first after %.0f requests; %.0f alarms.\n",
                r->threshold, r->first_certified, r->alarms);
    }
    if (!isnan(r->prediction_error))
        fprintf(out, "%s: half of the predicted times were off by less than %.0f %%.\n",
                r->policy->label, 100 * r->prediction_error);
}

static void print_blocks(const struct simulate_result *r, FILE *out)
{
    char text[2][32];
    double begin = 1;
    fprintf(out, "\n%s, block by block\n%-19s %7s %6s %10s\n", r->policy->label, "requests",
            "cloud", "right", "mean ms");
    for (size_t i = 0; i < r->n_blocks; i++) {
        const struct simulate_sums *b = &r->blocks[i];
        if (b->n == 0)
            continue;
        fprintf(out, "%8.0f - %8.0f %6.1f%% %6s %10s\n", begin, begin + b->n - 1,
                100 * b->to_cloud / b->n,
                figure(text[0], sizeof(text[0]), "%.1f%%", 100 * b->right / b->n),
                figure(text[1], sizeof(text[1]), "%.1f", b->latency_ms / b->n));
        begin += b->n;
    }
}

void simulate_print_page(const struct scenario *scenario, const struct questions *questions,
                         const struct simulate_result *results, size_t n, FILE *out)
{
    print_scenario(scenario, questions, out);
    fprintf(out, "\n%-24s %7s %6s %7s %7s %8s %7s %8s %8s %8s %9s %8s %6s %6s\n", "policy", "cloud",
            "right", "of it", "differs", "mean ms", "+-", "p50", "p95", "p99", "KB up", "cost/1k",
            "edge", "cloud");
    for (size_t i = 0; i < n; i++)
        print_row(&results[i], out);
    fputs("\ncloud: requests with a call to it; of it: right as a share of the cloud's; differs: "
          "answers of the edge\nthat are not the cloud's; KB up: a request; edge, cloud: at work\n",
          out);
    for (size_t i = 0; i < n; i++)
        print_more(&results[i], out);
    for (size_t i = 0; i < n && scenario->blocks > 0; i++)
        print_blocks(&results[i], out);
}

/* ---- JSON ---- */

static void add_figure(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    if (!isfinite(value))
        yyjson_mut_obj_add_null(doc, object, key);
    else if (value == floor(value) && fabs(value) < 1e15)
        yyjson_mut_obj_add_sint(doc, object, key, (int64_t)value);
    else
        yyjson_mut_obj_add_real(doc, object, key, round(value * 1e6) / 1e6);
}

static void add_sums(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct simulate_sums *sums)
{
    add_figure(doc, object, "requests", sums->n);
    add_figure(doc, object, "cloud_share", sums->to_cloud / sums->n);
    add_figure(doc, object, "edge_answers", sums->answered_by_edge / sums->n);
    add_figure(doc, object, "differs", sums->differs / sums->n);
    add_figure(doc, object, "right", sums->right / sums->n);
    add_figure(doc, object, "right_edge", sums->right_edge / sums->n);
    add_figure(doc, object, "right_cloud", sums->right_cloud / sums->n);
}

static void add_result(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct simulate_result *r)
{
    const struct {
        const char *key;
        double value;
    } figures[] = {{"mean_ms", r->mean_ms},
                   {"mean_half_width_ms", r->half_width_ms},
                   {"p50_ms", r->p50_ms},
                   {"p95_ms", r->p95_ms},
                   {"p99_ms", r->p99_ms},
                   {"arrived", r->arrived},
                   {"departed", r->departed},
                   {"open_at_end", r->open_at_end},
                   {"elapsed_s", r->elapsed_s},
                   {"edge_calls", r->calls[MOA_EDGE]},
                   {"cloud_calls", r->calls[MOA_CLOUD]},
                   {"upload_bytes", r->upload_bytes},
                   {"cost", r->cost},
                   {"edge_busy", r->busy[MOA_EDGE]},
                   {"cloud_busy", r->busy[MOA_CLOUD]},
                   {"escalated", r->escalated},
                   {"failed_over", r->failed_over},
                   {"kept_busy", r->kept_busy},
                   {"audits", r->audits},
                   {"audits_dropped", r->audits_dropped},
                   {"threshold", r->threshold},
                   {"first_certified", r->first_certified},
                   {"alarms", r->alarms},
                   {"prediction_error", r->prediction_error}};
    yyjson_mut_obj_add_str(doc, root, "policy", r->policy->label);
    add_sums(doc, root, &r->all);
    yyjson_mut_obj_add_bool(doc, root, "behind", r->behind);
    yyjson_mut_obj_add_bool(doc, root, "certified", r->certified);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        add_figure(doc, root, figures[i].key, figures[i].value);
    if (r->n_blocks == 0)
        return;
    yyjson_mut_val *blocks = yyjson_mut_obj_add_arr(doc, root, "blocks");
    for (size_t i = 0; i < r->n_blocks; i++) {
        yyjson_mut_val *block = yyjson_mut_arr_add_obj(doc, blocks);
        add_sums(doc, block, &r->blocks[i]);
        add_figure(doc, block, "mean_ms", r->blocks[i].latency_ms / r->blocks[i].n);
    }
}

void simulate_print_json(const struct scenario *scenario, const struct questions *questions,
                         const struct simulate_result *results, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        add_result(doc, root, &results[i]);
        add_figure(doc, root, "seed", scenario->seed);
        add_figure(doc, root, "h", questions->have_answers ? questions->h : NAN);
        char *line = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
        if (line)
            fprintf(out, "%s\n", line);
        free(line);
        yyjson_mut_doc_free(doc);
    }
}
