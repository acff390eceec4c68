/* SPDX-License-Identifier: Apache-2.0
 *
 * One table of columns, from which the SQL, the copies and the printed forms of a row follow; see
 * journal_row.h.
 */
#include "journal_row.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

enum kind { KIND_TEXT, KIND_COUNT, KIND_FLAG, KIND_REAL };

static const struct column {
    const char *name;
    enum kind kind;
    size_t offset;
} columns[] = {
#define COLUMN(kind, field)                                                                        \
    {                                                                                              \
#field, kind, offsetof(struct journal_row, field)                                          \
    }
    COLUMN(KIND_COUNT, sequence), /* first: it is the key, and not inserted */
    COLUMN(KIND_COUNT, time_ms),
    COLUMN(KIND_TEXT, id),
    COLUMN(KIND_TEXT, trace),
    COLUMN(KIND_TEXT, key),
    COLUMN(KIND_TEXT, policy),
    COLUMN(KIND_TEXT, plan),
    COLUMN(KIND_TEXT, decision),
    COLUMN(KIND_TEXT, reasons),
    COLUMN(KIND_TEXT, scores),
    COLUMN(KIND_TEXT, fallback),
    COLUMN(KIND_TEXT, error),
    COLUMN(KIND_TEXT, calls),
    COLUMN(KIND_TEXT, stages),
    COLUMN(KIND_COUNT, status),
    COLUMN(KIND_FLAG, pinned),
    COLUMN(KIND_FLAG, stream),
    COLUMN(KIND_COUNT, images),
    COLUMN(KIND_REAL, edge_load),
    COLUMN(KIND_REAL, uplink_mbps),
    COLUMN(KIND_REAL, confidence),
    COLUMN(KIND_REAL, threshold),
    COLUMN(KIND_FLAG, edge_up),
    COLUMN(KIND_FLAG, cloud_up),
    COLUMN(KIND_COUNT, edge_bytes_up),
    COLUMN(KIND_COUNT, cloud_bytes_up),
    COLUMN(KIND_COUNT, edge_prompt_tokens),
    COLUMN(KIND_COUNT, edge_completion_tokens),
    COLUMN(KIND_COUNT, cloud_prompt_tokens),
    COLUMN(KIND_COUNT, cloud_completion_tokens),
    COLUMN(KIND_COUNT, overhead_us),
    COLUMN(KIND_COUNT, first_byte_us),
    COLUMN(KIND_COUNT, total_us),
#undef COLUMN
};

static const size_t n_columns = sizeof(columns) / sizeof(columns[0]);

static const char *text_of(const struct journal_row *row, const struct column *column)
{
    const char *text = *(const char *const *)((const char *)row + column->offset);
    return text ? text : "";
}

static int64_t count_of(const struct journal_row *row, const struct column *column)
{
    return *(const int64_t *)((const char *)row + column->offset);
}

static double real_of(const struct journal_row *row, const struct column *column)
{
    return *(const double *)((const char *)row + column->offset);
}

/* ---- SQL ---- */

/* `begin`, `each` (a format for the name of a column) from column `first` on, `end`. */
static char *join(const char *begin, size_t first, const char *(*each)(const struct column *),
                  const char *end)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    fputs(begin, out);
    for (size_t i = first; i < n_columns; i++)
        fprintf(out, "%s%s", i > first ? ", " : "", each(&columns[i]));
    fputs(end, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static const char *name_of(const struct column *column)
{
    return column->name;
}

static const char *parameter_of(const struct column *column)
{
    (void)column;
    return "?";
}

char *journal_row_names(void)
{
    return join("", 0, name_of, "");
}

char *journal_row_schema(void)
{
    static const char format[] =
        "CREATE TABLE IF NOT EXISTS requests (sequence INTEGER PRIMARY KEY AUTOINCREMENT, ";
    char end[160];
    snprintf(end, sizeof(end),
             "); CREATE INDEX IF NOT EXISTS requests_by_time ON requests (time_ms);"
             "PRAGMA user_version=%d;",
             JOURNAL_VERSION);
    return join(format, 1, name_of, end);
}

static int add_column(sqlite3 *db, const char *name)
{
    char sql[160];
    sqlite3_stmt *found = NULL;
    snprintf(sql, sizeof(sql), "SELECT 1 FROM pragma_table_info('requests') WHERE name='%s'", name);
    int err = sqlite3_prepare_v2(db, sql, -1, &found, NULL);
    err = err ? err : sqlite3_step(found);
    sqlite3_finalize(found);
    if (err != SQLITE_DONE)
        return err == SQLITE_ROW ? SQLITE_OK : err;
    snprintf(sql, sizeof(sql), "ALTER TABLE requests ADD COLUMN %s", name);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int journal_row_upgrade(sqlite3 *db)
{
    char sql[48];
    int err = SQLITE_OK;
    for (size_t i = 1; i < n_columns && !err; i++)
        err = add_column(db, columns[i].name);
    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", JOURNAL_VERSION);
    return err ? err : sqlite3_exec(db, sql, NULL, NULL, NULL);
}

char *journal_row_insert(void)
{
    char *names = join("INSERT INTO requests (", 1, name_of, ") VALUES (");
    char *sql = names ? join(names, 1, parameter_of, ")") : NULL;
    free(names);
    return sql;
}

void journal_row_bind(const struct journal_row *row, sqlite3_stmt *insert)
{
    for (size_t i = 1; i < n_columns; i++) {
        const struct column *c = &columns[i];
        int at = (int)i;
        if (c->kind == KIND_TEXT)
            sqlite3_bind_text(insert, at, text_of(row, c), -1, SQLITE_STATIC);
        else if (c->kind == KIND_REAL)
            sqlite3_bind_double(insert, at, real_of(row, c)); /* SQLite makes NaN NULL */
        else if (count_of(row, c) == JOURNAL_UNKNOWN)
            sqlite3_bind_null(insert, at);
        else
            sqlite3_bind_int64(insert, at, count_of(row, c));
    }
}

void journal_row_take(sqlite3_stmt *select, struct journal_row *ret_row)
{
    for (size_t i = 0; i < n_columns; i++) {
        const struct column *c = &columns[i];
        char *field = (char *)ret_row + c->offset;
        int at = (int)i;
        bool null = sqlite3_column_type(select, at) == SQLITE_NULL;
        if (c->kind == KIND_TEXT)
            *(const char **)field = null ? "" : (const char *)sqlite3_column_text(select, at);
        else if (c->kind == KIND_REAL)
            *(double *)field = null ? NAN : sqlite3_column_double(select, at);
        else
            *(int64_t *)field = null ? JOURNAL_UNKNOWN : sqlite3_column_int64(select, at);
    }
}

/* ---- copies ---- */

struct journal_row *journal_row_copy(const struct journal_row *row)
{
    size_t n = sizeof(*row);
    for (size_t i = 0; i < n_columns; i++) {
        if (columns[i].kind == KIND_TEXT)
            n += strlen(text_of(row, &columns[i])) + 1;
    }
    struct journal_row *copy = malloc(n);
    if (!copy)
        return NULL;
    *copy = *row;
    char *at = (char *)(copy + 1);
    for (size_t i = 0; i < n_columns; i++) {
        if (columns[i].kind != KIND_TEXT)
            continue;
        const char *text = text_of(row, &columns[i]);
        size_t room = strlen(text) + 1;
        memcpy(at, text, room);
        *(const char **)((char *)copy + columns[i].offset) = at;
        at += room;
    }
    return copy;
}

/* ---- printed ---- */

static yyjson_mut_val *json_of(yyjson_mut_doc *doc, const struct journal_row *row,
                               const struct column *c)
{
    if (c->kind == KIND_TEXT)
        return yyjson_mut_str(doc, text_of(row, c));
    if (c->kind == KIND_REAL)
        return isnan(real_of(row, c)) ? yyjson_mut_null(doc)
                                      : yyjson_mut_real(doc, real_of(row, c));
    if (count_of(row, c) == JOURNAL_UNKNOWN)
        return yyjson_mut_null(doc);
    return c->kind == KIND_FLAG ? yyjson_mut_bool(doc, count_of(row, c) != 0)
                                : yyjson_mut_int(doc, count_of(row, c));
}

void journal_print_json(const struct journal_row *row, FILE *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    for (size_t i = 0; i < n_columns; i++)
        yyjson_mut_obj_add_val(doc, root, columns[i].name, json_of(doc, row, &columns[i]));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    if (json)
        fputs(json, out);
    free(json);
    yyjson_mut_doc_free(doc);
}

static void print_quoted(const char *text, FILE *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void journal_print_csv(const struct journal_row *row, FILE *out)
{
    for (size_t i = 0; i < n_columns; i++) {
        const struct column *c = &columns[i];
        if (i > 0)
            fputc(',', out);
        if (!row)
            fputs(c->name, out);
        else if (c->kind == KIND_TEXT)
            print_quoted(text_of(row, c), out);
        else if (c->kind == KIND_REAL && !isnan(real_of(row, c)))
            fprintf(out, "%.15g", real_of(row, c));
        else if (c->kind != KIND_REAL && count_of(row, c) != JOURNAL_UNKNOWN)
            fprintf(out, "%lld", (long long)count_of(row, c));
    }
    fputs("\r\n", out);
}
