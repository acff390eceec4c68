/* SPDX-License-Identifier: Apache-2.0
 *
 * What an answer says of itself: its form, and the log-probabilities of its tokens, as
 * llama-server, vLLM, SGLang, Ollama and OpenAI report them (choices[].logprobs.content[], whole or
 * in the events of a stream). From it the score is made by which an answer of the edge is kept or
 * not. Pure.
 */
#ifndef MOA_GATEWAY_LOGPROBS_H
#define MOA_GATEWAY_LOGPROBS_H

#include <stdbool.h>
#include <stdint.h>

#include <moaoff/base.h>
#include <moaoff/policy.h>

#define LOGPROBS_TEXT_BYTES 256 /* that are looked at; a longer answer is MOA_ANSWER_LONG */

struct logprobs {
    uint32_t letters; /* of the options that were offered; see question.h */
    bool wants_json;  /* the request asks for JSON */
    bool calls_tool;
    bool ended;  /* the answer was told to be over, */
    bool is_cut; /* by a limit, not because all was said */
    char text[LOGPROBS_TEXT_BYTES];
    size_t n_text;            /* of the first choice; counts on beyond the room */
    size_t n_tokens;          /* with a log-probability, of all choices */
    double min;               /* the lowest, */
    double min_among_letters; /* the same with the offered letter's among the letters only */
    double first;
    double top5;   /* probability of the likeliest five in the first place; 0: none were told */
    bool has_said; /* a token that is more than white space has come */
};

void logprobs_init(struct logprobs *ret_logprobs, uint32_t letters, bool wants_json);

struct yyjson_val;

/** Takes in a whole completion. False if it is none. */
bool logprobs_read(struct logprobs *logprobs, struct yyjson_val *completion);

/** Takes in the data of one event of a stream; what is no JSON object says nothing. */
void logprobs_read_event(struct logprobs *logprobs, struct yyjson_val *data);

/** What is known by now. `sampled`: at a temperature above 0. */
void logprobs_answer(const struct logprobs *logprobs, bool sampled, struct moa_answer *ret_answer);

/** Cuts the member "logprobs" out of every choice, for a client that did not ask for it: of a
 * completion, or of the JSON of one event. `root` is what the `n` bytes of `json` were parsed to,
 * by yyjson_read(). Returns how many are left. */
size_t logprobs_cut(struct yyjson_val *root, char *json, size_t n);

#endif
