/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the edge's engine; see keeper.h. enter() is the one door between the states, tick() what
 * happens in each without an event: child.c tells of output and of the end, keeper_ask.c of
 * answers.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "child.h"
#include "gateway.h"
#include "keeper_ask.h"
#include "keeper_run.h"
#include "log.h"
#include "server.h"

#define TICK_US 100000
#define ASK_US 200000      /* between two looks whether it answers */
#define LOOK_US 5000000    /* and whether it still does, once it is ready: */
#define SILENT_MAX 3       /* so often in a row it does not, */
#define SILENT_MS 10000    /* each time for so long */
#define START_MS 2000      /* the same of one that starts, which is asked again */
#define MEMORY_US 250000   /* between two looks at its memory, */
#define SURVEY_US 2000000  /* and at that of what it has started, for which all of /proc is read */
#define ENGINE_US 15000000 /* so long its own word on its load counts */
#define REST_US INT64_C(1000000)      /* before it is started again, twice as long each time, */
#define REST_MAX_US INT64_C(60000000) /* up to so long */
#define STEADY_US INT64_C(60000000)   /* who has answered for so long begins to count anew */
#define LINES_MAX 200                 /* of its output in the log at once, */
#define TELL_US INT64_C(10000000)     /* between two words on those that are not there */
#define LINES_PER_S 20                /* and from then on */

struct keeper {
    struct gateway *gateway;
    void (*on_change)(struct gateway *gateway);
    enum keeper_state state;
    enum keeper_state next; /* after STOPPING */
    int64_t since_us;
    struct event timer;
    struct child *child;
    char *ways; /* URL, command and environment that it was started for; see write_ways() */
    size_t n_ways;
    struct keeper_question question;
    int64_t asked_us, used_us, weighed_us, surveyed_us;
    uint64_t memory_bytes, others_bytes; /* of its session; of that not its own */
    int64_t leave_us, kill_us; /* STOPPING: when it is told at the latest, and killed; 0: was not */
    int64_t retry_us;
    int64_t n_failures;
    unsigned n_silent;               /* looks in a row that it did not answer */
    enum metrics_ending ending;      /* why it is ended */
    char last[CHILD_LINE_BYTES + 1]; /* line of output */
    int64_t lines_us;                /* when `n_lines` was right */
    double n_lines;                  /* that may go to the log now */
    size_t n_dropped;                /* and did not, */
    int64_t told_us;                 /* which was said then */
    void (*on_ended)(void *arg);
    void *ended_arg;
};

static const char *const state_names[KEEPER_STATES] = {"none", METRICS_ENGINE_STATES};

static const struct program_config *program_of(const struct keeper *k)
{
    return &k->gateway->config->program;
}

static void start(struct keeper *k);

static void enter(struct keeper *k, enum keeper_state state)
{
    k->state = state;
    k->since_us = server_now_us();
    k->retry_us = 0;
    if (state == KEEPER_READY || state == KEEPER_FAILED || state == KEEPER_NONE)
        k->on_change(k->gateway);
}

/* ---- its output ---- */

static void note_dropped(struct keeper *k)
{
    if (k->n_dropped > 0)
        log_event(LOG_LEVEL_WARN, "engine-output-dropped", "lines=%zu", k->n_dropped);
    k->n_dropped = 0;
    k->told_us = server_now_us();
}

/* A flood is cut short: the log, and the disk below it, are others' too. */
static bool may_log(struct keeper *k)
{
    const int64_t now_us = server_now_us();
    k->n_lines += (double)(now_us - k->lines_us) / 1e6 * LINES_PER_S;
    k->n_lines = k->n_lines < LINES_MAX ? k->n_lines : LINES_MAX;
    k->lines_us = now_us;
    if (k->n_lines < 1.0)
        return false;
    k->n_lines -= 1.0;
    return true;
}

static void on_line(const char *line, void *arg)
{
    struct keeper *k = arg;
    snprintf(k->last, sizeof(k->last), "%s", line);
    if (!may_log(k)) {
        k->n_dropped++;
        return;
    }
    if (k->lines_us - k->told_us >= TELL_US)
        note_dropped(k);
    log_event(LOG_LEVEL_INFO, "engine-output", "line=%s", log_quote(line).s);
}

/* ---- the end ---- */

/* One that has answered for a while and fails is none that cannot start. */
static void forget_failures(struct keeper *k)
{
    if (k->state == KEEPER_READY && server_now_us() - k->since_us >= STEADY_US)
        k->n_failures = 0;
}

static void signal_stop(struct keeper *k)
{
    k->kill_us = server_now_us() + program_of(k)->stop_ms * 1000;
    child_signal(k->child, SIGTERM);
}

/* It ends, within edge.stop_ms after `leave_us`; then comes `next`. */
static void stop(struct keeper *k, enum metrics_ending ending, enum keeper_state next,
                 int64_t leave_us)
{
    keeper_ask_cancel(&k->question);
    forget_failures(k);
    k->ending = ending;
    k->next = next;
    k->leave_us = leave_us;
    k->kill_us = 0;
    enter(k, KEEPER_STOPPING);
    if (leave_us <= server_now_us())
        signal_stop(k);
}

/* Again after a while, if that has not been tried too often. */
static void rest(struct keeper *k)
{
    int64_t rest_us = REST_US;
    for (int64_t i = 1; i < k->n_failures && rest_us < REST_MAX_US; i++)
        rest_us *= 2;
    rest_us = rest_us < REST_MAX_US ? rest_us : REST_MAX_US;
    if (k->n_failures > program_of(k)->restarts) {
        log_event(LOG_LEVEL_ERROR, "engine-failed", "failures=%lld hint=%s",
                  (long long)k->n_failures,
                  log_quote("it is not started again before the configuration is reloaded").s);
        enter(k, KEEPER_FAILED);
        return;
    }
    enter(k, KEEPER_RESTING);
    k->retry_us = k->since_us + rest_us;
    log_event(LOG_LEVEL_INFO, "engine-resting", "failures=%lld restart_in_ms=%lld",
              (long long)k->n_failures, (long long)rest_us / 1000);
}

static void go_on(struct keeper *k, bool was_asked)
{
    if (!was_asked || k->next == KEEPER_RESTING) {
        k->n_failures++;
        rest(k);
    } else if (k->next == KEEPER_STARTING) {
        start(k);
    } else {
        enter(k, k->next);
    }
}

static void on_end(int status, void *arg)
{
    static const char *const endings[METRICS_N_ENDING] = {METRICS_ENDINGS};
    struct keeper *k = arg;
    char how[80];
    const bool was_asked = k->state == KEEPER_STOPPING;
    if (!was_asked)
        k->ending = METRICS_ENDING_ITSELF;
    forget_failures(k);
    k->child = NULL;
    k->memory_bytes = 0;
    keeper_ask_cancel(&k->question);
    note_dropped(k);
    child_describe(status, how, sizeof(how));
    k->gateway->metrics.engine_ends_total[k->ending]++;
    log_event(was_asked ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "engine-ended",
              "reason=%s status=%s last=%s", endings[k->ending], log_quote(how).s,
              log_quote(k->last).s);
    if (!k->on_ended) {
        go_on(k, was_asked);
        return;
    }
    enter(k, KEEPER_NONE);
    k->on_ended(k->ended_arg);
}

/* ---- the start ---- */

static void start(struct keeper *k)
{
    static const struct child_events events = {on_line, on_end};
    char why[256];
    k->last[0] = '\0';
    k->asked_us = k->weighed_us = k->surveyed_us = 0;
    k->child = keeper_run(k->gateway, &events, k, why, sizeof(why));
    if (!k->child) {
        log_event(LOG_LEVEL_ERROR, "engine-not-started", "error=%s", log_quote(why).s);
        k->n_failures++;
        rest(k);
        return;
    }
    k->gateway->metrics.engine_starts_total++;
    enter(k, KEEPER_STARTING);
    log_event(LOG_LEVEL_INFO, "engine-started", "pid=%lld program=%s",
              (long long)child_pid(k->child), log_quote(program_of(k)->command.items[0]).s);
}

static void be_ready(struct keeper *k)
{
    const int64_t took_us = server_now_us() - k->since_us;
    enter(k, KEEPER_READY);
    k->used_us = k->asked_us = k->since_us;
    k->n_silent = 0;
    log_event(LOG_LEVEL_INFO, "engine-ready", "pid=%lld took_ms=%lld",
              (long long)child_pid(k->child), (long long)took_us / 1000);
}

static void on_warm(const char *why_not, void *arg)
{
    struct keeper *k = arg;
    if (why_not)
        log_event(LOG_LEVEL_WARN, "engine-not-warm", "error=%s", log_quote(why_not).s);
    be_ready(k);
}

static void on_health(const char *why_not, void *arg)
{
    struct keeper *k = arg;
    if (why_not)
        return; /* it is asked again */
    struct settings *settings = k->gateway->settings;
    endpoint_renew(settings->endpoints[MOA_EDGE].list[0], server_now_us());
    k->question.on_answer = on_warm;
    if (!program_of(k)->warm_up || keeper_ask_token(&k->question, settings))
        be_ready(k);
}

/* ---- what happens without an event ---- */

static void ask_health(struct keeper *k, void (*on_answer)(const char *why_not, void *arg),
                       int64_t timeout_ms)
{
    k->asked_us = server_now_us();
    k->question.on_answer = on_answer;
    (void)keeper_ask_health(&k->question, k->gateway->settings, timeout_ms);
}

static void tend_starting(struct keeper *k, int64_t now_us)
{
    if (now_us - k->since_us > program_of(k)->start_ms * 1000) {
        log_event(LOG_LEVEL_WARN, "engine-slow", "start_ms=%lld",
                  (long long)program_of(k)->start_ms);
        stop(k, METRICS_ENDING_SLOW, KEEPER_RESTING, now_us);
    } else if (!k->question.call && now_us - k->asked_us >= ASK_US) {
        ask_health(k, on_health, START_MS);
    }
}

/* It has work: of the gateway's, or of others, as it says itself. */
static bool is_used(const struct gateway *g, int64_t now_us)
{
    const struct sense *s = &g->sense;
    return s->in_flight[MOA_EDGE] > 0 ||
           (s->engine.running > 0 && now_us - s->engine_us < ENGINE_US);
}

/* It may be too busy with requests to say that it is there: their calls have timeouts. One that has
 * none, and says nothing all the same, hangs. */
static void on_look(const char *why_not, void *arg)
{
    struct keeper *k = arg;
    const bool is_busy = k->gateway->sense.in_flight[MOA_EDGE] > 0;
    k->n_silent = why_not && !is_busy ? k->n_silent + 1 : 0;
    if (k->n_silent < SILENT_MAX)
        return;
    log_event(LOG_LEVEL_WARN, "engine-hangs", "error=%s", log_quote(why_not).s);
    stop(k, METRICS_ENDING_HUNG, KEEPER_RESTING, server_now_us());
}

static void tend_ready(struct keeper *k, int64_t now_us)
{
    const int64_t idle_us = program_of(k)->idle_s * 1000000;
    if (is_used(k->gateway, now_us))
        k->used_us = now_us;
    if (idle_us > 0 && now_us - k->used_us >= idle_us)
        stop(k, METRICS_ENDING_IDLE, KEEPER_ASLEEP, now_us);
    else if (!k->question.call && now_us - k->asked_us >= LOOK_US)
        ask_health(k, on_look, SILENT_MS);
}

static void tend_stopping(struct keeper *k, int64_t now_us)
{
    const bool is_told = k->kill_us > 0;
    if (!is_told && (now_us >= k->leave_us || k->gateway->sense.in_flight[MOA_EDGE] == 0)) {
        signal_stop(k);
    } else if (is_told && now_us >= k->kill_us) {
        log_event(LOG_LEVEL_WARN, "engine-killed", "stop_ms=%lld",
                  (long long)program_of(k)->stop_ms);
        child_signal(k->child, SIGKILL);
        k->kill_us = INT64_MAX;
    }
}

/* No limit of address space would do (RLIMIT_AS): weights that are mapped and what a GPU's driver
 * reserves are many times what is used. One that grows is not asked politely. */
static void weigh(struct keeper *k, int64_t now_us)
{
    const int64_t limit_bytes = program_of(k)->memory_bytes;
    if (now_us - k->weighed_us < MEMORY_US)
        return;
    k->weighed_us = now_us;
    const uint64_t own_bytes = child_own_memory_bytes(k->child);
    if (now_us - k->surveyed_us >= SURVEY_US) {
        const uint64_t all_bytes = child_memory_bytes(k->child);
        k->surveyed_us = now_us;
        k->others_bytes = all_bytes > own_bytes ? all_bytes - own_bytes : 0;
    }
    k->memory_bytes = own_bytes + k->others_bytes;
    if (limit_bytes == 0 || k->memory_bytes <= (uint64_t)limit_bytes)
        return;
    log_event(LOG_LEVEL_WARN, "engine-over-memory", "bytes=%llu limit=%lld",
              (unsigned long long)k->memory_bytes, (long long)limit_bytes);
    stop(k, METRICS_ENDING_MEMORY, KEEPER_RESTING, INT64_MAX);
    k->kill_us = INT64_MAX;
    child_signal(k->child, SIGKILL);
}

static void tick(struct keeper *k)
{
    const int64_t now_us = server_now_us();
    if (k->child && k->state != KEEPER_STOPPING)
        weigh(k, now_us);
    switch (k->state) {
    case KEEPER_STARTING:
        tend_starting(k, now_us);
        break;
    case KEEPER_READY:
        tend_ready(k, now_us);
        break;
    case KEEPER_STOPPING:
        tend_stopping(k, now_us);
        break;
    case KEEPER_RESTING:
        if (now_us >= k->retry_us)
            start(k);
        break;
    default:
        break;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    tick(arg);
}

/* ---- the configuration ---- */

/* What makes one engine another: its URL, command and environment, each with a NUL behind it. */
static char *write_ways(const struct config *config, size_t *ret_n)
{
    const struct program_config *p = &config->program;
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_n);
    if (!out)
        return NULL;
    fprintf(out, "%s%c", config->tier[MOA_EDGE].urls.items[0], 0);
    for (size_t i = 0; i < p->command.n; i++)
        fprintf(out, "%s%c", p->command.items[i], 0);
    fputc(0, out);
    for (size_t i = 0; i < p->environment.n; i++)
        fprintf(out, "%s%c", p->environment.items[i], 0);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

int keeper_configure(struct keeper *k)
{
    const struct program_config *p = program_of(k);
    const bool is_wanted = p->command.n > 0;
    const struct timeval tick_time = {.tv_usec = TICK_US};
    size_t n = 0;
    char *ways = is_wanted ? write_ways(k->gateway->config, &n) : NULL;
    if (is_wanted && !ways)
        return -1;
    const bool is_same = k->ways && ways && n == k->n_ways && memcmp(ways, k->ways, n) == 0;
    free(k->ways);
    k->ways = ways;
    k->n_ways = n;
    k->n_failures = 0;
    if (is_wanted)
        event_add(&k->timer, &tick_time);
    else if (!k->child)
        event_del(&k->timer);
    const enum keeper_state next = is_wanted ? KEEPER_STARTING : KEEPER_NONE;
    if (k->child && !is_same) {
        stop(k, METRICS_ENDING_ASKED, next, server_now_us() + p->stop_ms * 1000);
    } else if (k->child) {
        return 0;
    } else if (!is_wanted) {
        enter(k, KEEPER_NONE);
    } else if (!is_same || k->state == KEEPER_FAILED || k->state == KEEPER_RESTING) {
        start(k);
    }
    return 0;
}

struct keeper *keeper_new(struct gateway *gateway, void (*on_change)(struct gateway *gateway))
{
    struct keeper *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->gateway = gateway;
    k->on_change = on_change;
    k->question.upstream = gateway->upstream;
    k->question.arg = k;
    k->n_lines = LINES_MAX;
    event_assign(&k->timer, gateway->base, -1, EV_PERSIST, on_timer, k);
    return k;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    keeper_ask_cancel(&k->question);
    child_free(k->child);
    event_del(&k->timer);
    free(k->ways);
    free(k);
}

void keeper_end(struct keeper *k, void (*on_ended)(void *arg), void *arg)
{
    if (!k->child) {
        on_ended(arg);
        return;
    }
    k->on_ended = on_ended;
    k->ended_arg = arg;
    if (k->state != KEEPER_STOPPING || k->kill_us == 0)
        stop(k, METRICS_ENDING_ASKED, KEEPER_NONE, 0);
}

/* ---- what is known of it ---- */

bool keeper_is_away(const struct keeper *k)
{
    return k && k->state != KEEPER_NONE && k->state != KEEPER_READY;
}

bool keeper_is_coming(const struct keeper *k)
{
    return keeper_is_away(k) && k->state != KEEPER_FAILED;
}

bool keeper_may_answer(const struct keeper *k)
{
    return !keeper_is_away(k) || k->state == KEEPER_ASLEEP;
}

void keeper_want(struct keeper *k)
{
    if (k->state == KEEPER_ASLEEP)
        start(k);
    else if (k->state == KEEPER_STOPPING && k->next == KEEPER_ASLEEP)
        k->next = KEEPER_STARTING;
}

struct keeper_view keeper_look(const struct keeper *k)
{
    return (struct keeper_view){
        .state = k->state,
        .since_us = k->since_us,
        .retry_us = k->retry_us,
        .pid = k->child ? child_pid(k->child) : 0,
        .memory_bytes = k->memory_bytes,
        .n_failures = k->n_failures,
    };
}

const char *keeper_state_name(enum keeper_state state)
{
    return state_names[state];
}
