/* SPDX-License-Identifier: Apache-2.0
 *
 * Which engines answer; see identity.h.
 */
#include "identity.h"

#include <string.h>

#include <xxhash.h>
#include <yyjson.h>

#include "le64.h"

#define MINUTE_US INT64_C(60000000)

/* How long a value that another one has followed is still that of the same engines. Those behind
 * one address may be of several builds that take turns; models seldom are. */
static const int64_t memory_us[IDENTITY_SOURCES] = {0, 10 * MINUTE_US, 10 * MINUTE_US,
                                                    10 * MINUTE_US, 1440 * MINUTE_US};

uint64_t identity_hash(struct moa_bytes text)
{
    return text.n > 0 ? XXH3_64bits(text.p, text.n) | 1 : 0;
}

static uint64_t join(uint64_t number, uint64_t hash)
{
    const uint64_t words[] = {number, hash};
    return XXH3_64bits(words, sizeof(words)) | 1;
}

/* Where `hash` stands, or would. */
static size_t place_of(const struct identity_value *values, uint64_t hash)
{
    size_t i = 0;
    while (i + 1 < IDENTITY_VALUES && values[i].hash && values[i].hash != hash)
        i++;
    return i;
}

bool identity_tell(struct identity *identity, enum moa_tier tier, enum identity_source source,
                   uint64_t hash, int64_t now_us)
{
    if (!hash)
        return false;
    struct identity_value *values = identity->values[tier][source];
    const size_t i = place_of(values, hash);
    const bool is_first = !values[0].hash;
    const bool is_known =
        values[i].hash == hash && (i == 0 || now_us - values[i].seen_us <= memory_us[source]);
    const bool is_new = !is_first && !is_known;
    memmove(&values[1], &values[0], i * sizeof(values[0]));
    values[0] = (struct identity_value){hash, now_us};
    if (is_new) {
        /* What this tier has said otherwise is the former engine's. */
        for (size_t other = 0; other < IDENTITY_SOURCES; other++) {
            if (other != source)
                memset(identity->values[tier][other], 0, sizeof(identity->values[tier][other]));
        }
        identity->n_changes++;
    }
    if (is_new || !identity->number)
        identity->number = join(identity->number, hash);
    return is_new;
}

static uint64_t hash_of(yyjson_val *text)
{
    return identity_hash((struct moa_bytes){yyjson_get_str(text), yyjson_get_len(text)});
}

void identity_sign(yyjson_val *root, struct identity_signature *ret_signature)
{
    yyjson_val *model = yyjson_obj_get(root, "model");
    yyjson_val *fingerprint = yyjson_obj_get(root, "system_fingerprint");
    *ret_signature = (struct identity_signature){
        .model = yyjson_is_str(model) ? hash_of(model) : 0,
        .fingerprint = yyjson_is_str(fingerprint) ? hash_of(fingerprint) : 0,
    };
}

const char *identity_source_name(enum identity_source source)
{
    static const char *const names[IDENTITY_SOURCES] = {
        "the configuration", "the model of its answers", "its list of models", "its properties",
        "the fingerprint of its answers"};
    return names[source];
}

/* ---- over restarts ---- */

void identity_save(const struct identity *identity, unsigned char ret_bytes[IDENTITY_BYTES])
{
    const struct identity_value *values = &identity->values[0][0][0];
    le64_put(ret_bytes, identity->number);
    le64_put(ret_bytes + 8, identity->n_changes);
    for (size_t i = 0; i < (size_t)2 * IDENTITY_SOURCES * IDENTITY_VALUES; i++)
        le64_put(ret_bytes + 16 + 8 * i, values[i].hash);
}

void identity_load(struct identity *ret_identity, const unsigned char bytes[IDENTITY_BYTES],
                   int64_t now_us)
{
    struct identity_value *values = &ret_identity->values[0][0][0];
    ret_identity->number = le64_get(bytes);
    ret_identity->n_changes = le64_get(bytes + 8);
    for (size_t i = 0; i < (size_t)2 * IDENTITY_SOURCES * IDENTITY_VALUES; i++)
        values[i] = (struct identity_value){le64_get(bytes + 16 + 8 * i), now_us};
}
