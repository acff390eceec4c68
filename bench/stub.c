/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine that costs next to nothing: reads requests, drops their bodies, answers with a fixed
 * OpenAI JSON, at once or after a delay, or with a stream of events at a fixed interval. For bench/
 * only; it must not become the thing that is measured.
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
#include <time.h>
#include <unistd.h>

#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define READ_BYTES (256 << 10)
#define EVENTS_PER_WAIT 256

struct connection {
    int fd; /* -1: closed, but still in the queue */
    bool queued;
    unsigned n_sent; /* events of the current answer */
    int64_t due_us;
    struct connection *next;
    llhttp_t parser;
};

/* All answers wait equally long, so a queue in order of arrival is a queue in order of time. */
static struct {
    int epoll;
    llhttp_settings_t settings;
    int64_t wait_us;
    unsigned n_events; /* 0: the answer is one JSON object */
    struct connection *first, *last;
    char scratch[READ_BYTES];
} stub;

static const char completion[] =
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":"
    "\"stub\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A bridge over a "
    "river in the evening.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":700,"
    "\"completion_tokens\":8,\"total_tokens\":708}}";

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
static const char event[] =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
    "\"model\":\"stub\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"
    "\"finish_reason\":null}]}\n\n";
static const char last_event[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void drop(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (!c->queued)
        free(c);
}

static void enqueue(struct connection *c)
{
    c->queued = true;
    c->due_us = now_us() + stub.wait_us;
    c->next = NULL;
    if (stub.last)
        stub.last->next = c;
    else
        stub.first = c;
    stub.last = c;
}

/* Answers are small: a peer that does not take one at once is not worth waiting for. */
static bool send_all(const struct connection *c, const char *p, size_t n)
{
    return send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static bool send_event(struct connection *c)
{
    char chunk[sizeof(event) + 16];
    if (c->n_sent == 0 && !send_all(c, stream_head, sizeof(stream_head) - 1))
        return false;
    if (c->n_sent == stub.n_events)
        return send_all(c, last_event, sizeof(last_event) - 1);
    int n = snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", sizeof(event) - 1, event);
    return send_all(c, chunk, (size_t)n);
}

static bool send_completion(const struct connection *c)
{
    char whole[sizeof(completion) + 128];
    int n = snprintf(whole, sizeof(whole),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     sizeof(completion) - 1, completion);
    return send_all(c, whole, (size_t)n);
}

static void answer(struct connection *c)
{
    bool sent = stub.n_events ? send_event(c) : send_completion(c);
    if (!sent) {
        drop(c);
        return;
    }
    bool over = c->n_sent == stub.n_events;
    c->n_sent = over ? 0 : c->n_sent + 1;
    if (!over)
        enqueue(c);
}

static void answer_due(void)
{
    int64_t now = now_us();
    while (stub.first && stub.first->due_us <= now) {
        struct connection *c = stub.first;
        stub.first = c->next;
        if (!stub.first)
            stub.last = NULL;
        c->queued = false;
        if (c->fd < 0)
            drop(c);
        else
            answer(c);
    }
}

static int on_message_complete(llhttp_t *parser)
{
    struct connection *c = parser->data;
    if (c->queued)
        return -1; /* nobody here pipelines */
    enqueue(c);
    return 0;
}

static void on_readable(struct connection *c)
{
    ssize_t n = recv(c->fd, stub.scratch, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || llhttp_execute(&c->parser, stub.scratch, (size_t)n) != HPE_OK)
        drop(c);
}

static void on_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        if (fd >= 0)
            close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->fd = fd;
    llhttp_init(&c->parser, HTTP_REQUEST, &stub.settings);
    c->parser.data = c;
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(stub.epoll, EPOLL_CTL_ADD, fd, &wanted))
        drop(c);
}

static int wait_ms(void)
{
    if (!stub.first)
        return -1;
    int64_t left = stub.first->due_us - now_us();
    return left > 0 ? (int)((left + 999) / 1000) : 0;
}

static void serve(int listener)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(stub.epoll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int n = epoll_wait(stub.epoll, events, EVENTS_PER_WAIT, wait_ms());
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                on_accept(listener);
        }
        answer_due();
    }
}

static int listen_on_loopback(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, n) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&address, &n))
        return -1;
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "e:w:")) != -1;) {
        if (option == 'e')
            stub.n_events = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'w')
            stub.wait_us = strtol(optarg, NULL, 10) * 1000;
        else
            return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "usage: bench-stub [-e EVENTS] [-w MS before an answer or event]\n");
        return 2;
    }
    llhttp_settings_init(&stub.settings);
    stub.settings.on_message_complete = on_message_complete;
    stub.epoll = epoll_create1(EPOLL_CLOEXEC);
    uint16_t port;
    int listener = listen_on_loopback(&port);
    if (stub.epoll < 0 || listener < 0) {
        perror("bench-stub");
        return 1;
    }
    printf("%u\n", port);
    fflush(stdout);
    serve(listener);
}
