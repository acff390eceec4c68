/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the journal as JSON and CSV; see journal.h. A docket is bytes to the journal; here it is
 * taken apart for people.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include <moaoff/docket.h>

#include "journal_row.h"
#include "json_number.h"

/* ---- a docket ---- */

/* A hash: as a number it would lose its last digits in most programs. */
static void add_hash(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *name, uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
    yyjson_mut_obj_add_strcpy(doc, to, name, text);
}

static void add_modalities(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct moa_docket *d)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, to, "modalities");
    for (size_t i = 0; i < d->request.n; i++) {
        const struct moa_modality *m = &d->request.modalities[i];
        const struct moa_choice *c = &d->decision.choices[i];
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_str(doc, one, "kind", moa_kind_name(m->kind));
        yyjson_mut_obj_add_str(doc, one, "tier", moa_tier_name(c->tier));
        yyjson_mut_obj_add_str(doc, one, "reason", moa_reason_name(c->reason));
        json_add_number(doc, one, "complexity", m->complexity);
        yyjson_mut_obj_add_uint(doc, one, "bytes", m->bytes);
        json_add_number(doc, one, "tokens", m->tokens);
        json_add_number(doc, one, "duration_s", m->duration_s);
        yyjson_mut_obj_add_bool(doc, one, "pinned", m->pinned);
        yyjson_mut_obj_add_bool(doc, one, "refused_by_edge", m->refused[MOA_EDGE]);
        yyjson_mut_obj_add_bool(doc, one, "refused_by_cloud", m->refused[MOA_CLOUD]);
    }
}

static void add_question(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct moa_question *q)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, "question");
    add_hash(doc, o, "scene", q->scene);
    add_hash(doc, o, "text", q->text);
    yyjson_mut_obj_add_uint(doc, o, "kind", q->kind);
    json_add_number(doc, o, "coin", q->coins[0]);
    json_add_number(doc, o, "coin2", q->coins[1]);
    json_add_number(doc, o, "edge_in_flight", q->load[MOA_EDGE].n_in_flight);
    json_add_number(doc, o, "edge_slots", q->load[MOA_EDGE].slots);
    json_add_number(doc, o, "edge_prompt_tokens", q->load[MOA_EDGE].prompt_tokens);
    json_add_number(doc, o, "cloud_in_flight", q->load[MOA_CLOUD].n_in_flight);
    json_add_number(doc, o, "cloud_slots", q->load[MOA_CLOUD].slots);
    json_add_number(doc, o, "cloud_prompt_tokens", q->load[MOA_CLOUD].prompt_tokens);
    json_add_number(doc, o, "upload_bytes", q->upload_bytes);
    json_add_number(doc, o, "uplink_mbps", q->uplink_mbps);
    json_add_number(doc, o, "rtt_ms", q->rtt_ms);
    yyjson_mut_obj_add_bool(doc, o, "cold", q->cold);
    json_add_number(doc, o, "small_upload_bytes", q->has_small ? q->small_upload_bytes : NAN);
    json_add_number(doc, o, "small_prompt_tokens", q->has_small ? q->small_prompt_tokens : NAN);
}

static void add_routing(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct moa_routing *r)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, "routing");
    yyjson_mut_obj_add_str(doc, o, "route", moa_route_name(r->route));
    yyjson_mut_obj_add_str(doc, o, "why", moa_why_name(r->why));
    json_add_number(doc, o, "threshold", r->threshold);
    yyjson_mut_obj_add_uint(doc, o, "audit_of", r->audit_of[0]);
    yyjson_mut_obj_add_uint(doc, o, "audit_of2", r->audit_of[1]);
    json_add_number(doc, o, "rate", r->rate);
    json_add_number(doc, o, "predicted_edge_ms", r->predicted_ms[MOA_EDGE]);
    json_add_number(doc, o, "predicted_cloud_ms", r->predicted_ms[MOA_CLOUD]);
    json_add_number(doc, o, "cost_edge_first", r->cost_edge_first);
    json_add_number(doc, o, "cost_cloud", r->cost_cloud);
    yyjson_mut_obj_add_bool(doc, o, "small", r->small);
}

static void add_answer(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct moa_answer *a)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, "answer");
    yyjson_mut_obj_add_uint(doc, o, "form", a->form);
    yyjson_mut_obj_add_bool(doc, o, "streamed", a->streamed);
    yyjson_mut_obj_add_bool(doc, o, "sampled", a->sampled);
    yyjson_mut_obj_add_uint(doc, o, "tokens", a->n_tokens);
    json_add_number(doc, o, "p_min", a->p_min);
    json_add_number(doc, o, "p_first", a->p_first);
    json_add_number(doc, o, "p_top5", a->p_top5);
}

static void add_times(yyjson_mut_doc *doc, yyjson_mut_val *to, enum moa_tier tier,
                      const struct moa_adaptive_outcome *outcome)
{
    if (!outcome->called[tier])
        return;
    const struct moa_call_times *t = &outcome->times[tier];
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, moa_tier_name(tier));
    json_add_number(doc, o, "fixed_ms", t->fixed_ms);
    json_add_number(doc, o, "prompt_ms", t->prompt_ms);
    json_add_number(doc, o, "prompt_tokens", t->prompt_tokens);
    json_add_number(doc, o, "answer_ms", t->answer_ms);
    json_add_number(doc, o, "answer_tokens", t->answer_tokens);
}

static yyjson_mut_val *docket_json(yyjson_mut_doc *doc, struct moa_bytes bytes)
{
    struct moa_docket_room *room = malloc(sizeof(*room));
    struct moa_docket d;
    struct moa_error error;
    yyjson_mut_val *o = NULL;
    if (room && moa_docket_read(bytes, room, &d, &error) == MOA_OK) {
        o = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_str(doc, o, "plan", moa_plan_name(d.decision.plan));
        yyjson_mut_obj_add_bool(doc, o, "pinned", d.request.pinned);
        json_add_number(doc, o, "deadline_s", d.request.deadline_s);
        yyjson_mut_obj_add_bool(doc, o, "cloud_spent", d.state.cloud_spent);
        add_modalities(doc, o, &d);
        if (d.request.question)
            add_question(doc, o, d.request.question);
        if (d.decision.is_routed)
            add_routing(doc, o, &d.decision.routing);
        if (d.answer)
            add_answer(doc, o, d.answer);
        for (int tier = MOA_EDGE; tier <= MOA_CLOUD && d.outcome; tier++)
            add_times(doc, o, (enum moa_tier)tier, d.outcome);
    } else if (room && bytes.n > 0) {
        o = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_str(doc, o, "error", error.message);
    }
    free(room);
    return o ? o : yyjson_mut_null(doc);
}

/* ---- a row ---- */

static yyjson_mut_val *json_of(yyjson_mut_doc *doc, const struct journal_row *row,
                               const struct journal_column *c)
{
    if (c->kind == JOURNAL_BYTES)
        return docket_json(doc, row->docket);
    if (c->kind == JOURNAL_TEXT)
        return yyjson_mut_str(doc, journal_row_text(row, c));
    if (c->kind == JOURNAL_REAL) {
        const double value = journal_row_real(row, c);
        return isnan(value) ? yyjson_mut_null(doc) : yyjson_mut_real(doc, value);
    }
    const int64_t count = journal_row_count(row, c);
    if (count == JOURNAL_UNKNOWN)
        return yyjson_mut_null(doc);
    return c->kind == JOURNAL_FLAG ? yyjson_mut_bool(doc, count != 0) : yyjson_mut_int(doc, count);
}

void journal_print_json(const struct journal_row *row, bool with_docket, FILE *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    for (size_t i = 0; i < journal_requests.n_columns; i++) {
        const struct journal_column *c = &journal_requests.columns[i];
        if (c->kind != JOURNAL_BYTES || with_docket)
            yyjson_mut_obj_add_val(doc, root, c->name, json_of(doc, row, c));
    }
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    if (json)
        fputs(json, out);
    free(json);
    yyjson_mut_doc_free(doc);
}

static void print_quoted(const char *text, FILE *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_value(const struct journal_row *row, const struct journal_column *c, FILE *out)
{
    if (c->kind == JOURNAL_TEXT)
        print_quoted(journal_row_text(row, c), out);
    else if (c->kind == JOURNAL_REAL && !isnan(journal_row_real(row, c)))
        fprintf(out, "%.15g", journal_row_real(row, c));
    else if (c->kind != JOURNAL_REAL && journal_row_count(row, c) != JOURNAL_UNKNOWN)
        fprintf(out, "%lld", (long long)journal_row_count(row, c));
}

void journal_print_csv(const struct journal_row *row, FILE *out)
{
    for (size_t i = 0; i < journal_requests.n_columns; i++) {
        const struct journal_column *c = &journal_requests.columns[i];
        if (c->kind == JOURNAL_BYTES)
            continue;
        if (i > 0)
            fputc(',', out);
        if (row)
            print_value(row, c, out);
        else
            fputs(c->name, out);
    }
    fputs("\r\n", out);
}
