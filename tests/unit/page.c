/* SPDX-License-Identifier: Apache-2.0
 *
 * study/page.h and study/chart.h: what a report is written with; nothing in a name ends a tag, a
 * cell or a chart.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/chart.h"
#include "study/page.h"

#include "test.h"

struct written {
    struct page page;
    char *html, *md;
    size_t n_html, n_md;
};

static void open_page(struct written *w)
{
    *w = (struct written){.html = NULL};
    w->page.html = open_memstream(&w->html, &w->n_html);
    w->page.md = open_memstream(&w->md, &w->n_md);
}

static void close_page(struct written *w)
{
    fclose(w->page.html);
    fclose(w->page.md);
}

static void free_page(struct written *w)
{
    free(w->html);
    free(w->md);
}

static void tables_are_the_same_in_both(void **unused)
{
    (void)unused;
    static const char *const columns[] = {"policy", "a|b"};
    struct written w;
    open_page(&w);
    page_table_begin(&w.page, columns, 2);
    page_cell(&w.page, "edge <%d>", 1);
    page_estimate(&w.page, (struct estimate){0.712, 0.68, 0.741}, 100, 1);
    page_row_end(&w.page);
    page_cell(&w.page, "= oracle_x");
    page_number(&w.page, NAN, 1);
    page_row_end(&w.page);
    page_cell(&w.page, "two\nlines");
    page_estimate(&w.page, (struct estimate){3.14159, NAN, NAN}, 1, 2);
    page_row_end(&w.page);
    page_table_end(&w.page);
    close_page(&w);
    assert_string_equal(w.md, "| policy | a\\|b |\n| --- | ---: |\n"
                              "| edge \\<1> | 71.2 [68.0, 74.1] |\n"
                              "| = oracle\\_x | \xe2\x80\x93 |\n| two lines | 3.14 |\n\n");
    assert_non_null(strstr(w.html, "<tr><td>edge &lt;1&gt;</td><td>71.2 [68.0, 74.1]</td></tr>"));
    assert_non_null(strstr(w.html, "<tr class=\"computed\"><td>= oracle_x</td>"));
    assert_non_null(strstr(w.html, "<th>a|b</th>"));
    free_page(&w);
}

static void names_are_harmless(void **unused)
{
    (void)unused;
    struct written w;
    open_page(&w);
    page_begin(&w.page, "<script>\"&\"");
    page_heading(&w.page, 2, "a < b");
    page_text(&w.page, "%s", "x > y & z");
    page_end(&w.page);
    close_page(&w);
    assert_null(strstr(w.html, "<script"));
    assert_non_null(strstr(w.html, "<title>&lt;script&gt;&quot;&amp;&quot;</title>"));
    assert_non_null(strstr(w.html, "<h2>a &lt; b</h2>"));
    assert_non_null(strstr(w.html, "<p>x &gt; y &amp; z</p>"));
    assert_non_null(strstr(w.md, "## a < b\n\nx > y & z\n\n"));
    free_page(&w);
}

static char *draw(struct chart_axis x, struct chart_axis y, void (*with)(struct chart *chart))
{
    char *text = NULL;
    size_t n = 0;
    struct chart chart;
    FILE *out = open_memstream(&text, &n);
    chart_begin(&chart, out, "T & U", x, y);
    if (with)
        with(&chart);
    chart_end(&chart);
    fclose(out);
    return text;
}

static void ticks_are_round_numbers(void **unused)
{
    (void)unused;
    char *text = draw((struct chart_axis){"x", 0, 10}, (struct chart_axis){"y", 0, 1}, NULL);
    static const char *const there[] = {
        ">0<", ">2<", ">4<", ">10<", ">0.2<", ">1<", "<title>T &amp; U</title>"};
    for (size_t i = 0; i < N_TESTS(there); i++)
        assert_non_null(strstr(text, there[i]));
    assert_null(strstr(text, ">12<"));
    assert_null(strstr(text, ">1.2<"));
    free(text);
    /* An axis without extent has one. */
    text = draw((struct chart_axis){NULL, 5, 5}, (struct chart_axis){"y", 3, 2}, NULL);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
}

static void draw_everything(struct chart *chart)
{
    const double x[] = {0, 5, 20};
    const double y[] = {0, 0.5, -3};
    chart_line(chart, x, y, 3, chart_color(0), 1);
    chart_point(chart, 10, 1, 0.9, 1.0, "#fff", "a<b");
    chart_point(chart, 0, 0, NAN, NAN, "#fff", NULL);
    chart_bar(chart, 5, 1, 0, 0.5, "#000");
    chart_tick(chart, 5, "t&t");
    for (int i = 0; i < 4; i++)
        chart_legend(chart, "l<l", "#123");
}

/* The frame is from (50, 262) to (390, 12). */
static void everything_stays_in_the_frame(void **unused)
{
    (void)unused;
    char *text =
        draw((struct chart_axis){"x", 0, 10}, (struct chart_axis){"y", 0, 1}, draw_everything);
    assert_non_null(strstr(text, "points=\"50.0,262.0 220.0,137.0 390.0,262.0 \""));
    assert_non_null(strstr(text, "stroke-dasharray"));
    assert_non_null(strstr(text, "<circle cx=\"390.0\" cy=\"12.0\""));
    assert_non_null(strstr(text, "text-anchor=\"end\">a&lt;b</text>"));
    assert_non_null(strstr(text, "<rect x=\"186.0\" y=\"137.0\" width=\"68.0\" height=\"125.0\""));
    assert_non_null(strstr(text, ">t&amp;t<"));
    assert_non_null(strstr(text, "<i style=\"background:#123\"></i>l&lt;l</span>"));
    free(text);
    for (size_t i = 0; i < CHART_COLORS; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(chart_color(i), chart_color(k));
    }
    assert_string_equal(chart_color(CHART_COLORS), chart_color(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_the_same_in_both),
        cmocka_unit_test(names_are_harmless),
        cmocka_unit_test(ticks_are_round_numbers),
        cmocka_unit_test(everything_stays_in_the_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
