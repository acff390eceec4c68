/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU time of what the workers do with an image: score it, and re-encode it for the default budget
 * of each tier. For bench/images; prints a row for each file, the least of ROUNDS runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/config.h"
#include "gateway/perceive.h"

#define ROUNDS 7
#define FILE_BYTES_MAX (64 << 20)

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Bytes of the file, or 0 if it cannot be made. */
static size_t recode(struct moa_bytes file, const struct image_facts *facts,
                     const struct moa_recode_target *target)
{
    struct moa_recoded made;
    struct moa_error error;
    if (moa_recode(file, &facts->info, facts->orientation, target, &made, &error)) {
        fprintf(stderr, "recode: %s\n", error.message);
        return 0;
    }
    free(made.p);
    return made.n;
}

/* Scores, and re-encodes for `target` if it is not NULL and the format gives both at once. The time
 * of both; negative if it cannot be done. */
static double look_at(const char *name, struct moa_bytes file, enum moa_image_mode mode,
                      const struct moa_recode_target *target, const struct config *config,
                      struct image_facts *ret_facts)
{
    const struct perceive_look look = {.mode = mode,
                                       .max_px = (uint64_t)config->max_image_px,
                                       .target = target,
                                       .max_kept_bytes = FILE_BYTES_MAX};
    struct http_error error;
    struct moa_kept *kept = NULL;
    struct moa_recoded made = {.p = NULL};
    const double begin = cpu_ms();
    if (perceive_measure(file, &look, name, ret_facts, &kept, &error)) {
        fprintf(stderr, "score: %s\n", error.message);
        return -1;
    }
    if (target && (!kept || moa_recode_kept(kept, target, &made, NULL)))
        return -1;
    free(made.p);
    return cpu_ms() - begin;
}

static int measure(const char *name, struct moa_bytes file, const struct config *config)
{
    struct image_facts facts;
    double score_ms[2] = {1e9, 1e9}, recode_ms[2] = {1e9, 1e9}, both_ms[2] = {1e9, 1e9};
    size_t n[2] = {0, 0};
    for (int round = 0; round < ROUNDS; round++) {
        double begin;
        for (int mode = MOA_IMAGE_EXACT; mode <= MOA_IMAGE_FAST; mode++) {
            const double ms = look_at(name, file, (enum moa_image_mode)mode, NULL, config, &facts);
            if (ms < 0)
                return -1;
            score_ms[mode] = least(score_ms[mode], ms);
        }
        for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
            const struct moa_recode_target *target = &config->tier[tier].image_target;
            if (!moa_recode_needed(&facts.info, facts.orientation, facts.features.notes, target))
                continue;
            begin = cpu_ms();
            n[tier] = recode(file, &facts, target);
            recode_ms[tier] = least(recode_ms[tier], cpu_ms() - begin);
            both_ms[tier] =
                least(both_ms[tier], look_at(name, file, MOA_IMAGE_FAST, target, config, &facts));
        }
    }
    printf("%-20s %5u x %-5u %6.0f KB %8.1f ms %8.1f ms", name, facts.info.width_px,
           facts.info.height_px, (double)file.n / 1024, score_ms[MOA_IMAGE_EXACT],
           score_ms[MOA_IMAGE_FAST]);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        if (n[tier])
            printf(" %8.1f ms %6.0f KB %8.1f ms", recode_ms[tier], (double)n[tier] / 1024,
                   both_ms[tier]);
        else
            printf(" %33s", "as it came");
    }
    putchar('\n');
    return 0;
}

int main(int argc, char **argv)
{
    struct config *config;
    struct config_error error;
    char *bytes = malloc(FILE_BYTES_MAX);
    if (!bytes || config_load(NULL, NULL, CONFIG_TO_SERVE, &config, &error))
        return 1;
    int result = 0;
    for (int i = 1; i < argc && !result; i++) {
        FILE *in = fopen(argv[i], "rb");
        if (!in) {
            perror(argv[i]);
            result = -1;
            break;
        }
        const struct moa_bytes file = {bytes, fread(bytes, 1, FILE_BYTES_MAX, in)};
        fclose(in);
        const char *slash = strrchr(argv[i], '/');
        result = measure(slash ? slash + 1 : argv[i], file, config);
    }
    free(bytes);
    config_free(config);
    return result ? 1 : 0;
}
