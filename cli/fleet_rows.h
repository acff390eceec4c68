/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of many journals as they come out of a stream: read, filtered, as CSV or JSON, and each only
 * once. What a box wrote is not trusted: it may be any bytes.
 */
#ifndef MOAOFF_CLI_FLEET_ROWS_H
#define MOAOFF_CLI_FLEET_ROWS_H

#include <stdio.h>

#include <yyjson.h>

#include "fleet_hub.h"

#define FLEET_BOX_BYTES 65

struct fleet_row {
    yyjson_doc *doc;
    yyjson_val *root;
    char box[FLEET_BOX_BYTES]; /* by the subject, which the server has checked */
    char journal[FLEET_BOX_BYTES];
    int64_t sequence, time_ms;
};

/** 0, or -1 if that is no row. fleet_row_done() is to be called only after a 0. */
int fleet_row_read(const struct fleet_message *message, struct fleet_row *ret_row);
void fleet_row_done(struct fleet_row *row);

bool fleet_row_passes(const struct fleet_row *row, const struct fleet_wish *wish);

/** One line of CSV (RFC 4180); NULL: the names of the columns. */
void fleet_row_print_csv(const struct fleet_row *row, FILE *out);
/** One object in one line. */
void fleet_row_print_json(const struct fleet_row *row, FILE *out);

/** The rows that were seen, by a key of which each row has one. Zero at first. */
struct fleet_seen {
    void *tree;
};

/** Whether the row was not seen before; as long as rows of one journal that come late are at most
 * 1024 behind its newest, which a box makes sure of. `key` is one of few, such as a day. */
bool fleet_seen_add(struct fleet_seen *seen, const char *key, const char *box, const char *journal,
                    int64_t sequence);
void fleet_seen_done(struct fleet_seen *seen);

#endif
