/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff calibrate`: scores every picture, sound and film below some folders, and the texts of a
 * file, and writes what the configuration of `serve` takes from it: the references of the
 * complexities (H0 x W0, P5 and P95 of the Laplacian variance, L0, gamma), and the tau that
 * offloads a wanted share of such images and of such texts. An interrupt ends the walk, not the
 * result.
 */
#include <errno.h>
#include <fts.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yyjson.h>

#include <moaoff/moaoff.h>

#include "gateway/buffer.h"
#include "study/stats.h"

#include "batch.h"
#include "calibrate_media.h"
#include "command.h"
#include "input.h"
#include "since.h"
#include "thresholds.h"

#define FEATURES_BYTES_MAX ((size_t)2 << 30) /* millions of images */

/* Links are followed: sets of images are often folders of links. */
#define WALK_OPTIONS (FTS_LOGICAL | FTS_NOCHDIR)

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

struct calibration {
    double offload_share;
    const char *output;
    const char *text_path; /* NULL: no texts */
    struct stat text_stat; /* so that the walk passes the file over */
    struct moa_text_features *texts;
    size_t n_texts;
    unsigned n_threads;
    FTS *walk;
    struct buffer features; /* struct moa_image_features of every image scored */
    size_t n_features;
    struct media_items media;
    size_t n_ignored;
    size_t n_files; /* to come in all; counted only if progress is shown */
    bool shows_progress;
    bool out_of_memory;
};

struct calibrate_job {
    char *path;
    struct moa_image_features features;
    struct media_item media;
    const char *failure;
};

static void free_job(struct calibrate_job *job)
{
    if (job)
        free(job->path);
    free(job);
}

static bool is_text_file(const struct calibration *c, const struct stat *st)
{
    return c->text_path && st->st_dev == c->text_stat.st_dev && st->st_ino == c->text_stat.st_ino;
}

static void *on_next(void *user)
{
    struct calibration *c = user;
    FTSENT *entry;
    while (!interrupted && !c->out_of_memory && (entry = fts_read(c->walk)) != NULL) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            fprintf(stderr, "moaoff calibrate: %s: %s\n", entry->fts_path,
                    strerror(entry->fts_errno));
        if (entry->fts_info == FTS_SLNONE)
            fprintf(stderr, "moaoff calibrate: %s: a link to nothing\n", entry->fts_path);
        if (entry->fts_info != FTS_F || is_text_file(c, entry->fts_statp))
            continue;
        struct calibrate_job *job = calloc(1, sizeof(*job));
        if (job && (job->path = strdup(entry->fts_path)) != NULL)
            return job;
        free_job(job);
        c->out_of_memory = true;
    }
    return NULL;
}

static void on_work(void *user, void *argument)
{
    (void)user;
    struct calibrate_job *job = argument;
    struct moa_bytes file;
    struct moa_error error;
    job->failure = input_read(job->path, &file);
    if (job->failure)
        return;
    const enum moa_err err = moa_image_measure(file, NULL, NULL, &job->features, &error);
    if (err == MOA_ERR_FORMAT)
        calibrate_media_look(file, &job->media);
    if (err && !job->media.is_sound && !job->media.is_film)
        job->failure = error.message;
    free((void *)file.p);
}

static bool append(struct calibration *c, const struct calibrate_job *job)
{
    if (job->media.is_sound || job->media.is_film)
        return calibrate_media_add(&c->media, &job->media) == 0;
    if (buffer_add(&c->features, &job->features, sizeof(job->features)))
        return false;
    c->n_features++;
    return true;
}

/* Of what is looked at in folders. */
static size_t n_found(const struct calibration *c)
{
    return c->n_features + c->media.n_sounds + c->media.n_films;
}

static const struct moa_image_features *features_of(const struct calibration *c, size_t i)
{
    return (const struct moa_image_features *)(const void *)c->features.p + i;
}

/* Walking without reading takes a moment where scoring takes minutes. */
static size_t count_files(const struct calibration *c, char **folders)
{
    FTS *walk = fts_open(folders, WALK_OPTIONS, NULL);
    size_t n = 0;
    FTSENT *entry;
    while (walk && !interrupted && (entry = fts_read(walk)) != NULL)
        n += entry->fts_info == FTS_F && !is_text_file(c, entry->fts_statp);
    if (walk)
        fts_close(walk);
    return n;
}

static void show_progress(const struct calibration *c)
{
    static const char bar[] = "########################################";
    const int width = (int)sizeof(bar) - 1;
    const size_t n = n_found(c) + c->n_ignored;
    if (!c->shows_progress || c->n_files == 0)
        return;
    const int filled = n < c->n_files ? (int)(n * (size_t)width / c->n_files) : width;
    fprintf(stderr, "\r\033[K[%-*.*s] %zu of %zu files, %zu of no use", width, filled, bar, n,
            c->n_files, c->n_ignored);
}

static void on_done(void *user, void *argument)
{
    struct calibration *c = user;
    struct calibrate_job *job = argument;
    if (job->failure) {
        c->n_ignored++;
        fprintf(stderr, "%smoaoff calibrate: ignored %s: %s\n", c->shows_progress ? "\r\033[K" : "",
                job->path, job->failure);
    } else if (!append(c, job)) {
        c->out_of_memory = true;
    }
    show_progress(c);
    free_job(job);
}

/* ---- texts ---- */

/* A line is the text itself, or a JSON string, which may hold line breaks. */
static void measure_line(struct moa_bytes line, struct moa_text_features *ret_features)
{
    yyjson_doc *doc = NULL;
    if (line.n > 0 && *(const char *)line.p == '"')
        doc = yyjson_read(line.p, line.n, YYJSON_READ_ALLOW_INVALID_UNICODE);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (yyjson_is_str(root))
        line = (struct moa_bytes){yyjson_get_str(root), yyjson_get_len(root)};
    moa_text_measure(line, ret_features);
    yyjson_doc_free(doc);
}

/* NULL, or why there are no texts. */
static const char *read_texts(struct calibration *c)
{
    struct moa_bytes file;
    const char *failure = input_read(c->text_path, &file);
    if (failure)
        return failure;
    const char *at = file.p;
    const char *const file_end = at + file.n;
    size_t n_lines = 1;
    for (size_t i = 0; i < file.n; i++)
        n_lines += at[i] == '\n';
    c->texts = calloc(n_lines, sizeof(*c->texts));
    while (c->texts && at < file_end) {
        const char *found = memchr(at, '\n', (size_t)(file_end - at));
        const char *end = found ? found : file_end;
        if (end > at && end[-1] == '\r')
            end--;
        if (end > at)
            measure_line((struct moa_bytes){at, (size_t)(end - at)}, &c->texts[c->n_texts++]);
        at = found ? found + 1 : file_end;
    }
    free((void *)file.p);
    if (!c->texts)
        return "out of memory";
    return c->n_texts > 0 ? NULL : "no text in it";
}

/* ---- what is written ---- */

/* A size above this share of them has the full complexity. */
#define HIGH 0.95

enum { RESOLUTION, EDGE, ENTROPY, SHARPNESS, SCORE, N_COMPLEXITIES };

static double pick(const struct moa_image_complexity *c, int which)
{
    const double all[N_COMPLEXITIES] = {c->resolution, c->edge, c->entropy, c->sharpness, c->score};
    return all[which];
}

/* Leaves the scores in `values`, sorted. */
static void write_image_complexities(FILE *out, const struct calibration *c,
                                     const struct moa_image_params *params, double *values)
{
    static const char *const names[N_COMPLEXITIES] = {"resolution", "edge", "entropy", "sharpness",
                                                      "score"};
    for (int which = 0; which < N_COMPLEXITIES; which++) {
        for (size_t i = 0; i < c->n_features; i++) {
            struct moa_image_complexity complexity;
            moa_image_complexity(params, features_of(c, i), &complexity);
            values[i] = pick(&complexity, which);
        }
        thresholds_write_quantiles(out, names[which], values, c->n_features);
    }
}

static struct moa_image_params image_params(const struct calibration *c, double *values)
{
    struct moa_image_params params;
    moa_image_params_default(&params);
    for (size_t i = 0; i < c->n_features; i++)
        values[i] = (double)features_of(c, i)->width_px * (double)features_of(c, i)->height_px;
    stats_sort(values, c->n_features);
    params.reference_px = fmax(1.0, round(stats_quantile(values, c->n_features, HIGH)));
    for (size_t i = 0; i < c->n_features; i++)
        values[i] = features_of(c, i)->laplacian_variance;
    stats_sort(values, c->n_features);
    params.laplacian_p5 = stats_quantile(values, c->n_features, 0.05);
    params.laplacian_p95 = stats_quantile(values, c->n_features, 0.95);
    return params;
}

static double entities_per_sentence(const struct moa_text_features *text)
{
    return text->sentences > 0 ? (double)text->entities / (double)text->sentences : 0.0;
}

/* Where no text has an entity, gamma stays. */
static struct moa_text_params text_params(const struct calibration *c, double *values)
{
    struct moa_text_params params;
    moa_text_params_default(&params);
    for (size_t i = 0; i < c->n_texts; i++)
        values[i] = c->texts[i].tokens;
    stats_sort(values, c->n_texts);
    params.reference_tokens = fmax(1.0, round(stats_quantile(values, c->n_texts, HIGH)));
    for (size_t i = 0; i < c->n_texts; i++)
        values[i] = entities_per_sentence(&c->texts[i]);
    stats_sort(values, c->n_texts);
    const double high = stats_quantile(values, c->n_texts, HIGH);
    if (high >= 0.001)
        params.reference_entities = high;
    return params;
}

static void write_text_complexities(FILE *out, const struct calibration *c,
                                    const struct moa_text_params *params, double *values)
{
    static const char *const names[] = {"length", "entity", "text"};
    fprintf(out, "# and of %zu texts:\n", c->n_texts);
    for (int which = 0; which < 3; which++) {
        for (size_t i = 0; i < c->n_texts; i++) {
            struct moa_text_complexity complexity;
            moa_text_complexity(params, &c->texts[i], &c->texts[i], &complexity);
            const double all[] = {complexity.length, complexity.entity, complexity.score};
            values[i] = all[which];
        }
        thresholds_write_quantiles(out, names[which], values, c->n_texts);
    }
}

static void write_image_references(FILE *out, const struct moa_image_params *image)
{
    fprintf(out,
            "  resolution_px: %.0f\n"
            "  laplacian_p5: %.6g\n"
            "  laplacian_p95: %.6g\n",
            image->reference_px, image->laplacian_p5, image->laplacian_p95);
}

static void write_tau(FILE *out, const char *kind, const double *sorted, size_t n, double share)
{
    const double tau = thresholds_of(sorted, n, share);
    fprintf(out, "  tau_%s: %.6f  # %.0f %% of these %ss are above\n", kind, tau,
            thresholds_percent_above(sorted, n, tau), kind);
}

/* 0, or -1 if out of memory. */
static int write_yaml(FILE *out, struct calibration *c, double *values, double *text_values)
{
    struct moa_image_params image = {0};
    struct moa_text_params text = {0};
    fprintf(out, "# moaoff calibrate: %zu images, %zu other files%s\n", c->n_features, c->n_ignored,
            interrupted ? "; interrupted, so not all of them" : "");
    fputs("# quantiles of the complexities with these references:\n"
          "#              min     5 %    25 %    50 %    75 %    95 %     max\n",
          out);
    if (c->n_features > 0) {
        image = image_params(c, values);
        write_image_complexities(out, c, &image, values);
    }
    if (c->n_texts > 0) {
        text = text_params(c, text_values);
        write_text_complexities(out, c, &text, text_values);
    }
    if (calibrate_media_reckon(&c->media, out))
        return -1;
    fputs("complexity:\n", out);
    if (c->n_features > 0)
        write_image_references(out, &image);
    if (c->n_texts > 0)
        fprintf(out,
                "  text_tokens: %.0f\n"
                "  text_entities: %.6g\n",
                text.reference_tokens, text.reference_entities);
    calibrate_media_write_references(&c->media, out);
    fputs("paper:\n", out);
    if (c->n_features > 0)
        write_tau(out, "image", values, c->n_features, c->offload_share);
    if (c->n_texts > 0)
        write_tau(out, "text", text_values, c->n_texts, c->offload_share);
    calibrate_media_write_taus(&c->media, c->offload_share, out);
    return 0;
}

struct yaml {
    struct calibration *c;
    double *values, *text_values;
    bool out_of_memory;
};

static void on_write(FILE *out, void *user)
{
    struct yaml *y = user;
    y->out_of_memory = write_yaml(out, y->c, y->values, y->text_values) != 0;
}

static bool write_result(struct calibration *c)
{
    struct yaml y = {c, calloc(c->n_features + 1, sizeof(double)),
                     calloc(c->n_texts + 1, sizeof(double)), false};
    const bool ok =
        y.values && y.text_values && thresholds_save(c->output, on_write, &y) && !y.out_of_memory;
    free(y.values);
    free(y.text_values);
    return ok;
}

static int calibrate(struct calibration *c, char **folders)
{
    static const struct batch_ops ops = {on_next, on_work, on_done};
    const char *failure = c->text_path ? read_texts(c) : NULL;
    if (failure) {
        fprintf(stderr, "moaoff calibrate: %s: %s\n", c->text_path, failure);
        return EXIT_FAILED;
    }
    if (c->text_path)
        (void)!stat(c->text_path, &c->text_stat);
    c->walk = fts_open(folders, WALK_OPTIONS, NULL);
    if (!c->walk) {
        perror("moaoff calibrate");
        return EXIT_FAILED;
    }
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (c->shows_progress)
        c->n_files = count_files(c, folders);
    const bool ran = batch_run(&ops, c, c->n_threads);
    fts_close(c->walk);
    if (c->shows_progress)
        fputs("\r\033[K", stderr);
    if (!ran || c->out_of_memory)
        fputs("moaoff calibrate: out of memory or threads\n", stderr);
    if (n_found(c) == 0)
        fputs("moaoff calibrate: no image could be scored\n", stderr);
    if (!ran || c->out_of_memory || n_found(c) == 0)
        return EXIT_FAILED;
    return write_result(c) ? EXIT_FINE : EXIT_FAILED;
}

/* ---- the command line ---- */

static struct {
    const char *text_path, *output, *journal_path;
    int64_t since_ms;
    double offload_share;
    int64_t n_jobs; /* 0, -1: one for each core */
    struct option_list folders;
} arguments = {.offload_share = 0.5, .n_jobs = -1};

static const char *read_since(const char *text)
{
    return since_read(text, &arguments.since_ms);
}

static const struct option_row rows[] = {
    {.letter = 't',
     .name = "text",
     .argument = "FILE",
     .help = "the same for texts: a text a line; a line that begins with \" is a JSON string. "
             "\"-\": standard input",
     .text = &arguments.text_path},
    {.name = "journal",
     .argument = "FILE",
     .help = "the thresholds of `paper` from the requests in a gateway's journal, instead of DIR",
     .text = &arguments.journal_path},
    {.name = "since",
     .argument = "TIME",
     .help = "with --journal rows since then: 30s, 15m, 2h, 7d, or Unix seconds",
     .read = read_since},
    {.letter = 's',
     .name = "offload-share",
     .argument = "S",
     .help = "share of images, and of texts, above the threshold, 0 to 1",
     .number = &arguments.offload_share,
     .max = 1},
    {.letter = 'o',
     .name = "output",
     .argument = "FILE",
     .help = "write there instead of to standard output",
     .text = &arguments.output},
    {.letter = 'j',
     .name = "jobs",
     .argument = "N",
     .help = "score N at once; without it one for each core",
     .integer = &arguments.n_jobs,
     .max = 1024},
    {.argument = "DIR",
     .help = "a folder of images, sounds and films, with those below it",
     .list = &arguments.folders},
};

static int run(void)
{
    if (arguments.journal_path && (arguments.folders.n > 0 || arguments.text_path))
        return options_usage(&calibrate_command, "--journal stands instead of DIR and --text");
    if (arguments.journal_path) {
        const struct thresholds_terms terms = {arguments.journal_path, arguments.since_ms,
                                               arguments.offload_share, arguments.output};
        return thresholds_from_journal(&terms) ? EXIT_FINE : EXIT_FAILED;
    }
    struct calibration c = {
        .features = buffer_of(FEATURES_BYTES_MAX),
        .media = {.sounds = buffer_of(FEATURES_BYTES_MAX), .films = buffer_of(FEATURES_BYTES_MAX)},
        .offload_share = arguments.offload_share,
        .output = arguments.output,
        .text_path = arguments.text_path,
        .n_threads = batch_threads(arguments.n_jobs > 0 ? (unsigned)arguments.n_jobs : 0),
        .shows_progress = isatty(STDERR_FILENO),
    };
    if (arguments.folders.n == 0)
        return options_usage(&calibrate_command, "no folder given");
    const int status = calibrate(&c, arguments.folders.items);
    buffer_done(&c.features);
    calibrate_media_done(&c.media);
    free(c.texts);
    return status;
}

const struct command calibrate_command = {
    .name = "calibrate",
    .summary = "derive the configuration from folders of images, sounds and films",
    .synopsis = "[OPTION]... [DIR]...",
    .description =
        "Scores the images below each DIR and prints a YAML fragment for the configuration of "
        "`serve`: the size at which C_res reaches 1, percentiles of the Laplacian variance, and "
        "the threshold that sends the wanted share of such images to the cloud; likewise of sounds "
        "(WAV) and of films (MP4, MOV, WebM, Matroska). Other files are listed on standard "
        "error.\n\nWith --journal it prints the thresholds alone, by "
        "what a gateway really saw: of each kind of part that is in its journal.",
    .notes =
        "An interrupt (Ctrl-C) ends the walk and writes the result over what was scored until "
        "then. Exit status: 0 fine, 1 nothing could be scored or the result not written, 2 wrong "
        "usage.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
