/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-listening: how much faster than it is played a recording is scored, by CPU time; and beside
 * it what adding up the same samples costs, as a reference.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <moaoff/sound.h>

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void put(unsigned char *p, size_t n, uint32_t value)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(value >> 8 * i);
}

static unsigned char *make(unsigned channels, uint32_t rate, double seconds, size_t *ret_n)
{
    const uint32_t n_bytes = (uint32_t)(seconds * rate) * channels * 2;
    unsigned char *p = malloc(44 + (size_t)n_bytes);
    if (!p)
        return NULL;
    memcpy(p, "RIFF....WAVEfmt ", 16);
    put(p + 16, 4, 16);
    put(p + 20, 2, 1);
    put(p + 22, 2, channels);
    put(p + 24, 4, rate);
    put(p + 28, 4, rate * channels * 2);
    put(p + 32, 2, channels * 2);
    put(p + 34, 2, 16);
    memcpy(p + 36, "data", 4);
    put(p + 40, 4, n_bytes);
    uint32_t noise = 1;
    for (size_t i = 0; i < n_bytes / 2; i++) {
        noise = noise * 1664525u + 1013904223u;
        put(p + 44 + 2 * i, 2, (noise >> 16) / 4);
    }
    *ret_n = 44 + (size_t)n_bytes;
    return p;
}

static int run(unsigned channels, uint32_t rate, double seconds)
{
    size_t n;
    struct moa_sound_features f;
    unsigned char *file = make(channels, rate, seconds, &n);
    if (!file)
        return -1;
    double best_s = INFINITY, sum_s = INFINITY;
    double total = 0;
    for (int k = 0; k < 5; k++) {
        double from = cpu_s();
        if (moa_sound_measure((struct moa_bytes){file, n}, &f)) {
            free(file);
            return -1;
        }
        best_s = fmin(best_s, cpu_s() - from);
        from = cpu_s();
        double sum = 0;
        for (size_t i = 44; i + 1 < n; i += 2)
            sum += (double)(int16_t)(uint16_t)(file[i] | file[i + 1] << 8);
        total += sum;
        sum_s = fmin(sum_s, cpu_s() - from);
    }
    printf("%6u Hz, %u channel%s: %7.0f x real time, %5.1f ns a sample, %4.1f x adding them up\n",
           rate, channels, channels == 1 ? " " : "s", seconds / best_s,
           1e9 * best_s / (seconds * rate * channels), best_s / sum_s);
    free(file);
    return isfinite(total) ? 0 : -1;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 60;
    if (!(seconds > 0 && seconds < 600))
        return 2;
    return run(1, 8000, seconds) || run(1, 16000, seconds) || run(2, 44100, seconds) ||
           run(2, 48000, seconds) || run(2, 192000, seconds);
}
