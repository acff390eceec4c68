/* SPDX-License-Identifier: Apache-2.0
 *
 * What a group's certificate is worth and costs: many runs of boxes of unequal risk that publish
 * now and then, how often what is certified is wrong and after how many audits in all something is;
 * and what one who adds up pays for each box. Made-up boxes; prints key=value. See docs/group.md.
 *
 *     bench-pooled RUNS BOXES AUDITS RISK      a run: AUDITS of each box; RISK of the group, e.g.
 * 0.0301
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/group.h>

static uint64_t seed = 88172645463325252u;

static double uniform(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (double)((seed * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct moa_group_plan plan_of_run(uint64_t run)
{
    struct moa_group_plan p = {
        .serial = run + 1, .alpha = 0.03, .delta = 0.1, .share = 1.0, .weights = {0.0, 1.0}};
    for (size_t i = 0; i + 1 < MOA_THRESHOLDS; i++)
        p.threshold[i] = 1.0 - (double)(i + 1) / MOA_THRESHOLDS;
    return p;
}

static void count(struct moa_group_counts *c, const struct moa_group_plan *p, double risk)
{
    const double score = uniform();
    const bool lost = uniform() < risk;
    c->n_audits++;
    c->cells[moa_group_cell(p, score)]++;
    for (size_t t = 0; t < MOA_THRESHOLDS; t++) {
        c->kept[t] += score >= p->threshold[t];
        c->lost[t] += score >= p->threshold[t] && lost;
    }
}

struct found {
    double wrong, audits;
};

/* Audits until something is certified, and whether "keep all" ever was: its risk is RISK. */
static struct found try_run(uint64_t run, size_t n_boxes, size_t n_audits, double risk)
{
    const struct moa_group_plan plan = plan_of_run(run);
    const uint64_t id = moa_group_plan_id(&plan);
    struct moa_group_counts *boxes = calloc(n_boxes, sizeof(*boxes));
    struct moa_group *g = NULL;
    struct moa_group_certificate c = {.n_certified = 0};
    struct found found = {.audits = INFINITY};
    if (!boxes || moa_group_new(&plan, n_boxes, &g))
        abort();
    for (size_t round = 0; round < n_audits; round++) {
        for (size_t b = 0; b < n_boxes; b++) {
            boxes[b].instance = b + 1;
            boxes[b].plan = id;
            snprintf(boxes[b].box, sizeof(boxes[b].box), "box-%zu", b);
            count(&boxes[b], &plan, 2.0 * risk * ((double)b + 0.5) / (double)n_boxes);
            if ((uniform() < 0.2 || n_audits < 5) && moa_group_hear(g, &boxes[b], NULL))
                abort();
        }
        if (!moa_group_look(g))
            continue;
        moa_group_certificate(g, &c);
        found.audits = fmin(found.audits, (double)c.n_audits);
    }
    found.wrong = c.n_certified == MOA_THRESHOLDS;
    free(boxes);
    moa_group_free(g);
    return found;
}

static void price(size_t n_boxes)
{
    const struct moa_group_plan plan = plan_of_run(0);
    struct moa_group_counts c = {.instance = 1, .plan = moa_group_plan_id(&plan)}, read;
    struct moa_group *g = NULL;
    unsigned char bytes[MOA_GROUP_COUNTS_BYTES_MAX];
    if (moa_group_new(&plan, n_boxes, &g))
        abort();
    for (int i = 0; i < 600; i++)
        count(&c, &plan, 0.02);
    double us[2] = {0, 0};
    for (int again = 0; again < 2; again++) {
        const double from = cpu_us();
        for (size_t b = 0; b < n_boxes; b++) {
            snprintf(c.box, sizeof(c.box), "box-%08zu", b);
            const size_t n = moa_group_counts_write(&c, bytes, sizeof(bytes));
            if (moa_group_counts_read((struct moa_bytes){bytes, n}, &read, NULL) ||
                moa_group_hear(g, &read, NULL))
                abort();
        }
        us[again] = (cpu_us() - from) / (double)n_boxes;
        count(&c, &plan, 0.02);
    }
    double from = cpu_us();
    moa_group_look(g);
    printf("write_read_hear_us=%.2f again_us=%.2f look_us=%.1f ", us[0], us[1], cpu_us() - from);
    from = cpu_us();
    moa_group_compare(g);
    printf("compare_us=%.0f bytes_a_box=%zu\n", cpu_us() - from, sizeof(struct moa_group_counts));
    moa_group_free(g);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s RUNS BOXES AUDITS RISK\n", argv[0]);
        return 2;
    }
    const long runs = strtol(argv[1], NULL, 10), n_boxes = strtol(argv[2], NULL, 10);
    const long n_audits = strtol(argv[3], NULL, 10);
    const double risk = strtod(argv[4], NULL);
    if (runs < 0 || n_boxes < 1 || n_boxes > MOA_GROUP_BOXES_MAX || n_audits < 1 ||
        !(risk >= 0.0 && risk <= 0.5))
        return 2;
    double n_wrong = 0, n_some = 0, audits = 0;
    for (long run = 0; run < runs; run++) {
        const struct found f = try_run((uint64_t)run, (size_t)n_boxes, (size_t)n_audits, risk);
        n_wrong += f.wrong;
        n_some += isfinite(f.audits);
        audits += isfinite(f.audits) ? f.audits : 0.0;
    }
    if (runs > 0)
        printf("runs=%ld all_kept_certified=%.4f something_certified=%.4f audits_to_first=%.1f\n",
               runs, n_wrong / (double)runs, n_some / (double)runs,
               n_some > 0 ? audits / n_some : INFINITY);
    price((size_t)n_boxes);
    return 0;
}
