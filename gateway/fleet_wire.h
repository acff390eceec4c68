/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to a NATS server, and all that the program knows of libnats: fleet_wire.c is the
 * only file that includes it, fleet_wire_none.c stands in its place where it was not built. Calls
 * wait, so none of them is for the loop; a connection belongs to one thread. It is not mended: when
 * it is down, it is freed and another is made.
 */
#ifndef MOA_GATEWAY_FLEET_WIRE_H
#define MOA_GATEWAY_FLEET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <moaoff/base.h>

#define FLEET_SERVERS_MAX 16
#define FLEET_SUBJECT_BYTES 256
#define FLEET_MESSAGE_BYTES_MAX (1 << 20) /* of what is heard; longer ones are passed over */

/** Who connects to where; texts are "" where there is none. Borrowed. */
struct fleet_access {
    const char *servers;          /* URLs between commas, tried in an order of chance */
    const char *credentials;      /* a file of user credentials (.creds) */
    const char *nkey, *nkey_seed; /* a user's public key, and the file of its seed */
    const char *ca_file, *tls_certificate, *tls_key;
    const char *name; /* of the connection, as the server lists it */
};

/** What came: an answer to what was published with a tag, or a message of a stream. Valid until the
 * next call. */
struct fleet_heard {
    int64_t tag; /* -1: it came with a subject of its own */
    const char *subject, *reply;
    int status; /* of a message without content: 404, 408, 503, ...; 0: none */
    struct moa_bytes data;
};

struct fleet_wire;

/** Whether the program was built with NATS. */
bool fleet_wire_is_built(void);

/** Tries the servers, each for `timeout_ms` at most. 0, or -1 with `why` (of `n` bytes) filled,
 * without a secret in it. */
int fleet_wire_connect(const struct fleet_access *access, int64_t timeout_ms,
                       struct fleet_wire **ret_wire, char *why, size_t n);

/** NULL is allowed. */
void fleet_wire_free(struct fleet_wire *wire);

/** Once no connection is left and none is to come: what libnats holds, its threads too. */
void fleet_wire_forget(void);

bool fleet_wire_is_up(const struct fleet_wire *wire);

/** The server's last complaint, such as a subject that may not be published to; "": none. */
const char *fleet_wire_complaint(const struct fleet_wire *wire);

/** Asks and waits for the one answer, which is valid until the next call. 0, or -1 with `why`. */
int fleet_wire_ask(struct fleet_wire *wire, const char *subject, const char *question,
                   int64_t timeout_ms, struct moa_bytes *ret_answer, char *why, size_t n);

/** Sends `data`; answers to it come with `tag`. `id`, of which a stream takes only one, may be
 * NULL. `ret_bytes`: what it took of the connection. 0, or -1: the connection is down. */
int fleet_wire_publish(struct fleet_wire *wire, const char *subject, const char *id, int64_t tag,
                       struct moa_bytes data, size_t *ret_bytes);

/** Sends `data`, to which there is no answer. */
int fleet_wire_say(struct fleet_wire *wire, const char *subject, struct moa_bytes data);

/** Waits for what comes. 1 and what was heard, 0: nothing in that time, -1: the connection is
 * down. */
int fleet_wire_hear(struct fleet_wire *wire, int64_t timeout_ms, struct fleet_heard *ret_heard);

/** The subject at which this connection hears answers with `tag`. */
void fleet_wire_address(const struct fleet_wire *wire, int64_t tag,
                        char ret_subject[FLEET_SUBJECT_BYTES]);

#endif
