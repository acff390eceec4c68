/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the journal and their columns in SQLite: the inside of the journal, for journal.c and
 * journal_read.c.
 */
#ifndef MOA_GATEWAY_JOURNAL_ROW_H
#define MOA_GATEWAY_JOURNAL_ROW_H

#include <sqlite3.h>

#include "journal.h"

/** PRAGMA user_version of the file; changes with the columns. */
#define JOURNAL_VERSION 3

/** SQL that makes the table unless it is there. To be freed; NULL if out of memory. */
char *journal_row_schema(void);
/** Adds the columns that a file of an older version lacks. An error of SQLite's. */
int journal_row_upgrade(sqlite3 *db);
/** INSERT with one parameter for each column but the sequence. To be freed. */
char *journal_row_insert(void);
/** The names of all columns, separated by commas. To be freed. */
char *journal_row_names(void);

/** The table of what is kept, unless it is there, and its one row. An error of SQLite's. */
int journal_kept_schema(sqlite3 *db);
int journal_kept_write(sqlite3 *db, const struct journal_kept *kept, int64_t time_ms);

/** A copy in one block, texts included, to be freed with free(). NULL if out of memory. */
struct journal_row *journal_row_copy(const struct journal_row *row);

/** Fills the parameters of the statement of journal_row_insert(); borrows the texts. */
void journal_row_bind(const struct journal_row *row, sqlite3_stmt *insert);
/** Reads the columns of journal_row_names(); the texts live as long as the statement stays. */
void journal_row_take(sqlite3_stmt *select, struct journal_row *ret_row);

#endif
