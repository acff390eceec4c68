/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures that the edge got wrong, small, with what was asked and answered. They are copied
 * into the report, so only if they are asked for.
 */
#include <stdlib.h>
#include <string.h>

#include <modp_b64.h>

#include <moaoff/recode.h>

#include "report.h"

#define PICTURES_MAX 24
#define THUMBNAIL_TOKENS 120 /* about 350 x 260 px */

static int compare_items(const void *a, const void *b)
{
    return strcmp((*(const struct item *const *)a)->id, (*(const struct item *const *)b)->id);
}

/* Items by id, to be freed; NULL if out of memory. */
static const struct item **sort_items(const struct dataset *set)
{
    const struct item **items = malloc((set->n + 1) * sizeof(struct item *));
    for (size_t i = 0; items && i < set->n; i++)
        items[i] = &set->items[i];
    if (items)
        qsort(items, set->n, sizeof(struct item *), compare_items);
    return items;
}

/* A data URI of the first picture, smaller, to be freed; NULL if it cannot be read. */
static char *thumbnail(const struct item *item)
{
    char why[256];
    struct moa_image_info info;
    struct moa_recode_target target;
    struct moa_recoded small = {.p = NULL};
    char *uri = NULL;
    struct moa_bytes file = item->n_images > 0 ? dataset_read_image(item, 0, why, sizeof(why))
                                               : (struct moa_bytes){NULL, 0};
    moa_recode_target_default(&target);
    target.max_tokens = THUMBNAIL_TOKENS;
    target.upright = true;
    target.jpeg_quality = 70;
    if (file.p && !moa_image_probe(file, &info, NULL) &&
        !moa_recode(file, &info, moa_image_orientation(file, info.format), &target, &small, NULL))
        uri = malloc(modp_b64_encode_len(small.n) + 64);
    if (uri) {
        const int head = snprintf(uri, 64, "data:%s;base64,", moa_image_format_mime(small.format));
        modp_b64_encode(uri + head, small.p, small.n);
    }
    free(small.p);
    free((void *)(uintptr_t)file.p);
    return uri;
}

static void show(struct page *page, const struct item *item, const struct pair *pair)
{
    const char *answers[ITEM_ANSWERS_MAX] = {""};
    char caption[1024];
    char *uri = thumbnail(item);
    if (item->n_options == 0 && item->n_answers > 0)
        item_answers(item, answers);
    const bool is_choice = item->n_options > 0 && item->right >= 0;
    snprintf(caption, sizeof(caption),
             "%.300s \xe2\x80\x94 right: %.80s; edge: %.80s; cloud: %.80s%s", item->prompt,
             is_choice ? item->options[item->right] : answers[0], pair->edge->answer,
             pair->cloud->answer, analysis_is_right(pair->cloud) ? " (right)" : "");
    page_picture(page, uri, caption);
    free(uri);
}

/* First those that the cloud gets right, then those that neither does. */
static size_t show_wrong(struct page *page, const struct item **items, size_t n_items,
                         const struct pair *pairs, size_t n)
{
    size_t n_shown = 0;
    for (int by_cloud = 1; by_cloud >= 0; by_cloud--) {
        for (size_t i = 0; i < n && n_shown < PICTURES_MAX; i++) {
            const struct item wanted = {.id = pairs[i].edge->item};
            const struct item *key = &wanted;
            if (analysis_is_right(pairs[i].edge) ||
                analysis_is_right(pairs[i].cloud) != (by_cloud == 1))
                continue;
            const struct item **found =
                bsearch(&key, items, n_items, sizeof(struct item *), compare_items);
            if (!found)
                continue;
            show(page, *found, &pairs[i]);
            n_shown++;
        }
    }
    return n_shown;
}

static void from_set(struct page *page, const struct analysis *analysis, const struct dataset *set)
{
    const struct item **items = sort_items(set);
    struct pair *best = NULL;
    size_t best_n = 0;
    for (size_t s = 0; s < analysis->n; s++) {
        size_t n = 0;
        struct pair *pairs = analysis_pairs(&analysis->settings[s], &n);
        const struct item wanted = {.id = pairs ? pairs[0].edge->item : ""};
        const struct item *key = &wanted;
        n = pairs && items ? analysis_unique(pairs, n) : 0;
        if (n > best_n && bsearch(&key, items, set->n, sizeof(struct item *), compare_items)) {
            struct pair *worse = best;
            best = pairs;
            best_n = n;
            pairs = worse;
        }
        free(pairs);
    }
    page_pictures_begin(page);
    const size_t n_shown = items ? show_wrong(page, items, set->n, best, best_n) : 0;
    page_pictures_end(page);
    if (n_shown == 0)
        page_text(page, "None of the questions that both tiers answered is in that set and was "
                        "answered wrongly by the edge.");
    free(best);
    free(items);
}

void report_pictures(struct page *page, const struct analysis *analysis, const char *spec)
{
    const struct dataset_options options = {
        .scorer = -1, .suffix = "", .log_name = "moaoff report", .split = SPLIT_ALL};
    struct dataset *set;
    if (!spec)
        return;
    page_heading(page, 2, "What the edge got wrong");
    page_text(page, "At most %d, first those that the cloud gets right.", PICTURES_MAX);
    if (dataset_open(spec, &options, &set)) {
        page_text(page, "The set could not be read.");
        return;
    }
    from_set(page, analysis, set);
    dataset_free(set);
}
