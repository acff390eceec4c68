/* SPDX-License-Identifier: Apache-2.0
 *
 * The policies and their parameters, with what they are set to; see routes_policies.h.
 */
#include "routes_policies.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "gateway.h"
#include "json_number.h"
#include "routes_models.h"
#include "server.h"

static double value_of(const struct config *config, const struct moa_policy_param *param)
{
    for (const struct moa_policy_setting *s = config->policy_settings; s->key; s++) {
        if (strcmp(s->key, param->key) == 0)
            return s->value;
    }
    return param->fallback;
}

static void add_param(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct config *config,
                      const struct moa_policy_param *param)
{
    yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_str(doc, one, "key", param->key);
    yyjson_mut_obj_add_str(doc, one, "help", param->help);
    yyjson_mut_obj_add_str(doc, one, "unit", param->unit);
    json_add_number(doc, one, "min", param->min);
    json_add_number(doc, one, "max", param->max);
    json_add_number(doc, one, "default", param->fallback);
    json_add_number(doc, one, "value", value_of(config, param));
    if (!param->choices)
        return;
    yyjson_mut_val *choices = yyjson_mut_obj_add_arr(doc, one, "choices");
    for (size_t i = 0; param->choices[i]; i++)
        yyjson_mut_arr_add_str(doc, choices, param->choices[i]);
}

static yyjson_mut_doc *policies_doc(const struct config *config)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "object", "list");
    yyjson_mut_obj_add_strcpy(doc, root, "policy", config->policy);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "data");
    const char *name;
    for (size_t i = 0; (name = moa_policy_name(i)); i++) {
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_str(doc, one, "name", name);
        yyjson_mut_obj_add_str(doc, one, "summary", moa_policy_summary(name));
        yyjson_mut_obj_add_bool(doc, one, "research", moa_policy_is_research(name));
        yyjson_mut_val *params = yyjson_mut_obj_add_arr(doc, one, "parameters");
        const struct moa_policy_param *param;
        for (size_t k = 0; (param = moa_policy_param(name, k)); k++)
            add_param(doc, params, config, param);
    }
    return doc;
}

void routes_policies(struct server_request *request, void *arg)
{
    const struct gateway *g = arg;
    routes_models_reply(request, policies_doc(g->config));
}
