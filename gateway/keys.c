/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys; see keys.h. Only digests of keys are kept, and keys are compared by their digests:
 * every one of them, all bytes of each, so that time tells nothing about how near a guess was.
 */
#include "keys.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "pins.h"

#define FILE_BYTES_MAX (1 << 20)
#define KEYS_MAX 4096
#define NAME_BYTES_MAX 63
#define SECRET_BYTES_MIN 16
#define WORDS_MAX 8
#define LIMIT_MAX 1000000
#define MINUTE_US INT64_C(60000000)

static const char blanks[] = " \t\r";

struct key {
    char name[NAME_BYTES_MAX + 1];
    unsigned number;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned pins;
    bool observes;
    unsigned max_in_flight, max_per_minute; /* 0: no limit */
    unsigned escalation_gap_s;              /* 0: as configured */

    unsigned in_flight;
    int64_t paid_until_us; /* every request pays a minute's share ahead, a minute at most */
    int64_t escalated_us;  /* 0: never */
    bool forgotten;        /* in no table any more: the last request frees it */
};

struct keys {
    size_t n;
    struct key *list[KEYS_MAX];
};

/* ---- reading ---- */

__attribute__((format(printf, 3, 4))) static int fail(struct config_error *error, unsigned line,
                                                      const char *message, ...)
{
    error->line = line;
    va_list args;
    va_start(args, message);
    vsnprintf(error->message, sizeof(error->message), message, args);
    va_end(args);
    return -1;
}

static int read_digest(const char *hex, unsigned char digest[SHA256_DIGEST_LENGTH])
{
    size_t n = strlen(hex);
    if (n != 2 * (size_t)SHA256_DIGEST_LENGTH || strspn(hex, "0123456789abcdefABCDEF") != n)
        return -1;
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        const char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        digest[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return 0;
}

static int read_secret(struct key *key, const char *secret, unsigned line,
                       struct config_error *error)
{
    static const char hashed[] = "sha256:";
    size_t n = strlen(secret);
    if (strncmp(secret, hashed, sizeof(hashed) - 1) == 0) {
        if (read_digest(secret + sizeof(hashed) - 1, key->digest))
            return fail(error, line, "key \"%s\": sha256: needs 64 hexadecimal digits", key->name);
        return 0;
    }
    if (n < SECRET_BYTES_MIN)
        return fail(error, line, "key \"%s\": shorter than %d characters", key->name,
                    SECRET_BYTES_MIN);
    if (!SHA256((const unsigned char *)secret, n, key->digest)) /* OpenSSL 3 allocates in it */
        return fail(error, line, "out of memory");
    return 0;
}

static int read_limit(const char *value, unsigned *ret_limit)
{
    size_t n = strlen(value);
    if (n == 0 || n > 7 || strspn(value, "0123456789") != n)
        return -1;
    unsigned long limit = strtoul(value, NULL, 10);
    if (limit < 1 || limit > LIMIT_MAX)
        return -1;
    *ret_limit = (unsigned)limit;
    return 0;
}

static int read_option(struct key *key, const char *word, unsigned line, struct config_error *error)
{
    static const char pin[] = "pin=", in_flight[] = "in_flight=", per_minute[] = "per_minute=",
                      gap[] = "min_seconds_between_escalations=";
    int result = 0;
    if (strncmp(word, pin, sizeof(pin) - 1) == 0) {
        if (pins_parse(word + sizeof(pin) - 1, &key->pins))
            return fail(error, line, "key \"%s\": \"%.40s\" " PINS_FORM, key->name, word);
    } else if (strcmp(word, "observe") == 0)
        key->observes = true;
    else if (strncmp(word, in_flight, sizeof(in_flight) - 1) == 0)
        result = read_limit(word + sizeof(in_flight) - 1, &key->max_in_flight);
    else if (strncmp(word, per_minute, sizeof(per_minute) - 1) == 0)
        result = read_limit(word + sizeof(per_minute) - 1, &key->max_per_minute);
    else if (strncmp(word, gap, sizeof(gap) - 1) == 0)
        result = read_limit(word + sizeof(gap) - 1, &key->escalation_gap_s);
    else
        return fail(error, line, "key \"%s\": unknown option \"%.40s\"", key->name, word);
    if (result)
        return fail(error, line, "key \"%s\": \"%.40s\" needs a number of 1 to %d", key->name, word,
                    LIMIT_MAX);
    return 0;
}

static int check_unique(const struct keys *keys, const struct key *key, unsigned line,
                        struct config_error *error)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (strcmp(keys->list[i]->name, key->name) == 0)
            return fail(error, line, "key \"%s\" appears twice", key->name);
        if (memcmp(keys->list[i]->digest, key->digest, sizeof(key->digest)) == 0)
            return fail(error, line, "keys \"%s\" and \"%s\" are the same", keys->list[i]->name,
                        key->name);
    }
    return 0;
}

static int read_words(struct keys *keys, char *const *words, size_t n, unsigned line,
                      struct config_error *error)
{
    static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-_.";
    if (strspn(words[0], name_bytes) != strlen(words[0]) || strlen(words[0]) > NAME_BYTES_MAX)
        return fail(error, line, "a name has at most %d letters, digits, -, _ and .",
                    NAME_BYTES_MAX);
    if (n < 2)
        return fail(error, line, "key \"%s\" has no secret", words[0]);
    if (keys->n == KEYS_MAX)
        return fail(error, line, "more than %d keys", KEYS_MAX);
    struct key *key = calloc(1, sizeof(*key));
    if (!key)
        return fail(error, 0, "out of memory");
    snprintf(key->name, sizeof(key->name), "%s", words[0]);
    int result = read_secret(key, words[1], line, error);
    for (size_t i = 2; i < n && !result; i++)
        result = read_option(key, words[i], line, error);
    if (!result)
        result = check_unique(keys, key, line, error);
    if (result) {
        free(key);
        return -1;
    }
    key->number = (unsigned)keys->n;
    keys->list[keys->n++] = key;
    return 0;
}

static int read_line(struct keys *keys, char *text, unsigned line, struct config_error *error)
{
    char *words[WORDS_MAX];
    size_t n = 0;
    char *rest = text;
    for (char *word; (word = strsep(&rest, blanks));) {
        if (word[0] == '#')
            break;
        if (word[0] == '\0')
            continue;
        if (n == WORDS_MAX)
            return fail(error, line, "more than %d words", WORDS_MAX);
        words[n++] = word;
    }
    return n == 0 ? 0 : read_words(keys, words, n, line, error);
}

int keys_parse(struct moa_bytes text, struct keys **ret_keys, struct config_error *ret_error)
{
    struct keys *keys = calloc(1, sizeof(*keys));
    char *copy = malloc(text.n + 1);
    int result = 0;
    if (!keys || !copy) {
        result = fail(ret_error, 0, "out of memory");
    } else {
        memcpy(copy, text.p ? text.p : "", text.n);
        copy[text.n] = '\0';
        if (strlen(copy) != text.n)
            result = fail(ret_error, 0, "holds a NUL byte");
        char *rest = copy;
        unsigned line = 0;
        for (char *next; !result && (next = strsep(&rest, "\n"));)
            result = read_line(keys, next, ++line, ret_error);
        explicit_bzero(copy, text.n);
    }
    free(copy);
    if (result)
        keys_free(keys);
    else
        *ret_keys = keys;
    return result;
}

int keys_load(const char *path, struct keys **ret_keys, struct config_error *ret_error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail(ret_error, 0, "%s", strerror(errno));
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t n = text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    int result;
    if (!text)
        result = fail(ret_error, 0, "out of memory");
    else if (ferror(file))
        result = fail(ret_error, 0, "%s", strerror(errno));
    else if (n > FILE_BYTES_MAX)
        result = fail(ret_error, 0, "larger than %d bytes", FILE_BYTES_MAX);
    else
        result = keys_parse((struct moa_bytes){text, n}, ret_keys, ret_error);
    if (text)
        explicit_bzero(text, n);
    free(text);
    fclose(file);
    return result;
}

/* ---- the table ---- */

void keys_free(struct keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->n; i++) {
        struct key *key = keys->list[i];
        key->forgotten = true;
        if (key->in_flight == 0)
            free(key);
    }
    free(keys);
}

/* What requests hold is the old key: it gets the new one's rules. */
static void renew(struct key *old, const struct key *fresh)
{
    memcpy(old->digest, fresh->digest, sizeof(old->digest));
    old->number = fresh->number;
    old->pins = fresh->pins;
    old->observes = fresh->observes;
    old->max_in_flight = fresh->max_in_flight;
    old->max_per_minute = fresh->max_per_minute;
    old->escalation_gap_s = fresh->escalation_gap_s;
}

struct keys *keys_replace(struct keys *old, struct keys *fresh)
{
    for (size_t i = 0; fresh && i < fresh->n; i++) {
        for (size_t k = 0; old && k < old->n; k++) {
            if (strcmp(old->list[k]->name, fresh->list[i]->name) != 0)
                continue;
            renew(old->list[k], fresh->list[i]);
            struct key *kept = old->list[k];
            old->list[k] = fresh->list[i]; /* freed with the old table */
            fresh->list[i] = kept;
            break;
        }
    }
    keys_free(old);
    return fresh;
}

static const char *token_of(const char *authorization)
{
    static const char scheme[] = "bearer";
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    const char *token = authorization + sizeof(scheme) - 1;
    size_t gap = strspn(token, blanks);
    return gap > 0 && token[gap] ? token + gap : NULL;
}

static struct key *find_token(struct keys *keys, const char *token, struct http_error *ret_error)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    /* Without memory there is no digest, and what lies on the stack may be that of a right key. */
    if (!SHA256((const unsigned char *)token, strcspn(token, blanks), digest)) {
        http_fail(ret_error, 503, "out_of_memory", "Out of memory.");
        return NULL;
    }
    struct key *found = NULL;
    for (size_t i = 0; i < keys->n; i++) {
        if (CRYPTO_memcmp(keys->list[i]->digest, digest, sizeof(digest)) == 0)
            found = keys->list[i];
    }
    if (!found)
        http_fail(ret_error, 401, "invalid_api_key", "The API key is not known here.");
    return found;
}

struct key *keys_find(struct keys *keys, const char *authorization, const char *api_key,
                      struct http_error *ret_error)
{
    const char *bearer = token_of(authorization);
    const char *bare = api_key ? api_key + strspn(api_key, blanks) : "";
    if (!bearer && !*bare) {
        http_fail(ret_error, 401, "missing_api_key",
                  "An API key is needed: Authorization: Bearer KEY, or x-api-key: KEY.");
        return NULL;
    }
    struct key *found = bearer ? find_token(keys, bearer, ret_error) : NULL;
    return found || !*bare ? found : find_token(keys, bare, ret_error);
}

/* ---- one key ---- */

const char *key_name(const struct key *key)
{
    return key->name;
}

unsigned key_number(const struct key *key)
{
    return key->number;
}

unsigned key_pins(const struct key *key)
{
    return key->pins;
}

bool key_observes(const struct key *key)
{
    return key->observes;
}

int64_t key_escalation_gap_s(const struct key *key)
{
    return key->escalation_gap_s;
}

int64_t *key_escalated_us(struct key *key)
{
    return &key->escalated_us;
}

/* What a limit a minute leaves to wait before a request may begin, 0: nothing. */
static int64_t wait_us(const struct key *key, int64_t now_us)
{
    int64_t share_us = MINUTE_US / key->max_per_minute;
    int64_t ahead_us = key->paid_until_us - now_us;
    return ahead_us + share_us > MINUTE_US ? ahead_us + share_us - MINUTE_US : 0;
}

int key_enter(struct key *key, int64_t now_us, struct http_error *ret_error,
              unsigned *ret_retry_after_s)
{
    if (key->max_in_flight && key->in_flight >= key->max_in_flight) {
        *ret_retry_after_s = 1;
        return http_fail(ret_error, 429, "key_in_flight_limit",
                         "The API key \"%s\" has %u requests in work, as many as it may.",
                         key->name, key->in_flight);
    }
    int64_t wait = key->max_per_minute ? wait_us(key, now_us) : 0;
    if (wait > 0) {
        *ret_retry_after_s = (unsigned)((wait + 999999) / 1000000);
        return http_fail(ret_error, 429, "key_rate_limit",
                         "The API key \"%s\" may begin %u requests a minute.", key->name,
                         key->max_per_minute);
    }
    if (key->max_per_minute) {
        int64_t from_us = key->paid_until_us > now_us ? key->paid_until_us : now_us;
        key->paid_until_us = from_us + MINUTE_US / key->max_per_minute;
    }
    key->in_flight++;
    return 0;
}

void key_leave(struct key *key)
{
    assert(key->in_flight > 0);
    if (--key->in_flight == 0 && key->forgotten)
        free(key);
}
