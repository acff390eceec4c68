/* SPDX-License-Identifier: Apache-2.0
 *
 * In the place of fleet_wire.c in a program without NATS; see fleet_wire.h. The configuration
 * refuses a fleet there, so that only `moaoff fleet` comes here.
 */
#include "fleet_wire.h"

#include <stdio.h>

bool fleet_wire_is_built(void)
{
    return false;
}

int fleet_wire_connect(const struct fleet_access *access, int64_t timeout_ms,
                       struct fleet_wire **ret_wire, char *why, size_t n)
{
    (void)access, (void)timeout_ms, (void)ret_wire;
    snprintf(why, n, "this program was built without NATS (libnats-dev, -Dfleet=enabled)");
    return -1;
}

void fleet_wire_free(struct fleet_wire *wire)
{
    (void)wire;
}

void fleet_wire_forget(void)
{
}

bool fleet_wire_is_up(const struct fleet_wire *wire)
{
    (void)wire;
    return false;
}

const char *fleet_wire_complaint(const struct fleet_wire *wire)
{
    (void)wire;
    return "";
}

int fleet_wire_ask(struct fleet_wire *wire, const char *subject, const char *question,
                   int64_t timeout_ms, struct moa_bytes *ret_answer, char *why, size_t n)
{
    (void)wire, (void)subject, (void)question, (void)timeout_ms, (void)ret_answer;
    snprintf(why, n, "there is no connection");
    return -1;
}

int fleet_wire_publish(struct fleet_wire *wire, const char *subject, const char *id, int64_t tag,
                       struct moa_bytes data, size_t *ret_bytes)
{
    (void)wire, (void)subject, (void)id, (void)tag, (void)data, (void)ret_bytes;
    return -1;
}

int fleet_wire_say(struct fleet_wire *wire, const char *subject, struct moa_bytes data)
{
    (void)wire, (void)subject, (void)data;
    return -1;
}

int fleet_wire_hear(struct fleet_wire *wire, int64_t timeout_ms, struct fleet_heard *ret_heard)
{
    (void)wire, (void)timeout_ms, (void)ret_heard;
    return -1;
}

void fleet_wire_address(const struct fleet_wire *wire, int64_t tag,
                        char ret_subject[FLEET_SUBJECT_BYTES])
{
    (void)wire, (void)tag;
    ret_subject[0] = '\0';
}
