/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded answers of a model, a line of JSON each (docs/records.md): `moaoff eval --record` and
 * tools/records write them, `moaoff engine` answers from them.
 */
#ifndef MOA_STUDY_ANSWERS_H
#define MOA_STUDY_ANSWERS_H

#include <stdio.h>

#include <yyjson.h>

#define ANSWERS_ANY "*" /* the item of the answer to what no other line answers */
/** What stands before an item's id in the "user" of a request that `moaoff eval` sends. */
#define ANSWERS_USER "item:"

/** Strings are borrowed; of a reader from the answers. */
struct answer {
    const char *set, *item, *model, *prompt; /* "" if the line has none */
    const char *text, *finish;               /* "stop" or "length" */
    const char *logprobs;                    /* for a writer: entries with commas between, or "" */
    yyjson_val *tokens;                      /* of a reader: the array "logprobs", or NULL */
    double prompt_tokens, completion_tokens; /* NaN: unknown */
    double correct;                          /* NaN: not scored */
};

struct answers {
    struct answer *p; /* sorted by item */
    struct answer **by_prompt;
    size_t n, room;
    yyjson_doc **docs;
};

/** -1 with "PATH:LINE: what is wrong" in `why` of n bytes. */
int answers_read(const char *path, struct answers *ret_answers, char *why, size_t n);
void answers_done(struct answers *answers);

enum answers_found { ANSWERS_NONE, ANSWERS_OTHER_PROMPT, ANSWERS_SEVERAL, ANSWERS_ONE };

/**
 * The answer to a prompt about an item (NULL: not said), or, if no line is about that item, the
 * only one to the prompt.
 */
enum answers_found answers_find(const struct answers *answers, const char *item, const char *prompt,
                                const struct answer **ret_answer);

/** Appends a line and flushes it. 0, or -1 with errno. */
int answers_write(FILE *out, const struct answer *answer);

/**
 * The tokens of an OpenAI "logprobs" object without what can be told from the rest (ids, bytes), as
 * entries with commas between them, to be freed; NULL if there are none.
 */
char *answers_logprobs(yyjson_val *logprobs);

#endif
