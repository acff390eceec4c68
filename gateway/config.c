/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configuration: one row each, with what `moaoff serve --defaults` prints of it.
 * config_read.c reads a file by these rows. The parameters of policies are no rows here: each
 * policy owns its own (moa_policy_param()), and the table takes them from there.
 */
#include "config_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const bool_names[] = {"false", "true", NULL};
static const char *const tier_names[] = {"edge", "cloud", NULL}; /* by enum moa_tier */
static const char *const pressure_names[] = {"ignore", "count", NULL};
static const char *const format_names[] = {"logfmt", "json", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define AT(field) offsetof(struct config, field)
/* What stands behind the help of a row is a field of it, such as .needs_restart = true. */
#define KEY(p, t, field, least, most, value, text, ...)                                            \
    {                                                                                              \
        .path = p, .type = t, .offset = AT(field), .min = least, .max = most, .fallback = value,   \
        .help = text, __VA_ARGS__                                                                  \
    }
#define TEXT(path, field, fallback, help, ...)                                                     \
    KEY(path, KEY_TEXT, field, 0, 0, fallback, help, __VA_ARGS__)
#define URLS(path, field, fallback, help, ...)                                                     \
    KEY(path, KEY_URLS, field, 0, 0, fallback, help, __VA_ARGS__)
#define LIST(path, field, help, ...) KEY(path, KEY_LIST, field, 0, 0, "", help, __VA_ARGS__)
#define INTEGER(path, field, min, max, fallback, help, ...)                                        \
    KEY(path, KEY_INTEGER, field, min, max, fallback, help, __VA_ARGS__)
#define NUMBER(path, field, min, max, fallback, help, ...)                                         \
    KEY(path, KEY_NUMBER, field, min, max, fallback, help, __VA_ARGS__)
#define CHOICE(path, field, names, fallback, help, ...)                                            \
    KEY(path, KEY_CHOICE, field, 0, 0, fallback, help, .choices = names, __VA_ARGS__)

#define TIER_IMAGE_KEYS(name, i, default_tokens, default_set_tokens, default_formats,              \
                        default_min_px)                                                            \
    TEXT(name ".modalities", tier[i].modalities, "",                                               \
         "what it accepts, of text, image, audio, video, file; empty: what the engine says, or "   \
         "any"),                                                                                   \
        INTEGER(name ".context_tokens", tier[i].context_tokens, 0, 1000000000, "0",                \
                "tokens of the longest request it accepts; 0: what the engine says, or any"),      \
        INTEGER(                                                                                   \
            name ".image_tokens", tier[i].image_tokens, 0, 16384, default_tokens,                  \
            "visual tokens of an image, 28 x 28 px each; those more than a quarter larger are "    \
            "downscaled; 0: no limit"),                                                            \
        INTEGER(name ".image_set_tokens", tier[i].image_set_tokens, 0, 1048576,                    \
                default_set_tokens,                                                                \
                "visual tokens, together, of all images of a message that have one size, such as " \
                "the frames of a camera; 0: no limit"),                                            \
        TEXT(name ".image_formats", tier[i].image_formats, default_formats,                        \
             "formats it reads, of" MOA_IMAGE_NAMES "; others are transcoded; empty: any"),        \
        INTEGER(name ".image_min_px", tier[i].image_min_px, 0, 28, default_min_px,                 \
                "shorter image sides are padded with white, pixels; 0: never"),                    \
        CHOICE(name ".image_upright", tier[i].image_upright, bool_names, "true",                   \
               "true: images with an EXIF rotation are turned upright for it"),                    \
        CHOICE(                                                                                    \
            name ".image_flatten", tier[i].image_flatten, bool_names, "true",                      \
            "true: transparent images are laid on white, and incomplete JPEGs completed, for it"), \
        TEXT(name ".speaks", tier[i].speaks, "auto",                                               \
             "dialects passed through to it, of chat, messages, responses; others are translated " \
             "to chat; auto: as the engine shows"),                                                \
        CHOICE(name ".images_first", tier[i].images_first, bool_names, "false",                    \
               "true: the images of a message are moved before its other parts")
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

#define LIMIT_KEY(window, quantity, i, k, help)                                                    \
    NUMBER("cloud.budget." quantity "_per_" window, budget.limit[i][k], 0, 1e15, "0", help)
#define LIMIT_KEYS(window, i)                                                                      \
    LIMIT_KEY(window, "bytes", i, BUDGET_BYTES,                                                    \
              "bytes of requests sent to the cloud within any " window "; 0: no limit"),           \
        LIMIT_KEY(window, "requests", i, BUDGET_REQUESTS,                                          \
                  "calls to the cloud within any " window "; 0: no limit"),                        \
        LIMIT_KEY(window, "money", i, BUDGET_MONEY,                                                \
                  "what they may cost at the prices below; 0: no limit")
#define PRICE_KEY(name, field, help) NUMBER("cloud.budget." name, budget.field, 0, 1e9, "0", help)
#define BUDGET_KEYS                                                                                \
    LIMIT_KEYS("hour", BUDGET_HOUR), LIMIT_KEYS("day", BUDGET_DAY),                                \
        TEXT("cloud.budget.currency", currency, "", "of the money, for display"),                  \
        PRICE_KEY("price_per_million_prompt_tokens", per_million_prompt_tokens,                    \
                  "of what is sent to the cloud, pictures included"),                              \
        PRICE_KEY("price_per_million_completion_tokens", per_million_completion_tokens,            \
                  "of what the cloud writes"),                                                     \
        PRICE_KEY("price_per_picture", per_picture, "of each picture sent, beside its tokens"),    \
        INTEGER(                                                                                   \
            "cloud.budget.min_seconds_between_escalations", escalation_gap_s, 0, 86400, "0",       \
            "seconds after an answer was not kept during which the edge's further answers for "    \
            "that key are kept, sure or not; 0: none")

static const struct config_key keys[] = {
    TEXT("listen.host", listen_host, "127.0.0.1",
         "address to listen on, or \"unix:/run/moaoff.sock\"", .needs_restart = true),
    INTEGER("listen.port", listen_port, 0, 65535, "8080", "TCP port; 0: any free one",
            .needs_restart = true),
    TEXT("listen.tls_certificate", tls_certificate, "",
         "PEM file with the certificate chain for clients; empty: no TLS"),
    TEXT("listen.tls_key", tls_key, "", "PEM file with its private key"),
    CHOICE("listen.insecure", insecure, bool_names, "false",
           "true: listen beyond this machine although no key is required"),
    TEXT(
        "cors.origins", cors_origins, "",
        "origins of web pages that may call, such as https://page.example, between commas; *: any"),
    TEXT("keys_file", keys_file, "", "file of API keys; empty: no key is required"),
    TEXT("pin", pin, "",
         "what stays on the edge in every request: edge (all of it), or a list of text, image, "
         "audio, video, file with commas"),
    TEXT("pin_models", pin_models, "",
         "model names pinned to the edge, with * and ?, separated by spaces"),
    TEXT("policy", policy, "adaptive", "what decides; `moaoff policies` lists them"),
    CHOICE("list_policies", list_policies, bool_names, "false",
           "true: /v1/models also lists the policies meant for comparison"),
    INTEGER("workers", workers, 0, 256, "0", "scoring threads; 0: one per core",
            .needs_restart = true),
    CHOICE("log_level", log_level, level_names, "info", "debug, info, warn or error"),
    CHOICE("log_format", log_format, format_names, "logfmt",
           "of a line of the log: logfmt or json"),

    {.type = KEY_POLICIES},

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
    NUMBER("complexity.audio_s", sound.reference_s, 0.001, 1e6, NULL,
           "D0, seconds of sound at which C_dur reaches 1"),
    NUMBER("complexity.audio_level_p5", sound.level_p5_dbfs, -60, 0, NULL,
           "P5 of the level over a calibration set, dB of full scale"),
    NUMBER("complexity.audio_level_p95", sound.level_p95_dbfs, -60, 0, NULL, "P95 of the same"),
    NUMBER("complexity.audio_flatness_p5", sound.flatness_p5_db, -120, 0, NULL,
           "P5 of the spectral flatness over a calibration set, dB"),
    NUMBER("complexity.audio_flatness_p95", sound.flatness_p95_db, -120, 0, NULL,
           "P95 of the same"),
    NUMBER("complexity.weight_audio_length", sound.weight_length, 0, 1e6, "1", "w of C_dur"),
    NUMBER("complexity.weight_audio_level", sound.weight_level, 0, 1e6, "1", "w of C_lev"),
    NUMBER("complexity.weight_audio_activity", sound.weight_activity, 0, 1e6, "1", "w of C_act"),
    NUMBER("complexity.weight_audio_flatness", sound.weight_flatness, 0, 1e6, "1",
           "w of C_flat and C_rate"),
    NUMBER("complexity.video_s", film.reference_s, 0.001, 1e6, NULL,
           "D0, seconds of film at which C_dur reaches 1"),
    NUMBER("complexity.video_px", film.reference_px, 1, 1e12, NULL,
           "pixels of a frame at which C_frame reaches 1"),
    NUMBER("complexity.weight_video_length", film.weight_length, 0, 1e6, "1", "w of C_dur"),
    NUMBER("complexity.weight_video_frame", film.weight_frame, 0, 1e6, "1", "w of C_frame"),
    NUMBER("complexity.file_bytes", file_bytes, 1, 1e12, "1048576",
           "bytes of a file part at which its complexity reaches 1"),
    NUMBER("complexity.weight_length", text.weight_length, 0, 1e6, "1.1", "beta_L"),
    NUMBER("complexity.weight_entity", text.weight_entity, 0, 1e6, "1", "beta_ner"),

    TIER_KEYS("edge", MOA_EDGE, "http://127.0.0.1:9931/v1", "0"),
    TIER_IMAGE_KEYS("edge", MOA_EDGE, "1024", "4096", "jpeg, png", "0"),
    INTEGER("edge.poll_ms", tier[MOA_EDGE].poll_ms, 0, 60000, "500",
            "ms between two polls of the engine's own load while there is traffic; 0: never"),
    INTEGER("edge.patience_ms", tier[MOA_EDGE].patience_ms, 0, 3600000, "0",
            "ms that a pinned request waits for an edge that says 503 or 429, as while loading a "
            "model; and that any request with nowhere else to go waits for one that edge.command "
            "starts"),
    CHOICE("edge.cpu_pressure", tier[MOA_EDGE].cpu_counts, pressure_names, "ignore",
           "whether waiting for this machine's CPU is part of the edge's load: ignore or count"),
    LIST("edge.command", program.command,
         "the engine, for the gateway to run: a list of program and arguments, without a shell; "
         "empty: it runs on its own"),
    LIST("edge.environment", program.environment,
         "variables for it besides PATH, HOME and the like: NAME, with the gateway's value, or "
         "NAME=VALUE"),
    INTEGER("edge.memory_bytes", program.memory_bytes, 0, 1LL << 46, "0",
            "bytes of memory above which it is killed and restarted; 0: no limit"),
    INTEGER("edge.idle_s", program.idle_s, 0, 8640000, "0",
            "seconds without a request after which it is stopped until the next one; 0: never"),
    INTEGER("edge.start_ms", program.start_ms, 1, 3600000, "300000",
            "ms that it may take to become ready"),
    INTEGER("edge.stop_ms", program.stop_ms, 1, 600000, "10000", "ms from SIGTERM to SIGKILL"),
    INTEGER("edge.restarts", program.restarts, 0, 1000000, "5",
            "restarts in a row after it ended or did not become ready; after that it stays down "
            "until a reload"),
    CHOICE("edge.warm_up", program.warm_up, bool_names, "true",
           "true: it generates one token before it gets requests"),
    TIER_KEYS("cloud", MOA_CLOUD, "http://127.0.0.1:9932/v1", "64"),
    TIER_IMAGE_KEYS("cloud", MOA_CLOUD, "3072", "12288", "jpeg, png, webp, gif", "28"),
    NUMBER("cloud.uplink_mbps", tier[MOA_CLOUD].uplink_mbps, 0, 1e6, "",
           "rate of the uplink to the cloud, Mbit/s, until three uploads have been measured; "
           "empty: unknown"),
    CHOICE("cloud.uplink_near", tier[MOA_CLOUD].uplink_near, pressure_names, "ignore",
           "uploads within this machine and its own networks, which are not the uplink: ignore or "
           "count, as a testbed does"),
    INTEGER("cloud.uplink_uploads", tier[MOA_CLOUD].uplink_uploads, 0, 64, "5",
            "uploads that the measured uplink is taken from; 0: uplink_mbps applies",
            .needs_restart = true),
    NUMBER("cloud.queue", cloud_queue, 0, 1000, "2",
           "calls that may wait at the cloud, in multiples of its slots, before an answer that the "
           "edge is not sure of is kept anyway"),
    BUDGET_KEYS,

    INTEGER("breaker.failures", breaker_failures, 1, 1000, "3",
            "failures without a complete answer in between after which an endpoint counts as down"),
    INTEGER("breaker.retry_ms", breaker_retry_ms, 1, 3600000, "5000",
            "ms until an endpoint that is down is tried again"),
    INTEGER("breaker.busy_ms", breaker_busy_ms, 0, 3600000, "1000",
            "ms a busy endpoint (429, 503) is avoided if another is not busy"),
    INTEGER("breaker.misconfigured_ms", breaker_misconfigured_ms, 1, 86400000, "60000",
            "ms until an endpoint that refuses our key, model or URL is tried again"),
    INTEGER("breaker.unavailable_ms", breaker_unavailable_ms, 0, 3600000, "30000",
            "ms of nothing but 503 after which an endpoint counts as failing; 0: never"),

    TEXT("perceive.prompt", perceive_prompt,
         "Describe everything in this {kind} that helps to answer the question. "
         "Question: {question}",
         "asked of the tier that turns an image into text; {question} is the last user turn"),
    TEXT("perceive.prompt_alone", perceive_prompt_alone,
         "Describe everything in this {kind}: objects, people, words, numbers, colors, places.",
         "asked of the cloud instead where the text is pinned to the edge"),
    TEXT("perceive.evidence", perceive_evidence, "{Kind} {index}: {evidence}",
         "the text that replaces the image; {index} counts from 1"),
    TEXT("perceive.extra", perceive_extra, "",
         "JSON object of further members of the request for it, such as "
         "{\"chat_template_kwargs\": {\"enable_thinking\": false}}; empty: none"),
    INTEGER("perceive.max_tokens", perceive_max_tokens, 1, 100000, "256",
            "tokens of one image's evidence, at most"),

    INTEGER("stream.keepalive_ms", stream_keepalive_ms, 0, 3600000, "15000",
            "ms of silence after which a client that streams gets a comment; 0: never"),

    INTEGER("images.jpeg_quality", jpeg_quality, 1, 100, "85", "of images that are re-encoded"),
    INTEGER("cache.bytes", cache_bytes, 0, 1 << 30, "16777216",
            "image scores and re-encoded images kept, bytes; 0: none", .needs_restart = true),
    INTEGER("memory.seconds", memory_seconds, 0, 86400, "0",
            "seconds for which a frame like the last one of the same question and key gets the "
            "same answer; 0: never"),
    INTEGER("memory.bytes", memory_bytes, 0, 1 << 30, "4194304",
            "frames and answers remembered, bytes", .needs_restart = true),

    CHOICE("forward.tier", forward_tier, tier_names, "edge",
           "where requests that are not chats (embeddings, transcriptions) go, if their model "
           "names no tier"),

    CHOICE("fetch.enabled", fetch_enabled, bool_names, "false",
           "true: http and https image URLs are fetched by the gateway; false: refused"),
    TEXT("fetch.allow", fetch_allow, "",
         "addresses and CIDR prefixes to fetch from besides public ones, with commas"),
    INTEGER("fetch.bytes", fetch_max_bytes, 1, 1 << 30, "20971520", "a remote image, bytes"),
    INTEGER("fetch.timeout_ms", fetch_timeout_ms, 1, 600000, "10000",
            "ms for a remote image, redirects included"),
    INTEGER("fetch.redirects", fetch_max_redirects, 0, 20, "3", "redirects followed, at most"),
    INTEGER("fetch.concurrency", fetch_concurrency, 1, 64, "4", "remote images fetched at once",
            .needs_restart = true),

    INTEGER("limits.body_bytes", max_body_bytes, 1024, 1 << 30, "67108864", "request body, bytes"),
    INTEGER("limits.header_bytes", max_header_bytes, 256, 1 << 20, "32768",
            "request line and headers, bytes"),
    INTEGER("limits.text_bytes", max_text_bytes, 1, 1 << 26, "2097152",
            "all text of a request, bytes"),
    INTEGER("limits.images", max_images, 0, MOA_MODALITIES_MAX - 1, "16",
            "images since the last answer"),
    INTEGER("limits.image_px", max_image_px, 1, 1 << 30, "67108864", "pixels of an image"),
    INTEGER("limits.request_px", max_request_px, 1, 1LL << 40, "536870912",
            "pixels of those of a request's images that are not in the cache, in all"),
    INTEGER("limits.memory_bytes", max_memory_bytes, 0, 1LL << 46, "0",
            "bytes that all bodies in flight, and again that all pictures being decoded, may take, "
            "and a quarter of it pixels that wait for a decision; 0: a quarter of what the control "
            "group or the machine has"),
    INTEGER("limits.connections", max_connections, 1, 1 << 20, "4096", "client connections"),
    INTEGER("limits.requests", max_requests, 1, 1 << 20, "2048", "requests in progress at once"),
    INTEGER("limits.header_timeout_ms", header_timeout_ms, 1, 3600000, "10000",
            "ms for a request's head to arrive"),
    INTEGER("limits.body_timeout_ms", body_timeout_ms, 1, 3600000, "30000",
            "ms without a byte of a begun body"),
    INTEGER("limits.body_total_ms", body_total_ms, 1, 86400000, "300000",
            "ms for all of a request's body to arrive"),
    INTEGER("limits.keepalive_timeout_ms", keepalive_timeout_ms, 1, 3600000, "75000",
            "ms an idle client connection is kept"),
    INTEGER("limits.send_timeout_ms", send_timeout_ms, 1, 3600000, "60000",
            "ms without the client taking a byte of its answer"),

    CHOICE("metrics.genai", metrics_genai, bool_names, "false",
           "true: /metrics has OpenTelemetry's gen_ai_* as well as moaoff_*"),

    TEXT("traces.endpoint", traces_endpoint, "",
         "URL of an OpenTelemetry collector for traces, such as http://127.0.0.1:4318/v1/traces; "
         "empty: none"),
    NUMBER("traces.ratio", traces_ratio, 0, 1, "1",
           "share of requests traced where the client's traceparent does not decide it"),
    TEXT("traces.headers_env", traces_headers_env, "",
         "environment variable with headers for it, as OTEL_EXPORTER_OTLP_HEADERS: "
         "name=value,name=value; empty: none"),
    TEXT("traces.ca_file", traces_ca_file, "",
         "PEM file of certificates that its https is verified against; empty: the system's"),

    TEXT("journal.path", journal_path, "",
         "SQLite file of decisions and their outcomes; empty: none", .needs_restart = true),
    INTEGER("journal.max_age_days", journal_max_age_days, 1, 36500, "30",
            "days after which a row is deleted"),
    INTEGER("journal.max_bytes", journal_max_bytes, 1 << 20, 1e12, "268435456",
            "bytes above which the oldest rows are deleted"),

    TEXT("fleet.servers", fleet.servers, "",
         "NATS servers that get the journal's rows, without what was asked or answered, between "
         "commas: nats://HOST:4222, tls://...; empty: none",
         .needs_restart = true),
    TEXT("fleet.group", fleet.group, "default", "boxes that are looked at together",
         .needs_restart = true),
    TEXT("fleet.box", fleet.box, "", "this box's name among them; empty: the host's name",
         .needs_restart = true),
    INTEGER("fleet.bytes_per_s", fleet.bytes_per_s, 256, 1e9, "16384",
            "bytes a second sent to them, at most"),
    TEXT("fleet.credentials", fleet.credentials, "",
         "file of user credentials (.creds) for them; empty: none", .needs_restart = true),
    TEXT("fleet.nkey", fleet.nkey, "", "public key of an NKey user (U...), instead; empty: none",
         .needs_restart = true),
    TEXT("fleet.nkey_seed", fleet.nkey_seed, "", "file with its seed", .needs_restart = true),
    TEXT("fleet.ca_file", fleet.ca_file, "",
         "PEM file of certificates that their TLS is verified against; empty: the system's",
         .needs_restart = true),
    TEXT("fleet.tls_certificate", fleet.tls_certificate, "",
         "PEM file with a certificate of this box for them; empty: none", .needs_restart = true),
    TEXT("fleet.tls_key", fleet.tls_key, "", "PEM file with its private key",
         .needs_restart = true),
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) <= CONFIG_KEYS_MAX - MOA_POLICY_PARAMS_MAX,
               "CONFIG_KEYS_MAX is too small");

static void add_policy_keys(struct config_table *t)
{
    const struct moa_policy_param *param;
    for (size_t i = 0; (param = moa_policy_param(NULL, i)) && i < MOA_POLICY_PARAMS_MAX; i++) {
        t->rows[t->n++] = (struct config_key){
            .path = param->key,
            .type = KEY_POLICY,
            .offset = AT(policy_settings) + i * sizeof(struct moa_policy_setting),
            .min = param->min,
            .max = param->max,
            .help = param->help,
            .choices = param->choices,
            .param = param,
        };
    }
}

void config_table_make(struct config_table *ret_table)
{
    ret_table->n = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].type == KEY_POLICIES)
            add_policy_keys(ret_table);
        else
            ret_table->rows[ret_table->n++] = keys[i];
    }
}

/* ---- what there is to say of them ---- */

static struct config_fact fact_of(const struct config_key *key, const struct config *defaults,
                                  char *buffer, size_t n)
{
    const bool is_number = key->type == KEY_INTEGER || key->type == KEY_NUMBER ||
                           (key->type == KEY_POLICY && !key->choices);
    buffer[0] = '\0';
    if (key->type == KEY_TEXT || key->type == KEY_URLS)
        snprintf(buffer, n, "\"%s\"", key->fallback);
    else if (key->type == KEY_LIST)
        snprintf(buffer, n, "[]");
    else if (key->fallback)
        snprintf(buffer, n, "%s", key->fallback);
    else if (key->type == KEY_POLICY && key->choices)
        snprintf(buffer, n, "%s", key->choices[(size_t)key->param->fallback]);
    else if (key->type == KEY_POLICY)
        snprintf(buffer, n, "%.15g", key->param->fallback);
    else
        snprintf(buffer, n, "%.15g", *(const double *)((const char *)defaults + key->offset));
    return (struct config_fact){
        .path = key->path,
        .help = key->help,
        .fallback = buffer,
        .unit = key->type == KEY_POLICY ? key->param->unit : "",
        .min = is_number ? key->min : NAN,
        .max = is_number ? key->max : NAN,
        .choices = key->choices,
        .needs_restart = key->needs_restart,
    };
}

void config_explain(void (*on_key)(const struct config_fact *fact, void *on_key_arg),
                    void *on_key_arg)
{
    struct config *defaults = NULL;
    struct config_error error;
    struct config_table table;
    char fallback[512];
    config_table_make(&table);
    if (config_load(NULL, NULL, CONFIG_TO_LOOK, &defaults, &error) || !defaults)
        return;
    for (size_t i = 0; i < table.n; i++) {
        const struct config_fact fact =
            fact_of(&table.rows[i], defaults, fallback, sizeof(fallback));
        on_key(&fact, on_key_arg);
    }
    config_free(defaults);
}

/* ---- the commented file of defaults ---- */

struct defaults_page {
    FILE *out;
    const char *former; /* path of the row before */
};

static int depth_of(const char *path)
{
    int depth = 0;
    for (const char *dot = path; (dot = strchr(dot, '.')); dot++)
        depth++;
    return depth;
}

/* The sections of `path` that the row before, `former`, was not in. */
static void print_sections(const char *path, const char *former, FILE *out)
{
    int depth = 0;
    for (const char *begin = path, *dot; (dot = strchr(begin, '.')); begin = dot + 1, depth++) {
        const size_t n = (size_t)(dot + 1 - path);
        if (strncmp(path, former, n) != 0)
            fprintf(out, "%*s%.*s:\n", 2 * depth, "", (int)(dot - begin), begin);
    }
}

static void print_default(const struct config_fact *fact, void *page_arg)
{
    struct defaults_page *page = page_arg;
    FILE *out = page->out;
    const char *name = strrchr(fact->path, '.');
    print_sections(fact->path, page->former, out);
    page->former = fact->path;
    fprintf(out, "%*s%s: %s  # %s", 2 * depth_of(fact->path), "", name ? name + 1 : fact->path,
            fact->fallback, fact->help);
    if (fact->unit[0])
        fprintf(out, ", %s", fact->unit);
    if (!isnan(fact->min))
        fprintf(out, " [%.15g, %.15g]", fact->min, fact->max);
    fputs(fact->needs_restart ? "; needs a restart\n" : "\n", out);
}

void config_print_defaults(FILE *out)
{
    config_explain(print_default, &(struct defaults_page){.out = out, .former = ""});
}
