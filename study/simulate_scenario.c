/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenarios; see simulate_scenario.h. YAML by libyaml: a key is the section's name, a dot
 * and its own, and every key is a row of one table.
 */
#include "simulate_scenario.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include <moaoff/policy.h>

/* ---- keys ---- */

enum scenario_type { TYPE_NUMBER, TYPE_WHOLE, TYPE_CHOICE, TYPE_PATH };

struct scenario_key {
    const char *name;
    enum scenario_type type;
    size_t offset;
    double min, max, fallback;
    const char *const *choices;
};

static const char *const processes[] = {"poisson", "regular", "bursts", NULL};
static const char *const scenes[] = {"fresh", "repeated", NULL};
static const char *const services[] = {"constant", "exponential", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};

#define AT(member) offsetof(struct scenario, member)
#define NUMBER(name, member, min, max, fallback)                                                   \
    {                                                                                              \
        name, TYPE_NUMBER, AT(member), min, max, fallback, NULL                                    \
    }
#define WHOLE(name, member, min, max, fallback)                                                    \
    {                                                                                              \
        name, TYPE_WHOLE, AT(member), min, max, fallback, NULL                                     \
    }
#define CHOICE(name, member, names, fallback)                                                      \
    {                                                                                              \
        name, TYPE_CHOICE, AT(member), 0, 0, fallback, names                                       \
    }
#define PATH(name, member)                                                                         \
    {                                                                                              \
        name, TYPE_PATH, AT(member), 0, 0, 0, NULL                                                 \
    }
#define TIER(name, k, fallback)                                                                    \
    PATH(name ".profile", tier[k].profile_path),                                                   \
        NUMBER(name ".service_ms", tier[k].service_ms, 0.001, 1e7, fallback),                      \
        CHOICE(name ".service", tier[k].service, services, TIER_CONSTANT),                         \
        WHOLE(name ".slots", tier[k].slots, 0, 4096, 0),                                           \
        WHOLE(name ".engines", tier[k].engines, 1, 1024, 1)

static const struct scenario_key keys[] = {
    WHOLE("requests", requests, 1, 1e8, 100000),
    WHOLE("warmup", warmup, 0, 1e8, 0),
    WHOLE("blocks", blocks, 0, 1000, 0),
    WHOLE("boxes", boxes, 1, 1000, 1),
    WHOLE("seed", seed, 0, 1e15, 1),
    NUMBER("arrivals.rate", arrivals.rate, 1e-6, 1e6, 5),
    NUMBER("arrivals.warmup_rate", arrivals.warmup_rate, 0, 1e6, 0),
    CHOICE("arrivals.process", arrivals.process, processes, ARRIVALS_POISSON),
    NUMBER("arrivals.burst", arrivals.burst, 1, 1e4, 8),
    PATH("arrivals.file", arrivals.path),
    PATH("records.edge", records.path[MOA_EDGE]),
    PATH("records.cloud", records.path[MOA_CLOUD]),
    CHOICE("records.scenes", records.scenes, scenes, SCENES_FRESH),
    CHOICE("records.labels", records.labels, no_yes, 0),
    NUMBER("request.text_bytes", request.text_bytes, 0, 1e8, 200),
    NUMBER("request.text_complexity", request.text_complexity, 0, 1, 0.3),
    WHOLE("request.answer_tokens", request.answer_tokens, 1, 1e6, 2),
    WHOLE("request.images", request.images, 0, 64, 1),
    WHOLE("request.image_width_px", request.image_width_px, 1, 65535, 640),
    WHOLE("request.image_height_px", request.image_height_px, 1, 65535, 480),
    NUMBER("request.image_bytes", request.image_bytes, 0, 1e9, 60000),
    NUMBER("request.image_complexity_min", request.image_complexity_min, 0, 1, 0),
    NUMBER("request.image_complexity_max", request.image_complexity_max, 0, 1, 1),
    CHOICE("request.stream", request.stream, no_yes, 0),
    NUMBER("request.deadline_s", request.deadline_s, 0, 1e6, 0),
    TIER("edge", MOA_EDGE, 100),
    TIER("cloud", MOA_CLOUD, 150),
    NUMBER("link.mbps", link.mbps, 0.001, 1e6, 20),
    NUMBER("link.rtt_ms", link.rtt_ms, 0, 1e5, 40),
    NUMBER("link.seen_rtt_ms", link.seen_rtt_ms, -1, 1e5, -1),
    NUMBER("link.loss", link.loss, 0, 0.5, 0),
    CHOICE("link.slow_start", link.slow_start, no_yes, 1),
    NUMBER("link.outage_every_s", link.outage_every_s, 0, 1e9, 0),
    NUMBER("link.outage_s", link.outage_s, 0, 1e9, 60),
    NUMBER("link.notice_s", link.notice_s, 0, 1e6, 2),
    NUMBER("gateway_ms", gateway_ms, 0, 1e5, 0),
    NUMBER("cloud_queue", cloud_queue, 0, 1000, 2),
    NUMBER("prices.million_prompt_tokens", prices.million_prompt_tokens, 0, 1e6, 0),
    NUMBER("prices.million_answer_tokens", prices.million_answer_tokens, 0, 1e6, 0),
    NUMBER("prices.picture", prices.picture, 0, 1e6, 0),
    NUMBER("prices.gigabyte", prices.gigabyte, 0, 1e6, 0),
    NUMBER("prices.edge_hour", prices.edge_hour, 0, 1e6, 0),
    NUMBER("prices.cloud_hour", prices.cloud_hour, 0, 1e6, 0),
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static void *place_of(const struct scenario_key *key, struct scenario *scenario)
{
    return (char *)scenario + key->offset;
}

void scenario_init(struct scenario *ret_scenario)
{
    memset(ret_scenario, 0, sizeof(*ret_scenario));
    for (size_t i = 0; i < N_KEYS; i++) {
        void *place = place_of(&keys[i], ret_scenario);
        if (keys[i].type == TYPE_CHOICE)
            *(int *)place = (int)keys[i].fallback;
        else if (keys[i].type != TYPE_PATH)
            *(double *)place = keys[i].fallback;
    }
}

static const struct scenario_key *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* ---- values ---- */

/* Where complaints go, and what stands before them. */
struct scenario_reader {
    struct scenario *scenario;
    const char *folder; /* of files that are named; "": as they are */
    int folder_bytes;
    char where[SCENARIO_PATH_BYTES + 32];
    char *why;
    size_t n_why;
};

__attribute__((format(printf, 2, 3))) static int complain(struct scenario_reader *r,
                                                          const char *format, ...)
{
    va_list args;
    const int head = snprintf(r->why, r->n_why, "%s", r->where);
    va_start(args, format);
    if (head >= 0 && (size_t)head < r->n_why)
        vsnprintf(r->why + head, r->n_why - (size_t)head, format, args);
    va_end(args);
    return -1;
}

static int take_number(struct scenario_reader *r, const struct scenario_key *key, const char *text)
{
    char *end;
    errno = 0;
    const double number = strtod(text, &end);
    const bool whole = key->type == TYPE_WHOLE;
    if (end == text || *end || errno || !(number >= key->min && number <= key->max) ||
        (whole && number != floor(number)))
        return complain(r, "%s must be a %s from %.15g to %.15g, not \"%s\"", key->name,
                        whole ? "whole number" : "number", key->min, key->max, text);
    *(double *)place_of(key, r->scenario) = number;
    return 0;
}

static int take_choice(struct scenario_reader *r, const struct scenario_key *key, const char *text)
{
    char names[128] = "";
    for (int i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            *(int *)place_of(key, r->scenario) = i;
            return 0;
        }
        const size_t n = strlen(names);
        snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? " or " : "", key->choices[i]);
    }
    return complain(r, "%s must be %s, not \"%s\"", key->name, names, text);
}

static int take_path(struct scenario_reader *r, const struct scenario_key *key, const char *text)
{
    const bool beside = text[0] && text[0] != '/' && r->folder_bytes > 0;
    const int n = snprintf(place_of(key, r->scenario), SCENARIO_PATH_BYTES, "%.*s%s",
                           beside ? r->folder_bytes : 0, r->folder, text);
    if (n < 0 || n >= SCENARIO_PATH_BYTES)
        return complain(r, "%s is too long", key->name);
    return 0;
}

static int take(struct scenario_reader *r, const char *name, const char *text)
{
    const struct scenario_key *key = find_key(name);
    if (!key)
        return complain(r, "there is no key \"%s\"", name);
    switch (key->type) {
    case TYPE_PATH:
        return take_path(r, key, text);
    case TYPE_CHOICE:
        return take_choice(r, key, text);
    default:
        return take_number(r, key, text);
    }
}

int scenario_set(struct scenario *scenario, const char *setting, char *why, size_t n)
{
    struct scenario_reader r = {.scenario = scenario, .folder = "", .why = why, .n_why = n};
    char name[64];
    const size_t length = strcspn(setting, "=");
    if (!setting[length] || length >= sizeof(name))
        return complain(&r, "\"%s\" is not KEY=VALUE", setting);
    memcpy(name, setting, length);
    name[length] = '\0';
    return take(&r, name, setting + length + 1);
}

/* ---- the file ---- */

static void set_place(struct scenario_reader *r, const char *path, const yaml_node_t *node)
{
    snprintf(r->where, sizeof(r->where), "%s:%zu: ", path,
             node ? node->start_mark.line + 1 : (size_t)1);
}

/* Keys of a mapping; `section` "" is the outermost one, whose values may be mappings. */
static int read_section(struct scenario_reader *r, yaml_document_t *document, const char *path,
                        const char *section, const yaml_node_t *node)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(document, pair->value);
        char name[64];
        set_place(r, path, key);
        if (key->type != YAML_SCALAR_NODE)
            return complain(r, "a key is a word");
        snprintf(name, sizeof(name), "%s%s%.40s", section, section[0] ? "." : "",
                 (const char *)key->data.scalar.value);
        if (value->type == YAML_SCALAR_NODE) {
            if (take(r, name, (const char *)value->data.scalar.value))
                return -1;
        } else if (value->type == YAML_MAPPING_NODE && !section[0]) {
            if (read_section(r, document, path, name, value))
                return -1;
        } else {
            return complain(r, "%s must be a value%s", name, section[0] ? "" : " or a section");
        }
    }
    return 0;
}

static int read_root(struct scenario_reader *r, yaml_document_t *document, const char *path)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    set_place(r, path, root);
    if (!root)
        return 0;
    if (root->type != YAML_MAPPING_NODE)
        return complain(r, "keys and values are wanted");
    return read_section(r, document, path, "", root);
}

int scenario_read(const char *path, struct scenario *scenario, char *why, size_t n)
{
    const char *slash = strrchr(path, '/');
    struct scenario_reader r = {.scenario = scenario,
                                .folder = path,
                                .folder_bytes = slash ? (int)(slash - path) + 1 : 0,
                                .why = why,
                                .n_why = n};
    yaml_parser_t parser;
    yaml_document_t document;
    FILE *in = fopen(path, "re");
    if (!in || !yaml_parser_initialize(&parser)) {
        complain(&r, "%s: %s", path, in ? "out of memory" : strerror(errno));
        if (in)
            fclose(in);
        return -1;
    }
    yaml_parser_set_input_file(&parser, in);
    int failed = -1;
    if (yaml_parser_load(&parser, &document)) {
        failed = read_root(&r, &document, path);
        yaml_document_delete(&document);
    } else {
        complain(&r, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                 parser.problem ? parser.problem : "is no YAML");
    }
    yaml_parser_delete(&parser);
    fclose(in);
    return failed;
}

/* ---- together ---- */

int scenario_finish(struct scenario *scenario, char *why, size_t n)
{
    struct scenario *s = scenario;
    for (int t = MOA_EDGE; t <= MOA_CLOUD; t++) {
        struct scenario_tier *tier = &s->tier[t];
        if (tier->profile_path[0] && profile_read(tier->profile_path, &tier->profile, why, n))
            return -1;
        if (tier->profile_path[0] && tier->slots > 0)
            tier->profile.slots = (size_t)tier->slots;
        if (tier->slots <= 0)
            tier->slots = tier->profile_path[0] ? (double)tier->profile.slots : 1;
    }
    const char *wrong = NULL;
    if (!s->records.path[0][0] != !s->records.path[1][0])
        wrong = "records.edge and records.cloud go together";
    else if (s->request.image_complexity_min > s->request.image_complexity_max)
        wrong = "request.image_complexity_min is above request.image_complexity_max";
    else if (s->warmup >= s->requests)
        wrong = "warmup leaves none of the requests";
    if (wrong)
        snprintf(why, n, "%s", wrong);
    return wrong ? -1 : 0;
}

struct tier_plan scenario_plan(const struct scenario_tier *tier)
{
    return (struct tier_plan){.profile = tier->profile_path[0] ? &tier->profile : NULL,
                              .slots = (size_t)tier->slots,
                              .service_ms = tier->service_ms,
                              .service = (enum tier_service)tier->service};
}

static void print_value(const struct scenario_key *key, const struct scenario *scenario, FILE *out)
{
    const void *place = (const char *)scenario + key->offset;
    if (key->type == TYPE_PATH)
        fprintf(out, "\"%s\"\n", (const char *)place);
    else if (key->type == TYPE_CHOICE)
        fprintf(out, "%s\n", key->choices[*(const int *)place]);
    else
        fprintf(out, "%.15g\n", *(const double *)place);
}

void scenario_print(const struct scenario *scenario, FILE *out)
{
    const char *section = "";
    size_t n_section = 0;
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *dot = strchr(keys[i].name, '.');
        const size_t n = dot ? (size_t)(dot - keys[i].name) : 0;
        if (dot && (n != n_section || strncmp(section, keys[i].name, n) != 0))
            fprintf(out, "%.*s:\n", (int)n, keys[i].name);
        section = keys[i].name;
        n_section = n;
        fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : keys[i].name);
        print_value(&keys[i], scenario, out);
    }
}
