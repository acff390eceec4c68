/* SPDX-License-Identifier: Apache-2.0
 *
 * When, where and with which settings; see facts.h.
 */
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <yyjson.h>

#include "engine.h"

/* "model name : Intel(R) ..." of the first core; as the kernel says it on x86. */
static void read_cpu(char *cpu, size_t n)
{
    char line[256];
    FILE *in = fopen("/proc/cpuinfo", "re");
    while (in && fgets(line, sizeof(line), in)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && value) {
            snprintf(cpu, n, "%.*s, ", (int)strcspn(value + 2, "\n"), value + 2);
            break;
        }
    }
    if (in)
        fclose(in);
}

void facts_begin(struct facts *ret_facts)
{
    struct utsname kernel;
    struct tm utc;
    char cpu[200] = "";
    const time_t now = time(NULL);
    *ret_facts = (struct facts){.begun = ""};
    if (gmtime_r(&now, &utc))
        strftime(ret_facts->begun, sizeof(ret_facts->begun), "%Y-%m-%dT%H:%M:%SZ", &utc);
    read_cpu(cpu, sizeof(cpu));
    if (uname(&kernel) == 0)
        snprintf(ret_facts->machine, sizeof(ret_facts->machine), "%s%ld cores, %.20s %.20s %.10s",
                 cpu, sysconf(_SC_NPROCESSORS_ONLN), kernel.sysname, kernel.release,
                 kernel.machine);
}

void facts_end(struct facts *facts, const char *url, const char *api_key)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/v1/decisions?limit=1", url);
    char *text = engine_get(whole, api_key);
    yyjson_doc *doc = text ? yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *row = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "data"));
    const char *settings = yyjson_get_str(yyjson_obj_get(row, "settings"));
    if (settings)
        snprintf(facts->settings, sizeof(facts->settings), "%s", settings);
    yyjson_doc_free(doc);
    free(text);
}
