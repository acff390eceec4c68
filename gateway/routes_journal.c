/* SPDX-License-Identifier: Apache-2.0
 *
 * What is read from the journal for clients; see routes_journal.h. A disk may be slow and a journal
 * long: both are read on a worker.
 */
#include "routes_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "journal.h"
#include "server.h"
#include "worker.h"

#define DECISIONS_DEFAULT 100
#define DECISIONS_MAX 1000
#define REPLAY_DEFAULT 2000
#define REPLAY_MAX 20000
#define POLICIES_BYTES 1024

/* ---- the query ---- */

/* A whole number of the query; `fallback` if it is not there. -1 if it is none, or out of range. */
static int read_number(const struct server_request *request, const char *name, int64_t min,
                       int64_t max, int64_t *ret_number, struct http_error *error)
{
    char text[24];
    const int missing = server_request_query(request, name, text, sizeof(text));
    if (missing < 0)
        return 0;
    size_t n = missing ? 0 : strspn(text, "0123456789");
    long long number = n > 0 && n < 17 && !text[n] ? strtoll(text, NULL, 10) : -1;
    if (number < min || number > max) {
        http_fail(error, 400, "invalid_value",
                  "%s must be a whole number of %" PRId64 " to %" PRId64 ".", name, min, max);
        return http_fail_at(error, "%s", name);
    }
    *ret_number = number;
    return 0;
}

/* What both have. */
static int read_filter(const struct server_request *request, size_t limit, size_t most,
                       struct journal_filter *ret_filter, struct http_error *error)
{
    int64_t rows = (int64_t)limit, since_s = 0, after = 0, before = 0;
    if (read_number(request, "limit", 1, (int64_t)most, &rows, error) ||
        read_number(request, "since", 0, INT64_C(1) << 40, &since_s, error) ||
        read_number(request, "after", 0, INT64_C(1) << 53, &after, error) ||
        read_number(request, "before", 0, INT64_C(1) << 53, &before, error))
        return -1;
    *ret_filter = journal_filter_all((size_t)rows);
    ret_filter->since_ms = since_s * 1000;
    ret_filter->after_sequence = after;
    ret_filter->before_sequence = before;
    ret_filter->newest_first = true;
    return 0;
}

static int need_journal(const struct gateway *g, struct http_error *error)
{
    return g->journal
               ? 0
               : http_fail(error, 404, "no_journal", "There is no journal; see journal.path.");
}

static void refuse(struct server_request *request, const struct http_error *error)
{
    server_reply_error(request, error, NULL, 0);
}

/* ---- GET /v1/decisions ---- */

struct decisions {
    struct worker_job job; /* first: a worker_job is a struct decisions */
    struct worker_line line;
    struct server_request *request; /* NULL once the client has left */
    struct settings *settings;
    struct journal_filter filter;
    bool with_docket;
    char *json;
    size_t n, rows;
    FILE *out;
    char why[256];
};

static int take_row(const struct journal_row *row, void *arg)
{
    struct decisions *d = arg;
    fputs(d->rows++ > 0 ? "," : "", d->out);
    journal_print_json(row, d->with_docket, d->out);
    return 0;
}

static void run_decisions(struct worker_job *job)
{
    struct decisions *d = (struct decisions *)job;
    d->out = open_memstream(&d->json, &d->n);
    if (!d->out) {
        snprintf(d->why, sizeof(d->why), "out of memory");
        return;
    }
    fputs("{\"object\":\"list\",\"data\":[", d->out);
    int result = journal_read(d->settings->config->journal_path, &d->filter, take_row, d, d->why,
                              sizeof(d->why));
    fputs("]}", d->out);
    fclose(d->out);
    if (result) {
        free(d->json);
        d->json = NULL;
    }
}

static void on_decisions(struct worker_job *job)
{
    struct decisions *d = (struct decisions *)job;
    struct http_error error;
    struct server_head head = {.status = 200, .content_type = "application/json"};
    http_fail(&error, 503, "journal_unavailable", "The journal cannot be read: %s.", d->why);
    if (d->request && d->json)
        server_reply(d->request, &head, (struct moa_bytes){d->json, d->n});
    else if (d->request)
        server_reply_error(d->request, &error, NULL, 0);
    settings_leave(d->settings);
    free(d->json);
    free(d);
}

static void on_decisions_gone(void *arg)
{
    ((struct decisions *)arg)->request = NULL;
}

void routes_decisions(struct server_request *request, void *arg)
{
    static const struct server_watch watch = {.on_gone = on_decisions_gone};
    struct gateway *g = arg;
    struct http_error error;
    struct journal_filter filter;
    int64_t docket = 0;
    if (need_journal(g, &error) ||
        read_filter(request, DECISIONS_DEFAULT, DECISIONS_MAX, &filter, &error) ||
        read_number(request, "docket", 0, 1, &docket, &error)) {
        refuse(request, &error);
        return;
    }
    struct decisions *d = calloc(1, sizeof(*d));
    if (!d) {
        http_fail(&error, 503, "out_of_memory", "Out of memory.");
        refuse(request, &error);
        return;
    }
    d->job = (struct worker_job){.run = run_decisions, .done = on_decisions};
    d->request = request;
    d->settings = settings_use(g->settings);
    d->filter = filter;
    d->with_docket = docket == 1;
    server_request_watch(request, &watch, d);
    worker_submit(g->workers, &d->line, &d->job);
}

/* ---- GET /v1/replay ---- */

struct rerun {
    struct worker_job job; /* first: a worker_job is a struct rerun */
    struct worker_line line;
    struct server_request *request; /* NULL once the client has left */
    struct gateway *gateway;
    struct settings *settings;
    struct rerun_question question;
    char policies[POLICIES_BYTES];
    int status;
    char *json;
    size_t n;
    char why[512];
};

static void run_rerun(struct worker_job *job)
{
    struct rerun *r = (struct rerun *)job;
    r->status = r->gateway->rerun(&r->question, &r->json, &r->n, r->why, sizeof(r->why));
}

static void on_rerun(struct worker_job *job)
{
    struct rerun *r = (struct rerun *)job;
    struct http_error error;
    const struct server_head head = {.status = 200, .content_type = "application/json"};
    r->gateway->is_rerunning = false;
    if (r->request && r->status == 200) {
        server_reply(r->request, &head, (struct moa_bytes){r->json, r->n});
    } else if (r->request && r->status == 400) {
        http_fail(&error, 400, "invalid_value", "No policy can be asked so: %.300s.", r->why);
        http_fail_at(&error, "policies");
        refuse(r->request, &error);
    } else if (r->request) {
        http_fail(&error, 503, "journal_unavailable", "The journal cannot be read: %.300s.",
                  r->why);
        refuse(r->request, &error);
    }
    settings_leave(r->settings);
    free(r->json);
    free(r);
}

static void on_rerun_gone(void *arg)
{
    ((struct rerun *)arg)->request = NULL;
}

static int read_policies(const struct server_request *request, char *ret_policies, size_t room,
                         struct http_error *error)
{
    ret_policies[0] = '\0';
    if (server_request_query(request, "policies", ret_policies, room) <= 0)
        return 0;
    http_fail(error, 400, "invalid_value", "policies has more than %zu bytes.", room - 1);
    return http_fail_at(error, "policies");
}

static void rerun_later(struct gateway *g, struct server_request *request, struct rerun *r)
{
    static const struct server_watch watch = {.on_gone = on_rerun_gone};
    r->job = (struct worker_job){.run = run_rerun, .done = on_rerun};
    r->request = request;
    r->gateway = g;
    r->settings = settings_use(g->settings);
    r->question.config = r->settings->config;
    r->question.policies = r->policies;
    g->is_rerunning = true;
    server_request_watch(request, &watch, r);
    worker_submit(g->workers, &r->line, &r->job);
}

void routes_replay(struct server_request *request, void *arg)
{
    struct gateway *g = arg;
    struct http_error error;
    struct journal_filter filter;
    struct rerun *r = calloc(1, sizeof(*r));
    if (!r)
        http_fail(&error, 503, "out_of_memory", "Out of memory.");
    else if (g->is_rerunning)
        http_fail(&error, 429, "too_many_requests", "Another replay is under way.");
    if (!r || g->is_rerunning || need_journal(g, &error) ||
        read_filter(request, REPLAY_DEFAULT, REPLAY_MAX, &filter, &error) ||
        read_policies(request, r->policies, sizeof(r->policies), &error)) {
        free(r);
        refuse(request, &error);
        return;
    }
    r->question = (struct rerun_question){.since_ms = filter.since_ms,
                                          .after = filter.after_sequence,
                                          .before = filter.before_sequence,
                                          .limit = filter.limit};
    rerun_later(g, request, r);
}
