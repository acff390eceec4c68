/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts; see chart.h.
 */
#include "chart.h"

#include <math.h>
#include <string.h>

#include "page.h"

/* Narrow enough for a telephone held upright. */
#define WIDTH 400
#define HEIGHT 306
#define LEFT 50
#define RIGHT 390
#define TOP 12
#define BOTTOM 262
#define TICKS 5

/* The values are in page.c's style, one set for each of light and dark. */
const char *chart_color(size_t i)
{
    static const char *const colors[CHART_COLORS] = {
        "var(--c0)",  "var(--c1)",  "var(--c2)",  "var(--c3)", "var(--c4)",
        "var(--c5)",  "var(--c6)",  "var(--c7)",  "var(--c8)", "var(--c9)",
        "var(--c10)", "var(--c11)", "var(--c12)", "var(--c13)"};
    return colors[i % CHART_COLORS];
}

static double px_x(const struct chart *c, double x)
{
    double share = (x - c->x.low) / (c->x.high - c->x.low);
    return LEFT + fmin(1.0, fmax(0.0, share)) * (RIGHT - LEFT);
}

static double px_y(const struct chart *c, double y)
{
    double share = (y - c->y.low) / (c->y.high - c->y.low);
    return BOTTOM - fmin(1.0, fmax(0.0, share)) * (BOTTOM - TOP);
}

/* 1, 2 or 5 times a power of ten, about a fifth of the range. */
static double tick_step(const struct chart_axis *axis)
{
    double rough = (axis->high - axis->low) / TICKS;
    double power = pow(10.0, floor(log10(rough)));
    double lead = rough / power;
    return power * (lead < 1.5 ? 1.0 : lead < 3.5 ? 2.0 : lead < 7.5 ? 5.0 : 10.0);
}

static void draw_axes(struct chart *c)
{
    fprintf(c->out, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"var(--ink)\"/>", LEFT, TOP,
            BOTTOM, RIGHT);
    double step = tick_step(&c->y);
    for (int i = 0; i <= 2 * TICKS + 2; i++) {
        double y = (ceil(c->y.low / step) + i) * step;
        if (y > c->y.high + step * 1e-6)
            break;
        fprintf(c->out,
                "<path d=\"M%d %.1fH%d\" stroke=\"var(--rule)\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>",
                LEFT, px_y(c, y), RIGHT, LEFT - 6, px_y(c, y) + 4, y + 0.0);
    }
    fprintf(c->out,
            "<text x=\"14\" y=\"%d\" transform=\"rotate(-90 14 %d)\" "
            "text-anchor=\"middle\">",
            (TOP + BOTTOM) / 2, (TOP + BOTTOM) / 2);
    page_escape(c->out, c->y.label);
    fputs("</text>", c->out);
    if (!c->x.label)
        return;
    step = tick_step(&c->x);
    for (int i = 0; i <= 2 * TICKS + 2; i++) {
        double x = (ceil(c->x.low / step) + i) * step;
        if (x > c->x.high + step * 1e-6)
            break;
        fprintf(c->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g</text>", px_x(c, x),
                BOTTOM + 16, x + 0.0);
    }
    fprintf(c->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + RIGHT) / 2,
            BOTTOM + 34);
    page_escape(c->out, c->x.label);
    fputs("</text>", c->out);
}

void chart_begin(struct chart *chart, FILE *out, const char *title, struct chart_axis x,
                 struct chart_axis y)
{
    if (!(x.high > x.low))
        x.high = x.low + 1.0;
    if (!(y.high > y.low))
        y.high = y.low + 1.0;
    *chart = (struct chart){.out = out, .x = x, .y = y};
    fputs("<figure><figcaption>", out);
    page_escape(out, title);
    fprintf(out,
            "</figcaption><svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "xmlns=\"http://www.w3.org/2000/svg\"><title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    page_escape(out, title);
    fputs("</title>", out);
    draw_axes(chart);
}

void chart_end(struct chart *chart)
{
    fputs("</svg>", chart->out);
    if (chart->n_legend > 0)
        fputs("<p class=\"legend\">", chart->out);
    for (size_t i = 0; i < chart->n_legend; i++) {
        fprintf(chart->out, "<span><i style=\"background:%s\"></i>", chart->legend[i].color);
        page_escape(chart->out, chart->legend[i].name);
        fputs("</span> ", chart->out);
    }
    fputs(chart->n_legend > 0 ? "</p></figure>\n" : "</figure>\n", chart->out);
}

void chart_line(struct chart *chart, const double *x, const double *y, size_t n, const char *color,
                int dashed)
{
    fprintf(chart->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\"%s points=\"",
            color, dashed ? " stroke-dasharray=\"5 4\"" : "");
    for (size_t i = 0; i < n; i++)
        fprintf(chart->out, "%.1f,%.1f ", px_x(chart, x[i]), px_y(chart, y[i]));
    fputs("\"/>", chart->out);
}

void chart_point(struct chart *chart, double x, double y, double low, double high,
                 const char *color, const char *name)
{
    if (!isnan(low))
        fprintf(chart->out, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\"/>", px_x(chart, x),
                px_y(chart, low), px_y(chart, high), color);
    fprintf(chart->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\"/>", px_x(chart, x),
            px_y(chart, y), color);
    if (!name)
        return;
    int at_right = px_x(chart, x) > RIGHT - 110;
    fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
            px_x(chart, x) + (at_right ? -8 : 8), px_y(chart, y) - 6, at_right ? "end" : "start");
    page_escape(chart->out, name);
    fputs("</text>", chart->out);
}

void chart_bar(struct chart *chart, double x, double half, double low, double high,
               const char *color)
{
    double left = px_x(chart, x - half);
    double top = px_y(chart, high);
    fprintf(chart->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>",
            left, top, px_x(chart, x + half) - left, px_y(chart, low) - top, color);
}

void chart_tick(struct chart *chart, double x, const char *text)
{
    fprintf(chart->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", px_x(chart, x),
            BOTTOM + 16);
    page_escape(chart->out, text);
    fputs("</text>", chart->out);
}

void chart_legend(struct chart *chart, const char *name, const char *color)
{
    if (chart->n_legend < CHART_LEGEND_MAX)
        chart->legend[chart->n_legend++] = (struct chart_entry){name, color};
}
