/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics of OpenTelemetry's conventions for generative AI, beside the gateway's own: what
 * calls of engines took, and what the gateway itself took as the server of its clients. On
 * /metrics only with `metrics.genai`; counted always. Loop thread only.
 */
#ifndef MOA_GATEWAY_METRICS_GENAI_H
#define MOA_GATEWAY_METRICS_GENAI_H

#include <stdint.h>
#include <stdio.h>

#include <moaoff/policy.h>

#define GENAI_BUCKETS 14

struct genai_histogram {
    uint64_t count[GENAI_BUCKETS + 1];
    double sum;
};

/** Zero at first. */
struct genai {
    struct genai_histogram call_seconds[2]; /* by tier */
    struct genai_histogram input_tokens[2], output_tokens[2];
    struct genai_histogram request_seconds, first_token_seconds;
};

/** A call that was answered; tokens less than 0 are unknown. */
void genai_call(struct genai *genai, enum moa_tier tier, double seconds, int64_t input_tokens,
                int64_t output_tokens);

/** A request that was answered; less than 0: it had no first byte. */
void genai_request(struct genai *genai, double seconds, double first_byte_seconds);

/** `models`: the configured one of each tier; "": whatever the client names. */
void genai_write(const struct genai *genai, const char *const models[2], FILE *out);

#endif
