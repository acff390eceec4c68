/* SPDX-License-Identifier: Apache-2.0
 *
 * A recorded answer in the words of an engine: whole chat completions and the events of a stream,
 * as llama-server, vLLM and SGLang write them. Pure.
 */
#ifndef MOA_STUDY_REPLAY_RENDER_H
#define MOA_STUDY_REPLAY_RENDER_H

#include <stdbool.h>

#include "answers.h"

enum replay_dialect { REPLAY_LLAMA, REPLAY_VLLM, REPLAY_SGLANG };

/** What of an answer a request asked for, and what was found out on the way. */
struct replay_reply {
    enum replay_dialect dialect;
    const char *model;
    const struct answer *answer;
    char id[48];
    int64_t created_s;
    bool with_usage;    /* a stream's last event */
    bool with_logprobs; /* if the answer has some */
    size_t n_top;       /* alternatives of each token */
    size_t n_tokens;    /* that are sent: all of them, or as many as max_tokens allows */
    bool cut;           /* max_tokens did not allow all */
    double prompt_tokens, first_ms, total_ms;
};

/** Tokens of the answer, its end among them if the record counts it; at least 1. */
size_t replay_n_tokens(const struct answer *answer);

/** Each to be freed; NULL if out of memory. */
char *replay_render_whole(const struct replay_reply *reply);
/** Events with their "data: " and blank line: before the first token, token i, behind the last. */
char *replay_render_begin(const struct replay_reply *reply);
char *replay_render_token(const struct replay_reply *reply, size_t i);
char *replay_render_end(const struct replay_reply *reply);

#endif
