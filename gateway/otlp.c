/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP's JSON; see otlp.h. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
#include "otlp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "print.h"
#include "trace.h"

#define FLAGS_SAMPLED 0x001
#define FLAGS_PARENT_KNOWN 0x100 /* whether it is remote is in the next bit */
#define FLAGS_PARENT_REMOTE 0x200
#define STATUS_ERROR 2

const char otlp_tail[] = "]}]}]}";

/* Pieces that are put together in memory of the caller's, which has room for all of them: a request
 * has some two hundred, and each of them alone in a buffer that may have to grow costs three times
 * as much. */
struct piece {
    char *end; /* of what is there */
};

static void add(struct piece *p, const char *text, size_t n)
{
    p->end = mempcpy(p->end, text, n);
}

/* The bytes of a literal are counted by the compiler. */
#define ADD(piece, literal) add(piece, literal, sizeof(literal) - 1)

#define INT_BYTES 24
#define DOUBLE_BYTES 48

static void add_int(struct piece *p, int64_t value)
{
    struct print text = print_into(p->end, INT_BYTES);
    print_int(&text, value);
    p->end += text.n;
}

static void put_n(struct json_out *out, const char *text, size_t n)
{
    json_put_bytes(out, (struct moa_bytes){text, n});
}

#define PUT(out, literal) put_n(out, literal, sizeof(literal) - 1)

/* A text inside of its quotes, or as much of it as may be, without half a character at its end. */
static void put_text(struct json_out *out, const char *text)
{
    size_t n = strnlen(text, OTLP_TEXT_BYTES + 1);
    if (n > OTLP_TEXT_BYTES) {
        n = OTLP_TEXT_BYTES;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    json_put_inside(out, (struct moa_bytes){text, n});
}

/* ---- attributes ---- */

#define NAME_BYTES 64       /* of an attribute's name, at most */
#define ATTRIBUTE_BYTES 192 /* for that, a number, and what stands around them */

/* Up to where the value of a type stands; `text` has ATTRIBUTE_BYTES. */
static struct piece begin_attribute(const struct json_out *out, char *text, const char *name,
                                    const char *type, size_t n_type)
{
    struct piece p = {text};
    const struct moa_bytes before = buffer_bytes(&out->text);
    if (before.n > 0 && ((const char *)before.p)[before.n - 1] != '[')
        ADD(&p, ",");
    ADD(&p, "{\"key\":\"");
    add(&p, name, strnlen(name, NAME_BYTES));
    ADD(&p, "\",\"value\":{\"");
    add(&p, type, n_type);
    return p;
}

#define BEGIN(out, text, name, type) begin_attribute(out, text, name, type, sizeof(type) - 1)

void otlp_text(struct json_out *out, const char *name, const char *value)
{
    char text[ATTRIBUTE_BYTES];
    if (!value[0])
        return;
    const struct piece p = BEGIN(out, text, name, "stringValue\":\"");
    put_n(out, text, (size_t)(p.end - text));
    put_text(out, value);
    PUT(out, "\"}}");
}

void otlp_int(struct json_out *out, const char *name, int64_t value)
{
    char text[ATTRIBUTE_BYTES];
    struct piece p = BEGIN(out, text, name, "intValue\":\"");
    add_int(&p, value);
    ADD(&p, "\"}}");
    put_n(out, text, (size_t)(p.end - text));
}

void otlp_double(struct json_out *out, const char *name, double value)
{
    char text[ATTRIBUTE_BYTES];
    if (!isfinite(value))
        return;
    struct piece p = BEGIN(out, text, name, "doubleValue\":");
    struct print number = print_into(p.end, DOUBLE_BYTES);
    print_fixed(&number, value, 6);
    p.end += number.n;
    ADD(&p, "}}");
    put_n(out, text, (size_t)(p.end - text));
}

void otlp_bool(struct json_out *out, const char *name, bool value)
{
    char text[ATTRIBUTE_BYTES];
    struct piece p = BEGIN(out, text, name, "boolValue\":");
    if (value)
        ADD(&p, "true}}");
    else
        ADD(&p, "false}}");
    put_n(out, text, (size_t)(p.end - text));
}

/* ---- a span ---- */

static void add_ids(struct piece *p, const struct otlp_span *s)
{
    char id[17];
    trace_span_id(s->id, id);
    ADD(p, "{\"traceId\":\"");
    add(p, s->trace, 32);
    ADD(p, "\",\"spanId\":\"");
    add(p, id, 16);
    if (s->parent) {
        ADD(p, "\",\"parentSpanId\":\"");
        add(p, s->parent, 16);
    }
    ADD(p, "\",\"flags\":");
    add_int(p, FLAGS_SAMPLED | FLAGS_PARENT_KNOWN |
                   (s->parent && s->parent_is_remote ? FLAGS_PARENT_REMOTE : 0));
    ADD(p, ",\"kind\":");
    add_int(p, s->kind);
}

static void add_times(struct piece *p, const struct otlp_span *s)
{
    ADD(p, ",\"startTimeUnixNano\":\"");
    add_int(p, s->begin_us);
    ADD(p, "000\",\"endTimeUnixNano\":\"");
    add_int(p, s->end_us > s->begin_us ? s->end_us : s->begin_us);
    ADD(p, "000\"");
    if (s->failed) {
        ADD(p, ",\"status\":{\"code\":");
        add_int(p, STATUS_ERROR);
        ADD(p, "}");
    }
}

void otlp_begin(struct json_out *out, const struct otlp_span *s)
{
    char text[448]; /* for all of these pieces with all that they may have */
    struct piece p = {text};
    if (out->text.n > 0)
        ADD(&p, ",");
    add_ids(&p, s);
    add_times(&p, s);
    ADD(&p, ",\"name\":\"");
    put_n(out, text, (size_t)(p.end - text));
    put_text(out, s->name);
    if (s->state[0]) {
        PUT(out, "\",\"traceState\":\"");
        put_text(out, s->state);
    }
    PUT(out, "\",\"attributes\":[");
}

void otlp_end(struct json_out *out)
{
    PUT(out, "]}");
}

/* ---- around the spans ---- */

void otlp_put_head(struct json_out *out, const struct otlp_resource *resource)
{
    PUT(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    otlp_text(out, "service.name", "moaoff");
    otlp_text(out, "service.version", resource->version);
    otlp_text(out, "service.instance.id", resource->instance);
    otlp_text(out, "host.name", resource->host);
    PUT(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"moaoff\",\"version\":\"");
    put_text(out, resource->version);
    PUT(out, "\"},\"spans\":[");
}

/* ---- what a collector answers ---- */

/* A 64-bit number may come as one or as a string; less than 0 is nonsense. */
static uint64_t read_count(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    if (text)
        return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
    return yyjson_is_uint(value) ? yyjson_get_uint(value) : 0;
}

uint64_t otlp_rejected(struct moa_bytes answer, char *ret_why, size_t n)
{
    yyjson_doc *doc = answer.n > 0 ? yyjson_read(answer.p, answer.n, YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *partial = yyjson_obj_get(yyjson_doc_get_root(doc), "partialSuccess");
    const char *why = yyjson_get_str(yyjson_obj_get(partial, "errorMessage"));
    const uint64_t rejected = read_count(yyjson_obj_get(partial, "rejectedSpans"));
    print_copy(ret_why, n, why ? why : "");
    yyjson_doc_free(doc);
    return rejected;
}
