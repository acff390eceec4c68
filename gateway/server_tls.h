/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS of the HTTP server's connections: OpenSSL on a non-blocking socket that the event loop
 * watches. Used by server_connection.c alone; certificates are loaded through server.h.
 */
#ifndef MOA_GATEWAY_SERVER_TLS_H
#define MOA_GATEWAY_SERVER_TLS_H

#include <stdbool.h>
#include <sys/types.h>

struct evbuffer;
struct server_tls;
struct tls_stream;

/** The server's side of a new connection; the handshake is part of reading. NULL: no memory. */
struct tls_stream *tls_stream_new(struct server_tls *tls, int fd);
/** NULL is allowed. Leaves the socket open. */
void tls_stream_free(struct tls_stream *stream);

/** As recv(): bytes, 0 at the end, or -1 with errno. Fills `room` if that much has come. */
ssize_t tls_receive(struct tls_stream *stream, void *into, size_t room);

/** Whether tls_receive() can go on only after the socket has become writable. */
bool tls_wants_write(const struct tls_stream *stream);

/** Sends from the front of `out` and removes what was sent: bytes, or -1 with errno. */
ssize_t tls_send(struct tls_stream *stream, struct evbuffer *out);

/** Tells the client that nothing follows. */
void tls_end(struct tls_stream *stream);

#endif
