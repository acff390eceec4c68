/* SPDX-License-Identifier: Apache-2.0
 *
 * A journal's rows and audits into hindsight.c, and its figures as JSON; see redecide.h.
 */
#include "redecide.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "gateway/json_number.h"

#define POLICY_BYTES 512

struct named_audit {
    char *id;
    int64_t time_ms;
    struct hindsight_audit audit;
};

int redecision_init(struct redecision *r, const struct budget_terms *prices)
{
    *r = (struct redecision){.hindsight = hindsight_new(prices), .room = malloc(sizeof(*r->room))};
    return r->hindsight && r->room ? 0 : -1;
}

void redecision_done(struct redecision *r)
{
    for (size_t i = 0; i < r->n_audits; i++)
        free(r->audits[i].id);
    free(r->audits);
    free(r->room);
    hindsight_free(r->hindsight);
}

int redecision_ask(struct redecision *r, const char *policy, const struct config *config, char *why,
                   size_t n)
{
    char name[64], reason[256];
    const size_t n_name = strcspn(policy, ":");
    snprintf(name, sizeof(name), "%.*s", (int)(n_name < sizeof(name) ? n_name : sizeof(name)),
             policy);
    const char *words = policy[n_name] ? policy + n_name + 1 : "";
    if (!hindsight_ask(r->hindsight, name, words, config->policy_settings, reason, sizeof(reason)))
        return 0;
    snprintf(why, n, "%.200s: %s", policy, reason);
    return -1;
}

/* ---- reading ---- */

static bool is_known(const struct moa_call_times *times)
{
    return !isnan(times->prompt_ms) || !isnan(times->answer_ms);
}

static int take_audit(const struct journal_audit *row, void *arg)
{
    struct redecision *r = arg;
    if (r->n_audits == r->audits_room) {
        r->audits_room = r->audits_room > 0 ? 2 * r->audits_room : 256;
        struct named_audit *audits = realloc(r->audits, r->audits_room * sizeof(*audits));
        if (!audits)
            return r->failed = true;
        r->audits = audits;
    }
    struct named_audit *a = &r->audits[r->n_audits];
    *a = (struct named_audit){
        .id = strdup(row->id),
        .time_ms = row->time_ms,
        .audit = {.lost = row->lost != 0,
                  .has_small = row->small_lost != JOURNAL_UNKNOWN,
                  .small_lost = row->small_lost == 1,
                  .answer = {.form = (enum moa_answer_form)row->form,
                             .streamed = row->streamed == 1,
                             .sampled = row->sampled == 1,
                             .n_tokens = row->tokens > 0 ? (size_t)row->tokens : 0,
                             .p_min = row->p_min,
                             .p_first = row->p_first,
                             .p_top5 = row->p_top5},
                  .called = {is_known(&row->edge_times), is_known(&row->cloud_times)},
                  .times = {row->edge_times, row->cloud_times}},
    };
    r->n_audits += a->id != NULL;
    r->failed |= !a->id;
    return r->failed;
}

static int compare_audits(const void *a, const void *b)
{
    const struct named_audit *x = a, *y = b;
    return x->time_ms != y->time_ms ? (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms)
                                    : strcmp(x->id, y->id);
}

static const struct hindsight_audit *audit_of(const struct redecision *r,
                                              const struct journal_row *row)
{
    const struct named_audit key = {.id = (char *)(uintptr_t)row->id, .time_ms = row->time_ms};
    const struct named_audit *found =
        r->n_audits > 0 ? bsearch(&key, r->audits, r->n_audits, sizeof(key), compare_audits) : NULL;
    return found ? &found->audit : NULL;
}

static enum moa_plan plan_of(const char *name)
{
    for (int plan = 0; plan < MOA_PLANS; plan++) {
        if (strcmp(name, moa_plan_name((enum moa_plan)plan)) == 0)
            return (enum moa_plan)plan;
    }
    return MOA_PLAN_EDGE;
}

static double known(int64_t count)
{
    return count == JOURNAL_UNKNOWN ? (double)NAN : (double)count;
}

static int take_row(const struct journal_row *row, void *arg)
{
    struct redecision *r = arg;
    struct moa_docket docket;
    struct moa_error error;
    r->first_ms = r->n_rows++ == 0 ? row->time_ms : r->first_ms;
    r->last_ms = row->time_ms;
    if (row->docket.n == 0) {
        r->n_without++;
        return 0;
    }
    if (moa_docket_read(row->docket, r->room, &docket, &error)) {
        r->n_unreadable++;
        snprintf(r->unreadable, sizeof(r->unreadable), "%s", error.message);
        return 0;
    }
    const struct hindsight_row past = {
        .policy = row->policy,
        .words = row->settings,
        .docket = &docket,
        .done = plan_of(row->plan),
        .tier = strncmp(row->decision, "text=cloud", 10) == 0 ? MOA_CLOUD : MOA_EDGE,
        .total_ms = row->status == 200 ? (double)row->total_us / 1000 : (double)NAN,
        .cloud_bytes = (double)row->cloud_bytes_up,
        .cloud_prompt_tokens = known(row->cloud_prompt_tokens),
        .cloud_completion_tokens = known(row->cloud_completion_tokens),
        .audit = audit_of(r, row),
    };
    return r->failed = hindsight_take(r->hindsight, &past) != 0;
}

int redecision_read(struct redecision *r, const char *path, const struct journal_filter *filter,
                    char *why, size_t n)
{
    struct journal_span span = {.n = 0};
    int result = journal_read_span(path, filter, &span, why, n);
    if (!result && span.n > 0) /* those of other rows may be many more */
        result = journal_read_audits(path, span.first_ms, span.last_ms, take_audit, r, why, n);
    if (r->n_audits > 0)
        qsort(r->audits, r->n_audits, sizeof(*r->audits), compare_audits);
    result = result || journal_read(path, filter, take_row, r, why, n);
    if (!result && r->failed)
        snprintf(why, n, "out of memory, or too many rows");
    return result || r->failed ? -1 : 0;
}

/* ---- as JSON ---- */

static void add_figures(yyjson_mut_doc *doc, yyjson_mut_val *list,
                        const struct hindsight_figures *f)
{
    static const char *const paths[HINDSIGHT_PATHS] = {"edge", "escalated", "cloud", "split"};
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, o, "policy", f->label ? f->label : "as it was");
    yyjson_mut_obj_add_uint(doc, o, "requests", f->n);
    for (int path = 0; path < HINDSIGHT_PATHS; path++)
        yyjson_mut_obj_add_uint(doc, o, paths[path], f->n_of[path]);
    yyjson_mut_obj_add_uint(doc, o, "score_drawn", f->n_drawn);
    yyjson_mut_obj_add_uint(doc, o, "score_unknown", f->n_unknown);
    yyjson_mut_obj_add_uint(doc, o, "otherwise", f->n_otherwise);
    json_add_number(doc, o, "bytes_up", f->bytes_up);
    json_add_number(doc, o, "cost", f->cost);
    json_add_number(doc, o, "mean_ms", f->mean_ms);
    json_add_number(doc, o, "p95_ms", f->p95_ms);
    yyjson_mut_obj_add_uint(doc, o, "timed", f->n_timed);
    yyjson_mut_obj_add_uint(doc, o, "measured", f->n_measured);
    json_add_number(doc, o, "agreement", f->agreement.value);
    json_add_number(doc, o, "agreement_low", f->agreement.low);
    json_add_number(doc, o, "agreement_high", f->agreement.high);
    yyjson_mut_obj_add_uint(doc, o, "audits", f->n_audits);
}

/* Unix seconds of the first or last row; null if there is none. */
static void add_time(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *name, size_t n_rows,
                     int64_t ms)
{
    json_add_number(doc, root, name, n_rows > 0 ? (double)ms / 1e3 : (double)NAN);
}

char *redecision_json(const struct redecision *r, bool is_pretty, size_t *ret_n)
{
    struct hindsight_again again;
    struct hindsight_figures f;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, root);
    hindsight_again(r->hindsight, &again);
    yyjson_mut_obj_add_uint(doc, root, "requests", r->n_rows);
    add_time(doc, root, "first", r->n_rows, r->first_ms);
    add_time(doc, root, "last", r->n_rows, r->last_ms);
    yyjson_mut_obj_add_uint(doc, root, "without_docket", r->n_without);
    yyjson_mut_obj_add_uint(doc, root, "unreadable", r->n_unreadable);
    yyjson_mut_obj_add_uint(doc, root, "of_learning_policies", again.n_learning);
    yyjson_mut_obj_add_uint(doc, root, "decided_again", again.n);
    yyjson_mut_obj_add_uint(doc, root, "differ", again.n_differ);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "policies");
    for (size_t i = 0; hindsight_figures(r->hindsight, i, &f); i++)
        add_figures(doc, list, &f);
    char *json =
        yyjson_mut_write(doc, is_pretty ? YYJSON_WRITE_PRETTY : YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return json;
}

/* ---- for who serves ---- */

static int ask_each(struct redecision *r, const struct rerun_question *question, char *why,
                    size_t n)
{
    char policy[POLICY_BYTES];
    for (const char *at = question->policies; *at;) {
        const size_t length = strcspn(at, ";");
        if (length >= sizeof(policy)) {
            snprintf(why, n, "a policy has more than %d bytes", POLICY_BYTES - 1);
            return -1;
        }
        memcpy(policy, at, length);
        policy[length] = '\0';
        if (length > 0 && redecision_ask(r, policy, question->config, why, n))
            return -1;
        at += length + (at[length] == ';');
    }
    return 0;
}

int redecide(const struct rerun_question *question, char **ret_json, size_t *ret_n, char *why,
             size_t n)
{
    struct redecision r;
    struct journal_filter filter = journal_filter_all(question->limit);
    filter.since_ms = question->since_ms;
    filter.after_sequence = question->after;
    filter.before_sequence = question->before;
    int status = 503;
    snprintf(why, n, "out of memory");
    *ret_json = NULL;
    if (!redecision_init(&r, &question->config->budget)) {
        if (ask_each(&r, question, why, n))
            status = 400;
        else if (!redecision_read(&r, question->config->journal_path, &filter, why, n))
            *ret_json = redecision_json(&r, false, ret_n);
    }
    redecision_done(&r);
    return *ret_json ? 200 : status;
}
