/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: one chat request from its arrival to the end of its answer. Handlers of routes; `arg` is
 * the struct gateway.
 */
#ifndef MOA_GATEWAY_EXCHANGE_H
#define MOA_GATEWAY_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway;
struct server_request;

/** A chat in the dialect of its path: decides and executes. */
void exchange_chat(struct server_request *request, void *arg);

/** POST /v1/decide: decides only, and answers with the decision. */
void exchange_decide(struct server_request *request, void *arg);

/** An audit that has waited for the edge goes on, if the edge has time now. */
void exchange_tend_audits(struct gateway *gateway);

/** The edge's engine is up, or will not come: who waits for it goes on. */
void exchange_wake(struct gateway *gateway);

/** The right answer to the request `id` of `key` ("": none), whether its audit is over or waits.
 * False if there is no audit of it that has not counted. */
bool exchange_label_audit(struct gateway *gateway, const char *id, const char *key,
                          const char *truth);

/** There are no more audits, and those under way are dropped. */
void exchange_end_audits(struct gateway *gateway);

/** POST /v1/messages/count_tokens: how many tokens it is estimated to be for the tier that would
 * answer. */
void exchange_count(struct server_request *request, void *arg);

/** A page of an engine's that carries no chat (embeddings, say): to one tier, as it is. */
void exchange_forward(struct server_request *request, void *arg);

/** What is in flight, the newest `max` of them, as JSON to be freed with free(); NULL if out of
 * memory. */
char *exchange_list_json(const struct gateway *gateway, size_t max, int64_t now_us, size_t *ret_n);

#endif
