/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL under the HTTP server; see server_tls.h. TLS 1.2 and later, with the library's own
 * choice of ciphers.
 */
#include "server_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server.h"

#define RECORD_BYTES 16384

struct server_tls {
    SSL_CTX *context;
};

struct tls_stream {
    SSL *ssl;
    bool wants_write;
    bool broken; /* no close notification may be sent any more */
};

/* ---- certificates ---- */

/* "what FILE: why", with the first of OpenSSL's errors. */
static int fail(char *why, size_t n, const char *what, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                         : code                 ? ERR_reason_error_string(code)
                                                : NULL;
    snprintf(why, n, "%s %s: %s", what, file, reason ? reason : "not readable");
    ERR_clear_error();
    return -1;
}

static int load(SSL_CTX *context, const char *certificate, const char *key, char *why, size_t n)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return fail(why, n, "certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail(why, n, "private key", key);
    if (SSL_CTX_check_private_key(context) != 1)
        return fail(why, n, "private key", key);
    return 0;
}

int server_tls_load(const char *certificate, const char *key, struct server_tls **ret_tls,
                    char *why, size_t n)
{
    struct server_tls *tls = calloc(1, sizeof(*tls));
    if (tls)
        tls->context = SSL_CTX_new(TLS_server_method());
    if (!tls || !tls->context) {
        free(tls);
        snprintf(why, n, "out of memory");
        return -1;
    }
    if (load(tls->context, certificate, key, why, n)) {
        server_tls_free(tls);
        return -1;
    }
    *ret_tls = tls;
    return 0;
}

/* Connections hold the context themselves. */
void server_tls_free(struct server_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ---- connections ---- */

struct tls_stream *tls_stream_new(struct server_tls *tls, int fd)
{
    struct tls_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    stream->ssl = SSL_new(tls->context);
    if (!stream->ssl || SSL_set_fd(stream->ssl, fd) != 1) {
        tls_stream_free(stream);
        return NULL;
    }
    SSL_set_accept_state(stream->ssl);
    return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (!stream)
        return;
    SSL_free(stream->ssl);
    free(stream);
}

/* What a failed call means, as recv() and send() would say it. */
static ssize_t fault(struct tls_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        stream->broken = true;
        errno = EPROTO;
        return -1;
    }
}

ssize_t tls_receive(struct tls_stream *stream, void *into, size_t room)
{
    size_t n = 0;
    stream->wants_write = false;
    while (n < room) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(stream->ssl, (char *)into + n, room - n, &got);
        if (result == 1) {
            n += got;
            continue;
        }
        stream->wants_write = SSL_get_error(stream->ssl, result) == SSL_ERROR_WANT_WRITE;
        ssize_t failed = fault(stream, result);
        return n > 0 ? (ssize_t)n : failed;
    }
    return (ssize_t)n;
}

bool tls_wants_write(const struct tls_stream *stream)
{
    return stream->wants_write;
}

ssize_t tls_send(struct tls_stream *stream, struct evbuffer *out)
{
    size_t n = evbuffer_get_length(out), sent = 0;
    n = n < RECORD_BYTES ? n : RECORD_BYTES; /* never less than the call before wanted to send */
    const unsigned char *bytes = evbuffer_pullup(out, (ev_ssize_t)n);
    if (!bytes) {
        errno = ENOMEM;
        return -1;
    }
    ERR_clear_error();
    int result = SSL_write_ex(stream->ssl, bytes, n, &sent);
    if (result != 1 && fault(stream, result) == 0)
        errno = EPIPE;
    if (result != 1)
        return -1;
    evbuffer_drain(out, sent);
    return (ssize_t)sent;
}

void tls_end(struct tls_stream *stream)
{
    if (stream->broken || !SSL_is_init_finished(stream->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(stream->ssl);
}
