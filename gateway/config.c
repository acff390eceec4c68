/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to struct config through one table of keys; see config.h. libyaml gives the events and their
 * lines; the table gives types, ranges and defaults, so that every fault is reported with its line.
 */
#include "config_private.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <yaml.h>

#define CONFIG_BYTES_MAX (1 << 20)
#define DEPTH_MAX 4
#define PATH_MAX_BYTES 128
#define URLS_MAX 16

enum key_type { KEY_TEXT, KEY_URLS, KEY_INTEGER, KEY_NUMBER, KEY_CHOICE };

struct key {
    const char *path;
    enum key_type type;
    size_t offset;
    double min, max;
    const char *fallback;       /* the default, as YAML text; "" for a number is NaN, "unknown" */
    const char *help;           /* meaning and unit */
    const char *const *choices; /* KEY_CHOICE: names of 0, 1, ..., NULL at the end */
};

static const char *const bool_names[] = {"false", "true", NULL};
static const char *const split_names[] = {"evidence", "fuse", NULL};
static const char *const pressure_names[] = {"ignore", "count", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define AT(field) offsetof(struct config, field)
#define TEXT(path, field, fallback, help)                                                          \
    {                                                                                              \
        path, KEY_TEXT, AT(field), 0, 0, fallback, help, NULL                                      \
    }
#define URLS(path, field, fallback, help)                                                          \
    {                                                                                              \
        path, KEY_URLS, AT(field), 0, 0, fallback, help, NULL                                      \
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

#define TIER_IMAGE_KEYS(name, i, default_tokens, default_formats, default_min_px)                  \
    INTEGER(                                                                                       \
        name ".image_tokens", tier[i].image_tokens, 0, 16384, default_tokens,                      \
        "visual tokens of an image, 28 x 28 px each; larger ones are downscaled; 0: no limit"),    \
        TEXT(name ".image_formats", tier[i].image_formats, default_formats,                        \
             "formats it reads, of jpeg, png, webp, gif; others are transcoded; empty: any"),      \
        INTEGER(name ".image_min_px", tier[i].image_min_px, 0, 28, default_min_px,                 \
                "shorter image sides are padded with white, pixels; 0: never"),                    \
        CHOICE(name ".image_upright", tier[i].image_upright, bool_names, "true",                   \
               "true: images with an EXIF rotation are turned upright for it"),                    \
        CHOICE(name ".images_first", tier[i].images_first, bool_names, "false",                    \
               "true: the images of a message are put before its other parts")
#define TIER_KEYS(name, i, default_url, default_slots)                                             \
    URLS(name ".url", tier[i].urls, default_url,                                                   \
         "base URL of the " name " engine, up to /v1; or a list: [URL, URL]"),                     \
        TEXT(name ".model", tier[i].model, "", "model name sent to it; empty: the client's own"),  \
        TEXT(name ".api_key_env", tier[i].api_key_env, "",                                         \
             "environment variable that holds its API key; empty: none is sent"),                  \
        TEXT(name ".api_key_file", tier[i].api_key_file, "",                                       \
             "file that holds its API key in its first line; empty: none is sent"),                \
        TEXT(name ".ca_file", tier[i].ca_file, "",                                                 \
             "PEM file of certificates that https is verified against; empty: the system's"),      \
        INTEGER(name ".slots", tier[i].slots, 0, 4096, default_slots,                              \
                "requests an endpoint works on at once; 0: what the engine says, or 1"),           \
        INTEGER(name ".connect_timeout_ms", tier[i].connect_timeout_ms, 1, 600000, "2000",         \
                "ms to connect"),                                                                  \
        INTEGER(name ".first_byte_timeout_ms", tier[i].first_byte_timeout_ms, 1, 3600000,          \
                "120000", "ms from sending the request to the head of the answer"),                \
        INTEGER(name ".idle_timeout_ms", tier[i].idle_timeout_ms, 1, 3600000, "60000",             \
                "ms without a byte of a begun answer"),                                            \
        INTEGER(name ".dead_link_ms", tier[i].dead_link_ms, 0, 3600000, "5000",                    \
                "ms that sent bytes may go unacknowledged; 0: the system's limit")

static const struct key keys[] = {
    TEXT("listen.host", listen_host, "127.0.0.1", "address to listen on"),
    INTEGER("listen.port", listen_port, 0, 65535, "8080", "TCP port; 0: any free one"),
    TEXT("listen.tls_certificate", tls_certificate, "",
         "PEM file with the certificate chain for clients; empty: no TLS"),
    TEXT("listen.tls_key", tls_key, "", "PEM file with its private key"),
    CHOICE("listen.insecure", insecure, bool_names, "false",
           "true: listen beyond this machine although no key is asked for"),
    TEXT("keys_file", keys_file, "", "file of API keys; empty: no key is asked for"),
    TEXT("pin_models", pin_models, "",
         "model names pinned to the edge, with * and ?, separated by spaces"),
    TEXT("policy", policy, "paper",
         "what decides: paper, edge, cloud, paper-no-modality, paper-no-state, perllm, "
         "perllm-accuracy"),
    CHOICE("split", split, split_names, "evidence",
           "text and images on different tiers: evidence (two stages) or fuse (all to the cloud)"),
    INTEGER("workers", workers, 0, 256, "0", "scoring threads; 0: one per core"),
    CHOICE("log_level", log_level, level_names, "info", "debug, info, warn or error"),

    NUMBER("paper.tau_text", paper.tau_text, 0, 1, "0.5", "tau of the text, Eq. 5"),
    NUMBER("paper.tau_image", paper.tau_image, 0, 1, "0.5", "tau of an image, Eq. 5"),
    NUMBER("paper.edge_load_max", paper.edge_load_max, 0, 1, "0.85", "l_max, Eq. 5"),
    NUMBER("paper.uplink_max_mbps", paper.uplink_max_mbps, 0.001, 1e6, "400",
           "beta, Mbit/s, Eq. 5"),

    NUMBER("perllm.delta", paper.perllm.delta, 0, 1e6, "0.5", "exploration of the bandit"),
    NUMBER("perllm.lambda", paper.perllm.lambda, 0, 1e6, "1", "weight of the smallest slack"),
    NUMBER("perllm.accuracy_weight", paper.perllm.accuracy_weight, 0, 1e6, "1",
           "weight of a rated answer in perllm-accuracy"),
    NUMBER("perllm.deadline_s", paper.perllm.deadline_s, 0.001, 1e6, "4",
           "seconds in which a request is to be answered"),
    NUMBER("perllm.radio_w", paper.perllm.radio_w, 0, 1e6, "2", "watts while sending"),
    NUMBER("perllm.edge_infer_w", paper.perllm.infer_w[MOA_EDGE], 0.001, 1e6, "15",
           "watts of the edge at work"),
    NUMBER("perllm.edge_idle_w", paper.perllm.idle_w[MOA_EDGE], 0, 1e6, "5",
           "watts of the edge at rest"),
    NUMBER("perllm.cloud_infer_w", paper.perllm.infer_w[MOA_CLOUD], 0.001, 1e6, "300",
           "watts of the cloud at work"),
    NUMBER("perllm.cloud_idle_w", paper.perllm.idle_w[MOA_CLOUD], 0, 1e6, "60",
           "watts of the cloud at rest"),

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

    TIER_KEYS("edge", MOA_EDGE, "http://127.0.0.1:9931/v1", "0"),
    TIER_IMAGE_KEYS("edge", MOA_EDGE, "1024", "jpeg, png", "0"),
    INTEGER("edge.poll_ms", tier[MOA_EDGE].poll_ms, 0, 60000, "500",
            "ms between two looks at the engine's own load while there is traffic; 0: never"),
    CHOICE("edge.cpu_pressure", tier[MOA_EDGE].cpu_counts, pressure_names, "ignore",
           "waiting for this machine's CPU as part of the edge's load: ignore or count"),
    TIER_KEYS("cloud", MOA_CLOUD, "http://127.0.0.1:9932/v1", "64"),
    TIER_IMAGE_KEYS("cloud", MOA_CLOUD, "3072", "jpeg, png, webp, gif", "28"),
    NUMBER("cloud.uplink_mbps", tier[MOA_CLOUD].uplink_mbps, 0, 1e6, "",
           "what the uplink to the cloud carries, Mbit/s, until it is measured; empty: unknown"),
    INTEGER("cloud.uplink_uploads", tier[MOA_CLOUD].uplink_uploads, 0, 64, "5",
            "uploads that the measured uplink looks back at; 0: uplink_mbps stands"),

    INTEGER("breaker.failures", breaker_failures, 1, 1000, "3",
            "failures without a complete answer between that make an endpoint count as down"),
    INTEGER("breaker.retry_ms", breaker_retry_ms, 1, 3600000, "5000",
            "ms until an endpoint that is down is tried again"),
    INTEGER("breaker.busy_ms", breaker_busy_ms, 0, 3600000, "1000",
            "ms a busy endpoint (429, 503) is spared if another is not busy"),
    INTEGER("breaker.unavailable_ms", breaker_unavailable_ms, 0, 3600000, "30000",
            "ms of nothing but 503 after which an endpoint counts as failing; 0: never"),

    TEXT("perceive.prompt", perceive_prompt,
         "Describe everything in this image that helps to answer the question. "
         "Question: {question}",
         "asked of the tier that turns an image into text; {question} is the last user turn"),
    TEXT("perceive.evidence", perceive_evidence, "Image {index}: {evidence}",
         "the text that replaces the image; {index} counts from 1"),
    INTEGER("perceive.max_tokens", perceive_max_tokens, 1, 100000, "256",
            "tokens of one image's evidence, at most"),

    INTEGER("images.jpeg_quality", jpeg_quality, 1, 100, "85", "of images that are re-encoded"),
    INTEGER("cache.bytes", cache_bytes, 0, 1 << 30, "16777216",
            "image scores and re-encoded images kept, bytes; 0: none"),

    CHOICE("fetch.enabled", fetch_enabled, bool_names, "false",
           "true: http and https image URLs are fetched by the gateway; false: refused"),
    TEXT("fetch.allow", fetch_allow, "",
         "addresses and CIDR prefixes to fetch from besides public ones, between commas"),
    INTEGER("fetch.bytes", fetch_max_bytes, 1, 1 << 30, "20971520", "a remote image, bytes"),
    INTEGER("fetch.timeout_ms", fetch_timeout_ms, 1, 600000, "10000",
            "ms for a remote image, redirects included"),
    INTEGER("fetch.redirects", fetch_max_redirects, 0, 20, "3", "redirects followed, at most"),
    INTEGER("fetch.concurrency", fetch_concurrency, 1, 64, "4", "remote images fetched at once"),

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

    TEXT("journal.path", journal_path, "", "SQLite file of what was decided; empty: none"),
    INTEGER("journal.max_age_days", journal_max_age_days, 1, 36500, "30",
            "days after which a row is deleted"),
    INTEGER("journal.max_bytes", journal_max_bytes, 1 << 20, 1e12, "268435456",
            "bytes above which the oldest rows are deleted"),
};

static const size_t n_keys = sizeof(keys) / sizeof(keys[0]);

struct reader {
    yaml_parser_t *parser;
    size_t included_at; /* the line of the include that is being read; 0: none */
    struct config *config;
    struct config_error *error;
    enum config_use use;
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

static void list_clear(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

static int add_url(const struct key *key, struct config *config, const char *value,
                   struct config_error *error, size_t line)
{
    struct text_list *list = (struct text_list *)((char *)config + key->offset);
    if (list->n == URLS_MAX)
        return fail(error, line, "\"%s\" has more than %d entries", key->path, URLS_MAX);
    size_t n = strlen(value);
    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return fail(error, line, "\"%s\" must start with http:// or https://", key->path);
    CURLU *url = curl_url();
    CURLUcode wrong = url ? curl_url_set(url, CURLUPART_URL, value, 0) : CURLUE_OUT_OF_MEMORY;
    curl_url_cleanup(url);
    if (wrong == CURLUE_OUT_OF_MEMORY)
        return fail(error, line, "out of memory");
    if (wrong)
        return fail(error, line, "\"%s\" cannot be %.150s: %s", key->path, value,
                    curl_url_strerror(wrong));
    if (value[n - 1] == '/')
        n--;
    for (size_t i = 0; i < list->n; i++) {
        if (strncmp(list->items[i], value, n) == 0 && !list->items[i][n])
            return fail(error, line, "\"%s\" names %.150s twice", key->path, value);
    }
    char **longer = realloc(list->items, (list->n + 1) * sizeof(*longer));
    if (longer)
        list->items = longer;
    char *copy = longer ? strndup(value, n) : NULL;
    if (!copy)
        return fail(error, line, "out of memory");
    list->items[list->n++] = copy;
    return 0;
}

/* A single value in the place of a list is a list of one. */
static int set_urls(const struct key *key, struct config *config, const char *value,
                    struct config_error *error, size_t line)
{
    list_clear((struct text_list *)((char *)config + key->offset));
    return add_url(key, config, value, error, line);
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
    case KEY_URLS:
        return set_urls(key, config, value, error, line);
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
    if (yaml_parser_parse(r->parser, event))
        return 0;
    if (r->parser->error == YAML_MEMORY_ERROR)
        return fail(r->error, 0, "out of memory");
    return fail(r->error, r->parser->problem_mark.line + 1, "%s",
                r->parser->problem ? r->parser->problem : "not readable as YAML");
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

/* Notes where the key stands; a second time is a fault. */
static int note_line(struct reader *r, const struct key *key, const yaml_event_t *event)
{
    size_t *line = &r->line[key - keys];
    if (*line)
        return fail(r->error, line_of(event), "\"%s\" appears twice", key->path);
    *line = r->included_at ? r->included_at : line_of(event);
    return 0;
}

static int read_urls(struct reader *r, const struct key *key, const yaml_event_t *begin)
{
    struct text_list *list = (struct text_list *)((char *)r->config + key->offset);
    if (note_line(r, key, begin))
        return -1;
    list_clear(list);
    for (;;) {
        yaml_event_t item;
        if (next_event(r, &item))
            return -1;
        int result = 0;
        bool end = item.type == YAML_SEQUENCE_END_EVENT;
        if (end && list->n == 0)
            result = fail(r->error, line_of(&item), "\"%s\" is an empty list", key->path);
        else if (!end && item.type != YAML_SCALAR_EVENT)
            result = fail(r->error, line_of(&item), "\"%s\" must list single values", key->path);
        else if (!end)
            result = add_url(key, r->config, (const char *)item.data.scalar.value, r->error,
                             line_of(&item));
        yaml_event_delete(&item);
        if (end || result)
            return result;
    }
}

static int read_value(struct reader *r, const char *path, const yaml_event_t *event)
{
    const struct key *key = find_key(path);
    if (!key)
        return fail(r->error, line_of(event), "\"%s\" needs a mapping", path);
    if (note_line(r, key, event))
        return -1;
    return set(key, r->config, (const char *)event->data.scalar.value, r->error, line_of(event));
}

static int read_text(struct reader *r, struct moa_bytes yaml);

/* All of the file at `path`, to be freed; NULL with `error` filled. */
static char *load_text(const char *path, size_t *ret_n, struct config_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        fail(error, 0, "%s", strerror(errno));
        return NULL;
    }
    char *text = malloc(CONFIG_BYTES_MAX + 1);
    size_t n = text ? fread(text, 1, CONFIG_BYTES_MAX + 1, file) : 0;
    int result = 0;
    if (!text)
        result = fail(error, 0, "out of memory");
    else if (ferror(file))
        result = fail(error, 0, "%s", strerror(errno));
    else if (n > CONFIG_BYTES_MAX)
        result = fail(error, 0, "larger than %d bytes", CONFIG_BYTES_MAX);
    if (file != stdin)
        fclose(file);
    if (result) {
        free(text);
        return NULL;
    }
    *ret_n = n;
    return text;
}

/* The keys of another file, as if they stood here; a fault in it is reported with both places. */
static int read_include(struct reader *r, const yaml_event_t *value)
{
    const size_t line = line_of(value);
    if (r->included_at)
        return fail(r->error, line, "an included file cannot include another");
    const bool scalar = value->type == YAML_SCALAR_EVENT;
    const char *path = scalar ? (const char *)value->data.scalar.value : "";
    if (!path[0] || strcmp(path, "-") == 0)
        return fail(r->error, line, "\"include\" needs the name of a file");
    size_t n;
    char *text = load_text(path, &n, r->error);
    int result = text ? 0 : -1;
    if (text) {
        yaml_parser_t *outer = r->parser;
        r->included_at = line;
        result = read_text(r, (struct moa_bytes){text, n});
        r->included_at = 0;
        r->parser = outer;
        free(text);
    }
    if (result) {
        struct config_error inner = *r->error;
        fail(r->error, line, "%.100s:%u: %.140s", path, inner.line, inner.message);
    }
    return result;
}

static int read_mapping(struct reader *r, const char *prefix, int depth);

static int read_entry(struct reader *r, const char *prefix, int depth, const yaml_event_t *name)
{
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "",
                     (const char *)name->data.scalar.value);
    bool include = strcmp(path, "include") == 0;
    bool known = n > 0 && (size_t)n < sizeof(path) && (find_key(path) || is_section(path));
    if (!known && !include)
        return fail(r->error, line_of(name), "unknown key \"%s\"", path);

    const struct key *key = find_key(path);
    yaml_event_t value;
    if (next_event(r, &value))
        return -1;
    int result;
    if (include)
        result = read_include(r, &value);
    else if (value.type == YAML_SEQUENCE_START_EVENT && key && key->type == KEY_URLS)
        result = read_urls(r, key, &value);
    else if (value.type == YAML_SCALAR_EVENT && is_section(path) && !value.data.scalar.value[0])
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

static int read_text(struct reader *r, struct moa_bytes yaml)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return fail(r->error, 0, "out of memory");
    r->parser = &parser;
    yaml_parser_set_input_string(&parser, yaml.p ? yaml.p : (const void *)"", yaml.n);
    int result = read_document(r);
    yaml_parser_delete(&parser);
    r->parser = NULL;
    return result;
}

/* The checks, with the line of the key that fails one. */
static int check(const struct reader *r)
{
    struct config_fault fault;
    if (config_check(r->config, r->use, &fault) == 0)
        return 0;
    if (!fault.path)
        return fail(r->error, 0, "%s", fault.what);
    return fail(r->error, r->line[find_key(fault.path) - keys], "\"%s\" %s", fault.path,
                fault.what);
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

int config_parse(struct moa_bytes yaml, enum config_use use, struct config **ret_config,
                 struct config_error *ret_error)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return fail(ret_error, 0, "out of memory");
    int result = set_defaults(config, ret_error);
    struct reader r = {.config = config, .error = ret_error, .use = use};
    if (!result)
        result = read_text(&r, yaml);
    if (!result)
        result = check(&r);
    if (result)
        config_free(config);
    else
        *ret_config = config;
    return result;
}

int config_load(const char *path, enum config_use use, struct config **ret_config,
                struct config_error *ret_error)
{
    if (!path)
        return config_parse((struct moa_bytes){NULL, 0}, use, ret_config, ret_error);

    size_t n;
    char *text = load_text(path, &n, ret_error);
    if (!text)
        return -1;
    int result = config_parse((struct moa_bytes){text, n}, use, ret_config, ret_error);
    free(text);
    return result;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < n_keys; i++) {
        if (keys[i].type == KEY_TEXT)
            free(*(char **)((char *)config + keys[i].offset));
        if (keys[i].type == KEY_URLS)
            list_clear((struct text_list *)((char *)config + keys[i].offset));
    }
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        char *key = config->tier[tier].api_key;
        if (key)
            explicit_bzero(key, strlen(key));
        free(key);
    }
    free(config);
}

/* ---- the commented file of defaults ---- */

static void print_default(const struct key *key, const struct config *defaults, FILE *out)
{
    const char *name = strrchr(key->path, '.');
    fprintf(out, "%s%s: ", name ? "  " : "", name ? name + 1 : key->path);
    if (key->type == KEY_TEXT || key->type == KEY_URLS)
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
    if (config_load(NULL, CONFIG_TO_LOOK, &defaults, &error) || !defaults)
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
