#ifndef LEDGER_BOOK_H
#define LEDGER_BOOK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLedger.h"
#include <signal.h>

/* All books are kept under one lock that is held with every signal blocked, so that a signal
 * handler may take it. */
typedef struct book_lock { sigset_t signals; } book_lock;
book_lock book_open(void);
void book_close(book_lock lock);

/* The next definition of a function in lookup order: a sanitizer's, or glibc's. Not with the book
 * open: dlsym waits for the loader, which may be running a constructor that waits for the book. */
void *book_next(const char *name);

/* Declares what `next(NAME)` refers to. It is found before main, or earlier when a library's
 * constructor calls NAME. */
#define NEXT(type, name, parameters) \
    static type(*next_##name) parameters; \
    __attribute__((constructor)) static void find_##name(void) { \
        if (__atomic_load_n(&next_##name, __ATOMIC_ACQUIRE) == NULL) { \
            __atomic_store_n(                                                            \
                &next_##name, (type(*) parameters)book_next(#name), __ATOMIC_RELEASE);   \
        } \
    }
#define next(name) (find_##name(), next_##name)

#define CALLER ((uintptr_t)__builtin_return_address(0))

/* Whether the address lies in the main program. Needs no lock. */
bool book_is_host(uintptr_t address);

/* The image that holds the address; 0 if none. Binds a pending load to its range when the address
 * is the first seen of it. The book is open. */
uint32_t book_image_at(uintptr_t address);

/* The first of the addresses that an image holds; `*image` names it. 0 if none does. The book is
 * open. */
uintptr_t book_evidence(const uintptr_t *addresses, size_t count, uint32_t *image);

/* Copies the name of a thread of this process. */
void book_thread_name(int32_t tid, char name[16]);

/* Parts of ledger_forget. The book is open for the first, closed for the others. */
void book_forget_signals(uint32_t image);
void book_forget_keys(uint32_t image);
void book_forget_threads(uint32_t image);
void book_forget_timers(uint32_t image);

/* Parts of ledger_settle_thread. The book is closed. */
bool book_run_thread_destructors(uint32_t image);
bool book_run_key_destructors(uint32_t image);

/* Deletes the keys whose creator lies in the range that holds `address`. The book is closed. */
void book_delete_keys_of(uintptr_t address);

/* The range that holds the address. The book is open. */
bool book_range_at(uintptr_t address, uintptr_t *start, uintptr_t *end);

#endif
