/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages and answers of an engine say, for `moaoff doctor`. Pure; an answer may be anything.
 */
#ifndef MOA_GATEWAY_DOCTOR_ENGINE_H
#define MOA_GATEWAY_DOCTOR_ENGINE_H

#include <stdbool.h>

#include <moaoff/moaoff.h>

#define DOCTOR_MODELS_NAMED 4

enum doctor_kind {
    DOCTOR_UNKNOWN, /* anything that speaks OpenAI's API */
    DOCTOR_LLAMA,
    DOCTOR_VLLM,
    DOCTOR_SGLANG,
    DOCTOR_OLLAMA,
};

/** All zero at first, which is "unknown" everywhere. */
struct doctor_engine {
    enum doctor_kind kind;
    char server[64]; /* what it calls itself in its head */
    char version[64];
    size_t n_models;
    bool has_model;   /* the one that was looked for */
    char models[200]; /* the first DOCTOR_MODELS_NAMED, with commas between */
    char first_model[100];
    long context_tokens, slots;
    bool knows_modalities, takes_images, takes_audio;
};

/** A list of models; `wanted` is looked for in it. False if `body` is none. */
bool doctor_read_models(struct moa_bytes body, const char *wanted, struct doctor_engine *engine);

/** llama-server's /props and /slots, the metrics of several, Ollama's version. What is something
 * else changes nothing. */
void doctor_read_props(struct moa_bytes body, struct doctor_engine *engine);
void doctor_read_slots(struct moa_bytes body, struct doctor_engine *engine);
void doctor_read_metrics(struct moa_bytes body, struct doctor_engine *engine);
void doctor_read_ollama(struct moa_bytes body, struct doctor_engine *engine);

/** 1 << enum moa_image_format each: pictures that it reads; 0: unknown, or none. */
uint32_t doctor_formats(const struct doctor_engine *engine);

/** "llama-server b123; takes text and images (jpeg, png, gif); context 4096 tokens; 2 slots". */
void doctor_describe(const struct doctor_engine *engine, char *ret_text, size_t n);

/** Whether the chat completion `body` has log-probabilities. */
bool doctor_has_logprobs(struct moa_bytes body);

#endif
