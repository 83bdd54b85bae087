#define _GNU_SOURCE
#include "CConfinement.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_bool redirects;

void confinement_redirect_threads(void) { redirects = 1; }

// Writes the path under which a process sees its own thread. No more than /proc/DIGITS/stat is
// another path's beginning; false for everything else.
static _Bool redirected(const char *path, char *own, size_t room) {
    static const char proc[] = "/proc/", task[] = "/proc/self/task/";
    if (strncmp(path, proc, sizeof proc - 1) != 0) return 0;
    const char *number = path + sizeof proc - 1;
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || strcmp(number + digits, "/stat") != 0) return 0;
    size_t rest = strlen(number) + 1;
    if (sizeof task - 1 + rest > room) return 0;
    memcpy(own, task, sizeof task - 1);
    memcpy(own + sizeof task - 1, number, rest);
    return 1;
}

// The C library's function, for the whole process: the main program comes first in symbol lookup.
int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    char own[64];
    if (atomic_load_explicit(&redirects, memory_order_relaxed) &&
        redirected(path, own, sizeof own))
        path = own;
    return openat(AT_FDCWD, path, flags, mode);
}
