/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to a NATS server by libnats; see fleet_wire.h. Of libnats only its core is used:
 * connect, publish, subscribe, request. What JetStream wants to be asked is JSON, in
 * fleet_stream.c. libnats would connect again by itself and keep what was published meanwhile; it
 * is told not to, so that there is one place that knows what was sent and what was not.
 */
#include "fleet_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <nats/nats.h>

#define PING_MS 15000 /* a server that says nothing for three of these is gone */
#define PINGS_OUT 2
#define WRITE_MS 10000
#define PENDING_MESSAGES 4096
#define HOST_BYTES 256

struct fleet_wire {
    natsConnection *connection;
    natsSubscription *inbox;
    char address[FLEET_SUBJECT_BYTES]; /* of the inbox, up to its last dot */
    natsMsg *last;                     /* of the answer or message that was handed out last */
    char complaint[256];
};

bool fleet_wire_is_built(void)
{
    return true;
}

/* ---- connecting ---- */

/* The host of "nats://user:password@host:port" or of "[::1]:port", without brackets. */
static void host_of(const char *url, char *ret_host, size_t n)
{
    const char *at = strstr(url, "://");
    const char *host = at ? at + 3 : url;
    const char *user_end = strrchr(host, '@');
    host = user_end ? user_end + 1 : host;
    const bool is_bracketed = host[0] == '[';
    host += is_bracketed;
    const size_t length = is_bracketed ? strcspn(host, "]") : strcspn(host, ":/");
    snprintf(ret_host, n, "%.*s", (int)(length < n ? length : n - 1), host);
}

static natsStatus set_tls(natsOptions *options, const struct fleet_access *a, const char *url)
{
    char host[HOST_BYTES];
    const bool is_tls = strncmp(url, "tls://", 6) == 0 || a->ca_file[0] || a->tls_certificate[0];
    if (!is_tls)
        return NATS_OK;
    host_of(url, host, sizeof(host));
    natsStatus s = natsOptions_SetSecure(options, true);
    if (!s && a->ca_file[0])
        s = natsOptions_LoadCATrustedCertificates(options, a->ca_file);
    if (!s && a->tls_certificate[0])
        s = natsOptions_LoadCertificatesChain(options, a->tls_certificate, a->tls_key);
    return s ? s : natsOptions_SetExpectedHostname(options, host);
}

static natsStatus set_user(natsOptions *options, const struct fleet_access *a)
{
    if (a->credentials[0])
        return natsOptions_SetUserCredentialsFromFiles(options, a->credentials, NULL);
    return a->nkey[0] ? natsOptions_SetNKeyFromSeed(options, a->nkey, a->nkey_seed) : NATS_OK;
}

static natsStatus set_options(natsOptions *options, const struct fleet_access *a, const char *url,
                              int64_t timeout_ms)
{
    natsStatus s = natsOptions_SetURL(options, url);
    s = s ? s : natsOptions_SetName(options, a->name);
    s = s ? s : natsOptions_SetTimeout(options, timeout_ms);
    s = s ? s : natsOptions_SetAllowReconnect(options, false);
    s = s ? s : natsOptions_SetIgnoreDiscoveredServers(options, true);
    s = s ? s : natsOptions_SetPingInterval(options, PING_MS);
    s = s ? s : natsOptions_SetMaxPingsOut(options, PINGS_OUT);
    s = s ? s : natsOptions_SetWriteDeadline(options, WRITE_MS);
    s = s ? s : natsOptions_SetMaxPendingMsgs(options, PENDING_MESSAGES);
    s = s ? s : natsOptions_SetNoEcho(options, true);
    s = s ? s : set_tls(options, a, url);
    return s ? s : set_user(options, a);
}

/* What libnats says of it may have the URL in it, and so a password. */
static void say_why(natsStatus status, const char *url, char *why, size_t n)
{
    char host[HOST_BYTES];
    host_of(url, host, sizeof(host));
    snprintf(why, n, "%s: %s", host, natsStatus_GetText(status));
}

static int connect_to(struct fleet_wire *w, const struct fleet_access *a, const char *url,
                      int64_t timeout_ms, char *why, size_t n)
{
    natsOptions *options = NULL;
    natsInbox *inbox = NULL;
    natsStatus s = natsOptions_Create(&options);
    s = s ? s : set_options(options, a, url, timeout_ms);
    s = s ? s : natsConnection_Connect(&w->connection, options);
    s = s ? s : natsInbox_Create(&inbox);
    if (!s) {
        char all[FLEET_SUBJECT_BYTES + 2];
        snprintf(w->address, sizeof(w->address), "%s", (const char *)inbox);
        snprintf(all, sizeof(all), "%s.*", w->address);
        s = natsConnection_SubscribeSync(&w->inbox, w->connection, all);
    }
    natsInbox_Destroy(inbox);
    natsOptions_Destroy(options);
    if (!s)
        return 0;
    say_why(s, url, why, n);
    natsConnection_Destroy(w->connection);
    w->connection = NULL;
    return -1;
}

/* Splits `text`, which is changed, at its commas. */
static size_t split(char *text, char *ret_urls[FLEET_SERVERS_MAX])
{
    size_t n = 0;
    char *rest = text, *url;
    while (n < FLEET_SERVERS_MAX && (url = strsep(&rest, ","))) {
        url += strspn(url, " ");
        url[strcspn(url, " ")] = '\0';
        if (url[0])
            ret_urls[n++] = url;
    }
    return n;
}

int fleet_wire_connect(const struct fleet_access *access, int64_t timeout_ms,
                       struct fleet_wire **ret_wire, char *why, size_t n)
{
    char *urls[FLEET_SERVERS_MAX], *text = strdup(access->servers);
    struct fleet_wire *w = calloc(1, sizeof(*w));
    const size_t n_urls = text ? split(text, urls) : 0;
    unsigned first = 0;
    ssize_t ignored = getrandom(&first, sizeof(first), GRND_NONBLOCK);
    (void)ignored;
    snprintf(why, n, w && text ? "no server is named" : "out of memory");
    int result = -1;
    for (size_t i = 0; w && i < n_urls && result; i++)
        result = connect_to(w, access, urls[(first + i) % n_urls], timeout_ms, why, n);
    free(text);
    if (result)
        free(w);
    else
        *ret_wire = w;
    return result;
}

void fleet_wire_free(struct fleet_wire *w)
{
    if (!w)
        return;
    natsMsg_Destroy(w->last);
    natsSubscription_Destroy(w->inbox);
    natsConnection_Destroy(w->connection);
    free(w);
}

void fleet_wire_forget(void)
{
    nats_ReleaseThreadMemory();
    nats_CloseAndWait(1000);
}

bool fleet_wire_is_up(const struct fleet_wire *w)
{
    return natsConnection_Status(w->connection) == NATS_CONN_STATUS_CONNECTED;
}

const char *fleet_wire_complaint(const struct fleet_wire *wire)
{
    struct fleet_wire *w = (struct fleet_wire *)wire;
    const char *words = NULL;
    if (natsConnection_GetLastError(w->connection, &words) && words)
        snprintf(w->complaint, sizeof(w->complaint), "%s", words);
    return w->complaint;
}

/* ---- asking, saying, hearing ---- */

static void keep(struct fleet_wire *w, natsMsg *message)
{
    natsMsg_Destroy(w->last);
    w->last = message;
}

static struct moa_bytes data_of(const natsMsg *message)
{
    const int n = natsMsg_GetDataLength(message);
    return (struct moa_bytes){natsMsg_GetData(message), n > 0 ? (size_t)n : 0};
}

int fleet_wire_ask(struct fleet_wire *w, const char *subject, const char *question,
                   int64_t timeout_ms, struct moa_bytes *ret_answer, char *why, size_t n)
{
    natsMsg *answer = NULL;
    const natsStatus s =
        natsConnection_RequestString(&answer, w->connection, subject, question, timeout_ms);
    if (s) {
        const char *complaint = fleet_wire_complaint(w);
        snprintf(why, n, "%s", complaint[0] ? complaint : natsStatus_GetText(s));
        return -1;
    }
    keep(w, answer);
    *ret_answer = data_of(answer);
    return 0;
}

void fleet_wire_address(const struct fleet_wire *w, int64_t tag,
                        char ret_subject[FLEET_SUBJECT_BYTES])
{
    snprintf(ret_subject, FLEET_SUBJECT_BYTES, "%.200s.%lld", w->address, (long long)tag);
}

int fleet_wire_publish(struct fleet_wire *w, const char *subject, const char *id, int64_t tag,
                       struct moa_bytes data, size_t *ret_bytes)
{
    char reply[FLEET_SUBJECT_BYTES];
    natsMsg *message = NULL;
    fleet_wire_address(w, tag, reply);
    natsStatus s = natsMsg_Create(&message, subject, reply, data.p, (int)data.n);
    if (!s && id)
        s = natsMsgHeader_Set(message, "Nats-Msg-Id", id);
    s = s ? s : natsConnection_PublishMsg(w->connection, message);
    natsMsg_Destroy(message);
    /* "HPUB subject reply 00 000", a header of two lines, and what ends each of them. */
    *ret_bytes = strlen(subject) + strlen(reply) + data.n + 16 + (id ? strlen(id) + 30 : 0);
    return s ? -1 : 0;
}

int fleet_wire_say(struct fleet_wire *w, const char *subject, struct moa_bytes data)
{
    return natsConnection_Publish(w->connection, subject, data.p, (int)data.n) ? -1 : 0;
}

static int64_t tag_of(const struct fleet_wire *w, const char *subject)
{
    const size_t n = strlen(w->address);
    char *end;
    if (strncmp(subject, w->address, n) != 0 || subject[n] != '.')
        return -1;
    const long long tag = strtoll(subject + n + 1, &end, 10);
    return *end || tag < 0 ? -1 : tag;
}

int fleet_wire_hear(struct fleet_wire *w, int64_t timeout_ms, struct fleet_heard *ret_heard)
{
    natsMsg *message = NULL;
    const natsStatus s = natsSubscription_NextMsg(&message, w->inbox, timeout_ms);
    if (s == NATS_NO_RESPONDERS) { /* libnats keeps to itself whose answer that is */
        *ret_heard = (struct fleet_heard){.tag = -1, .subject = "", .reply = "", .status = 503};
        return 1;
    }
    if (s == NATS_TIMEOUT || s == NATS_SLOW_CONSUMER)
        return fleet_wire_is_up(w) ? 0 : -1;
    if (s)
        return -1;
    keep(w, message);
    const char *status = NULL, *reply = natsMsg_GetReply(message);
    *ret_heard = (struct fleet_heard){.tag = tag_of(w, natsMsg_GetSubject(message)),
                                      .subject = natsMsg_GetSubject(message),
                                      .reply = reply ? reply : "",
                                      .data = data_of(message)};
    if (ret_heard->data.n == 0 && !natsMsgHeader_Get(message, "Status", &status) && status)
        ret_heard->status = (int)strtol(status, NULL, 10);
    if (ret_heard->data.n > FLEET_MESSAGE_BYTES_MAX)
        ret_heard->data.n = 0;
    return 1;
}
