/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans as OTLP writes them in JSON: ids in hexadecimal digits, 64-bit numbers as strings, enums as
 * numbers, lowerCamelCase. By hand and not by yyjson's mutable documents, since every request that
 * is sampled takes some two hundred values. Reads what a collector answers. Pure.
 */
#ifndef MOA_GATEWAY_OTLP_H
#define MOA_GATEWAY_OTLP_H

#include <stdbool.h>
#include <stdint.h>

#include "json_out.h"

/** As SpanKind has them. */
enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER = 2, OTLP_CLIENT = 3 };

struct otlp_span {
    const char *trace; /* 32 digits; what follows them is not looked at */
    const char *state; /* tracestate; "": none */
    uint64_t id;
    const char *parent; /* 16 digits, likewise; NULL: it is the root */
    bool parent_is_remote;
    enum otlp_kind kind;
    const char *name;
    int64_t begin_us, end_us; /* Unix time; it ends no earlier than it begins */
    bool failed;
};

/** Begins a span; its attributes follow, and otlp_end(). Behind another one it is set off by a
 * comma. */
void otlp_begin(struct json_out *out, const struct otlp_span *span);
void otlp_end(struct json_out *out);

/** Attributes; names are of ours and need no escapes. A text longer than OTLP_TEXT_BYTES is cut; ""
 * and NaN leave the attribute out. */
#define OTLP_TEXT_BYTES 2048
void otlp_text(struct json_out *out, const char *name, const char *value);
void otlp_int(struct json_out *out, const char *name, int64_t value);
void otlp_double(struct json_out *out, const char *name, double value);
void otlp_bool(struct json_out *out, const char *name, bool value);

/** What stands before and behind the spans of a request: who says it. */
struct otlp_resource {
    const char *version, *instance, *host;
};
void otlp_put_head(struct json_out *out, const struct otlp_resource *resource);
extern const char otlp_tail[];

/** How many spans a collector that has answered 200 refuses all the same, and why, in its words,
 * cut; 0 and "". */
uint64_t otlp_rejected(struct moa_bytes answer, char *ret_why, size_t n);

#endif
