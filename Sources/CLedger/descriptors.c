#include "book.h"
#include "blackbox.h"
#include <unistd.h>

NEXT(int, close, (int))

enum { guarded_max = 1 << 16 };

/* A bit for each descriptor that the process cannot do without. */
static uint64_t guarded[guarded_max / 64];

void ledger_guard_descriptor(int descriptor) {
    if (descriptor < 0 || descriptor >= guarded_max) return;
    __atomic_fetch_or(&guarded[descriptor / 64], 1ull << descriptor % 64, __ATOMIC_RELAXED);
}

static bool is_guarded(int descriptor) {
    if (descriptor < 0 || descriptor >= guarded_max) return false;
    uint64_t word = __atomic_load_n(&guarded[descriptor / 64], __ATOMIC_RELAXED);
    return (word >> descriptor % 64 & 1) != 0;
}

/* Whoever closes what is the host's has taken the number for one of its own; nobody could say later
 * why the host does not go on. */
int close(int descriptor) {
    if (blackbox != NULL && is_guarded(descriptor) && blackbox_is_own()) {
        if (!book_is_host(CALLER)) blackbox_end_by(ledger_box_close, descriptor, CALLER);
        __atomic_fetch_and(
            &guarded[descriptor / 64], ~(1ull << descriptor % 64), __ATOMIC_RELAXED);
    }
    return next(close)(descriptor);
}
