/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages of an exchange: which may follow which, how long each took, who is in which; see
 * exchange_private.h.
 */
#include <assert.h>
#include <stdlib.h>

#include <yyjson.h>

#include "exchange.h"
#include "exchange_private.h"
#include "keys.h"
#include "log.h"

#define BIT(stage) (1U << (stage))

static const struct {
    const char *name;
    unsigned from; /* which stages may come before it */
} stages[STAGES] = {
    [STAGE_READ] = {"read", 0},
    [STAGE_PERCEIVE] = {"perceive", BIT(STAGE_READ)},
    [STAGE_PREPARE] = {"prepare", BIT(STAGE_READ) | BIT(STAGE_PERCEIVE) | BIT(STAGE_PREPARE) |
                                      BIT(STAGE_EVIDENCE) | BIT(STAGE_ANSWER) | BIT(STAGE_WAIT)},
    [STAGE_EVIDENCE] = {"evidence", BIT(STAGE_PREPARE) | BIT(STAGE_EVIDENCE) | BIT(STAGE_ANSWER) |
                                        BIT(STAGE_WAIT)},
    [STAGE_ANSWER] = {"answer", BIT(STAGE_READ) | /* of what is no chat */
                                    BIT(STAGE_PREPARE) | BIT(STAGE_EVIDENCE) | BIT(STAGE_ANSWER) |
                                    BIT(STAGE_WAIT)},
    [STAGE_WAIT] = {"wait",
                    BIT(STAGE_PREPARE) | BIT(STAGE_EVIDENCE) | BIT(STAGE_ANSWER) | BIT(STAGE_WAIT)},
    [STAGE_RELAY] = {"relay", BIT(STAGE_ANSWER)},
    [STAGE_OVER] = {"over", BIT(STAGE_OVER) - 1},
    [STAGE_SHADOW] = {"shadow", BIT(STAGE_OVER)},
};

const char *stage_name(enum stage stage)
{
    return stages[stage].name;
}

void enter(struct exchange *x, enum stage stage)
{
    const int64_t now_us = server_now_us();
    assert(stages[stage].from & BIT(x->stage));
    x->stage_us[x->stage] += now_us - x->stage_began_us;
    log_event(LOG_LEVEL_DEBUG, "stage", "id=%s from=%s to=%s after_us=%lld total_us=%lld",
              x->trace.id, stages[x->stage].name, stages[stage].name,
              (long long)(now_us - x->stage_began_us), (long long)(now_us - x->arrived_us));
    x->stage = stage;
    x->stage_began_us = now_us;
}

/* ---- GET /v1/exchanges ---- */

static void add_exchange(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct exchange *x,
                         int64_t now_us)
{
    yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_strcpy(doc, one, "id", x->trace.id);
    yyjson_mut_obj_add_strcpy(doc, one, "key", x->key ? key_name(x->key) : "");
    yyjson_mut_obj_add_str(doc, one, "stage", stages[x->stage].name);
    yyjson_mut_obj_add_int(doc, one, "stage_age_ms", (now_us - x->stage_began_us) / 1000);
    yyjson_mut_obj_add_int(doc, one, "age_ms", (now_us - x->arrived_us) / 1000);
    yyjson_mut_obj_add_bool(doc, one, "pinned", x->pinned);
    yyjson_mut_obj_add_bool(doc, one, "stream", x->chat.stream);
    yyjson_mut_obj_add_str(doc, one, "plan",
                           x->has_decision ? moa_plan_name(x->perceived.decision.plan) : "");
    yyjson_mut_obj_add_strcpy(doc, one, "calls", x->calls);
    yyjson_mut_obj_add_bool(doc, one, "client_left", x->request == NULL);
}

char *exchange_list_json(const struct gateway *g, size_t max, int64_t now_us, size_t *ret_n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "object", "list");
    yyjson_mut_obj_add_uint(doc, root, "total", g->n_exchanges + g->n_shadows);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "data");
    const struct exchange *x;
    size_t n = 0;
    LIST_FOREACH(x, &g->exchanges, others)
    {
        if (n++ < max)
            add_exchange(doc, list, x, now_us);
    }
    LIST_FOREACH(x, &g->shadows, others)
    {
        if (n++ < max)
            add_exchange(doc, list, x, now_us);
    }
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_n);
    yyjson_mut_doc_free(doc);
    return text;
}
