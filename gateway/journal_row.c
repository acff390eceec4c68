/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of columns, from which the SQL and the copies of rows follow; see journal_row.h.
 */
#include "journal_row.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN(kind, field)                                                                        \
    {                                                                                              \
#field, kind, offsetof(struct journal_row, field)                                          \
    }
static const struct journal_column request_columns[] = {
    COLUMN(JOURNAL_COUNT, sequence),
    COLUMN(JOURNAL_COUNT, time_ms),
    COLUMN(JOURNAL_TEXT, id),
    COLUMN(JOURNAL_TEXT, trace),
    COLUMN(JOURNAL_TEXT, key),
    COLUMN(JOURNAL_TEXT, policy),
    COLUMN(JOURNAL_TEXT, settings),
    COLUMN(JOURNAL_TEXT, plan),
    COLUMN(JOURNAL_TEXT, decision),
    COLUMN(JOURNAL_TEXT, reasons),
    COLUMN(JOURNAL_TEXT, scores),
    COLUMN(JOURNAL_TEXT, fallback),
    COLUMN(JOURNAL_TEXT, error),
    COLUMN(JOURNAL_TEXT, calls),
    COLUMN(JOURNAL_TEXT, dialect),
    COLUMN(JOURNAL_TEXT, stages),
    COLUMN(JOURNAL_COUNT, status),
    COLUMN(JOURNAL_FLAG, pinned),
    COLUMN(JOURNAL_FLAG, stream),
    COLUMN(JOURNAL_COUNT, images),
    COLUMN(JOURNAL_TEXT, image_mode),
    COLUMN(JOURNAL_REAL, edge_load),
    COLUMN(JOURNAL_REAL, uplink_mbps),
    COLUMN(JOURNAL_REAL, confidence),
    COLUMN(JOURNAL_REAL, threshold),
    COLUMN(JOURNAL_FLAG, edge_up),
    COLUMN(JOURNAL_FLAG, cloud_up),
    COLUMN(JOURNAL_COUNT, edge_bytes_up),
    COLUMN(JOURNAL_COUNT, cloud_bytes_up),
    COLUMN(JOURNAL_COUNT, edge_prompt_tokens),
    COLUMN(JOURNAL_COUNT, edge_completion_tokens),
    COLUMN(JOURNAL_COUNT, cloud_prompt_tokens),
    COLUMN(JOURNAL_COUNT, cloud_completion_tokens),
    COLUMN(JOURNAL_REAL, cost),
    COLUMN(JOURNAL_COUNT, overhead_us),
    COLUMN(JOURNAL_COUNT, first_byte_us),
    COLUMN(JOURNAL_COUNT, total_us),
    COLUMN(JOURNAL_BYTES, docket),
};
#undef COLUMN

#define COLUMN(kind, field)                                                                        \
    {                                                                                              \
#field, kind, offsetof(struct journal_audit, field)                                        \
    }
#define TIME(tier, field)                                                                          \
    {                                                                                              \
#tier "_" #field, JOURNAL_REAL, offsetof(struct journal_audit, tier##_times.field)         \
    }
#define TIMES(tier)                                                                                \
    TIME(tier, fixed_ms), TIME(tier, prompt_ms), TIME(tier, prompt_tokens), TIME(tier, answer_ms), \
        TIME(tier, answer_tokens)
static const struct journal_column audit_columns[] = {
    COLUMN(JOURNAL_COUNT, sequence),
    COLUMN(JOURNAL_COUNT, time_ms),
    COLUMN(JOURNAL_TEXT, id),
    COLUMN(JOURNAL_FLAG, lost),
    COLUMN(JOURNAL_FLAG, labelled),
    COLUMN(JOURNAL_COUNT, generation),
    COLUMN(JOURNAL_COUNT, generation2),
    COLUMN(JOURNAL_REAL, score),
    COLUMN(JOURNAL_COUNT, form),
    COLUMN(JOURNAL_FLAG, streamed),
    COLUMN(JOURNAL_FLAG, sampled),
    COLUMN(JOURNAL_COUNT, tokens),
    COLUMN(JOURNAL_REAL, p_min),
    COLUMN(JOURNAL_REAL, p_first),
    COLUMN(JOURNAL_REAL, p_top5),
    COLUMN(JOURNAL_FLAG, small_lost),
    COLUMN(JOURNAL_REAL, edge_ms),
    COLUMN(JOURNAL_REAL, cloud_ms),
    TIMES(edge),
    TIMES(cloud),
};
#undef TIMES
#undef TIME
#undef COLUMN

#define COLUMN(kind, field)                                                                        \
    {                                                                                              \
#field, kind, offsetof(struct journal_spending, field)                                     \
    }
static const struct journal_column spending_columns[] = {
    COLUMN(JOURNAL_COUNT, sequence), COLUMN(JOURNAL_COUNT, time_ms), COLUMN(JOURNAL_TEXT, purpose),
    COLUMN(JOURNAL_COUNT, bytes),    COLUMN(JOURNAL_COUNT, calls),   COLUMN(JOURNAL_REAL, money),
};
#undef COLUMN

#define COLUMN(kind, field)                                                                        \
    {                                                                                              \
#field, kind, offsetof(struct journal_label, field)                                        \
    }
static const struct journal_column label_columns[] = {
    COLUMN(JOURNAL_COUNT, sequence),
    COLUMN(JOURNAL_COUNT, time_ms),
    COLUMN(JOURNAL_TEXT, id),
    COLUMN(JOURNAL_FLAG, lost),
};
#undef COLUMN

#define N_COLUMNS(columns) (sizeof(columns) / sizeof((columns)[0]))

const struct journal_table journal_requests = {
    "requests", request_columns, N_COLUMNS(request_columns), sizeof(struct journal_row), 0, NULL};
const struct journal_table journal_audits = {
    "audits", audit_columns, N_COLUMNS(audit_columns), sizeof(struct journal_audit), 0, NULL};
const struct journal_table journal_spendings = {
    "spending", spending_columns, N_COLUMNS(spending_columns), sizeof(struct journal_spending), 2,
    NULL};
const struct journal_table journal_labels = {
    "audits",
    label_columns,
    N_COLUMNS(label_columns),
    sizeof(struct journal_label),
    0,
    "UPDATE audits SET lost = ?3, labelled = 1 WHERE time_ms = ?1 AND id = ?2"};

/* ---- a value ---- */

const char *journal_row_text(const void *row, const struct journal_column *column)
{
    const char *text = *(const char *const *)((const char *)row + column->offset);
    return text ? text : "";
}

int64_t journal_row_count(const void *row, const struct journal_column *column)
{
    return *(const int64_t *)((const char *)row + column->offset);
}

double journal_row_real(const void *row, const struct journal_column *column)
{
    return *(const double *)((const char *)row + column->offset);
}

static struct moa_bytes bytes_of(const void *row, const struct journal_column *column)
{
    return *(const struct moa_bytes *)((const char *)row + column->offset);
}

/* ---- SQL ---- */

static FILE *open_sql(char **text, size_t *n)
{
    *text = NULL;
    return open_memstream(text, n);
}

static char *close_sql(FILE *out, char **text)
{
    if (fclose(out) == 0)
        return *text;
    free(*text);
    return NULL;
}

static void write_names(const struct journal_table *table, size_t end, FILE *out)
{
    for (size_t i = 1; i < end; i++)
        fprintf(out, "%s%s", i > 1 ? ", " : "", table->columns[i].name);
}

/* SQLITE_ROW if it has, SQLITE_DONE if not, or an error. Without a statement: whoever reads asks
 * for all columns. */
static int has_column(const struct journal_table *table, sqlite3 *db, const char *name)
{
    const int err =
        sqlite3_table_column_metadata(db, NULL, table->name, name, NULL, NULL, NULL, NULL, NULL);
    return err == SQLITE_OK ? SQLITE_ROW : err == SQLITE_ERROR ? SQLITE_DONE : err;
}

char *journal_row_names(const struct journal_table *table, sqlite3 *db)
{
    char *text;
    size_t n;
    FILE *out = open_sql(&text, &n);
    if (!out)
        return NULL;
    for (size_t i = 0; i < table->n_columns; i++) {
        const char *name = table->columns[i].name;
        const bool lacks = db && has_column(table, db, name) == SQLITE_DONE;
        fprintf(out, "%s%s", i > 0 ? ", " : "", lacks ? "NULL" : name);
    }
    return close_sql(out, &text);
}

char *journal_row_schema(const struct journal_table *table)
{
    char *text;
    size_t n;
    FILE *out = open_sql(&text, &n);
    if (!out)
        return NULL;
    fprintf(out, "CREATE TABLE IF NOT EXISTS %s (sequence INTEGER PRIMARY KEY AUTOINCREMENT, ",
            table->name);
    write_names(table, table->n_columns, out);
    if (table->n_key > 0) {
        fputs(", UNIQUE (", out);
        write_names(table, 1 + table->n_key, out);
        fputc(')', out);
    }
    fprintf(out, "); CREATE INDEX IF NOT EXISTS %s_by_time ON %s (time_ms);", table->name,
            table->name);
    return close_sql(out, &text);
}

int journal_row_upgrade(const struct journal_table *table, sqlite3 *db)
{
    for (size_t i = 1; i < table->n_columns; i++) {
        const char *name = table->columns[i].name;
        int err = has_column(table, db, name);
        if (err == SQLITE_DONE) {
            char sql[160];
            snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD COLUMN %s", table->name, name);
            err = sqlite3_exec(db, sql, NULL, NULL, NULL);
        }
        if (err != SQLITE_OK && err != SQLITE_ROW)
            return err;
    }
    return SQLITE_OK;
}

char *journal_row_insert(const struct journal_table *table)
{
    char *text;
    size_t n;
    if (table->change)
        return strdup(table->change);
    FILE *out = open_sql(&text, &n);
    if (!out)
        return NULL;
    fprintf(out, "INSERT INTO %s (", table->name);
    write_names(table, table->n_columns, out);
    fputs(") VALUES (", out);
    for (size_t i = 1; i < table->n_columns; i++)
        fputs(i > 1 ? ", ?" : "?", out);
    fputc(')', out);
    if (table->n_key > 0) {
        fputs(" ON CONFLICT (", out);
        write_names(table, 1 + table->n_key, out);
        fputs(") DO UPDATE SET ", out);
    }
    for (size_t i = 1 + table->n_key; i < table->n_columns && table->n_key > 0; i++)
        fprintf(out, "%s%s = %s + excluded.%s", i > 1 + table->n_key ? ", " : "",
                table->columns[i].name, table->columns[i].name, table->columns[i].name);
    return close_sql(out, &text);
}

void journal_row_bind(const struct journal_table *table, const void *row, sqlite3_stmt *insert)
{
    for (size_t i = 1; i < table->n_columns; i++) {
        const struct journal_column *c = &table->columns[i];
        const struct moa_bytes bytes =
            c->kind == JOURNAL_BYTES ? bytes_of(row, c) : (struct moa_bytes){NULL, 0};
        const int at = (int)i;
        if (c->kind == JOURNAL_TEXT)
            sqlite3_bind_text(insert, at, journal_row_text(row, c), -1, SQLITE_STATIC);
        else if (c->kind == JOURNAL_BYTES)
            sqlite3_bind_blob64(insert, at, bytes.n > 0 ? bytes.p : NULL, bytes.n, SQLITE_STATIC);
        else if (c->kind == JOURNAL_REAL) /* SQLite makes NaN NULL */
            sqlite3_bind_double(insert, at, journal_row_real(row, c));
        else if (journal_row_count(row, c) == JOURNAL_UNKNOWN)
            sqlite3_bind_null(insert, at);
        else
            sqlite3_bind_int64(insert, at, journal_row_count(row, c));
    }
}

void journal_row_take(const struct journal_table *table, sqlite3_stmt *select, void *ret_row)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct journal_column *c = &table->columns[i];
        char *field = (char *)ret_row + c->offset;
        const int at = (int)i;
        const bool null = sqlite3_column_type(select, at) == SQLITE_NULL;
        if (c->kind == JOURNAL_TEXT) {
            *(const char **)field = null ? "" : (const char *)sqlite3_column_text(select, at);
        } else if (c->kind == JOURNAL_BYTES) {
            const void *p = sqlite3_column_blob(select, at);
            const int n = sqlite3_column_bytes(select, at);
            *(struct moa_bytes *)field = (struct moa_bytes){p, p ? (size_t)n : 0};
        } else if (c->kind == JOURNAL_REAL) {
            *(double *)field = null ? NAN : sqlite3_column_double(select, at);
        } else {
            *(int64_t *)field = null ? JOURNAL_UNKNOWN : sqlite3_column_int64(select, at);
        }
    }
}

/* ---- copies ---- */

/* What lies outside the struct. */
static struct moa_bytes outside(const void *row, const struct journal_column *column)
{
    if (column->kind == JOURNAL_BYTES)
        return bytes_of(row, column);
    if (column->kind != JOURNAL_TEXT)
        return (struct moa_bytes){NULL, 0};
    const char *text = journal_row_text(row, column);
    return (struct moa_bytes){text, strlen(text) + 1};
}

void *journal_row_copy(const struct journal_table *table, const void *row)
{
    size_t n = table->n_row_bytes;
    for (size_t i = 0; i < table->n_columns; i++)
        n += outside(row, &table->columns[i]).n;
    char *copy = malloc(n);
    if (!copy)
        return NULL;
    memcpy(copy, row, table->n_row_bytes);
    char *at = copy + table->n_row_bytes;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct journal_column *c = &table->columns[i];
        const struct moa_bytes bytes = outside(row, c);
        if (bytes.n == 0)
            continue;
        memcpy(at, bytes.p, bytes.n);
        if (c->kind == JOURNAL_TEXT)
            *(const char **)(copy + c->offset) = at;
        else
            *(struct moa_bytes *)(copy + c->offset) = (struct moa_bytes){at, bytes.n};
        at += bytes.n;
    }
    return copy;
}
