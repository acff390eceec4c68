/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts as SVG inside of HTML: axes, lines, points, stacked bars, a legend. No script; colours are
 * variables of the page's style.
 */
#ifndef MOA_STUDY_CHART_H
#define MOA_STUDY_CHART_H

#include <stddef.h>
#include <stdio.h>

struct chart_axis {
    const char *label;
    double low, high; /* low < high */
};

#define CHART_COLORS 14
#define CHART_LEGEND_MAX 32

struct chart_entry {
    const char *name, *color; /* borrowed until chart_end() */
};

struct chart {
    FILE *out;
    struct chart_axis x, y;
    struct chart_entry legend[CHART_LEGEND_MAX];
    size_t n_legend;
};

/** The i-th of CHART_COLORS; the first nine are told apart by people with the usual colour-vision
 * deficiencies. On a light ground and on a dark one. */
const char *chart_color(size_t i);

/** Opens a figure, its title above it; x.label NULL: no ticks below. */
void chart_begin(struct chart *chart, FILE *out, const char *title, struct chart_axis x,
                 struct chart_axis y);
void chart_end(struct chart *chart);

/** Lines are clipped to the axes. `dashed` for what is computed. */
void chart_line(struct chart *chart, const double *x, const double *y, size_t n, const char *color,
                int dashed);
/** A point with its whiskers (NaN: none) and its name beside it (NULL: none). */
void chart_point(struct chart *chart, double x, double y, double low, double high,
                 const char *color, const char *name);
/** A bar from (x - half, low) to (x + half, high). */
void chart_bar(struct chart *chart, double x, double half, double low, double high,
               const char *color);
/** A word below the x axis. */
void chart_tick(struct chart *chart, double x, const char *text);
void chart_legend(struct chart *chart, const char *name, const char *color);

#endif
