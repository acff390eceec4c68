/* SPDX-License-Identifier: Apache-2.0
 *
 * The promise in words and numbers; see guarantee_page.h.
 */
#include "guarantee_page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "json_number.h"

#define ALARM_AT 5000.0

/* To what means something. */
static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    json_add_number(doc, object, key, round(value * 1e6) / 1e6);
}

/* ---- in words ---- */

static double percent(double share)
{
    return round(share * 1e4) / 1e2;
}

static void add_claim(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct guarantee_page *p)
{
    const struct moa_guarantee *g = p->promise;
    char text[900];
    const char *differs = p->n_labels > 0
                              ? "that differs from the cloud's, and is wrong beside a right one "
                                "where labels say so"
                              : "that differs from the cloud's";
    const char *judged = p->is_judged ? "; of long answers the cloud's model itself judges whether "
                                        "they mean the same"
                                      : "";
    const int n = snprintf(text, sizeof(text),
                           "With confidence %g %%, at most %g %% of the distinct unpinned requests "
                           "get an answer of the edge %s%s.",
                           percent(1.0 - g->delta_kept), percent(g->alpha_kept), differs, judged);
    if (g->small.is_asked && n > 0 && (size_t)n < sizeof(text))
        snprintf(text + n, sizeof(text) - (size_t)n,
                 " With confidence %g %%, at most %g %% get one of the cloud to pictures of half "
                 "the pixels that differs from its answer to whole ones. Both together: with "
                 "confidence %g %%, at most %g %%.",
                 percent(1.0 - g->small.delta), percent(g->small.alpha), percent(1.0 - g->delta),
                 percent(g->alpha));
    yyjson_mut_obj_add_strcpy(doc, root, "claim", text);
}

__attribute__((format(printf, 3, 4))) static void say(yyjson_mut_doc *doc, yyjson_mut_val *list,
                                                      const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    yyjson_mut_arr_add_strcpy(doc, list, text);
}

/* Why nothing is certified yet. */
static void say_what_is_missing(yyjson_mut_doc *doc, yyjson_mut_val *list,
                                const struct guarantee_page *p)
{
    const struct moa_guarantee *g = p->promise;
    const unsigned long long n_done = g->n_scores + g->n_audits;
    const unsigned long long n_missing = g->n_missing;
    if (p->audit_share <= 0.0)
        say(doc, list, "adaptive.audit is 0: nothing is audited, so nothing can be certified");
    else if (g->n_lost > 0 && g->reach <= 0.0)
        say(doc, list,
            "nothing certified yet: even of the answers that the edge is surest of, too many "
            "differ");
    else if (!g->is_reachable)
        say(doc, list,
            "nothing can be certified for %g %% with what has been seen: %llu further audits "
            "without a loss would be needed, and these audits end before",
            percent(g->alpha), n_missing);
    else
        say(doc, list, "nothing certified yet: %llu of at least %llu audits", n_done,
            n_done + n_missing);
}

static void say_what_small_ones_miss(yyjson_mut_doc *doc, yyjson_mut_val *list,
                                     const struct moa_small_guarantee *s)
{
    const unsigned long long n_audits = s->n_audits, n_lost = s->n_lost;
    if (!s->is_asked || s->certified)
        return;
    say(doc, list,
        "pictures go to the cloud whole: that it says the same of half their pixels takes %llu "
        "further audits without a loss, after %llu with %llu lost",
        (unsigned long long)s->n_missing, n_audits, n_lost);
}

static void say_where_engines_stand(yyjson_mut_doc *doc, yyjson_mut_val *list,
                                    const struct guarantee_page *p)
{
    if (p->edge_mute && p->promise->certified && p->promise->threshold <= 0.0)
        say(doc, list,
            "the edge gives no log-probabilities: its answers are kept all the same, as all are, "
            "and audits go on counting them");
    else if (p->edge_mute)
        say(doc, list,
            "the edge gives no log-probabilities: no answer of it can be scored, and little or "
            "nothing is kept");
    if (!p->edge_up)
        say(doc, list, "the edge is down: the cloud answers");
    if (!p->cloud_up)
        say(doc, list, "the cloud is down: the edge answers, outside of the claim");
}

static void add_obstacles(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct guarantee_page *p)
{
    const struct moa_guarantee *g = p->promise;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "obstacles");
    if (strcmp(p->policy, "adaptive") != 0)
        say(doc, list,
            "the policy is %s: only requests for the model moaoff/adaptive are decided by this",
            p->policy);
    if (!g->certified)
        say_what_is_missing(doc, list, p);
    if (!g->certified && g->standing == MOA_STANDING_UNCERTIFIED &&
        strcmp(p->before, "threshold") == 0)
        say(doc, list, "meanwhile answers are kept from a score of %g on, which promises nothing",
            p->threshold);
    if (g->n_lost > 0 && g->n_curve > 0 && g->reach < 1.0)
        say(doc, list,
            "edge and cloud differ on %.0f %% of the audits; at most %.0f %% can be kept",
            100.0 * (double)g->n_lost / (double)g->n_audits, 100.0 * g->reach);
    if (g->is_hastened)
        say(doc, list,
            "scores have shifted since this certificate was counted: %.0f %% of the distinct "
            "requests are audited until the next one certifies something",
            100.0 * g->audit);
    say_what_small_ones_miss(doc, list, &g->small);
    say_where_engines_stand(doc, list, p);
    if (!p->is_kept)
        say(doc, list, "there is no journal: a restart forgets all of this");
}

/* ---- in numbers ---- */

static void add_promise(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct guarantee_page *p)
{
    const struct moa_guarantee *g = p->promise;
    yyjson_mut_obj_add_bool(doc, root, "certified", g->certified);
    yyjson_mut_obj_add_str(doc, root, "state", moa_standing_name(g->standing));
    if (p->since_s > 0)
        yyjson_mut_obj_add_int(doc, root, "since", p->since_s);
    else
        yyjson_mut_obj_add_null(doc, root, "since");
    yyjson_mut_obj_add_str(doc, root, "long", p->is_judged ? "judge" : "differs");
    add_number(doc, root, "alpha", g->alpha);
    add_number(doc, root, "delta", g->delta);
    add_number(doc, root, "alpha_kept", g->alpha_kept);
    add_number(doc, root, "delta_kept", g->delta_kept);
    add_number(doc, root, "threshold", g->threshold);
    add_number(doc, root, "kept", g->certified ? g->kept : (double)NAN);
    add_number(doc, root, "reach", g->n_curve > 0 ? g->reach : (double)NAN);
    yyjson_mut_obj_add_uint(doc, root, "generation", g->generation);
}

/* Null where nobody asks for it. */
static void add_small(yyjson_mut_doc *doc, yyjson_mut_val *root,
                      const struct moa_small_guarantee *s)
{
    if (!s->is_asked) {
        yyjson_mut_obj_add_null(doc, root, "small");
        return;
    }
    yyjson_mut_val *small = yyjson_mut_obj_add_obj(doc, root, "small");
    yyjson_mut_obj_add_bool(doc, small, "certified", s->certified);
    add_number(doc, small, "alpha", s->alpha);
    add_number(doc, small, "delta", s->delta);
    yyjson_mut_obj_add_uint(doc, small, "counted", s->n_audits);
    yyjson_mut_obj_add_uint(doc, small, "lost", s->n_lost);
    yyjson_mut_obj_add_uint(doc, small, "missing", s->n_missing);
    add_number(doc, small, "bound", s->bound);
    add_number(doc, small, "drift", s->drift);
    yyjson_mut_obj_add_uint(doc, small, "alarms", s->n_alarms);
}

static void add_audits(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct guarantee_page *p)
{
    const struct moa_guarantee *g = p->promise;
    yyjson_mut_val *audits = yyjson_mut_obj_add_obj(doc, root, "audits");
    yyjson_mut_obj_add_uint(doc, audits, "counted", g->n_audits);
    yyjson_mut_obj_add_uint(doc, audits, "lost", g->n_lost);
    yyjson_mut_obj_add_uint(doc, audits, "for_grid", g->n_scores);
    yyjson_mut_obj_add_uint(doc, audits, "missing", g->n_missing);
    yyjson_mut_obj_add_uint(doc, audits, "labelled", p->n_labels);
    yyjson_mut_obj_add_uint(doc, audits, "waiting", p->n_waiting);
    add_number(doc, audits, "share", g->audit);
}

static void add_requests(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct guarantee_page *p)
{
    yyjson_mut_val *requests = yyjson_mut_obj_add_obj(doc, root, "by_requests");
    yyjson_mut_obj_add_bool(doc, requests, "certified", false);
    yyjson_mut_obj_add_uint(doc, requests, "seen", p->n_seen);
    yyjson_mut_obj_add_uint(doc, requests, "lost", p->n_wrong);
    add_number(doc, requests, "share",
               p->n_seen > 0 ? (double)p->n_wrong / (double)p->n_seen : (double)NAN);
}

static void add_curve(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct moa_guarantee *g)
{
    yyjson_mut_val *curve = yyjson_mut_obj_add_arr(doc, root, "curve");
    for (size_t i = 0; i < g->n_curve; i++) {
        const struct moa_threshold *t = &g->curve[i];
        yyjson_mut_val *point = yyjson_mut_arr_add_obj(doc, curve);
        add_number(doc, point, "threshold", t->threshold);
        add_number(doc, point, "kept", t->kept);
        add_number(doc, point, "lost", t->lost);
        add_number(doc, point, "bound", t->bound);
        add_number(doc, point, "evidence", fmin(t->evidence, 1e12));
    }
}

char *guarantee_page_json(const struct guarantee_page *page, size_t *ret_n)
{
    const struct moa_guarantee *g = page->promise;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "object", "guarantee");
    add_claim(doc, root, page);
    add_promise(doc, root, page);
    add_obstacles(doc, root, page);
    add_audits(doc, root, page);
    add_small(doc, root, &g->small);
    add_requests(doc, root, page);
    yyjson_mut_val *drift = yyjson_mut_obj_add_obj(doc, root, "drift");
    add_number(doc, drift, "mean", g->drift);
    add_number(doc, drift, "alarm_at", ALARM_AT);
    yyjson_mut_obj_add_uint(doc, drift, "alarms", g->n_alarms);
    yyjson_mut_obj_add_uint(doc, drift, "shifts", g->n_shifts);
    yyjson_mut_obj_add_uint(doc, root, "engines_changed", page->n_engines);
    yyjson_mut_obj_add_str(doc, root, "policy", page->policy);
    add_curve(doc, root, g);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return text;
}
