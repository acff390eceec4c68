/* SPDX-License-Identifier: Apache-2.0
 *
 * What a report says first: which policy to run and why, in three sentences and as YAML; what is
 * missing; what the run was made with.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "report_names.h"

#define ENOUGH 0.99     /* of the cloud's right answers */
#define QUESTIONS 100   /* fewer decide nothing */
#define MISSING_MAX 12  /* lines */
#define SETTINGS_MAX 16 /* different ones that are listed */

/* ---- the policies side by side, over the settings in which most of them were asked ---- */

struct standing {
    const char *policy;
    double n, right, cloud; /* questions, right ones, answered requests that used the cloud */
    double n_ok, ms;        /* of settings where it kept up */
    double n_answered;
    size_t n_settings, n_behind;
};

struct standings {
    struct standing s[NAMES_MAX];
    size_t n, n_settings;
};

static size_t most_policies(const struct analysis *a)
{
    size_t most = 0;
    for (size_t i = 0; i < a->n; i++)
        most = a->settings[i].n > most ? a->settings[i].n : most;
    return most;
}

static void stand(struct standing *s, const struct sample *sample)
{
    if (!isnan(sample->accuracy.value)) {
        s->n += (double)sample->n_scored;
        s->right += sample->accuracy.value * (double)sample->n_scored;
    }
    s->n_settings++;
    s->n_behind += sample->behind;
    s->n_answered += (double)sample->n_ok;
    s->cloud += sample->n_ok > 0 ? sample->cloud_share * (double)sample->n_ok : 0.0;
    if (!sample->behind && sample->n_ok > 0) {
        s->n_ok += (double)sample->n_ok;
        s->ms += sample->mean_ms.value * (double)sample->n_ok;
    }
}

static struct standings compare(const struct analysis *a)
{
    struct standings all = {.n = 0};
    const struct names names = report_policies(a);
    const size_t most = most_policies(a);
    for (size_t i = 0; i < names.n; i++)
        all.s[all.n++] = (struct standing){.policy = names.names[i]};
    for (size_t k = 0; k < a->n; k++) {
        if (a->settings[k].n < most)
            continue;
        all.n_settings++;
        for (size_t i = 0; i < all.n; i++) {
            const struct sample *sample = analysis_find(&a->settings[k], all.s[i].policy);
            if (sample)
                stand(&all.s[i], sample);
        }
    }
    return all;
}

static double accuracy_of(const struct standing *s)
{
    return s && s->n > 0 ? s->right / s->n : NAN;
}

static double mean_ms_of(const struct standing *s)
{
    return s && s->n_ok > 0 ? s->ms / s->n_ok : NAN;
}

static double share_of(const struct standing *s)
{
    return s->n_answered > 0 ? s->cloud / s->n_answered : NAN;
}

static const struct standing *find(const struct standings *all, const char *policy)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->s[i].policy, policy) == 0 && all->s[i].n > 0)
            return &all->s[i];
    }
    return NULL;
}

/* The right answers that a policy must have to be recommended. */
static double wanted_accuracy(const struct standings *all)
{
    const struct standing *cloud = find(all, "cloud");
    double best = 0.0;
    for (size_t i = 0; i < all->n; i++) {
        if (all->s[i].n > 0 && accuracy_of(&all->s[i]) > best)
            best = accuracy_of(&all->s[i]);
    }
    return ENOUGH * (cloud ? accuracy_of(cloud) : best);
}

static bool is_better(const struct standing *a, const struct standing *b)
{
    if (a->n_behind != b->n_behind)
        return a->n_behind < b->n_behind;
    return mean_ms_of(a) < mean_ms_of(b);
}

/* Right often enough, then keeping up in most settings, then quickest; NULL if nothing is known. */
static const struct standing *choose(const struct standings *all)
{
    const double wanted = wanted_accuracy(all);
    const struct standing *best = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const struct standing *s = &all->s[i];
        /* What is told the right answers cannot be run. */
        if (s->n <= 0 || accuracy_of(s) < wanted || strcmp(s->policy, "perllm-accuracy") == 0)
            continue;
        if (!best || is_better(s, best))
            best = s;
    }
    return best;
}

/* ---- three sentences ---- */

static bool keeps_up(const struct setting *setting, const char *policy)
{
    const struct sample *s = analysis_find(setting, policy);
    return !s || (!s->behind && s->n_ok > 0);
}

/* Over the settings in which all of edge, cloud and `best` that were asked kept up. NaN: none. */
static double common_ms(const struct analysis *a, const char *policy, const char *best)
{
    const size_t most = most_policies(a);
    double sum = 0.0;
    double n = 0.0;
    for (size_t k = 0; k < a->n; k++) {
        const struct setting *setting = &a->settings[k];
        const struct sample *s = analysis_find(setting, policy);
        if (setting->n < most || !s || !keeps_up(setting, "edge") || !keeps_up(setting, "cloud") ||
            !keeps_up(setting, best))
            continue;
        sum += s->mean_ms.value * (double)s->n_ok;
        n += (double)s->n_ok;
    }
    return n > 0.0 ? sum / n : NAN;
}

/* "; the cloud alone 99.2 % in 109 ms", or nothing if it was not asked or is the best. */
static void say_beside(char *text, size_t n, const struct analysis *a, const struct standing *s,
                       const char *best)
{
    const double ms = s ? common_ms(a, s->policy, best) : NAN;
    text[0] = '\0';
    if (!s || strcmp(s->policy, best) == 0)
        return;
    const int at = snprintf(text, n, "; the %s alone %.1f %%", s->policy, 100.0 * accuracy_of(s));
    if (!isnan(ms) && at > 0 && (size_t)at < n)
        snprintf(text + at, n - (size_t)at, " in %.0f ms", ms);
}

static void say_choice(struct page *page, const struct analysis *a, const struct standings *all,
                       const struct standing *best)
{
    char edge[96];
    char cloud[96];
    char latency[96] = "";
    char behind[96] = "";
    const struct estimate right = stats_wilson(best->right, (size_t)best->n);
    const double ms = common_ms(a, best->policy, best->policy);
    say_beside(cloud, sizeof(cloud), a, find(all, "cloud"), best->policy);
    say_beside(edge, sizeof(edge), a, find(all, "edge"), best->policy);
    if (!isnan(ms))
        snprintf(latency, sizeof(latency), ", in %.0f ms on average%s", ms,
                 all->n_settings > 1 ? " where it and either tier alone kept up" : "");
    if (best->n_behind > 0)
        snprintf(behind, sizeof(behind), " (it fell behind in %zu of %zu settings)", best->n_behind,
                 best->n_settings);
    page_text(page, "Run %s: of %.0f questions it got %.1f %% [%.1f, %.1f] right%s%s%s%s.",
              best->policy, best->n, 100.0 * right.value, 100.0 * right.low, 100.0 * right.high,
              latency, behind, cloud, edge);
}

/* Of each set, in the setting where most questions were answered by both tiers. */
static double harm_of(const struct analysis *a, size_t *ret_n)
{
    double harm = 0.0;
    *ret_n = 0;
    for (size_t s = 0; s < a->n; s++) {
        size_t best = 0;
        size_t worse = 0;
        bool first = true;
        for (size_t k = 0; k < s; k++)
            first = first && strcmp(a->settings[k].dataset, a->settings[s].dataset) != 0;
        for (size_t k = s; first && k < a->n; k++) {
            size_t n = 0;
            size_t harmed = 0;
            struct pair *pairs = strcmp(a->settings[k].dataset, a->settings[s].dataset) == 0
                                     ? analysis_pairs(&a->settings[k], &n)
                                     : NULL;
            n = pairs ? analysis_unique(pairs, n) : 0;
            for (size_t i = 0; i < n; i++)
                harmed += !analysis_is_right(pairs[i].edge) && analysis_is_right(pairs[i].cloud);
            worse = n > best ? harmed : worse;
            best = n > best ? n : best;
            free(pairs);
        }
        harm += (double)worse;
        *ret_n += best;
    }
    return *ret_n > 0 ? harm / (double)*ret_n : NAN;
}

static void say_share(struct page *page, const struct analysis *a, const struct standings *all,
                      const struct standing *best)
{
    size_t n;
    const double h = harm_of(a, &n);
    const double edge = accuracy_of(find(all, "edge"));
    const double cloud = accuracy_of(find(all, "cloud"));
    const double share = share_of(best);
    if (isnan(h)) {
        page_text(page,
                  "It asked the cloud for %.0f %% of the requests; how many need it is not known: "
                  "the edge and the cloud were not both asked the same questions.",
                  100.0 * share);
        return;
    }
    page_text(page,
              "It asked the cloud for %.0f %% of the requests; h = %.1f %% need it, where the edge "
              "is wrong and the cloud right (of %zu questions), and as many drawn blindly would "
              "have got %.1f %% right.",
              100.0 * share, 100.0 * h, n, 100.0 * (edge + share * (cloud - edge)));
}

static void say_doubt(struct page *page, const struct standings *all, const struct standing *best)
{
    char behind[512] = "";
    size_t at = 0;
    const double half = 100.0 * 1.96 * sqrt(0.5 * 0.5 * 2.0 / best->n);
    for (size_t i = 0; i < all->n && at < sizeof(behind) - 80; i++) {
        if (all->s[i].n_behind > 0 && &all->s[i] != best)
            at += (size_t)snprintf(behind + at, sizeof(behind) - at, "%s%.64s", at ? "; " : "",
                                   all->s[i].policy);
    }
    page_text(page, "%s %.1f points between two policies may be chance%s%s.",
              best->n < QUESTIONS ? "These are too few questions to decide by:"
                                  : "With so many questions,",
              half, at ? "; who fell behind in some setting: " : "", behind);
}

/* ---- YAML to paste ---- */

/* The newest pass under that label. */
static const struct pass *pass_of(const struct records *records, const char *label)
{
    for (size_t i = records->n_passes; i > 0; i--) {
        if (strcmp(records->passes[i - 1].condition.policy, label) == 0)
            return &records->passes[i - 1];
    }
    return NULL;
}

/* "a.b=1, a.c=2, d.e=3" as sections. */
static void write_settings(char *yaml, size_t room, const char *settings)
{
    char section[64] = "";
    size_t at = strlen(yaml);
    while (*settings && at + 160 < room) {
        const size_t n = strcspn(settings, ", ");
        const char *dot = memchr(settings, '.', n);
        const char *equal = memchr(settings, '=', n);
        if (dot && equal && dot < equal && equal - settings < 60) {
            if (strlen(section) != (size_t)(dot - settings) ||
                strncmp(section, settings, (size_t)(dot - settings)) != 0) {
                snprintf(section, sizeof(section), "%.*s", (int)(dot - settings), settings);
                at += (size_t)snprintf(yaml + at, room - at, "%s:\n", section);
            }
            at += (size_t)snprintf(yaml + at, room - at, "  %.*s: %.*s\n", (int)(equal - dot - 1),
                                   dot + 1, (int)((size_t)(settings + n - equal) - 1), equal + 1);
        }
        settings += n;
        settings += strspn(settings, ", ");
    }
}

static void write_yaml(struct page *page, const struct records *records, const char *policy)
{
    char yaml[1600];
    const struct pass *pass = pass_of(records, policy);
    const char *name = pass && pass->asked_for && pass->asked_for[0] ? pass->asked_for : policy;
    snprintf(yaml, sizeof(yaml), "policy: %.60s\n", name);
    if (pass && pass->settings)
        write_settings(yaml, sizeof(yaml), pass->settings);
    page_code(page, yaml);
}

void report_verdict(struct page *page, const struct analysis *analysis,
                    const struct records *records)
{
    const struct standings all = compare(analysis);
    const struct standing *best = choose(&all);
    page_box_begin(page, "verdict");
    if (!best) {
        page_text(page, "No policy can be recommended: no answer could be scored.");
    } else {
        say_choice(page, analysis, &all, best);
        say_share(page, analysis, &all, best);
        say_doubt(page, &all, best);
    }
    page_box_end(page);
    if (best)
        write_yaml(page, records, best->policy);
    page_text(page,
              "Recommended is, of the policies with %.0f %% of the cloud's right answers or more, "
              "one that kept up everywhere if there is one, and of those the quickest. Settings of "
              "a set with the same policies are taken together (%zu here).",
              100.0 * ENOUGH, all.n_settings);
}

/* ---- what is missing ---- */

struct missing {
    struct page *page;
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void miss(struct missing *m, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (m->n == 0) {
        page_box_begin(m->page, "missing");
        page_text(m->page, "This run is not complete, and figures may change:");
    }
    if (m->n++ < MISSING_MAX)
        page_text(m->page, "%s", text);
}

/* How many requests a pass was to make under this condition; NaN: not written down. */
static double wanted_of(const struct records *records, const struct record *record)
{
    double wanted = NAN;
    for (size_t i = 0; i < records->n_passes; i++) {
        const struct pass *p = &records->passes[i];
        if (condition_equal(&p->condition, &record->condition))
            wanted = p->n_wanted;
    }
    return wanted;
}

/* The requests of one seed. */
static size_t count_seed(const struct sample *s, size_t begin)
{
    size_t n = 0;
    while (begin + n < s->n &&
           s->records[begin + n].condition.seed == s->records[begin].condition.seed)
        n++;
    return n;
}

static void miss_requests(struct missing *m, const struct records *records,
                          const struct setting *setting, const char *name)
{
    size_t most = 0;
    for (size_t i = 0; i < setting->n; i++)
        most = setting->samples[i].n > most ? setting->samples[i].n : most;
    for (size_t i = 0; i < setting->n; i++) {
        const struct sample *s = &setting->samples[i];
        double wanted = 0.0;
        for (size_t at = 0; at < s->n; at += count_seed(s, at))
            wanted += wanted_of(records, &s->records[at]);
        wanted = wanted > (double)s->n ? wanted : (double)most;
        if ((double)s->n < wanted)
            miss(m, "%s, %s: %zu of %.0f requests", s->policy, name, s->n, wanted);
    }
}

/* Policies that were asked over another link of the same set and load. */
static void miss_policies(struct missing *m, const struct analysis *a,
                          const struct setting *setting, const char *name)
{
    struct names others = {.n = 0};
    for (size_t k = 0; k < a->n; k++) {
        const struct setting *other = &a->settings[k];
        if (strcmp(other->dataset, setting->dataset) == 0 &&
            strcmp(other->load, setting->load) == 0)
            for (size_t i = 0; i < other->n; i++)
                names_add(&others, other->samples[i].policy);
    }
    for (size_t i = 0; i < others.n; i++) {
        if (!analysis_find(setting, others.names[i]))
            miss(m, "%s, %s: not asked", others.names[i], name);
    }
}

void report_missing(struct page *page, const struct analysis *analysis,
                    const struct records *records)
{
    struct missing m = {page, 0};
    for (size_t s = 0; s < analysis->n; s++) {
        char name[160];
        analysis_setting_name(&analysis->settings[s], name, sizeof(name));
        miss_requests(&m, records, &analysis->settings[s], name);
        miss_policies(&m, analysis, &analysis->settings[s], name);
    }
    if (m.n > MISSING_MAX)
        page_text(page, "and %zu more.", m.n - MISSING_MAX);
    if (m.n > 0) {
        page_text(page, "The same command goes on where it stopped.");
        page_box_end(page);
    }
}

/* ---- what the run was made with ---- */

static void list_settings(struct page *page, const struct records *records)
{
    static const char *const columns[] = {"label", "policy", "parameters not at their defaults"};
    struct names seen = {.n = 0};
    page_table_begin(page, columns, 3);
    for (size_t i = 0; i < records->n_passes && seen.n < SETTINGS_MAX; i++) {
        const struct pass *p = &records->passes[i];
        const size_t before = seen.n;
        names_add(&seen, p->condition.policy);
        if (seen.n == before || !p->asked_for[0])
            continue;
        p = pass_of(records, p->condition.policy);
        page_cell(page, "%s", p->condition.policy);
        page_words(page, "%s", p->asked_for);
        page_words(page, "%s", p->settings[0] ? p->settings : "none");
        page_row_end(page);
    }
    page_table_end(page);
}

void report_run_facts(struct page *page, const struct records *records)
{
    const char *first = "";
    const char *last = "";
    const char *version = "";
    struct names machines = {.n = 0};
    for (size_t i = 0; i < records->n_passes; i++) {
        const struct pass *p = &records->passes[i];
        if (!p->begun[0])
            continue;
        first = !first[0] || strcmp(p->begun, first) < 0 ? p->begun : first;
        if (strcmp(p->begun, last) >= 0) {
            last = p->begun;
            version = p->version;
        }
        names_add(&machines, p->machine);
    }
    if (!first[0])
        return;
    page_heading(page, 2, "The run");
    page_text(page, "Asked from %s to %s with moaoff %s on %s%s.", first, last, version,
              machines.names[0], machines.n > 1 ? " and other machines" : "");
    list_settings(page, records);
}
