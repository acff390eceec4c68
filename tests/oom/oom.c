/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation fails once, and then every one from there on: each call of the library must
 * return MOA_ERR_MEMORY (or succeed, if it can do without), leave its results untouched and leak
 * nothing. TAP on standard output.
 * Usage: oom FILE...
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/moaoff.h>

#include "failing.h"

/* Runs the call with the i-th allocation failing; false if something is wrong. */
static bool survives(struct moa_bytes file, bool may_say_corrupt, long i, bool keeps,
                     bool *ret_reached)
{
    struct moa_image_features features;
    struct moa_image_features before;
    struct moa_error error = {.code = MOA_OK};
    memset(&features, 0x5a, sizeof(features));
    memcpy(&before, &features, sizeof(before));
    const long n_before = failing_live();
    failing_begin(i, keeps);
    const enum moa_err err = moa_image_measure(file, NULL, NULL, &features, &error);
    *ret_reached = failing_end();
    if (failing_live() != n_before) {
        printf("# allocation %ld: %ld leaked\n", i, failing_live() - n_before);
        return false;
    }
    if (err == MOA_OK)
        return true;
    /* libwebp, and zlib through libpng, call some failed allocations a damaged stream. */
    const bool is_expected = err == MOA_ERR_MEMORY || (err == MOA_ERR_CORRUPT && may_say_corrupt);
    if (!is_expected || error.code != err || !error.message) {
        printf("# allocation %ld: error %d\n", i, (int)err);
        return false;
    }
    return memcmp(&features, &before, sizeof(before)) == 0;
}

/* The same for re-encoding: an error or a file, and nothing leaks. */
static bool recode_survives(struct moa_bytes file, bool may_say_corrupt, long i, bool keeps,
                            bool *ret_reached)
{
    const struct moa_recode_target target = {
        .max_tokens = 2, .min_side_px = 28, .jpeg_quality = 80, .upright = true};
    struct moa_image_info info;
    struct moa_recoded made = {.p = NULL};
    struct moa_error error = {.code = MOA_OK};
    const long n_before = failing_live();
    if (moa_image_probe(file, &info, NULL))
        return false;
    failing_begin(i, keeps);
    const enum moa_err err = moa_recode(file, &info, 6, &target, &made, &error);
    *ret_reached = failing_end();
    free(made.p);
    const bool is_expected =
        err == MOA_OK || err == MOA_ERR_MEMORY || (err == MOA_ERR_CORRUPT && may_say_corrupt);
    const bool ok = is_expected && failing_live() == n_before && (err == MOA_OK) == !!made.p;
    if (!ok)
        printf("# re-encoding, allocation %ld: error %d, %ld leaked\n", i, (int)err,
               failing_live() - n_before);
    return ok;
}

/* The same for both by one decoding. Without memory for the pixels there may just be none. */
static bool kept_survives(struct moa_bytes file, bool may_say_corrupt, long i, bool keeps,
                          bool *ret_reached)
{
    const struct moa_recode_target target = {.max_tokens = 2, .jpeg_quality = 80, .upright = true};
    struct moa_image_features features;
    struct moa_recoded made = {.p = NULL};
    struct moa_kept *kept = NULL;
    const long n_before = failing_live();
    failing_begin(i, keeps);
    enum moa_err err =
        moa_recode_measure(file, NULL, NULL, &target, 1 << 24, NULL, &features, &kept, NULL);
    if (!err && kept)
        err = moa_recode_kept(kept, &target, &made, NULL);
    *ret_reached = failing_end();
    free(made.p);
    const bool is_expected =
        err == MOA_OK || err == MOA_ERR_MEMORY || (err == MOA_ERR_CORRUPT && may_say_corrupt);
    const bool ok = is_expected && failing_live() == n_before;
    if (!ok)
        printf("# kept, allocation %ld: error %d, %ld leaked\n", i, (int)err,
               failing_live() - n_before);
    return ok;
}

static bool file_survives(const char *path)
{
    enum { MAX_BYTES = 1 << 20 };
    static uint8_t buffer[MAX_BYTES];
    FILE *in = fopen(path, "rb");
    if (!in)
        return false;
    const struct moa_bytes file = {buffer, fread(buffer, 1, MAX_BYTES, in)};
    fclose(in);
    const bool may_say_corrupt = strstr(path, "webp") || strstr(path, "png");
    bool reached = true;
    long i = 0;
    for (; reached; i++) {
        bool reached_too;
        if (!survives(file, may_say_corrupt, i, false, &reached) ||
            !survives(file, may_say_corrupt, i, true, &reached_too))
            return false;
    }
    long n = 0;
    for (reached = true; reached; n++) {
        bool reached_too;
        if (!recode_survives(file, may_say_corrupt, n, false, &reached) ||
            !recode_survives(file, may_say_corrupt, n, true, &reached_too))
            return false;
    }
    reached = true;
    for (long k = 0; reached; k++) {
        bool reached_too;
        if (!kept_survives(file, may_say_corrupt, k, false, &reached) ||
            !kept_survives(file, may_say_corrupt, k, true, &reached_too))
            return false;
    }
    printf("# %ld allocations, %ld when re-encoded\n", i - 1, n - 1);
    return i > 1 && n > 1;
}

static bool policy_survives(void)
{
    struct moa_policy *policy = NULL;
    failing_begin(0, true);
    const enum moa_err err = moa_policy_new("paper", NULL, &policy);
    failing_end();
    return err == MOA_ERR_MEMORY && policy == NULL;
}

int main(int argc, char **argv)
{
    int n_failed = 0;
    printf("1..%d\n", argc);
    fflush(stdout);
    for (int i = 1; i < argc; i++) {
        const bool ok = file_survives(argv[i]);
        printf("%s %d - %s\n", ok ? "ok" : "not ok", i, argv[i]);
        n_failed += !ok;
    }
    const bool ok = policy_survives();
    printf("%s %d - policy\n", ok ? "ok" : "not ok", argc);
    return n_failed || !ok ? 1 : 0;
}
