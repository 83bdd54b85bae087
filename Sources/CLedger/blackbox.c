#include "book.h"
#include "blackbox.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

enum { magic = 0x70686262, stack_bytes = 64 << 10 };

ledger_box *blackbox;

/* What the next load of this thread is called. */
static _Thread_local struct announcement {
    char name[ledger_box_name_max];
    char version[ledger_box_name_max];
    char digest[ledger_box_digest_max];
    uint64_t generation;
} announced __attribute__((tls_model("initial-exec")));

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
enum { fatal_count = sizeof fatal / sizeof fatal[0] };

static pthread_key_t stack_key;
static bool has_stack_key;
/* Whose box it is: a child that an image forks shares the memory, and is nobody's concern. */
static pid_t armed;

int ledger_box_make(void) {
    int descriptor = memfd_create("host-black-box", MFD_CLOEXEC);
    if (descriptor < 0) return -errno;
    if (ftruncate(descriptor, sizeof(ledger_box)) != 0) {
        int failure = errno;
        close(descriptor);
        return -failure;
    }
    return descriptor;
}

ledger_box *ledger_box_map(int descriptor) {
    void *memory =
        mmap(NULL, sizeof(ledger_box), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void ledger_box_unmap(ledger_box *box) {
    munmap(box, sizeof *box);
}

void ledger_box_empty(ledger_box *box) {
    memset(&box->record, 0, sizeof box->record);
    for (uint32_t i = 0; i < box->image_count && i < ledger_box_images_max; i++)
        memset(&box->images[i], 0, sizeof box->images[i]);
    box->image_count = 0;
    box->library_count = 0;
    box->writer = 0;
    box->magic = 0;
}

/* ---- Reading ---- */

bool ledger_box_read(const ledger_box *box, ledger_box_record *record) {
    if (box->magic != magic) return false;
    if (__atomic_load_n(&box->record.kind, __ATOMIC_ACQUIRE) == ledger_box_nothing) return false;
    *record = box->record;
    if (record->frame_count > ledger_box_frames_max) record->frame_count = ledger_box_frames_max;
    record->thread_name[sizeof record->thread_name - 1] = 0;
    return true;
}

static const ledger_box_image *among(const ledger_box_image *images, uint32_t count,
                                     uint32_t max, uint64_t address) {
    for (uint32_t i = 0; i < count && i < max; i++)
        if (address >= images[i].start && address < images[i].end) return &images[i];
    return NULL;
}

const ledger_box_image *ledger_box_holder(const ledger_box *box, uint64_t address) {
    for (uint32_t i = 0; i < box->image_count && i < ledger_box_images_max; i++) {
        const ledger_box_image *entry = &box->images[i];
        if (entry->image != 0 && address >= entry->start && address < entry->end) return entry;
    }
    return among(box->libraries, box->library_count, ledger_box_libraries_max, address);
}

const ledger_box_image *ledger_box_numbered(const ledger_box *box, uint32_t image) {
    for (uint32_t i = 0; image != 0 && i < box->image_count && i < ledger_box_images_max; i++)
        if (box->images[i].image == image) return &box->images[i];
    return NULL;
}

int64_t ledger_box_host_offset(const ledger_box *box, uint64_t address) {
    if (address < box->host_start || address >= box->host_end) return -1;
    return (int64_t)(address - box->host_start);
}

/* ---- Images ---- */

static void copy(char *to, const char *from, size_t capacity) {
    size_t length = strnlen(from, capacity - 1);
    memcpy(to, from, length);
    to[length] = 0;
}

void ledger_box_announce(const char *name, const char *version, const char *digest,
                         uint64_t generation) {
    if (blackbox == NULL) return;
    copy(announced.name, name, sizeof announced.name);
    copy(announced.version, version, sizeof announced.version);
    copy(announced.digest, digest, sizeof announced.digest);
    announced.generation = generation;
}

static ledger_box_image *entry_of(uint32_t image) {
    for (uint32_t i = 0; i < blackbox->image_count; i++)
        if (blackbox->images[i].image == image) return &blackbox->images[i];
    return NULL;
}

/* The book is open for this and the following three: it orders the writers. Whoever reads while a
 * process goes down takes an entry for what it is when its number is there. */
void blackbox_begin(uint32_t image, const char *path) {
    if (blackbox == NULL) return;
    ledger_box_image *entry = entry_of(0);
    if (entry == NULL) {
        if (blackbox->image_count == ledger_box_images_max) return;
        entry = &blackbox->images[blackbox->image_count++];
    }
    memset(entry, 0, sizeof *entry);
    copy(entry->name, announced.name, sizeof entry->name);
    copy(entry->version, announced.version, sizeof entry->version);
    copy(entry->digest, announced.digest, sizeof entry->digest);
    copy(entry->path, path, sizeof entry->path);
    entry->generation = announced.generation;
    __atomic_store_n(&entry->image, image, __ATOMIC_RELEASE);
}

void blackbox_bind(uint32_t image, const ledger_span *span) {
    ledger_box_image *entry = blackbox == NULL ? NULL : entry_of(image);
    if (entry == NULL) return;
    entry->start = span->start;
    entry->base = span->base;
    __atomic_store_n(&entry->end, span->end, __ATOMIC_RELEASE);
}

void blackbox_forget(uint32_t image) {
    ledger_box_image *entry = blackbox == NULL ? NULL : entry_of(image);
    if (entry != NULL) __atomic_store_n(&entry->image, 0, __ATOMIC_RELEASE);
}

void ledger_box_count(uint32_t image, const void *counters, uint32_t count, uint32_t stride) {
    if (blackbox == NULL || image == 0) return;
    book_lock lock = book_open();
    ledger_box_image *entry = entry_of(image);
    if (entry != NULL) {
        __atomic_store_n(&entry->counter_count, 0, __ATOMIC_RELEASE);
        entry->counters = (uint64_t)(uintptr_t)counters;
        entry->counter_stride = stride;
        __atomic_store_n(&entry->counter_count, counters ? count : 0, __ATOMIC_RELEASE);
    }
    book_close(lock);
}

/* The libraries that are there from the beginning, for the names of their functions. */
static int note_library(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size, (void)unused;
    if (blackbox->library_count == ledger_box_libraries_max) return 1;
    if (object->dlpi_name == NULL || object->dlpi_name[0] != '/') return 0;
    ledger_box_image *entry = &blackbox->libraries[blackbox->library_count];
    memset(entry, 0, sizeof *entry);
    entry->base = object->dlpi_addr;
    entry->start = UINT64_MAX;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_LOAD) continue;
        uint64_t low = object->dlpi_addr + header->p_vaddr, high = low + header->p_memsz;
        if (low < entry->start) entry->start = low;
        if (high > entry->end) entry->end = high;
    }
    const char *slash = strrchr(object->dlpi_name, '/');
    copy(entry->name, slash + 1, sizeof entry->name);
    copy(entry->path, object->dlpi_name, sizeof entry->path);
    blackbox->library_count++;
    return 0;
}

/* ---- The record ---- */

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *value) {
    ledger_box_record *record = value;
    uintptr_t address = _Unwind_GetIP(context);
    if (address == 0 || record->frame_count == ledger_box_frames_max) return _URC_END_OF_STACK;
    record->frames[record->frame_count] = address;
    __atomic_store_n(&record->frame_count, record->frame_count + 1, __ATOMIC_RELEASE);
    return _URC_NO_REASON;
}

static void count_in_flight(ledger_box_record *record) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < blackbox->image_count; i++) {
        const ledger_box_image *entry = &blackbox->images[i];
        if (__atomic_load_n(&entry->image, __ATOMIC_ACQUIRE) == 0) continue;
        uint32_t count = __atomic_load_n(&entry->counter_count, __ATOMIC_ACQUIRE);
        for (uint32_t j = 0; j < count; j++) {
            uintptr_t at = (uintptr_t)entry->counters + (uintptr_t)j * entry->counter_stride;
            sum += __atomic_load_n((const int64_t *)at, __ATOMIC_RELAXED);
        }
    }
    record->in_flight = sum;
}

/* Writes the record, once in the life of the process; a second thread waits for its end. What may
 * fault again comes last: then the first part stands, and the kernel ends the process. */
static void write_record(ledger_box_kind kind, int number, const siginfo_t *info, uintptr_t pc) {
    int32_t nobody = 0, me = (int32_t)syscall(SYS_gettid);
    if (!__atomic_compare_exchange_n(&blackbox->writer, &nobody, me, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        if (nobody == me) return;
        for (;;) pause();
    }
    ledger_box_record *record = &blackbox->record;
    record->number = number;
    record->process = getpid();
    record->thread = me;
    record->acting = ledger_acting;
    record->pc = pc;
    record->in_flight = -1;
    record->frame_count = 0;
    if (info != NULL) {
        record->code = info->si_code;
        if (info->si_code <= 0) record->sender = info->si_pid;
        else record->address = (uint64_t)(uintptr_t)info->si_addr;
    } else {
        record->sender = record->process;
    }
    prctl(PR_GET_NAME, record->thread_name);
    __atomic_store_n(&record->kind, kind, __ATOMIC_RELEASE);
    count_in_flight(record);
    _Unwind_Backtrace(take_frame, record);
}

static uintptr_t pc_of(const void *context) {
    const ucontext_t *there = context;
#if defined(__x86_64__)
    return (uintptr_t)there->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)there->uc_mcontext.pc;
#else
#error "the place of a fault is not known on this machine"
#endif
}

/* With every signal blocked: a fault in here ends the process at once. */
static void handle(int number, siginfo_t *info, void *context) {
    int error = errno;
    if (getpid() == armed) write_record(ledger_box_signal, number, info, pc_of(context));
    blackbox_let_die(number);
    /* Pending until this returns; an instruction that faults faults again meanwhile. */
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), number);
    errno = error;
}

bool blackbox_is_fatal(int number) {
    for (int i = 0; i < fatal_count; i++)
        if (fatal[i] == number) return true;
    return false;
}

/* ---- Stacks for the handler ---- */

static void drop_stack(void *memory) {
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(memory, stack_bytes);
}

void blackbox_shield_thread(void) {
    if (blackbox == NULL || !has_stack_key || pthread_getspecific(stack_key) != NULL) return;
    void *memory = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t stack = {.ss_sp = memory, .ss_size = stack_bytes};
    if (sigaltstack(&stack, NULL) != 0 || pthread_setspecific(stack_key, memory) != 0)
        drop_stack(memory);
}

/* ---- Ends that images bring about ---- */

static uint32_t culprit(uintptr_t caller) {
    if (blackbox == NULL || getpid() != armed) return 0;
    if (ledger_acting == 0 && book_is_host(caller)) return 0;
    book_lock lock = book_open();
    uint32_t image = book_image_at(caller);
    book_close(lock);
    return image != 0 ? image : ledger_acting;
}

/* The caller counts as the place where it happened. */
static void end_by(ledger_box_kind kind, int number, uintptr_t caller) {
    if (culprit(caller) == 0) return;
    write_record(kind, number, NULL, caller);
    /* Nothing of the process can be trusted to be run at its end: other threads are busy in it. */
    if (kind == ledger_box_exit) syscall(SYS_exit_group, number);
    if (kind == ledger_box_close) syscall(SYS_exit_group, 1);
}

void blackbox_end_by(ledger_box_kind kind, int number, uintptr_t caller) {
    end_by(kind, number, caller);
}

bool blackbox_is_own(void) {
    return getpid() == armed;
}

NEXT(void, exit, (int))
NEXT(void, _exit, (int))
NEXT(void, quick_exit, (int))
NEXT(int, kill, (pid_t, int))
NEXT(int, killpg, (pid_t, int))
NEXT(int, raise, (int))
NEXT(int, pthread_kill, (pthread_t, int))

#define ENDS(function) \
    _Noreturn void function(int status) { \
        end_by(ledger_box_exit, status, CALLER); \
        next(function)(status); \
        for (;;) syscall(SYS_exit_group, status); \
    }
ENDS(exit)
ENDS(_exit)
ENDS(quick_exit)

_Noreturn void _Exit(int status) {
    end_by(ledger_box_exit, status, CALLER);
    next(_exit)(status);
    for (;;) syscall(SYS_exit_group, status);
}

/* Calls of exit() from within the C library, as by err(3), end up here. */
static void at_exit(int status, void *unused) {
    (void)unused;
    if (ledger_acting != 0) end_by(ledger_box_exit, status, 0);
}

int kill(pid_t process, int number) {
    bool is_own = process == getpid() || process == 0 || process == -1 || process == -getpgrp();
    if (number == SIGKILL && is_own) end_by(ledger_box_kill, number, CALLER);
    /* The watcher is not an image's to end. */
    if (number != 0 && blackbox != NULL && process == getppid() && culprit(CALLER) != 0) {
        errno = EPERM;
        return -1;
    }
    return next(kill)(process, number);
}

int killpg(pid_t group, int number) {
    if (number == SIGKILL && (group == 0 || group == getpgrp()))
        end_by(ledger_box_kill, number, CALLER);
    return next(killpg)(group, number);
}

int raise(int number) {
    if (number == SIGKILL) end_by(ledger_box_kill, number, CALLER);
    return next(raise)(number);
}

int pthread_kill(pthread_t thread, int number) {
    if (number == SIGKILL) end_by(ledger_box_kill, number, CALLER);
    return next(pthread_kill)(thread, number);
}

/* ---- Masks ---- */

NEXT(int, pthread_sigmask, (int, const sigset_t *, sigset_t *))
NEXT(int, sigprocmask, (int, const sigset_t *, sigset_t *))

int blackbox_mask(int how, const sigset_t *set, sigset_t *old) {
    return next(pthread_sigmask)(how, set, old);
}

void blackbox_open_thread(void) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < fatal_count; i++) sigaddset(&set, fatal[i]);
    next(pthread_sigmask)(SIG_UNBLOCK, &set, NULL);
    blackbox_shield_thread();
}

/* A thread that blocks a fatal signal would be ended by it without a word. */
static const sigset_t *open_fatal(int how, const sigset_t *set, sigset_t *copy, uintptr_t caller) {
    if (blackbox == NULL || set == NULL || how == SIG_UNBLOCK || book_is_host(caller)) return set;
    *copy = *set;
    for (int i = 0; i < fatal_count; i++) sigdelset(copy, fatal[i]);
    return copy;
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    sigset_t copy;
    return next(pthread_sigmask)(how, open_fatal(how, set, &copy, CALLER), old);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
    sigset_t copy;
    return next(sigprocmask)(how, open_fatal(how, set, &copy, CALLER), old);
}

/* ---- Arming ---- */

/* Finds the unwinder's tables before there is need of them. */
static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *unused) {
    (void)context, (void)unused;
    return _URC_NO_REASON;
}

bool ledger_box_arm(ledger_box *box) {
    extern const char __executable_start[];
    extern const char _end[];
    if (!has_stack_key) has_stack_key = pthread_key_create(&stack_key, drop_stack) == 0;
    box->magic = magic;
    box->host_start = (uint64_t)(uintptr_t)__executable_start;
    box->host_end = (uint64_t)(uintptr_t)_end;
    armed = getpid();
    blackbox = box;
    dl_iterate_phdr(note_library, NULL);
    _Unwind_Backtrace(look, NULL);
    blackbox_shield_thread();
    on_exit(at_exit, NULL);
    for (int i = 0; i < fatal_count; i++)
        if (!blackbox_take_signal(fatal[i], handle)) return false;
    return true;
}
