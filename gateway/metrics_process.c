/* SPDX-License-Identifier: Apache-2.0
 *
 * The names are those of Prometheus' client libraries; see metrics_process.h.
 */
#include "metrics_process.h"

#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <moaoff/base.h>
#include <moaoff/cpu.h>

#include "metrics.h"

#define STAT_BYTES 1024

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double process_clock_ahead_s(void)
{
    return seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME);
}

/* Its fields behind the name, which may have blanks in it: the third is the first. */
static bool read_stat(char text[STAT_BYTES], const char **ret_third)
{
    FILE *in = fopen("/proc/self/stat", "re");
    if (!in)
        return false;
    const size_t n = fread(text, 1, STAT_BYTES - 1, in);
    fclose(in);
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    *ret_third = end && end[1] ? end + 2 : "";
    return end != NULL;
}

static double field_of(const char *third, int number)
{
    const char *at = third;
    for (int i = 3; i < number && at; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at && *at ? strtod(at, NULL) : (double)NAN;
}

static double n_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = folder ? -1.0 : (double)NAN; /* its own */
    while (folder) {
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        n += entry->d_name[0] != '.';
    }
    if (folder)
        closedir(folder);
    return n;
}

static void write_value(FILE *out, const char *name, const char *type, const char *help,
                        double value)
{
    if (isnan(value))
        return;
    metrics_write_head(out, name, type, help);
    fprintf(out, "%s %.15g\n", name, value);
}

static void write_memory_and_times(FILE *out)
{
    char text[STAT_BYTES];
    const char *third;
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        write_value(out, "process_cpu_seconds_total", "counter",
                    "User and system CPU time, seconds.",
                    (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    if (!read_stat(text, &third))
        return;
    write_value(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
                process_clock_ahead_s() + field_of(third, 22) / (double)sysconf(_SC_CLK_TCK));
    write_value(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
                field_of(third, 23));
    write_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                field_of(third, 24) * (double)sysconf(_SC_PAGESIZE));
    write_value(out, "process_threads", "gauge", "Threads.", field_of(third, 20));
}

void process_write(FILE *out)
{
    struct rlimit limit;
    metrics_write_head(out, "moaoff_build_info", "gauge", "1; which build this is.");
    fprintf(out, "moaoff_build_info{version=\"%s\",cpu=\"%s\"} 1\n", moa_version(), moa_cpu_name());
    write_memory_and_times(out);
    write_value(out, "process_open_fds", "gauge", "Open file descriptors.", n_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        write_value(out, "process_max_fds", "gauge", "File descriptors that it may have open.",
                    (double)limit.rlim_cur);
}
