/* SPDX-License-Identifier: Apache-2.0
 *
 * A part of a body, by where it stands.
 */
#ifndef MOA_GATEWAY_SPAN_H
#define MOA_GATEWAY_SPAN_H

#include <stddef.h>

/** [begin, end) in the body; empty (0, 0) if absent. */
struct span {
    size_t begin, end;
};

#endif
