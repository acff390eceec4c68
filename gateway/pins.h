/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client, a key or the configuration pins to the edge: a set of kinds of modalities. Pure.
 */
#ifndef MOA_GATEWAY_PINS_H
#define MOA_GATEWAY_PINS_H

#include <moaoff/policy.h>

/** A set of kinds: bit 1 << kind. */
#define PINS_NONE 0u
#define PINS_ALL ((1u << MOA_KINDS) - 1)

/** Why a list of pins is refused. */
#define PINS_FORM "must be edge, or a list of text, image, audio, video and file with commas"

/**
 * Reads "edge" (everything) or "image, audio". Returns 0, or -1 if it is neither; `ret_pins` is
 * everything then, so that nothing leaves by a misspelling.
 */
int pins_parse(const char *list, unsigned *ret_pins);

static inline bool pins_has(unsigned pins, enum moa_kind kind)
{
    return pins >> kind & 1u;
}

#endif
