/* SPDX-License-Identifier: Apache-2.0
 *
 * HTML and Markdown at once; see page.h.
 */
#include "page.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Colours of policies: the first nine of either ground are those of Okabe and Ito and their like.
 */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1a1a1a;--soft:#565c62;--rule:#d9dcdf;--ground:#fff;"
    "--box:#f4f6f7;--alarm:#fff3e0;"
    "--c0:#0072b2;--c1:#d55e00;--c2:#b5479a;--c3:#7a3e8e;--c4:#009e73;--c5:#56b4e9;--c6:#8a6d00;"
    "--c7:#a61e1e;--c8:#111;--c9:#00868b;--c10:#6b7f00;--c11:#4b5fd1;--c12:#c2607a;--c13:#777}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a9b0b7;--rule:#3b4046;"
    "--ground:#16181b;--box:#202428;--alarm:#3b2c12;"
    "--c0:#4aa8e8;--c1:#ff8a3c;--c2:#e58bd0;--c3:#b994d6;--c4:#2fd0a2;--c5:#9bd8ff;--c6:#d9b93a;"
    "--c7:#ff7b7b;--c8:#f5f5f5;--c9:#3fc8cd;--c10:#b9d04a;--c11:#98a6ff;--c12:#f0a3b8;--c13:#aaa}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);"
    "max-width:1290px;margin:1.5rem auto;padding:0 1rem;overflow-wrap:break-word}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.4rem;border-top:1px solid var(--rule);"
    "padding-top:1rem}h3{font-size:1rem;margin-bottom:.3rem}"
    "p,li{max-width:62rem;color:var(--soft)}"
    ".verdict{background:var(--box);border-radius:8px;padding:.4rem 1rem}"
    ".verdict p{color:var(--ink);font-size:1.05rem}"
    ".missing{background:var(--alarm);border-radius:8px;padding:.1rem 1rem}"
    ".missing p,.missing li{color:var(--ink)}"
    "pre{background:var(--box);border-radius:8px;padding:.7rem 1rem;overflow-x:auto;font-size:13px}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;margin:.6rem "
    "0}"
    "th,td{padding:.28rem .7rem;border-bottom:1px solid var(--rule);text-align:right;"
    "white-space:nowrap}th{font-weight:600;border-bottom:2px solid var(--ink)}"
    "th:first-child,td:first-child{text-align:left;position:sticky;left:0;"
    "background:var(--ground)}tr.computed td{color:var(--soft);"
    "font-style:italic}"
    "td.long{white-space:normal;text-align:left;min-width:14rem}"
    "figure{display:inline-block;margin:.8rem .8rem .8rem 0;vertical-align:top;width:400px;"
    "max-width:100%}figcaption{font-weight:600;font-size:13px}"
    "svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}"
    ".legend{font-size:12px;margin:.2rem 0;line-height:1.6}"
    ".legend span{display:inline-block;margin-right:.7rem;color:var(--ink)}"
    ".legend i{display:inline-block;width:10px;height:10px;margin-right:4px}"
    ".pictures{display:flex;flex-wrap:wrap;gap:1rem}"
    ".pictures figure{width:220px;margin:0;font-size:12px}"
    ".pictures img{width:220px;height:165px;object-fit:contain;background:var(--box);"
    "border-radius:6px}"
    ".pictures figcaption{font-weight:400;font-size:12px;color:var(--soft)}"
    "@media(max-width:30rem){body{padding:0 .7rem;font-size:16px}h1{font-size:1.3rem}"
    ".pictures figure,.pictures img{width:100%}}";

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

void page_box_begin(struct page *page, const char *name)
{
    fprintf(page->html, "<div class=\"%s\">\n", name);
}

void page_box_end(struct page *page)
{
    fputs("</div>\n", page->html);
}

void page_code(struct page *page, const char *text)
{
    fputs("<pre>", page->html);
    page_escape(page->html, text);
    fputs("</pre>\n", page->html);
    fprintf(page->md, "```yaml\n%s```\n\n", text);
}

void page_pictures_begin(struct page *page)
{
    fputs("<div class=\"pictures\">\n", page->html);
}

void page_picture(struct page *page, const char *uri, const char *caption)
{
    fputs("<figure>", page->html);
    if (uri) {
        fputs("<img alt=\"\" loading=\"lazy\" src=\"", page->html);
        page_escape(page->html, uri);
        fputs("\">", page->html);
    }
    fputs("<figcaption>", page->html);
    page_escape(page->html, caption);
    fputs("</figcaption></figure>\n", page->html);
    fputs("- ", page->md);
    escape_md(page->md, caption);
    fputc('\n', page->md);
}

void page_pictures_end(struct page *page)
{
    fputs("</div>\n", page->html);
    fputc('\n', page->md);
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

static void write_cell(struct page *page, const char *begin, const char *text)
{
    if (page->column == 0) {
        bool computed = text[0] == '=';
        fputs(computed ? "<tr class=\"computed\">" : "<tr>", page->html);
        fputc('|', page->md);
    }
    page->column++;
    fputs(begin, page->html);
    page_escape(page->html, text);
    fputs("</td>", page->html);
    fputc(' ', page->md);
    escape_md(page->md, text);
    fputs(" |", page->md);
}

void page_cell(struct page *page, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_cell(page, "<td>", text);
}

void page_words(struct page *page, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_cell(page, "<td class=\"long\">", text);
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
