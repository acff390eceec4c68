/* SPDX-License-Identifier: Apache-2.0
 *
 * Load pages of engines; see probe.h.
 */
#include "probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define SKIP_ROUNDS 60
#define NUMBER_BYTES_MAX 40
#define REQUESTS_MAX 1e6 /* a gauge above is no number of requests */

struct gauges {
    enum probe_engine engine;
    const char *running, *waiting;
};

static const struct gauges known[] = {
    {PROBE_LLAMA, "llamacpp:requests_processing", "llamacpp:requests_deferred"},
    {PROBE_VLLM, "vllm:num_requests_running", "vllm:num_requests_waiting"},
    {PROBE_SGLANG, "sglang:num_running_reqs", "sglang:num_queue_reqs"},
};

/* ---- Prometheus text ---- */

/* Past the labels that begin at `p`, or NULL if they do not end before `end`. */
static const char *skip_labels(const char *p, const char *end)
{
    bool quoted = false;
    for (p++; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == '}' && !quoted)
            return p + 1;
    }
    return NULL;
}

static double number(const char *p, const char *end)
{
    char text[NUMBER_BYTES_MAX + 1];
    size_t n = 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p + n < end && p[n] != ' ' && p[n] != '\t' && p[n] != '\r')
        n++;
    if (n > NUMBER_BYTES_MAX)
        return NAN;
    memcpy(text, p, n);
    text[n] = '\0';
    char *stop;
    double value = strtod(text, &stop);
    return n > 0 && !*stop && value >= 0 && value <= REQUESTS_MAX ? value : NAN;
}

/* Adds the sample on the line [p, end) to `sum` if it is one of `name`. */
static void take_sample(const char *p, const char *end, const char *name, double *sum)
{
    size_t n = strlen(name);
    if ((size_t)(end - p) <= n || memcmp(p, name, n) != 0)
        return;
    p += n;
    if (*p == '{')
        p = skip_labels(p, end);
    else if (*p != ' ' && *p != '\t')
        return; /* a longer name */
    double value = p ? number(p, end) : NAN;
    if (!isnan(value))
        *sum = isnan(*sum) ? value : *sum + value;
}

enum probe_engine probe_metrics(struct moa_bytes text, struct probe_load *ret_load)
{
    const size_t n_known = sizeof(known) / sizeof(known[0]);
    struct probe_load loads[sizeof(known) / sizeof(known[0])];
    for (size_t i = 0; i < n_known; i++)
        loads[i] = (struct probe_load){NAN, NAN, NAN};
    const char *p = text.p, *end = p + text.n;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end)
            line_end = end;
        for (size_t i = 0; i < n_known && *p != '#'; i++) {
            take_sample(p, line_end, known[i].running, &loads[i].running);
            take_sample(p, line_end, known[i].waiting, &loads[i].waiting);
        }
        p = line_end + 1;
    }
    for (size_t i = 0; i < n_known; i++) {
        if (!isnan(loads[i].running)) {
            *ret_load = loads[i];
            return known[i].engine;
        }
    }
    return PROBE_UNKNOWN;
}

/* ---- /slots ---- */

int probe_slots(struct moa_bytes json, struct probe_load *ret_load)
{
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    yyjson_val *slots = yyjson_doc_get_root(doc), *slot;
    double running = 0;
    size_t i, n, n_understood = 0;
    yyjson_arr_foreach(slots, i, n, slot)
    {
        yyjson_val *processing = yyjson_obj_get(slot, "is_processing");
        n_understood += yyjson_is_bool(processing);
        running += yyjson_is_true(processing);
    }
    size_t n_slots = yyjson_arr_size(slots);
    yyjson_doc_free(doc);
    if (n_slots == 0 || n_understood != n_slots)
        return -1;
    *ret_load = (struct probe_load){running, NAN, (double)n_slots};
    return 0;
}

/* ---- finding out ---- */

const char *probe_next(struct probe *p)
{
    if (p->skip > 0) {
        p->skip--;
        return NULL;
    }
    bool slots = p->step == PROBE_ASK_SLOTS || p->step == PROBE_READ_SLOTS;
    return slots ? "/slots" : "/metrics";
}

static void nothing_understood(struct probe *p)
{
    *p = (struct probe){.skip = SKIP_ROUNDS};
}

static bool slots_answer(struct probe *p, int status, struct moa_bytes body,
                         struct probe_load *ret_load)
{
    bool read = status == 200 && probe_slots(body, ret_load) == 0;
    p->slots = read ? ret_load->slots : 0;
    if (read)
        p->engine = PROBE_LLAMA;
    if (p->step == PROBE_ASK_SLOTS)
        p->step = PROBE_ASK_METRICS; /* which also show who waits */
    else if (!read)
        *p = (struct probe){0};
    return read;
}

static bool metrics_answer(struct probe *p, int status, struct moa_bytes body,
                           struct probe_load *ret_load)
{
    enum probe_engine engine = status == 200 ? probe_metrics(body, ret_load) : PROBE_UNKNOWN;
    bool read = engine != PROBE_UNKNOWN;
    if (read) {
        p->engine = engine;
        p->step = PROBE_READ_METRICS;
        ret_load->slots = p->slots > 0 ? p->slots : NAN;
    } else if (p->step == PROBE_READ_METRICS) {
        *p = (struct probe){0}; /* another engine stands there now */
    } else if (p->slots > 0) {
        p->step = PROBE_READ_SLOTS;
    } else {
        nothing_understood(p);
    }
    return read;
}

bool probe_answer(struct probe *p, int status, struct moa_bytes body, struct probe_load *ret_load)
{
    bool slots = p->step == PROBE_ASK_SLOTS || p->step == PROBE_READ_SLOTS;
    return slots ? slots_answer(p, status, body, ret_load)
                 : metrics_answer(p, status, body, ret_load);
}

/* ---- what it takes ---- */

#define CONTEXT_TOKENS_MAX 1000000000

static void take_context(yyjson_val *tokens, struct probe_takes *takes)
{
    if (yyjson_is_int(tokens) && yyjson_get_sint(tokens) > 0 &&
        yyjson_get_sint(tokens) <= CONTEXT_TOKENS_MAX)
        takes->context_tokens = yyjson_get_sint(tokens);
}

static void take_kinds(yyjson_val *names, struct probe_takes *takes)
{
    unsigned kinds = 0;
    size_t i, n;
    yyjson_val *name;
    yyjson_arr_foreach(names, i, n, name)
    {
        for (int kind = MOA_TEXT; kind < MOA_KINDS; kind++)
            if (yyjson_equals_str(name, moa_kind_name((enum moa_kind)kind)))
                kinds |= 1u << kind;
    }
    if (kinds)
        takes->kinds = kinds | 1u << MOA_TEXT;
}

static yyjson_val *model_named(yyjson_val *list, const char *model)
{
    size_t i, n;
    yyjson_val *entry;
    yyjson_arr_foreach(list, i, n, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, "id"), model))
            return entry;
    }
    return yyjson_arr_size(list) == 1 ? yyjson_arr_get_first(list) : NULL;
}

void probe_models(struct moa_bytes json, const char *model, struct probe_takes *takes)
{
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    yyjson_val *entry = model_named(yyjson_obj_get(yyjson_doc_get_root(doc), "data"), model);
    yyjson_val *meta = yyjson_obj_get(entry, "meta");
    take_kinds(yyjson_obj_get(yyjson_obj_get(entry, "architecture"), "input_modalities"), takes);
    take_context(yyjson_obj_get(entry, "context_length"), takes);
    take_context(yyjson_obj_get(entry, "max_model_len"), takes);
    take_context(yyjson_obj_get(meta, "n_ctx"), takes);
    yyjson_doc_free(doc);
}

/* Times and the like are left out: they change with every start. While it loads, its size is not
 * known yet. */
uint64_t probe_identity(struct moa_bytes json, const char *model)
{
    static const char *const sizes[] = {"n_params", "size", "n_vocab", "n_embd"};
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *entry = model_named(yyjson_obj_get(root, "data"), model);
    yyjson_val *meta = yyjson_obj_get(entry, "meta");
    const char *id = yyjson_get_str(yyjson_obj_get(entry, "id"));
    const char *of = yyjson_get_str(yyjson_obj_get(entry, "root"));
    const char *file = yyjson_get_str(yyjson_obj_get(root, "model_path"));
    const bool is_known = (id || file) && (!meta || yyjson_is_obj(meta));
    char text[1024];
    int n = snprintf(text, sizeof(text), "%.256s %.256s %.256s", id ? id : "", of ? of : "",
                     file ? file : "");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %.0f",
                      yyjson_get_num(yyjson_obj_get(meta, sizes[i])));
    yyjson_doc_free(doc);
    return is_known ? identity_hash((struct moa_bytes){text, (size_t)n}) : 0;
}

void probe_props(struct moa_bytes json, struct probe_takes *takes)
{
    static const struct {
        const char *name;
        enum moa_kind kind;
    } senses[] = {{"vision", MOA_IMAGE}, {"audio", MOA_AUDIO}, {"video", MOA_VIDEO}};
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *modalities = yyjson_obj_get(root, "modalities");
    unsigned kinds = 1u << MOA_TEXT;
    for (size_t i = 0; i < sizeof(senses) / sizeof(senses[0]); i++) {
        if (yyjson_is_true(yyjson_obj_get(modalities, senses[i].name)))
            kinds |= 1u << senses[i].kind;
    }
    if (yyjson_is_obj(modalities)) /* it may know of fewer kinds than the list of models */
        takes->kinds |= kinds;
    take_context(yyjson_obj_get(yyjson_obj_get(root, "default_generation_settings"), "n_ctx"),
                 takes);
    yyjson_doc_free(doc);
}

const char *probe_engine_name(enum probe_engine engine)
{
    static const char *const names[] = {"unknown", "llama-server", "vllm", "sglang"};
    return names[engine];
}
