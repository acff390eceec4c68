/* SPDX-License-Identifier: Apache-2.0
 *
 * One page of a running gateway; see ask.h.
 */
#include "ask.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/doctor_ask.h"

#define TIMEOUT_MS 10000

static void say(const char *command, const char *address, const struct doctor_answer *answer)
{
    if (answer->status > 0)
        fprintf(stderr, "moaoff %s: %s: status %ld%s\n", command, address, answer->status,
                answer->status == 401   ? "; MOAOFF_API_KEY must hold a key"
                : answer->status == 403 ? "; the key in MOAOFF_API_KEY may not observe"
                                        : "");
    else
        fprintf(stderr, "moaoff %s: %s: %s\n", command, address, answer->why);
}

char *ask_gateway(const char *command, const char *url, const char *path, const char *ca_file,
                  long *ret_status)
{
    const char *key = getenv("MOAOFF_API_KEY");
    struct tier_config tier = {.api_key = (char *)(uintptr_t)(key ? key : ""),
                               .ca_file = (char *)(uintptr_t)(ca_file ? ca_file : "")};
    char *address, *page = NULL;
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    if (n > 3 && strncmp(url + n - 3, "/v1", 3) == 0)
        n -= 3;
    if (asprintf(&address, "%.*s%s", (int)n, url, path) < 0)
        return NULL;
    struct doctor_answer answer;
    const struct doctor_question question = {
        .tier = &tier, .direct = true, .url = address, .timeout_ms = TIMEOUT_MS};
    doctor_ask(&question, &answer);
    if (answer.status == 200)
        page = strndup(answer.body.p, answer.body.n);
    else if (!ret_status || answer.status != 404)
        say(command, address, &answer);
    if (ret_status)
        *ret_status = answer.status;
    doctor_answer_done(&answer);
    free(address);
    return page;
}
