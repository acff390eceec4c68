/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of engines, and what their answers mean; see doctor.h. An endpoint is examined in
 * the order of examine(): its list of models, what it is and takes, and then two answers of one
 * token, to words and to a picture with a padded body, which shows what the uplink carries.
 */
#include "doctor.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <yyjson.h>

#include "doctor_ask.h"
#include "doctor_engine.h"
#include "fleet_doctor.h"
#include "speaks.h"
#include "verdict.h"

#define PAGE_TIMEOUT_MS 10000
#define PADDING_BYTES (384 << 10) /* some ten round trips of a link that is not yet warm */

/* A gray square of 64 px: no engine is known that finds it too small. */
static const char picture[] =
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAK0lEQVR42u3MMREAAAgEoNfk"
    "RjeEmwcBqMlNRyAQCAQCgUAgEAgEAsHzYAFAdAEArKmlZAAAAABJRU5ErkJggg==";

enum mark { FINE, NOTE, WARNING, WRONG };

struct doctor {
    const struct config *config;
    FILE *out;
    unsigned n_wrong, n_warnings;
    bool tier_answers[2];
    double uplink_mbps; /* NaN: unknown */
};

/* One endpoint under examination. */
struct patient {
    struct doctor *doctor;
    enum moa_tier which;
    const struct tier_config *tier;
    const char *url;
    struct doctor_engine engine;
};

/* ---- saying it ---- */

/* An engine may repeat the key that it was shown. */
static void print_without(FILE *out, const char *text, const char *secret)
{
    const size_t n = strlen(secret);
    for (const char *found; n > 0 && (found = strstr(text, secret)); text = found + n)
        fprintf(out, "%.*s***", (int)(found - text), text);
    fputs(text, out);
}

__attribute__((format(printf, 3, 4))) static void say(struct patient *p, enum mark mark,
                                                      const char *format, ...)
{
    static const char *const marks[] = {"ok", "", "note", "WRONG"};
    struct doctor *d = p->doctor;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&text, format, args);
    va_end(args);
    d->n_wrong += mark == WRONG;
    d->n_warnings += mark == WARNING;
    fprintf(d->out, "  %-6s ", marks[mark]);
    if (n >= 0)
        print_without(d->out, text, p->tier->api_key);
    fputc('\n', d->out);
    free(n >= 0 ? text : NULL);
}

/* ---- asking ---- */

static long answer_timeout_ms(const struct patient *p)
{
    return (long)(p->tier->connect_timeout_ms + p->tier->first_byte_timeout_ms);
}

static void ask(const struct patient *p, const char *url, const char *json, size_t n_padding,
                struct doctor_answer *ret_answer)
{
    const struct doctor_question question = {
        .tier = p->tier,
        .direct = p->which == MOA_EDGE,
        .url = url,
        .json = json,
        .n_padding = n_padding,
        .timeout_ms = json ? answer_timeout_ms(p) : PAGE_TIMEOUT_MS,
    };
    doctor_ask(&question, ret_answer);
}

/* At a path below the URL. */
static void ask_at(const struct patient *p, const char *path, struct doctor_question question,
                   struct doctor_answer *ret_answer)
{
    char *url;
    if (asprintf(&url, "%s%s", p->url, path) < 0) {
        *ret_answer = (struct doctor_answer){.why = "out of memory"};
        return;
    }
    question.url = url;
    doctor_ask(&question, ret_answer);
    free(url);
}

/* "URL" and "/models"; at the engine's root, without its "/v1", if `at_root`. */
static void ask_page(const struct patient *p, const char *path, bool at_root,
                     struct doctor_answer *ret_answer)
{
    size_t n = strlen(p->url);
    char *url;
    if (at_root && n >= 3 && strcmp(p->url + n - 3, "/v1") == 0)
        n -= 3;
    if (asprintf(&url, "%.*s%s", (int)n, p->url, path) < 0) {
        *ret_answer = (struct doctor_answer){.why = "out of memory"};
        return;
    }
    ask(p, url, NULL, 0, ret_answer);
    free(url);
}

/* ---- 0. who starts it ---- */

static bool runs_here(const struct patient *p)
{
    return p->which == MOA_EDGE && p->doctor->config->program.command.n > 0;
}

static void check_program(struct patient *p)
{
    char path[4096];
    if (!runs_here(p))
        return;
    const char *name = p->doctor->config->program.command.items[0];
    if (config_find_program(name, path, sizeof(path)))
        say(p, WRONG, "cannot be started: edge.command names %s: %s", name, strerror(errno));
    else
        say(p, FINE, "moaoff serve starts it: %s", path);
}

/* ---- 1. the list of models ---- */

/* Whether there are models below `path`, where the URL in the configuration has none. */
static bool has_models(const struct patient *p, const char *path)
{
    struct doctor_answer answer;
    struct doctor_engine engine = {0};
    ask_page(p, path, false, &answer);
    const bool found =
        answer.status == 200 && doctor_read_models(buffer_bytes(&answer.body), "", &engine);
    doctor_answer_done(&answer);
    return found;
}

static int redirected(struct patient *p, const struct doctor_answer *answer)
{
    size_t n = strlen(answer->location);
    static const char page[] = "/models";
    if (n > sizeof(page) - 1 && strcmp(answer->location + n - (sizeof(page) - 1), page) == 0)
        n -= sizeof(page) - 1;
    say(p, WRONG,
        "redirects (status %ld), which costs every request a way more and is not "
        "followed; %s.url is to be %.*s",
        answer->status, moa_tier_name(p->which), (int)n, answer->location);
    return -1;
}

static int refused_key(struct patient *p, long status)
{
    const char *tier = moa_tier_name(p->which);
    if (p->tier->api_key[0])
        say(p, WRONG, "refuses the API key (status %ld): see %s.api_key_env or api_key_file",
            status, tier);
    else
        say(p, WRONG, "asks for an API key (status %ld): set %s.api_key_env or api_key_file",
            status, tier);
    return -1;
}

static void check_model(struct patient *p)
{
    const char *tier = moa_tier_name(p->which);
    const struct doctor_engine *e = &p->engine;
    if (e->n_models == 0)
        say(p, NOTE, "lists no model");
    else if (p->tier->model[0] && !e->has_model)
        say(p, WARNING, "lists no model \"%s\" (%s.model), but %s%s", p->tier->model, tier,
            e->models, e->n_models > DOCTOR_MODELS_NAMED ? ", ..." : "");
    else if (!p->tier->model[0] && e->n_models > 1)
        say(p, WARNING, "has %zu models and %s.model names none: it gets what clients write; %s%s",
            e->n_models, tier, e->models, e->n_models > DOCTOR_MODELS_NAMED ? ", ..." : "");
    else
        say(p, FINE, "model %s", p->tier->model[0] ? p->tier->model : e->models);
}

/* 0, or -1 if there is no sense in asking for more. */
static int ask_models(struct patient *p)
{
    struct doctor_answer answer;
    ask_page(p, "/models", false, &answer);
    const long status = answer.status;
    int result = 0;
    snprintf(p->engine.server, sizeof(p->engine.server), "%s", answer.server);
    if (status == 0) {
        const bool is_ours = runs_here(p);
        say(p, is_ours ? WARNING : WRONG, "cannot be reached: %s%s", answer.why,
            is_ours ? "; it is there while moaoff serve runs it" : "");
        result = -1;
    } else if (status >= 300 && status < 400) {
        result = redirected(p, &answer);
    } else if (status == 401 || status == 403) {
        result = refused_key(p, status);
    } else if (status == 200 &&
               doctor_read_models(buffer_bytes(&answer.body), p->tier->model, &p->engine)) {
        p->doctor->tier_answers[p->which] = true;
    } else if (has_models(p, "/v1/models")) {
        say(p, WRONG, "has its API below /v1; %s.url is to be %s/v1", moa_tier_name(p->which),
            p->url);
        result = -1;
    } else {
        say(p, NOTE, "says nothing of its models (status %ld)", status);
    }
    doctor_answer_done(&answer);
    return result;
}

/* ---- 2. what it is and takes ---- */

static void ask_engine(struct patient *p)
{
    static const struct {
        const char *path;
        void (*read)(struct moa_bytes body, struct doctor_engine *engine);
    } pages[] = {
        {"/props", doctor_read_props},
        {"/slots", doctor_read_slots},
        {"/metrics", doctor_read_metrics},
        {"/api/version", doctor_read_ollama},
    };
    struct doctor_answer answer;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        ask_page(p, pages[i].path, true, &answer);
        if (answer.status == 200 && answer.body.n > 0)
            pages[i].read(buffer_bytes(&answer.body), &p->engine);
        doctor_answer_done(&answer);
    }
    ask_page(p, "/health", true, &answer);
    if (answer.status == 503)
        say(p, WARNING, "is not ready: /health answers with 503, as while a model is loaded");
    doctor_answer_done(&answer);
}

static void check_engine(struct patient *p)
{
    const struct doctor_engine *e = &p->engine;
    char text[200];
    doctor_describe(e, text, sizeof(text));
    say(p, FINE, "%s", text);
    if (p->tier->slots > 0 && e->slots > 0 && p->tier->slots > e->slots)
        say(p, WARNING, "works on %ld requests at once, but %s.slots says %lld", e->slots,
            moa_tier_name(p->which), (long long)p->tier->slots);
    const uint32_t sent = p->tier->image_target.formats, taken = doctor_formats(e);
    for (int f = MOA_IMAGE_JPEG; taken && sent >> f; f++) {
        if (sent >> f & ~taken >> f & 1)
            say(p, WARNING, "does not read %s, which %s.image_formats lets through",
                moa_image_format_name((enum moa_image_format)f), moa_tier_name(p->which));
    }
}

/* The question as the gateway asks it, with the key as the dialect has it. */
static unsigned ask_dialects(const struct patient *p)
{
    unsigned speaks = 0;
    for (unsigned i = 0; i < SPEAKS_KINDS; i++) {
        const struct doctor_question question = {
            .tier = p->tier,
            .direct = p->which == MOA_EDGE,
            .json = SPEAKS_QUESTION,
            .key_header = speaks_key_header(i),
            .no_bearer = !speaks_bearer(i, p->tier->api_key),
            .timeout_ms = PAGE_TIMEOUT_MS,
        };
        struct doctor_answer answer;
        ask_at(p, speaks_path(i), question, &answer);
        if (speaks_shown(i, (int)answer.status, buffer_bytes(&answer.body)))
            speaks |= 1u << i;
        doctor_answer_done(&answer);
    }
    return speaks;
}

static void check_dialects(struct patient *p)
{
    const unsigned shown = ask_dialects(p), set = p->tier->speaks_set;
    char words[64] = "";
    for (unsigned i = 0, n = 0; i < SPEAKS_KINDS; i++) {
        if (shown >> i & 1)
            n += (unsigned)snprintf(words + n, sizeof(words) - n, ", %s", speaks_name(i));
        if (set >> i & 1 && !(set & SPEAKS_AUTO) && !(shown >> i & 1))
            say(p, WARNING, "does not show that it speaks %s, which %s.speaks says", speaks_name(i),
                moa_tier_name(p->which));
    }
    say(p, FINE, "speaks chat%s%s", words,
        set & SPEAKS_AUTO ? "" : ", of which it is asked in what speaks says");
}

/* ---- 3. answers of one token ---- */

static char *body_of(const struct patient *p, bool with_picture, bool with_logprobs)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    const char *model = p->tier->model[0] ? p->tier->model : p->engine.first_model;
    yyjson_mut_obj_add_str(doc, root, "model", model[0] ? model : "moaoff");
    yyjson_mut_obj_add_int(doc, root, "max_tokens", 1);
    yyjson_mut_obj_add_int(doc, root, "temperature", 0);
    if (with_logprobs)
        yyjson_mut_obj_add_bool(doc, root, "logprobs", true);
    yyjson_mut_val *messages = yyjson_mut_obj_add_arr(doc, root, "messages");
    yyjson_mut_val *message = yyjson_mut_arr_add_obj(doc, messages);
    yyjson_mut_obj_add_str(doc, message, "role", "user");
    yyjson_mut_val *parts = yyjson_mut_obj_add_arr(doc, message, "content");
    if (with_picture) {
        yyjson_mut_val *part = yyjson_mut_arr_add_obj(doc, parts);
        yyjson_mut_obj_add_str(doc, part, "type", "image_url");
        yyjson_mut_val *url = yyjson_mut_obj_add_obj(doc, part, "image_url");
        yyjson_mut_obj_add_str(doc, url, "url", picture);
    }
    yyjson_mut_val *text = yyjson_mut_arr_add_obj(doc, parts);
    yyjson_mut_obj_add_str(doc, text, "type", "text");
    yyjson_mut_obj_add_str(doc, text, "text", with_picture ? "Which color is it?" : "Say yes.");
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    return json;
}

static void ask_answer(const struct patient *p, bool with_picture, bool with_logprobs,
                       size_t n_padding, struct doctor_answer *ret_answer)
{
    char *json = body_of(p, with_picture, with_logprobs);
    char *url = NULL;
    if (json && asprintf(&url, "%s/chat/completions", p->url) >= 0)
        ask(p, url, json, n_padding, ret_answer);
    else
        *ret_answer = (struct doctor_answer){.why = "out of memory"};
    free(json);
    free(url);
}

/* Words that say why there is no answer; NULL: there is one. */
static const char *why_not(const struct doctor_answer *answer, char *buffer, size_t n)
{
    const struct engine_answer seen = {
        .status = (int)answer->status,
        .content_type = answer->content_type,
        .extent = answer->status ? ANSWER_WHOLE : ANSWER_CUT,
        .body = buffer_bytes(&answer->body),
        .model_is_ours = true,
    };
    struct engine_opinion opinion;
    if (engine_verdict(&seen, &opinion) == VERDICT_ANSWERED)
        return NULL;
    if (answer->status == 0)
        snprintf(buffer, n, "%s", answer->why);
    else
        snprintf(buffer, n, "%s%s%s", opinion.what, opinion.words[0] ? ": " : "", opinion.words);
    return buffer;
}

static void check_words(struct patient *p)
{
    struct doctor_answer answer;
    char why[400];
    bool logprobs = true;
    ask_answer(p, false, true, 0, &answer);
    if (answer.status == 400 || answer.status == 422) { /* perhaps because of them */
        doctor_answer_done(&answer);
        logprobs = false;
        ask_answer(p, false, false, 0, &answer);
    }
    const char *wrong = why_not(&answer, why, sizeof(why));
    logprobs = logprobs && !wrong && doctor_has_logprobs(buffer_bytes(&answer.body));
    p->doctor->tier_answers[p->which] |= !wrong;
    if (wrong)
        say(p, WRONG, "does not answer: %s", wrong);
    else
        say(p, FINE, "answers words in %.0f ms, %s log-probabilities", answer.took_ms,
            logprobs ? "with" : "without");
    if (!wrong && !logprobs && p->which == MOA_EDGE &&
        strcmp(p->doctor->config->policy, "adaptive") == 0)
        say(p, WARNING,
            "without log-probabilities the policy adaptive cannot tell which answers to keep: the "
            "cloud answers, unless audits allow to keep all");
    doctor_answer_done(&answer);
}

static void check_picture(struct patient *p)
{
    struct doctor_answer answer;
    char why[400];
    ask_answer(p, true, false, p->which == MOA_CLOUD ? PADDING_BYTES : 0, &answer);
    const char *wrong = why_not(&answer, why, sizeof(why));
    if (wrong)
        say(p, WARNING, "takes no picture: %s", wrong);
    else
        say(p, FINE, "answers a picture in %.0f ms", answer.took_ms);
    if (!isnan(answer.uplink_mbps)) {
        p->doctor->uplink_mbps =
            fmax(answer.uplink_mbps, isnan(p->doctor->uplink_mbps) ? 0.0 : p->doctor->uplink_mbps);
        say(p, NOTE, "the uplink carried %.3g Mbit/s", answer.uplink_mbps);
    }
    doctor_answer_done(&answer);
}

static void examine(struct doctor *d, enum moa_tier which, const char *url)
{
    struct patient p = {.doctor = d, .which = which, .tier = &d->config->tier[which], .url = url};
    fprintf(d->out, "%s %s\n", moa_tier_name(which), url);
    check_program(&p);
    if (ask_models(&p))
        return;
    ask_engine(&p);
    check_engine(&p);
    check_dialects(&p);
    check_model(&p);
    check_words(&p);
    if (d->tier_answers[which])
        check_picture(&p);
}

/* ---- 4. what that means ---- */

static void say_decision(struct doctor *d, const struct moa_policy *policy,
                         const struct moa_state *state, const char *what, double complexity)
{
    struct moa_modality parts[2] = {{.kind = MOA_TEXT, .complexity = complexity},
                                    {.kind = MOA_IMAGE, .complexity = complexity}};
    const struct moa_request request = {.n = 2, .modalities = parts};
    struct moa_choice choices[2];
    struct moa_decision decision = {.n = 2, .choices = choices};
    char why[200];
    if (moa_decide(policy, &request, state, &decision))
        return;
    moa_explain(policy, &request, state, &decision, 1, why, sizeof(why));
    fprintf(d->out, "  %s: %s, because %s\n", what, moa_plan_name(decision.plan), why);
}

/* Where everything goes whatever it is; nothing is said if that depends. */
static void say_everything(struct doctor *d, const struct moa_policy *policy,
                           const struct moa_state *state)
{
    struct moa_modality part = {.kind = MOA_TEXT};
    const struct moa_request request = {.n = 1, .modalities = &part};
    struct moa_choice choice;
    struct moa_decision decision = {.n = 1, .choices = &choice};
    if (moa_decide(policy, &request, state, &decision))
        return;
    if (choice.reason == MOA_REASON_UPLINK_FAST)
        fprintf(d->out,
                "  Everything would go to the cloud, because the uplink (%.3g Mbit/s) is faster "
                "than paper.uplink_max_mbps (%.3g).\n",
                state->uplink_mbps, moa_policy_value(policy, "paper.uplink_max_mbps"));
    else if (choice.reason == MOA_REASON_FIXED)
        fprintf(d->out, "  Everything goes to the %s: that is what the policy %s does.\n",
                moa_tier_name(choice.tier), d->config->policy);
}

static void say_meaning(struct doctor *d)
{
    const struct config *c = d->config;
    struct moa_policy *policy = NULL;
    const bool measured = c->tier[MOA_CLOUD].uplink_uploads > 0 && !isnan(d->uplink_mbps);
    const struct moa_state state = {
        .edge_load = NAN,
        .uplink_mbps = measured ? d->uplink_mbps : c->tier[MOA_CLOUD].uplink_mbps,
        .edge_up = d->tier_answers[MOA_EDGE],
        .cloud_up = d->tier_answers[MOA_CLOUD],
    };
    fprintf(d->out, "What that means, with the policy %s\n", c->policy);
    if (isnan(state.uplink_mbps))
        fputs("  The uplink is unknown until pictures go up, and unknown exceeds nothing.\n",
              d->out);
    else
        fprintf(d->out, "  The uplink carries %.3g Mbit/s, as %s.\n", state.uplink_mbps,
                measured ? "was seen just now" : "cloud.uplink_mbps says");
    if (!state.edge_up && !state.cloud_up) {
        fputs("  No request can be answered: neither tier answers.\n", d->out);
        return;
    }
    if (moa_policy_new(c->policy, c->policy_settings, &policy))
        return;
    if (state.edge_up != state.cloud_up)
        fprintf(d->out, "  Everything goes to the %s while the other does not answer.\n",
                state.edge_up ? "edge" : "cloud");
    else
        say_everything(d, policy, &state);
    if (moa_policy_adaptive(policy)) {
        say_decision(d, policy, &state, "any request, at first", 0.5);
    } else {
        say_decision(d, policy, &state, "a simple picture with a short question (c = 0.1)", 0.1);
        say_decision(d, policy, &state, "a detailed picture with a long text (c = 0.8)", 0.8);
    }
    moa_policy_free(policy);
}

unsigned doctor_run(const struct config *config, FILE *out)
{
    struct doctor d = {.config = config, .out = out, .uplink_mbps = NAN};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (int which = MOA_EDGE; which <= MOA_CLOUD; which++) {
        const struct tier_config *tier = &config->tier[which];
        for (size_t i = 0; i < tier->urls.n; i++)
            examine(&d, (enum moa_tier)which, tier->urls.items[i]);
    }
    d.n_wrong += fleet_doctor(config, out);
    say_meaning(&d);
    fprintf(out, "%u wrong, %u to note\n", d.n_wrong, d.n_warnings);
    curl_global_cleanup();
    return d.n_wrong;
}
