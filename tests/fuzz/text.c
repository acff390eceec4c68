/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through the text scanner: counts in range, spans of entities in order and inside the
 * text, and every invalid byte counted once.
 */
#include <math.h>

#include <moaoff/text.h>

#include "text_class.h"
#include "text_scan.h"

#include "fuzz.h"

struct spans {
    size_t size;
    size_t last_end;
    uint64_t n;
};

static void on_entity(void *user, size_t begin, size_t end)
{
    struct spans *spans = user;
    FUZZ_ASSERT(begin < end && end <= spans->size);
    FUZZ_ASSERT(begin >= spans->last_end);
    spans->last_end = end;
    spans->n++;
}

static uint64_t count_invalid(const uint8_t *data, size_t size)
{
    uint64_t n = 0;
    for (size_t at = 0; at < size;) {
        const struct text_point point = moa_text_point(data + at, size - at);
        FUZZ_ASSERT(point.n_bytes >= 1 && point.n_bytes <= size - at);
        n += point.class == CLASS_INVALID;
        at += point.n_bytes;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes text = {size ? data : NULL, size};
    struct moa_text_scan scan;
    struct spans spans = {.size = size};
    moa_text_scan(text, on_entity, &spans, &scan);

    struct moa_text_features f;
    struct moa_text_complexity c;
    moa_text_measure(text, &f);
    moa_text_complexity(NULL, &f, &f, &c);
    FUZZ_ASSERT(f.bytes == size);
    FUZZ_ASSERT(f.entities == spans.n);
    FUZZ_ASSERT(f.sentences <= size && f.entities <= size);
    FUZZ_ASSERT(f.invalid_bytes == count_invalid(data, size));
    FUZZ_ASSERT(isfinite(f.tokens) && f.tokens >= 0.0 && f.tokens <= 8.0 * (double)size);
    FUZZ_ASSERT(c.score >= 0.0 && c.score <= 1.0);
    return 0;
}
