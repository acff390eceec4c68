/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a policy as words, and back; see policy_words.h.
 */
#include "policy_words.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- written ---- */

static double value_of(const struct moa_policy_param *param,
                       const struct moa_policy_setting *settings)
{
    double value = param->fallback;
    for (const struct moa_policy_setting *s = settings; s && s->key; s++) {
        if (strcmp(s->key, param->key) == 0)
            value = s->value;
    }
    return value;
}

static void write_value(const struct moa_policy_param *param, double value, FILE *out)
{
    char text[40];
    if (param->choices) {
        fputs(param->choices[(size_t)value], out);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, out);
}

char *policy_words_write(const struct moa_policy_setting *settings)
{
    char *words = NULL;
    size_t n_bytes = 0, n = 0;
    FILE *out = open_memstream(&words, &n_bytes);
    if (!out)
        return NULL;
    const struct moa_policy_param *param;
    for (size_t i = 0; (param = moa_policy_param(NULL, i)) != NULL; i++) {
        const double value = value_of(param, settings);
        if (value == param->fallback)
            continue;
        fprintf(out, "%s%s=", n++ > 0 ? "," : "", param->key);
        write_value(param, value, out);
    }
    if (fclose(out) == 0)
        return words;
    free(words);
    return NULL;
}

/* ---- read ---- */

static bool is_word(const char *word, const char *text, size_t n)
{
    return strlen(word) == n && memcmp(word, text, n) == 0;
}

static const struct moa_policy_param *find_param(const char *name, const char *key, size_t n)
{
    const struct moa_policy_param *param;
    for (size_t i = 0; (param = moa_policy_param(name, i)) != NULL; i++) {
        const char *dot = strrchr(param->key, '.');
        if (dot && is_word(dot + 1, key, n))
            return param;
    }
    for (size_t i = 0; (param = moa_policy_param(NULL, i)) != NULL; i++) {
        if (is_word(param->key, key, n))
            return param;
    }
    return NULL;
}

static bool read_choice(const struct moa_policy_param *param, const char *text, size_t n,
                        double *ret_value)
{
    for (size_t i = 0; param->choices[i]; i++) {
        if (is_word(param->choices[i], text, n)) {
            *ret_value = (double)i;
            return true;
        }
    }
    return false;
}

static bool read_number(const struct moa_policy_param *param, const char *text, size_t n,
                        double *ret_value)
{
    char copy[64], *end;
    if (n == 0 || n >= sizeof(copy))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *ret_value = strtod(copy, &end);
    return !*end && *ret_value >= param->min && *ret_value <= param->max;
}

static int say_range(const struct moa_policy_param *param, char *why, size_t n)
{
    if (!param->choices) {
        snprintf(why, n, "%s must be a number from %g to %g", param->key, param->min, param->max);
        return -1;
    }
    size_t at = (size_t)snprintf(why, n, "%s must be one of:", param->key);
    for (size_t i = 0; param->choices[i] && at < n; i++)
        at += (size_t)snprintf(why + at, n - at, " %s", param->choices[i]);
    return -1;
}

/* One "key=value" of `n_word` bytes. */
static int read_word(const char *name, const char *word, size_t n_word,
                     struct moa_policy_setting *ret_setting, char *why, size_t n)
{
    const char *equals = memchr(word, '=', n_word);
    const size_t n_key = equals ? (size_t)(equals - word) : n_word;
    const struct moa_policy_param *param = find_param(name, word, n_key);
    if (!param || !equals) {
        snprintf(why, n, "\"%.*s\" is not KEY=VALUE, or neither %s nor another policy has it",
                 (int)(n_word < 80 ? n_word : 80), word, name);
        return -1;
    }
    const char *text = equals + 1;
    const size_t n_text = n_word - n_key - 1;
    double value;
    const bool fine = param->choices ? read_choice(param, text, n_text, &value)
                                     : read_number(param, text, n_text, &value);
    if (!fine)
        return say_range(param, why, n);
    *ret_setting = (struct moa_policy_setting){param->key, value};
    return 0;
}

int policy_words_read(const char *name, const char *words,
                      struct moa_policy_setting ret_settings[POLICY_WORDS_ROOM], char *why,
                      size_t n)
{
    size_t n_settings = 0;
    for (const char *at = words; *at;) {
        const size_t n_word = strcspn(at, ",");
        if (n_settings == POLICY_WORDS_ROOM - 1) {
            snprintf(why, n, "too many parameters");
            return -1;
        }
        if (read_word(name, at, n_word, &ret_settings[n_settings++], why, n))
            return -1;
        at += n_word + (at[n_word] == ',');
    }
    ret_settings[n_settings].key = NULL;
    return 0;
}
