/*
 * Counts the calls by which a `host` process changes files, and kills it at one of them, or lets
 * that one fail.
 *
 * Preloaded into the process; KILL_POINTS names a file that the test and the process share, of the
 * shape below. A call that writes bytes is two points, before the first byte and after half of
 * them; every other call is one, before it is made. Only plain files and directories count.
 * The processes that the host starts are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    _Atomic uint32_t armed;
    _Atomic uint32_t seen;
    /* The point to die at, counted from 1; 0: none. */
    _Atomic uint32_t kill_at;
    /* Whether the names of the points are told on the standard error. */
    _Atomic uint32_t tells;
    /* What the call at the point fails with, an errno; 0: the process dies there. */
    _Atomic uint32_t failure;
    char place[108];
};

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    if (strcmp(program_invocation_short_name, "host") != 0)
        return;
    const char *path = getenv("KILL_POINTS");
    unsetenv("LD_PRELOAD");
    if (!path)
        return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        abort();
    void *memory =
        mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        abort();
    control = memory;
}

/* True at the one point. */
static int reached(const char *call, const char *where)
{
    if (!control || !atomic_load(&control->armed))
        return 0;
    uint32_t number = atomic_fetch_add(&control->seen, 1) + 1;
    if (atomic_load(&control->tells))
        dprintf(STDERR_FILENO, "point %u: %s %s\n", number, call, where);
    if (number != atomic_load(&control->kill_at))
        return 0;
    snprintf(control->place, sizeof control->place, "%s %s", call, where);
    return 1;
}

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* True when the call is to fail with errno. */
static int point(const char *call, const char *where)
{
    if (!reached(call, where ? where : ""))
        return 0;
    uint32_t failure = atomic_load(&control->failure);
    if (!failure)
        die();
    errno = (int)failure;
    return 1;
}

static int is_plain(int file)
{
    struct stat status;
    return control && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

static const char *name_of(int file, char *buffer, size_t size)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t count = readlink(link, buffer, size - 1);
    buffer[count > 0 ? count : 0] = 0;
    return buffer;
}

static int file_point(const char *call, int file)
{
    char name[512];
    int error = errno;
    if (control && atomic_load(&control->armed) && point(call, name_of(file, name, sizeof name)))
        return 1;
    errno = error;
    return 0;
}

/* True when half of the bytes are to be written: the rest is left to another call, or to nobody. */
static int is_cut(const char *call)
{
    return reached(call, "");
}

#define NEXT(result, name, ...) \
    static result (*next)(__VA_ARGS__); \
    if (!next) \
        next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define OPEN(function, word) \
    int function(const char *path, int flags, ...) \
    { \
        NEXT(int, word, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if ((flags & (O_CREAT | O_TRUNC)) && point("open", path)) \
            return -1; \
        return next(path, flags, mode); \
    }
OPEN(open, "open")
OPEN(open64, "open64")

#define OPENAT(function, word) \
    int function(int directory, const char *path, int flags, ...) \
    { \
        NEXT(int, word, int, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if ((flags & (O_CREAT | O_TRUNC)) && point("openat", path)) \
            return -1; \
        return next(directory, path, flags, mode); \
    }
OPENAT(openat, "openat")
OPENAT(openat64, "openat64")

ssize_t write(int file, const void *bytes, size_t count)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (is_plain(file)) {
        if (file_point("write", file))
            return -1;
        if (is_cut("write/2")) {
            ssize_t written = next(file, bytes, count / 2);
            if (!atomic_load(&control->failure))
                die();
            return written;
        }
    }
    return next(file, bytes, count);
}

#define PWRITE(function, word) \
    ssize_t function(int file, const void *bytes, size_t count, off_t offset) \
    { \
        NEXT(ssize_t, word, int, const void *, size_t, off_t); \
        if (is_plain(file)) { \
            if (file_point("pwrite", file)) \
                return -1; \
            if (is_cut("pwrite/2")) { \
                ssize_t written = next(file, bytes, count / 2, offset); \
                if (!atomic_load(&control->failure)) \
                    die(); \
                return written; \
            } \
        } \
        return next(file, bytes, count, offset); \
    }
PWRITE(pwrite, "pwrite")
PWRITE(pwrite64, "pwrite64")

ssize_t writev(int file, const struct iovec *pieces, int count)
{
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    if (is_plain(file) && file_point("writev", file))
        return -1;
    return next(file, pieces, count);
}

#define ON_FILE(result, function, parameters, arguments, ...) \
    result function parameters \
    { \
        NEXT(result, #function, __VA_ARGS__); \
        if (file_point(#function, file)) \
            return -1; \
        return next arguments; \
    }
ON_FILE(int, ftruncate, (int file, off_t size), (file, size), int, off_t)
ON_FILE(int, ftruncate64, (int file, off_t size), (file, size), int, off_t)
ON_FILE(int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size), int,
    int, off_t, off_t)
ON_FILE(int, posix_fallocate, (int file, off_t at, off_t size), (file, at, size), int, off_t, off_t)
ON_FILE(int, fsync, (int file), (file), int)
ON_FILE(int, fdatasync, (int file), (file), int)
ON_FILE(int, fchmod, (int file, mode_t mode), (file, mode), int, mode_t)
ON_FILE(int, futimens, (int file, const struct timespec times[2]), (file, times), int,
    const struct timespec *)
ON_FILE(ssize_t, sendfile, (int file, int from, off_t *at, size_t count), (file, from, at, count),
    int, int, off_t *, size_t)
ON_FILE(ssize_t, copy_file_range,
    (int from, off_t *at, int file, off_t *to, size_t count, unsigned flags),
    (from, at, file, to, count, flags), int, off_t *, int, off_t *, size_t, unsigned)

#define ON_PATH(function, parameters, arguments, ...) \
    int function parameters \
    { \
        NEXT(int, #function, __VA_ARGS__); \
        if (point(#function, path)) \
            return -1; \
        return next arguments; \
    }
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
ON_PATH(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), int, const char *,
    mode_t)
ON_PATH(rmdir, (const char *path), (path), const char *)
ON_PATH(unlink, (const char *path), (path), const char *)
ON_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags), int, const char *, int)
ON_PATH(chmod, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
ON_PATH(fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags), int,
    const char *, mode_t, int)
ON_PATH(utimensat, (int at, const char *path, const struct timespec times[2], int flags),
    (at, path, times, flags), int, const char *, const struct timespec *, int)
ON_PATH(truncate, (const char *path, off_t size), (path, size), const char *, off_t)
ON_PATH(rename, (const char *from, const char *path), (from, path), const char *, const char *)
ON_PATH(renameat, (int at, const char *from, int to, const char *path), (at, from, to, path), int,
    const char *, int, const char *)
ON_PATH(renameat2, (int at, const char *from, int to, const char *path, unsigned flags),
    (at, from, to, path, flags), int, const char *, int, const char *, unsigned)
ON_PATH(link, (const char *from, const char *path), (from, path), const char *, const char *)
ON_PATH(linkat, (int at, const char *from, int to, const char *path, int flags),
    (at, from, to, path, flags), int, const char *, int, const char *, int)
ON_PATH(symlink, (const char *from, const char *path), (from, path), const char *, const char *)
ON_PATH(symlinkat, (const char *from, int at, const char *path), (from, at, path), const char *,
    int, const char *)
