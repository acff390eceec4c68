/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-origin requests of web pages, as the Fetch standard has them: which origins may call, the
 * preflight, and what of an answer a page may read; see server_connection.h.
 */
#include "server_connection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFLIGHT_AGE_S "86400"

static const char separators[] = ", \t";

/* What browsers send: a scheme and an authority, nothing behind, in lower case. */
static bool is_listed(const char *list, const char *origin)
{
    const size_t origin_n = strlen(origin);
    for (const char *at = list + strspn(list, separators); *at; at += strspn(at, separators)) {
        const size_t n = strcspn(at, separators);
        if ((n == 1 && *at == '*') || (n == origin_n && strncasecmp(at, origin, n) == 0))
            return true;
        at += n;
    }
    return false;
}

void server_set_origins(struct server *s, const char *origins)
{
    char *copy = strdup(origins);
    free(s->origins);
    s->origins = copy; /* NULL without memory: none */
}

const char *cors_origin(const struct connection *c)
{
    const char *list = c->server->origins;
    const char *origin = list && c->request ? server_request_header(c->request, "origin") : NULL;
    return origin && is_listed(list, origin) ? origin : NULL;
}

bool cors_is_preflight(const struct connection *c)
{
    return c->parser.method == HTTP_OPTIONS && cors_origin(c) &&
           server_request_header(c->request, "access-control-request-method");
}

void cors_answer_preflight(struct server_request *r)
{
    /* A page may send what it has asked for: what counts is checked when it comes. */
    const char *wanted = server_request_header(r, "access-control-request-headers");
    const bool local = server_request_header(r, "access-control-request-private-network");
    const struct server_header headers[] = {
        {"access-control-allow-methods", "GET, POST"},
        {"access-control-max-age", PREFLIGHT_AGE_S},
        {"access-control-allow-headers", wanted ? wanted : "authorization, content-type"},
        {"access-control-allow-private-network", "true"},
    };
    const struct server_head head = {
        .status = 200,
        .content_type = "text/plain",
        .headers = headers,
        .n_headers = local ? 4 : 3,
    };
    server_reply(r, &head, (struct moa_bytes){"", 0});
}
