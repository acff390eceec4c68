/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the features of luma planes to the last bit, one line each, at the CPU level given: linked
 * without any decoder, so that it also runs under qemu for another architecture.
 * Usage: luma_features LEVEL FILE; FILE has planes of a line "WIDTH HEIGHT" and the bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <moaoff/cpu.h>

#include "image/luma_scan.h"

static int measure(FILE *in, unsigned width, unsigned height)
{
    uint8_t *luma = malloc((size_t)width * height);
    struct moa_luma_scan *scan = moa_scan_new(width, height);
    if (!luma || !scan || fread(luma, width, height, in) != height) {
        fputs("luma_features: cannot read a plane\n", stderr);
        free(luma);
        moa_scan_free(scan);
        return 1;
    }
    struct moa_image_features f;
    moa_scan_plane(scan, luma, height, width);
    if (!moa_scan_finish(scan, &f) && moa_scan_restart_exact(scan)) {
        moa_scan_plane(scan, luma, height, width);
        (void)moa_scan_finish(scan, &f);
    }
    uint64_t reduced = 0;
    for (size_t i = 0; i < MOA_IMAGE_REDUCED_PX; i++)
        reduced = reduced * 1099511628211u + f.reduced[i];
    printf("%u %u %a %a %a %a %a %a %016" PRIx64 "\n", width, height, f.gradient_mean,
           f.gradient_p5, f.gradient_p95, f.entropy_nats, f.laplacian_variance, f.edge_fraction,
           reduced);
    moa_scan_free(scan);
    free(luma);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || moa_cpu_force(argv[1])) {
        fputs("usage: luma_features LEVEL FILE, LEVEL as in moaoff cpu\n", stderr);
        return 2;
    }
    FILE *in = fopen(argv[2], "rb");
    if (!in) {
        perror(argv[2]);
        return 1;
    }
    char line[64];
    int status = 0;
    while (status == 0 && fgets(line, sizeof(line), in)) {
        char *end;
        const unsigned long width = strtoul(line, &end, 10);
        const unsigned long height = strtoul(end, NULL, 10);
        if (width == 0 || width > 65535 || height == 0 || height > 65535) {
            fputs("luma_features: bad size\n", stderr);
            status = 1;
        } else {
            status = measure(in, (unsigned)width, (unsigned)height);
        }
    }
    fclose(in);
    return status;
}
