/* SPDX-License-Identifier: Apache-2.0
 *
 * MMBench (https://github.com/open-compass/MMBench): a table with tabs between its columns, quoted
 * as CSV is, with the image of each row as base64. A row whose image is a number borrows the image
 * of the row with that index, as the files for circular evaluation do.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataset.h"

#define COLUMNS_MAX 32
#define INDEX_DIGITS_MAX 12

enum column { INDEX, QUESTION, HINT, ANSWER, CATEGORY, IMAGE, OPTION_A, N_COLUMNS = OPTION_A + 8 };

static const char *const column_names[N_COLUMNS] = {
    "index", "question", "hint", "answer", "category", "image", "A",
    "B",     "C",        "D",    "E",      "F",        "G",     "H"};

struct table {
    const char *at, *end;
    size_t line; /* of the row that is read next */
    int columns[COLUMNS_MAX];
    size_t n_columns;
};

struct row {
    struct moa_bytes cells[N_COLUMNS];
    bool quoted[N_COLUMNS];
    size_t n_cells, line;
};

/* One cell up to its tab, newline or the end. False at the end of the row. */
static bool next_cell(struct table *t, struct moa_bytes *ret_cell, bool *ret_quoted)
{
    const char *begin = t->at;
    *ret_quoted = t->at < t->end && *t->at == '"';
    if (*ret_quoted) {
        begin = ++t->at;
        while (t->at < t->end && (*t->at != '"' || (t->at + 1 < t->end && t->at[1] == '"'))) {
            t->line += *t->at == '\n';
            t->at += *t->at == '"' ? 2 : 1;
        }
        *ret_cell = (struct moa_bytes){begin, (size_t)(t->at - begin)};
        t->at += t->at < t->end;
    }
    while (t->at < t->end && *t->at != '\t' && *t->at != '\n')
        t->at++;
    if (!*ret_quoted) {
        size_t n = (size_t)(t->at - begin);
        bool carriage_return = n > 0 && begin[n - 1] == '\r';
        *ret_cell = (struct moa_bytes){begin, n - carriage_return};
    }
    bool more = t->at < t->end && *t->at == '\t';
    t->line += t->at < t->end && *t->at == '\n';
    t->at += t->at < t->end;
    return more;
}

static void read_row(struct table *t, struct row *ret_row)
{
    *ret_row = (struct row){.line = t->line};
    bool more = true;
    while (more) {
        struct moa_bytes cell;
        bool quoted;
        more = next_cell(t, &cell, &quoted);
        size_t i = ret_row->n_cells++;
        int column = i < t->n_columns ? t->columns[i] : -1;
        if (column < 0)
            continue;
        ret_row->cells[column] = cell;
        ret_row->quoted[column] = quoted;
    }
}

static void read_head(struct table *t)
{
    bool more = true;
    while (more && t->n_columns < COLUMNS_MAX) {
        struct moa_bytes cell;
        bool quoted;
        more = next_cell(t, &cell, &quoted);
        int column = -1;
        for (int i = 0; i < N_COLUMNS; i++) {
            if (strlen(column_names[i]) == cell.n && memcmp(column_names[i], cell.p, cell.n) == 0)
                column = i;
        }
        t->columns[t->n_columns++] = column;
    }
}

/* The text of a cell with doubled quotes made single. */
static char *text_of(const struct row *row, enum column column)
{
    const struct moa_bytes *cell = &row->cells[column];
    const char *p = cell->p;
    char *text = malloc(cell->n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < cell->n; i++) {
        if (row->quoted[column] && p[i] == '"' && i + 1 < cell->n)
            i++;
        text[n++] = p[i];
    }
    if (text)
        text[n] = '\0';
    return text;
}

static bool is_reference(struct moa_bytes image)
{
    if (image.n == 0 || image.n > INDEX_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < image.n; i++) {
        if (!isdigit(((const unsigned char *)image.p)[i]))
            return false;
    }
    return true;
}

/* Gives items whose image is a number the image of that item. */
static void resolve_references(struct dataset *set, const char *path,
                               const struct dataset_options *options)
{
    for (size_t i = 0; i < set->n; i++) {
        struct item *item = &set->items[i];
        if (!is_reference(item->base64))
            continue;
        struct moa_bytes wanted = item->base64;
        for (size_t k = 0; k < set->n && is_reference(item->base64); k++) {
            const struct item *other = &set->items[k];
            if (strlen(other->id) == wanted.n && memcmp(other->id, wanted.p, wanted.n) == 0 &&
                !is_reference(other->base64))
                item->base64 = other->base64;
        }
        if (is_reference(item->base64)) {
            item->left_out = true;
            if (!strchr(item->id, '#')) /* rotations go with their question */
                dataset_fault(set, options, path, 0,
                              "row \"%s\" borrows an image that is not there", item->id);
        }
    }
}

static int take_options(struct item *item, const struct row *row)
{
    for (int c = OPTION_A; c < N_COLUMNS && row->cells[c].n > 0; c++) {
        item->options[item->n_options] = text_of(row, (enum column)c);
        if (!item->options[item->n_options++])
            return -1;
    }
    const struct moa_bytes *answer = &row->cells[ANSWER];
    int right = answer->n == 1 ? *(const char *)answer->p - 'A' : -1;
    item->right = right >= 0 && (size_t)right < item->n_options ? right : -1;
    return 0;
}

/* NULL, or what is wrong with the row; the item is left out then. */
static const char *add_row(struct dataset *set, const struct row *row,
                           const struct dataset_options *options)
{
    if (row->cells[INDEX].n == 0 || row->cells[QUESTION].n == 0)
        return "no index or no question";
    if (row->cells[IMAGE].n == 0)
        return "no image";
    struct item *item = dataset_add(set);
    if (!item)
        return "out of memory";
    size_t at = set->n - 1;
    char *question = text_of(row, QUESTION);
    char *hint = text_of(row, HINT);
    item->id = text_of(row, INDEX);
    item->group = text_of(row, is_reference(row->cells[IMAGE]) ? IMAGE : INDEX);
    item->category = text_of(row, CATEGORY);
    item->base64 = row->cells[IMAGE];
    item->n_images = 1;
    const char *why = NULL;
    bool no_memory = !question || !hint || !item->id || !item->group || !item->category ||
                     take_options(item, row);
    if (no_memory)
        why = "out of memory";
    else if (item->n_options < 2)
        why = "fewer than two options";
    else if (row->cells[ANSWER].n > 0 && item->right < 0)
        why = "an answer that is none of the options";
    if (!why && dataset_make_choice(set, at, question, hint, options))
        why = "out of memory";
    while (why && set->n > at)
        dataset_drop(set);
    free(question);
    free(hint);
    return why;
}

static int map_file(struct dataset *set, const char *path, const struct dataset_options *options)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
        fprintf(stderr, "%s: %s: %s\n", options->log_name, path,
                fd < 0 ? strerror(errno) : "is empty");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    set->file_bytes = (size_t)st.st_size;
    set->file = mmap(NULL, set->file_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (set->file == MAP_FAILED) {
        fprintf(stderr, "%s: %s: %s\n", options->log_name, path, strerror(errno));
        set->file = NULL;
        return -1;
    }
    set->mapped = true;
    return 0;
}

int dataset_read_mmbench(struct dataset *set, const char *path,
                         const struct dataset_options *options)
{
    if (map_file(set, path, options))
        return -1;
    struct table table = {.at = set->file + dataset_bom(set->file, set->file_bytes),
                          .end = set->file + set->file_bytes,
                          .line = 1};
    read_head(&table);
    bool seen[N_COLUMNS] = {false};
    for (size_t i = 0; i < table.n_columns; i++) {
        if (table.columns[i] >= 0)
            seen[table.columns[i]] = true;
    }
    if (!seen[INDEX] || !seen[QUESTION] || !seen[IMAGE] || !seen[OPTION_A]) {
        fprintf(stderr, "%s: %s:1: no columns \"index\", \"question\", \"image\" and \"A\"\n",
                options->log_name, path);
        return -1;
    }
    while (table.at < table.end) {
        struct row row;
        read_row(&table, &row);
        if (row.n_cells == 1 && row.cells[INDEX].n == 0)
            continue; /* an empty line */
        const char *why = row.n_cells == table.n_columns ? add_row(set, &row, options)
                                                         : "another number of columns";
        if (why)
            dataset_fault(set, options, path, row.line, "%s", why);
    }
    resolve_references(set, path, options);
    return 0;
}
