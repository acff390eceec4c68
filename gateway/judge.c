/* SPDX-License-Identifier: Apache-2.0
 *
 * From a body to a decision; see judge.h.
 */
#include "judge.h"

#include <math.h>
#include <string.h>

#include "pins.h"
#include "question.h"

static const char prefix[] = "moaoff/";

/* "moaoff/NAME" chooses the policy NAME; every other model leaves the configured one. */
static const char *policy_of(const struct config *config, const char *model)
{
    if (strncmp(model, prefix, sizeof(prefix) - 1) != 0)
        return config->policy;
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (strcmp(moa_policy_name(i), model + sizeof(prefix) - 1) == 0)
            return moa_policy_name(i);
    }
    return NULL;
}

int judge_read(const struct config *config, unsigned pins, struct chat *chat,
               struct judge_terms *ret_terms, struct http_error *ret_error)
{
    const char *model = chat->model_name;
    const bool all = config_pins_model(config, model);
    chat_pin(chat, pins | config->pins | (all ? PINS_ALL : PINS_NONE));
    ret_terms->model_is_ours = !model[0] || strcmp(model, "moaoff") == 0 ||
                               strncmp(model, prefix, sizeof(prefix) - 1) == 0;
    ret_terms->policy = policy_of(config, model);
    if (ret_terms->policy)
        return 0;
    http_fail(ret_error, 404, "model_not_found", "There is no model \"%.200s\"; see /v1/models.",
              model);
    return http_fail_at(ret_error, "model");
}

enum moa_image_mode judge_image_mode(const struct moa_policy *policy)
{
    return moa_policy_by_complexity(policy) ? MOA_IMAGE_EXACT : MOA_IMAGE_FAST;
}

/* What the tiers take: as configured, else as their engines say. */
static void limit(const struct judge_case *c, struct perceived *perceived)
{
    struct probe_takes takes[2];
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct probe_takes *told = &c->config->tier[tier].takes;
        takes[tier] = c->takes ? c->takes[tier] : (struct probe_takes){.kinds = PINS_ALL};
        if (told->kinds)
            takes[tier].kinds = told->kinds;
        if (told->context_tokens)
            takes[tier].context_tokens = told->context_tokens;
    }
    perceive_limit(perceived, takes, c->config);
}

static const struct moa_question nothing_known = {
    .load = {{NAN, NAN, NAN}, {NAN, NAN, NAN}}, .uplink_mbps = NAN, .rtt_ms = NAN};

/* What the policy `adaptive` asks for; the others ask for nothing. */
static void ask(const struct judge_case *c, struct perceived *perceived)
{
    const struct moa_adaptive *adaptive = moa_policy_adaptive(c->policy);
    struct moa_question *q = &perceived->question;
    if (!adaptive)
        return;
    *q = c->question ? *c->question : nothing_known;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        q->load[tier].prompt_tokens = perceive_tokens(perceived, &c->config->tier[tier]);
    q->upload_bytes = (double)chat_size(c->chat);
    if (c->scores && c->chat->n_parts > 0 &&
        moa_policy_value(c->policy, "adaptive.resolution") > 0.0)
        perceive_smaller(c->chat, c->scores, &c->config->tier[MOA_CLOUD], perceived);
    question_read(c->chat, c->scores, adaptive, q);
    moa_adaptive_coins(adaptive, q->scene, q->text, q->coins);
    perceived->request.question = q;
}

int judge_decide(const struct judge_case *c, struct perceived *ret_perceived,
                 struct http_error *ret_error)
{
    *ret_perceived = (struct perceived){.modalities = NULL};
    if (perceive_request(c->chat, c->scores, c->config, ret_perceived))
        return http_fail(ret_error, 503, "out_of_memory", "Out of memory.");
    limit(c, ret_perceived);
    if (perceive_refuse(c->chat, ret_perceived, ret_error))
        return -1;
    ask(c, ret_perceived);
    enum moa_err err =
        moa_decide(c->policy, &ret_perceived->request, c->state, &ret_perceived->decision);
    if (err)
        return http_fail(ret_error, 500, "decision_failed", "No decision: %s.", moa_strerror(err));
    ret_perceived->question_leaves =
        perceive_question_leaves(c->chat, &ret_perceived->decision, c->config);
    return 0;
}
