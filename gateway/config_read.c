/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to struct config by the table of keys; see config.h. libyaml gives the events and their
 * lines; the table gives types, ranges and defaults, so that every fault is reported with its line.
 */
#include "config_private.h"

#include <assert.h>
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
#define URLS_MAX 16
#define WORDS_MAX 256

struct config_reader {
    yaml_parser_t *parser;
    size_t included_at; /* the line of the include that is being read; 0: none */
    struct config *config;
    struct config_error *error;
    enum config_use use;
    const struct config_table *table;
    size_t line[CONFIG_KEYS_MAX]; /* where each key was read; 0: default */
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

static int set_text(const struct config_key *key, struct config *config, const char *value,
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

/* The first `n` bytes of `value`. */
static int append(struct text_list *list, const char *value, size_t n, struct config_error *error,
                  size_t line)
{
    char **longer = realloc(list->items, (list->n + 1) * sizeof(*longer));
    if (longer)
        list->items = longer;
    char *copy = longer ? strndup(value, n) : NULL;
    if (!copy)
        return fail(error, line, "out of memory");
    list->items[list->n++] = copy;
    return 0;
}

static int add_url(const struct config_key *key, struct text_list *list, const char *value,
                   struct config_error *error, size_t line)
{
    size_t n = strlen(value);
    char why[200];
    if (config_check_url(value, why, sizeof(why)))
        return fail(error, line, "\"%s\" %s", key->path, why);
    if (value[n - 1] == '/')
        n--;
    for (size_t i = 0; i < list->n; i++) {
        if (strncmp(list->items[i], value, n) == 0 && !list->items[i][n])
            return fail(error, line, "\"%s\" names %.150s twice", key->path, value);
    }
    return append(list, value, n, error, line);
}

static bool is_list(const struct config_key *key)
{
    return key->type == KEY_URLS || key->type == KEY_LIST;
}

static int add_item(const struct config_key *key, struct config *config, const char *value,
                    struct config_error *error, size_t line)
{
    struct text_list *list = (struct text_list *)((char *)config + key->offset);
    const size_t most = key->type == KEY_URLS ? URLS_MAX : WORDS_MAX;
    if (list->n == most)
        return fail(error, line, "\"%s\" has more than %zu entries", key->path, most);
    return key->type == KEY_URLS ? add_url(key, list, value, error, line)
                                 : append(list, value, strlen(value), error, line);
}

/* A single value in the place of a list is a list of one; nothing, of words, is none. A command
 * line in one piece is for a shell, and there is none. */
static int set_list(const struct config_key *key, struct config *config, const char *value,
                    struct config_error *error, size_t line)
{
    list_clear((struct text_list *)((char *)config + key->offset));
    if (key->type == KEY_LIST && strpbrk(value, " \t\n"))
        return fail(error, line, "\"%s\" must be a list of words: [one, two]", key->path);
    return key->type == KEY_LIST && !value[0] ? 0 : add_item(key, config, value, error, line);
}

static struct moa_policy_setting *setting_at(const struct config_key *key, struct config *config)
{
    return (struct moa_policy_setting *)((char *)config + key->offset);
}

static int set_number(const struct config_key *key, struct config *config, const char *value,
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
    if (key->type == KEY_POLICY) {
        setting_at(key, config)->value = number;
    } else if (key->type == KEY_INTEGER) {
        if (number != floor(number))
            return fail(error, line, "\"%s\" is not a whole number: \"%s\"", key->path, value);
        *(int64_t *)((char *)config + key->offset) = (int64_t)number;
    } else {
        *(double *)((char *)config + key->offset) = number;
    }
    return 0;
}

static int set_choice(const struct config_key *key, struct config *config, const char *value,
                      struct config_error *error, size_t line)
{
    for (int64_t i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], value) != 0)
            continue;
        if (key->type == KEY_POLICY)
            setting_at(key, config)->value = (double)i;
        else
            *(int64_t *)((char *)config + key->offset) = i;
        return 0;
    }
    char all[160];
    config_list_names(key->choices, all, sizeof(all));
    return fail(error, line, "\"%s\" cannot be \"%.60s\": it is %s", key->path, value, all);
}

static int set(const struct config_key *key, struct config *config, const char *value,
               struct config_error *error, size_t line)
{
    switch (key->type) {
    case KEY_TEXT:
        return set_text(key, config, value, error, line);
    case KEY_URLS:
    case KEY_LIST:
        return set_list(key, config, value, error, line);
    case KEY_INTEGER:
    case KEY_NUMBER:
        return set_number(key, config, value, error, line);
    case KEY_CHOICE:
        return set_choice(key, config, value, error, line);
    case KEY_POLICY:
        return key->choices ? set_choice(key, config, value, error, line)
                            : set_number(key, config, value, error, line);
    case KEY_POLICIES:
        break;
    }
    return -1;
}

/* ---- the file ---- */

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static int next_event(struct config_reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(r->parser, event))
        return 0;
    if (r->parser->error == YAML_MEMORY_ERROR)
        return fail(r->error, 0, "out of memory");
    return fail(r->error, r->parser->problem_mark.line + 1, "%s",
                r->parser->problem ? r->parser->problem : "not readable as YAML");
}

static const struct config_key *find_key(const struct config_table *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->rows[i].path, path) == 0)
            return &t->rows[i];
    }
    return NULL;
}

static bool is_section(const struct config_table *t, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < t->n; i++) {
        if (strncmp(t->rows[i].path, path, n) == 0 && t->rows[i].path[n] == '.')
            return true;
    }
    return false;
}

/* Notes where the key stands; a second time is a fault. */
static int note_line(struct config_reader *r, const struct config_key *key,
                     const yaml_event_t *event)
{
    size_t *line = &r->line[key - r->table->rows];
    if (*line)
        return fail(r->error, line_of(event), "\"%s\" appears twice", key->path);
    *line = r->included_at ? r->included_at : line_of(event);
    return 0;
}

/* A scalar with its variables replaced, to be freed; NULL after a fault, and with `ret_skip` if a
 * variable is missing that only a gateway needs. */
static char *read_scalar(struct config_reader *r, const struct config_key *key,
                         const yaml_event_t *event, bool *ret_skip)
{
    struct config_fault fault;
    bool unset;
    char *value = config_expand((const char *)event->data.scalar.value, &fault, &unset);
    *ret_skip = !value && unset && r->use == CONFIG_TO_LOOK;
    if (!value && !*ret_skip)
        fail(r->error, line_of(event), "\"%s\" %s", key->path, fault.what);
    return value;
}

static int read_item(struct config_reader *r, const struct config_key *key,
                     const yaml_event_t *item)
{
    bool skip;
    char *value = read_scalar(r, key, item, &skip);
    const int result = value ? add_item(key, r->config, value, r->error, line_of(item)) : -1;
    free(value);
    return skip ? 0 : result;
}

static int read_list(struct config_reader *r, const struct config_key *key,
                     const yaml_event_t *begin)
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
        if (end && list->n == 0 && key->type == KEY_URLS)
            result = fail(r->error, line_of(&item), "\"%s\" is an empty list", key->path);
        else if (!end && item.type != YAML_SCALAR_EVENT)
            result = fail(r->error, line_of(&item), "\"%s\" must list single values", key->path);
        else if (!end)
            result = read_item(r, key, &item);
        yaml_event_delete(&item);
        if (end || result)
            return result;
    }
}

static int read_value(struct config_reader *r, const char *path, const yaml_event_t *event)
{
    const struct config_key *key = find_key(r->table, path);
    if (!key)
        return fail(r->error, line_of(event), "\"%s\" needs a mapping", path);
    if (note_line(r, key, event))
        return -1;
    bool skip;
    char *value = read_scalar(r, key, event, &skip);
    const int result = value ? set(key, r->config, value, r->error, line_of(event)) : -1;
    free(value);
    return skip ? 0 : result;
}

static int read_text(struct config_reader *r, struct moa_bytes yaml);

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
static int read_include(struct config_reader *r, const yaml_event_t *value)
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

static int read_mapping(struct config_reader *r, const char *prefix, int depth);

static int read_entry(struct config_reader *r, const char *prefix, int depth,
                      const yaml_event_t *name)
{
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "",
                     (const char *)name->data.scalar.value);
    bool include = strcmp(path, "include") == 0;
    bool known = n > 0 && (size_t)n < sizeof(path) &&
                 (find_key(r->table, path) || is_section(r->table, path));
    if (!known && !include)
        return fail(r->error, line_of(name), "unknown key \"%s\"", path);

    const struct config_key *key = find_key(r->table, path);
    yaml_event_t value;
    if (next_event(r, &value))
        return -1;
    int result;
    if (include)
        result = read_include(r, &value);
    else if (value.type == YAML_SEQUENCE_START_EVENT && key && is_list(key))
        result = read_list(r, key, &value);
    else if (value.type == YAML_SCALAR_EVENT && is_section(r->table, path) &&
             !value.data.scalar.value[0])
        result = 0; /* "limits:" with nothing below it */
    else if (value.type == YAML_SCALAR_EVENT)
        result = read_value(r, path, &value);
    else if (value.type == YAML_MAPPING_START_EVENT && is_section(r->table, path))
        result = read_mapping(r, path, depth + 1);
    else
        result = fail(r->error, line_of(&value), "\"%s\" needs a single value", path);
    yaml_event_delete(&value);
    return result;
}

static int read_mapping(struct config_reader *r, const char *prefix, int depth)
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

static int read_document(struct config_reader *r)
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

static int read_text(struct config_reader *r, struct moa_bytes yaml)
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
static int check(const struct config_reader *r)
{
    struct config_fault fault;
    if (config_check(r->config, r->use, &fault) == 0)
        return 0;
    if (!fault.path)
        return fail(r->error, 0, "%s", fault.what);
    return fail(r->error, r->line[find_key(r->table, fault.path) - r->table->rows], "\"%s\" %s",
                fault.path, fault.what);
}

static int set_defaults(const struct config_table *t, struct config *config,
                        struct config_error *error)
{
    const struct moa_policy_param *param;
    moa_image_params_default(&config->image);
    moa_sound_params_default(&config->sound);
    moa_film_params_default(&config->film);
    for (size_t i = 0; (param = moa_policy_param(NULL, i)) && i < MOA_POLICY_PARAMS_MAX; i++)
        config->policy_settings[i] = (struct moa_policy_setting){param->key, param->fallback};
    for (size_t i = 0; i < t->n; i++) {
        if (t->rows[i].fallback && set(&t->rows[i], config, t->rows[i].fallback, error, 0))
            return -1;
    }
    return 0;
}

static int override(struct config_reader *r, const struct config_override *overrides)
{
    const struct config_key *before = NULL;
    for (const struct config_override *o = overrides; o && o->key; o++) {
        const struct config_key *key = find_key(r->table, o->key);
        assert(key);
        const bool more = key == before && is_list(key);
        if (more ? add_item(key, r->config, o->value, r->error, 0)
                 : set(key, r->config, o->value, r->error, 0))
            return -1;
        r->line[key - r->table->rows] = 0;
        before = key;
    }
    return 0;
}

static int parse(struct moa_bytes yaml, const struct config_override *overrides,
                 enum config_use use, struct config **ret_config, struct config_error *ret_error)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return fail(ret_error, 0, "out of memory");
    struct config_table table;
    config_table_make(&table);
    int result = set_defaults(&table, config, ret_error);
    struct config_reader r = {.config = config, .error = ret_error, .use = use, .table = &table};
    if (!result)
        result = read_text(&r, yaml);
    if (!result)
        result = override(&r, overrides);
    if (!result)
        result = check(&r);
    if (result)
        config_free(config);
    else
        *ret_config = config;
    return result;
}

int config_parse(struct moa_bytes yaml, enum config_use use, struct config **ret_config,
                 struct config_error *ret_error)
{
    return parse(yaml, NULL, use, ret_config, ret_error);
}

int config_load(const char *path, const struct config_override *overrides, enum config_use use,
                struct config **ret_config, struct config_error *ret_error)
{
    if (!path)
        return parse((struct moa_bytes){NULL, 0}, overrides, use, ret_config, ret_error);

    size_t n;
    char *text = load_text(path, &n, ret_error);
    if (!text)
        return -1;
    int result = parse((struct moa_bytes){text, n}, overrides, use, ret_config, ret_error);
    free(text);
    return result;
}

/* ---- what a reload leaves as it is ---- */

/* 1: it differed; -1: out of memory. */
static int keep_value(const struct config_key *key, const struct config *running,
                      struct config *fresh)
{
    const void *from = (const char *)running + key->offset;
    void *to = (char *)fresh + key->offset;
    if (key->type == KEY_TEXT) {
        const char *text = *(char *const *)from;
        char **slot = to;
        if (strcmp(text, *slot) == 0)
            return 0;
        char *copy = strdup(text);
        if (!copy)
            return -1;
        free(*slot);
        *slot = copy;
        return 1;
    }
    assert(key->type == KEY_INTEGER || key->type == KEY_CHOICE || key->type == KEY_NUMBER);
    _Static_assert(sizeof(double) == sizeof(int64_t), "both are kept as bytes");
    const bool differs = memcmp(from, to, sizeof(int64_t)) != 0;
    memcpy(to, from, sizeof(int64_t));
    return differs;
}

int config_keep_running(const struct config *running, struct config *fresh,
                        void (*on_kept)(const char *key))
{
    struct config_table table;
    config_table_make(&table);
    for (size_t i = 0; i < table.n; i++) {
        const struct config_key *key = &table.rows[i];
        const int kept = key->needs_restart ? keep_value(key, running, fresh) : 0;
        if (kept < 0)
            return -1;
        if (kept)
            on_kept(key->path);
    }
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    struct config_table table;
    config_table_make(&table);
    for (size_t i = 0; i < table.n; i++) {
        const struct config_key *key = &table.rows[i];
        if (key->type == KEY_TEXT)
            free(*(char **)((char *)config + key->offset));
        if (is_list(key))
            list_clear((struct text_list *)((char *)config + key->offset));
    }
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        char *secret = config->tier[tier].api_key;
        if (secret)
            explicit_bzero(secret, strlen(secret));
        free(secret);
    }
    config_clear_headers(&config->traces_headers);
    free(config);
}
