/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keys of a configuration mean together: the checks that one key alone does not allow,
 * with what follows from several keys, and questions that need more than a look. Called by
 * config.c, which knows the lines.
 */
#include "config_private.h"
#include "pins.h"
#include "socket_url.h"
#include "speaks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yyjson.h>

#define API_KEY_BYTES_MAX 4096
#define PATTERN_SPACE " \t,"
#define PATTERN_BYTES_MAX 256

struct check {
    struct config *config;
    struct config_fault *fault;
};

static int refuse_list(struct config_fault *fault, const char *path, const char *what, va_list args)
{
    vsnprintf(fault->what, sizeof(fault->what), what, args);
    fault->path = path;
    return -1;
}

int config_refuse(struct config_fault *fault, const char *path, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    const int result = refuse_list(fault, path, what, args);
    va_end(args);
    return result;
}

/* Refuses the value of the key `path`; NULL: no key is at fault. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct check *r, const char *path,
                                                        const char *what, ...)
{
    va_list args;
    va_start(args, what);
    const int result = refuse_list(r->fault, path, what, args);
    va_end(args);
    return result;
}

void config_list_names(const char *const *names, char *ret_text, size_t n)
{
    size_t at = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; names[i]; i++) {
        const char *gap = i == 0 ? "" : names[i + 1] ? ", " : " or ";
        const int more = snprintf(ret_text + at, n - at, "%s%s", gap, names[i]);
        at += more > 0 && (size_t)more < n - at ? (size_t)more : 0;
    }
}

static int check_policy(const struct check *r)
{
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (strcmp(moa_policy_name(i), r->config->policy) == 0)
            return 0;
    }
    const char *names[32] = {NULL};
    char all[160];
    for (size_t i = 0; i < 31 && moa_policy_name(i); i++)
        names[i] = moa_policy_name(i);
    config_list_names(names, all, sizeof(all));
    return refuse(r, "policy", "cannot be \"%.60s\": it is %s", r->config->policy, all);
}

/* The first line of the file as the API key. */
static int read_api_key_file(const struct check *r, struct tier_config *tier, const char *file_path)
{
    char line[API_KEY_BYTES_MAX + 2];
    FILE *file = fopen(tier->api_key_file, "re");
    if (!file)
        return refuse(r, file_path, "names %s: %s", tier->api_key_file, strerror(errno));
    bool empty = !fgets(line, sizeof(line), file);
    fclose(file);
    size_t n = empty ? 0 : strcspn(line, "\r\n");
    bool whole = n < sizeof(line) - 1;
    if (n > 0 && whole)
        tier->api_key = strndup(line, n);
    explicit_bzero(line, sizeof(line));
    if (n == 0 || !whole)
        return refuse(r, file_path, "names %s, whose first line is %s", tier->api_key_file,
                      n == 0 ? "empty" : "too long");
    return 0;
}

static int read_api_key(const struct check *r, enum moa_tier which, const char *env_path,
                        const char *file_path)
{
    struct tier_config *tier = &r->config->tier[which];
    const char *value = tier->api_key_env[0] ? getenv(tier->api_key_env) : "";
    if (!value)
        return refuse(r, env_path, "names %s, which is not set", tier->api_key_env);
    if (tier->api_key_env[0] && tier->api_key_file[0])
        return refuse(r, file_path, "stands beside api_key_env; one of the two");
    if (tier->api_key_file[0] && read_api_key_file(r, tier, file_path))
        return -1;
    if (!tier->api_key)
        tier->api_key = strdup(value);
    return tier->api_key ? 0 : refuse(r, NULL, "out of memory");
}

static int check_readable(const struct check *r, const char *path, const char *file_path)
{
    if (file_path[0] && access(file_path, R_OK) != 0)
        return refuse(r, path, "names %s: %s", file_path, strerror(errno));
    return 0;
}

/* The folder of a file that is to be written. */
static int check_folder(const struct check *r, const char *path, const char *file_path)
{
    char folder[4096];
    const char *slash = strrchr(file_path, '/');
    const size_t n = slash > file_path ? (size_t)(slash - file_path) : slash ? 1 : 0;
    if (!file_path[0] || n >= sizeof(folder))
        return 0;
    snprintf(folder, sizeof(folder), "%.*s", n ? (int)n : 1, n ? file_path : ".");
    if (access(folder, W_OK | X_OK) != 0)
        return refuse(r, path, "names %.120s: %s", file_path, strerror(errno));
    return 0;
}

static int check_collector(const struct check *r)
{
    struct config *c = r->config;
    char *url, why[160];
    if (!c->traces_endpoint[0])
        return 0;
    if (config_read_collector(c->traces_endpoint, &url, why, sizeof(why)))
        return refuse(r, "traces.endpoint", "%s", why);
    free(c->traces_endpoint);
    c->traces_endpoint = url;
    return 0;
}

static int read_collector_headers(const struct check *r)
{
    struct config *c = r->config;
    char why[160];
    const char *name = c->traces_headers_env;
    const char *value = name[0] ? getenv(name) : "";
    if (!value)
        return refuse(r, "traces.headers_env", "names %s, which is not set", name);
    if (config_read_headers(value, &c->traces_headers, why, sizeof(why)))
        return refuse(r, "traces.headers_env", "names %s, which %s", name, why);
    return 0;
}

static int read_named(const struct check *r)
{
    const struct tier_config *tier = r->config->tier;
    if (check_readable(r, "traces.ca_file", r->config->traces_ca_file) || read_collector_headers(r))
        return -1;
    return read_api_key(r, MOA_EDGE, "edge.api_key_env", "edge.api_key_file") ||
                   read_api_key(r, MOA_CLOUD, "cloud.api_key_env", "cloud.api_key_file") ||
                   check_readable(r, "edge.ca_file", tier[MOA_EDGE].ca_file) ||
                   check_readable(r, "cloud.ca_file", tier[MOA_CLOUD].ca_file)
               ? -1
               : 0;
}

static int check_pins(const struct check *r)
{
    if (r->config->pin[0] && pins_parse(r->config->pin, &r->config->pins))
        return refuse(r, "pin", PINS_FORM);
    return 0;
}

/* A pattern that is cut would pin less than it says. */
static int check_patterns(const struct check *r)
{
    const char *at = r->config->pin_models;
    while (*at) {
        size_t n = strcspn(at, PATTERN_SPACE);
        if (n >= PATTERN_BYTES_MAX)
            return refuse(r, "pin_models", "has a pattern longer than %d bytes", PATTERN_BYTES_MAX);
        at += n;
        at += strspn(at, PATTERN_SPACE);
    }
    return 0;
}

static int check_listen(const struct check *r)
{
    const struct config *c = r->config;
    if (c->tls_certificate[0] && !c->tls_key[0])
        return refuse(r, "listen.tls_certificate", "needs listen.tls_key");
    if (c->tls_key[0] && !c->tls_certificate[0])
        return refuse(r, "listen.tls_key", "needs listen.tls_certificate");
    const char *path = socket_url_is(c->listen_host) ? c->listen_host + strlen(SOCKET_URL) : NULL;
    if (path && (path[0] != '/' || strlen(path) >= SOCKET_PATH_BYTES))
        return refuse(r, "listen.host",
                      "must be an address, or " SOCKET_URL
                      " and an absolute path of at most %d bytes",
                      SOCKET_PATH_BYTES - 1);
    if (!config_is_guarded(c))
        return refuse(r, "listen.host",
                      "is %s, which others can reach, and no keys_file says who may; give one, or "
                      "set listen.insecure: true",
                      c->listen_host);
    return 0;
}

/* The bits of a list of format names; -1 if there is another word in it. */
static int read_formats(const char *text, uint32_t *ret_formats)
{
    static const char gaps[] = ", ";
    uint32_t formats = 0;
    for (text += strspn(text, gaps); *text; text += strspn(text, gaps)) {
        const size_t n = strcspn(text, gaps);
        const enum moa_image_format format = moa_image_format_named((struct moa_bytes){text, n});
        if (format == MOA_IMAGE_UNKNOWN)
            return -1;
        formats |= UINT32_C(1) << format;
        text += n;
    }
    *ret_formats = formats;
    return 0;
}

static int check_tier_images(const struct check *r, enum moa_tier tier, const char *formats_path)
{
    struct tier_config *t = &r->config->tier[tier];
    uint32_t formats;
    if (read_formats(t->image_formats, &formats))
        return refuse(r, formats_path, "has a word other than" MOA_IMAGE_NAMES);
    if (formats && !(formats & moa_image_formats_written()))
        return refuse(r, formats_path, "has neither jpeg nor png, into which others are turned");
    t->image_target = (struct moa_recode_target){
        .max_tokens = (uint32_t)t->image_tokens,
        .formats = formats,
        .min_side_px = (uint32_t)t->image_min_px,
        .upright = t->image_upright != 0,
        .flatten = t->image_flatten != 0,
        .jpeg_quality = (int)r->config->jpeg_quality,
    };
    return 0;
}

static int check_takes(const struct check *r, enum moa_tier tier, const char *path)
{
    struct tier_config *t = &r->config->tier[tier];
    unsigned kinds = PINS_NONE;
    if (t->modalities[0] && (strstr(t->modalities, "edge") || pins_parse(t->modalities, &kinds)))
        return refuse(r, path, "has a word other than text, image, audio, video and file");
    t->takes = (struct probe_takes){.kinds = kinds ? kinds | 1u << MOA_TEXT : 0,
                                    .context_tokens = t->context_tokens};
    return 0;
}

static int check_speaks(const struct check *r, enum moa_tier tier, const char *path)
{
    struct tier_config *t = &r->config->tier[tier];
    return speaks_parse(t->speaks, &t->speaks_set) ? refuse(r, path, SPEAKS_FORM) : 0;
}

static int check_images(const struct check *r)
{
    char why[128];
    if (address_list_parse(r->config->fetch_allow, &r->config->fetch_allowed, why, sizeof(why)))
        return refuse(r, "fetch.allow", "%s", why);
    return check_tier_images(r, MOA_EDGE, "edge.image_formats") ||
                   check_tier_images(r, MOA_CLOUD, "cloud.image_formats") ||
                   check_takes(r, MOA_EDGE, "edge.modalities") ||
                   check_takes(r, MOA_CLOUD, "cloud.modalities") ||
                   check_speaks(r, MOA_EDGE, "edge.speaks") ||
                   check_speaks(r, MOA_CLOUD, "cloud.speaks")
               ? -1
               : 0;
}

static int check_budget(const struct check *r)
{
    static const char *const paths[BUDGET_WINDOWS][BUDGET_QUANTITIES] = {
        {"cloud.budget.bytes_per_hour", "cloud.budget.requests_per_hour",
         "cloud.budget.money_per_hour"},
        {"cloud.budget.bytes_per_day", "cloud.budget.requests_per_day",
         "cloud.budget.money_per_day"},
    };
    const struct budget_terms *b = &r->config->budget;
    for (size_t i = 0; i < BUDGET_WINDOWS; i++) {
        if (b->limit[i][BUDGET_MONEY] > 0 && !budget_has_prices(b))
            return refuse(r, paths[i][BUDGET_MONEY],
                          "has no price beside it, so that nothing would ever count");
    }
    for (size_t q = 0; q < BUDGET_QUANTITIES; q++) {
        if (b->limit[BUDGET_DAY][q] > 0 && b->limit[BUDGET_HOUR][q] > b->limit[BUDGET_DAY][q])
            return refuse(r, paths[BUDGET_HOUR][q], "is more than %s, %.15g, allows",
                          paths[BUDGET_DAY][q], b->limit[BUDGET_DAY][q]);
    }
    return 0;
}

static int check_extra(const struct check *r)
{
    const char *extra = r->config->perceive_extra;
    yyjson_doc *doc = extra[0] ? yyjson_read(extra, strlen(extra), YYJSON_READ_NOFLAG) : NULL;
    const bool right = !extra[0] || yyjson_is_obj(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return right ? 0 : -1;
}

int config_check(struct config *config, enum config_use use, struct config_fault *ret_fault)
{
    const struct check checks = {config, ret_fault};
    const struct check *r = &checks;
    const struct moa_image_params *image = &r->config->image;
    const struct moa_text_params *text = &r->config->text;
    if (image->laplacian_p95 < image->laplacian_p5)
        return refuse(r, "complexity.laplacian_p95", "is below laplacian_p5");
    if (r->config->sound.level_p95_dbfs < r->config->sound.level_p5_dbfs)
        return refuse(r, "complexity.audio_level_p95", "is below audio_level_p5");
    if (r->config->sound.flatness_p95_db < r->config->sound.flatness_p5_db)
        return refuse(r, "complexity.audio_flatness_p95", "is below audio_flatness_p5");
    if (image->weight_resolution + image->weight_edge + image->weight_entropy +
            image->weight_sharpness <=
        0)
        return refuse(r, "complexity.weight_resolution", "is 0 like the other image weights");
    if (text->weight_length + text->weight_entity <= 0)
        return refuse(r, "complexity.weight_length", "is 0 like the other text weight");
    if (!strstr(r->config->perceive_evidence, "{evidence}"))
        return refuse(r, "perceive.evidence", "has no {evidence}, where the description goes");
    if (check_extra(r))
        return refuse(r, "perceive.extra", "is no JSON object");
    if (check_budget(r) || check_images(r) || check_policy(r) || check_pins(r) ||
        check_patterns(r) || check_listen(r) || check_collector(r) ||
        config_check_program(config, use, ret_fault) || config_check_fleet(config, use, ret_fault))
        return -1;
    if (use == CONFIG_TO_LOOK)
        return 0;
    if (read_named(r))
        return -1;
    return use == CONFIG_TO_SERVE ? check_folder(r, "journal.path", config->journal_path) : 0;
}

/* ---- questions ---- */

bool config_pins_model(const struct config *config, const char *model)
{
    char pattern[PATTERN_BYTES_MAX];
    for (const char *at = config->pin_models + strspn(config->pin_models, PATTERN_SPACE); *at;) {
        size_t n = strcspn(at, PATTERN_SPACE);
        snprintf(pattern, sizeof(pattern), "%.*s", (int)n, at);
        if (fnmatch(pattern, model, FNM_CASEFOLD) == 0)
            return true;
        at += n;
        at += strspn(at, PATTERN_SPACE);
    }
    return false;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0 || socket_url_is(host);
}

bool config_is_guarded(const struct config *config)
{
    return config->keys_file[0] || config->insecure || is_loopback(config->listen_host);
}
