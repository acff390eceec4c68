/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff eval`; see eval.h. Reads the set, leaves out what earlier runs have done, and makes one
 * pass for each policy, with what the engines took in all.
 */
#include "eval.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>
#include <yyjson.h>

#include <moaoff/policy.h>

#include "call.h"
#include "engine.h"
#include "facts.h"
#include "run.h"

/* ---- what engines and gateway count ---- */

struct counters {
    double cpu_s[2], prompt_tokens[2], completion_tokens[2], sent_bytes[2], received_bytes[2];
};

static char *get_metrics(const char *url, const char *api_key)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/metrics", url);
    return engine_get(whole, api_key);
}

static void read_counters(const struct eval_options *options, struct counters *c)
{
    char series[96];
    char *gateway = get_metrics(options->url, options->api_key);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const char *name = moa_tier_name((enum moa_tier)tier);
        char *engine =
            options->engine_urls[tier] ? get_metrics(options->engine_urls[tier], NULL) : NULL;
        c->cpu_s[tier] = options->pids[tier] ? engine_cpu_s(options->pids[tier]) : NAN;
        c->prompt_tokens[tier] = engine_series(engine, "llamacpp:prompt_tokens_total");
        c->completion_tokens[tier] = engine_series(engine, "llamacpp:tokens_predicted_total");
        snprintf(series, sizeof(series), "moaoff_sent_bytes_total{tier=\"%s\"}", name);
        c->sent_bytes[tier] = engine_series(gateway, series);
        snprintf(series, sizeof(series), "moaoff_received_bytes_total{tier=\"%s\"}", name);
        c->received_bytes[tier] = engine_series(gateway, series);
        free(engine);
    }
    free(gateway);
}

static void take_difference(const struct eval_options *options, const struct counters *a,
                            const struct counters *b, struct pass *pass)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        pass->cpu_s[tier] = b->cpu_s[tier] - a->cpu_s[tier];
        pass->prompt_tokens[tier] = b->prompt_tokens[tier] - a->prompt_tokens[tier];
        pass->completion_tokens[tier] = b->completion_tokens[tier] - a->completion_tokens[tier];
        pass->sent_bytes[tier] = b->sent_bytes[tier] - a->sent_bytes[tier];
        pass->received_bytes[tier] = b->received_bytes[tier] - a->received_bytes[tier];
        pass->peak_bytes[tier] = options->pids[tier] ? engine_peak_bytes(options->pids[tier]) : NAN;
        pass->n_params[tier] =
            options->engine_urls[tier] ? engine_n_params(options->engine_urls[tier]) : NAN;
    }
}

/* ---- the passes ---- */

struct eval {
    const struct eval_options *options;
    struct dataset *set;
    struct records earlier;
    FILE *requests, *passes, *answers;
    char load[48];
    bool progress, failed;
};

static FILE *open_out(const struct eval_options *options, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", options->out, name) < 0)
        return NULL;
    FILE *out = fopen(path, "a+e");
    if (!out) {
        fprintf(stderr, "%s: %s: %s\n", options->dataset.log_name, path, strerror(errno));
    } else if (fseek(out, -1, SEEK_END) == 0 && fgetc(out) != '\n') {
        fputc('\n', out); /* a killed run left half a line: end it, readers pass over it */
    }
    free(path);
    return out;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Answered under this condition, and scored as it is to be now. */
static bool is_done(const struct eval *e, const struct record *r, const struct condition *condition)
{
    bool scored = !r->scorer[0] || strcmp(r->scorer, vqa_scorer_name(e->set->scorer)) == 0;
    return r->ok && scored && condition_equal(&r->condition, condition);
}

/* Which items earlier runs answered under this condition; NULL if out of memory. */
static bool *find_done(const struct eval *e, const struct condition *condition)
{
    bool *done = calloc(e->set->n + 1, sizeof(*done));
    const char **ids = malloc((e->earlier.n + 1) * sizeof(*ids));
    size_t n = 0;
    if (!done || !ids) {
        free(done);
        free(ids);
        return NULL;
    }
    for (size_t i = 0; i < e->earlier.n; i++) {
        const struct record *r = &e->earlier.records[i];
        if (is_done(e, r, condition))
            ids[n++] = r->item;
    }
    qsort(ids, n, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < e->set->n; i++) {
        const char *id = e->set->items[i].id;
        done[i] = bsearch(&id, ids, n, sizeof(*ids), compare_ids) != NULL;
    }
    free(ids);
    return done;
}

static double latest_s(const struct eval *e, const struct condition *condition)
{
    double latest = 0.0;
    for (size_t i = 0; i < e->earlier.n; i++) {
        const struct record *r = &e->earlier.records[i];
        if (condition_equal(&r->condition, condition) && r->scheduled_s > latest)
            latest = r->scheduled_s;
    }
    return latest;
}

static void make_pass(struct eval *e, const struct eval_policy *policy)
{
    const struct eval_options *options = e->options;
    struct pass pass = {.condition = {.dataset = e->set->name,
                                      .policy = policy->label,
                                      .load = e->load,
                                      .link_mbps = options->link_mbps,
                                      .seed = options->dataset.seed},
                        .dataset_faults = e->set->n_faults};
    struct counters before;
    struct counters after;
    struct facts facts;
    bool *done = find_done(e, &pass.condition);
    if (!done) {
        fprintf(stderr, "%s: out of memory\n", options->dataset.log_name);
        e->failed = true;
        return;
    }
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (options->pids[tier])
            engine_reset_peak(options->pids[tier]);
    }
    read_counters(options, &before);
    facts_begin(&facts);
    const struct run run = {.options = options,
                            .set = e->set,
                            .done = done,
                            .begun_s = latest_s(e, &pass.condition),
                            .condition = pass.condition,
                            .policy = policy->name,
                            .requests = e->requests,
                            .answers = e->answers,
                            .show_progress = e->progress};
    if (run_policy(&run, &pass))
        e->failed = true;
    read_counters(options, &after);
    take_difference(options, &before, &after, &pass);
    facts_end(&facts, options->url, options->api_key);
    pass.asked_for = policy->name;
    pass.begun = facts.begun;
    pass.machine = facts.machine;
    pass.settings = facts.settings;
    pass.version = moa_version();
    pass.n_wanted = (double)e->set->n;
    if (pass.n_done + pass.n_failed > 0 && pass_write(e->passes, &pass)) {
        fprintf(stderr, "%s: %s/passes.jsonl: %s\n", options->dataset.log_name, options->out,
                strerror(errno));
        e->failed = true;
    }
    fprintf(stderr, "%s: %s under %s, %s: %llu answered, %llu failed, %llu done before, %.1f s%s\n",
            options->dataset.log_name, e->set->name, policy->label, e->load,
            (unsigned long long)pass.n_done, (unsigned long long)pass.n_failed,
            (unsigned long long)pass.n_before, pass.wall_s,
            pass.interrupted ? "; interrupted, the same command goes on" : "");
    e->failed = e->failed || pass.n_failed > 0 || pass.interrupted;
    free(done);
}

static void measure_all(struct eval *e)
{
    for (size_t i = 0; i < e->set->n && !*e->options->stop; i++) {
        dataset_measure(&e->set->items[i]);
        if (e->progress && i % 16 == 0)
            fprintf(stderr, "\r\033[Kmeasuring images %zu/%zu", i, e->set->n);
    }
    if (e->progress)
        fprintf(stderr, "\r\033[K");
}

static int make_folder(const struct eval_options *options)
{
    if (mkdir(options->out, 0777) == 0 || errno == EEXIST)
        return 0;
    fprintf(stderr, "%s: %s: %s\n", options->dataset.log_name, options->out, strerror(errno));
    return -1;
}

/* The whole set, with the name it is to have in the records. */
static struct dataset *open_set(const struct eval_options *options)
{
    struct dataset *set;
    if (dataset_open(options->dataset_spec, &options->dataset, &set))
        return NULL;
    if (options->dataset_name) {
        free(set->name);
        set->name = strdup(options->dataset_name);
    }
    if (set->n > 0 && set->name)
        return set;
    fprintf(stderr, "%s: no question is left in %s\n", options->dataset.log_name,
            options->dataset_spec);
    dataset_free(set);
    return NULL;
}

/* A gateway that is not there or has no such policy is said once, not once a question. */
static int check_gateway(const struct eval_options *options)
{
    char url[512];
    snprintf(url, sizeof(url), "%s/v1/models", options->url);
    char *models = engine_get(url, options->api_key);
    if (!models) {
        fprintf(stderr, "%s: no gateway answers at %s\n", options->dataset.log_name, options->url);
        return -1;
    }
    free(models);
    int failed = 0;
    for (size_t i = 0; i < options->n_policies; i++) {
        snprintf(url, sizeof(url), "%s/v1/models/moaoff/%s", options->url,
                 options->policies[i].name);
        char *model = engine_get(url, options->api_key); /* of those for research, too */
        free(model);
        if (!model) {
            fprintf(stderr, "%s: the gateway at %s has no policy \"%s\"\n",
                    options->dataset.log_name, options->url, options->policies[i].name);
            failed = -1;
        }
    }
    return failed;
}

int eval_run(const struct eval_options *options)
{
    struct eval e = {.options = options, .progress = isatty(STDERR_FILENO)};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (options->rate > 0.0)
        snprintf(e.load, sizeof(e.load), "rate=%g", options->rate);
    else
        snprintf(e.load, sizeof(e.load), "concurrency=%zu", options->concurrency);
    e.failed = check_gateway(options) || make_folder(options);
    e.set = e.failed ? NULL : open_set(options);
    if (e.set && records_read(options->out, &e.earlier) >= 0) {
        e.requests = open_out(options, "requests.jsonl");
        e.passes = open_out(options, "passes.jsonl");
        e.answers = options->answers_path ? fopen(options->answers_path, "ae") : NULL;
    }
    if (options->answers_path && e.passes && !e.answers)
        fprintf(stderr, "%s: %s: %s\n", options->dataset.log_name, options->answers_path,
                strerror(errno));
    if (e.set && e.requests && e.passes && (e.answers || !options->answers_path)) {
        e.failed = e.set->n_faults > 0;
        measure_all(&e);
        for (size_t i = 0; i < options->n_policies && !*options->stop; i++)
            make_pass(&e, &options->policies[i]);
    } else {
        e.failed = true;
    }
    if (e.requests)
        fclose(e.requests);
    if (e.passes)
        fclose(e.passes);
    if (e.answers)
        fclose(e.answers);
    records_done(&e.earlier);
    dataset_free(e.set);
    curl_global_cleanup();
    return e.failed ? 1 : 0;
}

/* ---- images and questions for `moaoff calibrate` ---- */

/* "GROUP-0" for a first image, so that questions about the same one write it once. */
static int export_image(const struct eval_options *options, const struct item *item, size_t i)
{
    char why[512];
    char *path = NULL;
    struct moa_bytes file = dataset_read_image(item, i, why, sizeof(why));
    FILE *out = NULL;
    if (file.p &&
        asprintf(&path, "%s/%s-%zu", options->out, i == 0 ? item->group : item->id, i) > 0) {
        for (char *c = path + strlen(options->out) + 1; *c; c++)
            *c = (char)(*c == '/' ? '_' : *c);
        out = fopen(path, "we");
        snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
    }
    bool written = out && fwrite(file.p, 1, file.n, out) == file.n;
    if (out && fclose(out) != 0)
        written = false;
    if (!written)
        fprintf(stderr, "%s: %s\n", options->dataset.log_name, why);
    free(path);
    free((void *)(uintptr_t)file.p);
    return written ? 0 : -1;
}

/* A question a line, as a JSON string. */
static int export_questions(const struct eval_options *options, const struct dataset *set)
{
    char *path;
    if (asprintf(&path, "%s/questions.txt", options->out) < 0)
        return -1;
    FILE *out = fopen(path, "we");
    bool written = out != NULL;
    for (size_t k = 0; written && k < set->n; k++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, set->items[k].prompt));
        char *line = doc ? yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
        written = line && fprintf(out, "%s\n", line) > 0;
        free(line);
        yyjson_mut_doc_free(doc);
    }
    if (out && fclose(out) != 0)
        written = false;
    if (!written)
        fprintf(stderr, "%s: %s: %s\n", options->dataset.log_name, path, strerror(errno));
    free(path);
    return written ? 0 : -1;
}

int eval_export_images(const struct eval_options *options)
{
    struct dataset *set = make_folder(options) ? NULL : open_set(options);
    bool failed = !set || set->n_faults > 0;
    size_t n = 0;
    for (size_t k = 0; set && k < set->n && !*options->stop; k++) {
        for (size_t i = 0; i < set->items[k].n_images; i++) {
            if (export_image(options, &set->items[k], i))
                failed = true;
            else
                n++;
        }
    }
    if (set && export_questions(options, set))
        failed = true;
    fprintf(stderr, "%s: %zu images written to %s\n", options->dataset.log_name, n, options->out);
    dataset_free(set);
    return failed ? 1 : 0;
}
