#ifndef CLEDGER_BOX_H
#define CLEDGER_BOX_H

/* The black box: memory that a process shares with the one that watches it, so that what it did
 * last can be told when it is gone.
 *
 * While it runs, the box says which images are loaded. When a fatal signal comes, or an image ends
 * the process by a call, the box gets a record of it: what came, on which thread, for whom that
 * thread acted, and where it was. The watcher, or the next process, reads it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ledger_box_images_max = 4096,
    ledger_box_libraries_max = 32,
    ledger_box_frames_max = 64,
    ledger_box_name_max = 64,
    ledger_box_digest_max = 72,
    ledger_box_path_max = 512
};

/* What an image is called, and where it lies. Texts end with a zero byte and are cut to fit. */
typedef struct ledger_box_image {
    uint32_t image; /* its number in the books; 0: the entry is free */
    uint32_t reserved;
    uint64_t generation;
    uint64_t start;
    uint64_t end;
    uint64_t base; /* what is added to the addresses in the file */
    /* Numbers of requests in flight, in the process that is watched: their address, how many, and
     * how many bytes lie between two of them. */
    uint64_t counters;
    uint32_t counter_count;
    uint32_t counter_stride;
    char name[ledger_box_name_max];
    char version[ledger_box_name_max];
    char digest[ledger_box_digest_max];
    char path[ledger_box_path_max];
} ledger_box_image;

typedef enum ledger_box_kind {
    ledger_box_nothing = 0,
    ledger_box_signal = 1,  /* a fatal signal came */
    ledger_box_exit = 2,    /* an image called exit() or one of its kin */
    ledger_box_kill = 3,    /* an image sent SIGKILL to the process */
    ledger_box_close = 4    /* an image closed a descriptor of the host's */
} ledger_box_kind;

typedef struct ledger_box_record {
    uint32_t kind;    /* ledger_box_kind; written last of the first part */
    int32_t number;   /* the signal, the exit status, or the descriptor */
    int32_t code;     /* si_code */
    int32_t sender;   /* the process that sent the signal; 0: the kernel */
    uint64_t address; /* si_addr */
    uint64_t pc;
    int32_t process;
    int32_t thread;
    char thread_name[16];
    uint32_t acting;  /* the image that the thread acted for */
    uint32_t frame_count;
    uint64_t frames[ledger_box_frames_max]; /* return addresses, innermost first */
    int64_t in_flight; /* requests in flight; -1: not known */
} ledger_box_record;

/* The memory that is shared. */
typedef struct ledger_box ledger_box;

/* Makes an empty box. Returns its descriptor, close-on-exec, or minus an errno. */
int ledger_box_make(void);

/* Maps a box; null and errno when that cannot be done. It stays mapped. */
ledger_box *ledger_box_map(int descriptor);

/* Takes the mapping of a box back. */
void ledger_box_unmap(ledger_box *box);

/* The record that was written; false when there is none. */
bool ledger_box_read(const ledger_box *box, ledger_box_record *record);

/* The image that holds the address, or that has the number; null when there is none. A library that
 * was there before any image has the number 0. Neither is called while the box is in use. */
const ledger_box_image *ledger_box_holder(const ledger_box *box, uint64_t address);
const ledger_box_image *ledger_box_numbered(const ledger_box *box, uint32_t image);

/* Where in the main program the address lies; -1 when it does not. */
int64_t ledger_box_host_offset(const ledger_box *box, uint64_t address);

/* What lies in arrays. */
static inline uint64_t ledger_box_frame(const ledger_box_record *record, uint32_t index) {
    return record->frames[index];
}
static inline const char *ledger_box_thread_name(const ledger_box_record *record) {
    return record->thread_name;
}
static inline const char *ledger_box_name(const ledger_box_image *image) { return image->name; }
static inline const char *ledger_box_version(const ledger_box_image *image) {
    return image->version;
}
static inline const char *ledger_box_digest(const ledger_box_image *image) {
    return image->digest;
}
static inline const char *ledger_box_path(const ledger_box_image *image) { return image->path; }

/* Empties a box that nobody writes to any more. */
void ledger_box_empty(ledger_box *box);

/* Makes the box this process's own: from now on images are entered in it, and fatal signals and
 * calls of exit() by images write their record. Every thread that is started later gets a stack of
 * its own for that; so does the calling one. Once in a process, before it has other threads. */
bool ledger_box_arm(ledger_box *box);

/* Says what the image will be called that the calling thread loads next. Nothing without a box. */
void ledger_box_announce(const char *name, const char *version, const char *digest,
                         uint64_t generation);

/* Says where the image's requests in flight are counted; they are read when the process ends by a
 * fault. Nothing without a box. `counters` must stay readable until `ledger_forget`, or until this
 * is called again with null. */
void ledger_box_count(uint32_t image, const void *counters, uint32_t count, uint32_t stride);

/* Says that the process cannot do without a descriptor, until the host closes it: an image that
 * closes it ends the process, if that has a box, and is recorded. */
void ledger_guard_descriptor(int descriptor);

#endif
