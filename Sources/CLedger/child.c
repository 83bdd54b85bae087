#include "book.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>


typedef struct plan {
    const char *path;
    char *const *arguments;
    char *const *environment;
    int input, output, errors;
    pid_t parent;
} plan;

/* Runs in the child, on the parent's memory (vfork): only system calls, nothing is written but the
 * stack. */
static int become(const plan *p) {
    /* The kernel's struct sigaction, all zero: glibc's function would refuse the two signals that
     * it keeps for itself. */
    static const uint64_t plain[4];
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, plain, NULL, sizeof(uint64_t));
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (getppid() != p->parent) return ESRCH;
    if (setpgid(0, 0) != 0) return errno;
    if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) != 0) return errno;
    /* The three lie above 2: ledger_spawn saw to it. */
    if (dup2(p->input, 0) < 0 || dup2(p->output, 1) < 0 || dup2(p->errors, 2) < 0) return errno;
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return errno;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(p->path, p->arguments, p->environment);
    return errno;
}

/* The descriptor, or a copy of it above the standard three. */
static int above_standard(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return high;
}

static int pipe_above_standard(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return errno;
    }
    ends[0] = above_standard(ends[0]);
    ends[1] = above_standard(ends[1]);
    return ends[0] < 0 || ends[1] < 0 ? errno : 0;
}

static void close_if_open(int fd) {
    if (fd >= 0) close(fd);
}

/* What stdin is to be; the other end of a socket goes to *other. */
static int open_input(int takes_input, int *other) {
    if (!takes_input) return above_standard(open("/dev/null", O_RDONLY | O_CLOEXEC));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
    *other = above_standard(ends[1]);
    return above_standard(ends[0]);
}

int ledger_spawn(const char *path, char *const arguments[], char *const environment[],
                 int takes_input, ledger_child *child) {
    int output[2] = {-1, -1}, errors[2] = {-1, -1}, other = -1;
    int input = open_input(takes_input, &other);
    volatile int failure = input < 0 || (takes_input && other < 0) ? errno : 0;
    if (failure == 0) failure = pipe_above_standard(output);
    if (failure == 0) failure = pipe_above_standard(errors);

    *child = (ledger_child){-1, -1, -1, -1, -1};
    if (failure == 0) {
        const plan p = {path, arguments, environment, input, output[1], errors[1], getpid()};
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid_t pid = vfork();
        if (pid == 0) {
            failure = become(&p);
            _exit(127);
        }
        if (pid < 0) failure = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid > 0) {
            if (failure == 0) {
                child->pidfd = pidfd_open(pid, 0);
                if (child->pidfd < 0) {
                    failure = errno;
                    kill(pid, SIGKILL);
                }
            }
            if (failure != 0) waitpid(pid, NULL, 0);
            child->pid = pid;
        }
    }
    close_if_open(input);
    close_if_open(output[1]);
    close_if_open(errors[1]);
    if (failure != 0) {
        close_if_open(other);
        close_if_open(output[0]);
        close_if_open(errors[0]);
        *child = (ledger_child){-1, -1, -1, -1, -1};
        return failure;
    }
    child->input = other;
    child->output = output[0];
    child->errors = errors[0];
    return 0;
}

int ledger_reap(ledger_child *child, int32_t *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    /* The group lives as long as the child is not waited for, so its number cannot be another's. */
    kill(-child->pid, SIGKILL);
    int failure = 0;
    while (waitid(P_PID, (id_t)child->pid, &info, WEXITED) != 0) {
        if (errno == EINTR) continue;
        failure = errno;
        break;
    }
    *status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    close(child->pidfd);
    close(child->output);
    close(child->errors);
    close_if_open(child->input);
    *child = (ledger_child){-1, -1, -1, -1, -1};
    return failure;
}
