/* SPDX-License-Identifier: Apache-2.0
 *
 * A decision with all that it was made from as bytes, and back; see docket.h. One walk over the
 * members writes, counts and reads, so that the three cannot differ, and checks what it meets in
 * each direction, so that what was written can be read.
 */
#include <math.h>
#include <string.h>

#include <moaoff/docket.h>

#include "adaptive.h"
#include "byte_walk.h"

#define HEAD_BYTES 8
#define SUM_BYTES 4

enum { PART_QUESTION = 1, PART_ROUTING = 2, PART_ANSWER = 4, PART_OUTCOME = 8, PARTS = 15 };

/* Whoever adds a member writes it here too, and raises the version once it has been released. */
#define IS_WHOLE(type, bytes)                                                                      \
    _Static_assert(sizeof(void *) != 8 || sizeof(struct type) == (bytes), "see above: " #type)
IS_WHOLE(moa_modality, 48);
IS_WHOLE(moa_request, 40);
IS_WHOLE(moa_state, 24);
IS_WHOLE(moa_choice, 8);
IS_WHOLE(moa_decision, 120);
IS_WHOLE(moa_tier_load, 24);
IS_WHOLE(moa_question, 136);
IS_WHOLE(moa_routing, 80);
IS_WHOLE(moa_answer, 40);
IS_WHOLE(moa_call_times, 40);
IS_WHOLE(moa_adaptive_outcome, 128);

static unsigned bit(bool set, unsigned value)
{
    return set ? value : 0;
}

static bool has_bits(double x)
{
    return x != 0.0 || signbit(x) != 0;
}

/* ---- the parts ---- */

static void walk_state(struct byte_walk *w, struct moa_docket *d)
{
    struct moa_state *s = &d->state;
    const unsigned flags = walk_choice(w,
                                       bit(d->request.pinned, 1) | bit(s->edge_up, 2) |
                                           bit(s->cloud_up, 4) | bit(s->cloud_spent, 8),
                                       16, "a flag of a request that does not exist");
    d->request.pinned = flags & 1;
    s->edge_up = flags & 2;
    s->cloud_up = flags & 4;
    s->cloud_spent = flags & 8;
    walk_double(w, &d->request.deadline_s);
    walk_double(w, &s->edge_load);
    walk_double(w, &s->uplink_mbps);
    walk_check(w, d->request.deadline_s >= 0.0 && isfinite(d->request.deadline_s), "a deadline");
    walk_check(w, !(s->edge_load < 0.0) && !(s->uplink_mbps < 0.0), "a load or an uplink below 0");
}

static void walk_plan(struct byte_walk *w, struct moa_docket *d)
{
    d->decision.plan =
        (enum moa_plan)walk_choice(w, d->decision.plan, MOA_PLANS, "a plan that is not known");
    walk_double(w, &d->decision.threshold);
    uint64_t n = d->request.n;
    walk_count(w, &n);
    walk_check(w, n >= 1 && n <= MOA_MODALITIES_MAX, "no modality, or too many");
    d->request.n = w->wrong ? 0 : (size_t)n;
    d->decision.n = d->request.n;
}

static void walk_modality(struct byte_walk *w, size_t i, struct moa_modality *m,
                          struct moa_choice *c)
{
    walk_check(w, (unsigned)m->kind < MOA_KINDS && (unsigned)c->tier <= MOA_CLOUD,
               "a kind or a tier");
    const unsigned flags =
        walk_byte(w, (unsigned)m->kind | bit(m->pinned, 8) | bit(m->refused[MOA_EDGE], 16) |
                         bit(m->refused[MOA_CLOUD], 32) | bit(has_bits(m->tokens), 64) |
                         bit(has_bits(m->duration_s), 128));
    m->kind = (enum moa_kind)(flags & 7);
    m->pinned = flags & 8;
    m->refused[MOA_EDGE] = flags & 16;
    m->refused[MOA_CLOUD] = flags & 32;
    const unsigned choice = walk_byte(w, (unsigned)c->tier | (unsigned)c->reason << 1);
    c->tier = (enum moa_tier)(choice & 1);
    c->reason = (enum moa_reason)(choice >> 1);
    walk_double(w, &m->complexity);
    walk_count(w, &m->bytes);
    if (flags & 64)
        walk_double(w, &m->tokens);
    if (flags & 128)
        walk_double(w, &m->duration_s);
    walk_check(w, (flags & 7) < MOA_KINDS && ((flags & 7) == MOA_TEXT) == (i == 0),
               "a kind of modality in a place where it cannot be");
    walk_check(w, c->reason < MOA_REASONS, "a reason that is not known");
    walk_check(w, m->complexity >= 0.0 && m->complexity <= 1.0, "a complexity outside [0, 1]");
    walk_check(
        w, (has_bits(m->tokens) || !(flags & 64)) && (has_bits(m->duration_s) || !(flags & 128)),
        "a number that follows and is 0");
}

static void walk_question(struct byte_walk *w, struct moa_question *q)
{
    walk_word(w, &q->scene);
    walk_word(w, &q->text);
    q->kind = walk_choice(w, q->kind, MOA_QUESTION_KINDS, "a kind of question");
    const unsigned flags =
        walk_choice(w,
                    bit(q->pinned, 1) | bit(q->edge_up, 2) | bit(q->cloud_up, 4) | bit(q->cold, 8) |
                        bit(q->has_small, 16),
                    32, "a flag of a question that does not exist");
    q->pinned = flags & 1;
    q->edge_up = flags & 2;
    q->cloud_up = flags & 4;
    q->cold = flags & 8;
    q->has_small = flags & 16;
    walk_doubles(w, q->coins, MOA_GENERATIONS);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        walk_double(w, &q->load[tier].n_in_flight);
        walk_double(w, &q->load[tier].slots);
        walk_double(w, &q->load[tier].prompt_tokens);
    }
    walk_double(w, &q->upload_bytes);
    walk_double(w, &q->uplink_mbps);
    walk_double(w, &q->rtt_ms);
    if (q->has_small) {
        walk_double(w, &q->small_upload_bytes);
        walk_double(w, &q->small_prompt_tokens);
    }
    walk_check(w, moa_question_valid(q), "a question of which nothing can be decided");
}

static void walk_routing(struct byte_walk *w, struct moa_routing *r)
{
    const unsigned how =
        walk_choice(w, (unsigned)r->route | bit(r->small, 4), 2 * (MOA_ROUTE_PAPER + 1), "a route");
    r->route = (enum moa_route)(how & 3);
    r->small = how & 4;
    r->why = (enum moa_why)walk_choice(w, r->why, MOA_WHY_PINNED + 1, "why a route was taken");
    walk_double(w, &r->threshold);
    for (size_t i = 0; i < MOA_GENERATIONS; i++)
        walk_count(w, &r->audit_of[i]);
    walk_double(w, &r->rate);
    walk_doubles(w, r->predicted_ms, 2);
    walk_double(w, &r->cost_edge_first);
    walk_double(w, &r->cost_cloud);
}

static void walk_answer(struct byte_walk *w, struct moa_answer *a)
{
    a->form = (enum moa_answer_form)walk_choice(w, a->form, MOA_ANSWER_LONG + 1, "a form");
    const unsigned flags = walk_choice(w, bit(a->streamed, 1) | bit(a->sampled, 2), 4,
                                       "a flag of an answer that does not exist");
    a->streamed = flags & 1;
    a->sampled = flags & 2;
    uint64_t n_tokens = a->n_tokens;
    walk_count(w, &n_tokens);
    walk_check(w, n_tokens <= SIZE_MAX, "a number of tokens");
    a->n_tokens = (size_t)n_tokens;
    walk_double(w, &a->p_min);
    walk_double(w, &a->p_first);
    walk_double(w, &a->p_top5);
}

static void walk_times(struct byte_walk *w, struct moa_call_times *t)
{
    walk_double(w, &t->fixed_ms);
    walk_double(w, &t->prompt_ms);
    walk_double(w, &t->prompt_tokens);
    walk_double(w, &t->answer_ms);
    walk_double(w, &t->answer_tokens);
}

static void walk_outcome(struct byte_walk *w, struct moa_adaptive_outcome *o)
{
    o->kind = walk_choice(w, o->kind, MOA_QUESTION_KINDS, "a kind of question");
    const unsigned flags = walk_choice(w,
                                       bit(o->edge_first, 1) | bit(o->escalated, 2) |
                                           bit(o->cloud, 4) | bit(o->called[MOA_EDGE], 8) |
                                           bit(o->called[MOA_CLOUD], 16) | bit(o->is_again, 32),
                                       64, "a flag of an outcome that does not exist");
    o->edge_first = flags & 1;
    o->escalated = flags & 2;
    o->cloud = flags & 4;
    o->called[MOA_EDGE] = flags & 8;
    o->called[MOA_CLOUD] = flags & 16;
    o->is_again = flags & 32;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (o->called[tier])
            walk_times(w, &o->times[tier]);
    }
}

/* ---- all of it ---- */

struct docket_parts {
    struct moa_question question;
    struct moa_answer answer;
    struct moa_adaptive_outcome outcome;
};

/* `room` is where modalities and choices are read to; NULL when writing. */
static void walk_modalities(struct byte_walk *w, struct moa_docket *d, struct moa_docket_room *room)
{
    for (size_t i = 0; i < d->request.n && !w->wrong; i++) {
        struct moa_modality m = room ? (struct moa_modality){0} : d->request.modalities[i];
        struct moa_choice c = room ? (struct moa_choice){0} : d->decision.choices[i];
        walk_modality(w, i, &m, &c);
        if (room && w->at > w->n)
            return;
        if (room) {
            room->modalities[i] = m;
            room->choices[i] = c;
        }
    }
}

static void walk_parts(struct byte_walk *w, unsigned which, struct moa_docket *d,
                       struct docket_parts *parts)
{
    if (which & PART_QUESTION)
        walk_question(w, &parts->question);
    if (which & PART_ROUTING)
        walk_routing(w, &d->decision.routing);
    if (which & PART_ANSWER)
        walk_answer(w, &parts->answer);
    if (which & PART_OUTCOME)
        walk_outcome(w, &parts->outcome);
}

static bool is_writable(const struct moa_docket *d)
{
    return d && d->request.n >= 1 && d->request.n <= MOA_MODALITIES_MAX && d->request.modalities &&
           d->decision.choices && d->decision.n == d->request.n;
}

static unsigned parts_of(const struct moa_docket *d, struct docket_parts *ret_parts)
{
    if (d->request.question)
        ret_parts->question = *d->request.question;
    if (d->answer)
        ret_parts->answer = *d->answer;
    if (d->outcome)
        ret_parts->outcome = *d->outcome;
    return bit(d->request.question, PART_QUESTION) | bit(d->decision.is_routed, PART_ROUTING) |
           bit(d->answer, PART_ANSWER) | bit(d->outcome, PART_OUTCOME);
}

/* The oldest that can say it, so that older programs read what they would understand. */
static unsigned char version_of(const struct moa_docket *d)
{
    const bool has_small = (d->request.question && d->request.question->has_small) ||
                           (d->decision.is_routed && d->decision.routing.small);
    return has_small ? MOA_DOCKET_VERSION : 1;
}

size_t moa_docket_write(const struct moa_docket *docket, void *ret_bytes, size_t n)
{
    if (!is_writable(docket) || !ret_bytes || n < HEAD_BYTES + SUM_BYTES)
        return 0;
    struct moa_docket d = *docket;
    struct docket_parts parts = {.question = {0}};
    const unsigned which = parts_of(docket, &parts);
    struct byte_walk w = {.out = ret_bytes, .n = n - SUM_BYTES, .at = HEAD_BYTES};
    walk_state(&w, &d);
    walk_plan(&w, &d);
    walk_modalities(&w, &d, NULL);
    walk_parts(&w, which, &d, &parts);
    if (w.wrong || w.at > w.n)
        return 0;
    const unsigned char head[4] = {'M', 'D', version_of(&d), (unsigned char)which};
    memcpy(w.out, head, sizeof(head));
    bytes_put32(w.out + 4, (uint32_t)(w.at + SUM_BYTES));
    bytes_put32(w.out + w.at, bytes_checksum(w.out, w.at));
    return w.at + SUM_BYTES;
}

static enum moa_err read_head(const unsigned char *p, size_t n, struct moa_error *ret_error)
{
    if (n < 3 || p[0] != 'M' || p[1] != 'D' || p[2] == 0)
        return bytes_refuse(ret_error, MOA_ERR_FORMAT, 0, "this is no docket");
    if (p[2] > MOA_DOCKET_VERSION)
        return bytes_refuse(ret_error, MOA_ERR_UNSUPPORTED, 2,
                            "a docket of a newer version of this program");
    if (n < HEAD_BYTES + SUM_BYTES || n < bytes_get32(p + 4))
        return bytes_refuse(ret_error, MOA_ERR_TRUNCATED, n, "a docket that ends too early");
    if (n > bytes_get32(p + 4) || n > MOA_DOCKET_BYTES_MAX)
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, 4, "a docket that is longer than it says");
    if (bytes_get32(p + n - SUM_BYTES) != bytes_checksum(p, n - SUM_BYTES))
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, n - SUM_BYTES,
                            "a docket that is not what was written");
    if (p[3] > PARTS)
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, 3,
                            "a part of a docket that does not exist");
    return MOA_OK;
}

static void point_to(struct moa_docket *d, unsigned which, const struct docket_parts *parts,
                     struct moa_docket_room *room)
{
    room->question = parts->question;
    room->answer = parts->answer;
    room->outcome = parts->outcome;
    d->request.modalities = room->modalities;
    d->decision.choices = room->choices;
    d->request.question = which & PART_QUESTION ? &room->question : NULL;
    d->decision.is_routed = which & PART_ROUTING;
    d->answer = which & PART_ANSWER ? &room->answer : NULL;
    d->outcome = which & PART_OUTCOME ? &room->outcome : NULL;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        const struct moa_tier_load *load =
            which & PART_QUESTION ? &room->question.load[tier] : NULL;
        room->outcome.n_ahead[tier] = moa_load_ahead(load);
        room->outcome.busy[tier] = moa_load_busy(load);
    }
}

enum moa_err moa_docket_read(struct moa_bytes bytes, struct moa_docket_room *room,
                             struct moa_docket *ret_docket, struct moa_error *ret_error)
{
    if (!room || !ret_docket || (!bytes.p && bytes.n > 0))
        return bytes_refuse(ret_error, MOA_ERR_ARGUMENT, 0, "no place to read a docket to");
    const enum moa_err err = read_head(bytes.p, bytes.n, ret_error);
    if (err)
        return err;
    struct byte_walk w = {.reads = true, .in = bytes.p, .n = bytes.n - SUM_BYTES, .at = HEAD_BYTES};
    const unsigned which = w.in[3];
    struct moa_docket d = {.request = {.n = 0}};
    struct docket_parts parts = {.question = {0}};
    walk_state(&w, &d);
    walk_plan(&w, &d);
    walk_modalities(&w, &d, room);
    walk_parts(&w, which, &d, &parts);
    walk_check(&w, w.at == w.n, "a docket whose parts are not as long as it");
    if (w.wrong)
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, w.wrong_at, w.wrong);
    point_to(&d, which, &parts, room);
    *ret_docket = d;
    return MOA_OK;
}
