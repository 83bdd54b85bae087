#ifndef LEDGER_BLACKBOX_H
#define LEDGER_BLACKBOX_H

#include "CLedger.h"
#include <signal.h>

struct ledger_box {
    uint32_t magic;
    int32_t writer;       /* the thread that writes the record; 0: none */
    uint32_t image_count; /* entries that were ever used */
    uint32_t library_count;
    uint64_t host_start;
    uint64_t host_end;
    ledger_box_record record;
    ledger_box_image libraries[ledger_box_libraries_max];
    ledger_box_image images[ledger_box_images_max];
};

/* The process's own box; null when it has none. */
extern ledger_box *blackbox;

/* Parts of ledger_begin_load, ledger_bind and ledger_forget. The book is open. */
void blackbox_begin(uint32_t image, const char *path);
void blackbox_bind(uint32_t image, const ledger_span *span);
void blackbox_forget(uint32_t image);

/* Gives the calling thread a stack for the handler of fatal signals, until it ends. */
void blackbox_shield_thread(void);

/* Whether the box has a say in what becomes of the signal. */
bool blackbox_is_fatal(int number);

/* Puts the handler of a fatal signal in force; puts the default in its place. */
bool blackbox_take_signal(int number, void (*handler)(int, siginfo_t *, void *));
void blackbox_let_die(int number);

/* Writes the record and ends the process, if the caller is an image, or acts for one. */
void blackbox_end_by(ledger_box_kind kind, int number, uintptr_t caller);

/* Whether the box is this process's; a child that was forked shares the memory. */
bool blackbox_is_own(void);

/* Lets fatal signals come through to the calling thread, with a stack for their handler. */
void blackbox_open_thread(void);

/* glibc's pthread_sigmask. */
int blackbox_mask(int how, const sigset_t *set, sigset_t *old);

#endif
