/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc and Prometheus text; see engine.h.
 */
#include "engine.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <yyjson.h>

#define PROCESSES_MAX 64
#define TEXT_BYTES_MAX (4 << 20)

/* ---- /proc ---- */

/* `pid` and its descendants, breadth first; 0 if it is not there. */
static size_t family(pid_t pid, pid_t pids[PROCESSES_MAX])
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    if (access(path, F_OK) != 0)
        return 0;
    pids[n++] = pid;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pids[i], (int)pids[i]);
        FILE *in = fopen(path, "re");
        char text[1024];
        const char *at = in && fgets(text, sizeof(text), in) ? text : "";
        if (in)
            fclose(in);
        char *end;
        for (long child; n < PROCESSES_MAX && (child = strtol(at, &end, 10)) > 0; at = end)
            pids[n++] = (pid_t)child;
    }
    return n;
}

/* utime + stime, fields 14 and 15, counted behind the name's closing parenthesis. */
static double cpu_s_of(pid_t pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    const char *line = in ? fgets(text, sizeof(text), in) : NULL;
    if (in)
        fclose(in);
    char *at = line ? strrchr(text, ')') : NULL;
    for (int field = 2; at && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0.0;
    char *end;
    double ticks = strtod(at, &end);
    ticks += strtod(end, NULL);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

double engine_cpu_s(pid_t pid)
{
    pid_t pids[PROCESSES_MAX];
    size_t n = family(pid, pids);
    double sum = n > 0 ? 0.0 : NAN;
    for (size_t i = 0; i < n; i++)
        sum += cpu_s_of(pids[i]);
    return sum;
}

static double peak_of(pid_t pid)
{
    char path[64];
    char line[256];
    double peak = 0.0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof(line), in)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = 1024.0 * strtod(line + 6, NULL);
    }
    if (in)
        fclose(in);
    return peak;
}

double engine_peak_bytes(pid_t pid)
{
    pid_t pids[PROCESSES_MAX];
    size_t n = family(pid, pids);
    double sum = n > 0 ? 0.0 : NAN;
    for (size_t i = 0; i < n; i++)
        sum += peak_of(pids[i]);
    return sum;
}

void engine_reset_peak(pid_t pid)
{
    pid_t pids[PROCESSES_MAX];
    size_t n = family(pid, pids);
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pids[i]);
        FILE *out = fopen(path, "we");
        if (!out)
            continue;
        fputs("5", out);
        fclose(out);
    }
}

/* ---- counters over HTTP ---- */

struct text {
    char *p;
    size_t n;
};

static size_t on_text(char *bytes, size_t size, size_t n, void *arg)
{
    struct text *text = arg;
    if (size * n > TEXT_BYTES_MAX - text->n)
        return 0;
    char *grown = realloc(text->p, text->n + size * n + 1);
    if (!grown)
        return 0;
    text->p = grown;
    memcpy(text->p + text->n, bytes, size * n);
    text->n += size * n;
    text->p[text->n] = '\0';
    return size * n;
}

char *engine_get(const char *url, const char *api_key)
{
    struct text text = {NULL, 0};
    long status = 0;
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_text);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &text);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (api_key) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, api_key);
    }
    CURLcode result = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (result == CURLE_OK && status == 200)
        return text.p;
    free(text.p);
    return NULL;
}

double engine_series(const char *text, const char *series)
{
    size_t n = strlen(series);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, n) == 0 && line[n] == ' ')
            return strtod(line + n, NULL);
    }
    return NAN;
}

double engine_n_params(const char *url)
{
    char models[512];
    snprintf(models, sizeof(models), "%s/v1/models", url);
    char *text = engine_get(models, NULL);
    yyjson_doc *doc = text ? yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "data"));
    yyjson_val *n = yyjson_obj_get(yyjson_obj_get(first, "meta"), "n_params");
    double params = yyjson_is_num(n) ? yyjson_get_num(n) : NAN;
    yyjson_doc_free(doc);
    free(text);
    return params;
}
