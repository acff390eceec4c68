/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl, and TCP's counters while a question is under way; see doctor_ask.h.
 */
#include "doctor_ask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "address.h"
#include "socket_url.h"

#define ANSWER_BYTES_MAX (4 << 20)
#define LOOK_MS 2                   /* between two looks at the counters */
#define UPLINK_BYTES_MIN (64 << 10) /* acknowledged between the first look and the last */

struct asking {
    CURL *easy;
    struct doctor_answer *answer;
    int fd; /* of the connection; -1: none yet */
    bool is_near, counts_near;
    uint64_t first_acked, last_acked;
    double first_s, last_s;
    char why[CURL_ERROR_SIZE];
};

/* libcurl tells the socket of a transfer only when that is over. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    ((struct asking *)arg)->fd = fd;
    return CURL_SOCKOPT_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct asking *a = arg;
    return buffer_add(&a->answer->body, p, size * n) ? 0 : size * n;
}

/* The value of a header line, if it is of that name. */
static void take_header(const char *line, size_t n, const char *name, char *ret_value, size_t room)
{
    const size_t length = strlen(name);
    if (n <= length || strncasecmp(line, name, length) != 0)
        return;
    line += length;
    n -= length;
    while (n > 0 && (*line == ' ' || *line == '\t'))
        line++, n--;
    while (n > 0 && (unsigned char)line[n - 1] <= ' ')
        n--;
    snprintf(ret_value, room, "%.*s", (int)n, line);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct doctor_answer *answer = ((struct asking *)arg)->answer;
    take_header(p, size * n, "location:", answer->location, sizeof(answer->location));
    take_header(p, size * n, "content-type:", answer->content_type, sizeof(answer->content_type));
    take_header(p, size * n, "server:", answer->server, sizeof(answer->server));
    return size * n;
}

/* Notes while the connection stands whether it leaves this machine and its networks. */
static void note_peer(struct asking *a)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof(peer);
    a->is_near = getpeername(a->fd, (struct sockaddr *)&peer, &n) != 0 ||
                 address_is_near((const struct sockaddr *)&peer);
}

/* What the other end has acknowledged so far, and when: never how fast the kernel took it. */
static void look(struct asking *a)
{
    struct tcp_info info;
    socklen_t n = sizeof(info);
    if (a->fd < 0 || getsockopt(a->fd, IPPROTO_TCP, TCP_INFO, &info, &n) ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) || info.tcpi_bytes_acked < 2)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double now_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (a->first_s == 0.0) {
        note_peer(a);
        a->first_s = now_s;
        a->first_acked = info.tcpi_bytes_acked;
    } else if (info.tcpi_bytes_acked > a->last_acked) {
        a->last_s = now_s;
        a->last_acked = info.tcpi_bytes_acked;
    }
}

static double uplink_of(const struct asking *a)
{
    const uint64_t n = a->last_acked > a->first_acked ? a->last_acked - a->first_acked : 0;
    if (n < UPLINK_BYTES_MIN || a->last_s <= a->first_s || (a->is_near && !a->counts_near))
        return NAN;
    return 8e-6 * (double)n / (a->last_s - a->first_s);
}

static CURLcode perform(struct asking *a)
{
    CURLM *multi = curl_multi_init();
    int running = 1;
    CURLcode result = CURLE_OUT_OF_MEMORY;
    if (!multi)
        return result;
    curl_multi_add_handle(multi, a->easy);
    while (running && curl_multi_perform(multi, &running) == CURLM_OK && running) {
        look(a);
        curl_multi_poll(multi, NULL, 0, LOOK_MS, NULL);
    }
    int left;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    if (message && message->msg == CURLMSG_DONE)
        result = message->data.result;
    curl_multi_remove_handle(multi, a->easy);
    curl_multi_cleanup(multi);
    return result;
}

static CURLcode set_url(CURL *easy, const char *text)
{
    struct socket_url socket;
    char url[2048];
    if (socket_url_read(text, &socket))
        return curl_easy_setopt(easy, CURLOPT_URL, text);
    snprintf(url, sizeof(url), "http://localhost%s", socket.rest);
    const CURLcode err = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket.path);
    return err ? err : curl_easy_setopt(easy, CURLOPT_URL, url);
}

static CURLcode set_options(struct asking *a, const struct doctor_question *q,
                            struct curl_slist *headers, const struct buffer *body)
{
    CURLcode err = CURLE_OK;
#define SET(option, value) err = err ? err : curl_easy_setopt(a->easy, option, value)
    err = set_url(a->easy, q->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "moaoff/" MOA_VERSION);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)q->tier->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, q->timeout_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, a->why);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_SOCKOPTDATA, a);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, a);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, a);
    if (q->direct)
        SET(CURLOPT_PROXY, "");
    if (q->tier->ca_file[0])
        SET(CURLOPT_CAINFO, q->tier->ca_file);
    if (body->n > 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
        SET(CURLOPT_POSTFIELDS, body->p);
    }
#undef SET
    return err;
}

/* Behind those that are there, which are freed if there is no memory: NULL then. */
static struct curl_slist *add_key(struct curl_slist *headers, const char *name, const char *secret)
{
    char *key = NULL;
    struct curl_slist *longer =
        asprintf(&key, "%s%s", name, secret) > 0 ? curl_slist_append(headers, key) : NULL;
    if (!longer)
        curl_slist_free_all(headers);
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    return longer;
}

/* NULL if out of memory. */
static struct curl_slist *headers_of(const struct doctor_question *q)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    const char *secret = q->tier->api_key;
    char name[64];
    if (headers && secret[0] && !q->no_bearer)
        headers = add_key(headers, "Authorization: Bearer ", secret);
    if (headers && secret[0] && q->key_header) {
        snprintf(name, sizeof(name), "%s: ", q->key_header);
        headers = add_key(headers, name, secret);
    }
    return headers;
}

static int write_body(struct buffer *body, const struct doctor_question *q)
{
    if (!q->json)
        return 0;
    const size_t n = strlen(q->json);
    *body = buffer_of(n + q->n_padding);
    if (buffer_reserve(body, n + q->n_padding) || buffer_add(body, q->json, n))
        return -1;
    memset(body->p + body->n, ' ', q->n_padding);
    buffer_added(body, q->n_padding);
    return 0;
}

void doctor_ask(const struct doctor_question *q, struct doctor_answer *ret_answer)
{
    struct doctor_answer *answer = ret_answer;
    *answer = (struct doctor_answer){.body = buffer_of(ANSWER_BYTES_MAX), .uplink_mbps = NAN};
    struct asking a = {.easy = curl_easy_init(),
                       .answer = answer,
                       .fd = -1,
                       .counts_near = q->tier->uplink_near != 0};
    struct curl_slist *headers = headers_of(q);
    struct buffer body = {0};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (a.easy && headers && !write_body(&body, q))
        code = set_options(&a, q, headers, &body);
    if (code == CURLE_OK)
        code = perform(&a);
    if (code == CURLE_OK) {
        curl_off_t took_us = 0;
        curl_easy_getinfo(a.easy, CURLINFO_RESPONSE_CODE, &answer->status);
        curl_easy_getinfo(a.easy, CURLINFO_TOTAL_TIME_T, &took_us);
        answer->took_ms = (double)took_us / 1000.0;
        answer->uplink_mbps = uplink_of(&a);
    } else {
        snprintf(answer->why, sizeof(answer->why), "%s",
                 a.why[0] ? a.why : curl_easy_strerror(code));
    }
    curl_easy_cleanup(a.easy);
    curl_slist_free_all(headers);
    buffer_done(&body);
}

void doctor_answer_done(struct doctor_answer *answer)
{
    buffer_done(&answer->body);
}
