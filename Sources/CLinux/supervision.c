#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int signal_pipe[2] = {-1, -1};

static void tell(int number) {
    int error = errno;
    char byte = (char)number;
    ssize_t written = write(signal_pipe[1], &byte, 1);
    (void)written;
    errno = error;
}

static void fill(sigset_t *set, const int *signals) {
    sigemptyset(set);
    for (; *signals != 0; signals++) sigaddset(set, *signals);
}

int linux_catch_signals(const int *signals) {
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = tell;
    action.sa_flags = SA_RESTART;
    for (const int *number = signals; *number != 0; number++) {
        if (sigaction(*number, &action, NULL) != 0) return -errno;
    }
    sigset_t set;
    fill(&set, signals);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return signal_pipe[0];
}

int linux_next_signal(int fd) {
    char byte;
    return read(fd, &byte, 1) == 1 ? byte : 0;
}

void linux_keep_signals(const int *signals) {
    sigset_t set;
    fill(&set, signals);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void linux_release_signals(const int *signals) {
    sigset_t set;
    fill(&set, signals);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void linux_die_of(int number) {
    signal(number, SIG_DFL);
    kill(getpid(), number);
}

enum { first_passed = 3, passed_max = 128 };

// Puts the descriptors to 3 and on. All of them are copied out of the way first, since one may
// stand where another is to be.
static int place(const int *passed, int count) {
    int high[passed_max];
    if (count > passed_max) return E2BIG;
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(passed[i], F_DUPFD_CLOEXEC, first_passed + count);
        if (high[i] < 0) return errno;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(high[i], first_passed + i) < 0) return errno;
    }
    return 0;
}

int linux_start(const char *path, char *const arguments[], const int *passed, int count,
                int *pidfd) {
    pid_t parent = getpid();
    volatile int failure = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // The child runs on this memory until it has become the program: system calls only.
    pid_t pid = vfork();
    if (pid == 0) {
        // The kernel's struct sigaction, all zero: the default.
        static const uint64_t plain[4];
        for (int number = 1; number <= 64; number++)
            syscall(SYS_rt_sigaction, number, plain, NULL, sizeof(uint64_t));
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) failure = errno;
        if (failure == 0 && getppid() != parent) failure = ESRCH;
        if (failure == 0 && setpgid(0, 0) != 0) failure = errno;
        if (failure == 0) failure = place(passed, count);
        if (failure == 0) {
            close_range((unsigned)(first_passed + count), ~0u, CLOSE_RANGE_CLOEXEC);
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, NULL);
            execv(path, arguments);
            failure = errno;
        }
        _exit(127);
    }
    if (pid < 0) failure = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) return -failure;
    if (failure == 0) {
        *pidfd = pidfd_open(pid, 0);
        if (*pidfd >= 0) return pid;
        failure = errno;
        kill(pid, SIGKILL);
    }
    waitpid(pid, NULL, 0);
    return -failure;
}

int linux_adopt_orphans(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : -errno;
}

int linux_reap_ended(int pid) {
    int result = waitpid(pid, NULL, WNOHANG);
    return result < 0 ? -errno : result;
}

int linux_await_end(int pid) {
    int status = 0;
    // What it has forked goes with it. The group lives as long as the child is not waited for, so
    // its number cannot be another's.
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0) {
        if (errno != EINTR) return 0;
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return 0;
    }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int linux_keep_open(int fd, int keeps) {
    return fcntl(fd, F_SETFD, keeps ? 0 : FD_CLOEXEC) < 0 ? -errno : 0;
}

int linux_become(const char *path, char *const arguments[]) {
    execv(path, arguments);
    return -errno;
}

int linux_message_sockets(int pair[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : -errno;
}
