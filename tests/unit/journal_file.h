/* SPDX-License-Identifier: Apache-2.0
 *
 * A journal's file in a folder of its own, and what is read of it, for tests of gateway/journal.h.
 */
#ifndef MOA_TESTS_UNIT_JOURNAL_FILE_H
#define MOA_TESTS_UNIT_JOURNAL_FILE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/journal.h"
#include "gateway/log.h"

#include "test.h"

#define DAY_MS INT64_C(86400000)

static char folder[] = "unit-journal-XXXXXX";
static char path[64];

static inline int64_t now_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

static inline struct journal_row row_at(int64_t time_ms, int64_t status)
{
    return (struct journal_row){
        .time_ms = time_ms,
        .id = "id-1",
        .trace = "0123",
        .key = "kiosk",
        .policy = "paper",
        .settings = "paper.tau_text=0.4",
        .plan = "perceive-cloud",
        .decision = "text=edge, image0=cloud",
        .reasons = "text=simple, image0=complex",
        .scores = "text=0.100, image0=0.900",
        .fallback = "",
        .calls = "edge=answered",
        .dialect = "messages",
        .stages = "answer=9",
        .status = status,
        .images = 1,
        .image_mode = "fast",
        .edge_load = 0.25,
        .uplink_mbps = NAN,
        .confidence = NAN,
        .threshold = 0.9,
        .edge_up = 1,
        .cloud_up = 0,
        .cloud_bytes_up = 12345,
        .edge_prompt_tokens = 7,
        .edge_completion_tokens = 3,
        .cloud_prompt_tokens = JOURNAL_UNKNOWN,
        .cloud_completion_tokens = JOURNAL_UNKNOWN,
        .cost = 0.25,
        .overhead_us = 500,
        .first_byte_us = JOURNAL_UNKNOWN,
        .total_us = 90000,
    };
}

static inline struct journal *open_with(struct journal_options options)
{
    struct journal *journal = NULL;
    char why[256] = "";
    options.path = path;
    if (journal_open(&options, &journal, why, sizeof(why)))
        fail_msg("%s", why);
    return journal;
}

static inline struct journal *open_bounded(int64_t max_age_ms, int64_t max_bytes)
{
    return open_with((struct journal_options){.max_age_ms = max_age_ms, .max_bytes = max_bytes});
}

static inline void remove_file(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < N_TESTS(ends); i++) {
        char name[80];
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}

static inline struct journal *open_fresh(void)
{
    remove_file();
    return open_bounded(DAY_MS, 1 << 30);
}

struct seen {
    size_t n;
    int64_t first, last, status;
    char text[2048];
};

static inline int take(const struct journal_row *row, void *arg)
{
    struct seen *seen = arg;
    if (seen->n++ == 0)
        seen->first = row->sequence;
    seen->last = row->sequence;
    seen->status = row->status;
    FILE *out = fmemopen(seen->text, sizeof(seen->text), "w");
    journal_print_json(row, false, out);
    fputc('\n', out);
    journal_print_csv(row, out);
    fclose(out);
    return 0;
}

static inline struct seen read_with(struct journal_filter filter)
{
    struct seen seen = {0};
    char why[256] = "";
    if (journal_read(path, &filter, take, &seen, why, sizeof(why)))
        fail_msg("%s", why);
    return seen;
}

static inline int make_folder(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/journal.db", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    remove_file();
    return rmdir(folder);
}

#endif
