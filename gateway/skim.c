/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies without the bulk of their files; see skim.h.
 */
#include "skim.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char opening[] = "\"data:";

#define KEPT 32         /* bytes of a cut string, its quote and scheme among them */
#define CUT_MIN 4096    /* less is not worth it */
#define BLOCK_BYTES 256 /* looked at together, in vector registers */
#define STEP_BYTES                                                                                 \
    2048 /* from one look for base64 to the next: no string worth a cut is between                 \
          */
#define PROBE_BYTES 64

/* 0 for a byte that stands for itself inside of a JSON string: ASCII (as a signed number the rest
 * is below 0), no control character, quote or backslash. */
static unsigned char special(signed char c)
{
    return (unsigned char)((c < 0x20) | (c == '"') | (c == '\\'));
}

/* Whether no byte of a block is special. */
static bool is_plain(const char *block)
{
    unsigned char any = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        any |= special((signed char)block[i]);
    return !any;
}

/* The same, faster, for what nearly always stands there, base64: nothing below '+', which quotes
 * and control characters are, and no backslash. */
static bool is_bulk(const char *block)
{
    unsigned char any = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        const signed char c = (signed char)block[i];
        any |= (unsigned char)((c < '+') | (c == '\\'));
    }
    return !any;
}

/* How many bytes are not special from `p` on. */
static size_t plain_run(const char *p, size_t n)
{
    size_t at = 0;
    while (at + BLOCK_BYTES <= n && (is_bulk(p + at) || is_plain(p + at)))
        at += BLOCK_BYTES;
    while (at < n && !special((signed char)p[at]))
        at++;
    return at;
}

/* Behind an odd number of backslashes a quote is a character of a string. */
static bool is_escaped(const char *json, size_t at)
{
    size_t backslashes = 0;
    while (backslashes < at && json[at - backslashes - 1] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

/* The next string that is worth a cut, from *at on: the bytes to remove, and *at behind them. */
static struct moa_bytes next_uri(struct moa_bytes body, size_t *at)
{
    const char *json = body.p;
    while (body.n - *at >= KEPT + CUT_MIN) {
        const char *found = memmem(json + *at, body.n - *at, opening, sizeof(opening) - 1);
        if (!found)
            break;
        size_t begin = (size_t)(found - json);
        size_t end = begin + 1 + plain_run(found + 1, body.n - begin - 1);
        *at = end;
        bool whole = end < body.n && json[end] == '"';
        if (whole && end - begin >= KEPT + CUT_MIN && !is_escaped(json, begin))
            return (struct moa_bytes){found + KEPT, end - begin - KEPT};
    }
    return (struct moa_bytes){NULL, 0};
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=' || c == '-' || c == '_';
}

/* Where the string begins that has nothing but base64 from its quote to `at` and a bit beyond, and
 * in which no look before was: SIZE_MAX if there is none. */
static size_t base64_begin(const char *json, size_t from, size_t at)
{
    for (size_t i = 0; i < PROBE_BYTES; i++) {
        if (!is_base64(json[at + i]))
            return SIZE_MAX;
    }
    size_t begin = at;
    while (begin > from && at - begin < STEP_BYTES && is_base64(json[begin - 1]))
        begin--;
    return begin > from && json[begin - 1] == '"' ? begin - 1 : SIZE_MAX;
}

/* The same for strings of base64: none is missed by a look every STEP_BYTES, and no text is read
 * whole. Outside of a string no letter follows a quote, so what is found there is not JSON and
 * stays so. */
static struct moa_bytes next_base64(struct moa_bytes body, size_t *at)
{
    const char *json = body.p;
    size_t from = *at;
    for (size_t look = from + STEP_BYTES; look + PROBE_BYTES <= body.n; look += STEP_BYTES) {
        const size_t begin = base64_begin(json, from, look);
        if (begin == SIZE_MAX)
            continue;
        const size_t end = look + plain_run(json + look, body.n - look);
        const bool whole = end < body.n && json[end] == '"';
        look = from = *at = end;
        if (whole && end - begin >= KEPT + CUT_MIN && !is_escaped(json, begin))
            return (struct moa_bytes){json + begin + KEPT, end - begin - KEPT};
    }
    return (struct moa_bytes){NULL, 0};
}

static struct moa_bytes next_cut(struct moa_bytes body, enum skim_kind kind, size_t *at)
{
    return kind == SKIM_URIS ? next_uri(body, at) : next_base64(body, at);
}

static size_t find_cuts(struct moa_bytes body, enum skim_kind kind, struct moa_bytes *cuts)
{
    size_t n = 0, at = 0;
    while (n < SKIM_CUTS_MAX && (cuts[n] = next_cut(body, kind, &at)).n > 0)
        n++;
    return n;
}

/* Nothing is to be looked for. */
static int take_known(struct skim *skim, struct moa_bytes json, struct skim_way way, size_t most)
{
    size_t removed = 0;
    if (most > 0 && json.n > most)
        return 1;
    skim->json = json;
    skim->n_cuts = way.n_cuts;
    for (size_t i = 0; i < way.n_cuts; i++) {
        skim->cuts[i] = way.cuts[i].begin - removed;
        removed += way.cuts[i].n;
        skim->removed[i] = removed;
    }
    return 0;
}

int skim_init(struct skim *skim, struct moa_bytes body, struct skim_way way, size_t most)
{
    struct moa_bytes cuts[SKIM_CUTS_MAX];
    skim->n_cuts = 0;
    skim->owned = NULL;
    skim->json = (struct moa_bytes){NULL, 0};
    if (way.kind == SKIM_KNOWN)
        return take_known(skim, body, way, most);
    const size_t n = find_cuts(body, way.kind, cuts);
    size_t removed = 0;
    for (size_t i = 0; i < n; i++)
        removed += cuts[i].n;
    if (most > 0 && body.n - removed > most)
        return 1;
    skim->json = body;
    if (n == 0)
        return 0;
    skim->n_cuts = n;
    skim->owned = malloc(body.n - removed);
    if (!skim->owned)
        return -1;
    const char *from = body.p;
    size_t room = 0;
    removed = 0;
    for (size_t i = 0; i < n; i++) {
        size_t kept = (size_t)((const char *)cuts[i].p - from);
        memcpy(skim->owned + room, from, kept);
        room += kept;
        from = (const char *)cuts[i].p + cuts[i].n;
        removed += cuts[i].n;
        skim->cuts[i] = room;
        skim->removed[i] = removed;
    }
    memcpy(skim->owned + room, from, body.n - removed - room);
    skim->json = (struct moa_bytes){skim->owned, body.n - removed};
    return 0;
}

void skim_done(struct skim *skim)
{
    free(skim->owned);
    skim->owned = NULL;
    skim->json = (struct moa_bytes){NULL, 0};
    skim->n_cuts = 0;
}

struct skim_cut skim_cut_at(const struct skim *skim, size_t i)
{
    const size_t before = i > 0 ? skim->removed[i - 1] : 0;
    return (struct skim_cut){.begin = skim->cuts[i] + before, .n = skim->removed[i] - before};
}

size_t skim_origin(const struct skim *skim, size_t offset)
{
    size_t i = skim->n_cuts;
    while (i > 0 && skim->cuts[i - 1] > offset)
        i--;
    return offset + (i > 0 ? skim->removed[i - 1] : 0);
}
