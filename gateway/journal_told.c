/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a row leaves the box for its fleet; see journal_print_told() in journal.h. Two walls: the
 * columns stand in a list here, and a text with a letter that none of the gateway's own words has
 * is left out.
 */
#include <math.h>
#include <string.h>

#include "journal_row.h"

#define WORDS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 =,.;-_"
#define WORDS_BYTES_MAX 400

/* Not here: what clients chose or can be known by (id, trace, key), hashes of what was asked
 * (docket), and the settings, which are the same in every row. */
static const char *const told[] = {
    "sequence",
    "time_ms",
    "policy",
    "plan",
    "decision",
    "reasons",
    "scores",
    "fallback",
    "error",
    "calls",
    "dialect",
    "stages",
    "status",
    "pinned",
    "stream",
    "images",
    "image_mode",
    "edge_load",
    "uplink_mbps",
    "confidence",
    "threshold",
    "edge_up",
    "cloud_up",
    "edge_bytes_up",
    "cloud_bytes_up",
    "edge_prompt_tokens",
    "edge_completion_tokens",
    "cloud_prompt_tokens",
    "cloud_completion_tokens",
    "cost",
    "overhead_us",
    "first_byte_us",
    "total_us",
};

const char *journal_told_name(size_t i)
{
    return i < sizeof(told) / sizeof(told[0]) ? told[i] : NULL;
}

static bool is_told(const char *column)
{
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (strcmp(told[i], column) == 0)
            return true;
    }
    return false;
}

static void print_text(const char *name, const char *text, FILE *out)
{
    const size_t n = strlen(text);
    if (n > 0 && n <= WORDS_BYTES_MAX && strspn(text, WORDS) == n)
        fprintf(out, ",\"%s\":\"%s\"", name, text);
}

/* What is unknown is left out. */
void journal_print_told(const struct journal_row *row, const char *box, const char *file, FILE *out)
{
    fprintf(out, "{\"box\":\"%s\",\"journal\":\"%s\"", box, file);
    for (size_t i = 0; i < journal_requests.n_columns; i++) {
        const struct journal_column *c = &journal_requests.columns[i];
        if (!is_told(c->name))
            continue;
        if (c->kind == JOURNAL_TEXT)
            print_text(c->name, journal_row_text(row, c), out);
        else if (c->kind == JOURNAL_REAL && isfinite(journal_row_real(row, c)))
            fprintf(out, ",\"%s\":%.9g", c->name, journal_row_real(row, c));
        else if (c->kind == JOURNAL_COUNT && journal_row_count(row, c) != JOURNAL_UNKNOWN)
            fprintf(out, ",\"%s\":%lld", c->name, (long long)journal_row_count(row, c));
        else if (c->kind == JOURNAL_FLAG && journal_row_count(row, c) != JOURNAL_UNKNOWN)
            fprintf(out, ",\"%s\":%s", c->name, journal_row_count(row, c) ? "true" : "false");
    }
    fputc('}', out);
}
