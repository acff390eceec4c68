/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of requests: how much of one is taken, what all of them may hold, and gzip; see
 * server_connection.h. A body of announced size is received where it stays.
 */
#include "server_connection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#define EAGER_BYTES (32 << 20) /* of an announced body, for which room is made at once */
#define UNPACK_BYTES 65536     /* room that is made at a time */
#define BOMB_BYTES (4 << 20)   /* from so much on, a body that unpacks to */
#define BOMB_RATIO 100         /* times its size is no body of a request */
#define GZIP_WINDOW (15 + 16)  /* zlib's way of saying: the largest window, gzip only */

/* A gzip stream on its way in. */
struct body_packed {
    z_stream z;
    size_t n_bytes; /* that have come */
    bool ended;
};

static int fail_memory(struct connection *c)
{
    return http_fail(&c->error, 503, "out_of_memory", "Out of memory.");
}

static int fail_busy(struct connection *c)
{
    return http_fail(&c->error, 429, "memory_limit",
                     "The bodies of requests in work have as many bytes as they may "
                     "(limits.memory_bytes).");
}

static int check(struct connection *c, enum moa_err err)
{
    if (err == MOA_ERR_LIMIT)
        return http_fail(&c->error, 413, "body_too_large",
                         "The request body is longer than %zu bytes.", c->request->body.max);
    return err ? fail_memory(c) : 0;
}

/* ---- what all bodies hold ---- */

static int charge(struct connection *c, size_t n)
{
    if (!memory_take(c->request->bodies, n))
        return fail_busy(c);
    c->request->charged_bytes += n;
    return 0;
}

void body_free(struct server_request *r)
{
    memory_give(r->bodies, r->charged_bytes);
    if (r->packed)
        inflateEnd(&r->packed->z);
    free(r->packed);
    buffer_done(&r->body);
}

char *server_request_take_body(struct server_request *request, size_t *ret_n)
{
    request->charged_bytes = 0;
    return buffer_take(&request->body, ret_n);
}

/* ---- the head has come ---- */

/* At most one coding, gzip. */
static int begin_coding(struct connection *c)
{
    struct server_request *r = c->request;
    const char *coding = server_request_header(r, "content-encoding");
    if (!coding || !*coding || strcasecmp(coding, "identity") == 0)
        return 0;
    if (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0)
        return http_fail(&c->error, 415, "unsupported_content_encoding",
                         "The only content coding taken is gzip.");
    r->packed = calloc(1, sizeof(*r->packed));
    if (!r->packed || inflateInit2(&r->packed->z, GZIP_WINDOW) != Z_OK) {
        free(r->packed);
        r->packed = NULL;
        return fail_memory(c);
    }
    return 0;
}

int body_begin(struct connection *c)
{
    struct server_request *r = c->request;
    const uint64_t announced = c->parser.flags & F_CONTENT_LENGTH ? c->parser.content_length : 0;
    if (r->body.max > r->bodies->max_bytes)
        r->body.max = (size_t)r->bodies->max_bytes;
    if (announced > r->body.max)
        return check(c, MOA_ERR_LIMIT);
    if (announced > memory_left(r->bodies))
        return fail_busy(c); /* now, before it is sent */
    if (r->body.max > 0 && begin_coding(c))
        return -1;
    if (announced == 0 || r->packed)
        return 0;
    return check(c, buffer_reserve(&r->body, announced < EAGER_BYTES ? announced : EAGER_BYTES));
}

/* ---- bytes come ---- */

/* One step of unpacking. */
static int unpack_some(struct connection *c)
{
    struct body_packed *packed = c->request->packed;
    struct buffer *body = &c->request->body;
    const size_t left = body->max - body->n;
    if (packed->ended && inflateReset(&packed->z) != Z_OK) /* files in a row are one file */
        return fail_memory(c);
    packed->ended = false;
    if (left == 0)
        return check(c, MOA_ERR_LIMIT);
    if (check(c, buffer_grow(body, left < UNPACK_BYTES ? left : UNPACK_BYTES)))
        return -1;
    packed->z.next_out = (Bytef *)body->p + body->n;
    packed->z.avail_out = UNPACK_BYTES < left ? UNPACK_BYTES : (uInt)left;
    const uInt room = packed->z.avail_out;
    const int result = inflate(&packed->z, Z_NO_FLUSH);
    const size_t n = room - packed->z.avail_out;
    packed->ended = result == Z_STREAM_END;
    buffer_added(body, n);
    if (result == Z_MEM_ERROR)
        return fail_memory(c);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return http_fail(&c->error, 400, "invalid_content_encoding", "The body is not gzip.");
    if (body->n > BOMB_BYTES && body->n / BOMB_RATIO > packed->n_bytes)
        return http_fail(&c->error, 413, "body_too_large",
                         "The request body unpacks to more than %d times its size.", BOMB_RATIO);
    return charge(c, n);
}

static int unpack(struct connection *c, const char *p, size_t n)
{
    struct body_packed *packed = c->request->packed;
    packed->n_bytes += n;
    packed->z.next_in = (Bytef *)(uintptr_t)p;
    packed->z.avail_in = (uInt)n;
    do {
        if (unpack_some(c))
            return -1;
    } while (packed->z.avail_in > 0 || (packed->z.avail_out == 0 && !packed->ended));
    return 0;
}

int body_add(struct connection *c, const char *p, size_t n)
{
    struct buffer *body = &c->request->body;
    if (c->request->packed)
        return unpack(c, p, n);
    if (charge(c, n))
        return -1;
    if (body->p && p == body->p + body->n) { /* recv() has put it there */
        buffer_added(body, n);
        return 0;
    }
    return check(c, buffer_add(body, p, n));
}

int body_end(struct connection *c)
{
    const struct body_packed *packed = c->request->packed;
    if (!packed || packed->ended)
        return 0;
    return http_fail(&c->error, 400, "invalid_content_encoding",
                     "The gzip stream of the body ends early.");
}

char *body_room(struct connection *c, size_t *ret_n)
{
    const struct server_request *r = c->request;
    if (c->phase != PHASE_BODY || !(c->parser.flags & F_CONTENT_LENGTH) || r->packed ||
        r->body.n >= r->body.room)
        return NULL;
    /* Not beyond the body: what follows it is the next request. */
    const size_t room = r->body.room - r->body.n;
    *ret_n = c->parser.content_length < room ? (size_t)c->parser.content_length : room;
    return r->body.p + r->body.n;
}
