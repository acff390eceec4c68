/* SPDX-License-Identifier: Apache-2.0
 *
 * What an engine says of its own load: which page to ask for, and what its answer means. Finds out
 * by itself what the engine is: llama-server (/slots, /metrics), vLLM or SGLang (/metrics). And
 * what an engine says of what it takes. Pure; an answer may be anything.
 */
#ifndef MOA_GATEWAY_PROBE_H
#define MOA_GATEWAY_PROBE_H

#include <stdbool.h>

#include <moaoff/base.h>
#include <moaoff/policy.h>

#include "identity.h"

#define PROBE_BYTES_MAX (1 << 20) /* of an answer; a longer one is not read */

/** Requests, and how many at once; NaN is unknown and never 0. */
struct probe_load {
    double running, waiting, slots;
};

enum probe_engine { PROBE_UNKNOWN, PROBE_LLAMA, PROBE_VLLM, PROBE_SGLANG };

/**
 * The gauges of an engine's /metrics, summed over their labels. Names match whole. PROBE_UNKNOWN
 * if `text` is of none of these engines; `ret_load` has no slots.
 */
enum probe_engine probe_metrics(struct moa_bytes text, struct probe_load *ret_load);

/** llama-server's /slots. Returns 0, or -1 if `json` is something else. */
int probe_slots(struct moa_bytes json, struct probe_load *ret_load);

enum probe_step { PROBE_ASK_SLOTS, PROBE_ASK_METRICS, PROBE_READ_SLOTS, PROBE_READ_METRICS };

/** One engine's. All zero at first. */
struct probe {
    enum probe_step step;
    enum probe_engine engine;
    double slots;  /* that /slots has shown; 0: none */
    unsigned skip; /* rounds in which not to ask, after nothing was understood */
};

/** The path to ask for now, below the engine's root; NULL: not in this round. */
const char *probe_next(struct probe *probe);

/**
 * An answer has come. Returns whether it told the load. An engine that does not answer in time is
 * not reported here: nothing is known of it then, which says nothing against it.
 */
bool probe_answer(struct probe *probe, int status, struct moa_bytes body,
                  struct probe_load *ret_load);

/** What an engine takes. All zero: it has not said. */
struct probe_takes {
    unsigned kinds;         /* bit 1 << enum moa_kind; 0: not known */
    int64_t context_tokens; /* of one request; 0: not known */
};

/** The pages that may say so, below the base URL and below the engine's root. */
#define PROBE_MODELS_PATH "/models"
#define PROBE_PROPS_PATH "/props"

/**
 * Adds what a list of models says of `model`, or of its only one: "architecture.input_modalities",
 * "meta.n_ctx" (llama-server), "max_model_len" (vLLM), "context_length".
 */
void probe_models(struct moa_bytes json, const char *model, struct probe_takes *takes);

/**
 * What tells this model from another one, as a hash: of a list of models its name and size, of
 * llama-server's /props its file. 0: nothing, or not yet.
 */
uint64_t probe_identity(struct moa_bytes json, const char *model);

/** Adds what llama-server's /props says; its context is that of one slot. */
void probe_props(struct moa_bytes json, struct probe_takes *takes);

/** "unknown", "llama-server", "vllm", "sglang". */
const char *probe_engine_name(enum probe_engine engine);

#endif
