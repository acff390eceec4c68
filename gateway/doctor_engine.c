/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of engines, read; see doctor_engine.h. What tells engines apart: llama-server names itself
 * in its list of models and has /props, vLLM and SGLang own their models and have metrics of their
 * own, Ollama has /api/version.
 */
#include "doctor_engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "probe.h"

#define FORMAT(name) (UINT32_C(1) << MOA_IMAGE_##name)

static yyjson_doc *read_json(struct moa_bytes body)
{
    return body.n > 0 ? yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG) : NULL;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t n, const char *format,
                                                         ...)
{
    const size_t at = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + at, n - at, format, args);
    va_end(args);
}

static void copy(char *to, size_t n, yyjson_val *string)
{
    if (yyjson_is_str(string))
        snprintf(to, n, "%s", yyjson_get_str(string));
}

/* ---- models ---- */

static void read_owner(yyjson_val *model, struct doctor_engine *e)
{
    static const struct {
        const char *owner;
        enum doctor_kind kind;
    } owners[] = {{"llamacpp", DOCTOR_LLAMA}, {"vllm", DOCTOR_VLLM}, {"sglang", DOCTOR_SGLANG}};
    const char *owner = yyjson_get_str(yyjson_obj_get(model, "owned_by"));
    for (size_t i = 0; owner && i < sizeof(owners) / sizeof(owners[0]); i++) {
        if (strcmp(owner, owners[i].owner) == 0)
            e->kind = owners[i].kind;
    }
}

/* What some services say of a model: OpenRouter's and the gateway's own members. */
static void read_model(yyjson_val *model, struct doctor_engine *e)
{
    yyjson_val *inputs = yyjson_obj_get(model, "input_modalities");
    if (!inputs)
        inputs = yyjson_obj_get(yyjson_obj_get(model, "architecture"), "input_modalities");
    size_t i, n;
    yyjson_val *input;
    yyjson_arr_foreach(inputs, i, n, input)
    {
        e->knows_modalities = true;
        e->takes_images |= yyjson_equals_str(input, "image");
        e->takes_audio |= yyjson_equals_str(input, "audio");
    }
    static const char *const lengths[] = {"max_model_len", "context_length", "n_ctx"};
    for (size_t k = 0; k < 3 && e->context_tokens == 0; k++)
        e->context_tokens = (long)yyjson_get_int(yyjson_obj_get(model, lengths[k]));
}

bool doctor_read_models(struct moa_bytes body, const char *wanted, struct doctor_engine *e)
{
    yyjson_doc *doc = read_json(body);
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    const bool is_list = yyjson_is_arr(models);
    size_t i, n;
    yyjson_val *model;
    yyjson_arr_foreach(models, i, n, model)
    {
        yyjson_val *id = yyjson_obj_get(model, "id");
        if (!yyjson_is_str(id))
            continue;
        const bool is_it = wanted[0] ? yyjson_equals_str(id, wanted) : e->n_models == 0;
        if (e->n_models == 0)
            copy(e->first_model, sizeof(e->first_model), id);
        if (e->n_models++ < DOCTOR_MODELS_NAMED)
            append(e->models, sizeof(e->models), "%s%.40s", e->n_models > 1 ? ", " : "",
                   yyjson_get_str(id));
        read_owner(model, e);
        if (is_it) {
            e->has_model = true;
            read_model(model, e);
        }
    }
    yyjson_doc_free(doc);
    return is_list;
}

/* ---- pages of their own ---- */

void doctor_read_props(struct moa_bytes body, struct doctor_engine *e)
{
    yyjson_doc *doc = read_json(body);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *settings = yyjson_obj_get(root, "default_generation_settings");
    yyjson_val *modalities = yyjson_obj_get(root, "modalities");
    if (settings) {
        e->kind = DOCTOR_LLAMA;
        copy(e->version, sizeof(e->version), yyjson_obj_get(root, "build_info"));
        e->slots = (long)yyjson_get_int(yyjson_obj_get(root, "total_slots"));
        const long context = (long)yyjson_get_int(yyjson_obj_get(settings, "n_ctx"));
        e->context_tokens = context > 0 ? context : e->context_tokens;
    }
    if (settings && modalities) {
        e->knows_modalities = true;
        e->takes_images = yyjson_get_bool(yyjson_obj_get(modalities, "vision"));
        e->takes_audio = yyjson_get_bool(yyjson_obj_get(modalities, "audio"));
    }
    yyjson_doc_free(doc);
}

void doctor_read_slots(struct moa_bytes body, struct doctor_engine *e)
{
    struct probe_load load;
    if (probe_slots(body, &load) || isnan(load.slots))
        return;
    e->kind = DOCTOR_LLAMA;
    e->slots = (long)load.slots;
}

void doctor_read_metrics(struct moa_bytes body, struct doctor_engine *e)
{
    static const enum doctor_kind kinds[] = {
        [PROBE_LLAMA] = DOCTOR_LLAMA, [PROBE_VLLM] = DOCTOR_VLLM, [PROBE_SGLANG] = DOCTOR_SGLANG};
    struct probe_load load;
    const enum probe_engine engine = probe_metrics(body, &load);
    if (engine != PROBE_UNKNOWN)
        e->kind = kinds[engine];
}

void doctor_read_ollama(struct moa_bytes body, struct doctor_engine *e)
{
    yyjson_doc *doc = read_json(body);
    yyjson_val *version = yyjson_obj_get(yyjson_doc_get_root(doc), "version");
    if (e->kind == DOCTOR_UNKNOWN && yyjson_is_str(version)) {
        e->kind = DOCTOR_OLLAMA;
        copy(e->version, sizeof(e->version), version);
    }
    yyjson_doc_free(doc);
}

/* ---- in words ---- */

/* What engines read, by their sources: stb_image in llama.cpp, Pillow in vLLM and SGLang, Go's
 * decoders in Ollama. */
static uint32_t formats_of(const struct doctor_engine *e)
{
    switch (e->kind) {
    case DOCTOR_LLAMA:
        return FORMAT(JPEG) | FORMAT(PNG) | FORMAT(GIF);
    case DOCTOR_VLLM:
    case DOCTOR_SGLANG:
        return FORMAT(JPEG) | FORMAT(PNG) | FORMAT(WEBP) | FORMAT(GIF);
    case DOCTOR_OLLAMA:
        return FORMAT(JPEG) | FORMAT(PNG) | FORMAT(WEBP);
    case DOCTOR_UNKNOWN:
        break;
    }
    return 0;
}

uint32_t doctor_formats(const struct doctor_engine *e)
{
    return e->knows_modalities && !e->takes_images ? 0 : formats_of(e);
}

static void describe_inputs(const struct doctor_engine *e, char *text, size_t n)
{
    const uint32_t formats = doctor_formats(e);
    if (!e->knows_modalities)
        return;
    append(text, n, "; takes text%s%s", e->takes_images ? " and images" : "",
           e->takes_audio ? " and audio" : "");
    for (int f = MOA_IMAGE_JPEG, named = 0; formats >> f; f++) {
        if (formats >> f & 1)
            append(text, n, "%s%s", named++ ? ", " : " (",
                   moa_image_format_name((enum moa_image_format)f));
    }
    append(text, n, "%s", formats ? ")" : "");
}

void doctor_describe(const struct doctor_engine *e, char *ret_text, size_t n)
{
    static const char *const names[] = {
        [DOCTOR_UNKNOWN] = "an engine of OpenAI's kind",
        [DOCTOR_LLAMA] = "llama-server",
        [DOCTOR_VLLM] = "vLLM",
        [DOCTOR_SGLANG] = "SGLang",
        [DOCTOR_OLLAMA] = "Ollama",
    };
    snprintf(ret_text, n, "%s", names[e->kind]);
    if (e->version[0])
        append(ret_text, n, " %s", e->version);
    else if (e->kind == DOCTOR_UNKNOWN && e->server[0])
        append(ret_text, n, " (%s)", e->server);
    describe_inputs(e, ret_text, n);
    if (e->context_tokens > 0)
        append(ret_text, n, "; context of %ld tokens", e->context_tokens);
    if (e->slots > 0)
        append(ret_text, n, "; %ld slot%s", e->slots, e->slots > 1 ? "s" : "");
}

/* ---- answers ---- */

bool doctor_has_logprobs(struct moa_bytes body)
{
    yyjson_doc *doc = read_json(body);
    yyjson_val *found = yyjson_ptr_get(yyjson_doc_get_root(doc), "/choices/0/logprobs");
    const bool has = yyjson_is_obj(found);
    yyjson_doc_free(doc);
    return has;
}
