#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int confinement_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? -errno : 0;
}

int confinement_drop_capabilities(void) {
    // EPERM: it never had the capability to give up; then none comes back by executing either.
    for (unsigned long number = 0; number < 64; number++)
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) break;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return syscall(SYS_capset, &header, none) != 0 ? -errno : 0;
}

static int write_text(const char *path, const char *text, int length) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int result = write(fd, text, (size_t)length) == length ? 0 : -errno;
    close(fd);
    return result;
}

static int map_to_itself(const char *path, unsigned number) {
    char line[48];
    return write_text(path, line, snprintf(line, sizeof line, "%u %u 1\n", number, number));
}

static int flags(int network) { return CLONE_NEWUSER | (network ? CLONE_NEWNET : 0); }

int confinement_unshare(int network) {
    const unsigned user = geteuid(), group = getegid();
    if (unshare(flags(network)) != 0) return -errno;
    int result = write_text("/proc/self/setgroups", "deny", 4);
    if (result == 0) result = map_to_itself("/proc/self/uid_map", user);
    if (result == 0) result = map_to_itself("/proc/self/gid_map", group);
    return result;
}

int confinement_try_unshare(int network) {
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child == 0) _exit(-confinement_unshare(network) & 0xff);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

int confinement_limit(enum confinement_resource resource, uint64_t maximum) {
    static const int numbers[] = {
        [confinement_address_space] = RLIMIT_AS,
        [confinement_data] = RLIMIT_DATA,
        [confinement_processor_seconds] = RLIMIT_CPU,
        [confinement_descriptors] = RLIMIT_NOFILE,
        [confinement_processes] = RLIMIT_NPROC,
        [confinement_file_size] = RLIMIT_FSIZE,
        [confinement_core_size] = RLIMIT_CORE,
    };
    struct rlimit limit;
    if (getrlimit(numbers[resource], &limit) != 0) return -errno;
    if (limit.rlim_max > maximum) limit.rlim_max = maximum;
    if (limit.rlim_cur > maximum) limit.rlim_cur = maximum;
    return setrlimit(numbers[resource], &limit) != 0 ? -errno : 0;
}

int confinement_close_all_but(const int *kept, size_t count) {
    unsigned first = 3;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] < 3) continue;
        const unsigned fd = (unsigned)kept[i];
        if (fd > first && close_range(first, fd - 1, 0) != 0) return -errno;
        first = fd + 1;
    }
    return close_range(first, ~0u, 0) != 0 ? -errno : 0;
}

int confinement_join(const char *group) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/cgroup.procs", group);
    return length < (int)sizeof path ? write_text(path, "0", 1) : -ENAMETOOLONG;
}

int confinement_hold(const char *path) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
