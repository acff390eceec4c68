/* SPDX-License-Identifier: Apache-2.0
 *
 * The same for the gateway's files that read or keep what comes from outside, and for what they use
 * of yyjson, libyaml and OpenSSL: with any allocation failing, once or from there on, each ends
 * well or says that memory is out, leaks nothing and frees nothing twice. TAP on standard output.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <yyjson.h>

#include "gateway/cache.h"
#include "gateway/chat.h"
#include "gateway/config.h"
#include "gateway/images.h"
#include "gateway/journal_row.h"
#include "gateway/keys.h"
#include "gateway/perceive.h"
#include "gateway/settings.h"
#include "gateway/usage.h"

#include "failing.h"

enum end {
    DONE,
    NO_MEMORY, /* and it was said so */
    WRONG,
};

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static enum end end_of(const struct http_error *error)
{
    bool told = error->status == 503 && strcmp(error->code, "out_of_memory") == 0;
    return told && strcasestr(error->message, "out of memory") ? NO_MEMORY : WRONG;
}

static enum end end_of_config(const struct config_error *error)
{
    return strstr(error->message, "out of memory") ? NO_MEMORY : WRONG;
}

/* ---- chats ---- */

#define PART(url) "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}"
static const char png[] =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mN"
    "kYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/* With one image that skim.c cuts. */
static char chat_body[16000];

static void write_chat(void)
{
    static char data[5000];
    memset(data, 'A', sizeof(data) - 1);
    snprintf(chat_body, sizeof(chat_body),
             "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Earlier.\"},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is it?\"}," PART(
                 "data:image/png;base64,%s") "," PART("%s") "," PART("data:,x") "]}]}",
             data, png);
}

static const struct chat_limits limits = {.max_text_bytes = 1000, .max_images = 5};

static enum end render(const struct chat *chat)
{
    char *const evidence[] = {NULL, (char *)(uintptr_t) "a \"cat\"", NULL};
    const struct moa_bytes urls[] = {bytes_of("data:,y"), {0}, {0}};
    const struct chat_edits edits = {.model = "other",
                                     .evidence = evidence,
                                     .urls = urls,
                                     .images_first = true,
                                     .ask_usage = true,
                                     .ask_logprobs = true,
                                     .cold = true};
    struct chat_body body;
    if (chat_render(chat, &edits, &body))
        return NO_MEMORY;
    chat_body_done(&body);
    if (chat_render_perception(chat, 1, urls[1], "other", "Say what it shows.", 9, "", &body))
        return NO_MEMORY;
    chat_body_done(&body);
    char *url = chat_part_url(chat, 1);
    bool same = url && strcmp(url, png) == 0;
    bool missing = !url;
    free(url);
    return missing ? NO_MEMORY : same ? DONE : WRONG;
}

static enum end chats(void)
{
    struct chat chat;
    struct http_error error;
    if (chat_parse(bytes_of(chat_body), &limits, &chat, &error))
        return end_of(&error);
    enum end end = chat.n_parts == 3 ? render(&chat) : WRONG;
    chat_done(&chat);
    return end;
}

static enum end templates(void)
{
    const char *const names[] = {"question"}, *const values[] = {"What is it?"};
    char *text = chat_fill("For {question}", names, values, 1);
    if (!text)
        return NO_MEMORY;
    bool right = strcmp(text, "For What is it?") == 0;
    free(text);
    return right ? DONE : WRONG;
}

static const char completion[] = "{\"choices\":[{\"message\":{\"content\":\"a cat\"}}],"
                                 "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}";

static enum end answers(void)
{
    struct usage usage;
    yyjson_doc *doc = yyjson_read(completion, strlen(completion), YYJSON_READ_NOFLAG);
    bool known = doc != NULL;
    usage_read(yyjson_doc_get_root(doc), &usage);
    yyjson_doc_free(doc);
    char *text = chat_completion_text(bytes_of(completion));
    bool right = (!text || strcmp(text, "a cat") == 0) && (!known || usage.prompt_tokens == 7);
    enum end end = !right ? WRONG : text && known ? DONE : NO_MEMORY;
    free(text);
    return end;
}

static enum end errors(void)
{
    struct http_error error;
    size_t n;
    http_fail(&error, 400, "invalid_value", "No \"%s\".", "such");
    char *json = http_error_json(&error, &n);
    bool right = !json || n == strlen(json);
    enum end end = !right ? WRONG : json ? DONE : NO_MEMORY;
    free(json);
    return end;
}

/* ---- images ---- */

static struct config *defaults;

static enum end plans(void)
{
    struct chat_part parts[3] = {{.kind = MOA_IMAGE}};
    struct chat chat = {.n_parts = 3, .parts = parts};
    struct images *images = images_new(NULL, defaults, &chat, 0, NULL);
    images_free(images);
    return images ? DONE : NO_MEMORY;
}

static enum end pictures(void)
{
    struct http_error error;
    struct image_facts facts;
    struct data_uri uri;
    if (perceive_decode((struct moa_bytes){NULL, 0}, bytes_of(png), "image", &uri, &error))
        return end_of(&error);
    const struct moa_recode_target target = {.max_tokens = 1, .formats = 1 << MOA_IMAGE_JPEG};
    const struct perceive_look look = {.max_px = 100, .target = &target, .max_kept_bytes = 1 << 20};
    struct moa_kept *kept = NULL;
    int err =
        perceive_measure((struct moa_bytes){uri.p, uri.n}, &look, "image", &facts, &kept, &error);
    free(uri.p);
    moa_kept_free(kept);
    /* zlib calls some failed allocations a damaged stream. */
    return err && error.status == 400 ? NO_MEMORY : err ? end_of(&error) : DONE;
}

static enum end decisions(void)
{
    struct chat_part part = {.kind = MOA_IMAGE};
    const struct chat chat = {.n_parts = 1, .parts = &part};
    const struct moa_state state = {.edge_load = NAN, .uplink_mbps = NAN};
    static struct image_score score;
    struct perceived perceived;
    size_t n;
    if (perceive_request(&chat, &score, defaults, &perceived))
        return NO_MEMORY;
    char *json = perceive_decision_json(&perceived, &score, &state, &n);
    enum end end = json ? n == strlen(json) ? DONE : WRONG : NO_MEMORY;
    free(json);
    perceive_done(&perceived);
    return end;
}

static enum end caches(void)
{
    struct cache *cache = cache_new(1 << 16);
    if (!cache)
        return NO_MEMORY;
    enum end end = DONE;
    for (int i = 0; i < 3; i++) {
        struct cache_key key = cache_key_of(cache, (struct moa_bytes){&i, sizeof(i)});
        struct cache_value *value = cache_value_new(malloc(10), 10), *found;
        if (value)
            cache_put(cache, &key, value);
        found = cache_get(cache, &key);
        if (!found)
            end = NO_MEMORY;
        else if (found != value)
            end = WRONG;
        cache_value_drop(found);
        cache_value_drop(value);
    }
    cache_free(cache);
    return end;
}

/* ---- files ---- */

static enum end configurations(void)
{
    static const char yaml[] =
        "edge: {url: [http://a/v1, http://b/v1], image_formats: \"jpeg,png\"}\n"
        "cloud:\n  url: http://c/v1\n  model: m\n"
        "fetch: {allow: \"10.0.0.0/8, ::1\"}\npin_models: \"a*,b\"\n";
    struct config *config = NULL;
    struct config_error error = {.line = 0};
    if (config_parse(bytes_of(yaml), CONFIG_TO_SERVE, &config, &error))
        return end_of_config(&error);
    bool right = config->tier[MOA_EDGE].urls.n == 2 && config_pins_model(config, "ab");
    struct settings *settings = settings_new(config, NULL); /* takes it */
    settings_leave(settings);
    return !right ? WRONG : settings ? DONE : NO_MEMORY;
}

static enum end wrong_configurations(void)
{
    struct config *config = NULL;
    struct config_error error = {.line = 0};
    if (config_parse(bytes_of("limits:\n  colour: 3\n"), CONFIG_TO_SERVE, &config, &error) == 0)
        return WRONG;
    return error.line == 2 ? DONE : end_of_config(&error);
}

static enum end keys(void)
{
    static const char text[] = "kiosk key-secret-0123456789 per_minute=2 pin=edge\n"
                               "# more\nbox another-secret-0123456789 observe\n";
    struct keys *keys = NULL, *again = NULL;
    struct config_error error = {.line = 0};
    if (keys_parse(bytes_of(text), &keys, &error))
        return end_of_config(&error);
    if (keys_parse(bytes_of(text), &again, &error)) {
        keys_free(keys);
        return end_of_config(&error);
    }
    keys = keys_replace(keys, again);
    struct http_error refused = {0};
    struct key *key = keys_find(keys, "Bearer key-secret-0123456789", NULL, &refused);
    bool right = key ? strcmp(key_name(key), "kiosk") == 0 : refused.status >= 400;
    enum end end = !right ? WRONG : key ? DONE : end_of(&refused);
    /* A wrong key is let in at no time. */
    if (keys_find(keys, "Bearer another-secret-0123456780", NULL, &refused))
        end = WRONG;
    keys_free(keys);
    return end;
}

static enum end rows(void)
{
    const struct journal_row row = {
        .id = "i", .plan = "edge", .edge_load = 0.5, .uplink_mbps = NAN};
    const struct journal_table *const t = &journal_requests;
    struct journal_row *copy = journal_row_copy(t, &row);
    char *schema = journal_row_schema(t), *insert = journal_row_insert(t),
         *names = journal_row_names(t, NULL);
    bool all = copy && schema && insert && names;
    bool right = (!copy || strcmp(copy->id, "i") == 0) && (!names || strstr(names, "total_us")) &&
                 (!insert || strchr(insert, ')')) && (!schema || strstr(schema, "time_ms"));
    free(copy);
    free(schema);
    free(insert);
    free(names);
    return !right ? WRONG : all ? DONE : NO_MEMORY;
}

/* ---- all of them ---- */

static const struct scenario {
    const char *name;
    enum end (*run)(void);
} scenarios[] = {
    {"chat", chats},
    {"chat_fill", templates},
    {"answers of engines", answers},
    {"error objects", errors},
    {"images", plans},
    {"perceive", pictures},
    {"decisions as JSON", decisions},
    {"cache", caches},
    {"config and settings", configurations},
    {"faults of a configuration", wrong_configurations},
    {"keys", keys},
    {"rows of the journal", rows},
};

static bool survives(const struct scenario *s, long i, bool keeps, bool *ret_reached)
{
    const long n_before = failing_live();
    failing_begin(i, keeps);
    const enum end end = s->run();
    *ret_reached = failing_end();
    ERR_clear_error(); /* OpenSSL's list of what went wrong */
    const long leaked = failing_live() - n_before;
    const bool ok = end != WRONG && leaked == 0 && (*ret_reached || end == DONE);
    if (!ok)
        printf("# %s, allocation %ld%s: end %d, %ld leaked\n", s->name, i, keeps ? " and on" : "",
               (int)end, leaked);
    return ok;
}

static bool scenario_survives(const struct scenario *s)
{
    bool ok = s->run() == DONE; /* what libraries make once and keep */
    long n = 0;
    for (int keeps = 0; keeps <= 1; keeps++) {
        bool reached = true;
        for (long i = 0; reached; i++, n++)
            ok &= survives(s, i, keeps == 1, &reached);
    }
    printf("# %ld runs\n", n);
    return ok && n > 2;
}

int main(void)
{
    const size_t n = sizeof(scenarios) / sizeof(scenarios[0]);
    struct config_error error;
    int n_failed = 0;
    write_chat();
    ERR_clear_error(); /* once, for what OpenSSL makes and keeps */
    printf("1..%zu\n", n);
    fflush(stdout);
    if (config_load(NULL, NULL, CONFIG_TO_SERVE, &defaults, &error))
        return 1;
    for (size_t i = 0; i < n; i++) {
        const bool ok = scenario_survives(&scenarios[i]);
        printf("%s %zu - %s\n", ok ? "ok" : "not ok", i + 1, scenarios[i].name);
        n_failed += !ok;
    }
    config_free(defaults);
    return n_failed ? 1 : 0;
}
