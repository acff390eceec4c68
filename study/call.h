/* SPDX-License-Identifier: Apache-2.0
 *
 * One chat completion through a gateway, streamed, with its times: a libcurl easy handle for
 * run.c's multi handle, and what came back. Does not decide when it is sent.
 */
#ifndef MOA_STUDY_CALL_H
#define MOA_STUDY_CALL_H

#include <stdint.h>

#include <curl/curl.h>

#include "dataset.h"

/** What the gateway's own headers said; "" where there was none. */
struct call_headers {
    char plan[24];
    char decision[256];
    char scores[256];
    char reason[256];
    char state[96];
    char overhead_us[24];
    char fallback[64];
    char id[72];
};

struct call {
    CURL *easy;
    struct curl_slist *sent_headers;
    char *body;
    size_t body_bytes;
    size_t item; /* the caller's */
    int64_t scheduled_us, started_us;

    long status;
    struct call_headers headers;
    char *answer; /* what the model said; never NULL once the call is made */
    size_t answer_n, answer_room;
    char *logprobs; /* of its tokens, as answers_logprobs() writes them; NULL: none came */
    size_t logprobs_n, logprobs_room;
    char model[128], finish[16]; /* what the engine called itself, and why it ended; or "" */
    char *line;                  /* of the event stream, as far as it has come */
    size_t line_n, line_room;
    bool ended; /* data: [DONE] */
    bool no_memory;
    char error[256];        /* of the stream, or of curl */
    int64_t first_token_us; /* 0: none came */
    uint64_t bytes_down;
    int64_t prompt_tokens, completion_tokens; /* of the answering engine; -1: not reported */
};

struct call_options {
    const char *url;     /* of the chat completions */
    const char *model;   /* "moaoff/paper" */
    const char *api_key; /* NULL: none */
    int max_tokens;
    bool keep_prompt_cache;
    bool with_logprobs; /* ask for the tokens' log-probabilities */
    long timeout_ms;
};

/** Microseconds of the monotonic clock. */
int64_t call_now_us(void);

/** The headers of a JSON body, with a bearer token unless `api_key` is NULL; NULL: no memory. */
struct curl_slist *call_headers_new(const char *api_key);

/**
 * A call ready to be sent, to be freed with call_free(). NULL with the reason in `why`: an image
 * that cannot be read, or no memory.
 */
struct call *call_new(const struct item *item, const struct call_options *options, char *why,
                      size_t n);

/** After the transfer: takes status and curl's result; true if a whole answer came. */
bool call_ended(struct call *call, CURLcode result);

void call_free(struct call *call); /* NULL is allowed */

#endif
