/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to struct config through one table of keys; see config.h. libyaml gives the events and their
 * lines; the table gives types, ranges and defaults, so that every fault is reported with its line.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#define CONFIG_BYTES_MAX (1 << 20)
#define DEPTH_MAX 4
#define PATH_MAX_BYTES 128

enum key_type { KEY_TEXT, KEY_INTEGER, KEY_NUMBER, KEY_CHOICE };

struct key {
    const char *path;
    enum key_type type;
    size_t offset;
    double min, max;
    const char *fallback;       /* the default, as YAML text; "" for a number is NaN, "unknown" */
    const char *help;           /* meaning and unit */
    const char *const *choices; /* KEY_CHOICE: names of 0, 1, ..., NULL at the end */
};

static const char *const split_names[] = {"evidence", "fuse", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define AT(field) offsetof(struct config, field)
#define TEXT(path, field, fallback, help)                                                          \
    {                                                                                              \
        path, KEY_TEXT, AT(field), 0, 0, fallback, help, NULL                                      \
    }
#define INTEGER(path, field, min, max, fallback, help)                                             \
    {                                                                                              \
        path, KEY_INTEGER, AT(field), min, max, fallback, help, NULL                               \
    }
#define NUMBER(path, field, min, max, fallback, help)                                              \
    {                                                                                              \
        path, KEY_NUMBER, AT(field), min, max, fallback, help, NULL                                \
    }
#define CHOICE(path, field, names, fallback, help)                                                 \
    {                                                                                              \
        path, KEY_CHOICE, AT(field), 0, 0, fallback, help, names                                   \
    }

#define TIER_KEYS(name, i, default_url, default_slots)                                             \
    TEXT(name ".url", tier[i].url, default_url, "base URL of the " name " engine, up to /v1"),     \
        TEXT(name ".model", tier[i].model, "", "model name sent to it; empty: the client's own"),  \
        TEXT(name ".api_key_env", tier[i].api_key_env, "",                                         \
             "environment variable that holds its API key; empty: none is sent"),                  \
        INTEGER(name ".slots", tier[i].slots, 1, 4096, default_slots,                              \
                "requests the engine works on at once"),                                           \
        INTEGER(name ".connect_timeout_ms", tier[i].connect_timeout_ms, 1, 600000, "2000",         \
                "ms to connect"),                                                                  \
        INTEGER(name ".first_byte_timeout_ms", tier[i].first_byte_timeout_ms, 1, 3600000,          \
                "120000", "ms from sending the request to the head of the answer"),                \
        INTEGER(name ".idle_timeout_ms", tier[i].idle_timeout_ms, 1, 3600000, "60000",             \
                "ms without a byte of a begun answer")

static const struct key keys[] = {
    TEXT("listen.host", listen_host, "127.0.0.1", "address to listen on"),
    INTEGER("listen.port", listen_port, 0, 65535, "8080", "TCP port; 0: any free one"),
    TEXT("policy", policy, "paper", "what decides: paper, edge or cloud"),
    CHOICE("split", split, split_names, "evidence",
           "text and images on different tiers: evidence (two stages) or fuse (all to the cloud)"),
    INTEGER("workers", workers, 0, 256, "0", "scoring threads; 0: one per core"),
    CHOICE("log_level", log_level, level_names, "info", "debug, info, warn or error"),

    NUMBER("paper.tau_text", paper.tau_text, 0, 1, "0.5", "tau of the text, Eq. 5"),
    NUMBER("paper.tau_image", paper.tau_image, 0, 1, "0.5", "tau of an image, Eq. 5"),
    NUMBER("paper.edge_load_max", paper.edge_load_max, 0, 1, "0.85", "l_max, Eq. 5"),
    NUMBER("paper.uplink_max_mbps", paper.uplink_max_mbps, 0.001, 1e6, "400",
           "beta, Mbit/s, Eq. 5"),

    NUMBER("complexity.resolution_px", image.reference_px, 1, 1e12, "1048576",
           "H0 x W0, pixels: the size at which C_res reaches 1. Decides how much is offloaded"),
    NUMBER("complexity.laplacian_p5", image.laplacian_p5, 0, 1e7, NULL,
           "P5 of the Laplacian variance over a calibration set"),
    NUMBER("complexity.laplacian_p95", image.laplacian_p95, 0, 1e7, NULL,
           "P95 of the Laplacian variance over a calibration set"),
    NUMBER("complexity.weight_resolution", image.weight_resolution, 0, 1e6, "1", "w of C_res"),
    NUMBER("complexity.weight_edge", image.weight_edge, 0, 1e6, "1", "w of C_edge"),
    NUMBER("complexity.weight_entropy", image.weight_entropy, 0, 1e6, "1", "w of C_ent"),
    NUMBER("complexity.weight_sharpness", image.weight_sharpness, 0, 1e6, "1", "w of C_lap"),
    NUMBER("complexity.text_tokens", text.reference_tokens, 1, 1e9, "256",
           "L0, tokens: the length at which C_L reaches 1"),
    NUMBER("complexity.text_entities", text.reference_entities, 0.001, 1e6, "4",
           "gamma, entities per sentence at which C_ner reaches 1"),
    NUMBER("complexity.weight_length", text.weight_length, 0, 1e6, "1", "beta_L"),
    NUMBER("complexity.weight_entity", text.weight_entity, 0, 1e6, "1", "beta_ner"),

    TIER_KEYS("edge", MOA_EDGE, "http://127.0.0.1:9931/v1", "1"),
    TIER_KEYS("cloud", MOA_CLOUD, "http://127.0.0.1:9932/v1", "64"),
    NUMBER("cloud.uplink_mbps", tier[MOA_CLOUD].uplink_mbps, 0, 1e6, "",
           "what the uplink to the cloud carries, Mbit/s; empty: unknown"),

    TEXT("perceive.prompt", perceive_prompt,
         "Describe everything in this image that helps to answer the question. "
         "Question: {question}",
         "asked of the tier that turns an image into text; {question} is the last user turn"),
    TEXT("perceive.evidence", perceive_evidence, "Image {index}: {evidence}",
         "the text that replaces the image; {index} counts from 1"),
    INTEGER("perceive.max_tokens", perceive_max_tokens, 1, 100000, "256",
            "tokens of one image's evidence, at most"),

    INTEGER("limits.body_bytes", max_body_bytes, 1024, 1 << 30, "67108864", "request body, bytes"),
    INTEGER("limits.header_bytes", max_header_bytes, 256, 1 << 20, "32768",
            "request line and headers, bytes"),
    INTEGER("limits.text_bytes", max_text_bytes, 1, 1 << 26, "2097152",
            "all text of a request, bytes"),
    INTEGER("limits.images", max_images, 0, MOA_IMAGES_MAX, "16", "images in a request"),
    INTEGER("limits.image_px", max_image_px, 1, 1 << 30, "67108864", "pixels of an image"),
    INTEGER("limits.connections", max_connections, 1, 1 << 20, "4096", "client connections"),
    INTEGER("limits.requests", max_requests, 1, 1 << 20, "2048", "requests in work at once"),
    INTEGER("limits.header_timeout_ms", header_timeout_ms, 1, 3600000, "10000",
            "ms for a request's head to arrive"),
    INTEGER("limits.body_timeout_ms", body_timeout_ms, 1, 3600000, "30000",
            "ms without a byte of a begun body"),
    INTEGER("limits.keepalive_timeout_ms", keepalive_timeout_ms, 1, 3600000, "75000",
            "ms an idle client connection is kept"),
    INTEGER("limits.send_timeout_ms", send_timeout_ms, 1, 3600000, "60000",
            "ms without the client taking a byte of its answer"),
};

static const size_t n_keys = sizeof(keys) / sizeof(keys[0]);

struct reader {
    yaml_parser_t parser;
    struct config *config;
    struct config_error *error;
    size_t line[sizeof(keys) / sizeof(keys[0])]; /* where each key was read; 0: default */
};

__attribute__((format(printf, 3, 4))) static int fail(struct config_error *error, size_t line,
                                                      const char *message, ...)
{
    error->line = (unsigned)line;
    va_list args;
    va_start(args, message);
    vsnprintf(error->message, sizeof(error->message), message, args);
    va_end(args);
    return -1;
}

/* ---- one value ---- */

static int set_text(const struct key *key, struct config *config, const char *value,
                    struct config_error *error, size_t line)
{
    char **slot = (char **)((char *)config + key->offset);
    char *copy = strdup(value);
    if (!copy)
        return fail(error, line, "out of memory");
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_number(const struct key *key, struct config *config, const char *value,
                      struct config_error *error, size_t line)
{
    char *end;
    errno = 0;
    double number = value[0] ? strtod(value, &end) : NAN;
    bool optional = key->fallback && !key->fallback[0];
    if (!value[0] && !optional)
        return fail(error, line, "\"%s\" has no value", key->path);
    if (value[0] && (*end || end == value || errno || !isfinite(number)))
        return fail(error, line, "\"%s\" is not a number: \"%s\"", key->path, value);
    if (number < key->min || number > key->max)
        return fail(error, line, "\"%s\" is %s; the range is %.15g to %.15g", key->path, value,
                    key->min, key->max);
    if (key->type == KEY_INTEGER) {
        if (number != floor(number))
            return fail(error, line, "\"%s\" is not a whole number: \"%s\"", key->path, value);
        *(int64_t *)((char *)config + key->offset) = (int64_t)number;
    } else {
        *(double *)((char *)config + key->offset) = number;
    }
    return 0;
}

static int set_choice(const struct key *key, struct config *config, const char *value,
                      struct config_error *error, size_t line)
{
    for (int64_t i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], value) == 0) {
            *(int64_t *)((char *)config + key->offset) = i;
            return 0;
        }
    }
    return fail(error, line, "\"%s\" cannot be \"%s\"", key->path, value);
}

static int set(const struct key *key, struct config *config, const char *value,
               struct config_error *error, size_t line)
{
    switch (key->type) {
    case KEY_TEXT:
        return set_text(key, config, value, error, line);
    case KEY_INTEGER:
    case KEY_NUMBER:
        return set_number(key, config, value, error, line);
    case KEY_CHOICE:
        return set_choice(key, config, value, error, line);
    }
    return -1;
}

/* ---- the file ---- */

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    return fail(r->error, r->parser.problem_mark.line + 1, "%s",
                r->parser.problem ? r->parser.problem : "not readable as YAML");
}

static const struct key *find_key(const char *path)
{
    for (size_t i = 0; i < n_keys; i++) {
        if (strcmp(keys[i].path, path) == 0)
            return &keys[i];
    }
    return NULL;
}

static bool is_section(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < n_keys; i++) {
        if (strncmp(keys[i].path, path, n) == 0 && keys[i].path[n] == '.')
            return true;
    }
    return false;
}

static int read_value(struct reader *r, const char *path, const yaml_event_t *event)
{
    const struct key *key = find_key(path);
    if (!key)
        return fail(r->error, line_of(event), "\"%s\" needs a mapping", path);
    size_t *line = &r->line[key - keys];
    if (*line)
        return fail(r->error, line_of(event), "\"%s\" appears twice", path);
    *line = line_of(event);
    return set(key, r->config, (const char *)event->data.scalar.value, r->error, line_of(event));
}

static int read_mapping(struct reader *r, const char *prefix, int depth);

static int read_entry(struct reader *r, const char *prefix, int depth, const yaml_event_t *name)
{
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "",
                     (const char *)name->data.scalar.value);
    bool known = n > 0 && (size_t)n < sizeof(path) && (find_key(path) || is_section(path));
    if (!known)
        return fail(r->error, line_of(name), "unknown key \"%s\"", path);

    yaml_event_t value;
    if (next_event(r, &value))
        return -1;
    int result;
    if (value.type == YAML_SCALAR_EVENT && is_section(path) && !value.data.scalar.value[0])
        result = 0; /* "limits:" with nothing below it */
    else if (value.type == YAML_SCALAR_EVENT)
        result = read_value(r, path, &value);
    else if (value.type == YAML_MAPPING_START_EVENT && is_section(path))
        result = read_mapping(r, path, depth + 1);
    else
        result = fail(r->error, line_of(&value), "\"%s\" needs a single value", path);
    yaml_event_delete(&value);
    return result;
}

static int read_mapping(struct reader *r, const char *prefix, int depth)
{
    if (depth > DEPTH_MAX)
        return fail(r->error, 0, "nested too deeply");
    for (;;) {
        yaml_event_t name;
        if (next_event(r, &name))
            return -1;
        int result;
        bool end = name.type == YAML_MAPPING_END_EVENT;
        if (end)
            result = 0;
        else if (name.type == YAML_SCALAR_EVENT)
            result = read_entry(r, prefix, depth, &name);
        else
            result = fail(r->error, line_of(&name), "a key must be a single word");
        yaml_event_delete(&name);
        if (end || result)
            return result;
    }
}

static int read_document(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event))
            return -1;
        yaml_event_type_t type = event.type;
        int result = 0;
        if (type == YAML_MAPPING_START_EVENT)
            result = read_mapping(r, "", 1);
        else if (type == YAML_SEQUENCE_START_EVENT || type == YAML_ALIAS_EVENT ||
                 (type == YAML_SCALAR_EVENT && event.data.scalar.value[0]))
            result = fail(r->error, line_of(&event), "the file must be a mapping of keys");
        yaml_event_delete(&event);
        if (result || type == YAML_STREAM_END_EVENT)
            return result;
    }
}

/* ---- checks that need more than one key ---- */

/* Refuses the value of the key `path`, at the line where it was read. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct reader *r, const char *path,
                                                        const char *message, ...)
{
    char what[sizeof(r->error->message)];
    va_list args;
    va_start(args, message);
    vsnprintf(what, sizeof(what), message, args);
    va_end(args);
    return fail(r->error, r->line[find_key(path) - keys], "\"%s\" %.200s", path, what);
}

static int check_policy(const struct reader *r)
{
    for (size_t i = 0; moa_policy_name(i); i++) {
        if (strcmp(moa_policy_name(i), r->config->policy) == 0)
            return 0;
    }
    return refuse(r, "policy", "cannot be \"%s\"", r->config->policy);
}

static int check_tier(const struct reader *r, enum moa_tier which, const char *url_path,
                      const char *key_path)
{
    const struct tier_config *tier = &r->config->tier[which];
    size_t n = strlen(tier->url);
    if (strncmp(tier->url, "http://", 7) != 0 && strncmp(tier->url, "https://", 8) != 0)
        return refuse(r, url_path, "must start with http:// or https://");
    if (tier->url[n - 1] == '/')
        tier->url[n - 1] = '\0';
    if (tier->api_key_env[0] && !getenv(tier->api_key_env))
        return refuse(r, key_path, "names %s, which is not set", tier->api_key_env);
    return 0;
}

static int check(const struct reader *r)
{
    const struct moa_image_params *image = &r->config->image;
    const struct moa_text_params *text = &r->config->text;
    if (image->laplacian_p95 < image->laplacian_p5)
        return refuse(r, "complexity.laplacian_p95", "is below laplacian_p5");
    if (image->weight_resolution + image->weight_edge + image->weight_entropy +
            image->weight_sharpness <=
        0)
        return refuse(r, "complexity.weight_resolution", "is 0 like the other image weights");
    if (text->weight_length + text->weight_entity <= 0)
        return refuse(r, "complexity.weight_length", "is 0 like the other text weight");
    if (check_policy(r) || check_tier(r, MOA_EDGE, "edge.url", "edge.api_key_env"))
        return -1;
    return check_tier(r, MOA_CLOUD, "cloud.url", "cloud.api_key_env");
}

static int set_defaults(struct config *config, struct config_error *error)
{
    moa_image_params_default(&config->image);
    for (size_t i = 0; i < n_keys; i++) {
        if (keys[i].fallback && set(&keys[i], config, keys[i].fallback, error, 0))
            return -1;
    }
    return 0;
}

int config_parse(struct moa_bytes yaml, struct config **ret_config, struct config_error *ret_error)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return fail(ret_error, 0, "out of memory");
    int result = set_defaults(config, ret_error);
    struct reader r = {.config = config, .error = ret_error};
    if (!result && !yaml_parser_initialize(&r.parser))
        result = fail(ret_error, 0, "out of memory");
    if (!result) {
        yaml_parser_set_input_string(&r.parser, yaml.p ? yaml.p : (const void *)"", yaml.n);
        result = read_document(&r);
        yaml_parser_delete(&r.parser);
    }
    if (!result)
        result = check(&r);
    if (result)
        config_free(config);
    else
        *ret_config = config;
    return result;
}

int config_load(const char *path, struct config **ret_config, struct config_error *ret_error)
{
    if (!path)
        return config_parse((struct moa_bytes){NULL, 0}, ret_config, ret_error);

    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return fail(ret_error, 0, "%s", strerror(errno));
    char *text = malloc(CONFIG_BYTES_MAX + 1);
    size_t n = text ? fread(text, 1, CONFIG_BYTES_MAX + 1, file) : 0;
    int result;
    if (!text)
        result = fail(ret_error, 0, "out of memory");
    else if (ferror(file))
        result = fail(ret_error, 0, "%s", strerror(errno));
    else if (n > CONFIG_BYTES_MAX)
        result = fail(ret_error, 0, "larger than %d bytes", CONFIG_BYTES_MAX);
    else
        result = config_parse((struct moa_bytes){text, n}, ret_config, ret_error);
    free(text);
    if (file != stdin)
        fclose(file);
    return result;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < n_keys; i++) {
        if (keys[i].type == KEY_TEXT)
            free(*(char **)((char *)config + keys[i].offset));
    }
    free(config);
}

/* ---- the commented file of defaults ---- */

static void print_default(const struct key *key, const struct config *defaults, FILE *out)
{
    const char *name = strrchr(key->path, '.');
    fprintf(out, "%s%s: ", name ? "  " : "", name ? name + 1 : key->path);
    if (key->type == KEY_TEXT)
        fprintf(out, "\"%s\"", key->fallback);
    else if (key->fallback)
        fputs(key->fallback, out);
    else
        fprintf(out, "%.15g", *(const double *)((const char *)defaults + key->offset));
    fprintf(out, "  # %s", key->help);
    if (key->type == KEY_INTEGER || key->type == KEY_NUMBER)
        fprintf(out, " [%.15g, %.15g]", key->min, key->max);
    fputc('\n', out);
}

void config_print_defaults(FILE *out)
{
    struct config *defaults = NULL;
    struct config_error error;
    if (config_load(NULL, &defaults, &error) || !defaults)
        return;
    const char *section = "";
    size_t section_n = 0;
    for (size_t i = 0; i < n_keys; i++) {
        const char *dot = strchr(keys[i].path, '.');
        size_t n = dot ? (size_t)(dot - keys[i].path) : 0;
        if (n && (n != section_n || strncmp(section, keys[i].path, n) != 0))
            fprintf(out, "%.*s:\n", (int)n, keys[i].path);
        section = keys[i].path;
        section_n = n;
        print_default(&keys[i], defaults, out);
    }
    config_free(defaults);
}
