/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to an engine, for `moaoff doctor`: waits for the answer, follows no redirect, and
 * sees how fast the question went out.
 */
#ifndef MOA_GATEWAY_DOCTOR_ASK_H
#define MOA_GATEWAY_DOCTOR_ASK_H

#include "buffer.h"
#include "config.h"

struct doctor_question {
    const struct tier_config *tier;
    bool direct; /* past any proxy */
    const char *url;
    const char *json;       /* NULL: GET */
    const char *key_header; /* that the key goes in too; NULL: none */
    bool no_bearer;         /* in it alone */
    size_t n_padding;       /* blanks behind the JSON, which no engine minds */
    long timeout_ms;
};

/** Give to doctor_answer_done(). */
struct doctor_answer {
    long status; /* 0: nobody answered, and `why` says why */
    char why[256];
    char location[256]; /* where it redirects to; "" */
    char content_type[64];
    char server[64]; /* what it calls itself in its head; "" */
    struct buffer body;
    double took_ms;
    double
        uplink_mbps; /* NaN: too little went out to tell, or it stayed near (cloud.uplink_near) */
};

void doctor_ask(const struct doctor_question *question, struct doctor_answer *ret_answer);
void doctor_answer_done(struct doctor_answer *answer);

#endif
