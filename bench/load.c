/* SPDX-License-Identifier: Apache-2.0
 *
 * A load generator for bench/: sends one body again and again over kept connections, each with one
 * request at a time, and prints one JSON line of what came back. Can write a different number into
 * every body (-v, -f), so that no two are alike; counts the events of streamed answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define READ_BYTES 65536
#define EVENTS_PER_WAIT 256
#define DIGITS 8

struct connection {
    int fd;
    bool writing; /* epoll waits for room, too */
    bool begun;   /* the head of the answer is here */
    bool over;    /* the answer is complete */
    char digits[DIGITS + 1];
    size_t sent;
    int64_t start_us;
    unsigned n_events;
    llhttp_t parser;
};

static struct {
    /* what to send */
    struct sockaddr_in to;
    char *head, *body;
    size_t head_n, body_n;
    size_t vary_at; /* where the digits stand in the body; 0: nowhere */
    size_t first;   /* the number in the first body */
    /* how often */
    size_t n_requests, n_connections;
    int64_t deadline_us;
    /* state and results */
    int epoll;
    llhttp_settings_t settings;
    size_t n_started, n_over, n_ok, n_open;
    size_t open_max; /* answers begun and not over, at most at once */
    unsigned events_min;
    int64_t *latencies_us; /* of the good ones */
} load;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- answers ---- */

static int on_headers_complete(llhttp_t *parser)
{
    struct connection *c = parser->data;
    c->begun = true;
    if (++load.n_open > load.open_max)
        load.open_max = load.n_open;
    return 0;
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    struct connection *c = parser->data;
    for (const char *end = p + n; (p = memmem(p, (size_t)(end - p), "data:", 5)); p += 5)
        c->n_events++;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct connection *c = parser->data;
    c->over = true;
    return HPE_PAUSED;
}

/* ---- connections ---- */

static void start_request(struct connection *c);

static void watch(struct connection *c, int how, bool writing)
{
    struct epoll_event wanted = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(load.epoll, how, c->fd, &wanted))
        die("epoll_ctl");
    c->writing = writing;
}

static void open_connection(struct connection *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&load.to, sizeof(load.to)) && errno != EINPROGRESS)
        die("connect");
    watch(c, EPOLL_CTL_ADD, true);
}

static void close_connection(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
}

/* What is left to send, as one write. */
static void send_more(struct connection *c)
{
    size_t split = load.vary_at ? load.vary_at : load.body_n;
    size_t digits = load.vary_at ? DIGITS : 0;
    struct iovec pieces[] = {{load.head, load.head_n},
                             {load.body, split},
                             {c->digits, digits},
                             {load.body + split + digits, load.body_n - split - digits}};
    size_t skip = c->sent;
    for (size_t i = 0; i < 4; i++) {
        size_t n = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;
        pieces[i].iov_base = (char *)pieces[i].iov_base + n;
        pieces[i].iov_len -= n;
        skip -= n;
    }
    ssize_t n = writev(c->fd, pieces, 4);
    if (n > 0)
        c->sent += (size_t)n;
    /* A broken connection shows when it is read. */
    bool more = c->sent < load.head_n + load.body_n && (n > 0 || errno == EAGAIN);
    if (more != c->writing)
        watch(c, EPOLL_CTL_MOD, more);
}

static void request_over(struct connection *c, bool whole)
{
    load.n_over++;
    if (c->begun)
        load.n_open--;
    if (whole && c->parser.status_code == 200) {
        load.latencies_us[load.n_ok++] = now_us() - c->start_us;
        if (c->n_events < load.events_min)
            load.events_min = c->n_events;
    }
    if (!whole || !llhttp_should_keep_alive(&c->parser))
        close_connection(c);
    if (load.n_started < load.n_requests)
        start_request(c);
    else if (c->fd >= 0)
        close_connection(c);
}

static void start_request(struct connection *c)
{
    snprintf(c->digits, sizeof(c->digits), "%0*zu", DIGITS,
             (load.first + load.n_started) % 100000000);
    load.n_started++;
    llhttp_init(&c->parser, HTTP_RESPONSE, &load.settings);
    c->parser.data = c;
    c->begun = c->over = false;
    c->n_events = 0;
    c->sent = 0;
    c->start_us = now_us();
    if (c->fd < 0)
        open_connection(c);
    else
        send_more(c);
}

static void on_readable(struct connection *c)
{
    static char scratch[READ_BYTES];
    ssize_t n = recv(c->fd, scratch, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        llhttp_finish(&c->parser); /* an answer may end with its connection */
        request_over(c, c->over);
        return;
    }
    llhttp_errno_t err = llhttp_execute(&c->parser, scratch, (size_t)n);
    if (c->over || err != HPE_OK)
        request_over(c, c->over);
}

static void run(void)
{
    struct connection *connections = calloc(load.n_connections, sizeof(*connections));
    if (!connections)
        die("memory");
    for (size_t i = 0; i < load.n_connections; i++) {
        connections[i].fd = -1;
        start_request(&connections[i]);
    }
    struct epoll_event events[EVENTS_PER_WAIT];
    while (load.n_over < load.n_requests && now_us() < load.deadline_us) {
        int n = epoll_wait(load.epoll, events, EVENTS_PER_WAIT, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_more(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(c);
        }
    }
    free(connections);
}

/* ---- the two ends ---- */

static void read_body(const char *path)
{
    FILE *in = fopen(path, "rb");
    struct stat stat;
    if (!in || fstat(fileno(in), &stat))
        die(path);
    load.body_n = (size_t)stat.st_size;
    load.body = malloc(load.body_n + 1);
    if (!load.body || fread(load.body, 1, load.body_n, in) != load.body_n)
        die(path);
    fclose(in);
}

static void write_head(uint16_t port, const char *path, const char *key, const char *headers)
{
    int n = asprintf(&load.head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                     "Authorization: Bearer %s\r\nContent-Length: %zu\r\n%s\r\n",
                     path, port, key, load.body_n, headers);
    if (n < 0)
        die("memory");
    load.head_n = (size_t)n;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t percentile(unsigned percent)
{
    return load.n_ok ? load.latencies_us[(load.n_ok - 1) * percent / 100] : 0;
}

static void print_results(int64_t started_us)
{
    qsort(load.latencies_us, load.n_ok, sizeof(int64_t), ascending);
    printf("{\"requests\":%zu,\"ok\":%zu,\"seconds\":%.3f,\"p50_us\":%lld,\"p95_us\":%lld,"
           "\"open_max\":%zu,\"events_min\":%u}\n",
           load.n_requests, load.n_ok, (double)(now_us() - started_us) / 1e6,
           (long long)percentile(50), (long long)percentile(95), load.open_max,
           load.n_ok ? load.events_min : 0);
}

static int usage(void)
{
    fprintf(stderr, "usage: bench-load [-c CONNECTIONS] [-n REQUESTS] [-t SECONDS] [-v OFFSET]\n"
                    "                  [-k KEY] [-H 'NAME: VALUE'] PORT PATH BODYFILE\n"
                    "-v: count in the eight digits at this offset of the body, from -f on\n");
    return 2;
}

int main(int argc, char **argv)
{
    char *headers = strdup("");
    const char *key = "local";
    long seconds = 60;
    load.n_requests = load.n_connections = 1;
    for (int option; (option = getopt(argc, argv, "c:n:t:v:f:k:H:")) != -1;) {
        char *longer;
        if (option == 'c') {
            load.n_connections = strtoul(optarg, NULL, 10);
        } else if (option == 'n') {
            load.n_requests = strtoul(optarg, NULL, 10);
        } else if (option == 't') {
            seconds = strtol(optarg, NULL, 10);
        } else if (option == 'v') {
            load.vary_at = strtoul(optarg, NULL, 10);
        } else if (option == 'f') {
            load.first = strtoul(optarg, NULL, 10);
        } else if (option == 'k') {
            key = optarg;
        } else if (option == 'H' && asprintf(&longer, "%s%s\r\n", headers, optarg) > 0) {
            free(headers);
            headers = longer;
        } else {
            return usage();
        }
    }
    if (argc - optind != 3 || load.n_connections == 0)
        return usage();
    if (load.n_connections > load.n_requests)
        load.n_connections = load.n_requests;

    uint16_t port = (uint16_t)strtoul(argv[optind], NULL, 10);
    read_body(argv[optind + 2]);
    write_head(port, argv[optind + 1], key, headers);
    if (load.vary_at + DIGITS > load.body_n)
        return usage();
    load.to = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    llhttp_settings_init(&load.settings);
    load.settings.on_headers_complete = on_headers_complete;
    load.settings.on_body = on_body;
    load.settings.on_message_complete = on_message_complete;
    load.events_min = UINT32_MAX;
    load.latencies_us = calloc(load.n_requests, sizeof(int64_t));
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.latencies_us || load.epoll < 0)
        die("start");
    int64_t started_us = now_us();
    load.deadline_us = started_us + seconds * 1000000;
    run();
    print_results(started_us);
    free(load.latencies_us);
    free(load.head);
    free(load.body);
    free(headers);
    return load.n_ok == load.n_requests ? 0 : 1;
}
