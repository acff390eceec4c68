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

static void put_n(struct json_out *out, const char *text, size_t n)
{
    json_put_bytes(out, (struct moa_bytes){text, n});
}

/* The bytes of a literal are counted by the compiler. */
#define PUT(out, literal) put_n(out, literal, sizeof(literal) - 1)

/* A text as it is, or as much of it as may be, without half a character at its end. */
static void put_text(struct json_out *out, const char *text)
{
    size_t n = strnlen(text, OTLP_TEXT_BYTES + 1);
    if (n > OTLP_TEXT_BYTES) {
        n = OTLP_TEXT_BYTES;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    json_put_string(out, (struct moa_bytes){text, n});
}

static void put_int(struct json_out *out, int64_t value)
{
    char text[24];
    struct print p = print_into(text, sizeof(text));
    print_int(&p, value);
    put_n(out, p.s, p.n);
}

/* ---- attributes ---- */

/* Up to where the value of a type stands. */
static void begin_attribute(struct json_out *out, const char *name, const char *type)
{
    const struct moa_bytes text = buffer_bytes(&out->text);
    if (!out->failed && text.n > 0 && ((const char *)text.p)[text.n - 1] != '[')
        PUT(out, ",");
    PUT(out, "{\"key\":\"");
    json_put(out, name);
    PUT(out, "\",\"value\":{\"");
    json_put(out, type);
    PUT(out, "\":");
}

void otlp_text(struct json_out *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    begin_attribute(out, name, "stringValue");
    put_text(out, value);
    PUT(out, "}}");
}

void otlp_int(struct json_out *out, const char *name, int64_t value)
{
    begin_attribute(out, name, "intValue");
    PUT(out, "\"");
    put_int(out, value);
    PUT(out, "\"}}");
}

void otlp_double(struct json_out *out, const char *name, double value)
{
    char text[48];
    struct print p = print_into(text, sizeof(text));
    if (!isfinite(value))
        return;
    begin_attribute(out, name, "doubleValue");
    print_fixed(&p, value, 6);
    put_n(out, p.s, p.n);
    PUT(out, "}}");
}

void otlp_bool(struct json_out *out, const char *name, bool value)
{
    begin_attribute(out, name, "boolValue");
    json_put(out, value ? "true" : "false");
    PUT(out, "}}");
}

/* ---- a span ---- */

static void put_time(struct json_out *out, int64_t us)
{
    put_int(out, us);
    PUT(out, "000\"");
}

void otlp_begin(struct json_out *out, const struct otlp_span *s)
{
    char id[17];
    const int64_t end_us = s->end_us > s->begin_us ? s->end_us : s->begin_us;
    if (out->text.n > 0)
        PUT(out, ",");
    PUT(out, "{\"traceId\":\"");
    put_n(out, s->trace, 32);
    trace_span_id(s->id, id);
    PUT(out, "\",\"spanId\":\"");
    put_n(out, id, 16);
    if (s->parent) {
        PUT(out, "\",\"parentSpanId\":\"");
        put_n(out, s->parent, 16);
    }
    PUT(out, "\",");
    if (s->state[0]) {
        PUT(out, "\"traceState\":");
        put_text(out, s->state);
        PUT(out, ",");
    }
    PUT(out, "\"flags\":");
    put_int(out, FLAGS_SAMPLED | FLAGS_PARENT_KNOWN |
                     (s->parent && s->parent_is_remote ? FLAGS_PARENT_REMOTE : 0));
    PUT(out, ",\"name\":");
    put_text(out, s->name);
    PUT(out, ",\"kind\":");
    put_int(out, s->kind);
    PUT(out, ",\"startTimeUnixNano\":\"");
    put_time(out, s->begin_us);
    PUT(out, ",\"endTimeUnixNano\":\"");
    put_time(out, end_us);
    if (s->failed) {
        PUT(out, ",\"status\":{\"code\":");
        put_int(out, STATUS_ERROR);
        PUT(out, "}");
    }
    PUT(out, ",\"attributes\":[");
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
    PUT(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"moaoff\",\"version\":");
    put_text(out, resource->version);
    PUT(out, "},\"spans\":[");
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
