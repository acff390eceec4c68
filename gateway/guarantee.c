/* SPDX-License-Identifier: Apache-2.0
 *
 * What outlives a request of the policy `adaptive`; see guarantee.h. Everything happens on the loop
 * thread; the file is the journal's, whose thread writes it.
 */
#include "guarantee.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <xxhash.h>

#include "gateway.h"
#include "guarantee_page.h"
#include "guarantee_saved.h"
#include "journal.h"
#include "keeper.h"
#include "log.h"
#include "recall.h"
#include "server.h"

#define TICK_US 1000000
#define SAVE_US INT64_C(60000000)
#define SCENES 4096

/* An audited scene with its question; a later one may take its place. */
struct guarantee_scene {
    uint64_t mark; /* 0: none */
    bool lost;
};

struct guarantee {
    struct gateway *gateway;
    struct moa_policy *policy; /* shared by all settings */
    struct moa_adaptive *adaptive;
    struct event timer;
    struct guarantee_saved head; /* what is saved beside it */
    struct labels labels;
    struct moa_guarantee now;
    uint64_t now_changes, saved_changes;
    int64_t saved_us;
    bool is_urgent;
    double said_share; /* of audits, when it was last said what leaves */
    struct guarantee_scene scenes[SCENES];
    uint64_t n_seen, n_wrong;
};

static double value(const struct guarantee *k, const char *key)
{
    return moa_policy_value(k->policy, key);
}

static bool is_default(const struct guarantee *k)
{
    return strcmp(k->gateway->config->policy, "adaptive") == 0;
}

static bool has_audits(const struct moa_guarantee *g)
{
    return g->n_scores + g->n_audits > 0;
}

/* ---- what has become of the certificate ---- */

static void forget(struct guarantee *k)
{
    memset(k->scenes, 0, sizeof(k->scenes));
    k->n_seen = k->n_wrong = k->head.n_labels = 0;
}

static void note_certified(struct guarantee *k)
{
    const struct moa_guarantee *g = &k->now;
    k->head.since_s = (int64_t)time(NULL);
    k->head.generation = g->generation;
    k->is_urgent = true;
    log_event(LOG_LEVEL_INFO, "certified",
              "generation=%llu alpha=%g delta=%g threshold=%.3f kept=%.3f audits=%llu lost=%llu",
              (unsigned long long)g->generation, g->alpha, g->delta, g->threshold, g->kept,
              (unsigned long long)g->n_audits, (unsigned long long)g->n_lost);
}

static void note_void(struct guarantee *k, const char *why)
{
    k->head.since_s = 0;
    k->head.generation = 0;
    k->is_urgent = true;
    log_event(LOG_LEVEL_WARN, "certificate-void", "reason=%s alarms=%llu hint=%s", why,
              (unsigned long long)k->now.n_alarms,
              log_quote("nothing is certified until enough audits have been counted anew").s);
}

static void note_shift(struct guarantee *k)
{
    k->is_urgent = true;
    log_event(LOG_LEVEL_WARN, "scores-shifted", "shifts=%llu share=%g hint=%s",
              (unsigned long long)k->now.n_shifts, k->now.audit,
              log_quote("the edge is surer or less sure than at the same hours of other days; the "
                        "certificate holds, and a new one is counted by more audits")
                  .s);
}

static void note_small(struct guarantee *k)
{
    const struct moa_small_guarantee *s = &k->now.small;
    k->is_urgent = true;
    if (s->certified)
        log_event(LOG_LEVEL_INFO, "small-certified", "alpha=%g delta=%g audits=%llu lost=%llu",
                  s->alpha, s->delta, (unsigned long long)s->n_audits,
                  (unsigned long long)s->n_lost);
    else
        log_event(LOG_LEVEL_WARN, "small-void", "alarms=%llu hint=%s",
                  (unsigned long long)s->n_alarms,
                  log_quote("pictures go to the cloud whole until enough audits have been counted "
                            "anew")
                      .s);
}

/* Something was counted, tended, configured or found: `why`, if all began again. */
static void look(struct guarantee *k, const char *why)
{
    const uint64_t changes = moa_adaptive_changes(k->adaptive);
    if (changes == k->now_changes)
        return;
    const bool had_audits = has_audits(&k->now);
    const bool is_first = k->now_changes == UINT64_MAX; /* what was saved is no news */
    const uint64_t n_shifts = k->now.n_shifts;
    const bool had_small = k->now.small.certified;
    moa_adaptive_guarantee(k->adaptive, &k->now);
    k->now_changes = changes;
    if (had_audits && !has_audits(&k->now))
        forget(k);
    if (!is_first && k->now.is_hastened && k->now.n_shifts > n_shifts)
        note_shift(k);
    if (!is_first && k->now.small.certified != had_small)
        note_small(k);
    if (k->now.certified && k->now.generation != k->head.generation)
        note_certified(k);
    else if (!k->now.certified && k->head.generation)
        note_void(k, why);
}

const struct moa_guarantee *guarantee_now(struct guarantee *k)
{
    look(k, "settings");
    return &k->now;
}

/* ---- audits ---- */

static struct guarantee_scene *scene_at(struct guarantee *k, uint64_t scene, uint64_t text,
                                        uint64_t *ret_mark)
{
    const uint64_t words[] = {scene, text};
    *ret_mark = XXH3_64bits(words, sizeof(words)) | 1;
    return &k->scenes[(*ret_mark >> 1) % SCENES];
}

/* The request that was audited is the first that is seen of its scene. */
static void see(struct guarantee *k, const struct guarantee_scene *s, bool kept)
{
    k->n_seen++;
    k->n_wrong += kept && s->lost;
}

static void count(struct guarantee *k, const struct label_found *found)
{
    const struct moa_audit *audit = &found->audit;
    struct metrics *m = &k->gateway->metrics;
    const unsigned done = moa_adaptive_audit(k->adaptive, audit);
    if (!(done & MOA_AUDIT_COUNTED)) {
        m->audits_dropped_total[METRICS_DROP_KNOWN]++;
        return;
    }
    m->audits_counted_total++;
    if (found->has_label && k->gateway->journal)
        journal_add_label(k->gateway->journal, &(struct journal_label){.time_ms = found->time_ms,
                                                                       .id = found->id,
                                                                       .lost = audit->lost});
    uint64_t mark;
    struct guarantee_scene *s = scene_at(k, audit->scene, audit->text, &mark);
    *s = (struct guarantee_scene){mark, audit->lost};
    k->head.n_labels += found->has_label;
    see(k, s, found->kept);
    if (done & (MOA_AUDIT_ALARM | MOA_AUDIT_SMALL_ALARM))
        recall_clear(k->gateway->recall); /* nobody promises any more that they are right */
    if (done != MOA_AUDIT_COUNTED)
        look(k, "alarm");
}

static void count_due(struct guarantee *k, int64_t due_us)
{
    struct label_found found;
    while (label_next(&k->labels, due_us, &found))
        count(k, &found);
}

static int64_t due_us(const struct guarantee *k)
{
    return server_now_us() - (int64_t)(value(k, "adaptive.label_wait") * 1e6);
}

void guarantee_audit(struct guarantee *k, const struct label_audit *audit)
{
    const int64_t now_us = server_now_us();
    struct label_found oldest;
    bool waits = label_wait(&k->labels, audit, now_us);
    if (!waits && label_next(&k->labels, LABEL_ANY, &oldest)) { /* too many wait */
        count(k, &oldest);
        waits = label_wait(&k->labels, audit, now_us);
    }
    if (!waits)
        count(k, &(struct label_found){.audit = audit->audit, .kept = audit->kept});
    count_due(k, due_us(k));
}

void guarantee_judged(struct guarantee *k, const struct moa_audit *audit, bool same)
{
    label_judged(&k->labels, audit->scene, audit->text, same);
    count_due(k, due_us(k));
}

bool guarantee_waits(const struct guarantee *k, uint64_t scene, uint64_t text)
{
    return label_waits(&k->labels, scene, text);
}

bool guarantee_label(struct guarantee *k, const char *id, const char *key, const char *truth)
{
    const bool done = label_tell(&k->labels, id, key, truth);
    if (done)
        count_due(k, due_us(k));
    return done;
}

void guarantee_request(struct guarantee *k, uint64_t scene, uint64_t text, bool kept)
{
    uint64_t mark;
    const struct guarantee_scene *s = scene_at(k, scene, text, &mark);
    if (s->mark == mark)
        see(k, s, kept);
}

/* ---- engines ---- */

static void tell(struct guarantee *k, enum moa_tier tier, enum identity_source source,
                 uint64_t hash)
{
    const bool other = identity_tell(&k->head.identity, tier, source, hash, server_now_us());
    const bool had_audits = other && has_audits(guarantee_now(k));
    const bool began_again = moa_adaptive_identity(k->adaptive, k->head.identity.number);
    if (other)
        recall_clear(k->gateway->recall); /* what the engine before had said */
    if (had_audits)
        log_event(LOG_LEVEL_WARN, "engine-changed", "tier=%s by=%s", moa_tier_name(tier),
                  log_quote(identity_source_name(source)).s);
    if (began_again)
        look(k, "engine");
}

void guarantee_signed(struct guarantee *k, enum moa_tier tier,
                      const struct identity_signature *signature)
{
    if (signature->model)
        tell(k, tier, IDENTITY_MODEL, signature->model);
    if (signature->fingerprint)
        tell(k, tier, IDENTITY_FINGERPRINT, signature->fingerprint);
}

void guarantee_listed(struct guarantee *k, enum moa_tier tier, enum identity_source page,
                      uint64_t hash)
{
    if (hash)
        tell(k, tier, page, hash);
}

/* Where its engines are, and which model they are asked for. */
static uint64_t configured(const struct tier_config *t)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return 0;
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < t->urls.n; i++)
        XXH3_64bits_update(state, t->urls.items[i], strlen(t->urls.items[i]) + 1);
    XXH3_64bits_update(state, t->model, strlen(t->model));
    const uint64_t hash = XXH3_64bits_digest(state) | 1;
    XXH3_freeState(state);
    return hash;
}

/* ---- what is said once ---- */

static void say_what_leaves(struct guarantee *k)
{
    const double share = is_default(k) ? value(k, "adaptive.audit") : 0.0;
    if (share > 0.0 && share != k->said_share)
        log_event(LOG_LEVEL_INFO, "audits",
                  "share=%g leaves=%s ends_with=\"adaptive.audit: 0\" former_default=\"policy: "
                  "paper\"",
                  share,
                  log_quote("at first the cloud sees every request, then one distinct scene in "
                            "four, later this share of them, pictures too, though the edge could "
                            "answer; what is pinned never leaves")
                      .s);
    k->said_share = share;
}

void guarantee_configured(struct guarantee *k)
{
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        tell(k, (enum moa_tier)tier, IDENTITY_CONFIGURED,
             configured(&k->gateway->config->tier[tier]));
    look(k, "settings");
    say_what_leaves(k);
}

/* ---- over restarts ---- */

static void save(struct guarantee *k)
{
    struct journal *journal = k->gateway->journal;
    struct journal_kept kept = {.state = NULL};
    const size_t n = GUARANTEE_SAVED_BYTES + moa_adaptive_save_bytes(k->adaptive);
    size_t n_page;
    k->saved_changes = moa_adaptive_changes(k->adaptive);
    k->saved_us = server_now_us();
    k->is_urgent = false;
    if (!journal)
        return;
    kept.page = guarantee_json(k, &n_page);
    kept.state = malloc(n);
    if (!kept.state || !kept.page) {
        journal_kept_done(&kept); /* another time */
        return;
    }
    unsigned char *state = kept.state;
    guarantee_saved_write(&k->head, state);
    kept.n_state =
        GUARANTEE_SAVED_BYTES +
        moa_adaptive_save(k->adaptive, state + GUARANTEE_SAVED_BYTES, n - GUARANTEE_SAVED_BYTES);
    journal_keep(journal, &kept);
}

static void save_if_due(struct guarantee *k)
{
    const bool changed = moa_adaptive_changes(k->adaptive) != k->saved_changes;
    if (k->is_urgent || (changed && server_now_us() - k->saved_us >= SAVE_US))
        save(k);
}

static enum moa_err take_up(struct guarantee *k, struct moa_bytes saved)
{
    struct guarantee_saved head;
    if (guarantee_saved_read(saved, server_now_us(), &head))
        return MOA_ERR_CORRUPT;
    const struct moa_bytes state = {(const char *)saved.p + GUARANTEE_SAVED_BYTES,
                                    saved.n - GUARANTEE_SAVED_BYTES};
    const enum moa_err err = moa_adaptive_load(k->adaptive, state);
    if (!err)
        k->head = head;
    return err;
}

static void load(struct guarantee *k)
{
    struct journal_kept kept = {.state = NULL};
    char why[512] = "";
    enum moa_err err = MOA_OK;
    if (!journal_read_kept(k->gateway->config->journal_path, &kept, why, sizeof(why)) &&
        kept.n_state > 0)
        err = take_up(k, (struct moa_bytes){kept.state, kept.n_state});
    if (why[0] || err)
        log_event(LOG_LEVEL_WARN, "guarantee-ignored", "error=%s hint=%s",
                  log_quote(why[0] ? why : moa_strerror(err)).s,
                  log_quote("what was learned before is not used: all begins again").s);
    else if (kept.n_state > 0)
        log_event(LOG_LEVEL_INFO, "guarantee-loaded", "bytes=%zu", kept.n_state);
    journal_kept_done(&kept);
}

static void begin(struct guarantee *k)
{
    uint64_t key[2];
    if (getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key)) {
        const enum moa_err err = moa_adaptive_set_key(k->adaptive, key);
        assert(!err); /* it has seen nothing */
        (void)err;
    }
    if (k->gateway->journal)
        load(k);
    else if (is_default(k))
        log_event(LOG_LEVEL_WARN, "guarantee-in-memory", "hint=%s",
                  log_quote("there is no journal.path: a restart forgets what was learned").s);
}

/* ---- the timer ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct guarantee *k = arg;
    count_due(k, due_us(k));
    if (moa_adaptive_tend(k->adaptive))
        look(k, "end");
    save_if_due(k);
}

static struct moa_policy *find_policy(const struct settings *settings)
{
    for (size_t i = 0; settings->policies[i]; i++) {
        if (moa_policy_adaptive(settings->policies[i]->policy))
            return settings->policies[i]->policy;
    }
    return NULL;
}

struct guarantee *guarantee_new(struct gateway *gateway)
{
    static const struct timeval tick = {.tv_usec = TICK_US % 1000000, .tv_sec = TICK_US / 1000000};
    struct guarantee *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->gateway = gateway;
    k->policy = find_policy(gateway->settings);
    k->adaptive = moa_policy_adaptive(k->policy);
    assert(k->adaptive);
    k->now_changes = UINT64_MAX;
    begin(k);
    guarantee_configured(k);
    k->saved_changes = moa_adaptive_changes(k->adaptive);
    k->saved_us = server_now_us();
    event_assign(&k->timer, gateway->base, -1, EV_PERSIST, on_timer, k);
    event_add(&k->timer, &tick);
    return k;
}

void guarantee_free(struct guarantee *k)
{
    if (!k)
        return;
    event_del(&k->timer);
    count_due(k, LABEL_ANY);
    if (k->is_urgent || moa_adaptive_changes(k->adaptive) != k->saved_changes)
        save(k);
    labels_done(&k->labels);
    free(k);
}

/* ---- the page ---- */

uint64_t guarantee_n_engines(const struct guarantee *k)
{
    return k->head.identity.n_changes;
}

size_t guarantee_n_waiting(const struct guarantee *k)
{
    return k->labels.n;
}

char *guarantee_json(struct guarantee *k, size_t *ret_n)
{
    static const char *const befores[] = {"threshold", "cloud", "paper"};
    const struct gateway *g = k->gateway;
    const struct endpoints *edge = &g->settings->endpoints[MOA_EDGE];
    const struct guarantee_page page = {
        .promise = guarantee_now(k),
        .policy = g->config->policy,
        .before = befores[(size_t)value(k, "adaptive.before") % 3],
        .is_judged = value(k, "adaptive.long") > 0.0,
        .audit_share = value(k, "adaptive.audit"),
        .threshold = value(k, "adaptive.threshold"),
        .since_s = k->head.since_s,
        .n_labels = k->head.n_labels,
        .n_waiting = k->labels.n,
        .n_seen = k->n_seen,
        .n_wrong = k->n_wrong,
        .n_engines = k->head.identity.n_changes,
        .edge_up = endpoints_up(edge) && keeper_may_answer(g->keeper),
        .cloud_up = endpoints_up(&g->settings->endpoints[MOA_CLOUD]),
        .edge_mute = endpoints_mute(edge, server_now_us()),
        .is_kept = g->journal != NULL,
    };
    return guarantee_page_json(&page, ret_n);
}
