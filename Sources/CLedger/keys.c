#include "book.h"
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <threads.h>

NEXT(int, pthread_key_create, (pthread_key_t *, void (*)(void *)))
NEXT(int, pthread_key_delete, (pthread_key_t))

/* Who created a key; `image` 0: nobody that is booked. */
typedef struct key_birth {
    uintptr_t creator; /* an address in the creating code */
    void (*destructor)(void *);
    uint32_t image;
} key_birth;

static key_birth keys[PTHREAD_KEYS_MAX];

static int create(pthread_key_t *key, void (*destructor)(void *), uintptr_t caller) {
    int failure = next(pthread_key_create)(key, destructor);
    if (failure != 0 || *key >= PTHREAD_KEYS_MAX) return failure;
    const uintptr_t addresses[] = {caller, (uintptr_t)destructor, (uintptr_t)key};
    book_lock lock = book_open();
    uint32_t image = 0;
    uintptr_t creator = book_evidence(addresses, 3, &image);
    keys[*key] = (key_birth){creator, destructor, image};
    book_close(lock);
    return failure;
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
    return create(key, destructor, CALLER);
}

int __pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
    return create(key, destructor, CALLER);
}

/* glibc's tss_create calls its own pthread_key_create, which is not looked up. */
int tss_create(tss_t *key, tss_dtor_t destructor) {
    return create(key, destructor, CALLER) == 0 ? thrd_success : thrd_error;
}

int pthread_key_delete(pthread_key_t key) {
    book_lock lock = book_open();
    if (key < PTHREAD_KEYS_MAX) keys[key] = (key_birth){0};
    int failure = next(pthread_key_delete)(key);
    book_close(lock);
    return failure;
}

void tss_delete(tss_t key) {
    pthread_key_delete(key);
}

uint32_t ledger_key_count(uint32_t image) {
    uint32_t count = 0;
    book_lock lock = book_open();
    for (size_t i = 0; i < PTHREAD_KEYS_MAX; i++) count += keys[i].image == image;
    book_close(lock);
    return count;
}

void book_delete_keys_of(uintptr_t address) {
    uintptr_t start, end;
    book_lock lock = book_open();
    if (book_range_at(address, &start, &end)) {
        for (pthread_key_t i = 0; i < PTHREAD_KEYS_MAX; i++) {
            if (keys[i].image == 0 || keys[i].creator < start || keys[i].creator >= end) continue;
            keys[i] = (key_birth){0};
            next(pthread_key_delete)(i);
        }
    }
    book_close(lock);
}

void book_forget_keys(uint32_t image) {
    book_lock lock = book_open();
    for (pthread_key_t i = 0; i < PTHREAD_KEYS_MAX; i++) {
        if (keys[i].image != image) continue;
        struct dl_find_object found;
        bool gone = _dl_find_object((void *)keys[i].creator, &found) != 0;
        keys[i] = (key_birth){0};
        /* A library that came with the image and is still needed by another keeps its keys. */
        if (gone) next(pthread_key_delete)(i);
    }
    book_close(lock);
}

bool book_run_key_destructors(uint32_t image) {
    struct { pthread_key_t key; void (*destructor)(void *); } found[PTHREAD_KEYS_MAX];
    size_t count = 0;
    book_lock lock = book_open();
    for (pthread_key_t i = 0; i < PTHREAD_KEYS_MAX; i++) {
        if (keys[i].image != image || keys[i].destructor == NULL) continue;
        found[count].key = i;
        found[count++].destructor = keys[i].destructor;
    }
    book_close(lock);
    bool ran = false;
    for (size_t i = 0; i < count; i++) {
        void *value = pthread_getspecific(found[i].key);
        if (value == NULL) continue;
        pthread_setspecific(found[i].key, NULL);
        found[i].destructor(value);
        ran = true;
    }
    return ran;
}
