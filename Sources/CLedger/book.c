#include "book.h"
#include "blackbox.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local uint32_t ledger_acting __attribute__((tls_model("initial-exec")));

typedef struct range {
    uintptr_t start;
    uintptr_t end;
    uint32_t image;
} range;

enum { libraries_max = 64, page = 4096 };

/* A load whose image has not been seen in memory yet. */
typedef struct pending {
    struct pending *next;
    const char *path;
    uint32_t image;
} pending;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static range *ranges; /* sorted by start */
static size_t range_count;
static size_t range_capacity;
static pending *loads;
static uint32_t last_image;

extern const char __executable_start[];
extern const char _end[];

book_lock book_open(void) {
    book_lock lock;
    sigset_t all;
    sigfillset(&all);
    blackbox_mask(SIG_SETMASK, &all, &lock.signals);
    pthread_mutex_lock(&mutex);
    return lock;
}

void book_close(book_lock lock) {
    pthread_mutex_unlock(&mutex);
    blackbox_mask(SIG_SETMASK, &lock.signals, NULL);
}

void *book_next(const char *name) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    /* The sanitizer's own definition lies in this program too, under another name, and gave way to
     * the ledger's. */
    char wrapped[64];
    snprintf(wrapped, sizeof wrapped, "___interceptor_%s", name);
    void *found = dlsym(RTLD_DEFAULT, wrapped);
    if (found != NULL) return found;
#endif
#endif
    return dlsym(RTLD_NEXT, name);
}

static book_lock forking;

static void before_fork(void) {
    forking = book_open();
}

static void after_fork(void) {
    book_close(forking);
}

/* A child that is forked while another thread has the book open must find it closed. */
__attribute__((constructor)) static void follow_forks(void) {
    pthread_atfork(before_fork, after_fork, after_fork);
}

bool book_is_host(uintptr_t address) {
    return address >= (uintptr_t)__executable_start && address < (uintptr_t)_end;
}

/* The index of the first range that starts after the address. */
static size_t after(uintptr_t address) {
    size_t low = 0, high = range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].start > address) high = middle;
        else low = middle + 1;
    }
    return low;
}

static bool insert(uint32_t image, uintptr_t start, uintptr_t end) {
    size_t at = after(start);
    if (at > 0 && ranges[at - 1].start == start) {
        ranges[at - 1] = (range){start, end, image};
        return true;
    }
    if (range_count == range_capacity) {
        size_t capacity = range_capacity ? range_capacity * 2 : 64;
        range *grown = realloc(ranges, capacity * sizeof *grown);
        if (grown == NULL) return false;
        ranges = grown;
        range_capacity = capacity;
    }
    memmove(ranges + at + 1, ranges + at, (range_count - at) * sizeof *ranges);
    ranges[at] = (range){start, end, image};
    range_count++;
    return true;
}

uint32_t book_image_at(uintptr_t address) {
    size_t at = after(address);
    if (at > 0 && address < ranges[at - 1].end) return ranges[at - 1].image;
    if (loads == NULL || address == 0 || ledger_acting == 0 || book_is_host(address)) return 0;
    pending *load = loads;
    while (load != NULL && load->image != ledger_acting) load = load->next;
    struct dl_find_object found;
    if (load == NULL || _dl_find_object((void *)address, &found) != 0) return 0;
    if (strcmp(found.dlfo_link_map->l_name, load->path) != 0) return 0;
    if (!insert(load->image, (uintptr_t)found.dlfo_map_start, (uintptr_t)found.dlfo_map_end))
        return 0;
    return load->image;
}

bool book_range_at(uintptr_t address, uintptr_t *start, uintptr_t *end) {
    size_t at = after(address);
    if (at == 0 || address >= ranges[at - 1].end) return false;
    *start = ranges[at - 1].start;
    *end = ranges[at - 1].end;
    return true;
}

uintptr_t book_evidence(const uintptr_t *addresses, size_t count, uint32_t *image) {
    for (size_t i = 0; i < count; i++) {
        *image = book_image_at(addresses[i]);
        if (*image != 0) return addresses[i];
    }
    return 0;
}

void book_thread_name(int32_t tid, char name[16]) {
    memset(name, 0, 16);
    char path[48];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t length = read(fd, name, 15);
    close(fd);
    if (length > 0 && name[length - 1] == '\n') name[length - 1] = 0;
}

ledger_load ledger_begin_load(const char *path) {
    pending *load = malloc(sizeof *load);
    book_lock lock = book_open();
    uint32_t image = ++last_image;
    if (load != NULL) {
        *load = (pending){loads, path, image};
        loads = load;
    }
    blackbox_begin(image, path);
    book_close(lock);
    return (ledger_load){image, ledger_enter(image)};
}

void ledger_end_load(ledger_load load) {
    pending *ended = NULL;
    book_lock lock = book_open();
    for (pending **link = &loads; *link != NULL; link = &(*link)->next) {
        if ((*link)->image != load.image) continue;
        ended = *link;
        *link = ended->next;
        break;
    }
    book_close(lock);
    free(ended);
    ledger_leave(load.previous);
}

/* What dl_iterate_phdr is asked for: the image by its path, then what was loaded after it. */
typedef struct search {
    const char *path;
    bool found;
    size_t count;
    range spans[libraries_max];
    uintptr_t base;
} search;

static int look(struct dl_phdr_info *object, size_t size, void *value) {
    (void)size;
    search *s = value;
    if (!s->found) {
        if (object->dlpi_name == NULL || strcmp(object->dlpi_name, s->path) != 0) return 0;
        s->found = true;
        s->base = object->dlpi_addr;
    }
    uintptr_t start = UINTPTR_MAX, end = 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_LOAD) continue;
        uintptr_t low = object->dlpi_addr + header->p_vaddr, high = low + header->p_memsz;
        if (low < start) start = low;
        if (high > end) end = high;
    }
    if (start >= end) return 0;
    s->spans[s->count++] =
        (range){start & -(uintptr_t)page, (end + page - 1) & -(uintptr_t)page, 0};
    return s->count == libraries_max;
}

bool ledger_bind(uint32_t image, const char *path, ledger_span *span) {
    search s = {.path = path};
    dl_iterate_phdr(look, &s);
    if (!s.found || s.count == 0) return false;
    bool bound = true;
    book_lock lock = book_open();
    for (size_t i = 0; i < s.count; i++) {
        uint32_t known = book_image_at(s.spans[i].start);
        if (known == 0 || known == image) bound &= insert(image, s.spans[i].start, s.spans[i].end);
    }
    *span = (ledger_span){s.spans[0].start, s.spans[0].end, s.base};
    blackbox_bind(image, span);
    book_close(lock);
    return bound;
}

uint32_t ledger_image_at(uintptr_t address) {
    book_lock lock = book_open();
    uint32_t image = book_image_at(address);
    book_close(lock);
    return image;
}

void ledger_forget(uint32_t image) {
    book_forget_keys(image);
    book_forget_threads(image);
    book_forget_timers(image);
    book_lock lock = book_open();
    book_forget_signals(image);
    blackbox_forget(image);
    size_t kept = 0;
    for (size_t i = 0; i < range_count; i++) {
        if (ranges[i].image != image) ranges[kept++] = ranges[i];
    }
    range_count = kept;
    book_close(lock);
}

void ledger_settle_thread(uint32_t image) {
    uint32_t previous = ledger_enter(image);
    /* A destructor may make new thread-local objects; glibc gives keys four rounds
     * (pthread_key_create(3)). */
    for (int round = 0; round < 4; round++) {
        bool ran = book_run_thread_destructors(image);
        ran |= book_run_key_destructors(image);
        if (!ran) break;
    }
    ledger_leave(previous);
}
