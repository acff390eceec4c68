/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and what they take; see routes_models.h. What is not known is left out, but for text and
 * images, for which the gateway is made.
 */
#include "routes_models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "gateway.h"

#define OURS "moaoff"
#define KINDS_ASSUMED (1u << MOA_IMAGE) /* of a tier that does not say */

/* ---- what is taken ---- */

static void add_takes(const struct gateway *g, enum moa_tier tier, struct probe_takes *takes)
{
    const struct endpoints *endpoints = &g->settings->endpoints[tier];
    const struct probe_takes *told = &g->config->tier[tier].takes;
    struct probe_takes said = {0};
    for (size_t i = 0; i < endpoints->n; i++) {
        const struct probe_takes *one = &endpoints->list[i]->takes;
        said.kinds |= one->kinds;
        if (one->context_tokens > said.context_tokens)
            said.context_tokens = one->context_tokens;
    }
    const int64_t context = told->context_tokens ? told->context_tokens : said.context_tokens;
    takes->kinds |= told->kinds ? told->kinds : said.kinds ? said.kinds : KINDS_ASSUMED;
    if (context > takes->context_tokens)
        takes->context_tokens = context;
}

/* A request goes to a tier that takes it: together they take what one of them takes. A model that
 * is one tier takes what that one does. */
struct probe_takes routes_models_takes(const struct gateway *g, const char *id)
{
    struct probe_takes takes = {0};
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        char other[32];
        snprintf(other, sizeof(other), OURS "/%s",
                 moa_tier_name(tier == MOA_EDGE ? MOA_CLOUD : MOA_EDGE));
        if (strcmp(id, other) != 0)
            add_takes(g, (enum moa_tier)tier, &takes);
    }
    takes.kinds |= 1u << MOA_TEXT;
    return takes;
}

/* ---- models ---- */

static void add_kinds(yyjson_mut_doc *doc, yyjson_mut_val *object, unsigned kinds)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, object, "input_modalities");
    for (int kind = MOA_TEXT; kind < MOA_KINDS; kind++) {
        if (kinds & (1u << kind))
            yyjson_mut_arr_add_str(doc, list, moa_kind_name((enum moa_kind)kind));
    }
}

/* OpenAI's members, and where llama-server and others say what a model takes. */
static yyjson_mut_val *model_of(yyjson_mut_doc *doc, const struct gateway *g, const char *id)
{
    const struct probe_takes takes = routes_models_takes(g, id);
    yyjson_mut_val *model = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_strcpy(doc, model, "id", id);
    yyjson_mut_obj_add_str(doc, model, "object", "model");
    yyjson_mut_obj_add_int(doc, model, "created", 0);
    yyjson_mut_obj_add_str(doc, model, "owned_by", OURS);
    add_kinds(doc, model, takes.kinds);
    yyjson_mut_val *architecture = yyjson_mut_obj_add_obj(doc, model, "architecture");
    add_kinds(doc, architecture, takes.kinds);
    yyjson_mut_val *output = yyjson_mut_obj_add_arr(doc, architecture, "output_modalities");
    yyjson_mut_arr_add_str(doc, output, "text");
    if (takes.context_tokens > 0) {
        yyjson_mut_obj_add_int(doc, model, "n_ctx", takes.context_tokens);
        yyjson_mut_val *meta = yyjson_mut_obj_add_obj(doc, model, "meta");
        yyjson_mut_obj_add_int(doc, meta, "n_ctx", takes.context_tokens);
    }
    return model;
}

void routes_models_reply(struct server_request *request, yyjson_mut_doc *doc)
{
    size_t n = 0;
    char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &n) : NULL;
    yyjson_mut_doc_free(doc);
    struct http_error error;
    http_fail(&error, 503, "out_of_memory", "Out of memory.");
    const struct server_head head = {.status = 200, .content_type = "application/json"};
    if (text)
        server_reply(request, &head, (struct moa_bytes){text, n});
    else
        server_reply_error(request, &error, NULL, 0);
    free(text);
}

/* A menu of models shows what is there to serve; who knows the name of another may ask for it. */
bool routes_models_lists(const struct gateway *g, const char *policy)
{
    return g->config->list_policies || !moa_policy_is_research(policy) ||
           strcmp(policy, g->config->policy) == 0;
}

void routes_models(struct server_request *request, void *arg)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_str(doc, root, "object", "list");
        yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "data");
        yyjson_mut_arr_append(list, model_of(doc, arg, OURS));
        for (size_t i = 0; moa_policy_name(i); i++) {
            char id[64];
            if (!routes_models_lists(arg, moa_policy_name(i)))
                continue;
            snprintf(id, sizeof(id), OURS "/%s", moa_policy_name(i));
            yyjson_mut_arr_append(list, model_of(doc, arg, id));
        }
    }
    routes_models_reply(request, doc);
}

bool routes_models_has(const char *id)
{
    static const char prefix[] = OURS "/";
    const size_t n = sizeof(prefix) - 1;
    bool known = strcmp(id, OURS) == 0;
    for (size_t i = 0; moa_policy_name(i) && strncmp(id, prefix, n) == 0; i++)
        known |= strcmp(id + n, moa_policy_name(i)) == 0;
    return known;
}

void routes_model(struct server_request *request, void *arg)
{
    static const char before[] = "models/";
    char id[64];
    snprintf(id, sizeof(id), "%s",
             strstr(server_request_path(request), before) + sizeof(before) - 1);
    server_unescape(id);
    if (!routes_models_has(id)) {
        struct http_error error;
        http_fail(&error, 404, "model_not_found", "There is no model \"%s\"; see /v1/models.", id);
        http_fail_at(&error, "model");
        server_reply_error(request, &error, NULL, 0);
        return;
    }
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, model_of(doc, arg, id));
    routes_models_reply(request, doc);
}

/* ---- properties ---- */

/* What clients of llama-server look for: whether pictures may be sent, and how long a chat may be.
 */
void routes_props(struct server_request *request, void *arg)
{
    const struct gateway *g = arg;
    const struct probe_takes takes = routes_models_takes(g, OURS);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_val *settings = yyjson_mut_obj_add_obj(doc, root, "default_generation_settings");
        if (takes.context_tokens > 0)
            yyjson_mut_obj_add_int(doc, settings, "n_ctx", takes.context_tokens);
        yyjson_mut_obj_add_int(doc, root, "total_slots", (int64_t)sense_slots(&g->sense));
        yyjson_mut_obj_add_str(doc, root, "model_alias", OURS);
        yyjson_mut_obj_add_str(doc, root, "model_path", OURS);
        yyjson_mut_val *modalities = yyjson_mut_obj_add_obj(doc, root, "modalities");
        yyjson_mut_obj_add_bool(doc, modalities, "vision", takes.kinds & (1u << MOA_IMAGE));
        yyjson_mut_obj_add_bool(doc, modalities, "audio", takes.kinds & (1u << MOA_AUDIO));
        yyjson_mut_obj_add_bool(doc, modalities, "video", takes.kinds & (1u << MOA_VIDEO));
        yyjson_mut_val *caps = yyjson_mut_obj_add_obj(doc, root, "chat_template_caps");
        yyjson_mut_obj_add_bool(doc, caps, "supports_tools", true);
        yyjson_mut_obj_add_str(doc, root, "build_info", OURS " " MOA_VERSION);
    }
    routes_models_reply(request, doc);
}
