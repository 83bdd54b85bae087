#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Thread_local const void *linux_call_subject;
_Thread_local int linux_thread_runs_loop;
_Thread_local void *linux_call_frames;

static _Thread_local jmp_buf *way_out;

int linux_run_until_left(void (*body)(void *), void *argument) {
    jmp_buf here;
    way_out = &here;
    int was_left = _setjmp(here);
    if (!was_left) body(argument);
    way_out = NULL;
    return was_left;
}

void linux_yield(void) { sched_yield(); }

void linux_leave_thread(void) { _longjmp(*way_out, 1); }

static _Thread_local int depth;

int linux_enter_depth(void) { return ++depth; }

void linux_leave_depth(void) { depth--; }

static _Thread_local int hooks;

void linux_enter_hook(void) { hooks++; }

void linux_leave_hook(void) { hooks--; }

int linux_is_in_hook(void) { return hooks > 0; }

// Opens a file below /proc/self/task/THREAD.
static int open_task(int thread, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread, name);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int linux_name_other_thread(int thread, const char *name) {
    int fd = open_task(thread, "comm", O_WRONLY);
    if (fd < 0) return fd;
    ssize_t written = write(fd, name, strnlen(name, 15));
    int result = written < 0 ? -errno : 0;
    close(fd);
    return result;
}

// The state is the letter behind the name in parentheses: proc(5), /proc/pid/stat.
int linux_thread_sleeps(int thread) {
    char text[128];
    int fd = open_task(thread, "stat", O_RDONLY);
    if (fd < 0) return fd;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return -ESRCH;
    text[length] = 0;
    const char *end = strrchr(text, ')');
    return end != NULL && (end[2] == 'S' || end[2] == 'D');
}

// The clock of a thread is named by its id as the kernel does it: clock_getcpuclockid(3).
int64_t linux_thread_nanoseconds(int thread) {
    struct timespec time;
    clockid_t clock = (clockid_t)((~(unsigned)thread << 3) | 6);
    if (clock_gettime(clock, &time) < 0) return -errno;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void linux_take_semaphore(sem_t *semaphore, int64_t nanoseconds) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    nanoseconds += end.tv_nsec;
    end.tv_sec += nanoseconds / 1000000000;
    end.tv_nsec = nanoseconds % 1000000000;
    while (sem_clockwait(semaphore, CLOCK_MONOTONIC, &end) != 0 && errno == EINTR) {}
}
