/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in Ollama's form; see routes_ollama.h.
 */
#include "routes_ollama.h"

#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "gateway.h"
#include "routes_models.h"

#define OURS "moaoff"
/* Clients look whether a server is new enough for what they send: the version whose API this is. */
#define OLLAMA_VERSION "0.12.0"
#define NEVER "1970-01-01T00:00:00Z"

static void add_details(yyjson_mut_doc *doc, yyjson_mut_val *model)
{
    static const char *const empty[] = {"parent_model", "format", "parameter_size",
                                        "quantization_level"};
    yyjson_mut_val *details = yyjson_mut_obj_add_obj(doc, model, "details");
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        yyjson_mut_obj_add_str(doc, details, empty[i], "");
    yyjson_mut_obj_add_str(doc, details, "family", OURS);
    yyjson_mut_val *families = yyjson_mut_obj_add_arr(doc, details, "families");
    yyjson_mut_arr_add_str(doc, families, OURS);
}

static void add_model(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *id)
{
    yyjson_mut_val *model = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, model, "name", id);
    yyjson_mut_obj_add_strcpy(doc, model, "model", id);
    yyjson_mut_obj_add_str(doc, model, "modified_at", NEVER);
    yyjson_mut_obj_add_uint(doc, model, "size", 0);
    yyjson_mut_obj_add_str(doc, model, "digest", "");
    add_details(doc, model);
}

/* A document whose root is an object. */
static yyjson_mut_doc *document(yyjson_mut_val **ret_root)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    *ret_root = doc ? yyjson_mut_obj(doc) : NULL;
    if (doc)
        yyjson_mut_doc_set_root(doc, *ret_root);
    return doc;
}

void routes_ollama_tags(struct server_request *request, void *arg)
{
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = document(&root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "models");
    add_model(doc, list, OURS);
    for (size_t i = 0; moa_policy_name(i); i++) {
        char id[64];
        snprintf(id, sizeof(id), OURS "/%s", moa_policy_name(i));
        if (routes_models_lists(arg, moa_policy_name(i)))
            add_model(doc, list, id);
    }
    routes_models_reply(request, doc);
}

static void show(struct server_request *request, const struct gateway *g, const char *id)
{
    const struct probe_takes takes = routes_models_takes(g, id);
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = document(&root);
    yyjson_mut_obj_add_str(doc, root, "modelfile", "");
    yyjson_mut_obj_add_str(doc, root, "parameters", "");
    yyjson_mut_obj_add_str(doc, root, "template", "");
    yyjson_mut_obj_add_str(doc, root, "modified_at", NEVER);
    add_details(doc, root);
    yyjson_mut_val *info = yyjson_mut_obj_add_obj(doc, root, "model_info");
    yyjson_mut_obj_add_str(doc, info, "general.architecture", OURS);
    if (takes.context_tokens > 0)
        yyjson_mut_obj_add_int(doc, info, OURS ".context_length", takes.context_tokens);
    yyjson_mut_val *can = yyjson_mut_obj_add_arr(doc, root, "capabilities");
    yyjson_mut_arr_add_str(doc, can, "completion");
    yyjson_mut_arr_add_str(doc, can, "tools");
    if (takes.kinds & (1u << MOA_IMAGE))
        yyjson_mut_arr_add_str(doc, can, "vision");
    routes_models_reply(request, doc);
}

/* {"model": "moaoff"}, or "name", as it was called before. */
void routes_ollama_show(struct server_request *request, void *arg)
{
    const struct moa_bytes body = server_request_body(request);
    yyjson_doc *doc = body.n > 0 ? yyjson_read(body.p, body.n, YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc), *model = yyjson_obj_get(root, "model");
    if (!model)
        model = yyjson_obj_get(root, "name");
    char id[64];
    snprintf(id, sizeof(id), "%s", yyjson_is_str(model) ? yyjson_get_str(model) : "");
    yyjson_doc_free(doc);
    char *latest = strstr(id, ":latest");
    if (latest && !latest[strlen(":latest")])
        *latest = '\0';
    if (routes_models_has(id)) {
        show(request, arg, id);
        return;
    }
    struct http_error error;
    http_fail(&error, 404, "model_not_found", "model '%s' not found; see /api/tags", id);
    server_reply_error(request, &error, NULL, 0);
}

void routes_ollama_version(struct server_request *request, void *arg)
{
    (void)arg;
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = document(&root);
    yyjson_mut_obj_add_str(doc, root, "version", OLLAMA_VERSION);
    yyjson_mut_obj_add_str(doc, root, OURS, MOA_VERSION);
    routes_models_reply(request, doc);
}

/* Which models engines have loaded is theirs. */
void routes_ollama_ps(struct server_request *request, void *arg)
{
    (void)arg;
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = document(&root);
    yyjson_mut_obj_add_arr(doc, root, "models");
    routes_models_reply(request, doc);
}
