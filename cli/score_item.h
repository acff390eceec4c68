/* SPDX-License-Identifier: Apache-2.0
 *
 * One thing to score: from its name to the line that is printed for it. Any number of items may be
 * run at once in different threads.
 */
#ifndef MOAOFF_CLI_SCORE_ITEM_H
#define MOAOFF_CLI_SCORE_ITEM_H

#include <stdbool.h>

enum item_kind {
    ITEM_IMAGE,     /**< `name` is a path, or "-" */
    ITEM_TEXT_FILE, /**< `name` is a path, or "-" */
    ITEM_TEXT,      /**< `name` is the text */
    ITEM_SOUND,     /**< what the file of an ITEM_IMAGE turned out to be */
    ITEM_FILM,      /**< likewise */
};

struct score_item {
    enum item_kind kind;
    const char *name; /**< borrowed */
};

/** What became of an item. Exactly one of line and failure is set; item_result_done() frees it. */
struct item_result {
    enum item_kind kind; /**< what it turned out to be */
    char *line;          /**< without a newline; malloc'ed */
    const char *failure; /**< constant */
};

struct item_options {
    bool json;        /**< an object; else a row of the table whose heading is item_heading() */
    bool fast;        /**< MOA_IMAGE_FAST */
    bool header_only; /**< of images only what needs no decoding */
};

struct item_result item_score(const struct score_item *item, const struct item_options *options);
void item_result_done(struct item_result *result);

/** The heading over rows of this kind. */
const char *item_heading(enum item_kind kind, const struct item_options *options);

#endif
