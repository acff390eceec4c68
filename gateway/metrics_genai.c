/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenTelemetry's names as Prometheus has them; see metrics_genai.h. Buckets are those that the
 * conventions advise.
 */
#include "metrics_genai.h"

#include <inttypes.h>
#include <stdbool.h>

#include "metrics.h"

static const double seconds_bounds[GENAI_BUCKETS] = {0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                                     1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
static const double token_bounds[GENAI_BUCKETS] = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

static void observe(struct genai_histogram *h, const double *bounds, double value)
{
    size_t i = 0;
    while (i < GENAI_BUCKETS && value > bounds[i])
        i++;
    h->count[i]++;
    h->sum += value;
}

void genai_call(struct genai *genai, enum moa_tier tier, double seconds, int64_t input_tokens,
                int64_t output_tokens)
{
    observe(&genai->call_seconds[tier], seconds_bounds, seconds);
    if (input_tokens >= 0)
        observe(&genai->input_tokens[tier], token_bounds, (double)input_tokens);
    if (output_tokens >= 0)
        observe(&genai->output_tokens[tier], token_bounds, (double)output_tokens);
}

void genai_request(struct genai *genai, double seconds, double first_byte_seconds)
{
    observe(&genai->request_seconds, seconds_bounds, seconds);
    if (first_byte_seconds >= 0)
        observe(&genai->first_token_seconds, seconds_bounds, first_byte_seconds);
}

/* ---- writing ---- */

/* A histogram with its labels, which end where `le` may follow. */
struct genai_series {
    const struct genai_histogram *histogram;
    const double *bounds;
    const char *name;
    const char *model, *provider, *token_type; /* NULL: no such label */
};

static void write_labels(const struct genai_series *s, const char *end, FILE *out)
{
    fprintf(out, "%s%s{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"%s\"", s->name, end,
            s->provider);
    if (s->model) {
        fputs(",gen_ai_request_model=\"", out);
        metrics_write_escaped(out, s->model);
        fputc('"', out);
    }
    if (s->token_type)
        fprintf(out, ",gen_ai_token_type=\"%s\"", s->token_type);
}

static void write_series(const struct genai_series *s, FILE *out)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= GENAI_BUCKETS; i++) {
        below += s->histogram->count[i];
        write_labels(s, "_bucket", out);
        if (i < GENAI_BUCKETS)
            fprintf(out, ",le=\"%.10g\"} %" PRIu64 "\n", s->bounds[i], below);
        else
            fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", below);
    }
    write_labels(s, "_sum", out);
    fprintf(out, "} %.9g\n", s->histogram->sum);
    write_labels(s, "_count", out);
    fprintf(out, "} %" PRIu64 "\n", below);
}

static void write_calls(const struct genai *g, const char *const models[2], FILE *out)
{
    struct genai_series s = {.bounds = seconds_bounds,
                             .name = "gen_ai_client_operation_duration_seconds"};
    metrics_write_head(out, s.name, "histogram", "Calls of engines that were answered.");
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        s.histogram = &g->call_seconds[tier];
        s.provider = moa_tier_name((enum moa_tier)tier);
        s.model = models[tier];
        write_series(&s, out);
    }
}

static void write_tokens(const struct genai *g, const char *const models[2], FILE *out)
{
    struct genai_series s = {.bounds = token_bounds, .name = "gen_ai_client_token_usage"};
    metrics_write_head(out, s.name, "histogram", "Tokens that engines reported of a call.");
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        s.provider = moa_tier_name((enum moa_tier)tier);
        s.model = models[tier];
        s.histogram = &g->input_tokens[tier];
        s.token_type = "input";
        write_series(&s, out);
        s.histogram = &g->output_tokens[tier];
        s.token_type = "output";
        write_series(&s, out);
    }
}

void genai_write(const struct genai *genai, const char *const models[2], FILE *out)
{
    struct genai_series s = {.histogram = &genai->request_seconds,
                             .bounds = seconds_bounds,
                             .name = "gen_ai_server_request_duration_seconds",
                             .provider = "moaoff"};
    write_calls(genai, models, out);
    write_tokens(genai, models, out);
    metrics_write_head(out, s.name, "histogram", "Chat requests answered by the gateway.");
    write_series(&s, out);
    s.name = "gen_ai_server_time_to_first_token_seconds";
    s.histogram = &genai->first_token_seconds;
    metrics_write_head(out, s.name, "histogram", "Until the first byte of the answer.");
    write_series(&s, out);
}
