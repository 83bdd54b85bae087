#include "book.h"
#include <errno.h>
#include <stdlib.h>

NEXT(int, on_exit, (void (*)(int, void *), void *))
NEXT(int, __cxa_atexit, (void (*)(void *), void *, void *))
NEXT(void, __cxa_finalize, (void *))

int __cxa_atexit(void (*function)(void *), void *argument, void *handle);
void __cxa_finalize(void *handle);

/* A handler that would outlive its image: glibc keeps it without a handle, so dlclose does not find
 * it. */
typedef struct exit_handler {
    struct exit_handler *next;
    void (*function)(int status, void *argument);
    void *argument;
    uint32_t image;
} exit_handler;

static exit_handler *handlers; /* newest first: the order in which they run */

/* The handle under which such handlers of an image are given to glibc. It is compared, never
 * followed. */
static void *handle_of(uint32_t image) {
    return (void *)((1ull << 63) | image);
}

/* Runs the newest handler of the image: glibc calls once for each, with the exit status behind the
 * argument. */
static void run(void *value, int status) {
    uint32_t image = (uint32_t)(uintptr_t)value;
    exit_handler *found = NULL;
    book_lock lock = book_open();
    for (exit_handler **link = &handlers; *link != NULL; link = &(*link)->next) {
        if ((*link)->image != image) continue;
        found = *link;
        *link = found->next;
        break;
    }
    book_close(lock);
    if (found == NULL) return;
    found->function(status, found->argument);
    free(found);
}

static int keep(uint32_t image, void (*function)(int, void *), void *argument) {
    exit_handler *handler = malloc(sizeof *handler);
    if (handler == NULL) return -1;
    *handler = (exit_handler){NULL, function, argument, image};
    book_lock lock = book_open();
    handler->next = handlers;
    handlers = handler;
    book_close(lock);
    return next(__cxa_atexit)(
        (void (*)(void *))(void *)run, (void *)(uintptr_t)image, handle_of(image));
}

static uint32_t owner(uintptr_t caller, uintptr_t function) {
    if (book_is_host(caller) && book_is_host(function)) return 0;
    const uintptr_t addresses[] = {function, caller};
    uint32_t image = 0;
    book_lock lock = book_open();
    book_evidence(addresses, 2, &image);
    book_close(lock);
    return image;
}

int on_exit(void (*function)(int, void *), void *argument) {
    uint32_t image = owner(CALLER, (uintptr_t)function);
    if (image == 0) return next(on_exit)(function, argument);
    return keep(image, function, argument);
}

/* With a handle, dlclose runs the function itself; without one it would be called at exit in code
 * that is gone. */
int __cxa_atexit(void (*function)(void *), void *argument, void *handle) {
    uint32_t image = handle == NULL ? owner(CALLER, (uintptr_t)function) : 0;
    if (image != 0) handle = handle_of(image);
    return next(__cxa_atexit)(function, argument, handle);
}

/* Called by an image that is being unloaded after its own destructors: nothing of it will use a key
 * any more, and no thread that ends from now on may find a destructor in it. */
void __cxa_finalize(void *handle) {
    next(__cxa_finalize)(handle);
    if (handle != NULL) book_delete_keys_of((uintptr_t)handle);
}

uint32_t ledger_run_exit_handlers(uint32_t image) {
    uint32_t count = 0;
    book_lock lock = book_open();
    for (exit_handler *handler = handlers; handler != NULL; handler = handler->next)
        count += handler->image == image;
    book_close(lock);
    next(__cxa_finalize)(handle_of(image));
    return count;
}
