/* SPDX-License-Identifier: Apache-2.0
 *
 * HTML and Markdown at once; see page.h.
 */
#include "page.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static const char style[] =
    ":root{--ink:#1a1a1a;--soft:#5b6066;--rule:#d9dcdf;--paper:#fff}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:1180px;margin:2rem auto;padding:0 1.2rem}"
    "h1{font-size:1.7rem}h2{font-size:1.25rem;margin-top:2.4rem;border-top:1px solid var(--rule);"
    "padding-top:1rem}h3{font-size:1rem;margin-bottom:.3rem}"
    "p{max-width:62rem;color:var(--soft)}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;margin:.6rem "
    "0}"
    "th,td{padding:.28rem .7rem;border-bottom:1px solid var(--rule);text-align:right;"
    "white-space:nowrap}th{font-weight:600;border-bottom:2px solid var(--ink)}"
    "th:first-child,td:first-child{text-align:left}tr.computed td{color:var(--soft);"
    "font-style:italic}"
    "figure{display:inline-block;margin:.8rem 1rem .8rem 0;vertical-align:top}"
    "svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#1a1a1a}";

void page_escape(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

/* In a cell of a Markdown table a bar or a newline would end it. */
static void escape_md(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '*' || *text == '_' || *text == '<')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

void page_begin(struct page *page, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
          page->html);
    page_escape(page->html, title);
    fprintf(page->html, "</title><style>%s</style></head><body>\n<h1>", style);
    page_escape(page->html, title);
    fputs("</h1>\n", page->html);
    fprintf(page->md, "# %s\n\n", title);
}

void page_end(struct page *page)
{
    fputs("</body></html>\n", page->html);
}

void page_heading(struct page *page, int level, const char *text)
{
    fprintf(page->html, "<h%d>", level);
    page_escape(page->html, text);
    fprintf(page->html, "</h%d>\n", level);
    fprintf(page->md, "%.*s %s\n\n", level, "######", text);
}

void page_text(struct page *page, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fputs("<p>", page->html);
    page_escape(page->html, text);
    fputs("</p>\n", page->html);
    fprintf(page->md, "%s\n\n", text);
}

void page_table_begin(struct page *page, const char *const *columns, size_t n)
{
    fputs("<div class=\"scroll\"><table><thead><tr>", page->html);
    fputc('|', page->md);
    for (size_t i = 0; i < n; i++) {
        fputs("<th>", page->html);
        page_escape(page->html, columns[i]);
        fputs("</th>", page->html);
        fputc(' ', page->md);
        escape_md(page->md, columns[i]);
        fputs(" |", page->md);
    }
    fputs("</tr></thead><tbody>\n", page->html);
    fputs("\n|", page->md);
    for (size_t i = 0; i < n; i++)
        fputs(i == 0 ? " --- |" : " ---: |", page->md);
    fputc('\n', page->md);
    page->column = 0;
}

void page_cell(struct page *page, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (page->column == 0) {
        bool computed = text[0] == '=';
        fputs(computed ? "<tr class=\"computed\">" : "<tr>", page->html);
        fputc('|', page->md);
    }
    page->column++;
    fputs("<td>", page->html);
    page_escape(page->html, text);
    fputs("</td>", page->html);
    fputc(' ', page->md);
    escape_md(page->md, text);
    fputs(" |", page->md);
}

void page_estimate(struct page *page, struct estimate estimate, double scale, int digits)
{
    if (isnan(estimate.value))
        page_cell(page, "–");
    else if (isnan(estimate.low))
        page_cell(page, "%.*f", digits, scale * estimate.value);
    else
        page_cell(page, "%.*f [%.*f, %.*f]", digits, scale * estimate.value, digits,
                  scale * estimate.low, digits, scale * estimate.high);
}

void page_number(struct page *page, double number, int digits)
{
    if (isnan(number))
        page_cell(page, "–");
    else
        page_cell(page, "%.*f", digits, number);
}

void page_row_end(struct page *page)
{
    fputs("</tr>\n", page->html);
    fputc('\n', page->md);
    page->column = 0;
}

void page_table_end(struct page *page)
{
    fputs("</tbody></table></div>\n", page->html);
    fputc('\n', page->md);
}
