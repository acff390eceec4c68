/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub's companion that runs the edge's engine where `edge.command` says how: starts it, waits
 * until it answers, starts it again when it ends, ends it when nobody needs it or it takes too much
 * memory. Without a command it does nothing, and the engine is never away.
 *
 *     asleep --a request--> starting --answers--> ready --idle--> stopping --> asleep
 *                              ^  |                 |
 *                              |  +--ends, or slow--+--> resting --> starting, or failed
 */
#ifndef MOA_GATEWAY_KEEPER_H
#define MOA_GATEWAY_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct gateway;
struct keeper;

enum keeper_state {
    KEEPER_NONE, /* there is no command */
    KEEPER_ASLEEP,
    KEEPER_STARTING,
    KEEPER_READY,
    KEEPER_STOPPING,
    KEEPER_RESTING, /* until it is started again */
    KEEPER_FAILED,  /* until a reload */
    KEEPER_STATES
};

struct keeper_view {
    enum keeper_state state;
    int64_t since_us;
    int64_t retry_us;      /* when it is started again; 0: it is not to be */
    int64_t pid;           /* 0: there is none */
    uint64_t memory_bytes; /* 0: likewise */
    int64_t n_failures;    /* in a row */
};

/** `on_change` is told when requests that wait for the engine need not wait any longer: it is
 * ready, or has failed. NULL if out of memory. */
struct keeper *keeper_new(struct gateway *gateway, void (*on_change)(struct gateway *gateway));
/** Kills what runs. NULL is allowed. */
void keeper_free(struct keeper *keeper);

/** There is a configuration, or another one. An engine whose command, environment and URL are the
 * same goes on. -1 if out of memory, and nothing changes. */
int keeper_configure(struct keeper *keeper);
/** The gateway ends: `on_ended` is called once nothing runs, within edge.stop_ms. */
void keeper_end(struct keeper *keeper, void (*on_ended)(void *arg), void *arg);

/** There is a command, and no engine that answers. */
bool keeper_is_away(const struct keeper *keeper);
/** It is away and will be back. */
bool keeper_is_coming(const struct keeper *keeper);
/** The edge is needed: an engine that is asleep is started. */
void keeper_want(struct keeper *keeper);

/** Whether a decision may count on the edge, as far as this file knows: an engine that is asleep
 * comes when it is needed. */
bool keeper_may_answer(const struct keeper *keeper);

struct keeper_view keeper_look(const struct keeper *keeper);
/** "none", "asleep", "starting", ... */
const char *keeper_state_name(enum keeper_state state);

#endif
