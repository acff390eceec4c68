/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of `moaoff serve`: one YAML file, read once, immutable afterwards. Every key
 * stands in one table in config.c with its default, unit, range and meaning;
 * config_print_defaults() prints that table as a commented file.
 */
#ifndef MOA_GATEWAY_CONFIG_H
#define MOA_GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <moaoff/moaoff.h>

#include "address.h"
#include "budget.h"
#include "probe.h"

/** Of URLs at least one. */
struct text_list {
    char **items;
    size_t n;
};

struct tier_config {
    struct text_list urls;  /* base URLs up to and including /v1, without a trailing slash */
    char *model;            /* replaces the request's model; "" leaves it */
    char *api_key_env;      /* environment variable that holds the API key; "": none */
    char *api_key_file;     /* file that holds the API key in its first line; "": none */
    char *api_key;          /* what one of the two held when it was read; "": none */
    char *ca_file;          /* certificates that https is verified against; "": the system's */
    int64_t slots;          /* requests an endpoint works on at once; 0: what the engine says */
    int64_t poll_ms;        /* edge only; 0: never */
    int64_t cpu_counts;     /* edge only; boolean */
    int64_t patience_ms;    /* edge only */
    double uplink_mbps;     /* cloud only; NaN is unknown */
    int64_t uplink_uploads; /* cloud only; 0: uplink_mbps stands */
    int64_t uplink_near;    /* cloud only; boolean */
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t dead_link_ms;     /* 0: the system's */
    char *modalities;         /* names between commas; "": what the engine says */
    int64_t context_tokens;   /* 0: what the engine says */
    struct probe_takes takes; /* the same, ready for use */
    int64_t image_tokens;     /* of one image, at most; 0: no limit */
    int64_t image_set_tokens; /* of images that are one set, together, at most; 0: no limit */
    char *image_formats;      /* names between commas; "": any */
    int64_t image_min_px;
    int64_t image_upright;                 /* bool */
    int64_t image_flatten;                 /* bool */
    int64_t images_first;                  /* bool */
    char *speaks;                          /* "auto", or names between commas */
    unsigned speaks_set;                   /* the same, ready for use; see speaks.h */
    struct moa_recode_target image_target; /* the same, ready for use */
};

/** The edge's engine, if it is the gateway's to run. */
struct program_config {
    struct text_list command;     /* the program and its arguments; empty: it is not */
    struct text_list environment; /* NAME, as the gateway has it, or NAME=VALUE */
    int64_t memory_bytes;         /* 0: no limit */
    int64_t idle_s;               /* 0: never ended for want of requests */
    int64_t start_ms;
    int64_t stop_ms;
    int64_t restarts; /* in a row */
    int64_t warm_up;  /* bool */
};

#define CONFIG_FLEET_NAME_BYTES 65 /* of a box or a group, with its end */

/** Where rows of the journal go, beside its file. */
struct fleet_config {
    char *servers; /* URLs of NATS servers, between commas; "": there is no fleet */
    char *credentials, *nkey, *nkey_seed;
    char *ca_file, *tls_certificate, *tls_key;
    char *box; /* "": the host's name; see config_fleet_box() */
    char *group;
    int64_t bytes_per_s;
};

struct config {
    char *listen_host;
    int64_t listen_port;   /* 0: any free port */
    char *tls_certificate; /* PEM; "": no TLS */
    char *tls_key;
    int64_t insecure;   /* bool: serve beyond loopback without keys */
    char *cors_origins; /* web pages that may call, between commas; "*": all; "": none */
    char *keys_file;    /* see keys.h; "": no key is asked for */
    char *pin;          /* kinds that are pinned to the edge in every request */
    unsigned pins;      /* the same, ready for use; see pins.h */
    char *pin_models;   /* patterns of model names that are pinned to the edge */
    char *policy;
    int64_t list_policies; /* bool */
    int64_t workers;       /* 0: one per core */
    int64_t log_level;     /* enum log_level */
    int64_t log_format;    /* enum log_format */

    /* Every parameter of every policy, in the order of moa_policy_param(NULL, i). */
    struct moa_policy_setting policy_settings[MOA_POLICY_PARAMS_MAX + 1];
    struct moa_image_params image;
    struct moa_text_params text;
    struct moa_sound_params sound;
    struct moa_film_params film;
    double file_bytes;
    struct tier_config tier[2]; /* by enum moa_tier */
    struct program_config program;

    struct budget_terms budget; /* of the cloud */
    char *currency;             /* of its money; "" */
    int64_t escalation_gap_s;   /* between two of a key; 0: none */
    double cloud_queue;         /* calls that may wait there, in multiples of its slots */

    int64_t breaker_failures;
    int64_t breaker_retry_ms;
    int64_t breaker_busy_ms;
    int64_t breaker_unavailable_ms; /* 0: never */
    int64_t breaker_misconfigured_ms;
    int64_t stream_keepalive_ms; /* 0: none */

    char *perceive_prompt_alone; /* where the text may not leave with the image */
    char *perceive_prompt;       /* with {question} */
    char *perceive_evidence;     /* with {index} and {evidence} */
    int64_t perceive_max_tokens;
    char *perceive_extra; /* a JSON object; "": nothing */

    int64_t jpeg_quality;
    int64_t cache_bytes;
    int64_t memory_seconds; /* 0: no answer is given twice */
    int64_t memory_bytes;
    int64_t forward_tier;  /* enum moa_tier */
    int64_t fetch_enabled; /* bool */
    char *fetch_allow;
    struct address_list fetch_allowed; /* the same, ready for use */
    int64_t fetch_max_bytes;
    int64_t fetch_timeout_ms;
    int64_t fetch_max_redirects;
    int64_t fetch_concurrency;

    int64_t max_body_bytes;
    int64_t max_header_bytes;
    int64_t max_text_bytes;
    int64_t max_images;
    int64_t max_image_px;
    int64_t max_request_px;
    int64_t max_memory_bytes; /* 0: a share of what there is */
    int64_t max_connections;
    int64_t max_requests;
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    int64_t body_total_ms;
    int64_t keepalive_timeout_ms;
    int64_t send_timeout_ms;

    int64_t metrics_genai; /* bool */

    char *traces_endpoint;           /* of a collector, up to its page; "": no traces */
    double traces_ratio;             /* of requests without a trace of the client's */
    char *traces_ca_file;            /* "": the system's */
    char *traces_headers_env;        /* variable that holds further headers; "": none */
    struct text_list traces_headers; /* the same, as name, value, name, value, ... */

    char *journal_path; /* "": no journal */
    int64_t journal_max_age_days;
    int64_t journal_max_bytes;

    struct fleet_config fleet;
};

/** Why a configuration was refused: line 0 if no line is at fault. */
struct config_error {
    unsigned line;
    char message[256];
};

/** Only who asks engines needs the keys, certificates and variables that a configuration names, and
 * only a gateway the folders that it writes to. */
enum config_use { CONFIG_TO_LOOK, CONFIG_TO_ASK, CONFIG_TO_SERVE };

/** The value of a key from elsewhere than the file, and stronger. Lists end with a NULL key; a list
 * of URLs stands there once for each. */
struct config_override {
    const char *key, *value;
};

/**
 * Reads the file at `path` ("-": standard input; NULL: defaults only), and `overrides` (NULL: none)
 * over it. Returns 0 and a configuration to be freed with config_free(), or -1 and `ret_error`.
 */
int config_load(const char *path, const struct config_override *overrides, enum config_use use,
                struct config **ret_config, struct config_error *ret_error);

/** The same from text alone. */
int config_parse(struct moa_bytes yaml, enum config_use use, struct config **ret_config,
                 struct config_error *ret_error);

/**
 * Gives the keys that need a restart the values with which the gateway runs; `on_kept` is told each
 * that the file would have changed. 0, or -1 if out of memory.
 */
int config_keep_running(const struct config *running, struct config *fresh,
                        void (*on_kept)(const char *key));

/** NULL is allowed. */
void config_free(struct config *config);

/** Whether the patterns of `pin_models` name `model`, in any case of letters. */
bool config_pins_model(const struct config *config, const char *model);

/** Whether strangers are kept out: it listens on this machine only, or asks for keys, or is told to
 * do without. */
bool config_is_guarded(const struct config *config);

/** The name of this box in its fleet: what the configuration says, or the host's name with "-" for
 * what no name may have. */
void config_fleet_box(const struct config *config, char ret_name[CONFIG_FLEET_NAME_BYTES]);

/** The file that the program `name` is: itself if there is a slash in it, or found in PATH. 0, or
 * -1 with errno. */
int config_find_program(const char *name, char *ret_path, size_t n);

/** Whether the environment of a program that the gateway starts may have `entry`, "NAME=VALUE":
 * not if one of the gateway's own secrets is in it. */
bool config_may_tell(const struct config *config, const char *entry);

/** Every key with its default, unit, range and meaning, as a YAML file. */
void config_print_defaults(FILE *out);

/** What there is to say of a key, borrowed for the time of a call. */
struct config_fact {
    const char *path, *help;
    const char *fallback;       /* the default as YAML has it; "": nothing */
    const char *unit;           /* "" if it has none, or `help` says it */
    double min, max;            /* of a number; NaN if it has no range */
    const char *const *choices; /* NULL at the end; NULL: any */
    bool needs_restart;
};

/** Tells of every key, in the order in which they are printed. */
void config_explain(void (*on_key)(const struct config_fact *fact, void *on_key_arg),
                    void *on_key_arg);

#endif
