#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs in the child, on the parent's memory (vfork): only system calls, nothing is written but the
// stack. All descriptors lie above those that they become.
static int become(const struct linux_launch *launch, pid_t parent) {
    // The kernel's struct sigaction, all zero: glibc's function refuses two signals.
    static const uint64_t plain[4];
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, plain, NULL, sizeof(uint64_t));
    // All that it starts is known by its session, and by its process group.
    if (setsid() < 0) return errno;
    if (launch->dies_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
        if (getppid() != parent) return ESRCH;
    }
    if (launch->directory != NULL && chdir(launch->directory) != 0) return errno;
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int at = 0; at < 3 + launch->passed_count; at++) {
        int from = at < 3 ? launch->standard[at] : launch->passed[at - 3];
        if (dup2(from, at) < 0) return errno;
    }
    if (close_range(3 + launch->passed_count, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return errno;
    sigset_t empty;
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    // LISTEN_PID has to name the process that will be, so it is written where there is room for it.
    if (launch->own_pid != NULL) {
        char digits[12];
        int count = 0;
        for (pid_t rest = getpid(); rest > 0; rest /= 10) digits[count++] = '0' + rest % 10;
        for (int at = 0; at < count; at++) launch->own_pid[at] = digits[count - 1 - at];
        launch->own_pid[count] = 0;
    }
    execve(launch->path, launch->arguments, launch->environment);
    return errno;
}

int linux_start_child(struct linux_launch *launch, int *pidfd) {
    const int first_free = 3 + launch->passed_count;
    int copies[3 + linux_passed_max];
    int count = 0;
    volatile int failure = launch->passed_count > linux_passed_max ? E2BIG : 0;
    struct linux_launch own = *launch;
    int passed[linux_passed_max];
    for (int at = 0; failure == 0 && at < first_free; at++) {
        int from = at < 3 ? launch->standard[at] : launch->passed[at - 3];
        int copy = fcntl(from, F_DUPFD_CLOEXEC, first_free);
        if (copy < 0) {
            failure = errno;
            break;
        }
        copies[count++] = copy;
        if (at < 3) {
            own.standard[at] = copy;
        } else {
            passed[at - 3] = copy;
        }
    }
    own.passed = passed;
    pid_t pid = -1;
    if (failure == 0) {
        const pid_t parent = getpid();
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = vfork();
        if (pid == 0) {
            failure = become(&own, parent);
            _exit(127);
        }
        if (pid < 0) failure = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid > 0 && failure == 0) {
            *pidfd = pidfd_open(pid, 0);
            if (*pidfd < 0) {
                failure = errno;
                kill(pid, SIGKILL);
            }
        }
        if (pid > 0 && failure != 0) waitpid(pid, NULL, 0);
    }
    for (int at = 0; at < count; at++) close(copies[at]);
    return failure != 0 ? -failure : pid;
}

int linux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int linux_reap(int pid, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    // The group lives as long as the child is not waited for, so its number cannot be another's.
    kill(-pid, SIGKILL);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED) != 0) {
        if (errno != EINTR) return -errno;
    }
    *status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return 0;
}

int linux_signal_child(int pidfd, int number) {
    return pidfd_send_signal(pidfd, number, NULL, 0) == 0 ? 0 : -errno;
}

int linux_listen_privately(const char *path, int backlog, int *address) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) return -ENAMETOOLONG;
    strcpy(name.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int failure = 0;
    *address = -1;
    if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        failure = errno;
    } else {
        if (listen(fd, backlog) != 0) failure = errno;
        if (failure == 0) {
            *address = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
            if (*address < 0) failure = errno;
        }
        unlink(path);
    }
    if (failure == 0) return fd;
    close(fd);
    return -failure;
}
