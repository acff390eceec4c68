/* SPDX-License-Identifier: Apache-2.0
 *
 * The fleet's thread; see fleet.h. It has one connection or none. Whatever goes wrong with it is
 * said once, and tried again after a pause that doubles up to fifteen seconds, by chance up to half
 * as much again, so that the boxes of a hub that was away do not all come at once.
 */
#include "fleet.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "fleet_access.h"
#include "fleet_private.h"
#include "journal.h"
#include "log.h"

#define CONNECT_MS 5000
#define IDLE_US 500000
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 15000
#define END_S 3 /* that the end waits for a name that is looked up, say */

int64_t fleet_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool fleet_pause(struct fleet *f, int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t ns = until.tv_nsec + us % 1000000 * 1000;
    until.tv_sec += us / 1000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&f->lock);
    int err = 0;
    while (us > 0 && !f->is_ending && !err)
        err = pthread_cond_timedwait(&f->wake, &f->lock, &until);
    const bool is_ending = f->is_ending;
    pthread_mutex_unlock(&f->lock);
    return is_ending;
}

/* ---- what is said ---- */

static void note(struct fleet *f, bool is_connected, const char *error)
{
    pthread_mutex_lock(&f->lock);
    f->view.is_connected = is_connected;
    snprintf(f->view.error, sizeof(f->view.error), "%s", error);
    pthread_mutex_unlock(&f->lock);
}

static void fail(struct fleet *f, const char *why)
{
    note(f, f->wire != NULL, why);
    fleet_outbox_look(f);
    if (!f->is_failing)
        log_event(LOG_LEVEL_WARN, "fleet-failed", "error=%s", log_quote(why).s);
    f->is_failing = true;
    uint16_t random = 0;
    ssize_t ignored = getrandom(&random, sizeof(random), GRND_NONBLOCK);
    (void)ignored;
    f->pause_ms = f->pause_ms ? f->pause_ms * 2 : PAUSE_MIN_MS;
    f->pause_ms = f->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : f->pause_ms;
    fleet_pause(f, f->pause_ms * 1000 + f->pause_ms * 500 * random / UINT16_MAX);
}

static void succeed(struct fleet *f)
{
    if (f->is_failing)
        log_event(LOG_LEVEL_INFO, "fleet-works", "box=%s group=%s", f->view.box, f->view.group);
    f->is_failing = false;
    f->pause_ms = 0;
    note(f, true, "");
}

/* ---- the thread ---- */

static void hang_up(struct fleet *f)
{
    fleet_wire_free(f->wire);
    f->wire = NULL;
    f->is_made = false;
    note(f, false, "");
}

static int connect_wire(struct fleet *f, char *why, size_t n)
{
    if (fleet_wire_connect(&f->access, CONNECT_MS, &f->wire, why, n))
        return -1;
    pthread_mutex_lock(&f->lock);
    f->view.connects++;
    f->view.is_connected = true;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

/* The newest alone; whoever reads it wants no older. Nobody waits for an answer: the next one is
 * told soon. */
static void tell(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    char *words = f->words;
    f->words = NULL;
    pthread_mutex_unlock(&f->lock);
    if (words)
        fleet_wire_say(f->wire, f->names.words, (struct moa_bytes){words, strlen(words)});
    free(words);
}

static void step(struct fleet *f)
{
    char why[FLEET_WHY_BYTES] = "";
    if (f->wire && !fleet_wire_is_up(f->wire))
        hang_up(f);
    if (!f->wire && connect_wire(f, why, sizeof(why))) {
        fail(f, why);
        return;
    }
    if (!f->is_made && fleet_stream_make(f->wire, &f->names, why, sizeof(why))) {
        if (!fleet_wire_is_up(f->wire))
            hang_up(f);
        fail(f, why);
        return;
    }
    f->is_made = true;
    tell(f);
    const enum fleet_step result = fleet_outbox_step(f, why, sizeof(why));
    if (result == FLEET_DOWN)
        hang_up(f);
    if (result == FLEET_DOWN || result == FLEET_FAILED)
        fail(f, why);
    else
        succeed(f);
    if (result == FLEET_IDLE)
        fleet_pause(f, IDLE_US);
}

static void *run(void *arg)
{
    struct fleet *f = arg;
    while (!fleet_pause(f, 0))
        step(f);
    hang_up(f);
    fleet_wire_forget();
    return NULL;
}

/* ---- opening and closing ---- */

static void fleet_free(struct fleet *f)
{
    fleet_outbox_done(f);
    for (size_t i = 0; i < sizeof(f->access_texts) / sizeof(f->access_texts[0]); i++) {
        if (f->access_texts[i])
            explicit_bzero(f->access_texts[i], strlen(f->access_texts[i]));
        free(f->access_texts[i]);
    }
    free(f->path);
    free(f->words);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* The configuration may be another before the thread connects again. */
static int copy_access(struct fleet *f, const struct config *config)
{
    f->access = fleet_access_of(config, f->name);
    const char **const texts[] = {
        &f->access.servers, &f->access.credentials,     &f->access.nkey,   &f->access.nkey_seed,
        &f->access.ca_file, &f->access.tls_certificate, &f->access.tls_key};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        f->access_texts[i] = strdup(*texts[i]);
        if (!f->access_texts[i])
            return -1;
        *texts[i] = f->access_texts[i];
    }
    f->path = strdup(config->journal_path);
    return f->path ? 0 : -1;
}

static int prepare(struct fleet *f, const struct config *config, char *why, size_t n)
{
    struct journal_outbox outbox;
    config_fleet_box(config, f->view.box);
    snprintf(f->view.group, sizeof(f->view.group), "%s", config->fleet.group);
    snprintf(f->name, sizeof(f->name), "moaoff %s", f->view.box);
    fleet_names_make(f->view.group, f->view.box, &f->names);
    f->bytes_per_s = config->fleet.bytes_per_s;
    f->has_more = true;
    snprintf(why, n, "out of memory");
    if (copy_access(f, config) || journal_read_outbox(f->path, &outbox, why, n))
        return -1;
    f->acknowledged = outbox.acknowledged;
    snprintf(f->view.journal, sizeof(f->view.journal), "%s", outbox.file);
    return 0;
}

/* Signals are the loop's, also in the threads of libnats, which this one makes. */
static int start(struct fleet *f)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int err = pthread_create(&f->thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int fleet_open(const struct config *config, struct journal *journal, struct fleet **ret_fleet,
               char *why, size_t n)
{
    struct fleet *f = calloc(1, sizeof(*f));
    if (!f) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    pthread_condattr_t by_monotonic_clock;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&by_monotonic_clock);
    pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &by_monotonic_clock);
    pthread_condattr_destroy(&by_monotonic_clock);
    f->journal = journal;
    int result = prepare(f, config, why, n);
    const int err = result ? 0 : start(f);
    if (err)
        snprintf(why, n, "fleet: cannot start its thread: %s", strerror(err));
    if (result || err) {
        fleet_free(f);
        return -1;
    }
    *ret_fleet = f;
    return 0;
}

void fleet_close(struct fleet *f)
{
    if (!f)
        return;
    struct timespec until;
    pthread_mutex_lock(&f->lock);
    f->is_ending = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_S;
    if (pthread_timedjoin_np(f->thread, NULL, &until) == 0) {
        fleet_free(f);
        return;
    }
    /* It keeps what it uses until the program is over, except the journal. */
    pthread_mutex_lock(&f->lock);
    f->journal = NULL;
    pthread_mutex_unlock(&f->lock);
    log_event(LOG_LEVEL_WARN, "fleet-hangs", "error=%s",
              log_quote("it waits for a server still").s);
}

/* ---- from the loop ---- */

void fleet_set_rate(struct fleet *f, int64_t bytes_per_s)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->bytes_per_s = bytes_per_s;
    pthread_mutex_unlock(&f->lock);
}

void fleet_note_upload(struct fleet *f, bool is_over)
{
    if (f)
        atomic_store(&f->upload_us, is_over ? 0 : fleet_now_us());
}

void fleet_tell(struct fleet *f, char *words)
{
    char *former = words;
    if (f) {
        pthread_mutex_lock(&f->lock);
        former = f->words;
        f->words = words;
        pthread_mutex_unlock(&f->lock);
    }
    free(former);
}

void fleet_look(struct fleet *f, struct fleet_view *ret_view)
{
    pthread_mutex_lock(&f->lock);
    *ret_view = f->view;
    pthread_mutex_unlock(&f->lock);
}
