/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON body without the bulk of its pictures and other files. Nearly all of a body with a
 * photograph is one string, a data URI or base64, in which a JSON parser has nothing to find:
 * json_text.c parses the skim instead, which has that string's first characters only, and asks here
 * where in the body a place of the skim is.
 */
#ifndef MOA_GATEWAY_SKIM_H
#define MOA_GATEWAY_SKIM_H

#include <moaoff/base.h>

#define SKIM_CUTS_MAX 64 /* longer strings beyond that number stay whole */

/** What holds the bulk of a body. */
enum skim_kind {
    SKIM_URIS,   /* strings that are data URIs */
    SKIM_BASE64, /* strings of base64 and nothing else */
    SKIM_KNOWN,  /* what is listed, and stands elsewhere: what is given is the skim of a body */
};

/** Bytes of a body. */
struct skim_cut {
    size_t begin, n;
    const char *p;   /* where they stand, if that is elsewhere: in another body, */
    size_t n_before; /* where so many bytes of the same string stand before them */
};

struct skim_way {
    enum skim_kind kind;
    size_t n_cuts; /* that are known, at most SKIM_CUTS_MAX, in the order of the body */
    const struct skim_cut *cuts;
};

struct skim {
    struct moa_bytes json; /* the body itself if nothing was cut */
    char *owned;           /* what holds `json` if something was */
    size_t n_cuts;
    size_t cuts[SKIM_CUTS_MAX];    /* where bytes are missing, as offsets in `json`, ascending */
    size_t removed[SKIM_CUTS_MAX]; /* how many, this cut and those before it together */
};

/**
 * Cuts what is of a kind out of `body`, which must outlive the skim; or takes `body` as what is
 * left of one without the cuts that are known. What is cut is
 * ASCII without escapes, so it is valid in JSON and stands for itself; everything else, faults
 * included, is in the skim as in the body. Returns 0, -1 if out of memory, or 1 if more than `most`
 * bytes (0: any number) would be in the skim, which is empty then.
 */
int skim_init(struct skim *skim, struct moa_bytes body, struct skim_way way, size_t most);
void skim_done(struct skim *skim);

/** Which bytes of the body cut `i` has taken. */
struct skim_cut skim_cut_at(const struct skim *skim, size_t i);

/** Where the byte at `offset` of the skim is in the body. */
size_t skim_origin(const struct skim *skim, size_t offset);

#endif
