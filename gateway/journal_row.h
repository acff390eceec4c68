/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the journal and their columns in SQLite: the inside of the journal, for journal.c,
 * journal_read.c and journal_print.c. The file has three tables, each described by a list of its
 * columns, from which all SQL and all copies follow.
 */
#ifndef MOA_GATEWAY_JOURNAL_ROW_H
#define MOA_GATEWAY_JOURNAL_ROW_H

#include <sqlite3.h>

#include "journal.h"

/** PRAGMA user_version of the file; changes with the columns. */
#define JOURNAL_VERSION 6

enum journal_kind {
    JOURNAL_TEXT,
    JOURNAL_COUNT,
    JOURNAL_FLAG,
    JOURNAL_REAL,
    JOURNAL_BYTES,
};

struct journal_column {
    const char *name;
    enum journal_kind kind;
    size_t offset; /* in the row's struct */
};

/** The first column is `sequence`: the key, given by SQLite and not inserted. */
struct journal_table {
    const char *name;
    const struct journal_column *columns;
    size_t n_columns;
    size_t n_row_bytes; /* of the struct */
    size_t n_key;       /* rows that are equal in so many columns behind the sequence are one, whose
                         * other columns are added up; 0: each is its own */
    const char *change; /* the statement that takes the columns instead: it changes rows of
                         * another table; NULL: they are inserted */
};

extern const struct journal_table journal_requests;  /* of struct journal_row */
extern const struct journal_table journal_audits;    /* of struct journal_audit */
extern const struct journal_table journal_spendings; /* of struct journal_spending */
extern const struct journal_table journal_labels;    /* of struct journal_label */

/** SQL that makes the table unless it is there. To be freed; NULL if out of memory. */
char *journal_row_schema(const struct journal_table *table);
/** Adds the columns that a table of an older version lacks. An error of SQLite's. */
int journal_row_upgrade(const struct journal_table *table, sqlite3 *db);
/** INSERT with one parameter for each column but the sequence, or the table's own statement. To be
 * freed. */
char *journal_row_insert(const struct journal_table *table);
/** The names of all columns, separated by commas, NULL in place of those that the table of `db`
 * does not have (`db` NULL: it has all). To be freed. */
char *journal_row_names(const struct journal_table *table, sqlite3 *db);

/** The table of what is kept, unless it is there, and its one row. An error of SQLite's. */
int journal_kept_schema(sqlite3 *db);
int journal_kept_write(sqlite3 *db, const struct journal_kept *kept, int64_t time_ms);

/** The table of an outbox, unless it is there; its one row. An error of SQLite's. */
int journal_outbox_schema(sqlite3 *db);
int journal_outbox_write(sqlite3 *db, int64_t acknowledged);
int journal_outbox_read(sqlite3 *db, struct journal_outbox *ret_outbox);
/** How many rows are not acknowledged. */
int64_t journal_outbox_waiting(sqlite3 *db, int64_t acknowledged);

/** A copy in one block, texts included, to be freed with free(). NULL if out of memory. */
void *journal_row_copy(const struct journal_table *table, const void *row);

/** Fills the parameters of the statement of journal_row_insert(); borrows the texts. */
void journal_row_bind(const struct journal_table *table, const void *row, sqlite3_stmt *insert);
/** Reads the columns of journal_row_names(); the texts live as long as the statement stays. */
void journal_row_take(const struct journal_table *table, sqlite3_stmt *select, void *ret_row);

/* ---- a value ---- */

const char *journal_row_text(const void *row, const struct journal_column *column);
int64_t journal_row_count(const void *row, const struct journal_column *column);
double journal_row_real(const void *row, const struct journal_column *column);

#endif
