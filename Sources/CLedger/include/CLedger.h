#ifndef CLEDGER_H
#define CLEDGER_H

/* The books of what loaded images ask of the C library.
 *
 * The main program comes first in symbol lookup, so the definitions of pthread_create,
 * pthread_key_create, sigaction and their kin in this target replace glibc's for every image in the
 * process. Each books the call to the image that made it and passes it on; calls of the host itself
 * are passed on unbooked.
 *
 * An image is known by an id that is never reused. 0 is the host. An image owns address ranges: its
 * own and those of the libraries that came with it. A call belongs to an image if its return
 * address or a pointer it passes (start routine, destructor, key, handler) lies in a range of that
 * image; where only a third library is seen (std::thread's pthread_create comes from libstdc++) the
 * image that the thread is acting for decides.
 *
 * All functions may be called from any thread. None but ledger_enter, ledger_leave and
 * ledger_acting_for is meant for signal handlers; sigaction and signal stay async-signal-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "box.h"

/* ---- Images ---- */

/* A load in progress on one thread. */
typedef struct ledger_load {
    uint32_t image;
    uint32_t previous;
} ledger_load;

/* Opens an account for an image that is about to be loaded from `path` and makes the calling thread
 * act for it, so that what its constructors do is booked before anyone knows its addresses. `path`
 * is borrowed until ledger_end_load. */
ledger_load ledger_begin_load(const char *path);

/* Where an image lies in memory. */
typedef struct ledger_span {
    uintptr_t start;
    uintptr_t end;
    uintptr_t base; /* what is added to the addresses in the file */
} ledger_span;

/* Books the memory of the image that was loaded from `path`, and that of the libraries that were
 * loaded after it (it brought them), to `image`. The caller sees to it that no other load runs.
 * False when the image is not in memory. */
bool ledger_bind(uint32_t image, const char *path, ledger_span *span);

/* Ends what ledger_begin_load began: the thread acts for whom it acted before. */
void ledger_end_load(ledger_load load);

/* Closes the account of an image that is no longer mapped: keys created by code that is gone are
 * deleted, ended threads that nobody joined are detached (their stacks are freed), ranges and
 * bookings are dropped. */
void ledger_forget(uint32_t image);

/* The image whose range holds the address; 0 if none does. */
uint32_t ledger_image_at(uintptr_t address);

/* ---- Acting for an image ---- */

/* The image that the thread acts for. Set it through ledger_enter and ledger_leave. */
extern _Thread_local uint32_t ledger_acting __attribute__((tls_model("initial-exec")));

/* Makes the thread act for `image`; returns whom it acted for, to be given to ledger_leave. */
static inline uint32_t ledger_enter(uint32_t image) {
    uint32_t previous = ledger_acting;
    ledger_acting = image;
    return previous;
}

/* Ends what ledger_enter began. */
static inline void ledger_leave(uint32_t previous) { ledger_acting = previous; }

/* The image that the calling thread acts for; 0 is the host. Safe in a signal handler. */
static inline uint32_t ledger_acting_for(void) { return ledger_acting; }

/* ---- What an image holds ---- */

typedef struct ledger_thread {
    int32_t tid;         /* 0: not yet started */
    uint32_t count;      /* thread-local destructors outstanding (ledger_destructor_threads only) */
    char name[16];       /* as in /proc/self/task/TID/comm */
} ledger_thread;

/* The threads born by the image that can still execute its code. A thread that has ended but was
 * not joined is not alive. Fills at most `capacity` entries and returns how many there are. */
size_t ledger_threads(uint32_t image, ledger_thread *threads, size_t capacity);

/* The same threads, counted without names. */
size_t ledger_thread_count(uint32_t image);

/* The threads of which every one has left its start routine: they only wait for the kernel to end
 * them. */
bool ledger_threads_are_ending(uint32_t image);

/* The threads on which the image left thread-local objects whose destructors have not run. */
size_t ledger_destructor_threads(uint32_t image, ledger_thread *threads, size_t capacity);

/* The pthread keys that the image created and did not delete. */
uint32_t ledger_key_count(uint32_t image);

/* The signals whose disposition the image changed: bit n-1 stands for signal n. */
uint64_t ledger_signals(uint32_t image);

/* ---- Taking it back ---- */

/* Ends the calling thread's relation to the image as the end of the thread would: runs the
 * destructors of the image's thread-local objects, then those of its keys' values. The thread must
 * not be inside the image. */
void ledger_settle_thread(uint32_t image);

/* Restores each disposition that is still as the image left it, or whose handler lies in the image.
 * The result has a bit for each signal that was restored. */
uint64_t ledger_restore_signals(uint32_t image);

/* Runs what the image registered for the end of the process in ways that dlclose does not see:
 * on_exit, and __cxa_atexit without a handle. Returns how many were outstanding. */
uint32_t ledger_run_exit_handlers(uint32_t image);

/* ---- Child processes ---- */

typedef struct ledger_child {
    int32_t pid;
    int32_t pidfd;
    int32_t output;   /* read end of its stdout */
    int32_t errors;   /* read end of its stderr */
    int32_t input;    /* a socket to its stdin, which sees the end when it is closed; or -1 */
} ledger_child;

/* Starts a program with stdin from /dev/null or, if it takes input, from a socket, stdout and
 * stderr into pipes, no other descriptor, default signal dispositions, its own process group, no
 * core file, and SIGKILL on the end of the calling thread. Returns 0 or an errno; on failure
 * nothing is left open. */
int ledger_spawn(const char *path, char *const arguments[], char *const environment[],
                 int takes_input, ledger_child *child);

/* Ends the child's process group, waits for the child and closes what ledger_spawn opened. Returns
 * 0 or an errno. `*status` is the exit status, or minus the signal number. */
int ledger_reap(ledger_child *child, int32_t *status);

#endif
