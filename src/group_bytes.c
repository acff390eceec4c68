/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts and plans of a group as bytes, and back, and what they can be; see moaoff/group.h. What
 * comes from another box is believed only as far as this has looked at it.
 */
#include "group.h"

#include <math.h>
#include <string.h>

#include <moaoff/policy.h>

#include "byte_walk.h"

#define HEAD_BYTES 8
#define SUM_BYTES 4
#define VERSION 1

/* ---- what can be ---- */

bool moa_group_name_valid(const char name[MOA_GROUP_NAME_BYTES])
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t n = strnlen(name, MOA_GROUP_NAME_BYTES);
    return n >= 1 && n < MOA_GROUP_NAME_BYTES && strspn(name, allowed) == n;
}

/* A looser threshold keeps what a stricter one keeps, and what it lost of that. */
static bool is_nested(uint32_t n_audits, const uint32_t kept[MOA_THRESHOLDS],
                      const uint32_t lost[MOA_THRESHOLDS])
{
    uint32_t n_kept = 0, n_lost = 0;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        if (kept[i] < n_kept || lost[i] < n_lost || lost[i] - n_lost > kept[i] - n_kept)
            return false;
        n_kept = kept[i];
        n_lost = lost[i];
    }
    return n_kept == n_audits;
}

/* No term of a score is above 45, the logarithm of a number of tokens, and a derivative of the
 * logistic is at most a quarter. */
static bool are_equations(const struct moa_group_counts *c)
{
    double diagonal[MOA_GROUP_WEIGHTS];
    for (int row = 0, at = 0; row < MOA_GROUP_WEIGHTS; row++) {
        if (!(fabs(c->gradient[row]) <= 64.0 * c->n_audits))
            return false;
        diagonal[row] = c->curvature[at + row];
        if (!(diagonal[row] >= 0.0 && diagonal[row] <= 1024.0 * c->n_audits))
            return false;
        for (int column = 0; column <= row; column++) {
            const double most = sqrt(diagonal[row] * diagonal[column]);
            if (!(fabs(c->curvature[at++]) <= most * (1.0 + 1e-9) + 1e-9))
                return false;
        }
    }
    return true;
}

/* A sum of squares, weighted: with 1 added on the diagonal no pivot of Cholesky's is below 1. */
static bool is_sum_of_squares(const struct moa_group_counts *c)
{
    double l[MOA_GROUP_WEIGHTS][MOA_GROUP_WEIGHTS];
    for (int row = 0, at = 0; row < MOA_GROUP_WEIGHTS; row++) {
        for (int column = 0; column <= row; column++) {
            double sum = c->curvature[at++] + (column == row ? 1.0 : 0.0);
            for (int k = 0; k < column; k++)
                sum -= l[row][k] * l[column][k];
            if (column == row && !(sum > 0.5))
                return false;
            l[row][column] = column == row ? sqrt(sum) : sum / l[column][column];
        }
    }
    return true;
}

static bool are_times(const struct moa_group_times *t)
{
    const double x[] = {t->n,         t->fixed_ms,     t->prompt_ms, t->prompt_tokens,
                        t->answer_ms, t->answer_tokens};
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
        if (!(x[i] >= 0.0 && x[i] <= 1e12))
            return false;
    }
    return true;
}

const char *moa_group_counts_wrong(const struct moa_group_counts *counts)
{
    if (!moa_group_name_valid(counts->box))
        return "a box without a name, or a name that cannot be";
    if (!counts->instance)
        return "a box without an instance";
    if (!is_nested(counts->n_audits, counts->kept, counts->lost))
        return "more lost than kept, more kept than audited, or less by a looser threshold";
    if (!are_equations(counts) || !is_sum_of_squares(counts))
        return "equations that no audits can have";
    if (!are_times(&counts->times[0]) || !are_times(&counts->times[1]))
        return "times below 0, or that are no numbers";
    return NULL;
}

const char *moa_group_plan_wrong(const struct moa_group_plan *plan)
{
    const struct moa_group_plan *p = plan;
    if (p->serial == 0)
        return "a generation without a number";
    if (!(p->alpha > 0.0 && p->alpha <= 0.5 && p->delta > 0.0 && p->delta <= 0.5))
        return "alpha or delta outside (0, 0.5]";
    if (!(p->share > 0.0 && p->share <= 1.0))
        return "a share of audits outside (0, 1]";
    for (size_t i = 0; i < MOA_GROUP_WEIGHTS; i++) {
        if (!(fabs(p->weights[i]) <= 1e6))
            return "a weight beyond all measure";
    }
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        if (!(p->threshold[i] >= 0.0 && p->threshold[i] <= (i ? p->threshold[i - 1] : 1.0)))
            return "thresholds that do not fall within [0, 1]";
    }
    if (p->threshold[MOA_THRESHOLDS - 1] != 0.0)
        return "a last threshold that does not keep all";
    if (p->n_left_out > MOA_GROUP_LEFT_OUT_MAX)
        return "too many boxes that are left out";
    for (size_t i = 0; i < p->n_left_out; i++) {
        if (!moa_group_name_valid(p->left_out[i]))
            return "a box left out that has no name";
    }
    return NULL;
}

bool moa_group_counts_follow(const struct moa_group_counts *before,
                             const struct moa_group_counts *counts)
{
    uint32_t kept[MOA_THRESHOLDS], lost[MOA_THRESHOLDS];
    if (counts->n_audits < before->n_audits)
        return false;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        if (counts->kept[i] < before->kept[i] || counts->lost[i] < before->lost[i])
            return false;
        kept[i] = counts->kept[i] - before->kept[i];
        lost[i] = counts->lost[i] - before->lost[i];
    }
    for (size_t i = 0; i < MOA_GROUP_CELLS; i++) {
        if (counts->cells[i] < before->cells[i])
            return false;
    }
    return is_nested(counts->n_audits - before->n_audits, kept, lost);
}

/* ---- walking ---- */

static void walk_name(struct byte_walk *w, char name[MOA_GROUP_NAME_BYTES])
{
    uint64_t n = strnlen(name, MOA_GROUP_NAME_BYTES);
    walk_count(w, &n);
    walk_check(w, n >= 1 && n < MOA_GROUP_NAME_BYTES, "a name that is too long, or none");
    if (w->wrong)
        return;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)walk_byte(w, (unsigned char)name[i]);
    if (w->reads)
        memset(name + n, 0, MOA_GROUP_NAME_BYTES - n);
    walk_check(w, moa_group_name_valid(name) && strlen(name) == n, "a name that cannot be");
}

static void walk_u32(struct byte_walk *w, uint32_t *x)
{
    uint64_t count = *x;
    walk_count(w, &count);
    walk_check(w, count <= UINT32_MAX, "a count that is too large");
    *x = (uint32_t)count;
}

/* Each as what it is above the one before. */
static void walk_rising(struct byte_walk *w, uint32_t x[MOA_THRESHOLDS])
{
    uint32_t before = 0;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        uint32_t more = x[i] - before;
        walk_u32(w, &more);
        walk_check(w, more <= UINT32_MAX - before, "a count that is too large");
        before = x[i] = before + more;
    }
}

/* Most of a box's equations are 0, as few forms of answers come: a byte says which of eight are
 * not. */
static void walk_sparse(struct byte_walk *w, double *x, size_t n)
{
    for (size_t from = 0; from < n; from += 8) {
        const size_t many = n - from < 8 ? n - from : 8;
        unsigned which = 0;
        for (size_t i = 0; i < many; i++)
            which |= x[from + i] != 0.0 ? 1u << i : 0;
        which = walk_byte(w, which);
        walk_check(w, which >> many == 0, "a term that does not exist");
        for (size_t i = 0; i < many; i++) {
            if (!(which >> i & 1))
                x[from + i] = 0.0;
            else
                walk_double(w, &x[from + i]);
            walk_check(w, !(which >> i & 1) || x[from + i] != 0.0,
                       "a number that follows and is 0");
        }
    }
}

static void walk_group_times(struct byte_walk *w, struct moa_group_times *t)
{
    walk_double(w, &t->n);
    walk_double(w, &t->fixed_ms);
    walk_double(w, &t->prompt_ms);
    walk_double(w, &t->prompt_tokens);
    walk_double(w, &t->answer_ms);
    walk_double(w, &t->answer_tokens);
}

static void walk_group_counts(struct byte_walk *w, struct moa_group_counts *c)
{
    walk_name(w, c->box);
    walk_word(w, &c->instance);
    walk_word(w, &c->plan);
    walk_u32(w, &c->n_audits);
    walk_rising(w, c->kept);
    walk_rising(w, c->lost);
    for (size_t i = 0; i < MOA_GROUP_CELLS; i++)
        walk_u32(w, &c->cells[i]);
    walk_sparse(w, c->gradient, MOA_GROUP_WEIGHTS);
    walk_sparse(w, c->curvature, MOA_GROUP_CURVATURES);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        walk_group_times(w, &c->times[tier]);
    if (!w->wrong && w->at <= w->n) {
        const char *wrong = moa_group_counts_wrong(c);
        walk_check(w, !wrong, wrong);
    }
}

static void walk_group_plan(struct byte_walk *w, struct moa_group_plan *p)
{
    walk_word(w, &p->serial);
    walk_double(w, &p->alpha);
    walk_double(w, &p->delta);
    p->judge = walk_choice(w, p->judge, 2, "a flag of a plan that does not exist") != 0;
    walk_double(w, &p->share);
    walk_doubles(w, p->weights, MOA_GROUP_WEIGHTS);
    walk_doubles(w, p->threshold, MOA_THRESHOLDS);
    uint64_t n = p->n_left_out;
    walk_count(w, &n);
    walk_check(w, n <= MOA_GROUP_LEFT_OUT_MAX, "too many boxes that are left out");
    p->n_left_out = w->wrong ? 0 : (size_t)n;
    for (size_t i = 0; i < p->n_left_out && !w->wrong; i++)
        walk_name(w, p->left_out[i]);
    if (!w->wrong && w->at <= w->n) {
        const char *wrong = moa_group_plan_wrong(p);
        walk_check(w, !wrong, wrong);
    }
}

/* ---- writing and reading ---- */

static size_t finish(struct byte_walk *w, unsigned char kind)
{
    if (w->wrong || w->at > w->n)
        return 0;
    const unsigned char head[4] = {'M', 'G', VERSION, kind};
    memcpy(w->out, head, sizeof(head));
    bytes_put32(w->out + 4, (uint32_t)(w->at + SUM_BYTES));
    bytes_put32(w->out + w->at, bytes_checksum(w->out, w->at));
    return w->at + SUM_BYTES;
}

size_t moa_group_counts_write(const struct moa_group_counts *counts, void *ret_bytes, size_t n)
{
    if (!counts || !ret_bytes || n < HEAD_BYTES + SUM_BYTES || moa_group_counts_wrong(counts))
        return 0;
    struct moa_group_counts c = *counts;
    struct byte_walk w = {.out = ret_bytes, .n = n - SUM_BYTES, .at = HEAD_BYTES};
    walk_group_counts(&w, &c);
    return finish(&w, 'c');
}

size_t moa_group_plan_write(const struct moa_group_plan *plan, void *ret_bytes, size_t n)
{
    if (!plan || !ret_bytes || n < HEAD_BYTES + SUM_BYTES || moa_group_plan_wrong(plan))
        return 0;
    struct moa_group_plan p = *plan;
    struct byte_walk w = {.out = ret_bytes, .n = n - SUM_BYTES, .at = HEAD_BYTES};
    walk_group_plan(&w, &p);
    return finish(&w, 'p');
}

static enum moa_err read_head(struct moa_bytes bytes, unsigned char kind, size_t n_max,
                              struct moa_error *ret_error)
{
    const unsigned char *p = bytes.p;
    const size_t n = bytes.n;
    if (n < 4 || p[0] != 'M' || p[1] != 'G' || p[2] == 0 || p[3] != kind)
        return bytes_refuse(ret_error, MOA_ERR_FORMAT, 0, "these are no such bytes of a group");
    if (p[2] > VERSION)
        return bytes_refuse(ret_error, MOA_ERR_UNSUPPORTED, 2,
                            "of a newer version of this program");
    if (n < HEAD_BYTES + SUM_BYTES || n < bytes_get32(p + 4))
        return bytes_refuse(ret_error, MOA_ERR_TRUNCATED, n, "it ends too early");
    if (n > bytes_get32(p + 4) || n > n_max)
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, 4, "it is longer than it says, or may be");
    if (bytes_get32(p + n - SUM_BYTES) != bytes_checksum(p, n - SUM_BYTES))
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, n - SUM_BYTES,
                            "it is not what was written");
    return MOA_OK;
}

static enum moa_err ended(struct byte_walk *w, struct moa_error *ret_error)
{
    walk_check(w, w->at == w->n, "it does not have the length that its parts have");
    return w->wrong ? bytes_refuse(ret_error, MOA_ERR_CORRUPT, w->wrong_at, w->wrong) : MOA_OK;
}

enum moa_err moa_group_counts_read(struct moa_bytes bytes, struct moa_group_counts *ret_counts,
                                   struct moa_error *ret_error)
{
    if (!ret_counts || (!bytes.p && bytes.n > 0))
        return bytes_refuse(ret_error, MOA_ERR_ARGUMENT, 0, "no place to read counts to");
    enum moa_err err = read_head(bytes, 'c', MOA_GROUP_COUNTS_BYTES_MAX, ret_error);
    if (err)
        return err;
    struct moa_group_counts c = {.n_audits = 0};
    struct byte_walk w = {.reads = true, .in = bytes.p, .n = bytes.n - SUM_BYTES, .at = HEAD_BYTES};
    walk_group_counts(&w, &c);
    err = ended(&w, ret_error);
    if (!err)
        *ret_counts = c;
    return err;
}

enum moa_err moa_group_plan_read(struct moa_bytes bytes, struct moa_group_plan *ret_plan,
                                 struct moa_error *ret_error)
{
    if (!ret_plan || (!bytes.p && bytes.n > 0))
        return bytes_refuse(ret_error, MOA_ERR_ARGUMENT, 0, "no place to read a plan to");
    enum moa_err err = read_head(bytes, 'p', MOA_GROUP_PLAN_BYTES_MAX, ret_error);
    if (err)
        return err;
    struct moa_group_plan p = {.serial = 0};
    struct byte_walk w = {.reads = true, .in = bytes.p, .n = bytes.n - SUM_BYTES, .at = HEAD_BYTES};
    walk_group_plan(&w, &p);
    err = ended(&w, ret_error);
    if (!err)
        *ret_plan = p;
    return err;
}

uint64_t moa_group_plan_id(const struct moa_group_plan *plan)
{
    unsigned char bytes[MOA_GROUP_PLAN_BYTES_MAX];
    const size_t n = moa_group_plan_write(plan, bytes, sizeof(bytes));
    uint64_t sum = 0;
    for (size_t at = 0; at < n; at += 8) {
        uint64_t word = 0;
        for (size_t i = 0; i < 8 && at + i < n; i++)
            word |= (uint64_t)bytes[at + i] << 8 * i;
        sum = moa_siphash((const uint64_t[]){sum, at}, &word, 1);
    }
    return n ? sum | 1 : 0;
}
