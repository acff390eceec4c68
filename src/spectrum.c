/* SPDX-License-Identifier: Apache-2.0
 *
 * Two blocks are transformed at once, one as the real and one as the imaginary part: of Z = A + iB
 * only |A_k|^2 + |B_k|^2 is wanted, and that is (|Z_k|^2 + |Z_(n-k)|^2) / 2. See spectrum.h.
 */
#include "spectrum.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "natural_log.h"

#define POWER_LEAST 1e-12

struct spectrum {
    size_t n, n_blocks;
    bool has_half;           /* a block waits for another in `re` */
    double *re, *im;         /* n each */
    double *window, *power;  /* n; n / 2 */
    double *cosines, *sines; /* of 2 pi j / n, n / 2 each */
    double window_squares;
    size_t *reversed; /* n: where the transform wants a sample */
};

/* The angles by halving and adding, which needs no function but the square root. */
static void fill_angles(struct spectrum *s)
{
    const size_t n = s->n;
    double *c = s->cosines, *d = s->sines;
    c[0] = 1.0;
    d[0] = 0.0;
    c[n / 4] = 0.0;
    d[n / 4] = 1.0;
    for (size_t step = n / 8; step >= 1; step /= 2) {
        const double c_step = sqrt((1.0 + c[2 * step]) / 2.0);
        const double d_step = d[2 * step] / (2.0 * c_step);
        for (size_t j = 0; j < n / 2; j += 2 * step) {
            c[j + step] = c[j] * c_step - d[j] * d_step;
            d[j + step] = d[j] * c_step + c[j] * d_step;
        }
    }
}

static void fill_window(struct spectrum *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const double cosine = i < s->n / 2 ? s->cosines[i] : -s->cosines[i - s->n / 2];
        s->window[i] = 0.5 - 0.5 * cosine;
        s->window_squares += s->window[i] * s->window[i];
    }
    for (size_t i = 1; i < s->n; i++)
        s->reversed[i] = s->reversed[i / 2] / 2 + (i & 1 ? s->n / 2 : 0);
}

struct spectrum *moa_spectrum_new(size_t n)
{
    assert(n >= 8 && (n & (n - 1)) == 0);
    struct spectrum *s = calloc(1, sizeof(*s));
    double *room = s ? calloc(4 * n + n / 2, sizeof(*room)) : NULL;
    size_t *reversed = room ? calloc(n, sizeof(*reversed)) : NULL;
    if (!reversed) {
        free(room);
        free(s);
        return NULL;
    }
    *s = (struct spectrum){.n = n,
                           .re = room,
                           .im = room + n,
                           .window = room + 2 * n,
                           .power = room + 3 * n,
                           .cosines = room + 3 * n + n / 2,
                           .sines = room + 4 * n,
                           .reversed = reversed};
    fill_angles(s);
    fill_window(s);
    return s;
}

void moa_spectrum_free(struct spectrum *s)
{
    if (!s)
        return;
    free(s->re); /* the begin of all the room */
    free(s->reversed);
    free(s);
}

/* Cooley and Tukey's, of samples in the order of their reversed bits. */
static void transform(struct spectrum *s)
{
    double *restrict re = s->re, *restrict im = s->im;
    for (size_t half = 1, turns = s->n / 2; half < s->n; half *= 2, turns /= 2) {
        for (size_t at = 0; at < s->n; at += 2 * half) {
            for (size_t j = 0; j < half; j++) {
                const double c = s->cosines[j * turns], d = s->sines[j * turns];
                const size_t a = at + j, b = a + half;
                const double x = re[b] * c + im[b] * d, y = im[b] * c - re[b] * d;
                re[b] = re[a] - x;
                im[b] = im[a] - y;
                re[a] += x;
                im[a] += y;
            }
        }
    }
}

static void add_powers(struct spectrum *s)
{
    transform(s);
    for (size_t k = 1; k < s->n / 2; k++) {
        const size_t m = s->n - k;
        s->power[k] += (s->re[k] * s->re[k] + s->im[k] * s->im[k] + s->re[m] * s->re[m] +
                        s->im[m] * s->im[m]) /
                       2.0;
    }
    s->has_half = false;
}

void moa_spectrum_add(struct spectrum *s, const double *block)
{
    double *to = s->has_half ? s->im : s->re;
    for (size_t i = 0; i < s->n; i++)
        to[s->reversed[i]] = block[i] * s->window[i];
    s->n_blocks++;
    if (s->has_half)
        add_powers(s);
    else
        s->has_half = true;
}

double moa_spectrum_flatness_db(struct spectrum *s, size_t last)
{
    assert(last < s->n / 2);
    if (s->has_half) {
        memset(s->im, 0, s->n * sizeof(*s->im));
        add_powers(s);
    }
    if (s->n_blocks == 0 || last == 0)
        return 10.0 * moa_natural_log(POWER_LEAST) / moa_natural_log(10.0);
    const double scale = 1.0 / ((double)s->n_blocks * (double)s->n * s->window_squares);
    double sum = 0.0, sum_of_logs = 0.0;
    for (size_t k = 1; k <= last; k++) {
        const double power = fmax(s->power[k] * scale, POWER_LEAST);
        sum += power;
        sum_of_logs += moa_natural_log(power);
    }
    const double n = (double)last;
    const double flatness = sum_of_logs / n - moa_natural_log(sum / n);
    return fmin(0.0, 10.0 * flatness / moa_natural_log(10.0));
}
