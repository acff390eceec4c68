/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits that wait for the right answer; see label.h.
 */
#include "label.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct label_entry {
    char key[64];
    struct label_found found;
    bool is_open;
    char *text[2]; /* NULL: none that could be compared */
    size_t n[2];
    int64_t came_us;
};

static void entry_done(struct label_entry *e)
{
    free(e->text[MOA_EDGE]);
    free(e->text[MOA_CLOUD]);
    *e = (struct label_entry){.came_us = 0};
}

static struct label_entry *at(const struct labels *labels, size_t i)
{
    return &labels->entries[(labels->first + i) % LABELS_MAX];
}

bool label_wait(struct labels *labels, const struct label_audit *audit, int64_t now_us)
{
    if (!labels->entries)
        labels->entries = calloc(LABELS_MAX, sizeof(*labels->entries));
    if (!labels->entries || labels->n == LABELS_MAX)
        return false;
    struct label_entry *e = at(labels, labels->n);
    *e = (struct label_entry){
        .found = {.time_ms = audit->time_ms, .audit = audit->audit, .kept = audit->kept},
        .is_open = audit->is_open,
        .came_us = now_us};
    snprintf(e->found.id, sizeof(e->found.id), "%s", audit->id);
    snprintf(e->key, sizeof(e->key), "%s", audit->key);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct moa_bytes text = audit->text[tier];
        if (text.p && text.n <= LABEL_TEXT_BYTES)
            e->text[tier] = strndup(text.p, text.n); /* without memory: as if it were too long */
        e->n[tier] = e->text[tier] ? strlen(e->text[tier]) : 0;
    }
    labels->n++;
    return true;
}

static bool is_of(const struct label_entry *e, uint64_t scene, uint64_t text)
{
    return e->found.audit.scene == scene && e->found.audit.text == text;
}

bool label_waits(const struct labels *labels, uint64_t scene, uint64_t text)
{
    size_t i = 0;
    while (i < labels->n && !is_of(at(labels, i), scene, text))
        i++;
    return i < labels->n;
}

void label_judged(struct labels *labels, uint64_t scene, uint64_t text, bool same)
{
    for (size_t i = 0; i < labels->n; i++) {
        struct label_entry *e = at(labels, i);
        if (!e->is_open || !is_of(e, scene, text))
            continue;
        e->is_open = false;
        e->found.audit.lost = e->found.audit.lost && !same;
        return;
    }
}

static bool agrees(const struct label_entry *e, enum moa_tier tier, const char *truth)
{
    const struct moa_bytes text = {e->text[tier], e->n[tier]};
    return text.p && moa_answers_agree(text, (struct moa_bytes){truth, strlen(truth)});
}

/* Of words or JSON that are not the truth's, nobody can say here that they are wrong. */
static bool is_short(const struct label_entry *e, enum moa_tier tier)
{
    const struct moa_bytes text = {e->text[tier], e->n[tier]};
    return text.p && moa_answer_form_of(text) <= MOA_ANSWER_SHORT;
}

bool label_tell(struct labels *labels, const char *id, const char *key, const char *truth)
{
    for (size_t i = labels->n; i-- > 0;) {
        struct label_entry *e = at(labels, i);
        if (e->found.has_label || strcmp(e->found.id, id) != 0 || strcmp(e->key, key) != 0)
            continue;
        const bool edge_right = agrees(e, MOA_EDGE, truth);
        const bool cloud_wrong = is_short(e, MOA_CLOUD) && !agrees(e, MOA_CLOUD, truth);
        e->found.audit.lost = e->found.audit.lost && !edge_right && !cloud_wrong;
        e->found.has_label = true;
        return true;
    }
    return false;
}

bool label_next(struct labels *labels, int64_t due_us, struct label_found *ret_found)
{
    struct label_entry *e = labels->n > 0 ? at(labels, 0) : NULL;
    const bool is_ready = e && !e->is_open && (e->found.has_label || e->came_us <= due_us);
    if (!e || (!is_ready && due_us != LABEL_ANY))
        return false;
    *ret_found = e->found;
    entry_done(e);
    labels->first = (labels->first + 1) % LABELS_MAX;
    labels->n--;
    return true;
}

void labels_done(struct labels *labels)
{
    for (size_t i = 0; i < labels->n; i++)
        entry_done(at(labels, i));
    free(labels->entries);
    *labels = (struct labels){.n = 0};
}
