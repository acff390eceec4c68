/* SPDX-License-Identifier: Apache-2.0
 *
 * A program below the gateway; see child.h.
 */
#include "child.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define READ_BYTES 16384        /* of output at once, */
#define PAUSE_US 5000           /* and then nothing for so long, */
#define LAST_BYTES (1 << 20)    /* and of what is left of it at the end */
#define END_MS 2000             /* that the system may take to end what was killed */
#define OOM_SCORE "500\n"       /* it is ended before the gateway, if the memory is full */
#define CLOSE_ON_EXEC (1U << 2) /* CLOSE_RANGE_CLOEXEC, which old headers have not */
#define EXEC_STATUS_MISSING 127 /* as shells have it */
#define EXEC_STATUS_REFUSED 126

struct child {
    pid_t pid;
    int output; /* the end of the pipe that is read */
    struct event readable, pause, ended;
    const struct child_events *events;
    void *arg;
    char line[CHILD_LINE_BYTES + 1];
    size_t n;
};

/* ---- output ---- */

static void end_line(struct child *c)
{
    if (c->n == 0)
        return;
    c->line[c->n] = '\0';
    c->n = 0;
    c->events->on_line(c->line, c->arg);
}

static void take_output(struct child *c, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r' || !bytes[i])
            end_line(c);
        else if (c->n < CHILD_LINE_BYTES)
            c->line[c->n++] = bytes[i];
    }
}

/* Up to `max` bytes of what has come; how many they were. -1 at the end of it. */
static ssize_t read_output(struct child *c, size_t max)
{
    char bytes[READ_BYTES];
    size_t taken = 0;
    while (taken < max) {
        const ssize_t n = read(c->output, bytes, sizeof(bytes));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
        if (n < 0)
            break;
        take_output(c, bytes, (size_t)n);
        taken += (size_t)n;
    }
    return (ssize_t)taken;
}

/* Whoever writes without end is read with pauses, and so has to wait. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    static const struct timeval pause = {.tv_usec = PAUSE_US};
    struct child *c = arg;
    const ssize_t n = read_output(c, READ_BYTES);
    if (n >= 0 && n < READ_BYTES)
        return;
    event_del(&c->readable);
    if (n > 0)
        event_add(&c->pause, &pause);
}

static void on_paused(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct child *c = arg;
    event_add(&c->readable, NULL);
}

/* ---- the end ---- */

static void release(struct child *c)
{
    event_del(&c->readable);
    event_del(&c->pause);
    event_del(&c->ended);
    close(c->output);
    free(c);
}

/* As long as its end is not taken, its number is no other process's. */
static bool has_ended(const struct child *c)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

static void on_ended(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what;
    struct child *c = arg;
    int status = 0;
    if (!has_ended(c))
        return;
    child_signal(c, SIGKILL); /* what it has started itself */
    if (waitpid(c->pid, &status, 0) != c->pid)
        return;
    read_output(c, LAST_BYTES);
    end_line(c);
    const struct child_events *events = c->events;
    void *owner = c->arg;
    release(c);
    events->on_end(status, owner);
}

void child_free(struct child *c)
{
    if (!c)
        return;
    child_signal(c, SIGKILL);
    for (int ms = 0; ms < END_MS && waitpid(c->pid, NULL, WNOHANG) == 0; ms += 10)
        poll(NULL, 0, 10);
    release(c);
}

void child_signal(const struct child *c, int number)
{
    if (kill(-c->pid, number) != 0)
        kill(c->pid, number); /* it has no session of its own yet */
}

pid_t child_pid(const struct child *c)
{
    return c->pid;
}

void child_describe(int status, char *ret_text, size_t n)
{
    if (WIFSIGNALED(status))
        snprintf(ret_text, n, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(ret_text, n, "exit status %d", WEXITSTATUS(status));
}

/* ---- the start: between fork() and execve() only what is safe in a signal handler ---- */

static void put_error(const char *text)
{
    const ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void be_first_to_go(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    const ssize_t ignored = write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1);
    (void)ignored;
    close(fd);
}

static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void become(const struct child_program *program, int output, pid_t parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const bool has_files = getppid() == parent && dup2(nothing, STDIN_FILENO) >= 0 &&
                           dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0;
    if (!has_files)
        _exit(EXEC_STATUS_REFUSED);
    /* Every descriptor of the gateway is closed by execve() already; this is of what libraries
     * have open. Before Linux 5.11 there is no such call. */
    syscall(SYS_close_range, 3U, ~0U, CLOSE_ON_EXEC);
    be_first_to_go();
    reset_signals();
    execve(program->path, program->arguments, program->environment);
    const bool is_missing = errno == ENOENT || errno == ENOTDIR;
    put_error(is_missing ? "moaoff: the program, or its interpreter, is not there\n"
                         : "moaoff: the program cannot be executed\n");
    _exit(is_missing ? EXEC_STATUS_MISSING : EXEC_STATUS_REFUSED);
}

/* A handler of the gateway's must not run in the child. */
static pid_t fork_quietly(const struct child_program *program, int output)
{
    sigset_t all, before;
    const pid_t parent = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0)
        become(program, output, parent);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

struct child *child_start(struct event_base *base, const struct child_program *program,
                          const struct child_events *events, void *arg)
{
    int ends[2];
    struct child *c = calloc(1, sizeof(*c));
    if (!c || pipe2(ends, O_CLOEXEC)) {
        free(c);
        return NULL;
    }
    *c = (struct child){.output = ends[0], .events = events, .arg = arg};
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    event_assign(&c->readable, base, ends[0], EV_READ | EV_PERSIST, on_readable, c);
    evtimer_assign(&c->pause, base, on_paused, c);
    evsignal_assign(&c->ended, base, SIGCHLD, on_ended, c);
    const bool is_watched = event_add(&c->readable, NULL) == 0 && event_add(&c->ended, NULL) == 0;
    c->pid = is_watched ? fork_quietly(program, ends[1]) : -1;
    const int error = errno;
    close(ends[1]);
    if (c->pid > 0)
        return c;
    release(c);
    errno = error;
    return NULL;
}

/* ---- memory ---- */

/* All of a small file of /proc as text; false if it is gone. */
static bool read_page(const char *process, const char *name, char *ret_text, size_t n)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%.20s/%s", process, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, ret_text, n - 1);
    if (fd >= 0)
        close(fd);
    ret_text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The sixth value of /proc/PID/stat. The second is a name in parentheses, with anything in it. */
static long session_of(const char *process)
{
    char text[1024];
    if (!read_page(process, "stat", text, sizeof(text)))
        return -1;
    const char *at = strrchr(text, ')');
    for (int value = 3; at && value <= 6; value++)
        at = strchr(at + 1, ' ');
    return at ? strtol(at, NULL, 10) : -1;
}

static uint64_t memory_of(const char *process)
{
    static const char *const names[] = {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"};
    char text[4096];
    uint64_t kilobytes = 0;
    if (!read_page(process, "status", text, sizeof(text)))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *line = strstr(text, names[i]);
        kilobytes += line ? strtoull(line + strlen(names[i]), NULL, 10) : 0;
    }
    return kilobytes << 10;
}

uint64_t child_own_memory_bytes(const struct child *c)
{
    char process[16];
    snprintf(process, sizeof(process), "%d", (int)c->pid);
    return memory_of(process);
}

uint64_t child_memory_bytes(const struct child *c)
{
    uint64_t bytes = 0;
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    while (processes && (entry = readdir(processes))) {
        const char *name = entry->d_name;
        if (name[0] >= '1' && name[0] <= '9' && session_of(name) == c->pid)
            bytes += memory_of(name);
    }
    if (processes)
        closedir(processes);
    return bytes;
}
