/* SPDX-License-Identifier: Apache-2.0
 *
 * Times of arrival; see simulate_times.h.
 */
#include "simulate_times.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

/* "text=0.034, image0=0.332, image1=0.4": the first of a name. */
static double score_of(const char *scores, const char *name)
{
    const char *at = scores ? strstr(scores, name) : NULL;
    if (!at)
        return NAN;
    const double score = strtod(at + strlen(name), NULL);
    return score >= 0.0 && score <= 1.0 ? score : (double)NAN;
}

/* NULL, or what is wrong. Times in microseconds, of any clock. */
static const char *take_line(yyjson_val *root, struct simulate_time *ret_time)
{
    yyjson_val *ms = yyjson_obj_get(root, "time_ms");
    yyjson_val *s = yyjson_obj_get(root, "scheduled_s");
    yyjson_val *question = yyjson_obj_get(yyjson_obj_get(root, "docket"), "question");
    yyjson_val *upload = yyjson_obj_get(question, "upload_bytes");
    const char *item = yyjson_get_str(yyjson_obj_get(root, "item"));
    const char *scores = yyjson_get_str(yyjson_obj_get(root, "scores"));
    if (!yyjson_is_num(ms) && !yyjson_is_num(s))
        return "neither \"time_ms\" nor \"scheduled_s\"";
    *ret_time = (struct simulate_time){
        .at_us = yyjson_is_num(ms) ? 1e3 * yyjson_get_num(ms) : 1e6 * yyjson_get_num(s),
        .text_complexity = score_of(scores, "text="),
        .image_complexity = score_of(scores, "image0="),
        .upload_bytes = yyjson_is_num(upload) && yyjson_get_num(upload) >= 0.0
                            ? yyjson_get_num(upload)
                            : (double)NAN,
        .question = SIZE_MAX};
    snprintf(ret_time->item, sizeof(ret_time->item), "%s", item ? item : "");
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double x = ((const struct simulate_time *)a)->at_us;
    const double y = ((const struct simulate_time *)b)->at_us;
    return (x > y) - (x < y);
}

static const char *add_line(struct simulate_times *times, size_t *room, const char *line,
                            size_t length)
{
    if (times->n == *room) {
        const size_t wanted = *room ? 2 * *room : 1024;
        struct simulate_time *grown = realloc(times->p, wanted * sizeof(*grown));
        if (!grown)
            return "out of memory";
        times->p = grown;
        *room = wanted;
    }
    yyjson_doc *doc = yyjson_read(line, length, YYJSON_READ_ALLOW_INVALID_UNICODE);
    const char *wrong =
        doc ? take_line(yyjson_doc_get_root(doc), &times->p[times->n]) : "is no JSON";
    yyjson_doc_free(doc);
    times->n += !wrong;
    return wrong;
}

static int read_lines(FILE *in, const char *path, struct simulate_times *times, char *why, size_t n)
{
    char *line = NULL;
    size_t line_room = 0;
    size_t room = 0;
    ssize_t length;
    const char *wrong = NULL;
    for (size_t number = 1; !wrong && (length = getline(&line, &line_room, in)) > 0; number++) {
        wrong = add_line(times, &room, line, (size_t)length);
        if (wrong)
            snprintf(why, n, "%s:%zu: %s", path, number, wrong);
    }
    free(line);
    return wrong ? -1 : 0;
}

/* Ascending, from 0 on. */
static int arrange(struct simulate_times *times)
{
    qsort(times->p, times->n, sizeof(*times->p), compare);
    const double first_us = times->p[0].at_us;
    for (size_t i = 0; i < times->n; i++)
        times->p[i].at_us -= first_us;
    const double last_us = times->p[times->n - 1].at_us;
    times->period_us = last_us + last_us / (double)(times->n - 1);
    return last_us > 0.0 ? 0 : -1;
}

int simulate_times_read(const char *path, struct simulate_times *ret_times, char *why, size_t n)
{
    struct simulate_times times = {.p = NULL};
    FILE *in = fopen(path, "re");
    if (!in) {
        snprintf(why, n, "%s: %s", path, strerror(errno));
        return -1;
    }
    int failed = read_lines(in, path, &times, why, n);
    fclose(in);
    if (!failed && (times.n < 2 || arrange(&times))) {
        snprintf(why, n, "%s: at least two different times are wanted", path);
        failed = -1;
    }
    if (failed)
        simulate_times_done(&times);
    else
        *ret_times = times;
    return failed;
}

void simulate_times_done(struct simulate_times *times)
{
    free(times->p);
    *times = (struct simulate_times){.p = NULL};
}
