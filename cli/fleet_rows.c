/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a stream; see fleet_rows.h.
 */
#include "fleet_rows.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/journal.h"

#include "members.h"

#define WINDOW 1024
#define KEY_BYTES 160

/* ---- a row ---- */

int fleet_row_read(const struct fleet_message *message, struct fleet_row *ret_row)
{
    struct fleet_row row = {.doc = yyjson_read(message->data.p, message->data.n, 0)};
    row.root = yyjson_doc_get_root(row.doc);
    row.sequence = yyjson_get_sint(yyjson_obj_get(row.root, "sequence"));
    row.time_ms = yyjson_get_sint(yyjson_obj_get(row.root, "time_ms"));
    fleet_names_box(message->subject, row.box, sizeof(row.box));
    const char *journal = member_text(row.root, "journal");
    const size_t n = strlen(journal);
    if (row.sequence <= 0 || !row.box[0] || n == 0 || n >= sizeof(row.journal) ||
        strspn(journal, "0123456789abcdef") != n) {
        yyjson_doc_free(row.doc);
        return -1;
    }
    memcpy(row.journal, journal, n + 1);
    *ret_row = row;
    return 0;
}

void fleet_row_done(struct fleet_row *row)
{
    yyjson_doc_free(row->doc);
}

bool fleet_row_passes(const struct fleet_row *row, const struct fleet_wish *wish)
{
    const int64_t status = yyjson_get_sint(yyjson_obj_get(row->root, "status"));
    return row->time_ms >= wish->since_ms && status >= wish->status_min &&
           status <= wish->status_max &&
           (!wish->plan || strcmp(member_text(row->root, "plan"), wish->plan) == 0);
}

static void print_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        if ((unsigned char)*text >= ' ' && *text != 0x7f)
            fputc(*text, out);
    }
    fputc('"', out);
}

static void print_value(yyjson_val *value, FILE *out)
{
    if (yyjson_is_str(value))
        print_text(yyjson_get_str(value), out);
    else if (yyjson_is_bool(value))
        fputs(yyjson_get_bool(value) ? "true" : "false", out);
    else if (yyjson_is_real(value))
        fprintf(out, "%.15g", yyjson_get_real(value));
    else if (yyjson_is_int(value))
        fprintf(out, "%lld", (long long)yyjson_get_sint(value));
}

void fleet_row_print_csv(const struct fleet_row *row, FILE *out)
{
    if (row)
        fprintf(out, "%s,%s", row->box, row->journal);
    else
        fputs("box,journal", out);
    const char *name;
    for (size_t i = 0; (name = journal_told_name(i)); i++) {
        fputc(',', out);
        if (row)
            print_value(yyjson_obj_get(row->root, name), out);
        else
            fputs(name, out);
    }
    fputc('\n', out);
}

void fleet_row_print_json(const struct fleet_row *row, FILE *out)
{
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(row->doc, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    if (!root)
        return;
    yyjson_mut_obj_put(root, yyjson_mut_str(doc, "box"), yyjson_mut_str(doc, row->box));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ESCAPE_UNICODE, NULL);
    if (json)
        fprintf(out, "%s\n", json);
    free(json);
    yyjson_mut_doc_free(doc);
}

/* ---- rows that were seen ---- */

struct seen_of {
    char key[KEY_BYTES];
    int64_t highest;
    uint64_t bits[WINDOW / 64]; /* bit s modulo WINDOW: sequence s was seen */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct seen_of *)a)->key, ((const struct seen_of *)b)->key);
}

static struct seen_of *find(struct fleet_seen *seen, const struct seen_of *wanted)
{
    struct seen_of **found = tfind(wanted, &seen->tree, compare);
    if (found)
        return *found;
    struct seen_of *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return NULL;
    memcpy(fresh->key, wanted->key, sizeof(fresh->key));
    if (!tsearch(fresh, &seen->tree, compare)) {
        free(fresh);
        return NULL;
    }
    return fresh;
}

/* Sequences that nothing was seen of yet stand where much older ones stood. */
static void forget(struct seen_of *of, int64_t from, int64_t until)
{
    for (int64_t s = from; s < until; s++)
        of->bits[s % WINDOW / 64] &= ~(UINT64_C(1) << s % 64);
}

bool fleet_seen_add(struct fleet_seen *seen, const char *key, const char *box, const char *journal,
                    int64_t sequence)
{
    struct seen_of wanted;
    snprintf(wanted.key, sizeof(wanted.key), "%.20s/%.64s/%.64s", key, box, journal);
    struct seen_of *of = find(seen, &wanted);
    if (!of)
        return true; /* out of memory: twice is better than never */
    if (sequence <= of->highest - WINDOW)
        return false;
    if (sequence > of->highest && sequence - of->highest >= WINDOW)
        memset(of->bits, 0, sizeof(of->bits));
    else if (sequence > of->highest)
        forget(of, of->highest + 1, sequence);
    uint64_t *word = &of->bits[sequence % WINDOW / 64];
    const uint64_t bit = UINT64_C(1) << sequence % 64;
    const bool is_new = sequence > of->highest || !(*word & bit);
    *word |= bit;
    of->highest = sequence > of->highest ? sequence : of->highest;
    return is_new;
}

void fleet_seen_done(struct fleet_seen *seen)
{
    tdestroy(seen->tree, free);
    seen->tree = NULL;
}
