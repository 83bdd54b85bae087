#include "book.h"
#include "blackbox.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

NEXT(int, pthread_create, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))
NEXT(int, pthread_key_create, (pthread_key_t *, void (*)(void *)))
NEXT(int, pthread_join, (pthread_t, void **))
NEXT(int, pthread_tryjoin_np, (pthread_t, void **))
NEXT(int, pthread_timedjoin_np, (pthread_t, void **, const struct timespec *))
NEXT(int, pthread_clockjoin_np, (pthread_t, void **, clockid_t, const struct timespec *))
NEXT(int, pthread_detach, (pthread_t))

/* A thread born by an image, from before it starts until it has ended and was joined, detached or
 * forgotten. */
typedef struct birth {
    struct birth *next;
    void *(*start)(void *);
    void *argument;
    pthread_t handle;
    struct timespec left; /* when it left its start routine (CLOCK_BOOTTIME) */
    uint32_t image;
    int32_t tid;          /* 0 until it runs */
    bool handled;         /* handle is valid */
    bool leaving;         /* it runs no more than the last key destructors */
    bool released;        /* joined or detached: the handle is not ours to use */
} birth;

static birth *births; /* newest first */
static pthread_key_t leaving_key;
static bool leaving_key_exists;

static void leave(void *value) {
    birth *self = value;
    book_lock lock = book_open();
    clock_gettime(CLOCK_BOOTTIME, &self->left);
    self->leaving = true;
    book_close(lock);
}

__attribute__((constructor)) static void make_leaving_key(void) {
    leaving_key_exists = next(pthread_key_create)(&leaving_key, leave) == 0;
}

static void *run(void *value) {
    birth *self = value;
    ledger_acting = self->image;
    blackbox_shield_thread();
    book_lock lock = book_open();
    self->tid = gettid();
    self->handle = pthread_self();
    self->handled = true;
    book_close(lock);
    if (leaving_key_exists) pthread_setspecific(leaving_key, self);
    return self->start(self->argument);
}

/* Whether the thread that a finished birth speaks of is gone. Its id may have gone to a younger
 * thread, which is told by its start time (proc(5), field 22, in clock ticks since boot). */
static bool has_ended(const birth *thread) {
    if (thread->tid == 0) return false;
    char path[48], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    if (!thread->leaving) {
        close(fd);
        return false;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return true;
    text[length] = 0;
    const char *field = strrchr(text, ')');
    for (int spaces = 0; field != NULL && spaces < 20; spaces++) field = strchr(field + 1, ' ');
    if (field == NULL) return false;
    unsigned long long started = strtoull(field, NULL, 10);
    long ticks = sysconf(_SC_CLK_TCK);
    unsigned long long left = (unsigned long long)thread->left.tv_sec * ticks
        + (unsigned long long)thread->left.tv_nsec * ticks / 1000000000ull;
    return started > left + 1;
}

/* Drops the births of an image that have ended and were released. The book is open. */
static void drop_ended(uint32_t image) {
    birth **link = &births;
    while (*link != NULL) {
        birth *thread = *link;
        if (thread->image == image && thread->released && has_ended(thread)) {
            *link = thread->next;
            free(thread);
        } else {
            link = &thread->next;
        }
    }
}

/* What a thread of the host begins with when it is to be shielded. */
typedef struct plain_start {
    void *(*start)(void *);
    void *argument;
} plain_start;

static void *run_plain(void *value) {
    plain_start given = *(plain_start *)value;
    free(value);
    blackbox_shield_thread();
    return given.start(given.argument);
}

static int create_plain(
    pthread_t *handle, const pthread_attr_t *attributes, void *(*start)(void *), void *argument
) {
    plain_start *given = blackbox != NULL ? malloc(sizeof *given) : NULL;
    if (given == NULL) return next(pthread_create)(handle, attributes, start, argument);
    *given = (plain_start){start, argument};
    int failure = next(pthread_create)(handle, attributes, run_plain, given);
    if (failure != 0) free(given);
    return failure;
}

static int create(
    pthread_t *handle, const pthread_attr_t *attributes, void *(*start)(void *), void *argument,
    uint32_t image
) {
    if (image == 0) return create_plain(handle, attributes, start, argument);
    birth *thread = calloc(1, sizeof *thread);
    if (thread == NULL) return EAGAIN;
    thread->start = start;
    thread->argument = argument;
    thread->image = image;
    int detached = PTHREAD_CREATE_JOINABLE;
    if (attributes != NULL) pthread_attr_getdetachstate(attributes, &detached);
    thread->released = detached == PTHREAD_CREATE_DETACHED;

    book_lock lock = book_open();
    drop_ended(image);
    thread->next = births;
    births = thread;
    book_close(lock);

    int failure = next(pthread_create)(handle, attributes, run, thread);
    lock = book_open();
    for (birth **link = &births; *link != NULL; link = &(*link)->next) {
        if (*link != thread) continue;
        if (failure == 0) {
            thread->handle = *handle;
            thread->handled = true;
        } else {
            *link = thread->next;
            free(thread);
        }
        break;
    }
    book_close(lock);
    return failure;
}

static uint32_t owner(uintptr_t caller, uintptr_t start, uintptr_t handle) {
    const uintptr_t addresses[] = {caller, start, handle};
    uint32_t image = 0;
    book_lock lock = book_open();
    book_evidence(addresses, 3, &image);
    book_close(lock);
    if (image == 0 && !book_is_host(caller) && !book_is_host(start)) image = ledger_acting;
    return image;
}

int pthread_create(pthread_t *handle, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    uint32_t image = owner(CALLER, (uintptr_t)start, (uintptr_t)handle);
    return create(handle, attributes, start, argument, image);
}

typedef struct c11_start {
    thrd_start_t start;
    void *argument;
} c11_start;

static void *run_c11(void *value) {
    c11_start given = *(c11_start *)value;
    free(value);
    return (void *)(intptr_t)given.start(given.argument);
}

/* glibc's thrd_create calls its own pthread_create, which is not looked up. */
int thrd_create(thrd_t *handle, thrd_start_t start, void *argument) {
    uint32_t image = owner(CALLER, (uintptr_t)start, (uintptr_t)handle);
    c11_start *given = malloc(sizeof *given);
    if (given == NULL) return thrd_nomem;
    *given = (c11_start){start, argument};
    int failure = create(handle, NULL, run_c11, given, image);
    if (failure == 0) return thrd_success;
    free(given);
    return failure == EAGAIN ? thrd_nomem : thrd_error;
}

/* After a join: the oldest ended birth with that handle is the one that was joined, since the
 * handle could not be given to another thread before. */
static int joined(int failure, pthread_t handle) {
    if (failure != 0) return failure;
    book_lock lock = book_open();
    birth **oldest = NULL;
    for (birth **link = &births; *link != NULL; link = &(*link)->next) {
        birth *thread = *link;
        if (thread->handled && thread->leaving && !thread->released && thread->handle == handle)
            oldest = link;
    }
    if (oldest != NULL) {
        birth *thread = *oldest;
        *oldest = thread->next;
        free(thread);
    }
    book_close(lock);
    return failure;
}

int pthread_join(pthread_t handle, void **result) {
    return joined(next(pthread_join)(handle, result), handle);
}

int pthread_tryjoin_np(pthread_t handle, void **result) {
    return joined(next(pthread_tryjoin_np)(handle, result), handle);
}

int pthread_timedjoin_np(pthread_t handle, void **result, const struct timespec *until) {
    return joined(next(pthread_timedjoin_np)(handle, result, until), handle);
}

int pthread_clockjoin_np(pthread_t handle, void **result, clockid_t clock,
                         const struct timespec *until) {
    return joined(next(pthread_clockjoin_np)(handle, result, clock, until), handle);
}

int thrd_join(thrd_t handle, int *result) {
    void *value = NULL;
    if (pthread_join(handle, &value) != 0) return thrd_error;
    if (result != NULL) *result = (int)(intptr_t)value;
    return thrd_success;
}

int pthread_detach(pthread_t handle) {
    book_lock lock = book_open();
    birth *found = NULL;
    for (birth *thread = births; thread != NULL; thread = thread->next) {
        if (thread->handled && !thread->released && thread->handle == handle) found = thread;
    }
    /* Under the lock: no second detach or ledger_forget may come between the mark and the act. */
    int failure = next(pthread_detach)(handle);
    if (found != NULL && failure == 0) found->released = true;
    book_close(lock);
    return failure;
}

int thrd_detach(thrd_t handle) {
    return pthread_detach(handle) == 0 ? thrd_success : thrd_error;
}

size_t ledger_threads(uint32_t image, ledger_thread *threads, size_t capacity) {
    size_t count = 0;
    book_lock lock = book_open();
    for (birth *thread = births; thread != NULL; thread = thread->next) {
        if (thread->image != image || has_ended(thread)) continue;
        if (count < capacity) threads[count] = (ledger_thread){.tid = thread->tid};
        count++;
    }
    book_close(lock);
    for (size_t i = 0; i < count && i < capacity; i++) {
        if (threads[i].tid != 0) book_thread_name(threads[i].tid, threads[i].name);
    }
    return count;
}

size_t ledger_thread_count(uint32_t image) {
    return ledger_threads(image, NULL, 0);
}

bool ledger_threads_are_ending(uint32_t image) {
    bool ending = true;
    book_lock lock = book_open();
    for (birth *thread = births; thread != NULL; thread = thread->next) {
        if (thread->image == image && !thread->leaving) ending = false;
    }
    book_close(lock);
    return ending;
}

void book_forget_threads(uint32_t image) {
    book_lock lock = book_open();
    birth **link = &births;
    while (*link != NULL) {
        birth *thread = *link;
        if (thread->image != image || !has_ended(thread)) {
            link = &thread->next;
            continue;
        }
        if (!thread->released && thread->handled) next(pthread_detach)(thread->handle);
        *link = thread->next;
        free(thread);
    }
    book_close(lock);
}
