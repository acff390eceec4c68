/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff fleet export`: rows of all boxes of a group to one CSV file a day, in UTC. What a file
 * has is not added again, so that it may be run as often as one likes and broken off at any time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fleet_rows.h"
#include "options.h"

#define DAY_BYTES 16
#define PATH_BYTES 4096

struct export
{
    const char *folder;
    struct fleet_seen seen;
    char day[DAY_BYTES]; /* whose file is open */
    FILE *out;
    struct fleet_seen days; /* whose files were read */
    uint64_t n_new, n_known, n_wrong;
};

static int fail(const char *what)
{
    fprintf(stderr, "moaoff fleet: %s: %s\n", what, strerror(errno));
    return -1;
}

/* A line that has no end was broken off, and is cut. */
static int read_known(struct export *e, const char *path, const char *day, bool *ret_is_empty)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    off_t whole = 0;
    FILE *file = fopen(path, "re");
    *ret_is_empty = true;
    if (!file)
        return errno == ENOENT ? 0 : -1;
    while ((n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
        char box[FLEET_BOX_BYTES], journal[FLEET_BOX_BYTES];
        long long sequence;
        if (sscanf(line, "%64[^,],%64[^,],%lld", box, journal, &sequence) == 3)
            fleet_seen_add(&e->seen, day, box, journal, sequence);
        whole += n;
    }
    free(line);
    const bool is_bad = ferror(file);
    fclose(file);
    *ret_is_empty = whole == 0;
    return is_bad ? -1 : truncate(path, whole);
}

static int close_day(struct export *e)
{
    FILE *out = e->out;
    e->out = NULL;
    return out && fclose(out) ? -1 : 0;
}

static int open_day(struct export *e, const char *day)
{
    char path[PATH_BYTES];
    bool is_empty = false;
    if (e->out && strcmp(e->day, day) == 0)
        return 0;
    snprintf(path, sizeof(path), "%.4000s/%s.csv", e->folder, day);
    if (close_day(e) ||
        (fleet_seen_add(&e->days, day, "", "", 1) && read_known(e, path, day, &is_empty)))
        return fail(path);
    e->out = fopen(path, "ae");
    if (!e->out)
        return fail(path);
    snprintf(e->day, sizeof(e->day), "%s", day);
    if (is_empty)
        fleet_row_print_csv(NULL, e->out);
    return 0;
}

static int add_row(struct export *e, const struct fleet_row *row)
{
    char day[DAY_BYTES];
    struct tm utc;
    const time_t seconds = (time_t)(row->time_ms / 1000);
    if (!gmtime_r(&seconds, &utc) || strftime(day, sizeof(day), "%Y-%m-%d", &utc) != 10) {
        e->n_wrong++;
        return 0;
    }
    if (open_day(e, day))
        return -1;
    if (!fleet_seen_add(&e->seen, day, row->box, row->journal, row->sequence)) {
        e->n_known++;
        return 0;
    }
    e->n_new++;
    fleet_row_print_csv(row, e->out);
    return ferror(e->out) ? fail(e->folder) : 0;
}

static int add_all(struct export *e, struct fleet_hub *hub, struct fleet_reading *reading,
                   const struct fleet_wish *wish)
{
    char why[256];
    struct fleet_message message;
    struct fleet_row row;
    int result;
    while ((result = fleet_reading_next(hub->wire, reading, 0, &message, why, sizeof(why))) > 0) {
        if (fleet_row_read(&message, &row)) {
            e->n_wrong++;
            continue;
        }
        const int failed = fleet_row_passes(&row, wish) ? add_row(e, &row) : 0;
        fleet_row_done(&row);
        if (failed)
            return -1;
    }
    if (result < 0)
        fprintf(stderr, "moaoff fleet: %s\n", why);
    return result;
}

int fleet_export_write(struct fleet_hub *hub, const struct fleet_wish *wish)
{
    char why[256];
    struct fleet_reading reading;
    struct export e = {.folder = wish->folder};
    const struct fleet_query query = {.stream = hub->names.stream,
                                      .subject = hub->names.rows,
                                      .from = wish->since_ms ? FLEET_FROM_TIME : FLEET_FROM_FIRST,
                                      .value = wish->since_ms};
    if (mkdir(e.folder, 0777) && errno != EEXIST) {
        fail(e.folder);
        return EXIT_FAILED;
    }
    if (fleet_reading_begin(hub->wire, &query, &reading, why, sizeof(why))) {
        fprintf(stderr, "moaoff fleet: %s\n", why);
        return EXIT_FAILED;
    }
    int result = add_all(&e, hub, &reading, wish);
    if (close_day(&e))
        result = fail(e.folder);
    fleet_seen_done(&e.seen);
    fleet_seen_done(&e.days);
    printf("%llu new rows, %llu that were there, %llu that are none\n", (unsigned long long)e.n_new,
           (unsigned long long)e.n_known, (unsigned long long)e.n_wrong);
    return result ? EXIT_FAILED : EXIT_FINE;
}
