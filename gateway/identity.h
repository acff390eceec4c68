/* SPDX-License-Identifier: Apache-2.0
 *
 * Which engines answer, as far as configuration, answers and pages of theirs say: so that what was
 * proven of a pair of models is not believed of another one. Texts are kept as hashes. Pure.
 */
#ifndef MOA_GATEWAY_IDENTITY_H
#define MOA_GATEWAY_IDENTITY_H

#include <stdbool.h>

#include <moaoff/base.h>
#include <moaoff/policy.h>

struct yyjson_val;

/** Who says so, the strictest first. */
enum identity_source {
    IDENTITY_CONFIGURED,  /* addresses and model; one that is new leaves nothing of before */
    IDENTITY_MODEL,       /* `model` of answers */
    IDENTITY_LISTED,      /* its list of models */
    IDENTITY_PROPS,       /* llama-server's /props */
    IDENTITY_FINGERPRINT, /* `system_fingerprint` of answers */
};

#define IDENTITY_SOURCES 5
#define IDENTITY_VALUES 8

struct identity_value {
    uint64_t hash; /* 0: none */
    int64_t seen_us;
};

/** All zero: nothing is known. */
struct identity {
    uint64_t number; /* of the pair: another one for each other pair; 0: nothing was said yet */
    uint64_t n_changes;
    struct identity_value values[2][IDENTITY_SOURCES][IDENTITY_VALUES]; /* the last seen first */
};

/** A text as it is told here: not 0, unless there is none. */
uint64_t identity_hash(struct moa_bytes text);

/**
 * An engine of `tier` has said `hash` (0: nothing). Returns true if it is another engine than
 * before. Several may take turns behind one address, or at several: what was seen not long ago is
 * not another one.
 */
bool identity_tell(struct identity *identity, enum moa_tier tier, enum identity_source source,
                   uint64_t hash, int64_t now_us);

/** What an answer says of its engine: hashes, 0 where it says nothing. */
struct identity_signature {
    uint64_t model, fingerprint;
};

/** Of a chat completion, or of an event of one. */
void identity_sign(struct yyjson_val *root, struct identity_signature *ret_signature);

/** "the configuration", "the model of its answers", ... */
const char *identity_source_name(enum identity_source source);

/* ---- over restarts ---- */

#define IDENTITY_BYTES (8 * (2 + 2 * IDENTITY_SOURCES * IDENTITY_VALUES))

void identity_save(const struct identity *identity, unsigned char ret_bytes[IDENTITY_BYTES]);
/** Whatever was seen before counts as seen now. */
void identity_load(struct identity *ret_identity, const unsigned char bytes[IDENTITY_BYTES],
                   int64_t now_us);

#endif
