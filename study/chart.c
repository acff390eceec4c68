/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts; see chart.h.
 */
#include "chart.h"

#include <math.h>
#include <string.h>

#include "page.h"

#define WIDTH 560
#define HEIGHT 360
#define LEFT 58
#define RIGHT 550
#define TOP 34
#define BOTTOM 306
#define LEGEND_ROW 16
#define TICKS 5

const char *chart_color(size_t i)
{
    static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9",
                                         "#8a6d00", "#6a3d9a", "#a61e1e", "#4d4d4d", "#00868b"};
    return colors[i % (sizeof(colors) / sizeof(colors[0]))];
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
    fprintf(c->out, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#1a1a1a\"/>", LEFT, TOP,
            BOTTOM, RIGHT);
    double step = tick_step(&c->y);
    for (int i = 0; i <= 2 * TICKS + 2; i++) {
        double y = (ceil(c->y.low / step) + i) * step;
        if (y > c->y.high + step * 1e-6)
            break;
        fprintf(c->out,
                "<path d=\"M%d %.1fH%d\" stroke=\"#e4e6e8\"/>"
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
    fprintf(out,
            "<figure><svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "xmlns=\"http://www.w3.org/2000/svg\"><title>",
            WIDTH, HEIGHT + 56, WIDTH, HEIGHT + 56);
    page_escape(out, title);
    fprintf(out,
            "</title><text x=\"%d\" y=\"18\" font-weight=\"600\" "
            "style=\"font-weight:600\">",
            LEFT);
    page_escape(out, title);
    fputs("</text>", out);
    draw_axes(chart);
}

void chart_end(struct chart *chart)
{
    fputs("</svg></figure>\n", chart->out);
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
    const int column = (int)(chart->n_legend % 3);
    const int row = (int)(chart->n_legend / 3);
    const int x = 14 + column * 182;
    const int y = BOTTOM + 52 + row * LEGEND_ROW;
    chart->n_legend++;
    fprintf(chart->out,
            "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>"
            "<text x=\"%d\" y=\"%d\">",
            x, y - 9, color, x + 14, y);
    page_escape(chart->out, name);
    fputs("</text>", chart->out);
}
