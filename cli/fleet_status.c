/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff fleet status`: a row for each box, by what it last said of itself.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#include "fleet_hub.h"
#include "members.h"
#include "options.h"

#define SILENT_MS 35000 /* boxes speak every ten seconds */
#define BOX_BYTES 65
#define CELL_BYTES 24

/* What no terminal should get is left out. */
static void copy_word(const char *text, char ret_word[CELL_BYTES])
{
    size_t n = 0;
    for (; *text && n + 1 < CELL_BYTES; text++) {
        if (*text > ' ' && *text <= '~')
            ret_word[n++] = *text;
    }
    ret_word[n] = '\0';
}

static void print_share(double part, double all)
{
    if (all > 0 && !isnan(part))
        printf("  %6.1f %%", 100 * part / all);
    else
        printf("  %8s", "-");
}

static void print_seen(int64_t age_ms)
{
    const long long s = age_ms > 0 ? age_ms / 1000 : 0;
    char text[CELL_BYTES];
    if (s < 120)
        snprintf(text, sizeof(text), "%lld s", s);
    else if (s < 7200)
        snprintf(text, sizeof(text), "%lld min", s / 60);
    else
        snprintf(text, sizeof(text), "%lld h", s / 3600);
    printf("  %8s", text);
}

static const char *state_of(yyjson_val *root, int64_t age_ms)
{
    if (age_ms > SILENT_MS)
        return "silent";
    if (yyjson_is_false(yyjson_obj_get(root, "edge_up")))
        return "edge down";
    return yyjson_is_false(yyjson_obj_get(root, "cloud_up")) ? "cloud down" : "up";
}

static void print_box(const char *box, yyjson_val *root, int64_t age_ms)
{
    yyjson_val *requests = yyjson_obj_get(root, "requests");
    yyjson_val *guarantee = yyjson_obj_get(root, "guarantee");
    const double answered = member_number(requests, "answered"),
                 mbps = member_number(root, "uplink_mbps");
    char version[CELL_BYTES], standing[CELL_BYTES], link[CELL_BYTES] = "-";
    copy_word(member_text(root, "version"), version);
    copy_word(member_text(guarantee, "state"), standing);
    if (!isnan(mbps))
        snprintf(link, sizeof(link), "%.1f Mbit/s", mbps);
    printf("%-20s  %-10s  %-10s", box, version, state_of(root, age_ms));
    print_seen(age_ms);
    printf("  %9.0f", isnan(answered) ? 0 : answered);
    print_share(member_number(requests, "kept"), answered);
    print_share(member_number(requests, "escalated"), answered);
    printf("  %-12s  %13s  %7.0f  %6.0f\n", standing, link, fmax(0, member_number(root, "waiting")),
           fmax(0, member_number(root, "lost")));
}

static void print_json(const char *box, yyjson_doc *doc, int64_t age_ms)
{
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
    if (!root)
        return;
    yyjson_mut_obj_put(root, yyjson_mut_str(copy, "box"), yyjson_mut_str(copy, box));
    yyjson_mut_obj_put(root, yyjson_mut_str(copy, "seen_age_ms"), yyjson_mut_sint(copy, age_ms));
    yyjson_mut_obj_put(root, yyjson_mut_str(copy, "state"),
                       yyjson_mut_str(copy, state_of(yyjson_doc_get_root(doc), age_ms)));
    char *json = yyjson_mut_write(copy, YYJSON_WRITE_ESCAPE_UNICODE, NULL);
    if (json)
        puts(json);
    free(json);
    yyjson_mut_doc_free(copy);
}

static void print_message(const struct fleet_message *message, bool is_json)
{
    struct timespec now;
    char box[BOX_BYTES];
    yyjson_doc *doc = yyjson_read(message->data.p, message->data.n, YYJSON_READ_NOFLAG);
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - message->time_ms;
    fleet_names_box(message->subject, box, sizeof(box));
    if (yyjson_is_obj(yyjson_doc_get_root(doc)) && box[0]) {
        if (is_json)
            print_json(box, doc, age_ms);
        else
            print_box(box, yyjson_doc_get_root(doc), age_ms);
    }
    yyjson_doc_free(doc);
}

int fleet_status_show(struct fleet_hub *hub, const struct fleet_wish *wish)
{
    char why[256];
    struct fleet_reading reading;
    struct fleet_message message;
    const struct fleet_query query = {
        .stream = hub->names.bucket, .subject = hub->names.words, .from = FLEET_LAST_OF_EACH};
    if (fleet_reading_begin(hub->wire, &query, &reading, why, sizeof(why))) {
        fprintf(stderr, "moaoff fleet: %s\n", why);
        return EXIT_FAILED;
    }
    if (!wish->json)
        puts("box                   version     state           seen   requests      kept"
             "  escalated  guarantee            uplink  waiting    lost");
    int result;
    while ((result = fleet_reading_next(hub->wire, &reading, 0, &message, why, sizeof(why))) > 0)
        print_message(&message, wish->json);
    if (result < 0)
        fprintf(stderr, "moaoff fleet: %s\n", why);
    return result < 0 ? EXIT_FAILED : EXIT_FINE;
}
