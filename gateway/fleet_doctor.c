/* SPDX-License-Identifier: Apache-2.0
 *
 * The fleet's part of `moaoff doctor`; see fleet_doctor.h. It makes nothing: a stream that is not
 * there is the gateway's to make.
 */
#include "fleet_doctor.h"

#include "fleet_access.h"
#include "fleet_stream.h"

#define CONNECT_MS 5000
#define WHY_BYTES 256

static unsigned wrong(FILE *out, const char *what, const char *why)
{
    fprintf(out, "  WRONG  %s: %s\n", what, why);
    return 1;
}

static unsigned check_stream(struct fleet_wire *wire, const char *stream, FILE *out)
{
    char why[WHY_BYTES];
    struct fleet_stream_facts facts;
    if (fleet_stream_look(wire, stream, &facts, why, sizeof(why)))
        return wrong(out, "may not ask for its stream", why);
    if (facts.is_there)
        fprintf(out, "  ok     stream %s: %llu messages, %llu bytes\n", stream,
                (unsigned long long)facts.messages, (unsigned long long)facts.bytes);
    else
        fprintf(out, "         stream %s is not there yet; moaoff serve makes it\n", stream);
    return 0;
}

static unsigned check_server(const struct config *config, const char *box, FILE *out)
{
    char why[WHY_BYTES];
    struct fleet_wire *wire = NULL;
    struct fleet_names names;
    const struct fleet_access access = fleet_access_of(config, "moaoff doctor");
    if (fleet_wire_connect(&access, CONNECT_MS, &wire, why, sizeof(why)))
        return wrong(out, "no connection", why);
    fputs("  ok     is connected\n", out);
    unsigned n_wrong = 0;
    fleet_names_make(config->fleet.group, box, &names);
    if (fleet_stream_account(wire, why, sizeof(why)))
        n_wrong = wrong(out, "has no JetStream for this user", why);
    else
        n_wrong = check_stream(wire, names.stream, out) + check_stream(wire, names.bucket, out);
    fleet_wire_free(wire);
    fleet_wire_forget();
    return n_wrong;
}

unsigned fleet_doctor(const struct config *config, FILE *out)
{
    char box[CONFIG_FLEET_NAME_BYTES];
    if (!config->fleet.servers[0])
        return 0;
    config_fleet_box(config, box);
    fprintf(out, "fleet, as %s of %s\n", box, config->fleet.group);
    return check_server(config, box, out);
}
