#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { rounds_max = 2000, round_milliseconds = 5 };

// Kills the children of this process; what they have started becomes its child then.
static void kill_children(void) {
    char path[64], list[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    // Those that do not fit come with the next round.
    ssize_t count = read(file, list, sizeof list - 1);
    close(file);
    if (count <= 0) return;
    list[count] = 0;
    char *end = list + count;
    // A number that was cut off may be another's.
    if ((size_t)count == sizeof list - 1)
        while (end > list && end[-1] != ' ') end--;
    *end = 0;
    for (char *at = list; *at >= '0' && *at <= '9';) {
        long pid = strtol(at, &at, 10);
        if (pid > 1) kill((pid_t)pid, SIGKILL);
        while (*at == ' ') at++;
    }
}

// Ends all descendants; those that the kernel does not let go of for long are left to it.
static void end_descendants(void) {
    for (int round = 0; round < rounds_max; round++) {
        kill_children();
        pid_t ended;
        do ended = waitpid(-1, NULL, WNOHANG);
        while (ended > 0 || (ended < 0 && errno == EINTR));
        if (ended < 0) return;
        poll(NULL, 0, round_milliseconds);
    }
}

static void stand(int parent, int child, pid_t pid) {
    struct pollfd waiting[] = {{parent, POLLIN, 0}, {child, POLLIN, 0}};
    while (poll(waiting, 2, -1) < 0 && errno == EINTR) {}
    int status = SIGKILL;
    if (waiting[1].revents != 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    }
    end_descendants();
    if (WIFSIGNALED(status)) linux_die_of(WTERMSIG(status));
    _exit(WIFSIGNALED(status) ? 127 : WEXITSTATUS(status));
}

int linux_go_on_guarded(void) {
    const pid_t above = getppid(), own = getpid();
    int parent = pidfd_open(above, 0);
    if (parent < 0 || getppid() != above) return -ESRCH;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return -errno;
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid == 0) {
        close(parent);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != own) _exit(127);
        return 0;
    }
    int child = pidfd_open(pid, 0);
    // It has to outlive its parent for as long as the rest takes.
    if (child < 0 || prctl(PR_SET_PDEATHSIG, 0) != 0) {
        end_descendants();
        _exit(127);
    }
    stand(parent, child, pid);
    return -EINVAL;
}
