/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 or not; see text_base64.h.
 */
#include "text_base64.h"

#include "text_class.h"

enum {
    BYTES_MIN = 48,        /* shorter ones may be names, keys or numbers of something */
    NO_WORD_BYTES = 200,   /* no word is that long, whatever it is made of */
    ALTERNATIONS_MIN = 4,  /* one in so many bytes, at least; in random base64 it is every second */
    OF_EACH_KIND_MIN = 32, /* so are capitals, small letters and digits */
};

struct census {
    size_t lower, upper, digits;
    size_t joints;       /* '-', '_', '/': rare in base64, frequent in paths */
    size_t repeated;     /* equal to the byte before */
    size_t alternations; /* from a small letter, a capital or a digit to another of them */
};

static bool is_base64(uint8_t c)
{
    const uint8_t class = moa_ascii_class[c];
    return (class >= CLASS_DIGIT && class <= CLASS_UPPER) || c == '+' || c == '/' || c == '-' ||
           c == '_';
}

/* At a glance: hardly any word is still going on after so many bytes. */
static bool may_be(const uint8_t *p, size_t n)
{
    return n >= BYTES_MIN && is_base64(p[BYTES_MIN - 1]) && is_base64(p[BYTES_MIN / 4]) &&
           is_base64(p[BYTES_MIN / 2]);
}

static size_t read_run(const uint8_t *p, size_t n, struct census *census)
{
    uint8_t last = CLASS_PUNCT;
    size_t i = 0;
    for (; i < n && is_base64(p[i]); i++) {
        const uint8_t class = moa_ascii_class[p[i]];
        census->lower += class == CLASS_LOWER;
        census->upper += class == CLASS_UPPER;
        census->digits += class == CLASS_DIGIT;
        census->joints += class == CLASS_PUNCT && p[i] != '+';
        census->repeated += i > 0 && p[i] == p[i - 1];
        census->alternations += i > 0 && class != last;
        last = class;
    }
    return i;
}

static bool is_mixed(const struct census *c, size_t n)
{
    return OF_EACH_KIND_MIN * c->lower >= n && OF_EACH_KIND_MIN * c->upper >= n &&
           OF_EACH_KIND_MIN * c->digits >= n && ALTERNATIONS_MIN * c->alternations >= n;
}

/* Base64 goes on in this line: nothing else is in it, and it is no plain word. */
static bool is_next_line(const struct census *c, const uint8_t *p, size_t n, size_t end)
{
    if (end < n && moa_ascii_class[p[end]] != CLASS_NEWLINE)
        return false;
    return c->digits > 0 || (c->upper > 0 && c->lower > 0 && c->alternations > 1) ||
           end >= BYTES_MIN || (end > 0 && p[end - 1] == '=');
}

struct text_base64 moa_text_base64(const uint8_t *p, size_t n, bool goes_on)
{
    struct census census = {0};
    if (!goes_on && !may_be(p, n))
        return (struct text_base64){0};
    const size_t run = read_run(p, n, &census);
    size_t end = run;
    while (end < n && end < run + 2 && p[end] == '=')
        end++;
    const bool found = (run >= BYTES_MIN && is_mixed(&census, run)) ||
                       (run >= NO_WORD_BYTES && 8 * census.joints < run) ||
                       (goes_on && is_next_line(&census, p, n, end));
    return (struct text_base64){.n = found ? end : 0, .n_repeated = census.repeated, .n_seen = run};
}
