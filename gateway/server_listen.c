/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets to listen on; see server_listen.h.
 */
#include "server_listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "socket_url.h"

#define BACKLOG 1024
#define FIRST_FD 3 /* sd_listen_fds(3): descriptors from here on are handed over */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

/* What a socket that listens is bound to, in words. */
static int describe(struct listening *l, bool is_tls, char *why, size_t n)
{
    union address a = {.un = {0}};
    socklen_t size = sizeof(a);
    char host[INET6_ADDRSTRLEN];
    const char *scheme = is_tls ? "https" : "http";
    if (getsockname(l->fd, &a.any, &size)) {
        snprintf(why, n, "cannot use socket %d: %s", l->fd, strerror(errno));
        return -1;
    }
    if (a.any.sa_family == AF_UNIX) {
        snprintf(l->url, sizeof(l->url), SOCKET_URL "%s", a.un.sun_path);
        l->is_local = true;
    } else if (a.any.sa_family == AF_INET) {
        snprintf(l->url, sizeof(l->url), "%s://%s:%u", scheme,
                 inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host)), ntohs(a.v4.sin_port));
        l->is_local = ntohl(a.v4.sin_addr.s_addr) >> 24 == 127;
    } else if (a.any.sa_family == AF_INET6) {
        snprintf(l->url, sizeof(l->url), "%s://[%s]:%u", scheme,
                 inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host)), ntohs(a.v6.sin6_port));
        l->is_local = IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
    } else {
        snprintf(why, n, "socket %d is of a family that HTTP is not spoken on", l->fd);
        return -1;
    }
    return 0;
}

/* ---- from systemd ---- */

/* How many sockets were handed over to this process. Children do not get them. */
static unsigned long n_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const unsigned long n =
        pid && fds && strtol(pid, NULL, 10) == (long)getpid() ? strtoul(fds, NULL, 10) : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return n;
}

static int inherit(unsigned long n_sockets, struct listening *l, char *why, size_t n)
{
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (n_sockets > 1) {
        snprintf(why, n, "systemd hands over %lu sockets; one is taken", n_sockets);
        return -1;
    }
    if (getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens ||
        fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) || fcntl(FIRST_FD, F_SETFL, O_NONBLOCK)) {
        snprintf(why, n, "what systemd hands over is no socket that listens (Accept=no)");
        return -1;
    }
    l->fd = FIRST_FD;
    l->is_inherited = true;
    return 0;
}

/* ---- our own ---- */

/* Takes `fd`. */
static int begin(int fd, const union address *address, socklen_t size, const char *name, char *why,
                 size_t n)
{
    if (fd >= 0 && bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    snprintf(why, n, "cannot listen on %s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What a process that was killed has left behind; a socket on which somebody listens stays. */
static int remove_stale(const union address *address, char *why, size_t n)
{
    struct stat at;
    const char *path = address->un.sun_path;
    if (lstat(path, &at))
        return 0;
    const int fd = S_ISSOCK(at.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    const bool is_dead =
        fd >= 0 && connect(fd, &address->any, sizeof(address->un)) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (is_dead && unlink(path) == 0)
        return 0;
    snprintf(why, n, "%s is there already%s", path,
             S_ISSOCK(at.st_mode) ? ", and somebody listens on it" : ", and is no socket");
    return -1;
}

static int open_unix(const char *path, struct listening *l, char *why, size_t n)
{
    union address a = {.un = {.sun_family = AF_UNIX}};
    snprintf(a.un.sun_path, sizeof(a.un.sun_path), "%s", path);
    if (remove_stale(&a, why, n))
        return -1;
    /* For its owner and group: who may connect is for the folder and them to say. */
    const mode_t before = umask(0117);
    l->fd = begin(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), &a, sizeof(a.un),
                  path, why, n);
    umask(before);
    if (l->fd >= 0)
        snprintf(l->path, sizeof(l->path), "%s", path);
    return l->fd < 0 ? -1 : 0;
}

static int open_tcp(const char *host, uint16_t port, struct listening *l, char *why, size_t n)
{
    char service[8], name[300];
    snprintf(service, sizeof(service), "%u", port);
    snprintf(name, sizeof(name), "%s port %u", host, port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    const int err = getaddrinfo(host, service, &hints, &found);
    if (err) {
        snprintf(why, n, "cannot resolve \"%s\": %s", host, gai_strerror(err));
        return -1;
    }
    union address a = {.un = {0}};
    const socklen_t size = found->ai_addrlen;
    memcpy(&a, found->ai_addr, size);
    freeaddrinfo(found);
    const int one = 1;
    const int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    l->fd = begin(fd, &a, size, name, why, n);
    return l->fd < 0 ? -1 : 0;
}

int listen_open(const char *host, uint16_t port, bool is_tls, struct listening *ret_listening,
                char *why, size_t n)
{
    struct listening l = {.fd = -1};
    const unsigned long n_sockets = n_inherited();
    const size_t prefix = sizeof(SOCKET_URL) - 1;
    const int err = n_sockets > 0                            ? inherit(n_sockets, &l, why, n)
                    : strncmp(host, SOCKET_URL, prefix) == 0 ? open_unix(host + prefix, &l, why, n)
                                                             : open_tcp(host, port, &l, why, n);
    if (err || describe(&l, is_tls, why, n)) {
        if (!err)
            listen_close(&l);
        return -1;
    }
    *ret_listening = l;
    return 0;
}

void listen_close(struct listening *l)
{
    if (l->path[0])
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct listening){.fd = -1};
}
