#define _GNU_SOURCE
#include <stdlib.h>

int __cxa_atexit(void (*)(void *), void *, void *);

static int *log_;

static void at_exit(void) { *log_ += 1; }
static void on_exit_handler(int status, void *argument) { (void)status; *(int *)argument += 10; }
static void without_handle(void *argument) { *(int *)argument += 100; }

int fixture_watch(int *log) {
    log_ = log;
    if (atexit(at_exit) != 0 || on_exit(on_exit_handler, log) != 0) return -1;
    return __cxa_atexit(without_handle, log, 0);
}
