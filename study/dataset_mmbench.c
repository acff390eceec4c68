/* SPDX-License-Identifier: Apache-2.0
 *
 * MMBench (https://github.com/open-compass/MMBench): a table with tabs between its columns, quoted
 * as CSV is, with the image of each row as base64. A row whose image is a number borrows the image
 * of the row with that index. As in VLMEvalKit, rows whose index is the same modulo 10^6 (or whose
 * "g_index" is the same) are rotations of one question, that of the row whose index is that number.
 */
#include <stdlib.h>
#include <string.h>

#include "dataset.h"

#define COLUMNS_MAX 32
#define INDEX_DIGITS_MAX 12
#define ROTATION_STEP 1000000

enum column {
    INDEX,
    G_INDEX,
    QUESTION,
    HINT,
    ANSWER,
    CATEGORY,
    IMAGE,
    OPTION_A,
    N_COLUMNS = OPTION_A + CHOICE_OPTIONS_MAX
};

static const char *const column_names[N_COLUMNS] = {
    "index", "g_index", "question", "hint", "answer", "category", "image", "A",
    "B",     "C",       "D",        "E",    "F",      "G",        "H"};

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

/* ---- rows to items ---- */

/* The text of a cell with doubled quotes made single. */
static const char *text_of(struct dataset *set, const struct row *row, enum column column)
{
    const struct moa_bytes *cell = &row->cells[column];
    const char *p = cell->p;
    char *text = dataset_alloc(set, cell->n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < cell->n; i++) {
        if (row->quoted[column] && p[i] == '"' && i + 1 < cell->n)
            i++;
        text[n++] = p[i];
    }
    return text;
}

/* A whole number, or -1. */
static int64_t number_of(struct moa_bytes cell)
{
    int64_t number = 0;
    if (cell.n == 0 || cell.n > INDEX_DIGITS_MAX)
        return -1;
    for (size_t i = 0; i < cell.n; i++) {
        char c = ((const char *)cell.p)[i];
        if (c < '0' || c > '9')
            return -1;
        number = 10 * number + (c - '0');
    }
    return number;
}

/* What is known of an item beside the item. */
struct entry {
    int64_t index, base; /* -1: the index is no number, so the row is a question of its own */
    size_t item, line;
    size_t place; /* in the file, of the question; rotations stand there too */
    int64_t image_of;
    const char *question, *hint;
};

struct mmbench {
    struct dataset *set;
    const char *path;
    const struct dataset_options *options;
    struct entry *entries;
    size_t n, room;
};

static struct entry *entry_add(struct mmbench *m)
{
    if (m->n == m->room) {
        size_t room = m->room + m->room / 2 + 256;
        struct entry *grown = realloc(m->entries, room * sizeof(*grown));
        if (!grown)
            return NULL;
        m->entries = grown;
        m->room = room;
    }
    return &m->entries[m->n++];
}

static int take_options(struct dataset *set, struct item *item, const struct row *row)
{
    item->options = dataset_alloc(set, CHOICE_OPTIONS_MAX * sizeof(*item->options));
    for (int c = OPTION_A; item->options && c < N_COLUMNS && row->cells[c].n > 0; c++) {
        item->options[item->n_options] = text_of(set, row, (enum column)c);
        if (!item->options[item->n_options++])
            return -1;
    }
    const struct moa_bytes *answer = &row->cells[ANSWER];
    int right = answer->n == 1 ? *(const char *)answer->p - 'A' : -1;
    item->right = right >= 0 && (size_t)right < item->n_options ? right : -1;
    return item->options ? 0 : -1;
}

/* "12" for the question itself, "12#1" for the rotation 1000012. */
static const char *id_of(struct dataset *set, const struct row *row, const struct entry *entry)
{
    if (entry->base < 0)
        return text_of(set, row, INDEX);
    if (entry->base == entry->index)
        return dataset_print(set, "%lld", (long long)entry->index);
    int64_t by =
        entry->index % ROTATION_STEP == entry->base ? entry->index / ROTATION_STEP : entry->index;
    return dataset_print(set, "%lld#%lld", (long long)entry->base, (long long)by);
}

static int64_t base_of(const struct row *row, int64_t index)
{
    int64_t given = number_of(row->cells[G_INDEX]);
    return given >= 0 || index < 0 ? given : index % ROTATION_STEP;
}

/* NULL, or what is wrong with the row; nothing is added then. */
static const char *add_row(struct mmbench *m, const struct row *row)
{
    struct dataset *set = m->set;
    if (row->cells[INDEX].n == 0 || row->cells[QUESTION].n == 0)
        return "no index or no question";
    if (row->cells[IMAGE].n == 0)
        return "no image";
    if (memchr(row->cells[INDEX].p, '#', row->cells[INDEX].n))
        return "an index with a #, which marks rotated options";
    struct item *item = dataset_add(set);
    struct entry *entry = item ? entry_add(m) : NULL;
    if (!entry)
        return "out of memory";
    int64_t index = number_of(row->cells[INDEX]);
    *entry = (struct entry){.index = index,
                            .base = index < 0 ? -1 : base_of(row, index),
                            .item = set->n - 1,
                            .line = row->line,
                            .image_of = number_of(row->cells[IMAGE]),
                            .question = text_of(set, row, QUESTION),
                            .hint = text_of(set, row, HINT)};
    item->id = id_of(set, row, entry);
    item->category = text_of(set, row, CATEGORY);
    item->base64 = row->cells[IMAGE];
    item->n_images = 1;
    const char *why = NULL;
    if (!entry->question || !entry->hint || !item->id || !item->category ||
        take_options(set, item, row))
        why = "out of memory";
    else if (item->n_options < 2)
        why = "fewer than two options";
    else if (row->cells[ANSWER].n > 0 && item->right < 0)
        why = "an answer that is none of the options";
    if (!why && dataset_make_choice(set, entry->item, entry->question, entry->hint))
        why = "out of memory";
    if (why) {
        dataset_drop(set);
        m->n--;
    }
    return why;
}

/* ---- rotations that are rows, images that are borrowed ---- */

/* By question, the question itself first; rows without a number each for itself. */
static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    bool x_first = x->index == x->base;
    bool y_first = y->index == y->base;
    if (x->base >= 0 && x_first != y_first)
        return x_first ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static int compare_places(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return compare_entries(a, b);
}

/* The entry of a row by its number; entries are sorted by question. */
static const struct entry *find_entry(const struct mmbench *m, int64_t index)
{
    for (int by_step = 1; by_step >= 0; by_step--) {
        int64_t base = by_step ? index % ROTATION_STEP : index;
        size_t low = 0;
        size_t high = m->n;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (m->entries[middle].base < base)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < m->n && m->entries[low].base == base; low++) {
            if (m->entries[low].index == index)
                return &m->entries[low];
        }
    }
    return NULL;
}

/* The bytes of its image, and what else is about the same one. */
static void take_image(struct mmbench *m, const struct entry *entry)
{
    struct item *item = &m->set->items[entry->item];
    const struct entry *owner = entry;
    if (entry->image_of >= 0)
        owner = find_entry(m, entry->image_of);
    if (owner && owner->image_of < 0)
        item->base64 = m->set->items[owner->item].base64;
    else
        owner = NULL;
    if (owner && owner->base >= 0)
        item->group = dataset_print(m->set, "%lld", (long long)owner->base);
    else
        item->group = item->id;
    if (owner && item->group)
        return;
    item->left_out = true;
    item->group = "";
    dataset_fault(m->set, m->options, m->path, entry->line,
                  "row \"%s\" borrows an image that is not there", item->id);
}

/* Entries of one question: [first, end). */
static size_t question_end(const struct mmbench *m, size_t first)
{
    size_t end = first + 1;
    while (end < m->n && m->entries[first].base >= 0 &&
           m->entries[end].base == m->entries[first].base)
        end++;
    return end;
}

static void place_question(struct mmbench *m, size_t first, size_t end)
{
    const struct entry *question = &m->entries[first];
    bool orphans = question->base >= 0 && question->index != question->base;
    for (size_t i = first; i < end; i++) {
        struct item *item = &m->set->items[m->entries[i].item];
        m->entries[i].place = question->item;
        if (!orphans)
            continue;
        item->left_out = true;
        dataset_fault(m->set, m->options, m->path, m->entries[i].line,
                      "row \"%lld\" rotates a question that is not there",
                      (long long)m->entries[i].index);
    }
}

/* Puts rotations behind their question. Questions of which no rotation is a row are rotated here
 * if that is wanted. */
static int arrange(struct mmbench *m)
{
    struct dataset *set = m->set;
    qsort(m->entries, m->n, sizeof(*m->entries), compare_entries);
    for (size_t i = 0; i < m->n; i++)
        take_image(m, &m->entries[i]);
    for (size_t first = 0, end; first < m->n; first = end) {
        end = question_end(m, first);
        place_question(m, first, end);
    }
    const size_t n_rows = set->n;
    struct item *rows = malloc((n_rows + 1) * sizeof(*rows));
    if (!rows)
        return -1;
    memcpy(rows, set->items, n_rows * sizeof(*rows));
    qsort(m->entries, m->n, sizeof(*m->entries), compare_places);
    set->n = 0;
    int failed = 0;
    for (size_t first = 0, end; first < m->n && !failed; first = end) {
        const struct entry *question = &m->entries[first];
        end = question_end(m, first);
        for (size_t i = first; i < end && !failed; i++) {
            struct item *item = dataset_add(set);
            failed = item ? 0 : -1;
            if (item)
                *item = rows[m->entries[i].item];
        }
        bool alone = m->entries[end - 1].index == question->index;
        if (!failed && m->options->circular && alone)
            failed = dataset_add_rotations(set, set->n - 1, question->question, question->hint);
    }
    free(rows);
    return failed;
}

/* ---- entry ---- */

static int read_rows(struct mmbench *m, struct table *table)
{
    while (table->at < table->end) {
        struct row row;
        read_row(table, &row);
        if (row.n_cells == 1 && row.cells[INDEX].n == 0)
            continue; /* an empty line */
        const char *why =
            row.n_cells == table->n_columns ? add_row(m, &row) : "another number of columns";
        if (why)
            dataset_fault(m->set, m->options, m->path, row.line, "%s", why);
    }
    int failed = m->n > 0 ? arrange(m) : 0;
    if (failed)
        fprintf(stderr, "%s: out of memory\n", m->options->log_name);
    return failed;
}

int dataset_read_mmbench(struct dataset *set, const char *path,
                         const struct dataset_options *options)
{
    if (dataset_map(set, path, options))
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
    struct mmbench m = {.set = set, .path = path, .options = options};
    int failed = read_rows(&m, &table);
    free(m.entries);
    return failed;
}
