/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus text; see metrics.h.
 */
#include "metrics.h"

#include <inttypes.h>

static const double bounds[METRICS_BUCKETS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                               0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                               1,      2.5,     10,     60};

void metrics_observe(struct metrics_histogram *histogram, double seconds)
{
    size_t i = 0;
    while (i < METRICS_BUCKETS && seconds > bounds[i])
        i++;
    histogram->count[i]++;
    histogram->sum += seconds;
}

void metrics_decision(struct metrics *metrics, const struct moa_decision *decision)
{
    metrics->choices[0][decision->text.tier][decision->text.reason]++;
    for (size_t i = 0; i < decision->n_images; i++)
        metrics->choices[1][decision->images[i].tier][decision->images[i].reason]++;
}

void metrics_tokens(struct metrics *metrics, enum moa_tier tier, int64_t prompt, int64_t completion)
{
    metrics->tokens[tier][0] += prompt > 0 ? (uint64_t)prompt : 0;
    metrics->tokens[tier][1] += completion > 0 ? (uint64_t)completion : 0;
}

void metrics_write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_histogram(FILE *out, const char *name, const char *help,
                            const struct metrics_histogram *h)
{
    metrics_write_head(out, name, "histogram", help);
    uint64_t below = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        below += h->count[i];
        fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds[i], below);
    }
    below += h->count[METRICS_BUCKETS];
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    fprintf(out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, h->sum, name, below);
}

static void write_by_tier(FILE *out, const char *name, const uint64_t values[2])
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        fprintf(out, "%s{tier=\"%s\"} %" PRIu64 "\n", name, moa_tier_name((enum moa_tier)tier),
                values[tier]);
}

static void write_choices(FILE *out, const struct metrics *m)
{
    static const char *const modalities[] = {"text", "image"};
    metrics_write_head(out, "moaoff_decisions_total", "counter", "Modalities decided.");
    for (size_t modality = 0; modality < 2; modality++) {
        for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
            for (int reason = 0; reason < METRICS_REASONS; reason++) {
                uint64_t n = m->choices[modality][tier][reason];
                if (n > 0)
                    fprintf(out,
                            "moaoff_decisions_total{modality=\"%s\",tier=\"%s\",reason=\"%s\"} "
                            "%" PRIu64 "\n",
                            modalities[modality], moa_tier_name((enum moa_tier)tier),
                            moa_reason_name((enum moa_reason)reason), n);
            }
        }
    }
}

static void write_tokens(FILE *out, const struct metrics *m)
{
    static const char *const kinds[] = {"prompt", "completion"};
    metrics_write_head(out, "moaoff_tokens_total", "counter", "Tokens that engines reported.");
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++) {
        for (size_t kind = 0; kind < 2; kind++)
            fprintf(out, "moaoff_tokens_total{tier=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
                    moa_tier_name((enum moa_tier)tier), kinds[kind], m->tokens[tier][kind]);
    }
}

static void write_images(FILE *out, const struct metrics *m)
{
    static const char *const kinds[] = {"score", "recoded"};
    static const char *const results[] = {"ok", "refused", "failed"};
    metrics_write_head(out, "moaoff_cache_lookups_total", "counter",
                       "Images looked up in the cache: their scores, and their re-encoded form.");
    for (size_t i = 0; i < 2; i++)
        fprintf(out,
                "moaoff_cache_lookups_total{kind=\"%s\",result=\"hit\"} %" PRIu64 "\n"
                "moaoff_cache_lookups_total{kind=\"%s\",result=\"miss\"} %" PRIu64 "\n",
                kinds[i], m->cache_hits[i], kinds[i], m->cache_misses[i]);
    metrics_write_head(out, "moaoff_cache_bytes", "gauge", "Bytes that the cache holds.");
    fprintf(out, "moaoff_cache_bytes %zu\n", m->cache_bytes);
    metrics_write_head(
        out, "moaoff_images_recoded_total", "counter",
        "Images sent to a tier smaller, turned or in another format than they came.");
    write_by_tier(out, "moaoff_images_recoded_total", m->images_recoded);
    metrics_write_head(out, "moaoff_images_recoded_came_bytes_total", "counter",
                       "Bytes of those images as they came.");
    write_by_tier(out, "moaoff_images_recoded_came_bytes_total", m->images_came_bytes);
    metrics_write_head(out, "moaoff_images_recoded_went_bytes_total", "counter",
                       "Bytes of those images as they went.");
    write_by_tier(out, "moaoff_images_recoded_went_bytes_total", m->images_went_bytes);
    metrics_write_head(out, "moaoff_image_fetches_total", "counter",
                       "Remote images, by what came of them.");
    for (size_t i = 0; i < 3; i++)
        fprintf(out, "moaoff_image_fetches_total{result=\"%s\"} %" PRIu64 "\n", results[i],
                m->fetches[i]);
    metrics_write_head(out, "moaoff_image_fetched_bytes_total", "counter",
                       "Bytes of remote images.");
    fprintf(out, "moaoff_image_fetched_bytes_total %" PRIu64 "\n", m->fetched_bytes);
}

void metrics_write(const struct metrics *m, const unsigned in_flight[2], FILE *out)
{
    metrics_write_head(out, "moaoff_answers_total", "counter",
                       "Answers of engines relayed, by executed plan.");
    for (int plan = 0; plan < METRICS_PLANS; plan++)
        fprintf(out, "moaoff_answers_total{plan=\"%s\"} %" PRIu64 "\n",
                moa_plan_name((enum moa_plan)plan), m->answered[plan]);

    static const char *const classes[] = {"gone", "1xx", "2xx", "3xx", "4xx", "5xx"};
    metrics_write_head(out, "moaoff_chat_requests_total", "counter",
                       "Chat requests finished, by status class; gone: the client left first.");
    for (size_t i = 0; i < 6; i++)
        fprintf(out, "moaoff_chat_requests_total{status=\"%s\"} %" PRIu64 "\n", classes[i],
                m->status[i]);

    write_choices(out, m);
    metrics_write_head(out, "moaoff_fallbacks_total", "counter",
                       "Requests moved off a tier that failed.");
    write_by_tier(out, "moaoff_fallbacks_total", m->fallbacks);
    metrics_write_head(out, "moaoff_sent_bytes_total", "counter",
                       "Request body bytes sent to a tier.");
    write_by_tier(out, "moaoff_sent_bytes_total", m->bytes_up);
    metrics_write_head(out, "moaoff_received_bytes_total", "counter",
                       "Answer body bytes received from a tier.");
    write_by_tier(out, "moaoff_received_bytes_total", m->bytes_down);
    write_tokens(out, m);
    metrics_write_head(out, "moaoff_unauthorized_total", "counter",
                       "Requests refused for want of an API key.");
    fprintf(out, "moaoff_unauthorized_total %" PRIu64 "\n", m->unauthorized);
    metrics_write_head(out, "moaoff_reloads_total", "counter", "Reloads of the configuration.");
    fprintf(out,
            "moaoff_reloads_total{result=\"done\"} %" PRIu64
            "\nmoaoff_reloads_total{result=\"failed\"} %" PRIu64 "\n",
            m->reloads[1], m->reloads[0]);
    metrics_write_head(out, "moaoff_in_flight", "gauge", "Calls in flight on a tier.");
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        fprintf(out, "moaoff_in_flight{tier=\"%s\"} %u\n", moa_tier_name((enum moa_tier)tier),
                in_flight[tier]);
    write_images(out, m);
    write_histogram(out, "moaoff_overhead_seconds",
                    "From the request's last byte to the first call of an engine.", &m->overhead);
    write_histogram(out, "moaoff_first_byte_seconds",
                    "From the request's last byte to the first byte of the answer.",
                    &m->first_byte);
    write_histogram(out, "moaoff_request_seconds",
                    "From the request's last byte to the end of the answer.", &m->total);
}
