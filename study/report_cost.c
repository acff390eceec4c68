/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thousand requests cost, and for which reasons they were decided as they were.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/policy.h>

#include "report.h"
#include "report_names.h"

#define REASONS_MAX 512
#define REASONS_SHOWN 6 /* of a policy */

/* ---- cost: all settings of a set ---- */

struct cost {
    double n, cloud, bytes, prompt, answer; /* requests, calls and so on; NaN: unknown */
};

static struct cost cost_of(const struct analysis *a, const struct records *records,
                           const char *dataset, const char *policy)
{
    struct cost c = {0};
    double n_passes = 0.0;
    for (size_t s = 0; s < a->n; s++) {
        const struct sample *sample = analysis_find(&a->settings[s], policy);
        if (strcmp(a->settings[s].dataset, dataset) != 0 || !sample || sample->n_ok == 0)
            continue;
        c.n += (double)sample->n_ok;
        c.cloud += sample->cloud_share * (double)sample->n_ok;
    }
    for (size_t i = 0; i < records->n_passes; i++) {
        const struct pass *p = &records->passes[i];
        if (strcmp(p->condition.dataset, dataset) != 0 || strcmp(p->condition.policy, policy) != 0)
            continue;
        n_passes += (double)(p->n_done + p->n_failed);
        c.bytes += p->sent_bytes[MOA_CLOUD];
        c.prompt += p->prompt_tokens[MOA_CLOUD];
        c.answer += p->completion_tokens[MOA_CLOUD];
    }
    const double scale = 1000.0 / n_passes; /* no pass: infinite, and 0 times that is NaN */
    c.cloud *= 1000.0 / c.n;
    c.bytes *= scale;
    c.prompt *= scale;
    c.answer *= scale;
    return c;
}

static void cost_row(struct page *page, const struct cost *c, const struct report_options *options,
                     const char *policy)
{
    const struct report_prices *p = &options->prices;
    page_cell(page, "%s", policy);
    page_number(page, c->cloud, 0);
    page_number(page, c->bytes / 1e6, 1);
    page_number(page, c->prompt / 1e3, 1);
    page_number(page, c->answer / 1e3, 1);
    if (p->given)
        page_number(page,
                    c->prompt / 1e6 * p->million_prompt_tokens +
                        c->answer / 1e6 * p->million_answer_tokens + c->bytes / 1e9 * p->gigabyte,
                    3);
    page_row_end(page);
}

void report_cost(struct page *page, const struct analysis *analysis, const struct records *records,
                 const struct report_options *options)
{
    static const char *const columns[] = {"policy",
                                          "asked the cloud",
                                          "sent up, MB",
                                          "prompt tokens, thousands",
                                          "answer tokens, thousands",
                                          "price"};
    const struct names policies = report_policies(analysis);
    struct names datasets = {.n = 0};
    page_heading(page, 2, "Cost of a thousand requests");
    page_text(page,
              "What the cloud was asked and sent, all settings of a set together. Bytes and tokens "
              "are of whole passes, audits and calls in vain among them. A dash: the cloud's "
              "engine was not given to moaoff eval.%s",
              options->prices.given ? "" : " With --prices there is a price.");
    for (size_t s = 0; s < analysis->n; s++)
        names_add(&datasets, analysis->settings[s].dataset);
    for (size_t d = 0; d < datasets.n; d++) {
        page_heading(page, 3, datasets.names[d]);
        page_table_begin(page, columns, options->prices.given ? 6 : 5);
        for (size_t i = 0; i < policies.n; i++) {
            const struct cost c = cost_of(analysis, records, datasets.names[d], policies.names[i]);
            if (c.n > 0)
                cost_row(page, &c, options, policies.names[i]);
        }
        page_table_end(page);
    }
}

/* ---- reasons ---- */

struct reason_cost {
    char words[96];
    size_t n, n_scored;
    double right;
};

struct reasons {
    struct reason_cost p[REASONS_MAX];
    size_t n, n_requests;
};

/* "text=fixed, image0=fixed, image1=fixed" is "fixed"; what differs stays as it is. */
static void shorten(const char *reason, char ret_words[96])
{
    const char *equal = strchr(reason, '=');
    const size_t n = equal ? strcspn(equal + 1, ",") : 0;
    bool same = equal != NULL;
    for (const char *at = equal; same && at; at = strchr(at + 1, '='))
        same = strcspn(at + 1, ",") == n && strncmp(at + 1, equal + 1, n) == 0;
    if (same)
        snprintf(ret_words, 96, "%.*s", (int)n, equal + 1);
    else
        snprintf(ret_words, 96, "%s", reason[0] ? reason : "none said");
}

static void add_reason(struct reasons *all, const struct record *r)
{
    char words[96];
    size_t i = 0;
    shorten(r->reason, words);
    while (i < all->n && strcmp(all->p[i].words, words) != 0)
        i++;
    if (i == REASONS_MAX)
        return;
    if (i == all->n) {
        all->p[all->n++] = (struct reason_cost){.n = 0};
        snprintf(all->p[i].words, sizeof(all->p[i].words), "%s", words);
    }
    all->p[i].n++;
    if (!isnan(r->correct)) {
        all->p[i].n_scored++;
        all->p[i].right += r->correct;
    }
}

static int compare_reasons(const void *a, const void *b)
{
    const struct reason_cost *x = a;
    const struct reason_cost *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->words, y->words);
}

static void reason_rows(struct page *page, const struct analysis *a, const char *policy,
                        struct reasons *all)
{
    all->n = all->n_requests = 0;
    for (size_t s = 0; s < a->n; s++) {
        const struct sample *sample = analysis_find(&a->settings[s], policy);
        for (size_t i = 0; sample && i < sample->n; i++) {
            if (!sample->records[i].ok)
                continue;
            add_reason(all, &sample->records[i]);
            all->n_requests++;
        }
    }
    qsort(all->p, all->n, sizeof(*all->p), compare_reasons);
    for (size_t i = 0; i < all->n && i < REASONS_SHOWN; i++) {
        const struct reason_cost *r = &all->p[i];
        page_cell(page, "%s", i == 0 ? policy : "");
        page_words(page, "%s", r->words);
        page_number(page, 100.0 * (double)r->n / (double)all->n_requests, 1);
        page_estimate(page, stats_wilson(r->right, r->n_scored), 100.0, 1);
        page_row_end(page);
    }
}

void report_reasons(struct page *page, const struct analysis *analysis)
{
    static const char *const columns[] = {"policy", "reason", "requests, %", "right, %"};
    const struct names policies = report_policies(analysis);
    struct reasons *all = calloc(1, sizeof(*all));
    page_heading(page, 2, "Why it was decided so");
    page_text(page,
              "The reasons that the gateway gave with its answers, the %d most frequent of each "
              "policy, over all settings; docs/api.md says what each means.",
              REASONS_SHOWN);
    page_table_begin(page, columns, 4);
    for (size_t i = 0; all && i < policies.n; i++)
        reason_rows(page, analysis, policies.names[i], all);
    page_table_end(page);
    free(all);
}
