#include "book.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

NEXT(int, __cxa_thread_atexit_impl, (void (*)(void *), void *, void *))

int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *handle);

/* A thread-local object of an image, with the destructor that its thread owes it.
 *
 * glibc keeps an image mapped while one of these is outstanding, until the thread ends. Here the
 * ledger keeps them instead, so that a thread which is done with an image can run them when asked;
 * LoadedImage does not close an image while the books show one. Each thread has a stack of its own,
 * run at its end in glibc's place and order. */
typedef struct owed {
    struct owed *below; /* next older of the same thread */
    struct owed *next;  /* all threads, under the lock */
    struct owed **link;
    void (*function)(void *);
    void *object;
    uint32_t image;
    int32_t tid;
} owed;

static owed *all;
static _Thread_local owed *mine __attribute__((tls_model("initial-exec")));
static _Thread_local bool at_end __attribute__((tls_model("initial-exec")));

/* Takes one from the calling thread's stack and runs it. */
static void settle(owed **position) {
    owed *one = *position;
    *position = one->below;
    one->function(one->object);
    book_lock lock = book_open();
    *one->link = one->next;
    if (one->next != NULL) one->next->link = one->link;
    book_close(lock);
    free(one);
}

static void settle_all(void *unused) {
    (void)unused;
    at_end = false;
    while (mine != NULL) {
        uint32_t previous = ledger_enter(mine->image);
        settle(&mine);
        ledger_leave(previous);
    }
}

int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *handle) {
    book_lock lock = book_open();
    uint32_t image = book_image_at((uintptr_t)handle);
    book_close(lock);
    owed *one = image != 0 ? malloc(sizeof *one) : NULL;
    if (one == NULL) return next(__cxa_thread_atexit_impl)(function, object, handle);
    if (!at_end) {
        extern void *__dso_handle;
        int failure = next(__cxa_thread_atexit_impl)(settle_all, NULL, &__dso_handle);
        if (failure != 0) {
            free(one);
            return failure;
        }
        at_end = true;
    }
    *one = (owed){
        .below = mine, .function = function, .object = object, .image = image, .tid = gettid()};
    mine = one;
    lock = book_open();
    one->next = all;
    one->link = &all;
    if (all != NULL) all->link = &one->next;
    all = one;
    book_close(lock);
    return 0;
}

bool book_run_thread_destructors(uint32_t image) {
    bool ran = false;
    for (;;) {
        owed **position = &mine;
        while (*position != NULL && (*position)->image != image) position = &(*position)->below;
        if (*position == NULL) return ran;
        settle(position);
        ran = true;
    }
}

size_t ledger_destructor_threads(uint32_t image, ledger_thread *threads, size_t capacity) {
    size_t count = 0;
    book_lock lock = book_open();
    for (owed *one = all; one != NULL; one = one->next) {
        if (one->image != image) continue;
        size_t i = 0;
        while (i < count && i < capacity && threads[i].tid != one->tid) i++;
        if (i < count && i < capacity) {
            threads[i].count++;
        } else {
            if (count < capacity) threads[count] = (ledger_thread){.tid = one->tid, .count = 1};
            count++;
        }
    }
    book_close(lock);
    for (size_t i = 0; i < count && i < capacity; i++)
        book_thread_name(threads[i].tid, threads[i].name);
    return count;
}
