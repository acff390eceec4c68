/* SPDX-License-Identifier: Apache-2.0
 *
 * References and thresholds of sounds and films; see calibrate_media.h.
 */
#include "calibrate_media.h"

#include <math.h>
#include <stdlib.h>

#include "study/stats.h"

#include "thresholds.h"

#define HIGH 0.95 /* a length above that of this share of them has the full complexity */
#define LOW 0.05

void calibrate_media_look(struct moa_bytes file, struct media_item *ret_item)
{
    struct media_item item = {.bytes = file.n};
    moa_media_probe(file, &item.film);
    item.is_film = item.film.duration_s > 0 && item.film.width_px > 0;
    item.is_sound = moa_sound_measure(file, &item.sound) == MOA_OK && item.sound.n_blocks > 0;
    *ret_item = item;
}

int calibrate_media_add(struct media_items *items, const struct media_item *item)
{
    if (item->is_sound) {
        items->n_sounds++;
        return buffer_add(&items->sounds, item, sizeof(*item)) ? -1 : 0;
    }
    items->n_films++;
    return buffer_add(&items->films, item, sizeof(*item)) ? -1 : 0;
}

void calibrate_media_done(struct media_items *items)
{
    buffer_done(&items->sounds);
    buffer_done(&items->films);
    free(items->sound_scores);
    free(items->film_scores);
}

static const struct media_item *item_at(const struct buffer *list, size_t i)
{
    return (const struct media_item *)(const void *)list->p + i;
}

/* ---- quantiles ---- */

typedef double measure_fn(const struct media_item *item, const struct media_items *of);

/* Leaves the measures of a list in `values`, sorted. Returns how many there are: what has none
 * (NaN) is left out. */
static size_t gather(const struct media_items *of, const struct buffer *list, size_t n,
                     measure_fn *measure, double *values)
{
    size_t n_values = 0;
    for (size_t i = 0; i < n; i++) {
        const double value = measure(item_at(list, i), of);
        if (!isnan(value))
            values[n_values++] = value;
    }
    stats_sort(values, n_values);
    return n_values;
}

static double seconds(const struct media_item *item, const struct media_items *of)
{
    (void)of;
    return item->film.duration_s;
}

static double pixels(const struct media_item *item, const struct media_items *of)
{
    (void)of;
    return (double)item->film.width_px * (double)item->film.height_px;
}

/* Of what is silent there is no level and no flatness. */
static double level(const struct media_item *item, const struct media_items *of)
{
    (void)of;
    return item->sound.silence_share < 1.0 ? item->sound.level_dbfs : NAN;
}

static double flatness(const struct media_item *item, const struct media_items *of)
{
    (void)of;
    return item->sound.silence_share < 1.0 ? item->sound.flatness_db : NAN;
}

static struct moa_sound_complexity sound_of(const struct media_item *item,
                                            const struct media_items *of)
{
    struct moa_sound_complexity c;
    moa_sound_complexity(&of->sound_params, &item->sound, &c);
    return c;
}

#define INDICATOR(name, of_what, field)                                                            \
    static double name(const struct media_item *item, const struct media_items *of)                \
    {                                                                                              \
        return of_what(item, of).field;                                                            \
    }
INDICATOR(sound_length, sound_of, length)
INDICATOR(sound_level, sound_of, level)
INDICATOR(sound_activity, sound_of, activity)
INDICATOR(sound_flatness, sound_of, flatness)
INDICATOR(sound_score, sound_of, score)

static struct moa_film_complexity film_of(const struct media_item *item,
                                          const struct media_items *of)
{
    struct moa_film_complexity c;
    moa_film_complexity(&of->film_params, &item->film, item->bytes, &c);
    return c;
}

INDICATOR(film_length, film_of, length)
INDICATOR(film_frame, film_of, frame)
INDICATOR(film_score, film_of, score)
#undef INDICATOR

struct indicator {
    const char *name;
    measure_fn *measure;
};

static const struct indicator sound_indicators[] = {
    {"length", sound_length},     {"level", sound_level}, {"activity", sound_activity},
    {"flatness", sound_flatness}, {"audio", sound_score}, {NULL, NULL}};
static const struct indicator film_indicators[] = {
    {"length", film_length}, {"frame", film_frame}, {"video", film_score}, {NULL, NULL}};

/* The last of them stays in `values`. */
static void write_all(const struct media_items *of, const struct buffer *list, size_t n,
                      const struct indicator *indicators, double *values, FILE *out)
{
    for (const struct indicator *i = indicators; i->name; i++) {
        gather(of, list, n, i->measure, values);
        thresholds_write_quantiles(out, i->name, values, n);
    }
}

static void reckon_sounds(struct media_items *m, FILE *out)
{
    struct moa_sound_params *p = &m->sound_params;
    double *values = m->sound_scores;
    const size_t n = m->n_sounds;
    gather(m, &m->sounds, n, seconds, values);
    p->reference_s = fmax(0.001, stats_quantile(values, n, HIGH));
    size_t n_heard = gather(m, &m->sounds, n, level, values);
    if (n_heard > 0) {
        p->level_p5_dbfs = stats_quantile(values, n_heard, LOW);
        p->level_p95_dbfs = stats_quantile(values, n_heard, HIGH);
    }
    n_heard = gather(m, &m->sounds, n, flatness, values);
    if (n_heard > 0) {
        p->flatness_p5_db = stats_quantile(values, n_heard, LOW);
        p->flatness_p95_db = stats_quantile(values, n_heard, HIGH);
    }
    fprintf(out, "# and of %zu sounds:\n", n);
    write_all(m, &m->sounds, n, sound_indicators, values, out);
}

static void reckon_films(struct media_items *m, FILE *out)
{
    struct moa_film_params *p = &m->film_params;
    double *values = m->film_scores;
    const size_t n = m->n_films;
    gather(m, &m->films, n, seconds, values);
    p->reference_s = fmax(0.001, stats_quantile(values, n, HIGH));
    gather(m, &m->films, n, pixels, values);
    p->reference_px = fmax(1.0, round(stats_quantile(values, n, HIGH)));
    fprintf(out, "# and of %zu films:\n", n);
    write_all(m, &m->films, n, film_indicators, values, out);
}

int calibrate_media_reckon(struct media_items *m, FILE *out)
{
    moa_sound_params_default(&m->sound_params);
    moa_film_params_default(&m->film_params);
    m->sound_scores = calloc(m->n_sounds + 1, sizeof(double));
    m->film_scores = calloc(m->n_films + 1, sizeof(double));
    if (!m->sound_scores || !m->film_scores)
        return -1;
    if (m->n_sounds > 0)
        reckon_sounds(m, out);
    if (m->n_films > 0)
        reckon_films(m, out);
    return 0;
}

/* ---- keys ---- */

void calibrate_media_write_references(const struct media_items *m, FILE *out)
{
    if (m->n_sounds > 0)
        fprintf(out,
                "  audio_s: %.6g\n"
                "  audio_level_p5: %.2f\n"
                "  audio_level_p95: %.2f\n"
                "  audio_flatness_p5: %.2f\n"
                "  audio_flatness_p95: %.2f\n",
                m->sound_params.reference_s, m->sound_params.level_p5_dbfs,
                m->sound_params.level_p95_dbfs, m->sound_params.flatness_p5_db,
                m->sound_params.flatness_p95_db);
    if (m->n_films > 0)
        fprintf(out,
                "  video_s: %.6g\n"
                "  video_px: %.0f\n",
                m->film_params.reference_s, m->film_params.reference_px);
}

static void write_tau(const char *kind, const char *plural, const double *sorted, size_t n,
                      double share, FILE *out)
{
    const double tau = thresholds_of(sorted, n, share);
    fprintf(out, "  tau_%s: %.6f  # %.0f %% of these %s are above\n", kind, tau,
            thresholds_percent_above(sorted, n, tau), plural);
}

void calibrate_media_write_taus(const struct media_items *m, double share, FILE *out)
{
    if (m->n_sounds > 0)
        write_tau("audio", "sounds", m->sound_scores, m->n_sounds, share, out);
    if (m->n_films > 0)
        write_tau("video", "films", m->film_scores, m->n_films, share, out);
}
