/* SPDX-License-Identifier: Apache-2.0
 *
 * A report written twice at once: HTML that needs nothing beside itself, and Markdown. Figures are
 * in the HTML only.
 */
#ifndef MOA_STUDY_PAGE_H
#define MOA_STUDY_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "stats.h"

struct page {
    FILE *html, *md;
    size_t column; /* in the row that is being written */
    bool in_head;
};

/** Writes the head of both. */
void page_begin(struct page *page, const char *title);
/** Writes the end; the files stay open. */
void page_end(struct page *page);

void page_heading(struct page *page, int level, const char *text);
__attribute__((format(printf, 2, 3))) void page_text(struct page *page, const char *format, ...);

/** A box of this class of the style, around what follows; in Markdown nothing. */
void page_box_begin(struct page *page, const char *name);
void page_box_end(struct page *page);

/** Lines as they are, to be copied. */
void page_code(struct page *page, const char *text);

/** Pictures beside each other, each with what is said below it; `uri` NULL: it could not be read.
 * In Markdown only what is said. */
void page_pictures_begin(struct page *page);
void page_picture(struct page *page, const char *uri, const char *caption);
void page_pictures_end(struct page *page);

/** A table with its header row; then cells, each row ended by page_row_end(). */
void page_table_begin(struct page *page, const char *const *columns, size_t n);
__attribute__((format(printf, 2, 3))) void page_cell(struct page *page, const char *format, ...);
/** The same for words: from the left, over several lines if need be. */
__attribute__((format(printf, 2, 3))) void page_words(struct page *page, const char *format, ...);
/** "71.2 [68.0, 74.1]" with every number times `scale`; a dash if there is none. */
void page_estimate(struct page *page, struct estimate estimate, double scale, int digits);
/** One number, or a dash for NaN. */
void page_number(struct page *page, double number, int digits);
void page_row_end(struct page *page);
void page_table_end(struct page *page);

/** `text` with <, >, &, " made harmless. */
void page_escape(FILE *out, const char *text);

#endif
